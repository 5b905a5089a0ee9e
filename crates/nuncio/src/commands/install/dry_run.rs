//! `nuncio install --dry-run`: what the run would come to. Nothing is stored or installed.

use std::process::ExitCode;

use nuncio_api::{InstallPreview, NewInstall};
use nuncio_client::Client;

use crate::commands::dry_run::{self as shared, Rows};
use crate::commands::output;

pub(super) async fn run(client: &Client, asked: &NewInstall, json: bool) -> anyhow::Result<ExitCode> {
    let preview = client.preview_install(asked).await?;
    if json {
        output::print_json(&preview)?;
    } else {
        output::print(&text(&preview))?;
    }
    Ok(ExitCode::from(exit_code(&preview)))
}

fn exit_code(preview: &InstallPreview) -> u8 {
    shared::exit_code(preview.have_it + preview.would_install, preview.complete)
}

fn text(preview: &InstallPreview) -> String {
    shared::text(audience(preview), &when(preview), notes(preview))
}

fn audience(preview: &InstallPreview) -> String {
    let mut rows = Rows::of(preview.audience, &preview.sample);
    rows.add_group("  have it", preview.have_it, "have_it");
    rows.add_group("  would get it", preview.would_install, "would_install");
    rows.add_uncalled(&preview.would_fail, &preview.would_skip);
    rows.table()
}

fn when(preview: &InstallPreview) -> Vec<(&'static str, String)> {
    let calls = preview.calls;
    let counts = [(calls.install, "to install the app"), (calls.graph_pages, "to read the directory")];
    let mut lines = vec![shared::calls(&counts), ("pace", format!("{:.0} a second", preview.rate_per_s))];
    lines.extend(shared::times(
        preview.begins_at.as_deref(),
        preview.duration_s,
        preview.estimated_end.as_deref(),
    ));
    lines
}

fn notes(preview: &InstallPreview) -> Vec<String> {
    let mut notes: Vec<String> = shared::not_read(&preview.incomplete).collect();
    notes.extend(shared::confirmation(preview.needs_confirmation, preview.max_recipients));
    notes.extend(shared::expiry(preview.expires_before_end, &preview.expires_at));
    let (cause, why) = (preview.cause.as_deref(), preview.cause_text.as_deref());
    notes.extend(shared::held_up("Nothing is installed", cause, why));
    notes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nuncio_api::InstallCalls;
    use nuncio_api::preview::{Sampled, Unread};

    use super::*;
    use crate::cli::{NOT_ALL, NOT_DONE};

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
