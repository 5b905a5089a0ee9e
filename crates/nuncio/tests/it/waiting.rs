//! `when_unreachable: wait`: whom nobody can reach now gets it when that changes.

use nuncio_api::NewMessage;
use serde_json::json;

use crate::counts;
use crate::world::{LONG, Plan, World, to_users};
use nuncio_testkit::wait_until;

async fn delivered(world: &World, id: &str, count: i64) {
    let all = async || world.message(id).await.counts.delivered == count;
    assert!(wait_until(all, LONG).await, "{count}: {:?}\n{}", world.message(id).await, world.log());
}

#[tokio::test]
async fn it_goes_out_on_install_and_on_a_word() {
    let mut world = Plan::people(8).start().await;
    let people = world.sim.people("installed").await;
    world.sim.turn(&people[0], "uninstalled").await;
    world.sim.turn(&people[1], "blocked").await;
    world.sim.turn(&people[2], "uninstalled").await;
    let wait = Some("wait".to_owned());
    let id = world.send(&NewMessage { when_unreachable: wait, ..to_users(&people, "for all of you") }).await;
    let unreachable =
        |message: &nuncio_api::Message| message.cause.as_deref() == Some("recipients_unreachable");
    let waiting = world.until(&id, "those left cannot be reached", unreachable).await;
    assert_eq!(waiting.state, "waiting");
    assert!(waiting.cause_text.unwrap().contains("cannot be reached now"));
    assert_eq!(waiting.counts, counts! { audience: 8, pending: 3, delivered: 5 });
    world.sim.turn(&people[0], "installed").await;
    delivered(&world, &id, 6).await;
    // It waits on through a kill.
    world.kill().await;
    world.start().await;
    // Nothing tells that a bot is not blocked any more, but a word of theirs.
    world.sim.turn(&people[1], "installed").await;
    world.sim.post(&format!("people/{}/says", people[1]), &json!({"text": "hello again"})).await;
    delivered(&world, &id, 7).await;
    world.until(&id, "one is left", unreachable).await;
    world.sim.turn(&people[2], "installed").await;
    let over = world.over(&id).await;
    assert_eq!((over.state.as_str(), over.counts), ("completed", counts! { audience: 8, delivered: 8 }));
    for person in &people {
        // One of them was answered, too.
        let said = world.sim.said(person).await;
        assert_eq!(said.iter().filter(|activity| activity["text"] == "for all of you").count(), 1);
    }
    world.end().await;
}
