//! Controls, cancelling, expiring and sweeping.

use nuncio_domain::DeliveryState::{Ambiguous, Cancelled, Delivered, Expired, InFlight, Pending, Skipped};
use nuncio_domain::batch::MessageChange;
use nuncio_domain::message::{Controlled, Expanded};
use nuncio_domain::{Control, Counts, DeliveryState, MessageState, Time};

use super::{Fixture, OPERATOR, Table, attempt, change, changes, id, intent};
use nuncio_domain::Batch;

const FIVE: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];

fn close(message_no: i64, to: DeliveryState) -> MessageChange {
    MessageChange::Close { message_no, to, at: Time(5_000) }
}

fn sweep(message_no: i64, to: DeliveryState, limit: i64) -> MessageChange {
    MessageChange::Sweep { message_no, to, limit, at: Time(5_000) }
}

pub async fn controls_are_left_for_the_owner(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let taken = Controlled::Taken { lane_no: table.lane_no };
    let state = MessageState::Sending;
    assert_eq!(table.control(1, Control::Resume).await, Controlled::TooLate { state });
    assert_eq!(table.control(1, Control::Confirm).await, Controlled::TooLate { state });
    assert_eq!(table.control(99, Control::Cancel).await, Controlled::NotFound);
    assert_eq!(table.control(1, Control::Pause).await, taken);
    assert_eq!(
        table.ledger().open(table.lane_no, 0).await.unwrap().messages[0].control,
        Some(Control::Pause)
    );

    let paused = MessageChange::State { message_no, state: MessageState::Paused, cause: None };
    table.message_change(paused.clone(), 6_000).await;
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.control), (MessageState::Paused, None));
    // A word that came while the owner obeyed the one before is not lost.
    assert_eq!(table.control(1, Control::Resume).await, taken);
    table.message_change(paused, 6_000).await;
    assert_eq!(table.view(id(1)).await.control, Some(Control::Resume));
    // The last word counts, but a cancel is not taken back.
    assert_eq!(table.control(1, Control::Cancel).await, taken);
    let state = MessageState::Paused;
    assert_eq!(table.control(1, Control::Resume).await, Controlled::TooLate { state });
    assert_eq!(table.control(1, Control::Cancel).await, taken);
    table.message_change(close(message_no, Cancelled), 7_000).await;
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.control), (MessageState::Cancelled, None));
    let state = MessageState::Cancelled;
    assert_eq!(table.control(1, Control::Cancel).await, Controlled::TooLate { state });
    // An owner that did not know yet cannot bring it back.
    let sending = MessageChange::State { message_no, state: MessageState::Sending, cause: None };
    table.message_change(sending, 8_000).await;
    assert_eq!(table.view(id(1)).await.state, MessageState::Cancelled);
}

pub async fn cancel_settles_counts_at_once_and_rows_later(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &FIVE)).await;
    let rows = table.page(message_no).await;
    table.settle(changes(vec![change(rows[0].key, Pending, Skipped, 3)], 3)).await;
    table.message_change(close(message_no, Cancelled), 5_000).await;
    let closed = Counts { cancelled: 4, skipped: 1, ..Counts::default() };
    assert_eq!(table.counts(1).await, closed);
    assert_eq!(table.states(1).await, [Skipped, Cancelled, Cancelled, Cancelled, Cancelled]);
    assert_eq!(table.view(id(1)).await.completed_at, Some(Time(5_000)));
    // Nothing of it starts or changes any more.
    assert!(table.page(message_no).await.is_empty());
    let late = Batch {
        intents: vec![intent(rows[1].key, 6)],
        ..changes(vec![change(rows[2].key, Pending, Skipped, 6)], 6)
    };
    let lost = table.commit(late).await;
    assert_eq!((lost.lost_intents, lost.lost_changes), (vec![rows[1].key], vec![rows[2].key]));

    let mut chunks = 0;
    loop {
        let open = table.ledger().open(table.lane_no, 0).await.unwrap().messages;
        assert_eq!((open.len(), open[0].state), (1, MessageState::Cancelled));
        chunks += 1;
        if table.message_change(sweep(message_no, Cancelled, 2), 5_000).await.sweep_more.is_empty() {
            break;
        }
        assert_eq!(table.counts(1).await, closed);
    }
    assert_eq!(chunks, 3);
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
    assert_eq!(table.states(1).await, [Skipped, Cancelled, Cancelled, Cancelled, Cancelled]);
}

