//! The two icons of a package.

use std::path::Path;

use crate::commands::Failure;

#[derive(Debug, Clone, Copy)]
pub(super) enum Icon {
    /// 192 by 192 pixels.
    Color,
    /// 32 by 32 pixels, white on transparent.
    Outline,
}

impl Icon {
    fn pixels(self) -> u32 {
        match self {
            Self::Color => 192,
            Self::Outline => 32,
        }
    }

    fn ours(self) -> &'static [u8] {
        match self {
            Self::Color => include_bytes!("../../../assets/color.png"),
            Self::Outline => include_bytes!("../../../assets/outline.png"),
        }
    }

    /// The icon of this file, or ours.
    pub(super) fn read(self, path: Option<&Path>) -> Result<Vec<u8>, Failure> {
        let Some(path) = path else { return Ok(self.ours().to_vec()) };
        let file = path.display();
        let bytes =
            std::fs::read(path).map_err(|error| Failure::wrong_use(format!("the icon {file}: {error}")))?;
        let need = self.pixels();
        match size(&bytes) {
            None => Err(Failure::wrong_use(format!("the icon {file} is not a PNG"))),
            Some(size) if size != (need, need) => Err(Failure::wrong_use(format!(
                "the icon {file} has {} by {} pixels; Teams takes {need} by {need}",
                size.0, size.1
            ))),
            Some(_) => Ok(bytes),
        }
    }
}

/// Width and height of a PNG: its first chunk begins with them.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?, number(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_have_the_sizes_that_teams_takes() {
        assert_eq!(size(Icon::Color.ours()), Some((192, 192)));
        assert_eq!(size(Icon::Outline.ours()), Some((32, 32)));
    }

    #[test]
    fn others_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("icon.png");
        std::fs::write(&path, Icon::Outline.ours()).unwrap();
        assert!(Icon::Outline.read(Some(&path)).is_ok());
        let wrong = Icon::Color.read(Some(&path)).unwrap_err().to_string();
        assert!(wrong.contains("32 by 32 pixels; Teams takes 192 by 192"), "{wrong}");
        std::fs::write(&path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0").unwrap();
        assert!(Icon::Color.read(Some(&path)).unwrap_err().to_string().contains("not a PNG"));
        assert!(Icon::Color.read(Some(&folder.path().join("none"))).is_err());
    }
}
