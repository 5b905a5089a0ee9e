//! `nuncio send --dry-run`: what the message would come to. Nothing is stored or sent.

use std::process::ExitCode;

use nuncio_api::NewMessage;
use nuncio_api::preview::{Preview, Sampled, Unread};
use nuncio_client::Client;

use crate::cli::{NOT_ALL, NOT_DONE};
use crate::commands::output::{self, clean, counted, grouped, second, share};

/// Names in a line; the others are in the JSON.
const NAMED: usize = 3;

pub(super) async fn run(client: &Client, message: &NewMessage, json: bool) -> anyhow::Result<ExitCode> {
    let preview = client.preview(message).await?;
    if json {
        output::print_json(&preview)?;
    } else {
        output::print(&text(&preview))?;
    }
    Ok(ExitCode::from(exit_code(&preview)))
}

/// 0 if somebody would get it; nobody would: 1, or 3 if that is not known because the directory did not tell.
fn exit_code(preview: &Preview) -> u8 {
    match (preview.would_send.total, preview.complete) {
        (1.., _) => 0,
        (_, true) => NOT_ALL,
        (_, false) => NOT_DONE,
    }
}

/// For people: who, when, and what stands in the way.
fn text(preview: &Preview) -> String {
    let mut text = audience(preview);
    text.push_str("\n\n");
    text.push_str(&when(preview));
    for note in notes(preview) {
        text.push_str("\n\n");
        text.push_str(&note);
    }
    text
}

fn audience(preview: &Preview) -> String {
    let of = preview.audience;
    let names = |group: &str| preview.sample.get(group).map_or(String::new(), |sample| names(sample));
    let mut rows = Vec::new();
    let mut row = |name: &str, count: i64, names: String| {
        let share = if name == "audience" { String::new() } else { share(count, of) };
        rows.push((name.to_owned(), count, share, names));
    };
    row("audience", of, String::new());
    row("  would get it", preview.would_send.total, String::new());
    row("    conversation known", preview.would_send.known, String::new());
    row("    first contact", preview.would_send.first_contact, names("first_contact"));
    if preview.would_wait > 0 {
        row("  would be waited for", preview.would_wait, names("would_wait"));
    }
    for (reason, count) in &preview.would_fail {
        row(&format!("  would fail: {reason}"), *count, names(reason));
    }
    let skipped: i64 = preview.would_skip.values().sum();
    row("  would be skipped", skipped, String::new());
    for (reason, count) in &preview.would_skip {
        row(&format!("    {}", clean(reason)), *count, names(reason));
    }
    for (name, count, group) in [
        ("may lack the app", preview.needs_install, "needs_install"),
        ("removed the app", preview.removed, "removed"),
    ] {
        if count > 0 {
            row(name, count, names(group));
        }
    }
    counted(rows)
}

