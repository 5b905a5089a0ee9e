//! The kill switch of a lane, and who wants no messages.

use nuncio_client::{PageOf, PeopleFilter};
use serde_json::{Value, json};

use crate::counts;
use crate::world::{Plan, reasons, to_installed, to_users};

#[tokio::test]
async fn a_held_lane_makes_no_call_and_goes_on() {
    let mut world = Plan::people(60).start().await;
    let id = world.send(&to_installed("a long one")).await;
    world.until(&id, "it is in the middle", |message| message.counts.delivered >= 10).await;
    let lanes = world.client.lanes().await.unwrap().items;
    assert_eq!((lanes.len(), lanes[0].app.as_str(), lanes[0].open_messages), (1, "main", 1));
    let lane = lanes[0].id.clone();

    world.run(&["lanes", "pause", "--app", "main"]).await.exits(0);
    let waits = |message: &nuncio_api::Message| {
        message.state == "waiting"
            && message.cause.as_deref() == Some("paused")
            && message.counts.in_flight == 0
    };
    let held = world.until(&id, "its lane is held", waits).await;
    assert!(held.cause_text.as_ref().is_some_and(|text| text.contains("resume")), "{held:#?}");
    let (calls, end) = (world.sim.calls("send").await, world.sim.journal_end().await);
    // Another message of the lane is taken, and waits as well; so it does over a restart.
    let urgent = {
        let mut urgent = to_users(&world.sim.people("installed").await[..1], "now");
        urgent.priority = Some("urgent".to_owned());
        world.send(&urgent).await
    };
    world.until(&urgent, "it waits", waits).await;
    world.kill().await;
    world.start().await;
    world.until(&id, "it waits still", waits).await;
    assert_eq!(world.sim.calls("send").await, calls);
    assert_eq!(world.sim.journal("send", end).await, Vec::<Value>::new());
    let listed = world.run(&["lanes"]).await.exits(0);
    assert!(listed.stdout.contains(&lane) && listed.stdout.contains("operator"), "{}", listed.stdout);

    let resumed = world.run(&["lanes", "resume", &lane, "--json"]).await.exits(0).json();
    assert_eq!((&resumed["id"], &resumed["paused_since"]), (&json!(lane), &Value::Null));
    let delivered = world.over(&id).await;
    assert_eq!(delivered.counts, counts! { audience: 60, delivered: 60 });
    assert_eq!(world.over(&urgent).await.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(world.sim.calls("send").await, 61);
    world.run(&["lanes", "pause"]).await.exits(2);
    world.run(&["lanes", "pause", "--app", "gone"]).await.exits(2);
    world.run(&["lanes", "pause", "lane_00000000000000000000000099"]).await.exits(3);
    world.end().await;
}

#[tokio::test]
async fn resuming_ends_a_cool_down() {
    let world = Plan::people(1).start().await;
    let throttled = json!({"match": {"op": "send"}, "do": {"status": 429, "retry_after": 3000}, "times": 1});
    world.sim.fault(throttled).await;
    let id = world.send(&to_installed("in time")).await;
    world.until(&id, "cooling", |message| message.cooling_until.is_some()).await;
    assert_eq!(world.sim.calls("send").await, 1);
    let lane = world.client.lanes().await.unwrap().items.remove(0);
    assert!(lane.cooling_until.is_some() && lane.paused_since.is_none(), "{lane:#?}");
    world.client.resume_lane(&lane.id).await.unwrap();
    assert_eq!(world.over(&id).await.counts, counts! { audience: 1, delivered: 1 });
    world.end().await;
}

#[tokio::test]
async fn who_is_noted_to_want_nothing_gets_nothing() {
    let world = Plan::people(3).start().await;
    let people = world.sim.people("installed").await;
    let noted = world.run(&["opt-outs", "add", &people[0], &people[1]]).await.exits(0);
    assert!(noted.stderr.contains("2 noted"), "{}", noted.stderr);
    world.run(&["opt-outs", "add", "ines@contoso.com"]).await.exits(2);
    let sent = world.sent(&to_installed("news")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 1, skipped: 2 });
    assert_eq!(sent.skipped_by_reason, reasons(&[("opted_out", 2)]));
    // Their own word counts like any: they say that they want to hear again.
    world.sim.post(&format!("people/{}/says", people[0]), &json!({"text": "start"})).await;
    world.sim.events_answered().await;
    let listed = world.run(&["opt-outs", "list", "--json"]).await.exits(0).json();
    let users: Vec<&Value> = listed.as_array().unwrap().iter().map(|one| &one["user"]).collect();
    assert_eq!(users, [&json!(people[1])]);
    let how = listed[0]["how"].as_str().unwrap();
    assert!(how.ends_with("noted it"), "{how}");
    world.run(&["opt-outs", "remove", &people[1]]).await.exits(0);
    let none = world.client.opt_outs(&PeopleFilter::default(), PageOf::default()).await.unwrap();
    assert!(none.items.is_empty());
    assert_eq!(world.sent(&to_installed("more")).await.counts, counts! { audience: 3, delivered: 3 });
    world.end().await;
}
