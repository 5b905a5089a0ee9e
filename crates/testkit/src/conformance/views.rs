//! What the API reads, and who may.

use nuncio_domain::DeliveryState::{Cancelled, Delivered, Failed, InFlight, Pending, Skipped};
use nuncio_domain::batch::{MessageChange, Why};
use nuncio_domain::message::{ControlRequest, Controlled};
use nuncio_domain::views::{DeliveryFilter, MessageFilter};
use nuncio_domain::{Batch, Control, FailReason, MessageState, NewMessage, Scope, SkipReason, Time};

use super::{ALL, Fixture, OPERATOR, Table, attempt, batch, change, changes, id};

pub async fn other_apps_see_nothing(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let key = table.page(message_no).await[0].key;
    let own = Scope { app: Some("app".to_owned()), ..OPERATOR };
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    let ledger = table.ledger();
    for (scope, sees) in [(&own, true), (&other, false)] {
        assert_eq!(ledger.message(scope, id(1)).await.unwrap().is_some(), sees);
        let messages = ledger.messages(scope, &MessageFilter::default(), None, ALL).await.unwrap();
        assert_eq!(messages.items.len(), usize::from(sees));
        let deliveries =
            ledger.deliveries(scope, id(1), &DeliveryFilter::default(), None, ALL).await.unwrap();
        assert_eq!(deliveries.is_some(), sees);
        assert_eq!(ledger.delivery(scope, key).await.unwrap().is_some(), sees);
        let request = ControlRequest { scope, id: id(1), control: Control::Pause };
        let controlled = ledger.control(request, Time(3_000)).await.unwrap();
        let taken = Controlled::Taken { lane_no: table.lane_no };
        assert_eq!(controlled, if sees { taken } else { Controlled::NotFound });
    }
    // Nor may it speak for another app.
    assert!(ledger.submit(&other, table.message(2, &["ann"])).await.is_err());
    assert_eq!(ledger.message(&OPERATOR, id(2)).await.unwrap(), None);
}

pub async fn lists_have_cursors(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    for number in 1..=5 {
        let label = (number % 2 == 1).then(|| "odd".to_owned());
        table.submit(NewMessage { label, ..table.message(number, &["ann", "bob", "cid"]) }).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = table.ledger().messages(&OPERATOR, &MessageFilter::default(), after, 2).await.unwrap();
        seen.extend(page.items.iter().map(|view| view.id));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert_eq!(page.items.len(), 2);
    }
    assert_eq!(seen, [5, 4, 3, 2, 1].map(id));
    let odd = MessageFilter { label: Some("odd".to_owned()), ..MessageFilter::default() };
    let page = table.ledger().messages(&OPERATOR, &odd, None, 3).await.unwrap();
    assert_eq!(page.items.iter().map(|view| view.id).collect::<Vec<_>>(), [5, 3, 1].map(id));
    assert_eq!(page.next, None);
    let none = MessageFilter { state: Some(MessageState::Paused), ..MessageFilter::default() };
    assert!(table.ledger().messages(&OPERATOR, &none, None, 3).await.unwrap().items.is_empty());

    let message_no = table.view(id(1)).await.message_no;
    while !table.ledger().expand(message_no, 10, Time(2_000)).await.unwrap().done {}
    let rows = table.page(message_no).await;
    assert_eq!(table.ledger().page(message_no, 0, 2).await.unwrap(), rows[..2]);
    assert_eq!(table.ledger().page(message_no, rows[1].key.recipient_no, 2).await.unwrap(), rows[2..]);
    let all = DeliveryFilter::default();
    let deliveries = |after| table.ledger().deliveries(&OPERATOR, id(1), &all, after, 2);
    let first = deliveries(None).await.unwrap().unwrap();
    assert_eq!((first.items.len(), first.next), (2, Some(rows[1].key.recipient_no)));
    let last = deliveries(first.next).await.unwrap().unwrap();
    assert_eq!((last.items.len(), last.items[0].key, last.next), (1, rows[2].key, None));
}

