//! References that are stale: the chat is deleted, the app was installed anew, the tenant is elsewhere. Each rule of
//! `docs/delivery.md` (Outcomes and Reachability) about them has a test, named for the report that it answers.

use nuncio_api::NewMessage;
use serde_json::{Value, json};

use crate::counts;
use crate::way::Way;
use crate::world::{APP_ID, Plan, World, reasons, to_installed, to_users};

/// The calls made for a person's delivery, with their statuses.
async fn calls(world: &World, message: &str, person: &str) -> Vec<(String, u16)> {
    let delivery = world.delivery(message, person).await;
    delivery.calls.into_iter().map(|call| (call.call, call.status.unwrap_or_default())).collect()
}

fn call(call: &str, status: u16) -> (String, u16) {
    (call.to_owned(), status)
}

/// The sends since entry `after` of the journal: where each went and what was answered.
async fn sends(world: &World, after: u64) -> Vec<(String, u64)> {
    let sends = world.sim.journal("send", after).await;
    sends
        .iter()
        .map(|send| (send["conversation"].as_str().unwrap().to_owned(), send["status"].as_u64().unwrap()))
        .collect()
}

/// The same, with the service URLs' paths.
async fn paths(world: &World, op: &str, after: u64) -> Vec<(String, u64)> {
    let made = world.sim.journal(op, after).await;
    let base = |entry: &Value| entry["path"].as_str().unwrap().split("v3/").next().unwrap().to_owned();
    made.iter().map(|entry| (base(entry), entry["status"].as_u64().unwrap())).collect()
}

async fn person(world: &World, id: &str) -> Value {
    world.sim.get(&format!("people/{id}")).await
}

/// The other name of a person's chat with the app, by which Graph calls it.
fn graphs_name(id: &str) -> String {
    format!("19:{APP_ID}_{id}@unq.gbl.spaces")
}

/// Teams tells of a conversation of a person under this id.
async fn told_of(world: &World, id: &str, conversation: &str, activity: Value) {
    let who = person(world, id).await;
    let mut activity = activity;
    activity["from"] = json!({"id": who["mri"], "aadObjectId": id, "name": who["name"]});
    activity["conversation"] = json!({"conversationType": "personal", "id": conversation});
    let told = world.sim.post("activities", &json!({ "activity": activity })).await;
    assert_eq!(told["status"], 200, "{told}");
}

async fn says_hello(world: &World, id: &str) {
    let said = world.sim.post(&format!("people/{id}/says"), &json!({"text": "hello"})).await;
    assert_eq!(said["delivered"], true, "{said}");
}

async fn service_url(world: &World, url: &str) {
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({ "service_url": url })).await;
}

/// Sends into this conversation are refused from now on.
async fn refuse(world: &World, conversation: &str, status: u16, code: &str) {
    let matching = json!({"op": "send", "conversation": conversation});
    world.sim.fault(json!({"match": matching, "do": {"status": status, "code": code}})).await;
}

/// Words are not answered, so that what is sent is the messages alone.
fn silent(people: u32) -> Plan {
    Plan::people(people).app("[app.main.replies]\nother = \"off\"")
}

/// What somebody is sent although they refused a moment ago.
fn urgent(person: &str, text: &str) -> NewMessage {
    NewMessage { priority: Some("urgent".to_owned()), ..to_users(&[person.to_owned()], text) }
}

/// microsoft/BotFramework-Services#352: "Always ConversationNotFound 404, even after welcome proactive message".
/// The first message finds it out, makes the chat anew and arrives; the next ones go there at once.
#[tokio::test]
async fn always_conversation_not_found() {
    let mut world = silent(2).start().await;
    let people = world.sim.people("installed").await;
    let old = person(&world, &people[0]).await["conversation_id"].clone();
    world.sim.turn(&people[0], "chat_deleted").await;
    let sent = world.sent(&to_installed("into a chat that is gone")).await;
    assert_eq!(sent.counts, counts! { audience: 2, delivered: 2 });
    let expected = [call("send", 404), call("create", 201), call("send", 201)];
    assert_eq!(calls(&world, &sent.id, &people[0]).await, expected);
    let new = person(&world, &people[0]).await["conversation_id"].clone();
    assert_ne!(new, old);

    world.stop().await;
    world.start().await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_users(&people[..1], "into the new one")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(sends(&world, after).await, [(new.as_str().unwrap().to_owned(), 201)]);
    assert_eq!(world.sim.times(&people[0]).await, 2);
    world.end().await;
}

