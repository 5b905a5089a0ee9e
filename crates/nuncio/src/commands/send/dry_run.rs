//! `nuncio send --dry-run`: what the message would come to. Nothing is stored or sent.

use std::process::ExitCode;

use nuncio_api::NewMessage;
use nuncio_api::preview::Preview;
use nuncio_client::Client;

use crate::commands::dry_run::{self as shared, Rows};
use crate::commands::output;

pub(super) async fn run(client: &Client, message: &NewMessage, json: bool) -> anyhow::Result<ExitCode> {
    let preview = client.preview(message).await?;
    if json {
        output::print_json(&preview)?;
    } else {
        output::print(&text(&preview))?;
    }
    Ok(ExitCode::from(exit_code(&preview)))
}

fn exit_code(preview: &Preview) -> u8 {
    shared::exit_code(preview.would_send.total, preview.complete)
}

fn text(preview: &Preview) -> String {
    shared::text(audience(preview), &when(preview), notes(preview))
}

fn audience(preview: &Preview) -> String {
    let would_send = preview.would_send;
    let mut rows = Rows::of(preview.audience, &preview.sample);
    rows.add("  would get it", would_send.total);
    rows.add("    conversation known", would_send.known);
    rows.add_group("    first contact", would_send.first_contact, "first_contact");
    if preview.would_wait > 0 {
        rows.add_group("  would be waited for", preview.would_wait, "would_wait");
    }
    rows.add_uncalled(&preview.would_fail, &preview.would_skip);
    for (name, count, group) in [
        ("may lack the app", preview.needs_install, "needs_install"),
        ("removed the app", preview.removed, "removed"),
    ] {
        if count > 0 {
            rows.add_group(name, count, group);
        }
    }
    rows.table()
}

fn when(preview: &Preview) -> Vec<(&'static str, String)> {
    let calls = preview.calls;
    let counts = [
        (calls.create, "to create conversations"),
        (calls.send, "to send"),
        (calls.install, "to install the app"),
        (calls.graph_pages, "to read the directory"),
    ];
    let pace = preview.rate_per_s.map(|rate| format!("{rate:.1} a second"));
    let mut lines = vec![shared::calls(&counts), ("pace", pace.unwrap_or_else(|| "no limit".to_owned()))];
    let ahead = preview.ahead;
    let others = [(ahead.urgent, "urgent"), (ahead.normal, "normal"), (ahead.bulk, "bulk")];
    lines.extend(shared::each(&others).map(|others| ("other deliveries", others)));
    lines.extend(shared::times(
        preview.begins_at.as_deref(),
        preview.duration_s,
        preview.estimated_end.as_deref(),
    ));
    lines
}

fn notes(preview: &Preview) -> Vec<String> {
    let mut notes: Vec<String> = shared::not_read(&preview.incomplete).collect();
    notes.extend(shared::confirmation(preview.needs_confirmation, preview.max_recipients));
    notes.extend(shared::expiry(preview.expires_before_end, &preview.expires_at));
    let (cause, why) = (preview.cause.as_deref(), preview.cause_text.as_deref());
    notes.extend(shared::held_up("Nothing goes out", cause, why));
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nuncio_api::preview::{Ahead, Calls, Sampled, Unread, WouldSend};

    use super::*;
    use crate::cli::{NOT_ALL, NOT_DONE};

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
}