pub async fn deliveries_can_be_filtered(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob", "cid", "dan", "eve"])).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..2], 3_000).await;
    let mut failed = change(rows[0].key, InFlight, Failed, 3_100);
    failed.why = Some(Why::Failed(FailReason::NotInstalled));
    let mut skipped = change(rows[2].key, Pending, Skipped, 3_100);
    skipped.why = Some(Why::Skipped(SkipReason::Excluded));
    table
        .settle(changes(vec![failed, skipped, change(rows[1].key, InFlight, Delivered, 3_100)], 3_100))
        .await;
    let count = async |state, reason: Option<&str>| {
        let filter = DeliveryFilter { state, reason: reason.map(str::to_owned) };
        let page = table.ledger().deliveries(&OPERATOR, id(1), &filter, None, ALL).await.unwrap();
        page.unwrap().items.len()
    };
    assert_eq!(count(Some(Pending), None).await, 2);
    assert_eq!(count(Some(Failed), None).await, 1);
    assert_eq!(count(None, Some("excluded")).await, 1);
    assert_eq!(count(Some(Failed), Some("excluded")).await, 0);
    // What is shown is what is filtered.
    let close = MessageChange::Close { message_no, to: Cancelled, at: Time(4_000) };
    table.message_change(close, 4_000).await;
    assert_eq!((count(Some(Pending), None).await, count(Some(Cancelled), None).await), (0, 2));
}

pub async fn attempts_are_kept(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let rows = table.page(message_no).await;
    for n in 1..=3 {
        let rows = table.ledger().page(message_no, 0, ALL).await.unwrap();
        table.start(&rows, 1_000 * n).await;
        let mut again = change(rows[0].key, InFlight, Pending, 1_000 * n + 100);
        again.tries = n as u32;
        let mut made = attempt("transient", 1_000 * n + 100);
        made.status = Some(503);
        made.code = Some(format!("code {n}"));
        made.text = Some("busy".to_owned());
        again.attempt = Some(made);
        table.settle(changes(vec![again], 1_000 * n + 100)).await;
    }
    let (_, view, attempts) = table.ledger().delivery(&OPERATOR, rows[0].key).await.unwrap().unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.n).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((view.attempts, view.status, view.code.as_deref()), (3, Some(503), Some("code 3")));
    assert_eq!((view.text.as_deref(), view.correlation.as_deref()), (Some("busy"), Some("c3100")));
    assert_eq!((view.first_at, view.last_at), (Some(Time(1_090)), Some(Time(3_100))));
    let row = &table.page(message_no).await[0];
    assert_eq!((row.attempts, row.tries), (3, 3));

    table.start(std::slice::from_ref(row), 4_000).await;
    let mut delivered = change(row.key, InFlight, Delivered, 4_100);
    (delivered.tries, delivered.attempt) = (3, Some(attempt("accepted", 4_100)));
    table.settle(changes(vec![delivered], 4_100)).await;
    let (_, view, attempts) = table.ledger().delivery(&OPERATOR, row.key).await.unwrap().unwrap();
    assert_eq!((view.attempts, view.status, view.code.as_deref()), (4, Some(201), None));
    assert_eq!((view.text.as_deref(), view.correlation.as_deref()), (None, Some("c4100")));
    assert_eq!((view.first_at, view.last_at), (Some(Time(1_090)), Some(Time(4_100))));
    let last = &attempts[3];
    assert_eq!(
        (attempts.len(), last.n, last.call.as_str(), last.outcome.as_str()),
        (4, 4, "send", "accepted")
    );
    assert_eq!((last.started_at, last.ended_at), (Time(4_090), Time(4_100)));
    assert_eq!((last.status, last.code.as_deref(), last.text.as_deref()), (Some(201), None, None));
    assert_eq!(last.correlation.as_deref(), Some("c4100"));
}

pub async fn lane_causes_are_shown(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let status = |text: &str| Batch { lane_status: vec![(table.lane_no, text.to_owned())], ..batch(1) };
    table.settle(status(r#"{"rate": 1, "cause": "credential"}"#)).await;
    let view = table.view(id(1)).await;
    assert_eq!(view.cause.as_deref(), Some("credential"));
    assert!(view.lane_status.is_some_and(|status| status.contains("rate")));
    // Its own cause comes first, and words that are no JSON harm nobody.
    let state = MessageState::Waiting;
    let own = MessageChange::State { message_no, state, cause: Some("own".to_owned()) };
    table.message_change(own, 2).await;
    assert_eq!(table.view(id(1)).await.cause.as_deref(), Some("own"));
    table.settle(status("no json")).await;
    let state = MessageState::Sending;
    table.message_change(MessageChange::State { message_no, state, cause: None }, 3).await;
    assert_eq!(table.view(id(1)).await.cause, None);
}
