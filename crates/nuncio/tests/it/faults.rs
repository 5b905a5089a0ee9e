//! Answers that get lost, throttling, trouble with tokens, odd refusals. A fault without `times` would hit again: that
//! it hit once shows that nothing was repeated.

use nuncio_api::Message;
use nuncio_client::MessageControl;
use serde_json::{Value, json};

use crate::counts;
use crate::world::{Plan, World, reasons, to_installed};

/// A fault for each of the first people: what is to be done with sends to them.
async fn for_each(world: &World, people: &[String], all: &[Value]) -> Vec<u64> {
    let mut ids = Vec::new();
    for (person, fault) in people.iter().zip(all) {
        let mut fault = fault.clone();
        fault["match"] = json!({"op": "send", "person": person});
        ids.push(world.sim.fault(fault).await);
    }
    ids
}

/// What became of each of them: state, reason, status, calls, messages at the simulator.
async fn fates(
    world: &World,
    id: &str,
    people: &[String],
) -> Vec<(String, Option<String>, Option<u16>, usize, usize)> {
    let mut fates = Vec::new();
    for person in people {
        let delivery = world.delivery(id, person).await;
        let (calls, delivery) = (delivery.calls.len(), delivery.delivery);
        fates.push((delivery.state, delivery.reason, delivery.status, calls, world.sim.times(person).await));
    }
    fates
}

fn fate(
    state: &str,
    reason: Option<&str>,
    status: Option<u16>,
    calls: usize,
    times: usize,
) -> (String, Option<String>, Option<u16>, usize, usize) {
    (state.to_owned(), reason.map(str::to_owned), status, calls, times)
}

#[tokio::test]
async fn a_lost_answer_is_held_as_ambiguous_and_never_repeated() {
    let world = Plan::people(12).start().await;
    let people = world.sim.people("installed").await;
    let html = "<html><body><h1>502 Bad Gateway</h1></body></html>";
    let faults = for_each(
        &world,
        &people,
        &[
            json!({"do": {"status": 504, "accept": "before"}}),
            json!({"do": {"cut": "before_status", "accept": "before"}}),
            json!({"do": {"cut": "mid_body", "accept": "before"}}),
            json!({"do": {"cut": "before_status", "accept": "never"}}),
            json!({"do": {"status": 500, "accept": "before"}}),
            json!({"do": {"status": 502, "body": html}}),
            json!({"do": {"status": 408, "accept": "before"}}),
        ],
    )
    .await;
    let sent = world.sent(&to_installed("once or not at all")).await;
    assert_eq!(sent.state, "completed");
    assert_eq!(sent.counts, counts! { audience: 12, delivered: 6, ambiguous: 6 });
    assert_eq!(sent.needs_attention, 6);
    assert_eq!(
        fates(&world, &sent.id, &people[..8]).await,
        [
            fate("ambiguous", None, Some(504), 1, 1),
            fate("ambiguous", None, None, 1, 1),
            // The status came: it was accepted, under an id that nobody knows.
            fate("delivered", None, Some(201), 1, 1),
            fate("ambiguous", None, None, 1, 0),
            fate("ambiguous", None, Some(500), 1, 1),
            fate("ambiguous", None, Some(502), 1, 0),
            fate("ambiguous", None, Some(408), 1, 1),
            fate("delivered", None, Some(201), 1, 1),
        ]
    );
    assert_eq!(world.delivery(&sent.id, &people[2]).await.delivery.activity_id, None);
    for fault in faults {
        assert_eq!(world.sim.hits(fault).await, 1);
    }
    assert_eq!(world.sim.calls("send").await, 12);
    // Another message goes to them as ever: an answer that was lost says nothing of a person.
    world.sim.no_faults().await;
    let sent = world.sent(&to_installed("another")).await;
    assert_eq!(sent.counts, counts! { audience: 12, delivered: 12 });
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    world.end().await;
}

