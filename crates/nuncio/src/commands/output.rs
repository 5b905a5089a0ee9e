//! Printing: data to stdout, tables without borders, one JSON value where asked.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use nuncio_api::Message;
use serde::Serialize;

/// One line to stdout. A reader that has gone is an error to end with, not a panic.
pub fn print(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.trim_end_matches('\n'))
}

/// One JSON value to stdout.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    print(&text)
}

/// A JSON array whose items are written as they come.
pub struct JsonArray<W: Write> {
    to: W,
    empty: bool,
}

impl<W: Write> JsonArray<W> {
    pub fn begin(to: W) -> Self {
        Self { to, empty: true }
    }

    pub fn item(&mut self, item: &impl Serialize) -> io::Result<()> {
        self.to.write_all(if self.empty { b"[\n  " } else { b",\n  " })?;
        self.empty = false;
        serde_json::to_writer(&mut self.to, item).map_err(io::Error::from)
    }

    pub fn end(mut self) -> io::Result<()> {
        self.to.write_all(if self.empty { b"[]\n" } else { b"\n]\n" })?;
        self.to.flush()
    }
}

/// Rows under a header, without borders; cut to the terminal's width where there is one.
pub fn table<R: IntoIterator<Item = String>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let on_terminal = io::stdout().is_terminal();
    table.set_content_arrangement(if on_terminal {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| clean(&cell)));
    }
    trimmed(&mut table)
}

/// The ledger of a message: every recipient in one of the rows, failures and skips with their reasons.
pub fn ledger_table(message: &Message) -> String {
    let counts = message.counts;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut row = |name: &str, count: i64, share: String| {
        table.add_row([name.to_owned(), grouped(count), share]);
    };
    let none = BTreeMap::new();
    row("audience", counts.audience, String::new());
    for (name, count, reasons, always) in [
        ("pending", counts.pending, &none, false),
        ("in flight", counts.in_flight, &none, false),
        ("delivered", counts.delivered, &none, true),
        ("failed", counts.failed, &message.failed_by_reason, true),
        ("skipped", counts.skipped, &message.skipped_by_reason, true),
        ("ambiguous", counts.ambiguous, &none, true),
        ("cancelled", counts.cancelled, &none, false),
        ("expired", counts.expired, &none, false),
    ] {
        if count != 0 || always {
            row(&format!("  {name}"), count, share(count, counts.audience));
        }
        for (reason, count) in reasons.iter().filter(|(_, count)| **count != 0) {
            row(&format!("    {}", clean(reason)), *count, share(*count, counts.audience));
        }
    }
    for index in [1, 2] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&mut table)
}

/// Counts with what they count, their share, and examples.
pub fn counted(rows: impl IntoIterator<Item = (String, i64, String, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for (name, count, share, examples) in rows {
        table.add_row([name, grouped(count), share, examples]);
    }
    for index in [1, 2] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&mut table)
}

/// Without the space that the style puts around cells and behind the last of them.
fn trimmed(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A count as a part of the whole.
pub fn share(count: i64, of: i64) -> String {
    match (count, of) {
        (0, _) | (_, ..=0) => String::new(),
        _ => format!("{:.1} %", count as f64 * 100.0 / of as f64),
    }
}

/// 1234567 as 1,234,567.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Names and texts come from other people: nothing in them may steer a terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A time of the API without its fraction, for people.
pub fn second(time: &str) -> String {
    match time.split_once('.') {
        Some((time, fraction)) if fraction.ends_with('Z') => format!("{time}Z"),
        _ => time.to_owned(),
    }
}

/// What may be unknown.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use nuncio_api::Counts;

    use super::*;

    pub(crate) fn message() -> Message {
        Message {
            install: String::new(),
            id: "msg_1".to_owned(),
            app: "main".to_owned(),
            tenant: "t".to_owned(),
            state: "completed".to_owned(),
            cause: None,
            cause_text: None,
            requested: None,
            label: None,
            priority: "normal".to_owned(),
            counts: Counts::default(),
            audience_final: true,
            duplicates_removed: 0,
            needs_attention: 0,
            failed_by_reason: BTreeMap::new(),
            skipped_by_reason: BTreeMap::new(),
            rate_per_s: None,
            eta: None,
            cooling_until: None,
            send_at: None,
            expires_at: "2026-11-23T10:00:00Z".to_owned(),
            created_at: "2026-11-22T10:00:00Z".to_owned(),
            completed_at: None,
            retries: None,
            content: None,
        }
    }

    #[test]
    fn the_ledger() {
        let mut message = message();
        message.counts =
            Counts { audience: 1200, delivered: 1150, failed: 30, skipped: 20, ..Counts::default() };
        message.failed_by_reason =
            BTreeMap::from([("blocked_by_user".to_owned(), 2), ("not_installed".to_owned(), 28)]);
        message.skipped_by_reason = BTreeMap::from([("unreachable".to_owned(), 20)]);
        let expected = "\
audience             1,200
  delivered          1,150  95.8 %
  failed                30   2.5 %
    blocked_by_user      2   0.2 %
    not_installed       28   2.3 %
  skipped               20   1.7 %
    unreachable         20   1.7 %
  ambiguous              0";
        assert_eq!(ledger_table(&message), expected);
    }

    #[test]
    fn an_empty_ledger() {
        assert_eq!(ledger_table(&message()).lines().count(), 5);
    }

    #[test]
    fn tables_are_plain() {
        let rows = [["a\u{1b}[31m".to_owned(), "b".to_owned()], ["long enough".to_owned(), "c".to_owned()]];
        assert_eq!(table(&["one", "two"], rows), "ONE          TWO\na [31m       b\nlong enough  c");
    }

    #[test]
    fn arrays_are_json() {
        for items in [vec![], vec![1], vec![1, 2]] {
            let mut text = Vec::new();
            let mut array = JsonArray::begin(&mut text);
            for item in &items {
                array.item(item).unwrap();
            }
            array.end().unwrap();
            assert_eq!(serde_json::from_slice::<Vec<i32>>(&text).unwrap(), items);
        }
    }

    #[test]
    fn times_to_the_second() {
        for (time, text) in [
            ("2026-11-22T10:00:00.123456Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("-", "-"),
        ] {
            assert_eq!(second(time), text);
        }
    }

    #[test]
    fn digits_in_groups() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-1234, "-1,234")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