/// microsoft/BotFramework-Services#344: "Receiving The bot is not part of the conversation roster for few users". The
/// install event had named a conversation that the bot is not in; what the person wrote later named the right one.
#[tokio::test]
async fn the_bot_is_not_part_of_the_conversation_roster_for_few_users() {
    let world = silent(1).start_unmet().await;
    let [id] = world.sim.people("installed").await.try_into().unwrap();
    let id: String = id;
    let wrong = graphs_name(&id);
    refuse(&world, &wrong, 403, "BotNotInConversationRoster").await;
    told_of(&world, &id, &wrong, json!({"type": "installationUpdate", "action": "add"})).await;
    let sent = world.sent(&to_installed("to the wrong one")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("not_installed", 1)]));
    assert_eq!(calls(&world, &sent.id, &id).await, [call("send", 403)]);
    // Who refused a moment ago is not called again.
    let sent = world.sent(&to_users(std::slice::from_ref(&id), "not yet")).await;
    assert_eq!(sent.skipped_by_reason, reasons(&[("unreachable", 1)]));

    says_hello(&world, &id).await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_installed("to the right one")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    let right = person(&world, &id).await["conversation_id"].as_str().unwrap().to_owned();
    assert_eq!(sends(&world, after).await, [(right.clone(), 201)]);

    // The other way round, the wrong one last: it is found out, and the other one tried.
    told_of(&world, &id, &wrong, json!({"type": "installationUpdate", "action": "add"})).await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_installed("to both")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(sends(&world, after).await, [(wrong, 403), (right, 201)]);
    assert_eq!(world.sim.times(&id).await, 2);
    world.end().await;
}

/// microsoft/botbuilder-dotnet#6117 and others: who removed the app and installs it again. The event names the
/// conversation as it is now; the old one is of no use any more.
#[tokio::test]
async fn installed_again_in_a_new_conversation() {
    let world = silent(1).start().await;
    let [id] = world.sim.people("installed").await.try_into().unwrap();
    let id: String = id;
    let old = person(&world, &id).await["conversation_id"].as_str().unwrap().to_owned();
    world.sim.turn(&id, "uninstalled").await;
    let sent = world.sent(&to_installed("to somebody who removed it")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("not_installed", 1)]));

    // No event with the old id comes: the simulator's chats keep theirs.
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({"endpoint": ""})).await;
    world.sim.turn(&id, "installed").await;
    world.sim.register(&world.url).await;
    refuse(&world, &old, 404, "ConversationNotFound").await;
    let new = graphs_name(&id);
    told_of(&world, &id, &new, json!({"type": "installationUpdate", "action": "add"})).await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_installed("welcome back")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(sends(&world, after).await, [(new, 201)]);
    world.end().await;
}

/// Several references of one person: the newest good one, then the next once, then anew; a block is a block everywhere.
#[tokio::test]
async fn several_references_of_one_person() {
    let world = silent(4).start().await;
    let people = world.sim.people("installed").await;
    let mut chats = Vec::new();
    for id in &people {
        let older = person(&world, id).await["conversation_id"].as_str().unwrap().to_owned();
        told_of(&world, id, &graphs_name(id), json!({"type": "message", "text": "hello"})).await;
        chats.push((graphs_name(id), older));
    }
    let roster = "BotNotInConversationRoster";
    let (newer, older) = &chats[0];
    refuse(&world, newer, 403, roster).await;
    let (both, neither) = &chats[1];
    refuse(&world, both, 403, roster).await;
    refuse(&world, neither, 403, roster).await;
    refuse(&world, &chats[2].0, 403, "ConversationBlockedByUser").await;
    refuse(&world, &chats[3].0, 404, "ConversationNotFound").await;

    let after = world.sim.journal_end().await;
    let sent = world.sent(&urgent(&people[0], "by the other one")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(sends(&world, after).await, [(newer.clone(), 403), (older.clone(), 201)]);

    let sent = world.sent(&urgent(&people[1], "by neither")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("not_installed", 1)]));
    assert_eq!(calls(&world, &sent.id, &people[1]).await, [call("send", 403), call("send", 403)]);

    let sent = world.sent(&urgent(&people[2], "blocked")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("blocked_by_user", 1)]));
    assert_eq!(calls(&world, &sent.id, &people[2]).await, [call("send", 403)]);

    let sent = world.sent(&urgent(&people[3], "anew")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    let expected = [call("send", 404), call("create", 201), call("send", 201)];
    assert_eq!(calls(&world, &sent.id, &people[3]).await, expected);
    for (n, id) in people.iter().enumerate() {
        assert_eq!(world.sim.times(id).await, usize::from(n == 0 || n == 3), "{n}");
    }
    world.end().await;
}

