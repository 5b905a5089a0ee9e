//! Who gets what, who does not and why.

use std::collections::BTreeSet;

use nuncio_api::{Audience, ContentRequest, Exclude, NewMessage, REPORT_COLUMNS};
use nuncio_client::{PageOf, PeopleFilter};
use serde_json::{Value, json};

use crate::counts;
use crate::world::{Plan, message, reasons, to_installed, to_users};

/// 50 people: 40 can be reached and two of them deleted the chat, 4 blocked the app, 3 removed it, 3 never had it.
fn mixed() -> Plan {
    let states = json!({"blocked": 0.08, "uninstalled": 0.06, "never_installed": 0.06, "chat_deleted": 0.04});
    Plan::people(50).states(states)
}

#[tokio::test]
async fn everyone_gets_it_exactly_once() {
    let world = Plan::people(80).limits().start().await;
    let sent = world.sent(&to_installed("The canteen opens at **eight**")).await;
    assert_eq!(sent.state, "completed");
    assert_eq!(sent.counts, counts! { audience: 80, delivered: 80 });
    assert!(sent.audience_final);
    assert_eq!((sent.duplicates_removed, sent.needs_attention), (0, 0));

    let counts = world.sim.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["most_per_recipient_total"]), (&json!(80), &json!(1)));
    let refused = counts["limit_breaches"].as_u64().unwrap();
    assert_eq!(world.sim.requests("send").await["201"], 80);
    assert_eq!(world.sim.calls("send").await, 80 + refused);
    assert_eq!(world.sim.calls("create").await, 0, "known conversations are used");
    let mut attempts = 0;
    for delivery in world.deliveries(&sent.id).await {
        let said = world.sim.get(&format!("conversations/{}/messages", delivery.recipient)).await;
        assert_eq!(said["items"][0]["id"].as_str(), delivery.activity_id.as_deref());
        assert_eq!(delivery.status, Some(201));
        attempts += delivery.attempts.unsigned_abs();
    }
    assert_eq!(attempts, 80 + refused);
    world.end().await;
}

#[tokio::test]
async fn refusals_are_counted_by_reason_and_spare_the_next_call() {
    let world = mixed().start().await;
    let never = world.sim.people("never_installed").await;
    let audience = Audience { installed: true, users: never.clone(), ..Audience::default() };
    let first = world.sent(&message(audience.clone(), "first")).await;
    assert_eq!(first.counts, counts! { audience: 50, delivered: 40, failed: 10 });
    assert_eq!(first.failed_by_reason, reasons(&[("blocked_by_user", 4), ("not_installed", 6)]));

    // A deleted chat was not found, made anew, and written to.
    let requests = world.sim.requests("send").await;
    let expected = [("201".to_owned(), 40), ("403".to_owned(), 7), ("404".to_owned(), 2)];
    assert_eq!(requests, expected.into());
    assert_eq!(world.sim.requests("create").await, [("201".to_owned(), 2), ("403".to_owned(), 3)].into());
    for person in world.sim.people("chat_deleted").await {
        let delivery = world.delivery(&first.id, &person).await;
        assert_eq!(delivery.delivery.state, "delivered");
        let calls: Vec<(&str, Option<u16>)> =
            delivery.calls.iter().map(|call| (call.call.as_str(), call.status)).collect();
        assert_eq!(calls, [("send", Some(404)), ("create", Some(201)), ("send", Some(201))]);
    }
    for (state, reason, code) in [
        ("blocked", "blocked_by_user", "ConversationBlockedByUser"),
        ("uninstalled", "not_installed", "BotNotInConversationRoster"),
        ("never_installed", "not_installed", "ForbiddenOperationException"),
    ] {
        for person in world.sim.people(state).await {
            let delivery = world.delivery(&first.id, &person).await.delivery;
            assert_eq!(delivery.reason.as_deref(), Some(reason), "{state}");
            assert_eq!((delivery.status, delivery.code.as_deref()), (Some(403), Some(code)), "{state}");
            assert!(delivery.correlation_id.is_some(), "{state}");
        }
    }

    let known = world.client.reachability(&PeopleFilter::default()).await.unwrap();
    assert_eq!(known.total, 50);
    let states = reasons(&[("blocked", 4), ("never_installed", 3), ("reachable", 40), ("removed", 3)]);
    assert_eq!(
        known.states.into_iter().filter(|(_, n)| *n > 0).collect::<std::collections::BTreeMap<_, _>>(),
        states
    );

    // Nobody who is known to refuse is called again. Those who removed it or never had it are not `installed` now.
    let (sends, creates) = (world.sim.calls("send").await, world.sim.calls("create").await);
    let everyone: Vec<String> =
        world.deliveries(&first.id).await.into_iter().map(|delivery| delivery.recipient).collect();
    let second = world.sent(&to_users(&everyone, "second")).await;
    assert_eq!(second.counts, counts! { audience: 50, delivered: 40, skipped: 10 });
    assert_eq!(second.skipped_by_reason, reasons(&[("unreachable", 10)]));
    assert_eq!(world.sim.calls("send").await, sends + 40);
    assert_eq!(world.sim.calls("create").await, creates);
    let third = world.sent(&to_installed("third")).await;
    assert_eq!(third.counts, counts! { audience: 44, delivered: 40, skipped: 4 });
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    world.end().await;
}