#[tokio::test]
async fn with_resend_it_is_sent_once_more_and_no_more() {
    let world = Plan::people(6).start().await;
    let people = world.sim.people("installed").await;
    let faults = for_each(
        &world,
        &people,
        &[
            json!({"do": {"status": 504, "accept": "before"}, "times": 1}),
            json!({"do": {"cut": "before_status", "accept": "never"}, "times": 1}),
            json!({"do": {"cut": "before_status", "accept": "before"}}),
            json!({"do": {"status": 500}}),
        ],
    )
    .await;
    let mut message = to_installed("twice rather than never");
    message.on_ambiguous = Some("resend".to_owned());
    let sent = world.sent(&message).await;
    assert_eq!(sent.counts, counts! { audience: 6, delivered: 4, ambiguous: 2 });
    assert_eq!(
        fates(&world, &sent.id, &people[..5]).await,
        [
            fate("delivered", None, Some(201), 2, 2),
            fate("delivered", None, Some(201), 2, 1),
            fate("ambiguous", None, None, 2, 2),
            fate("ambiguous", None, Some(500), 2, 0),
            fate("delivered", None, Some(201), 1, 1),
        ]
    );
    assert_eq!((world.sim.hits(faults[2]).await, world.sim.hits(faults[3]).await), (2, 2));
    world.end().await;
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let world = Plan::people(9).start().await;
    let people = world.sim.people("installed").await;
    let odd = json!({"error": {"code": "SomethingNew", "message": "You may not say this here"}});
    let faults = for_each(
        &world,
        &people,
        &[
            json!({"do": {"status": 412}, "times": 2}),
            json!({"do": {"status": 503}, "times": 2}),
            json!({"do": {"status": 404, "code": "ConversationNotFound"}, "times": 1}),
            json!({"do": {"status": 403, "body": null}}),
            json!({"do": {"status": 403, "body": odd}}),
            json!({"do": {"status": 413}}),
            json!({"do": {"status": 400}}),
            json!({"do": {"status": 401}, "times": 1}),
        ],
    )
    .await;
    let sent = world.sent(&to_installed("again")).await;
    assert_eq!(sent.counts, counts! { audience: 9, delivered: 5, failed: 4 });
    assert_eq!(
        sent.failed_by_reason,
        reasons(&[("message_invalid", 1), ("message_too_big", 1), ("not_permitted", 2)])
    );
    assert_eq!(
        fates(&world, &sent.id, &people).await,
        [
            fate("delivered", None, Some(201), 3, 1),
            fate("delivered", None, Some(201), 3, 1),
            fate("delivered", None, Some(201), 3, 1),
            fate("failed", Some("not_permitted"), Some(403), 1, 0),
            fate("failed", Some("not_permitted"), Some(403), 1, 0),
            fate("failed", Some("message_too_big"), Some(413), 1, 0),
            fate("failed", Some("message_invalid"), Some(400), 1, 0),
            // Not a call of its own: the same one with a fresh token.
            fate("delivered", None, Some(201), 1, 1),
            fate("delivered", None, Some(201), 1, 1),
        ]
    );
    let again = world.delivery(&sent.id, &people[2]).await;
    let calls: Vec<(&str, Option<u16>)> =
        again.calls.iter().map(|call| (call.call.as_str(), call.status)).collect();
    assert_eq!(calls, [("send", Some(404)), ("create", Some(201)), ("send", Some(201))]);
    let refused = world.delivery(&sent.id, &people[4]).await.delivery;
    assert_eq!(refused.code.as_deref(), Some("SomethingNew"));
    assert_eq!(refused.text.as_deref(), Some("You may not say this here"));
    assert!(refused.correlation_id.is_some());
    for (index, hits) in [(3, 1), (4, 1), (5, 1), (6, 1), (7, 1)] {
        assert_eq!(world.sim.hits(faults[index]).await, hits, "{index}");
    }
    world.end().await;
}

