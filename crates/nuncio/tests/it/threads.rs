//! Replies in threads of channels, and channels that were picked when the app was installed.

use nuncio_api::{Audience, NewMessage};
use nuncio_client::{PageOf, PeopleFilter};
use serde_json::{Value, json};

use crate::counts;
use crate::preview::compared;
use crate::world::{Plan, World, message, reasons};

fn channels(ids: &[&str]) -> Audience {
    Audience { channels: ids.iter().map(|id| (*id).to_owned()).collect(), ..Audience::default() }
}

/// Somebody in the team begins a thread; who, and its id.
async fn thread(world: &World, channel: &str) -> (String, String) {
    for person in world.sim.people("installed").await {
        let said = json!({"text": "It is down again", "conversation": channel, "mention": true});
        let said = world.sim.post(&format!("people/{person}/says"), &said).await;
        if let Some(root) = said["activity"].as_str() {
            return (person, format!("{channel};messageid={root}"));
        }
    }
    panic!("nobody is in the team");
}

/// What we said in a thread.
async fn texts(world: &World, conversation: &str) -> Vec<String> {
    let said = world.sim.said(conversation).await;
    said.iter().map(|activity| activity["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_reply_goes_into_its_thread() {
    let world = Plan::people(4).limits().start().await;
    let channel = world.team_installs().await;
    let (_, thread) = thread(&world, &channel).await;
    let before = world.sim.calls("create_thread").await;
    // Counted before nobody has heard of the thread, and sent.
    let (told, sent) = compared(&world, &message(channels(&[&thread]), "We look into it")).await;
    assert_eq!((told.calls.create, told.calls.send, told.would_send.known), (0, 1, 1));
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    let ran = world.run(&["send", "It is **up**", "--channel", &thread, "--wait"]).await.exits(0);
    assert!(ran.stdout.contains("delivered"), "{}", ran.stdout);
    assert_eq!(texts(&world, &thread).await, ["We look into it", "It is **up**"]);
    assert_eq!(world.sim.calls("create_thread").await, before, "no thread was begun");
    let [delivery] = world.deliveries(&sent.id).await.try_into().unwrap();
    assert_eq!((delivery.kind.as_str(), &delivery.recipient), ("channel", &thread));

    // In the windows of its channel: Microsoft counts 7 in a second for a channel with all its threads.
    let all = channels(&[&thread, &channel]);
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(world.send(&message(all.clone(), &format!("{n}"))).await);
    }
    for id in &ids {
        assert_eq!(world.over(id).await.counts, counts! { audience: 2, delivered: 2 });
    }
    let counts = world.sim.get("counts").await;
    assert_eq!(counts["limit_breaches"], 0, "{counts}");
    let in_order: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(texts(&world, &thread).await[2..], in_order);
    // What is known is known of the channel.
    let page = PageOf { limit: Some(100), ..PageOf::default() };
    let filter = PeopleFilter { kind: Some("channel".to_owned()), ..PeopleFilter::default() };
    let known = world.client.people(&filter, page).await.unwrap().items;
    assert!(known.iter().any(|one| one.id == channel) && known.iter().all(|one| !one.id.contains(';')));
    let one = world.client.person(&thread, &PeopleFilter::default()).await.unwrap().person;
    assert_eq!((one.id, one.state.as_str()), (channel, "reachable"));
    world.end().await;
}

#[tokio::test]
async fn a_thread_that_is_gone_is_not_its_channel() {
    let world = Plan::people(4).start().await;
    let channel = world.team_installs().await;
    let (person, thread) = thread(&world, &channel).await;
    let root = thread.split_once(";messageid=").unwrap().1;
    let deletes = json!({"message": root, "conversation": channel});
    world.sim.happens(&format!("people/{person}/deletes"), &deletes).await;
    world.sim.patch("settings", &json!({"missing_root_as": "activity_not_found"})).await;
    let sent = world.sent(&message(channels(&[&thread, &channel]), "Still there?")).await;
    assert_eq!(sent.counts, counts! { audience: 2, delivered: 1, failed: 1 });
    assert_eq!(sent.failed_by_reason, reasons(&[("conversation_gone", 1)]));
    let delivery = world.delivery(&sent.id, &thread).await;
    assert_eq!((delivery.delivery.status, delivery.calls.len()), (Some(404), 1));
    // Where Teams takes it all the same, it goes out.
    world.sim.patch("settings", &json!({"missing_root_as": "accepted"})).await;
    let retried = world.run(&["messages", "retry", &sent.id, "--state", "failed", "--wait"]).await;
    retried.exits(0);
    assert_eq!(texts(&world, &thread).await.last().map(String::as_str), Some("Still there?"));
    world.end().await;
}

#[tokio::test]
async fn a_thread_can_be_reached_when_its_channel_can() {
    let world = Plan::people(4).start().await;
    let channel = world.team_installs().await;
    let (_, one) = thread(&world, &channel).await;
    let (_, two) = thread(&world, &channel).await;
    world.sent(&message(channels(&[&one]), "first")).await;
    let teams = world.sim.get("teams").await;
    let group = teams["items"][0]["aadGroupId"].as_str().unwrap();
    world.sim.happens(&format!("teams/{group}/remove"), &json!({})).await;
    // One of them was written to before, of the other nobody has heard.
    let sends = world.sim.calls("send").await;
    let (told, sent) = compared(&world, &message(channels(&[&one, &two]), "second")).await;
    assert_eq!(told.would_skip, reasons(&[("unreachable", 2)]));
    assert_eq!(sent.counts, counts! { audience: 2, skipped: 2 });
    assert_eq!(world.sim.calls("send").await, sends);
    // Or it is waited for.
    let waits =
        NewMessage { when_unreachable: Some("wait".to_owned()), ..message(channels(&[&two]), "third") };
    let id = world.send(&waits).await;
    world.until(&id, "it waits", |message| message.cause.as_deref() == Some("recipients_unreachable")).await;
    world.sim.happens(&format!("teams/{group}/install"), &json!({})).await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 1, delivered: 1 });
    let sent = world.sent(&message(channels(&[&one]), "fourth")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    world.end().await;
}

