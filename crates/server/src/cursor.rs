//! Cursors: a position and whose list it is from. Opaque on the wire; one of another list, filter or key is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a cursor belongs to: the list, its filters and the key that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark([u8; 8]);

impl Mark {
    pub(crate) fn of(key_no: i64, list: &str, filters: &[(&str, &str)]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&key_no.to_le_bytes());
        // Lengths in front, so that no two lists of parts are the same bytes.
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part(list);
        for (name, value) in filters {
            part(name);
            part(value);
        }
        let hash = hasher.finalize();
        Self(*hash.as_bytes().first_chunk().expect("8 of 32 bytes"))
    }

    pub(crate) fn write(self, position: i64) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0);
        bytes[8..].copy_from_slice(&position.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position, if the cursor is of this list.
    pub(crate) fn read(self, cursor: &str) -> Option<i64> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let (mark, position) = bytes.split_first_chunk::<8>()?;
        (*mark == self.0).then(|| i64::from_be_bytes(*position.first_chunk().expect("8 of 8 bytes")))
    }

    /// A position of two numbers.
    pub(crate) fn write_two(self, one: i64, two: i64) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.0);
        bytes[8..16].copy_from_slice(&one.to_be_bytes());
        bytes[16..].copy_from_slice(&two.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Both of them, if the cursor is of this list.
    pub(crate) fn read_two(self, cursor: &str) -> Option<(i64, i64)> {
        let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let number = |from: usize| bytes[from..].first_chunk().map(|chunk| i64::from_be_bytes(*chunk));
        if bytes[..8] == self.0 { number(8).zip(number(16)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_list_takes_it() {
        let mark = Mark::of(1, "messages", &[("state", "sending")]);
        for position in [0, 1, i64::MAX, -1] {
            assert_eq!(mark.read(&mark.write(position)), Some(position));
            assert_eq!(mark.read_two(&mark.write_two(position, 7)), Some((position, 7)));
            assert_eq!(mark.read_two(&mark.write(position)), None);
        }
        let cursor = mark.write(7);
        for other in [
            Mark::of(2, "messages", &[("state", "sending")]),
            Mark::of(1, "people", &[("state", "sending")]),
            Mark::of(1, "messages", &[("state", "paused")]),
            Mark::of(1, "messages", &[]),
        ] {
            assert_eq!(other.read(&cursor), None);
            assert_eq!(other.read_two(&mark.write_two(7, 7)), None);
        }
        for garbage in ["", "AAAA", "!!", &cursor[1..]] {
            assert_eq!(mark.read(garbage), None, "{garbage}");
        }
    }
}
