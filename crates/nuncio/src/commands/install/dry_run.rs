//! `nuncio install --dry-run`: what the run would come to. Nothing is stored or installed.

use std::process::ExitCode;

use nuncio_api::{InstallPreview, NewInstall};
use nuncio_client::Client;

use crate::cli::{NOT_ALL, NOT_DONE};
use crate::commands::output::{self, clean, counted, grouped, second, share};
use crate::commands::send::dry_run::{lined_up, names, not_read, span};

pub(super) async fn run(client: &Client, asked: &NewInstall, json: bool) -> anyhow::Result<ExitCode> {
    let preview = client.preview_install(asked).await?;
    if json {
        output::print_json(&preview)?;
    } else {
        output::print(&text(&preview))?;
    }
    Ok(ExitCode::from(exit_code(&preview)))
}

/// 0 if somebody would have it; nobody would: 1, or 3 if that is not known because the directory did not tell.
fn exit_code(preview: &InstallPreview) -> u8 {
    match (preview.have_it + preview.would_install, preview.complete) {
        (1.., _) => 0,
        (_, true) => NOT_ALL,
        (_, false) => NOT_DONE,
    }
}

/// For people: who, when, and what stands in the way.
fn text(preview: &InstallPreview) -> String {
    let mut text = audience(preview);
    text.push_str("\n\n");
    text.push_str(&when(preview));
    for note in notes(preview) {
        text.push_str("\n\n");
        text.push_str(&note);
    }
    text
}

fn audience(preview: &InstallPreview) -> String {
    let of = preview.audience;
    let names = |group: &str| preview.sample.get(group).map_or(String::new(), |sample| names(sample));
    let mut rows = vec![("audience".to_owned(), of, String::new(), String::new())];
    let mut row = |name: &str, count: i64, names: String| {
        rows.push((name.to_owned(), count, share(count, of), names));
    };
    row("  have it", preview.have_it, names("have_it"));
    row("  would get it", preview.would_install, names("would_install"));
    for (reason, count) in &preview.would_fail {
        row(&format!("  would fail: {}", clean(reason)), *count, names(reason));
    }
    row("  would be skipped", preview.would_skip.values().sum(), String::new());
    for (reason, count) in &preview.would_skip {
        row(&format!("    {}", clean(reason)), *count, names(reason));
    }
    counted(rows)
}

fn when(preview: &InstallPreview) -> String {
    let calls = preview.calls;
    let parts: Vec<String> =
        [(calls.install, "to install the app"), (calls.graph_pages, "to read the directory")]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(*count)))
            .collect();
    let mut lines = vec![
        ("calls", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }),
        ("pace", format!("{:.0} a second", preview.rate_per_s)),
    ];
    if let Some(begins) = &preview.begins_at {
        lines.push(("begins", second(begins)));
    }
    lines.push(("takes", preview.duration_s.map_or("not known".to_owned(), span)));
    lines.push(("done", preview.estimated_end.as_deref().map_or("not known".to_owned(), second)));
    lined_up(&lines)
}

fn notes(preview: &InstallPreview) -> Vec<String> {
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
        notes.push(clean(&format!("Nothing is installed at the moment ({cause}): {why}")));
    }
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nuncio_api::InstallCalls;
    use nuncio_api::preview::{Sampled, Unread};

    use super::*;

    fn preview() -> InstallPreview {
        let called = |name: &str| Sampled {
            id: "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b".to_owned(),
            kind: "person".to_owned(),
            name: Some(name.to_owned()),
            upn: None,
        };
        InstallPreview {
            app: "main".to_owned(),
            tenant: "t".to_owned(),
            complete: true,
            incomplete: Vec::new(),
            audience: 1_200,
            duplicates_removed: 0,
            have_it: 250,
            would_install: 900,
            would_fail: BTreeMap::new(),
            would_skip: BTreeMap::from([("guest".to_owned(), 40), ("unreachable".to_owned(), 10)]),
            by_state: BTreeMap::new(),
            calls: InstallCalls { install: 900, graph_pages: 24 },
            max_recipients: 10_000,
            needs_confirmation: false,
            rate_per_s: 30.0,
            begins_at: Some("2026-11-22T10:00:00Z".to_owned()),
            duration_s: Some(30.0),
            estimated_end: Some("2026-11-22T10:00:30Z".to_owned()),
            expires_at: "2026-11-23T10:00:00Z".to_owned(),
            expires_before_end: Some(false),
            paused_since: None,
            cause: None,
            cause_text: None,
            sample: BTreeMap::from([("guest".to_owned(), vec![called("Ines"), called("Omar")])]),
        }
    }

    #[test]
    fn what_a_person_sees() {
        let expected = "\
audience            1,200
  have it             250  20.8 %
  would get it        900  75.0 %
  would be skipped     50   4.2 %
    guest              40   3.3 %  Ines, Omar
    unreachable        10   0.8 %

calls   900 to install the app, 24 to read the directory
pace    30 a second
begins  2026-11-22T10:00:00Z
takes   30 s
done    2026-11-22T10:00:30Z";
        assert_eq!(text(&preview()), expected);
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let unread = Unread {
            source: "group".to_owned(),
            id: Some("4d0ef681".to_owned()),
            text: "Microsoft Graph refuses.".to_owned(),
        };
        let stopped = InstallPreview {
            complete: false,
            incomplete: vec![unread],
            needs_confirmation: true,
            begins_at: None,
            duration_s: None,
            estimated_end: None,
            expires_before_end: Some(true),
            cause: Some("paused".to_owned()),
            cause_text: Some("an operator holds the lane: resume it".to_owned()),
            ..preview()
        };
        let text = text(&stopped);
        for line in [
            "Not complete, there may be more recipients: group 4d0ef681 was not read to its end, because Microsoft Graph refuses.",
            "more than 10,000 recipients: it would wait for a confirmation",
            "It would expire at 2026-11-23T10:00:00Z, before it is done",
            "Nothing is installed at the moment (paused): an operator holds the lane: resume it",
            "done   not known",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn codes() {
        let nobody = InstallPreview { have_it: 0, would_install: 0, ..preview() };
        assert_eq!(exit_code(&preview()), 0);
        assert_eq!(exit_code(&InstallPreview { would_install: 0, ..preview() }), 0);
        assert_eq!(exit_code(&nobody), NOT_ALL);
        assert_eq!(exit_code(&InstallPreview { complete: false, ..nobody }), NOT_DONE);
    }
}
