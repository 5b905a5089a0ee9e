//! What people say and do in chats, and what bots hear of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    events::{claims, like_fixture},
    harness::{APP, BotServer, World, text},
};

pub(crate) async fn acts(world: &World, person: &Value, what: &str, body: Value) -> (u16, Value) {
    world.control(Method::POST, &format!("people/{}/{what}", text(&person["id"])), Some(body)).await
}

pub(crate) async fn does(world: &World, person: &Value, what: &str, body: Value) -> Value {
    let (status, answer) = acts(world, person, what, body).await;
    assert_eq!(status, 200, "{what}: {answer}");
    answer
}

async fn start() -> (BotServer, World, Value) {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    let person = world.person("installed").await;
    (bot, world, person)
}

pub(crate) async fn permit(world: &World, bot: &BotServer, permissions: &[&str]) {
    let order =
        json!({"app_id": APP, "secret": "correct horse", "endpoint": bot.url(), "permissions": permissions});
    world.post("bots", order).await;
}

#[tokio::test]
async fn a_message_its_edit_its_end_and_its_return() {
    let (bot, world, person) = start().await;
    let said = does(&world, &person, "says", json!({"text": "stop alerts <3"})).await;
    assert_eq!((&said["delivered"], &said["status"]), (&json!(true), &json!(200)));
    let [message] = &bot.received()[..] else { panic!("one activity") };
    claims(&world, message).await;
    like_fixture(message, "message_personal");
    assert_eq!((&message.body["text"], &message.body["id"]), (&json!("stop alerts <3"), &said["activity"]));
    assert_eq!(message.body["locale"], person["language"]);
    assert_eq!(message.body["localTimezone"], person["time_zone"]);

    let (edit, id) =
        (json!({"message": said["activity"], "text": "stop"}), json!({"message": said["activity"]}));
    does(&world, &person, "edits", edit.clone()).await;
    does(&world, &person, "deletes", id.clone()).await;
    assert_eq!(acts(&world, &person, "edits", edit).await.0, 409, "it is deleted");
    does(&world, &person, "undeletes", id.clone()).await;
    assert_eq!(acts(&world, &person, "undeletes", id).await.0, 409, "it is there");
    let received = bot.received();
    for (event, (name, kind)) in received.iter().zip([
        ("message_update", "editMessage"),
        ("message_delete", "softDeleteMessage"),
        ("message_undelete", "undeleteMessage"),
    ]) {
        like_fixture(event, name);
        assert_eq!(
            (&event.body["id"], &event.body["channelData"]["eventType"]),
            (&said["activity"], &json!(kind))
        );
        assert_eq!(event.headers["x-ms-conversation-id"], text(&person["conversation_id"]));
    }
    assert_eq!(received.len(), 3);
    assert_eq!(received[2].body["text"], "stop");
    let kept = world.get(&format!("conversations/{}/messages", text(&person["id"]))).await;
    let kept = &kept["items"][0];
    assert_eq!((&kept["from"], &kept["sender"]["id"]), (&json!("person"), &person["id"]));
    assert_eq!((&kept["activity"]["text"], &kept["edits"]), (&json!("stop"), &json!(1)));
    assert_eq!(world.get("counts").await["accepted"], 0);
}

#[tokio::test]
async fn reactions_are_told_for_the_bots_own_messages() {
    let (bot, world, person) = start().await;
    let (_, sent) = world.send(text(&person["conversation_id"]), "hello").await;
    let like = json!({"message": sent["id"], "type": "like"});
    assert_eq!(does(&world, &person, "reacts", like.clone()).await["delivered"], true);
    assert_eq!(acts(&world, &person, "reacts", like).await.0, 409, "it is there");
    let chat = format!("conversations/{}/messages", text(&person["id"]));
    assert_eq!(
        world.get(&chat).await["items"][0]["people"]["reactions"],
        json!([{"person": person["id"], "type": "like"}])
    );
    let heart = json!({"message": sent["id"], "type": "heart", "replaces": "like"});
    does(&world, &person, "reacts", heart.clone()).await;
    assert_eq!(acts(&world, &person, "reacts", heart).await.0, 409, "the like is gone");
    does(&world, &person, "reacts", json!({"message": sent["id"], "type": "heart", "removed": true})).await;
    let received = bot.received();
    like_fixture(&received[0], "message_reaction");
    like_fixture(&received[1], "message_reaction_removed");
    assert_eq!((received.len(), &received[1].body["replyToId"]), (3, &sent["id"]));
    assert_eq!(received[2].body["reactionsRemoved"], json!([{"type": "heart"}]));
    assert!(received[2].body.get("reactionsAdded").is_none());
    assert_eq!(world.get(&chat).await["items"][0]["people"]["reactions"], json!([]));

    let said = does(&world, &person, "says", json!({"text": "x"})).await;
    bot.received();
    let own = does(&world, &person, "reacts", json!({"message": said["activity"], "type": "sad"})).await;
    assert_eq!((&own["delivered"], bot.received().len()), (&json!(false), 0));
    assert_eq!(acts(&world, &person, "reacts", json!({"message": "12", "type": "sad"})).await.0, 404);
}

