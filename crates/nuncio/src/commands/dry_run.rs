//! What `--dry-run` of `send` and of `install` tell alike: previews as text for people, and the exit code.

use std::collections::BTreeMap;

use nuncio_api::preview::{Sampled, Unread};

use super::output::{clean, counted, grouped, second, share};
use crate::cli::{NOT_ALL, NOT_DONE};

/// Names in a line; the others are in the JSON.
const NAMED: usize = 3;

/// 0 if somebody would have it in the end; nobody would: 1, or 3 if that is not known because the directory did not tell.
pub(super) fn exit_code(somebody: i64, complete: bool) -> u8 {
    match (somebody, complete) {
        (1.., _) => 0,
        (_, true) => NOT_ALL,
        (_, false) => NOT_DONE,
    }
}

/// Who, when, and what stands in the way.
pub(super) fn text(audience: String, when: &[(&str, String)], notes: Vec<String>) -> String {
    let mut parts = vec![audience, lined_up(when)];
    parts.extend(notes);
    parts.join("\n\n")
}

/// An audience by what becomes of it: counts, their share of it, and examples.
pub(super) struct Rows<'p> {
    of: i64,
    sample: &'p BTreeMap<String, Vec<Sampled>>,
    lines: Vec<(String, i64, String, String)>,
}

impl<'p> Rows<'p> {
    pub(super) fn of(audience: i64, sample: &'p BTreeMap<String, Vec<Sampled>>) -> Self {
        let lines = vec![("audience".to_owned(), audience, String::new(), String::new())];
        Self { of: audience, sample, lines }
    }

    pub(super) fn add(&mut self, name: &str, count: i64) {
        self.lines.push((name.to_owned(), count, share(count, self.of), String::new()));
    }

    /// With examples: those of this name in the sample.
    pub(super) fn add_group(&mut self, name: &str, count: i64, group: &str) {
        let names = self.sample.get(group).map_or(String::new(), |sample| names(sample));
        self.lines.push((name.to_owned(), count, share(count, self.of), names));
    }

    /// Whom no call would be made for, by reason.
    pub(super) fn add_uncalled(&mut self, fail: &BTreeMap<String, i64>, skip: &BTreeMap<String, i64>) {
        for (reason, count) in fail {
            self.add_group(&format!("  would fail: {}", clean(reason)), *count, reason);
        }
        self.add("  would be skipped", skip.values().sum());
        for (reason, count) in skip {
            self.add_group(&format!("    {}", clean(reason)), *count, reason);
        }
    }

    pub(super) fn table(self) -> String {
        counted(self.lines)
    }
}

fn names(sample: &[Sampled]) -> String {
    let mut names: Vec<&str> = sample
        .iter()
        .take(NAMED)
        .map(|one| one.name.as_deref().or(one.upn.as_deref()).unwrap_or(&one.id))
        .collect();
    if sample.len() > NAMED {
        names.push("…");
    }
    clean(&names.join(", "))
}

/// Those counts that are not 0, with what they count; `None` if all are.
pub(super) fn each(counts: &[(i64, &str)]) -> Option<String> {
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What is called at Microsoft.
pub(super) fn calls(counts: &[(i64, &str)]) -> (&'static str, String) {
    ("calls", each(counts).unwrap_or_else(|| "none".to_owned()))
}

/// When it begins, how long it takes, and when it is done.
pub(super) fn times(
    begins_at: Option<&str>,
    duration_s: Option<f64>,
    estimated_end: Option<&str>,
) -> impl Iterator<Item = (&'static str, String)> {
    let not_known = || "not known".to_owned();
    let begins = begins_at.map(|begins| ("begins", second(begins)));
    let takes = ("takes", duration_s.map_or_else(not_known, span));
    let done = ("done", estimated_end.map_or_else(not_known, second));
    begins.into_iter().chain([takes, done])
}

/// What belongs to each name, in a column.
fn lined_up(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// Parts of an audience that are not whole.
pub(super) fn not_read(parts: &[Unread]) -> impl Iterator<Item = String> {
    parts.iter().map(|part| {
        let id = part.id.as_ref().map_or(String::new(), |id| format!(" {id}"));
        clean(&format!(
            "Not complete, there may be more recipients: {}{id} was not read to its end, because {}",
            part.source, part.text
        ))
    })
}

pub(super) fn confirmation(needs_confirmation: bool, max_recipients: i64) -> Option<String> {
    needs_confirmation.then(|| {
        format!(
            "These are more than {} recipients: it would wait for a confirmation (--max-recipients, --yes).",
            grouped(max_recipients)
        )
    })
}

pub(super) fn expiry(expires_before_end: Option<bool>, expires_at: &str) -> Option<String> {
    (expires_before_end == Some(true)).then(|| {
        format!("It would expire at {}, before it is done: give a later --expires-at.", second(expires_at))
    })
}

/// What happens to nobody at the moment, and why.
pub(super) fn held_up(nothing: &str, cause: Option<&str>, cause_text: Option<&str>) -> Option<String> {
    let why = cause_text.unwrap_or_default();
    cause.map(|cause| clean(&format!("{nothing} at the moment ({cause}): {why}")))
}

/// Seconds as people say them.
fn span(seconds: f64) -> String {
    let whole = seconds.ceil() as i64;
    match whole {
        ..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        3_600..86_400 => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} days {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_steers_a_terminal() {
        let esc = |text: &str| format!("{text}\u{1b}[2J");
        let reasons = BTreeMap::from([(esc("reason"), 2)]);
        let someone = Sampled { id: esc("id"), kind: "person".to_owned(), name: None, upn: None };
        let sample = BTreeMap::from([(esc("reason"), vec![someone])]);
        let mut rows = Rows::of(4, &sample);
        rows.add_uncalled(&reasons, &reasons);
        let unread = [Unread { source: esc("group"), id: Some(esc("id")), text: esc("why") }];
        let mut notes: Vec<String> = not_read(&unread).collect();
        notes.extend(held_up("Nothing goes out", Some(&esc("paused")), Some(&esc("why"))));
        let text = text(rows.table(), &[("calls", "none".to_owned())], notes);
        for words in [
            "  would fail: reason [2J  2  50.0 %  id [2J",
            "    reason [2J            2",
            "group [2J id [2J",
            "(paused [2J): why",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn spans() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.2, "1 s"),
            (59.5, "1 min 0 s"),
            (3_700.0, "1 h 1 min"),
            (200_000.0, "2 days 7 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
