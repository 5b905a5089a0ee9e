//! The ledger in a PostgreSQL database.

use nuncio_testkit::{Postgres, wait_until};

use crate::counts;
use crate::world::{LONG, Plan, World, nuncio, run, to_installed};

/// It may be in the configuration, and nowhere else.
const PASSWORD: &str = "pa55word-of-the-database";

/// A new database; the server lets everybody in, with or without a password.
fn database() -> String {
    Postgres::shared().database(None).replace("nuncio@", &format!("nuncio:{PASSWORD}@"))
}

/// The rows of all deliveries against the counts of their messages.
fn rows_are_counted(url: &str) {
    let differing = "SELECT c.message_no FROM message_counts AS c
        CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE d.state = 'pending') AS pending,
                                   count(*) FILTER (WHERE d.state = 'in_flight') AS in_flight,
                                   count(*) FILTER (WHERE d.state = 'delivered') AS delivered,
                                   count(*) FILTER (WHERE d.state = 'ambiguous') AS ambiguous, count(*) AS n
                              FROM deliveries AS d WHERE d.message_no = c.message_no) AS d
        WHERE (c.pending, c.in_flight, c.delivered, c.ambiguous, c.pending + c.in_flight + c.delivered + c.ambiguous)
              IS DISTINCT FROM (d.pending, d.in_flight, d.delivered, d.ambiguous, d.n)";
    assert_eq!(Postgres::shared().run(url, differing), "");
}

async fn accepted(world: &World, count: u64) {
    let accepted = async || world.sim.get("counts").await["accepted"].as_u64().unwrap() >= count;
    assert!(wait_until(accepted, LONG).await, "{}", world.server.output());
}

#[tokio::test]
async fn killed_in_mid_broadcast() {
    let url = database();
    let mut world = Plan::people(200).limits().latency_ms(60).database(&url).start().await;
    let id = world.send(&to_installed("come what may")).await;
    accepted(&world, 60).await;
    world.kill().await;
    assert!(world.sim.get("counts").await["accepted"].as_u64().unwrap() < 190, "the kill came too late");
    // It waits until the lease of the one that was killed has ended.
    world.start().await;
    let message = world.message(&id).await;
    assert_eq!((message.state.as_str(), message.counts.audience), ("sending", 200));
    let sent = world.over(&id).await;
    let counts = world.sim.get("counts").await;
    assert_eq!(sent.state, "completed");
    assert_eq!(sent.counts.delivered + sent.counts.ambiguous, 200, "{:?}", sent.counts);
    assert_eq!(counts["most_per_recipient_total"], 1);
    for delivery in world.deliveries(&id).await {
        let times = world.sim.times(&delivery.recipient).await;
        assert!(times == 1 || (times == 0 && delivery.state == "ambiguous"), "{times}: {delivery:?}");
    }
    rows_are_counted(&url);
    let log = world.log();
    assert!(log.contains("waiting up to") && !log.contains(PASSWORD), "{log}");
    world.end().await;
}

#[tokio::test]
async fn a_stop_lets_the_next_one_in_at_once() {
    let url = database();
    let mut world = Plan::people(30).database(&url).start().await;
    let sent = world.sent(&to_installed("first")).await;
    assert_eq!(sent.counts, counts! { audience: 30, delivered: 30 });

    // While one has the database another one is refused, and says why.
    let second = run(nuncio(world.folder.path(), &["serve", "--key-file", "key2"]), "").await;
    assert_ne!(second.code, 0);
    assert!(second.stderr.contains("another nuncio has it open"), "{}", second.stderr);
    assert!(!second.stderr.contains(PASSWORD), "{}", second.stderr);

    world.stop().await;
    world.start().await;
    let said = world.server.output();
    assert!(!said.contains("waiting up to") && !said.contains("taking over"), "{said}");
    let sent = world.sent(&to_installed("second")).await;
    assert_eq!(sent.counts, counts! { audience: 30, delivered: 30 });
    rows_are_counted(&url);
    assert!(!world.log().contains(PASSWORD));
    world.end().await;
}