#[tokio::test]
async fn read_receipts_need_the_permission() {
    let (bot, world, person) = start().await;
    assert_eq!(acts(&world, &person, "reads", json!({})).await.0, 409, "nothing to read");
    let (_, sent) = world.send(text(&person["conversation_id"]), "hello").await;
    assert_eq!(does(&world, &person, "reads", json!({})).await["delivered"], false);
    permit(&world, &bot, &["ChatMessageReadReceipt.Read.Chat"]).await;
    assert_eq!(acts(&world, &person, "reads", json!({})).await.0, 409, "read before");
    let (_, second) = world.send(text(&person["conversation_id"]), "again").await;
    assert_eq!(does(&world, &person, "reads", json!({})).await["read"], second["id"]);
    let [receipt] = &bot.received()[..] else { panic!("one receipt") };
    like_fixture(receipt, "read_receipt");
    assert_eq!(receipt.body["value"]["lastReadMessageId"], second["id"]);
    assert_ne!(sent["id"], second["id"]);
}

#[tokio::test]
async fn whoever_writes_has_the_bot_or_takes_back_the_block() {
    let (bot, world, _) = start().await;
    let blocked = world.person("blocked").await;
    world.settings(json!({"blocked_acts": "refused"})).await;
    assert_eq!(acts(&world, &blocked, "says", json!({"text": "x"})).await.0, 409);
    world.settings(json!({"blocked_acts": "unblocks"})).await;
    assert_eq!(does(&world, &blocked, "says", json!({"text": "x"})).await["unblocked"], true);
    assert_eq!(bot.received().len(), 1, "no event tells of it but the message");
    assert_eq!(world.send(text(&blocked["conversation_id"]), "x").await.0, 201);
    for state in ["never_installed", "uninstalled"] {
        let person = world.person(state).await;
        assert_eq!(acts(&world, &person, "says", json!({"text": "x"})).await.0, 409, "{state}");
    }
    // A deleted chat is followed by another.
    let person = world.person("chat_deleted").await;
    let said = does(&world, &person, "says", json!({"text": "x"})).await;
    assert_ne!(said["conversation"], person["conversation_id"]);
    assert_eq!(world.send(text(&said["conversation"]), "x").await.0, 201);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let (bot, world, person) = start().await;
    let people = world.get("people?state=installed&limit=2").await;
    let other = &people["items"][1];
    let said = does(&world, &person, "says", json!({"text": "x"})).await;
    bot.received();
    let chat = &person["conversation_id"];
    for (who, what, body, status) in [
        (other, "says", json!({"text": "x", "conversation": chat}), 409),
        (other, "edits", json!({"message": said["activity"], "text": "y"}), 404),
        (&person, "edits", json!({"message": "17", "text": "y"}), 404),
        (&person, "deletes", json!({"message": "x"}), 404),
        (&person, "says", json!({"text": "x", "conversation": "a:1nonsense"}), 404),
        (&person, "says", json!({"text": "x", "app_id": "nobody"}), 404),
        (&person, "says", json!({"words": "x"}), 400),
        (&person, "reads", json!({"upto": "1"}), 400),
        (&json!({"id": "nobody"}), "says", json!({"text": "x"}), 404),
    ] {
        let answer = acts(&world, who, what, body.clone()).await;
        assert_eq!(answer.0, status, "{what} {body}: {}", answer.1);
    }
    let (_, sent) = world.send(text(chat), "hello").await;
    assert_eq!(acts(&world, &person, "edits", json!({"message": sent["id"], "text": "y"})).await.0, 409);
    assert_eq!(bot.received().len(), 0);
}

#[tokio::test]
async fn each_bot_hears_what_is_said_to_it() {
    let (bot, world, person) = start().await;
    let (second, url) = BotServer::start().await;
    world.post("bots", json!({"app_id": "second", "secret": "s", "endpoint": url})).await;
    world.post("bots", json!({"app_id": "third", "secret": "s"})).await;
    let said = does(&world, &person, "says", json!({"text": "x", "app_id": "second"})).await;
    assert_eq!((bot.received().len(), second.received().len()), (0, 1));
    let first = json!({"message": said["activity"], "text": "y", "app_id": APP});
    assert_eq!(acts(&world, &person, "edits", first).await.0, 404, "another chat");
    does(
        &world,
        &person,
        "edits",
        json!({"message": said["activity"], "text": "y", "conversation": said["conversation"]}),
    )
    .await;
    assert_eq!((bot.received().len(), second.received().len()), (0, 1));
    // A bot without an endpoint: it was said, nobody heard it.
    let silent = does(&world, &person, "says", json!({"text": "x", "app_id": "third"})).await;
    assert_eq!((&silent["delivered"], &silent["status"]), (&json!(false), &Value::Null));
    assert_eq!(world.get("events").await["pending"], 0);
}
