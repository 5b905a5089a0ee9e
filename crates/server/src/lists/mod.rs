//! Uploaded lists: bytes to people and names, with everything that is wrong told by line (`docs/adr/0024`).
//!
//! An entry stands on one line, in CSV too: a quoted field that goes over lines is refused, for a quote that somebody
//! forgot would swallow everybody up to the next one.

mod columns;
mod entries;
mod ndjson;
mod table;
mod text;

use nuncio_api::Code;

use crate::problem::Refusal;
pub(crate) use entries::Entries;

/// Longer ones are told to be split. A message has at most so many recipients.
const MOST_LINES: i64 = 1_000_000;

/// What a list is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One column of people, with or without a header.
    Csv,
    /// A JSON string a line, or an object that has one.
    Ndjson,
}

/// The entries of a list, or all that is wrong with it.
pub(crate) fn parse(format: Format, body: &[u8]) -> Result<Entries, Refusal> {
    let text = text::decode(body).map_err(|line| {
        let text = "this is not UTF-8 (nor UTF-16 with a byte order mark): save the list as UTF-8, in Excel as \
                    \"CSV UTF-8\"";
        Refusal::at(Code::ListNotText, pointer(line), text)
    })?;
    let mut entries = Entries::default();
    match format {
        Format::Csv => table::read(&text, &mut entries)?,
        Format::Ndjson => ndjson::read(&text, &mut entries)?,
    }
    entries.right()
}

/// The lines of a text with their numbers, which begin at 1.
fn lines(text: &str) -> impl Iterator<Item = (i64, &str)> {
    // Files of an old Mac have no other ends of lines.
    let end = if text.contains('\n') { '\n' } else { '\r' };
    let whole = text.strip_suffix(end).unwrap_or(text);
    let lines = (!text.is_empty()).then(|| whole.split(end)).into_iter().flatten();
    (1..).zip(lines.map(|line| line.strip_suffix('\r').unwrap_or(line)))
}

fn within(line: i64) -> Result<(), Refusal> {
    if line <= MOST_LINES {
        return Ok(());
    }
    let text = "a list has 1,000,000 lines at most: split it, and name all its parts in `audience.lists`";
    Err(Refusal::at(Code::ListTooLong, pointer(line), text))
}

fn pointer(line: i64) -> String {
    format!("/line/{line}")
}