pub(in crate::commands) fn names(sample: &[Sampled]) -> String {
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

fn when(preview: &Preview) -> String {
    let mut lines = Vec::new();
    let calls = preview.calls;
    let parts: Vec<String> = [
        (calls.create, "to create conversations"),
        (calls.send, "to send"),
        (calls.install, "to install the app"),
        (calls.graph_pages, "to read the directory"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", grouped(*count)))
    .collect();
    lines.push(("calls", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }));
    lines.push((
        "pace",
        preview.rate_per_s.map_or("no limit".to_owned(), |rate| format!("{rate:.1} a second")),
    ));
    let ahead = preview.ahead;
    let others = [(ahead.urgent, "urgent"), (ahead.normal, "normal"), (ahead.bulk, "bulk")];
    let others: Vec<String> = others
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| format!("{} {class}", grouped(*count)))
        .collect();
    if !others.is_empty() {
        lines.push(("other deliveries", others.join(", ")));
    }
    if let Some(begins) = &preview.begins_at {
        lines.push(("begins", second(begins)));
    }
    lines.push(("takes", preview.duration_s.map_or("not known".to_owned(), span)));
    lines.push(("done", preview.estimated_end.as_deref().map_or("not known".to_owned(), second)));
    lined_up(&lines)
}

/// What belongs to each name, in a column.
pub(in crate::commands) fn lined_up(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// A part of an audience that is not whole.
pub(in crate::commands) fn not_read(part: &Unread) -> String {
    let id = part.id.as_ref().map_or(String::new(), |id| format!(" {id}"));
    clean(&format!(
        "Not complete, there may be more recipients: {}{id} was not read to its end, because {}",
        part.source, part.text
    ))
}

fn notes(preview: &Preview) -> Vec<String> {
    let mut notes: Vec<String> = preview.incomplete.iter().map(not_read).collect();
    if preview.needs_confirmation {
        notes.push(format!(
            "These are more than {} recipients: it would wait for a confirmation (--max-recipients, --yes).",
            grouped(preview.max_recipients)
        ));
    }
    if preview.expires_before_end == Some(true) {
        notes.push(format!(
            "It would expire at {}, before it is done: give a later --expires-at.",
            second(&preview.expires_at)
        ));
    }
    if let Some(cause) = &preview.cause {
        let why = preview.cause_text.as_deref().unwrap_or_default();
        notes.push(clean(&format!("Nothing goes out at the moment ({cause}): {why}")));
    }
    notes
}

/// Seconds as people say them.
pub(in crate::commands) fn span(seconds: f64) -> String {
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
    use std::collections::BTreeMap;

    use nuncio_api::preview::{Ahead, Calls, WouldSend};

    use super::*;

    fn preview() -> Preview {
        let called = |name: Option<&str>| Sampled {
            id: "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b".to_owned(),
            kind: "person".to_owned(),
            name: name.map(str::to_owned),
            upn: None,
        };
        let guests = ["Ines", "Omar\u{1b}[2J", "Wei", "Ana"].map(|name| called(Some(name)));
        Preview {
            app: "main".to_owned(),
            tenant: "t".to_owned(),
            complete: true,
            incomplete: Vec::new(),
            audience: 1_200,
            duplicates_removed: 3,
            would_send: WouldSend { total: 1_150, known: 1_100, first_contact: 50 },
            would_wait: 0,
            would_fail: BTreeMap::new(),
            would_skip: BTreeMap::from([("guest".to_owned(), 40), ("unreachable".to_owned(), 10)]),
            needs_install: 50,
            removed: 0,
            by_state: BTreeMap::new(),
            calls: Calls { create: 50, send: 1_150, install: 0, graph_pages: 24 },
            max_recipients: 1_000,
            needs_confirmation: false,
            rate_per_s: Some(49.2),
            ahead: Ahead { urgent: 0, normal: 2_000, bulk: 7 },
            begins_at: Some("2026-11-22T10:00:00.25Z".to_owned()),
            duration_s: Some(65.04),
            estimated_end: Some("2026-11-22T10:01:05.29Z".to_owned()),
            expires_at: "2026-11-23T10:00:00Z".to_owned(),
            expires_before_end: Some(false),
            paused_since: None,
            cause: None,
            cause_text: None,
            cooling_until: None,
            sample: BTreeMap::from([
                ("guest".to_owned(), guests.to_vec()),
                ("first_contact".to_owned(), vec![called(None)]),
            ]),
        }
    }

    #[test]
    fn what_a_person_sees() {
        let expected = "\
audience                1,200
  would get it          1,150  95.8 %
    conversation known  1,100  91.7 %
    first contact          50   4.2 %  b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b
  would be skipped         50   4.2 %
    guest                  40   3.3 %  Ines, Omar [2J, Wei, …
    unreachable            10   0.8 %
may lack the app           50   4.2 %

calls             50 to create conversations, 1,150 to send, 24 to read the directory
pace              49.2 a second
other deliveries  2,000 normal, 7 bulk
begins            2026-11-22T10:00:00Z
takes             1 min 6 s
done              2026-11-22T10:01:05Z";
        assert_eq!(text(&preview()), expected);
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let unread = Unread {
            source: "group".to_owned(),
            id: Some("4d0ef681".to_owned()),
            text: "Microsoft Graph refuses.".to_owned(),
        };
        let stopped = Preview {
            complete: false,
            incomplete: vec![unread],
            needs_confirmation: true,
            rate_per_s: None,
            begins_at: None,
            duration_s: None,
            estimated_end: None,
            expires_before_end: Some(true),
            would_wait: 10,
            cause: Some("paused".to_owned()),
            cause_text: Some("an operator holds the lane: resume it".to_owned()),
            ..preview()
        };
        let text = text(&stopped);
        for line in [
            "Not complete, there may be more recipients: group 4d0ef681 was not read to its end, because Microsoft Graph refuses.",
            "more than 1,000 recipients: it would wait for a confirmation",
            "It would expire at 2026-11-23T10:00:00Z, before it is done",
            "Nothing goes out at the moment (paused): an operator holds the lane: resume it",
            "  would be waited for      10   0.8 %",
            "pace              no limit",
            "done              not known",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("begins"));
    }

    #[test]
    fn codes() {
        let nobody = Preview { would_send: WouldSend::default(), ..preview() };
        assert_eq!(exit_code(&preview()), 0);
        assert_eq!(exit_code(&Preview { complete: false, ..preview() }), 0);
        assert_eq!(exit_code(&nobody), NOT_ALL);
        assert_eq!(exit_code(&Preview { complete: false, ..nobody }), NOT_DONE);
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
