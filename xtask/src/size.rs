//! No source file over [`MOST`] lines: a file that long has more than one subject, and nobody reads it to its end.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

pub(crate) const MOST: usize = 500;

/// One finding for each file that is too long.
pub(crate) fn too_long(files: &[(PathBuf, usize)]) -> Vec<String> {
    files
        .iter()
        .filter(|(_, lines)| *lines > MOST)
        .map(|(path, lines)| {
            format!("{}: {lines} lines, at most {MOST}: divide it by subject", path.display())
        })
        .collect()
}

/// What is counted, by the end of its name.
const SOURCES: [&str; 5] = ["rs", "ts", "js", "mjs", "css"];

/// Every tracked source file with its number of lines. Without git (an unpacked archive), every such file.
pub(crate) fn line_counts(root: &Path) -> Result<Vec<(PathBuf, usize)>> {
    let mut paths = if root.join(".git").exists() { tracked(root)? } else { walk(root)? };
    paths.sort();
    let mut counts = Vec::new();
    for path in paths {
        let full = root.join(&path);
        // A file deleted in the work tree is still in git's index.
        if full.is_file() {
            let bytes = std::fs::read(&full).with_context(|| format!("reading {}", path.display()))?;
            counts.push((path, lines(&bytes)));
        }
    }
    Ok(counts)
}

fn lines(bytes: &[u8]) -> usize {
    bytes.split_inclusive(|byte| *byte == b'\n').count()
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--"])
        .args(SOURCES.map(|end| format!("*.{end}")))
        .output()
        .context("starting git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in
            std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?
        {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                if !["target", "node_modules", ".git"].iter().any(|skipped| name == *skipped) {
                    open.push(entry.path());
                }
            } else if Path::new(&name)
                .extension()
                .is_some_and(|end| SOURCES.iter().any(|source| end == *source))
            {
                found.push(entry.path().strip_prefix(root)?.to_path_buf());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_lines_pass_and_one_more_does_not() {
        let files = [(PathBuf::from("a.rs"), MOST), (PathBuf::from("b.rs"), MOST + 1)];
        let found = too_long(&files);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("b.rs: 501 lines"), "{found:?}");
    }

    #[test]
    fn a_last_line_without_its_end_counts() {
        assert_eq!(lines(b""), 0);
        assert_eq!(lines(b"a\n"), 1);
        assert_eq!(lines(b"a\nb"), 2);
    }
}