pub async fn in_flight_ones_of_a_cancelled_message_record_their_end(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &FIVE)).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..3], 3_000).await;
    table.message_change(close(message_no, Cancelled), 5_000).await;
    assert_eq!(table.counts(1).await, Counts { in_flight: 3, cancelled: 2, ..Counts::default() });
    // One that finds itself still pending was a call that makes no message: the attempt is kept, the count is not moved.
    let mut create = change(rows[3].key, Pending, Cancelled, 5_100);
    create.attempt = Some(attempt("accepted", 5_100));
    table.settle(changes(vec![create.clone()], 5_100)).await;
    table.message_change(sweep(message_no, Cancelled, 100), 5_000).await;
    create.key = rows[4].key;
    table.settle(changes(vec![create], 5_100)).await;

    let mut delivered = change(rows[0].key, InFlight, Delivered, 5_200);
    delivered.attempt = Some(attempt("accepted", 5_200));
    table.settle(changes(vec![delivered, change(rows[1].key, InFlight, Ambiguous, 5_200)], 5_200)).await;
    table.settle(changes(vec![change(rows[2].key, InFlight, Cancelled, 5_200)], 5_200)).await;
    let counts = Counts { delivered: 1, ambiguous: 1, cancelled: 3, ..Counts::default() };
    assert_eq!(table.counts(1).await, counts);
    for (row, attempts) in rows.iter().zip([1, 0, 0, 1, 1]) {
        let (_, view, kept) = table.ledger().delivery(&OPERATOR, row.key).await.unwrap().unwrap();
        assert_eq!((view.attempts, kept.len()), (attempts, attempts as usize));
    }
}

pub async fn a_retry_of_a_closed_message_is_closed(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    for (number, to) in [(1, Cancelled), (2, Expired)] {
        let message_no = table.send(table.message(number, &["ann", "bob", "cid"])).await;
        let rows = table.page(message_no).await;
        table.start(&rows[..2], 3_000).await;
        table.message_change(close(message_no, to), 5_000).await;
        for (row, before) in rows.iter().zip([true, false]) {
            if !before {
                table.message_change(sweep(message_no, to, 100), 5_000).await;
            }
            let mut retry = change(row.key, InFlight, Pending, 5_100);
            retry.due_at = Some(Time(6_000));
            retry.attempt = Some(attempt("throttled", 5_100));
            table.settle(changes(vec![retry], 5_100)).await;
        }
        assert_eq!(table.states(number).await, [to, to, to]);
        let mut counts = Counts::default();
        *counts.of(to) = 3;
        assert_eq!(table.counts(number).await, counts);
        assert!(table.ledger().due(table.lane_no, Time(9_000), 10).await.unwrap().is_empty());
    }
}

pub async fn expiry_closes_and_completes(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob"])).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..1], 3_000).await;
    table.message_change(close(message_no, Expired), 5_000).await;
    assert_eq!(table.counts(1).await, Counts { in_flight: 1, expired: 1, ..Counts::default() });
    let state = MessageState::Completed;
    assert_eq!(table.control(1, Control::Cancel).await, Controlled::TooLate { state });
    // A second close changes nothing: an owner that starts anew closes what has expired.
    table.message_change(close(message_no, Cancelled), 5_000).await;
    let complete = || MessageChange::Complete { message_no, at: Time(6_000) };
    assert_eq!(table.message_change(complete(), 6_000).await.not_complete, [message_no]);
    table.settle(changes(vec![change(rows[0].key, InFlight, Delivered, 5_200)], 5_200)).await;
    // Completed though a row still waits to be swept.
    table.settle(Batch { messages: vec![complete()], ..Batch::default() }).await;
    let open = table.ledger().open(table.lane_no, 0).await.unwrap().messages;
    assert_eq!((open.len(), open[0].state), (1, MessageState::Completed));
    table.message_change(sweep(message_no, Expired, 100), 6_000).await;
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
    assert_eq!(table.states(1).await, [Delivered, Expired]);
}

pub async fn closing_during_expansion_ends_it(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.submit(table.message(1, &FIVE)).await;
    table.ledger().expand(message_no, 2, Time(2_000)).await.unwrap();
    table.message_change(close(message_no, Cancelled), 5_000).await;
    let expanded = table.ledger().expand(message_no, 2, Time(2_000)).await.unwrap();
    assert_eq!(expanded, Expanded { done: true, ..Expanded::default() });
    let view = table.view(id(1)).await;
    assert_eq!((view.counts, view.audience_final), (Counts { cancelled: 2, ..Counts::default() }, true));
    assert_eq!(view.state, MessageState::Cancelled);
    table.check().await;
}
