//! Documents that tests write: what a test saw is compared with what is committed, section by section.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Set to anything, this writes what would be compared.
const BLESS: &str = "NUNCIO_BLESS";

/// Tests of one process write their sections one after the other.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares a section of a document with what a test saw, or writes it. `path` is relative to the root of the
/// repository; the section stands between two comments with its name, and whoever adds one puts them there by hand.
pub fn section(path: &str, name: &str, seen: &str) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let document = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let parts = document
        .split_once(&begin)
        .and_then(|(before, rest)| Some((before, rest.split_once(&end)?)))
        .map(|(before, (committed, after))| (before, committed, after));
    let Some((before, committed, after)) = parts else { panic!("{path} has no section {name}") };
    if committed == seen {
        return;
    }
    assert!(
        std::env::var_os(BLESS).is_some(),
        "{path}, section {name}, is not what was seen; {BLESS}=1 writes it.\n{}",
        differences(committed, seen)
    );
    std::fs::write(&file, format!("{before}{begin}{seen}{end}{after}"))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Lines of one that the other has not.
fn differences(committed: &str, seen: &str) -> String {
    let only = |sign: char, these: &str, others: &str| -> Vec<String> {
        let others: Vec<&str> = others.lines().collect();
        these.lines().filter(|line| !others.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    [only('-', committed, seen), only('+', seen, committed)].concat().join("\n")
}
