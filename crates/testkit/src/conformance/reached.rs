//! Deliveries that wait until their recipients can be reached.

use std::time::Duration;

use nuncio_domain::DeliveryState::{Delivered, InFlight, Pending};
use nuncio_domain::batch::{Change, Row};
use nuncio_domain::message::{Named, WHENEVER, WhenUnreachable};
use nuncio_domain::people::SeenPerson;
use nuncio_domain::{Counts, NewMessage, ReachEvidence, ReachState, RecipientKind, Time};

use super::{Fixture, OPERATOR, Table, change, changes, reach};

fn waits(row: &Row, at: i64) -> Change {
    Change { due_at: Some(WHENEVER), ..change(row.key, Pending, Pending, at) }
}

fn installs(person: &str) -> SeenPerson {
    SeenPerson {
        object_id: person.to_owned(),
        reach: Some((ReachState::Reachable, ReachEvidence::event("installed"))),
        ..SeenPerson::default()
    }
}

fn waiting(table: &Table<'_>, number: u128, people: &[&str]) -> NewMessage {
    NewMessage { when_unreachable: WhenUnreachable::Wait, ..table.message(number, people) }
}

pub async fn deliveries_wait_for_their_recipients(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(waiting(&table, 1, &["ann", "bob"])).await;
    let rows = table.page(message_no).await;
    let ledger = table.ledger();
    for row in &rows {
        table.settle(reach(row.key.recipient_no, ReachState::Removed, 3_000)).await;
    }
    table.settle(changes(rows.iter().map(|row| waits(row, 3_000)).collect(), 3_000)).await;
    // Pending, in nobody's way and without a time.
    assert!(table.page(message_no).await.is_empty());
    assert!(ledger.due(table.lane_no, Time::MAX, 10).await.unwrap().is_empty());
    assert_eq!(table.counts(1).await, Counts { pending: 2, ..Counts::default() });
    let (_, view, _) = ledger.delivery(&OPERATOR, rows[0].key).await.unwrap().unwrap();
    assert_eq!((view.state, view.due_at), (Pending, None));
    assert_eq!(ledger.reached(table.lane_no, Time(4_000)).await.unwrap(), 0);
    assert!(!ledger.open(table.lane_no, 0).await.unwrap().reached);
    // One installs the app.
    fixture.hear(table.lane_no, installs("ann"), "https://smba/", Time(5_000)).await;
    assert!(ledger.open(table.lane_no, 0).await.unwrap().reached);
    assert_eq!(ledger.reached(table.lane_no, Time(6_000)).await.unwrap(), 1);
    assert!(!ledger.open(table.lane_no, 0).await.unwrap().reached);
    let due = ledger.due(table.lane_no, Time::MAX, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(
        (due[0].key, due[0].due_at, due[0].reach),
        (rows[0].key, Some(Time(6_000)), ReachState::Reachable)
    );
    table.start(&due, 6_100).await;
    table.settle(changes(vec![change(rows[0].key, InFlight, Delivered, 6_200)], 6_200)).await;
    // The other by a call that was accepted.
    table.settle(reach(rows[1].key.recipient_no, ReachState::Reachable, 7_000)).await;
    assert_eq!(ledger.reached(table.lane_no, Time(7_100)).await.unwrap(), 1);
    assert_eq!(ledger.due(table.lane_no, Time::MAX, 10).await.unwrap()[0].key, rows[1].key);
    assert_eq!(table.counts(1).await, Counts { pending: 1, delivered: 1, ..Counts::default() });
}

pub async fn threads_wait_for_their_channel(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let named = ["19:x@thread.tacv2;messageid=1", "19:y@thread.tacv2;messageid=1"]
        .map(|key| Named { kind: RecipientKind::Channel, key: key.to_owned() });
    let new = NewMessage { named: named.to_vec(), ..waiting(&table, 1, &[]) };
    let message_no = table.send(new).await;
    let rows = table.page(message_no).await;
    table.settle(changes(rows.iter().map(|row| waits(row, 3_000)).collect(), 3_000)).await;
    table.settle(reach(rows[0].thread_no, ReachState::Removed, 3_000)).await;
    assert_eq!(table.ledger().reached(table.lane_no, Time(4_000)).await.unwrap(), 0);
    table.settle(reach(rows[0].thread_no, ReachState::Reachable, 5_000)).await;
    assert_eq!(table.ledger().reached(table.lane_no, Time(6_000)).await.unwrap(), 1);
    let due = table.ledger().due(table.lane_no, Time::MAX, 10).await.unwrap();
    assert_eq!(due.iter().map(|row| row.key).collect::<Vec<_>>(), [rows[0].key]);
}

pub async fn who_is_reached_just_before_is_not_forgotten(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let ledger = table.ledger();
    // Nobody waits for anybody: nothing is noted.
    fixture.hear(table.lane_no, installs("zoe"), "https://smba/", Time(1_000)).await;
    assert!(!ledger.open(table.lane_no, 0).await.unwrap().reached);
    let message_no = table.send(waiting(&table, 1, &["ann"])).await;
    let row = table.page(message_no).await.remove(0);
    table.settle(reach(row.key.recipient_no, ReachState::Removed, 2_000)).await;
    // The word is there before the delivery waits.
    fixture.hear(table.lane_no, installs("ann"), "https://smba/", Time(3_000)).await;
    assert_eq!(ledger.reached(table.lane_no, Time(3_100)).await.unwrap(), 0);
    table.settle(changes(vec![waits(&row, 3_200)], 3_200)).await;
    assert_eq!(ledger.reached(table.lane_no, Time(3_300)).await.unwrap(), 1);
    // Once.
    table.start(&ledger.due(table.lane_no, Time::MAX, 10).await.unwrap(), 3_400).await;
    let again = Change { due_at: Some(WHENEVER), ..change(row.key, InFlight, Pending, 3_500) };
    table.settle(changes(vec![again], 3_500)).await;
    assert_eq!(ledger.reached(table.lane_no, Time(3_600)).await.unwrap(), 0);
    // What met nobody is kept for a minute.
    fixture.hear(table.lane_no, installs("cid"), "https://smba/", Time(4_000)).await;
    let later = Time(4_000) + Duration::from_secs(61);
    assert_eq!(ledger.reached(table.lane_no, later).await.unwrap(), 0);
    assert!(!ledger.open(table.lane_no, 0).await.unwrap().reached);
}
