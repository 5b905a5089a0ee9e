//! What becomes of a delivery under each fault, from outside: the rows of `docs/faults.md`. Each row is compared with
//! what it must come to, and the document with what was seen; `NUNCIO_BLESS=1` writes it.
//!
//! | module | what |
//! | --- | --- |
//! | `row` | a row, its comparison, its line |
//! | `answers` | the answers to one call, for each call that can be made |
//! | `lanes` | what troubles an app as a whole |
//! | `midrun` | what changes while a message is on its way |

mod answers;
mod lanes;
mod midrun;
mod row;

use std::time::Duration;

use nuncio_api::{Audience, NewMessage};
use nuncio_testkit::generated::section;
use serde_json::json;

use crate::world::{Plan, World, message};
use row::{Lines, Row, people};

const DOCUMENT: &str = "docs/faults.md";

async fn sends() -> String {
    let rows = answers::sends();
    let world = Plan::people(rows.len() as u32).start().await;
    let [lines, common] = people(&world, "send", &rows).await;
    section(DOCUMENT, "send", &lines);
    world.end().await;
    common
}

async fn creates() -> String {
    let rows = answers::creates();
    let world = Plan::people(rows.len() as u32).start_unmet().await;
    let [lines, common] = people(&world, "create", &rows).await;
    section(DOCUMENT, "create", &lines);
    world.end().await;
    common
}

async fn sends_that_follow_the_page() {
    let rows = answers::sends_that_follow_the_page();
    let world = Plan::people(rows.len() as u32).app("gateway_errors = \"retry\"").start().await;
    let [lines, _] = people(&world, "send", &rows).await;
    section(DOCUMENT, "send that follows the page", &lines);
    world.end().await;
}

/// In two channels at once; in each one after the other, since a channel is one thread.
async fn threads() -> String {
    let world = Plan::people(1).start_unmet().await;
    let (held, resent) = (answers::threads(), answers::resends());
    let (one, other): (Vec<Row>, Vec<Row>) = held.into_iter().partition(|row| row.common);
    let channels = [world.installs_in_team(0).await, world.installs_in_team(1).await];
    let (mut lines, common) = tokio::join!(
        async {
            let mut lines = channel(&world, &channels[0], other, Some("hold")).await;
            lines.text.push_str(RESENT);
            lines
        },
        channel(&world, &channels[1], one, Some("hold"))
    );
    lines.join(channel(&world, &channels[0], resent, None).await);
    lines.join(common);
    let [lines, common] = lines.end();
    section(DOCUMENT, "new thread", &lines);
    world.end().await;
    common
}

async fn channel(world: &World, channel: &str, rows: Vec<Row>, on_ambiguous: Option<&str>) -> Lines {
    let mut lines = Lines::default();
    let mut arrived = world.sim.said(channel).await.len();
    for row in rows {
        let matching = json!({"op": "create_thread", "conversation": channel});
        let fault = json!({"match": matching, "do": row.action, "times": row.times});
        let fault = world.sim.fault(fault).await;
        let audience = Audience { channels: vec![channel.to_owned()], ..Audience::default() };
        // A thread that was refused for the channel's sake is tried all the same.
        let message = NewMessage {
            on_ambiguous: on_ambiguous.map(str::to_owned),
            priority: Some("urgent".to_owned()),
            ..message(audience, &row.fault)
        };
        let sent = world.sent(&message).await;
        world.sim.no_fault(fault).await;
        let found = world.delivery(&sent.id, channel).await;
        let before = std::mem::replace(&mut arrived, world.sim.said(channel).await.len());
        lines.compare("new_thread", &row, &found, arrived - before);
    }
    lines
}

/// Between the rows that hold what is ambiguous and those that send it once more.
const RESENT: &str = "| *with* `on_ambiguous: resend` | | | | |\n";

#[tokio::test]
async fn what_every_fault_comes_to() {
    let all = async {
        let (send, create, thread, (), ()) =
            tokio::join!(sends(), creates(), threads(), sends_that_follow_the_page(), lanes::waiting());
        assert!(send == create && send == thread, "what comes to the same for every call did not");
        section(DOCUMENT, "whatever the call", &send);
    };
    tokio::time::timeout(Duration::from_mins(5), Box::pin(all)).await.expect("every row comes to its end");
}

#[tokio::test]
async fn what_changes_in_mid_broadcast() {
    tokio::time::timeout(Duration::from_mins(5), Box::pin(midrun::changes()))
        .await
        .expect("it comes to its end");
}

#[test]
fn every_fixture_has_its_row() {
    let rows = [answers::sends(), answers::creates()].into_iter().flatten().map(|row| row.fault);
    let faults: Vec<String> = rows.chain(lanes::named()).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft/refusals");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let words = row::refusal(name.strip_suffix(".json").unwrap()).0;
        assert!(faults.iter().any(|fault| fault.contains(&words)), "{name} has no row: {words}");
    }
}
