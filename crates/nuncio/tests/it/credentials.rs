//! Credentials, end to end: the machine's managed identity, and secrets that end.

use serde_json::json;

use crate::counts;
use crate::world::{APP_ID, LONG, Plan, SECRET, World, now, to_installed};

/// The client id of an identity that vouches for the bot.
const IDENTITY: &str = "0b6d6f2c-5a0e-4a5e-9d3e-2f1c7b8a9d10";

/// From now on the bot is a managed identity and has no secret.
async fn is_managed(world: &World) {
    let endpoint = format!("{}/api/messages", world.url);
    let bot = json!({"app_id": APP_ID, "managed_identity": APP_ID, "endpoint": endpoint});
    world.sim.post("bots", &bot).await;
    world.everyone_installs().await;
}

/// Everybody is told, and each token was asked for at `path`.
async fn all_told(world: World, path: &str) {
    let sent = world.sent(&to_installed("from a managed identity")).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });
    let tokens = world.sim.journal("token", 0).await;
    assert!(!tokens.is_empty());
    assert!(tokens.iter().all(|entry| entry["path"] == path), "{tokens:?}");
    assert_eq!(world.sim.calls("token").await, 1, "it is kept");
    let header = &world.sim.platform().await[1].1;
    assert!(!world.log().contains(header.as_str()), "the platform's header is in the log");
    world.end().await;
}

#[tokio::test]
async fn a_managed_identity_of_a_virtual_machine() {
    let world = Plan::people(4).credential("kind = \"managed_identity\"").start_unmet().await;
    is_managed(&world).await;
    all_told(world, "/metadata/identity/oauth2/token").await;
}

#[tokio::test]
async fn a_managed_identity_of_an_app_service() {
    let lines = "kind = \"managed_identity\"\nidentity = \"system_assigned\"";
    let world = Plan::people(4).credential(lines).platform().start_unmet().await;
    is_managed(&world).await;
    all_told(world, "/msi/token").await;
}

#[tokio::test]
async fn an_identity_that_vouches_for_an_app() {
    let lines = format!("federated_by = \"{IDENTITY}\"");
    let world = Plan::people(4).credential(&lines).platform().start_unmet().await;
    let endpoint = format!("{}/api/messages", world.url);
    let bot =
        json!({"app_id": APP_ID, "managed_identity": IDENTITY, "federated": [{}], "endpoint": endpoint});
    world.sim.post("bots", &bot).await;
    world.everyone_installs().await;
    let sent = world.sent(&to_installed("vouched for")).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });
    let tokens = world.sim.journal("token", 0).await;
    let paths: Vec<&str> = tokens.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    let exchange = format!("/{}/oauth2/v2.0/token", world.sim.tenant);
    assert_eq!(paths, ["/msi/token", exchange.as_str()], "the identity's token first, then the app's");
    world.end().await;
}

#[tokio::test]
async fn an_identity_that_is_not_there_is_named_and_waited_for() {
    let world = Plan::people(4).credential("kind = \"managed_identity\"").start_unmet().await;
    world.everyone_installs().await;
    let id = world.send(&to_installed("later")).await;
    let waiting = world.until(&id, "credential", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("credential"));
    let text = waiting.cause_text.unwrap();
    assert!(text.contains("this machine has no such managed identity: assign it to the machine"), "{text}");
    is_managed(&world).await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 4, delivered: 4 });
    world.end().await;
}

/// Told, and nothing more: the simulator goes on to take it, as Entra would if the day were wrong.
#[tokio::test]
async fn a_secret_that_ends_is_told_at_start_and_with_the_lanes() {
    for (days, says) in [(12, "the client secret ends in "), (-3, "the client secret ended at ")] {
        let end = now() + jiff::SignedDuration::from_hours(24 * days);
        let day = end.to_string();
        let lines = format!("client_secret = \"{SECRET}\"\nclient_secret_expires = \"{}\"", &day[..10]);
        let mut world = Plan::people(2).credential(&lines).start().await;
        world.server.wait_for("the warning", LONG, |_, line| line.contains(says).then_some(())).await;
        let lanes = world.run(&["lanes"]).await.exits(0);
        assert!(lanes.stderr.contains(&format!("warning: app main: {says}")), "{}", lanes.stderr);
        let lane = world.client.lanes().await.unwrap().items.remove(0);
        let credential = lane.credential.unwrap();
        assert_eq!(credential.kind, "client_secret");
        assert!(credential.warning.unwrap().contains("client_secret_expires"));
        world.client.ready().await.unwrap();
        assert_eq!(world.sent(&to_installed("still")).await.counts, counts! { audience: 2, delivered: 2 });
        world.end().await;
    }
}