/// MicrosoftDocs/bot-docs#1829: "The service URL can change over time … does this mean I have no solution to send
/// proactive message to users before users contact me again?" One of the tenant's people is enough.
#[tokio::test]
async fn the_service_url_changed_and_one_person_wrote_since() {
    let world = silent(5).start_unmet().await;
    let people = world.sim.people("installed").await;
    let way = Way::to(&world.sim.base).await;
    service_url(&world, &format!("http://127.0.0.1:{}/teams/", way.port)).await;
    for id in &people[..4] {
        says_hello(&world, id).await;
    }
    let sent = world.sent(&to_installed("by the old one")).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });

    way.close();
    service_url(&world, &format!("{}/emea/", world.sim.base)).await;
    says_hello(&world, &people[0]).await;
    let after = world.sim.journal_end().await;
    // The last one has never been heard of, and goes where the tenant was seen last.
    let sent = world.sent(&to_users(&people, "by the new one")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    let emea = |count: usize| vec![("/emea/".to_owned(), 201); count];
    assert_eq!(paths(&world, "send", after).await, emea(5));
    assert_eq!(paths(&world, "create", after).await, emea(1));
    for id in &people {
        assert_eq!(world.sim.times(id).await, 1 + usize::from(*id != people[4]));
    }
    world.end().await;
}

/// microsoft/botframework-sdk#6184 and microsoft/botbuilder-js#3280: 403 "User is from different region", because an
/// activity named another region's service URL. The cloud's own is in no region.
#[tokio::test]
async fn user_is_from_different_region() {
    let world = silent(2).start_unmet().await;
    let people = world.sim.people("installed").await;
    service_url(&world, &format!("{}/fr/", world.sim.base)).await;
    for id in &people {
        says_hello(&world, id).await;
    }
    let body = json!({"error": {"code": "BadArgument", "message": "User is from different region"}});
    let refused = |person: &str, times: u64| json!({"match": {"op": "send", "person": person}, "do": {"status": 403, "body": body}, "times": times});
    world.sim.fault(refused(&people[0], 1)).await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_users(&people[..1], "elsewhere")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 }, "{:?}", world.deliveries(&sent.id).await);
    let expected = [("/fr/".to_owned(), 403), ("/teams/".to_owned(), 201)];
    assert_eq!(paths(&world, "send", after).await, expected);
    // It is kept for this person, and says nothing of the others.
    let after = world.sim.journal_end().await;
    for id in &people {
        world.sent(&to_users(std::slice::from_ref(id), "as it is known")).await;
    }
    let expected = [("/teams/".to_owned(), 201), ("/fr/".to_owned(), 201)];
    assert_eq!(paths(&world, "send", after).await, expected);

    world.sim.fault(refused(&people[1], 9)).await;
    let after = world.sim.journal_end().await;
    let sent = world.sent(&to_users(&people[1..], "nowhere")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("not_permitted", 1)]));
    let expected = [("/fr/".to_owned(), 403), ("/teams/".to_owned(), 403)];
    assert_eq!(paths(&world, "send", after).await, expected, "each place once");
    world.end().await;
}

/// How many sends were refused.
async fn refusals(world: &World) -> u64 {
    world.sim.requests("send").await.get("403").copied().unwrap_or(0)
}

/// Microsoft, "Status codes from agent conversational APIs": 403 `InvalidBotApiHost`.
#[tokio::test]
async fn invalid_bot_api_host() {
    let mut world = Plan::people(5).start().await;
    let port = world.sim.base.rsplit_once(':').unwrap().1.to_owned();
    let elsewhere = format!("localhost:{port}");
    world.sim.patch("settings", &json!({ "gcc_host": elsewhere })).await;
    let sent = world.sent(&to_installed("on another host")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    let refused = refusals(&world).await;
    assert!((1..=5).contains(&refused), "{refused} were refused before one was let in");
    assert!(world.deliveries(&sent.id).await.iter().all(|delivery| delivery.status == Some(201)));
    // From now on, and after a start, they are called there at once.
    let sent = world.sent(&to_installed("known")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    world.stop().await;
    world.start().await;
    let sent = world.sent(&to_installed("known still")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(refusals(&world).await, refused);

    // One change of host is made, not one after the other.
    world.sim.patch("settings", &json!({ "gcc_host": format!("127.0.0.2:{port}") })).await;
    let text = format!("Invalid bot api host. Please call https://127.0.0.1:{port}.");
    let body = json!({"error": {"code": "InvalidBotApiHost", "message": text}});
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"status": 403, "body": body}})).await;
    let id = world.send(&to_installed("nowhere")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert!(waiting.cause_text.unwrap().contains("was refused too"));
    world.sim.no_faults().await;
    world.sim.patch("settings", &json!({ "gcc_host": null })).await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 5, delivered: 5 });
    world.end().await;
}