#[tokio::test]
async fn the_channel_that_was_picked() {
    let world = Plan::people(6).start().await;
    let teams = world.sim.get("teams").await["items"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (one, other) = (&teams[0], &teams[1]);
    let picked = text(&one["channels"][1]["id"]);
    let install = format!("teams/{}/install", text(&one["aadGroupId"]));
    world.sim.happens(&install, &json!({"channel": picked})).await;
    let general = world.installs_in_team(1).await;
    // By the team's id and by its group's, which is one channel; of the other team General, for nothing was picked there.
    let named = [text(&one["id"]), text(&one["aadGroupId"]).to_uppercase(), text(&other["id"])];
    let audience = Audience { picked_channels: named.to_vec(), ..channels(&[&picked]) };
    let (told, sent) = compared(&world, &message(audience, "For all of you")).await;
    assert_eq!((told.audience, told.duplicates_removed), (2, 2));
    assert_eq!(sent.counts, counts! { audience: 2, delivered: 2 });
    assert_eq!(texts(&world, &picked).await, ["For all of you"]);
    assert_eq!(texts(&world, &general).await, ["For all of you"]);
    assert!(texts(&world, &text(&one["id"])).await.is_empty(), "nothing in General");
    let ran = world.run(&["send", "Once more", "--picked-channel", &named[0], "--wait"]).await.exits(0);
    assert!(ran.stdout.contains("delivered"), "{}", ran.stdout);
    assert_eq!(texts(&world, &picked).await.len(), 2);
    let shown = world.run(&["teams"]).await.exits(0).stdout;
    assert!(shown.lines().any(|line| line.contains(&picked) && line.contains("picked")), "{shown}");
    // A channel's id is not a team's.
    let refused = world.run(&["send", "x", "--picked-channel", &picked]).await.exits(2);
    assert!(refused.stderr.contains("knows no such team"), "{}", refused.stderr);
    world.end().await;
}
