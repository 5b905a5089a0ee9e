//! Cells of what is downloaded as CSV.

/// Spreadsheets take a cell that starts so for a formula, also after white space and in full width.
pub(crate) fn defused(cell: String) -> String {
    let starts_formula = cell.starts_with(['\t', '\r', '\n'])
        || cell.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if starts_formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_defused_and_nothing_else() {
        for cell in ["=1+1", "+1", "-1", "@x", "\t=1", "\rx", "\nx", " =1", "＝1"] {
            assert_eq!(defused(cell.to_owned()), format!("'{cell}"));
        }
        for cell in ["", "Ines", "a=b", "2026-11-22T10:00:00Z", "'x", "19:x@thread.tacv2"] {
            assert_eq!(defused(cell.to_owned()), cell);
        }
    }
}