/// A message waits for the reason `cause` with nobody lost while `fault` lasts, and goes on by itself afterwards.
async fn waits(world: &World, cause: &str, heal: impl AsyncFnOnce(&World)) -> Message {
    let id = world.send(&to_installed("later")).await;
    let waiting = world.until(&id, cause, |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some(cause), "{waiting:#?}");
    assert!(waiting.cause_text.as_deref().is_some_and(|text| !text.is_empty()));
    assert_eq!(
        waiting.counts.delivered + waiting.counts.failed + waiting.counts.ambiguous,
        0,
        "{waiting:#?}"
    );
    heal(world).await;
    let sent = world.over(&id).await;
    assert_eq!((sent.state.as_str(), sent.cause.as_deref()), ("completed", None));
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    waiting
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_costs_nobody_anything() {
    let status = async {
        let world = Plan::people(5).start().await;
        world.sim.fault(json!({"match": {"op": "token"}, "do": {"status": 500}})).await;
        waits(&world, "token_unavailable", async |world| world.sim.no_faults().await).await;
        assert_eq!(world.sim.requests("send").await, [("201".to_owned(), 5)].into());
        world.end().await;
    };
    let cut = async {
        let world = Plan::people(5).start().await;
        world.sim.fault(json!({"match": {"op": "token"}, "do": {"cut": "before_status"}})).await;
        waits(&world, "token_unavailable", async |world| world.sim.no_faults().await).await;
        assert_eq!(world.sim.requests("send").await, [("201".to_owned(), 5)].into());
        world.end().await;
    };
    tokio::join!(status, cut);
}

#[tokio::test]
async fn a_credential_or_a_registration_that_is_wrong_is_named_and_waited_for() {
    let secret = async {
        let world = Plan::people(5).start().await;
        world.sim.bot("another secret", &format!("{}/api/messages", world.url)).await;
        let waiting = waits(&world, "credential", async |world| world.sim.register(&world.url).await).await;
        // What Entra calls a wrong secret.
        let text = waiting.cause_text.unwrap();
        assert!(text.contains("AADSTS7000215"), "{text}");
        world.end().await;
    };
    let registration = async {
        let world = Plan::people(5).start().await;
        let gone = json!({"match": {"op": "send"}, "do": {"status": 401, "code": "BotNotRegistered"}});
        world.sim.fault(gone).await;
        let waiting = waits(&world, "not_authorized", async |world| world.sim.no_faults().await).await;
        assert!(waiting.cause_text.unwrap().contains("BotNotRegistered"));
        world.end().await;
    };
    tokio::join!(secret, registration);
}

#[tokio::test]
async fn a_tenant_that_allows_less_than_it_tells_is_followed() {
    let world = Plan::people(60).limits().start().await;
    world.sim.patch("settings", &json!({"limits_per_s": 20})).await;
    let sent = world.sent(&to_installed("slowly")).await;
    assert_eq!(sent.counts, counts! { audience: 60, delivered: 60 });
    let counts = world.sim.get("counts").await;
    let refused = counts["limit_breaches"].as_u64().unwrap();
    assert!(refused > 0, "the limit was never met");
    // A lane is cut at the first refusal; only what was on its way then is refused with it.
    assert!(refused <= 15, "{refused} of 60 refused");
    assert_eq!(world.sim.calls("send").await, 60 + refused);
    assert_eq!(counts["most_per_recipient_total"], 1);
    world.end().await;
}

#[tokio::test]
async fn tokens_end_and_are_renewed_in_mid_broadcast() {
    let world = Plan::people(120).start().await;
    world.sim.patch("settings", &json!({"token_expires_in": 2})).await;
    let sent = world.sent(&to_installed("on and on")).await;
    assert_eq!(sent.counts, counts! { audience: 120, delivered: 120 });
    assert!(world.sim.calls("token").await >= 2);
    assert_eq!(world.sim.get("counts").await["most_per_recipient_total"], 1);
    world.end().await;
}

#[tokio::test]
async fn a_service_that_is_gone_costs_nobody_anything() {
    let mut world = Plan::people(30).start().await;
    assert_eq!(world.sent(&to_installed("first")).await.counts, counts! { audience: 30, delivered: 30 });
    // The token is still good; nothing listens any more.
    world.sim.process.kill().await;
    let id = world.send(&to_installed("second")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("unreachable"), "{waiting:#?}");
    world.client.control(&id, MessageControl::Cancel).await.unwrap();
    assert_eq!(world.over(&id).await.counts, counts! { audience: 30, cancelled: 30 });
    world.end().await;
}
