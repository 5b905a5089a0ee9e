//! Cells of what is downloaded as CSV.

use std::borrow::Cow;

/// Spreadsheets take a cell that starts so for a formula, also after white space and in full width.
pub(crate) fn defused(cell: &str) -> Cow<'_, str> {
    // Nearly all cells begin so.
    if cell.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Cow::Borrowed(cell);
    }
    let starts_formula = cell.starts_with(['\t', '\r', '\n'])
        || cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if starts_formula { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// A line of such cells.
pub(crate) fn line<'c>(
    writer: &mut csv::Writer<Vec<u8>>,
    cells: impl IntoIterator<Item = &'c str>,
) -> Result<(), csv::Error> {
    for cell in cells {
        writer.write_field(&*defused(cell))?;
    }
    // Ends it.
    writer.write_record(None::<&[u8]>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_nothing_else() {
        for cell in ["=1+1", "+1", "-1", "@x", "\t=1", "\rx", "\nx", " =1", "＝1"] {
            assert_eq!(defused(cell), format!("'{cell}"));
        }
        for cell in ["", "Ines", "a=b", "2026-11-22T10:00:00Z", "'x", "19:x@thread.tacv2"] {
            assert_eq!(defused(cell), cell);
        }
    }
}
