//! What is done after a message was sent: ambiguous deliveries that are settled, by a person or by evidence, and messages
//! that are tried again.

use nuncio_api::{Audience, ContentRequest, DeliveryWithAttempts, NewMessage, Retry, Settle};
use nuncio_client::ClientError;
use nuncio_testkit::wait_until;
use serde_json::{Value, json};

use crate::counts;
use crate::world::{APP_ID, LONG, Plan, SECRET, World, reasons, to_installed, to_users};

/// A message to these whose every post is taken, or not, while its answer gets lost.
async fn uncertain(world: &World, message: &NewMessage, people: &[String], taken: bool) -> String {
    let accept = if taken { "before" } else { "never" };
    for person in people {
        let fault = json!({"match": {"op": "send", "person": person}, "times": 1,
                           "do": {"cut": "before_status", "accept": accept}});
        world.sim.fault(fault).await;
    }
    let sent = world.sent(message).await;
    assert_eq!(sent.counts.ambiguous, people.len() as i64, "{sent:#?}");
    sent.id
}

/// A delivery once it is settled.
async fn settled(world: &World, id: &str, person: &str) -> DeliveryWithAttempts {
    let mut last = None;
    let done = wait_until(
        async || {
            let found = world.delivery(id, person).await;
            let done = found.delivery.settled.is_some();
            last = Some(found);
            done
        },
        LONG,
    )
    .await;
    let last = last.unwrap();
    assert!(done, "{last:#?}\n{}", world.server.output());
    last
}

#[tokio::test]
async fn ambiguous_ones_are_listed_and_settled_by_a_word() {
    let world = Plan::people(5).start().await;
    let people = world.sim.people("installed").await;
    let id = uncertain(&world, &to_installed("once"), &people[..3], true).await;
    let listed =
        world.run(&["messages", "deliveries", &id, "--state", "ambiguous", "--json"]).await.exits(0).json();
    let ids: Vec<String> =
        listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 3);
    let table = world.run(&["messages", "deliveries", &id, "--state", "ambiguous"]).await.exits(0);
    assert!(ids.iter().all(|id| table.stdout.contains(id.as_str())), "{}", table.stdout);

    let said = world.run(&["messages", "settle", &id, "--as", "delivered", &ids[0]]).await.exits(0);
    assert!(said.stderr.contains("1 ambiguous, settled as delivered"), "{}", said.stderr);
    world.until(&id, "one is settled", |message| message.counts.ambiguous == 2).await;
    let one = world.client.delivery(&ids[0]).await.unwrap();
    let word = one.delivery.settled.unwrap();
    assert_eq!((one.delivery.state.as_str(), word.verdict.as_str()), ("delivered", "delivered"));
    assert!(word.evidence.contains("said so"), "{}", word.evidence);
    // A lost answer is a call that was made; settling makes none.
    assert_eq!((one.calls.len(), one.delivery.activity_id), (1, None));

    let all = Settle { verdict: "delivered".to_owned(), all: true, ..Settle::default() };
    assert_eq!(world.client.settle(&id, &all).await.unwrap().settled, 2);
    let message = world.until(&id, "all are settled", |message| message.counts.ambiguous == 0).await;
    assert_eq!(
        (message.state.as_str(), message.counts),
        ("completed", counts! { audience: 5, delivered: 5 })
    );
    assert_eq!(world.client.settle(&id, &all).await.unwrap().settled, 0);
    assert_eq!(world.sim.calls("send").await, 5);
    world.end().await;
}

#[tokio::test]
async fn what_did_not_arrive_is_resent_and_received() {
    let mut world = Plan::people(4).start().await;
    let people = world.sim.people("installed").await;
    let id = uncertain(&world, &to_installed("at last"), &people[..2], false).await;
    assert_eq!(world.sim.times(&people[0]).await, 0);
    // Two may get it twice, and there is nobody to be asked.
    let asked = world.run(&["messages", "settle", &id, "--as", "resend", "--all"]).await.exits(1);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(world.message(&id).await.counts.ambiguous, 2);
    // The word is obeyed by the process after this one as well.
    world.kill().await;
    world.start().await;
    world.run(&["messages", "settle", &id, "--as", "resend", "--all", "--yes"]).await.exits(0);
    let again = world.until(&id, "it is sent", |message| message.counts.delivered == 4).await;
    let again = if again.is_final() { again } else { world.over(&id).await };
    assert_eq!((again.state.as_str(), again.counts), ("completed", counts! { audience: 4, delivered: 4 }));
    for person in &people {
        assert_eq!(world.sim.times(person).await, 1);
    }
    let one = world.delivery(&id, &people[0]).await;
    assert_eq!((one.calls.len(), one.delivery.settled.unwrap().verdict.as_str()), (2, "resend"));
    assert!(one.delivery.activity_id.is_some());
    assert_eq!(world.sim.calls("send").await, 6);
    world.end().await;
}

