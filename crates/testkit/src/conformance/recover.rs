//! Taking over what a dead owner left in flight.

use std::time::Duration;

use nuncio_domain::DeliveryState::{Ambiguous, Cancelled, Delivered, InFlight, Pending};
use nuncio_domain::batch::MessageChange;
use nuncio_domain::message::Named;
use nuncio_domain::people::RecipientKind;
use nuncio_domain::{Class, Counts, NewMessage, OnAmbiguous, Time};

use super::{Fixture, OPERATOR, Table, change, changes, id};

const GRACE: Duration = Duration::from_secs(30);

pub async fn a_dead_owners_calls_are_held(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob", "cid"])).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..2], 3_000).await;
    // Of another lane nothing is touched.
    let other = fixture.lane("app", "elsewhere").await;
    assert_eq!(table.ledger().recover(other, Time(9_000)).await.unwrap(), (0, 0));
    assert_eq!(table.ledger().recover(table.lane_no, Time(9_000)).await.unwrap(), (2, 0));
    table.check().await;
    assert_eq!(table.counts(1).await, Counts { pending: 1, ambiguous: 2, ..Counts::default() });
    let (_, view, attempts) = table.ledger().delivery(&OPERATOR, rows[0].key).await.unwrap().unwrap();
    assert_eq!((view.state, view.attempts, attempts[0].outcome.as_str()), (Ambiguous, 1, "ambiguous"));
    assert_eq!((attempts[0].started_at, attempts[0].ended_at), (Time(3_000), Time(9_000)));
    assert_eq!(attempts[0].text.as_deref(), Some("the process ended while the call was under way"));
    assert_eq!(table.ledger().recover(table.lane_no, Time(9_000)).await.unwrap(), (0, 0));
    // The outcome of the call after all: late evidence is never thrown away.
    table.settle(changes(vec![change(rows[0].key, Ambiguous, Delivered, 9_500)], 9_500)).await;
}

pub async fn a_dead_owners_calls_are_resent_once(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let channel = Named { kind: RecipientKind::Channel, key: "19:x@thread.tacv2".to_owned() };
    let held = Some(OnAmbiguous::Hold);
    let messages = [
        NewMessage { on_ambiguous: Some(OnAmbiguous::Resend), ..table.message(1, &["ann"]) },
        NewMessage { class: Class::Urgent, ..table.message(2, &["bob"]) },
        NewMessage { named: vec![channel.clone()], ..table.message(3, &[]) },
        NewMessage { class: Class::Urgent, on_ambiguous: held, ..table.message(4, &["cid"]) },
        NewMessage { named: vec![channel], on_ambiguous: held, ..table.message(5, &[]) },
    ];
    for (at, new) in messages.into_iter().enumerate() {
        let message_no = table.send(new).await;
        table.start(&table.page(message_no).await, 3_000 + at as i64).await;
    }
    assert_eq!(table.ledger().recover(table.lane_no, Time(9_000)).await.unwrap(), (2, 3));
    table.check().await;
    let due = table.ledger().due(table.lane_no, Time(3_002) + GRACE, 10).await.unwrap();
    let at: Vec<_> = due.iter().map(|row| row.due_at).collect();
    assert_eq!(at, [Time(3_000), Time(3_001), Time(3_002)].map(|at| Some(at + GRACE)));
    assert!(due.iter().all(|row| row.resent && row.attempts == 1));
    // At most one resend.
    table.start(&due, 9_000_000).await;
    assert_eq!(table.ledger().recover(table.lane_no, Time(9_100_000)).await.unwrap(), (3, 0));
    table.check().await;
    assert_eq!(table.counts(2).await, Counts { ambiguous: 1, ..Counts::default() });
}

pub async fn a_dead_owners_calls_of_closed_messages(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage { class: Class::Urgent, ..table.message(1, &["ann", "bob"]) };
    let message_no = table.send(new).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..1], 3_000).await;
    let close = MessageChange::Close { message_no, to: Cancelled, at: Time(4_000) };
    table.message_change(close, 4_000).await;
    let sweep = MessageChange::Sweep { message_no, to: Cancelled, limit: 100, at: Time(4_000) };
    table.message_change(sweep, 4_000).await;
    // Though final and swept, it still has a call out; whether it arrived is not known, and it is not sent again.
    assert_eq!(table.states(1).await, [InFlight, Cancelled]);
    assert_eq!(table.ledger().recover(table.lane_no, Time(9_000)).await.unwrap(), (1, 0));
    table.check().await;
    assert_eq!(table.counts(1).await, Counts { ambiguous: 1, cancelled: 1, ..Counts::default() });
    assert!(!table.states(1).await.contains(&Pending));
    assert!(table.view(id(1)).await.state.is_final());
}