#[tokio::test]
async fn the_other_words_for_a_refusal() {
    let world = Plan::people(4).start_unmet().await;
    let people = world.sim.people("installed").await;
    world.everyone_installs().await;
    world.sim.patch("settings", &json!({"blocked_as": "209"})).await;
    world.sim.turn(&people[0], "blocked").await;
    world.sim.turn(&people[1], "admin_disabled").await;
    let sent = world.sent(&to_installed("hello")).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 2, failed: 2 });
    assert_eq!(sent.failed_by_reason, reasons(&[("blocked_or_removed", 1), ("disabled_by_admin", 1)]));
    let one = world.delivery(&sent.id, &people[0]).await.delivery;
    assert_eq!(one.reason.as_deref(), Some("blocked_or_removed"));
    let two = world.delivery(&sent.id, &people[1]).await.delivery;
    assert_eq!(two.reason.as_deref(), Some("disabled_by_admin"));
    world.end().await;
}

#[tokio::test]
async fn what_is_said_arrives_as_it_was_given() {
    let world = Plan::people(3).start().await;
    let people = world.sim.people("installed").await;
    let text = "Deploy **finished** – [log](https://example.com/?a=1&b=2) 😀\n\n> quoted";
    let mut with_summary = to_users(&people[..1], text);
    with_summary.content.summary = Some("Deploy finished".to_owned());
    let card = json!({"type": "AdaptiveCard", "version": "1.5", "body": [
        {"type": "TextBlock", "text": "Größe: 5 < 6 & \"quotes\"", "wrap": true},
        {"type": "Input.Number", "id": "n", "value": 1.5}]});
    let content = ContentRequest { card: Some(card.clone()), summary: Some("A card".to_owned()), text: None };
    let audience = Audience { users: people[1..2].to_vec(), ..Audience::default() };
    let with_card = NewMessage { audience, content, ..NewMessage::default() };
    for message in [&with_summary, &with_card] {
        let sent = world.sent(message).await;
        assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
        assert_eq!(sent.content.as_ref(), Some(&message.content));
    }

    let [activity] = world.sim.said(&people[0]).await.try_into().unwrap();
    let activity: Value = activity;
    assert_eq!(
        (&activity["type"], &activity["text"], &activity["summary"]),
        (&json!("message"), &json!(text), &json!("Deploy finished"))
    );
    assert_eq!(activity["attachments"], Value::Null);
    let [activity] = world.sim.said(&people[1]).await.try_into().unwrap();
    let activity: Value = activity;
    assert_eq!((&activity["text"], &activity["summary"]), (&Value::Null, &json!("A card")));
    assert_eq!(activity["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(activity["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(activity["attachments"][0]["content"], card);
    assert_eq!(world.sim.times(&people[2]).await, 0);
    assert_eq!(world.sim.get("counts").await["split"], 0, "no message was split in two");
    world.end().await;
}

#[tokio::test]
async fn a_thread_in_a_channel() {
    let world = Plan::people(4).start().await;
    let channel = world.team_installs().await;
    let audience = Audience { channels: vec![channel.clone()], ..Audience::default() };
    let sent = world.sent(&message(audience.clone(), "Incident 4711")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    let [activity] = world.sim.said(&channel).await.try_into().unwrap();
    let activity: Value = activity;
    assert_eq!(activity["text"], "Incident 4711");
    let [delivery] = world.deliveries(&sent.id).await.try_into().unwrap();
    assert_eq!((delivery.kind.as_str(), &delivery.recipient), ("channel", &channel));
    let root = delivery.activity_id.unwrap();
    let thread = format!("{channel};messageid={root}");
    assert_eq!(world.sim.said(&thread).await.len(), 1, "it is the root of a thread of its own");
    assert_eq!(world.sim.requests("create_thread").await, [("201".to_owned(), 1)].into());

    // Another message is another thread; people and channels go together.
    let users = world.sim.people("installed").await;
    let both = Audience { users, ..audience };
    let sent = world.sent(&message(both, "Incident over")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(world.sim.said(&channel).await.len(), 2);
    assert_eq!(world.sim.said(&thread).await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn everyone_once_however_often_they_are_named() {
    let world = Plan::people(6).start().await;
    let people = world.sim.people("installed").await;
    let channel = world.team_installs().await;
    let users = vec![people[0].clone(), people[1].clone(), people[0].to_uppercase(), people[0].clone()];
    let audience = Audience {
        users,
        installed: true,
        channels: vec![channel.clone(), channel],
        exclude: Exclude { users: vec![people[2].clone(), people[1].clone()], ..Exclude::default() },
        ..Audience::default()
    };
    let sent = world.sent(&message(audience, "once")).await;
    assert_eq!(sent.counts, counts! { audience: 7, delivered: 5, skipped: 2 });
    assert_eq!(sent.skipped_by_reason, reasons(&[("excluded", 2)]));
    // Two more of the first, one more of the channel, and both of the named people are installed as well.
    assert_eq!(sent.duplicates_removed, 5);
    for (index, times) in [(0, 1), (1, 0), (2, 0), (3, 1)] {
        assert_eq!(world.sim.times(&people[index]).await, times, "{index}");
    }
    world.end().await;
}

#[tokio::test]
async fn nobody_of_that_id() {
    let world = Plan::people(2).start().await;
    let people = world.sim.people("installed").await;
    let stranger = "00000000-0000-4000-8000-00000000abcd".to_owned();
    let sent = world.sent(&to_users(&[people[0].clone(), stranger.clone()], "hello")).await;
    assert_eq!(sent.counts, counts! { audience: 2, delivered: 1, failed: 1 });
    assert_eq!(sent.failed_by_reason, reasons(&[("recipient_not_found", 1)]));
    let delivery = world.delivery(&sent.id, &stranger).await;
    assert_eq!(delivery.delivery.status, Some(404));
    assert_eq!(delivery.delivery.code.as_deref(), Some("ConversationNotFound"));
    assert_eq!(delivery.calls.len(), 1);
    let filter = PeopleFilter { state: Some("deleted".to_owned()), ..PeopleFilter::default() };
    let known = world.client.people(&filter, PageOf::default()).await.unwrap().items;
    assert_eq!(known.iter().map(|person| &person.id).collect::<Vec<_>>(), [&stranger]);
    world.end().await;
}

#[tokio::test]
async fn who_says_hello_is_known_by_name_and_can_be_reached() {
    let world = Plan::people(3).start().await;
    let people = world.sim.people("installed").await;
    let said = world.sim.post(&format!("people/{}/says", people[0]), &json!({"text": "hello"})).await;
    assert_eq!(said["bots"][0]["status"], 200, "{said}");
    let known = world.client.people(&PeopleFilter::default(), PageOf::default()).await.unwrap().items;
    let one = known.iter().find(|person| person.id == people[0]).unwrap();
    let name = world.sim.get(&format!("people/{}", people[0])).await["name"].as_str().unwrap().to_owned();
    assert_eq!((one.name.as_ref(), one.state.as_str()), (Some(&name), "reachable"));
    assert!(one.has_reference);
    world.end().await;
}

#[tokio::test]
async fn the_report_has_a_line_for_each_recipient() {
    let world = mixed().start().await;
    let sent = world.sent(&to_installed("reported")).await;
    assert_eq!(sent.counts, counts! { audience: 47, delivered: 40, failed: 7 });
    let mut report = Vec::new();
    world.client.report_csv(&sent.id, &mut report).await.unwrap();
    let report = String::from_utf8(report).unwrap();
    let mut lines = report.lines();
    assert_eq!(lines.next(), Some(REPORT_COLUMNS.join(",").as_str()));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!((rows.len(), ids.len()), (47, 47));
    let outcome =
        |outcome: &str, reason: &str| rows.iter().filter(|row| row[3] == outcome && row[4] == reason).count();
    assert_eq!(
        (outcome("delivered", ""), outcome("failed", "blocked_by_user"), outcome("failed", "not_installed")),
        (40, 4, 3)
    );
    for delivery in world.deliveries(&sent.id).await {
        let row = rows.iter().find(|row| row[0] == delivery.recipient).unwrap();
        assert_eq!(
            (row[3], row[9]),
            (delivery.state.as_str(), delivery.activity_id.as_deref().unwrap_or_default())
        );
    }
    world.end().await;
}