/// A card with both kinds of buttons.
fn card(people: &[String]) -> NewMessage {
    let card = json!({"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Drill?"}],
        "actions": [{"type": "Action.Execute", "title": "Yes", "verb": "come"},
                    {"type": "Action.Submit", "title": "No", "data": {"answer": "no"}}]});
    let content = ContentRequest { card: Some(card), ..ContentRequest::default() };
    let audience = Audience { users: people.to_vec(), ..Audience::default() };
    NewMessage { audience, content, ..NewMessage::default() }
}

/// The id of the only post in a person's chat, which Nuncio was never told.
async fn post(world: &World, person: &str) -> String {
    let messages = world.sim.get(&format!("conversations/{person}/messages")).await;
    let ids: Vec<&Value> = messages["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["from"] == "bot")
        .map(|message| &message["id"])
        .collect();
    assert_eq!(ids.len(), 1, "{messages}");
    ids[0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pressed_button_settles_the_delivery_that_it_came_with() {
    let world = Plan::people(4).start().await;
    let people = world.sim.people("installed").await;
    let id = uncertain(&world, &card(&people), &people[..3], true).await;
    let act = async |person: &str, action: Value| {
        let body = json!({"message": post(&world, person).await, "action": action});
        let pressed = world.sim.post(&format!("people/{person}/acts"), &body).await;
        assert_eq!((&pressed["status"], &pressed["problem"]), (&json!(200), &Value::Null), "{pressed}");
    };
    act(&people[0], json!({"type": "Action.Execute", "verb": "come"})).await;
    act(&people[1], json!({"type": "Action.Submit", "title": "No"})).await;
    for person in &people[..2] {
        let one = settled(&world, &id, person).await;
        assert_eq!(one.delivery.state, "delivered");
        let word = one.delivery.settled.unwrap();
        assert_eq!(word.evidence, "they pressed a button of it");
        // With it comes the id of the post, by which it can be told from now on.
        assert_eq!(one.delivery.activity_id, Some(post(&world, person).await));
    }
    // What somebody sends with another one's id settles nothing.
    let foreign = world.delivery(&id, &people[2]).await.delivery.id;
    let action = json!({"action": {"type": "Action.Execute", "verb": "come", "data": {"nuncio": foreign}}});
    let invoke = json!({"name": "adaptiveCard/action", "value": action});
    let forged = world.sim.post(&format!("people/{}/invokes", people[3]), &invoke).await;
    assert_eq!(forged["status"], 200, "{forged}");
    let left = world.message(&id).await;
    assert_eq!(left.counts, counts! { audience: 4, delivered: 3, ambiguous: 1 });
    assert_eq!(world.delivery(&id, &people[2]).await.delivery.settled, None);
    world.end().await;
}

/// The bot is told how far people have read.
async fn receipts(world: &World) {
    let permissions = json!(["ChatMessageReadReceipt.Read.Chat"]);
    let endpoint = format!("{}/api/messages", world.url);
    let bot = json!({"app_id": APP_ID, "secret": SECRET, "endpoint": endpoint, "permissions": permissions});
    world.sim.post("bots", &bot).await;
}

async fn reads(world: &World, person: &str) {
    let told = world.sim.post(&format!("people/{person}/reads"), &json!({})).await;
    assert_eq!(told["delivered"], true, "{told}");
}

#[tokio::test]
async fn a_post_that_they_have_read_settles_the_only_one_that_can_have_made_it() {
    let world = Plan::people(3).start().await;
    let people = world.sim.people("installed").await;
    receipts(&world).await;
    let id = uncertain(&world, &to_installed("read me"), &people[..2], true).await;
    reads(&world, &people[0]).await;
    let one = settled(&world, &id, &people[0]).await;
    let named = post(&world, &people[0]).await;
    assert_eq!(one.delivery.activity_id.as_ref(), Some(&named));
    assert!(one.delivery.settled.unwrap().evidence.contains(&named));
    let body = json!({"message": post(&world, &people[1]).await, "type": "like"});
    let told = world.sim.post(&format!("people/{}/reacts", people[1]), &body).await;
    assert_eq!(told["delivered"], true, "{told}");
    settled(&world, &id, &people[1]).await;
    assert_eq!(world.message(&id).await.counts, counts! { audience: 3, delivered: 3 });
    world.end().await;
}

#[tokio::test]
async fn what_is_not_admitted_as_evidence_settles_nothing() {
    let world = Plan::people(2).start().await;
    let people = world.sim.people("installed").await;
    receipts(&world).await;
    // Two of one thread within the window: either can be the one that they have read.
    let first = uncertain(&world, &to_users(&people[..1], "one"), &people[..1], true).await;
    let second = uncertain(&world, &to_users(&people[..1], "two"), &people[..1], true).await;
    reads(&world, &people[0]).await;
    // Nor does a word, which names no post.
    world.sim.post(&format!("people/{}/says", people[0]), &json!({"text": "got it"})).await;
    // What comes later is through, so those were as well.
    world.sent(&to_users(&people[1..], "later")).await;
    for id in [&first, &second] {
        assert_eq!(world.message(id).await.counts, counts! { audience: 1, ambiguous: 1 });
    }
    world.end().await;
}

#[tokio::test]
async fn who_blocked_the_app_gets_it_after_unblocking() {
    let world = Plan::people(6).states(json!({"blocked": 0.34})).start().await;
    let blocked = world.sim.people("blocked").await;
    assert_eq!(blocked.len(), 2, "{blocked:?}");
    let installed = world.sim.people("installed").await;
    let mut message = to_installed("for everybody");
    message.audience.users.clone_from(&blocked);
    message.audience.exclude.users = vec![installed[0].clone()];
    let first = world.sent(&message).await;
    assert_eq!(first.counts, counts! { audience: 6, delivered: 3, failed: 2, skipped: 1 });
    assert_eq!(first.failed_by_reason, reasons(&[("blocked_by_user", 2)]));

    // A retry always tries, however young the refusal is; nobody else is called.
    let calls = world.sim.calls("send").await;
    let again = world.client.retry(&first.id, &Retry::default(), None).await.unwrap();
    let again = world.over(&again.id).await;
    assert_eq!((again.counts, again.retries), (counts! { audience: 2, failed: 2 }, Some(first.id.clone())));
    assert_eq!(world.sim.calls("send").await, calls + 2);

    world.sim.turn(&blocked[0], "installed").await;
    let args = ["messages", "retry", &first.id, "--reason", "blocked_by_user", "--wait"];
    let retried = world.run(&args).await.exits(0);
    let id = retried.stdout.lines().next().unwrap();
    let message = world.message(id).await;
    assert_eq!(message.counts, counts! { audience: 2, delivered: 1, failed: 1 });
    assert_eq!(world.sim.times(&blocked[0]).await, 1);
    let shown = world.run(&["messages", "show", id]).await.exits(0);
    assert!(shown.stdout.contains(&first.id), "{}", shown.stdout);

    // Who was left out stays out, and what is delivered is never sent again.
    let all = ["messages", "retry", &first.id, "--state", "failed", "--state", "skipped", "--wait"];
    let retried = world.run(&all).await.exits(0);
    let last = world.message(retried.stdout.lines().next().unwrap()).await;
    assert_eq!(last.counts, counts! { audience: 3, delivered: 1, failed: 1, skipped: 1 });
    assert_eq!(last.skipped_by_reason, reasons(&[("excluded", 1)]));
    for person in &installed[1..4] {
        assert_eq!(world.sim.times(person).await, 1);
    }
    world.run(&["messages", "retry", &first.id, "--state", "delivered"]).await.exits(2);
    let none = Retry { states: vec!["expired".to_owned()], ..Retry::default() };
    match world.client.retry(&first.id, &none, None).await {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, "nothing_to_retry"),
        other => panic!("{other:?}"),
    }
    world.end().await;
}
