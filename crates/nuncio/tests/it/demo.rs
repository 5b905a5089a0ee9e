//! `nuncio demo`, as scripts run it.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{nuncio, run};

#[tokio::test]
async fn the_demo_agrees_with_the_simulator() {
    let folder = TempDir::new().unwrap();
    let ran = run(nuncio(folder.path(), &["demo", "--people", "60", "--json"]), "").await.exits(0);
    let shown = ran.json();
    assert_eq!(shown["agrees"], true, "{shown:#}");
    // 60 people: one never had it and is given it, one removed it, one blocked it, one deleted the chat.
    assert_eq!(
        shown["counts"],
        json!({"audience": 60, "pending": 0, "in_flight": 0, "delivered": 58, "failed": 2, "skipped": 0,
               "ambiguous": 0, "cancelled": 0, "expired": 0})
    );
    assert_eq!(shown["failed_by_reason"], json!({"blocked_by_user": 1, "not_installed": 1}));
    let simulator = &shown["simulator"];
    // The broadcast and a thread in a channel.
    assert_eq!((&simulator["accepted"], &simulator["most_per_recipient"]), (&json!(59), &json!(1)));
    let count = |name: &str| simulator[name].as_i64().unwrap();
    // 59 taken, 2 refused, 1 not found and created anew; and what a busy machine was throttled.
    assert_eq!(count("requests") - count("throttled"), 63, "{shown:#}");
    let (rate, wall) = (number(&shown["rate_per_s"]), number(&shown["wall_s"]));
    assert!(rate > 5.0 && rate <= 50.0, "{shown:#}");
    assert!(wall > 1.0 && wall < 60.0, "{shown:#}");
    assert_eq!(ran.stdout.lines().count(), 1, "one value and nothing else");
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left where it was started");
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test]
async fn the_demo_for_people() {
    let folder = TempDir::new().unwrap();
    let ran = run(nuncio(folder.path(), &["demo", "--people", "20", "--seed", "7"]), "").await.exits(0);
    assert!(ran.stdout.contains("Every recipient is accounted for."), "{}", ran.stdout);
    assert!(!ran.stdout.contains("DIFFERS"), "{}", ran.stdout);
    let ran = run(nuncio(folder.path(), &["demo", "--people", "3"]), "").await.exits(2);
    assert_eq!(ran.stdout, "");
}
