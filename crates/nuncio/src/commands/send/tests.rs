use clap::{CommandFactory as _, Parser as _};
use serde_json::json;

use super::*;
use crate::cli::Cli;

#[derive(clap::Parser)]
struct Alone {
    #[command(flatten)]
    args: Args,
}

const ANN: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";

fn parse(line: &[&str]) -> Result<Args, clap::Error> {
    Alone::try_parse_from(["send"].iter().chain(line)).map(|alone| alone.args)
}

fn body(line: &[&str], stdin: &str) -> anyhow::Result<serde_json::Value> {
    let message = request(&parse(line).unwrap(), &mut stdin.as_bytes())?;
    Ok(serde_json::to_value(message).unwrap())
}

#[test]
fn the_shortest_request() {
    assert_eq!(
        body(&["Hello", "--user", ANN], "").unwrap(),
        json!({"audience": {"users": [ANN]}, "content": {"text": "Hello"}})
    );
}

#[test]
fn everything_at_once() {
    let line = [
        "-",
        "--summary",
        "S",
        "--installed",
        "--channel",
        "19:a@thread.tacv2",
        "--exclude",
        ANN,
        "--label",
        "deploys",
        "--priority",
        "bulk",
        "--on-ambiguous",
        "resend",
        "--send-at",
        "2026-11-23T09:00:00+01:00",
        "--expires-at",
        "2026-11-24T08:00:00Z",
        "--max-recipients",
        "5000",
        "--app",
        "main",
        "--tenant",
        "t",
    ];
    assert_eq!(
        body(&line, "Hello\nthere\n").unwrap(),
        json!({
            "app": "main", "tenant": "t",
            "audience": {"installed": true, "channels": ["19:a@thread.tacv2"], "exclude": {"users": [ANN]}},
            "content": {"text": "Hello\nthere", "summary": "S"},
            "label": "deploys", "priority": "bulk", "on_ambiguous": "resend", "max_recipients": 5000,
            "send_at": "2026-11-23T08:00:00Z", "expires_at": "2026-11-24T08:00:00Z"
        })
    );
}

#[test]
fn audiences_that_the_directory_knows() {
    let line =
        ["Hi", "--user", "ines@contoso.com", "--group", ANN, "--group", "b", "--team", "19:a@thread.tacv2"];
    let more = ["--everyone", "--include", "guests,disabled", "--exclude", "omar@contoso.com"];
    assert_eq!(
        body(&[&line[..], &more[..]].concat(), "").unwrap()["audience"],
        json!({"users": ["ines@contoso.com"], "groups": [ANN, "b"], "teams": ["19:a@thread.tacv2"], "everyone": true,
               "include": ["guests", "disabled"], "exclude": {"users": ["omar@contoso.com"]}})
    );
    assert!(body(&["Hi", "--group", ANN, "--users-file", "-"], "").is_ok());
}

#[test]
fn lists_and_groups_that_are_left_out() {
    let line = ["Hi", "--list", "staff.csv", "--exclude-group", ANN, "--exclude-group", "b"];
    // The list is uploaded first.
    assert_eq!(body(&line, "").unwrap()["audience"], json!({"exclude": {"groups": [ANN, "b"]}}));
    assert!(body(&["Hi", "--list", "staff.csv", "--users-file", "-"], "").is_ok());
}

#[test]
fn a_dry_run_need_not_say_anything() {
    let asked = body(&["--dry-run", "--everyone"], "").unwrap();
    assert_eq!(asked, json!({"audience": {"everyone": true}, "content": {}}));
    assert_eq!(body(&["--dry-run", "--everyone", "Hi"], "").unwrap()["content"], json!({"text": "Hi"}));
}

#[test]
fn yes_is_no_limit_unless_there_is_one() {
    assert_eq!(body(&["Hi", "--installed", "--yes"], "").unwrap()["max_recipients"], json!(1_000_000));
    let limited = body(&["Hi", "--installed", "--yes", "--max-recipients", "9"], "").unwrap();
    assert_eq!(limited["max_recipients"], json!(9));
}

#[test]
fn ids_from_a_file_and_a_card_from_stdin() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("\u{feff}# on call\r\n{ANN}\r\n\n  {ANN}  \n")).unwrap();
    let path = file.path().to_str().unwrap();
    let body = body(&["--card", "-", "--users-file", path], r#"{"type": "AdaptiveCard"}"#).unwrap();
    assert_eq!(body["audience"]["users"], json!([ANN, ANN]));
    assert_eq!(body["content"], json!({"card": {"type": "AdaptiveCard"}}));
}

#[test]
fn what_cannot_be_used_is_wrong_use() {
    for (line, stdin, text) in [
        (&["-", "--users-file", "-"][..], "", "only one thing can be read from stdin"),
        (&["-", "--list", "-"], "", "only one thing can be read from stdin"),
        (&["Hi", "--users-file", "-"], "# nobody\n", "the users file names nobody"),
        (&["--card", "-", "--installed"], "{", "- is not JSON"),
        (&["Hi", "--users-file", "/nowhere/ids"], "", "/nowhere/ids: "),
    ] {
        let error = body(line, stdin).unwrap_err();
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert_eq!(failure.code, crate::cli::WRONG_USE);
        assert!(failure.to_string().starts_with(text), "{failure}");
    }
}

#[test]
fn clap_refuses_the_rest() {
    for line in [
        &["--installed"][..],
        &["Hi"],
        &["Hi", "--card", "x.json", "--installed"],
        &["Hi", "--installed", "--strict"],
        &["Hi", "--installed", "--send-at", "tomorrow"],
        &["Hi", "--installed", "--max-recipients", "0"],
        &["Hi", "--installed", "--priority", "high"],
        &["Hi", "--everyone", "--include", "bots"],
        &["Hi", "--include", "guests"],
        &["Hi", "--installed", "--key", "a", "--key-file", "b"],
        &["--dry-run"],
        &["--dry-run", "--installed", "--wait"],
        &["--dry-run", "--installed", "--idempotency-key", "k"],
    ] {
        assert!(parse(line).is_err(), "{line:?}");
    }
}

#[test]
fn a_lost_answer_names_the_key_to_ask_again_with() {
    let error = ClientError::Unreachable { url: "u".to_owned(), cause: "cut".to_owned(), hint: "look" };
    let error = not_sent(error, "k-1");
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert!(failure.hints[0].contains("--idempotency-key k-1"));
    let setup = not_sent(ClientError::Setup("no".to_owned()), "k-1");
    assert!(setup.downcast_ref::<Failure>().is_none());
}

/// Help is read by people: a change of it is to be seen in review.
#[test]
fn help() {
    let mut command = Cli::command().term_width(110);
    command.build();
    let help = command.find_subcommand_mut("send").unwrap().render_help().to_string();
    let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/send/help.txt");
    if std::env::var_os("UPDATE_HELP").is_some() {
        std::fs::write(&file, &help).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(help, written, "if it is meant: UPDATE_HELP=1 cargo test -p nuncio help");
}
