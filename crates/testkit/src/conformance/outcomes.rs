//! Intents, changes, attempts and counts.

use nuncio_domain::DeliveryState::{Ambiguous, Delivered, Failed, InFlight, Pending, Skipped};
use nuncio_domain::batch::{Inherited, MessageChange, Why};
use nuncio_domain::message::Named;
use nuncio_domain::people::RecipientKind;
use nuncio_domain::{Batch, Counts, DeliveryState, FailReason, Key, NewMessage, SkipReason, Time};

use super::{Fixture, OPERATOR, Table, attempt, batch, change, changes, id, intent};

pub async fn a_delivery_goes_its_way(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob", "cid"])).await;
    let rows = table.page(message_no).await;
    table.start(&rows[..2], 3_000).await;
    assert_eq!(table.counts(1).await, Counts { pending: 1, in_flight: 2, ..Counts::default() });
    assert_eq!(table.page(message_no).await, rows[2..]);

    let mut delivered = change(rows[0].key, InFlight, Delivered, 3_200);
    delivered.attempt = Some(attempt("accepted", 3_200));
    delivered.activity_id = Some("a1".to_owned());
    let mut failed = change(rows[1].key, InFlight, Failed, 3_300);
    failed.why = Some(Why::Failed(FailReason::BlockedByUser));
    failed.attempt = Some(attempt("permanent", 3_300));
    // One batch may end some and start others.
    let both =
        Batch { intents: vec![intent(rows[2].key, 3_300)], changes: vec![delivered, failed], ..batch(3_300) };
    table.settle(both).await;
    assert_eq!(table.counts(1).await, Counts { in_flight: 1, delivered: 1, failed: 1, ..Counts::default() });
    let (of, view, attempts) = table.ledger().delivery(&OPERATOR, rows[0].key).await.unwrap().unwrap();
    assert_eq!((of, view.state, view.activity_id.as_deref()), (id(1), Delivered, Some("a1")));
    assert_eq!((view.attempts, attempts.len(), attempts[0].n), (1, 1, 1));
    assert_eq!((view.first_at, view.last_at), (Some(Time(3_190)), Some(Time(3_200))));
}

pub async fn lost_intents_and_changes_are_told(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob"])).await;
    let rows = table.page(message_no).await;
    let nobody = Key { message_no, recipient_no: 999_999 };
    let nowhere = Key { message_no: 999_999, recipient_no: 1 };
    let (ann, bob) = (rows[0].key, rows[1].key);

    let intents = [ann, nobody, nowhere, ann].map(|key| intent(key, 3_000)).to_vec();
    let mut committed = table.commit(Batch { intents, ..batch(3_000) }).await;
    committed.lost_intents.sort();
    assert_eq!(committed.lost_intents, [ann, nobody, nowhere]);
    assert_eq!(table.counts(1).await, Counts { pending: 1, in_flight: 1, ..Counts::default() });

    let wrong = [(ann, Pending, Skipped), (bob, InFlight, Delivered), (nobody, InFlight, Delivered)];
    let mut all: Vec<_> = wrong.map(|(key, from, to)| change(key, from, to, 3_100)).to_vec();
    for change in &mut all {
        change.attempt = Some(attempt("accepted", 3_100));
    }
    all.push(change(nowhere, Pending, Skipped, 3_100));
    let mut committed = table.commit(changes(all, 3_100)).await;
    committed.lost_changes.sort();
    assert_eq!(committed.lost_changes, [ann, bob, nobody, nowhere]);
    assert_eq!(table.counts(1).await, Counts { pending: 1, in_flight: 1, ..Counts::default() });
    let (_, view, attempts) = table.ledger().delivery(&OPERATOR, ann).await.unwrap().unwrap();
    assert_eq!((view.attempts, attempts.len()), (0, 0));
}

pub async fn finals_stay_final(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let key = table.page(message_no).await[0].key;
    table.settle(Batch { intents: vec![intent(key, 1)], ..batch(1) }).await;
    // Back into flight, or skipped after a call has begun: no way.
    for to in [InFlight, Skipped] {
        assert_eq!(table.commit(changes(vec![change(key, InFlight, to, 2)], 2)).await.lost_changes, [key]);
    }
    // Late evidence settles what was ambiguous, once.
    table.settle(changes(vec![change(key, InFlight, Ambiguous, 3)], 3)).await;
    table.settle(changes(vec![change(key, Ambiguous, Delivered, 4)], 4)).await;
    for to in DeliveryState::ALL {
        assert_eq!(table.commit(changes(vec![change(key, Delivered, *to, 5)], 5)).await.lost_changes, [key]);
    }
    assert_eq!(table.counts(1).await, Counts { delivered: 1, ..Counts::default() });
}

pub async fn several_changes_of_one_delivery_in_a_batch(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob"])).await;
    let rows = table.page(message_no).await;
    table.start(&rows, 3_000).await;
    let mut first = change(rows[0].key, InFlight, Pending, 3_100);
    first.attempt = Some(attempt("transient", 3_100));
    first.due_at = Some(Time(4_000));
    let mut second = change(rows[0].key, Pending, Failed, 3_200);
    second.attempt = Some(attempt("permanent", 3_200));
    second.why = Some(Why::Failed(FailReason::UpstreamError));
    let third = change(rows[0].key, Pending, Skipped, 3_300);
    let other = change(rows[1].key, InFlight, Delivered, 3_300);
    let committed = table.commit(changes(vec![first, second, third, other], 3_300)).await;
    assert_eq!(committed.lost_changes, [rows[0].key]);
    assert_eq!(table.states(1).await, [Failed, Delivered]);
    let (_, view, attempts) = table.ledger().delivery(&OPERATOR, rows[0].key).await.unwrap().unwrap();
    assert_eq!((view.attempts, attempts.len(), view.due_at), (2, 2, None));
}

pub async fn retries_come_back_soonest_first(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let one = table.send(table.message(1, &["ann", "bob", "cid"])).await;
    let two = table.send(table.message(2, &["ann"])).await;
    let mut rows = table.page(one).await;
    rows.extend(table.page(two).await);
    table.start(&rows, 3_000).await;
    let all = rows.iter().zip([9_000, 7_000, 8_000, 7_000]).map(|(row, due)| {
        let mut change = change(row.key, InFlight, Pending, 3_100);
        change.due_at = Some(Time(due));
        change.tries = 1;
        change.attempt = Some(attempt("throttled", 3_100));
        change
    });
    table.settle(changes(all.collect(), 3_100)).await;
    // They wait for their time, and no page has them.
    assert!(table.page(one).await.is_empty());
    assert!(table.ledger().due(table.lane_no, Time(6_999), 10).await.unwrap().is_empty());
    let due = table.ledger().due(table.lane_no, Time(8_000), 10).await.unwrap();
    let keys: Vec<Key> = due.iter().map(|row| row.key).collect();
    assert_eq!(keys, [rows[1].key, rows[3].key, rows[2].key]);
    assert_eq!((due[0].attempts, due[0].tries, due[0].due_at), (1, 1, Some(Time(7_000))));
    assert_eq!(table.ledger().due(table.lane_no, Time(9_000), 2).await.unwrap(), due[..2]);
    // Started again, it is no longer due.
    table.start(&due[..1], 7_000).await;
    assert_eq!(table.ledger().due(table.lane_no, Time(8_000), 10).await.unwrap(), due[1..]);
}

pub async fn retries_of_channels_are_read_by_themselves(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let channel = |name: &str| Named { kind: RecipientKind::Channel, key: format!("19:{name}@thread.tacv2") };
    let mut message = table.message(1, &["ann"]);
    message.named.extend([channel("x"), channel("y")]);
    let one = table.send(message).await;
    let two = table.send(NewMessage { named: vec![channel("x")], ..table.message(2, &[]) }).await;
    let inherited = async || table.ledger().inherited(table.lane_no, Time(3_000)).await.unwrap();
    assert_eq!(inherited().await, Inherited::default());
    let mut rows = table.page(one).await;
    rows.extend(table.page(two).await);
    table.start(&rows, 3_000).await;
    // The second message's comes first.
    let all = rows.iter().map(|row| {
        let mut change = change(row.key, InFlight, Pending, 3_100);
        change.due_at = Some(Time(9_000 - row.key.message_no));
        change.attempt = Some(attempt("throttled", 3_100));
        change
    });
    table.settle(changes(all.collect(), 3_100)).await;
    let mut wanted: Vec<Key> =
        rows.iter().filter(|row| row.kind == RecipientKind::Channel).map(|row| row.key).collect();
    wanted.sort_by_key(|key| (-key.message_no, key.recipient_no));
    assert_eq!(wanted.len(), 3);
    let Inherited { retries, calls } = inherited().await;
    assert_eq!(retries.iter().map(|row| row.key).collect::<Vec<_>>(), wanted);
    let due = table.ledger().due(table.lane_no, Time::MAX, 10).await.unwrap();
    assert_eq!(due.len(), 4);
    assert!(retries.iter().all(|row| due.contains(row)));
    // What was said there counts, and how long ago.
    let (x, y) = (retries[0].thread_no, retries[2].thread_no);
    let mut said = vec![(x, Time(3_100)), (x, Time(3_100)), (y, Time(3_100))];
    said.sort_unstable();
    assert_eq!(calls, said);
    let later = table.ledger().inherited(table.lane_no, Time(3_100)).await.unwrap();
    assert_eq!((later.retries, later.calls), (retries.clone(), Vec::new()));
    // Under way again, it holds no more from the store's side.
    table.start(&retries[..1], 9_000).await;
    assert_eq!(inherited().await.retries, retries[1..]);
    // What is delivered was said there too, beside the call that was refused before.
    let mut delivered = change(retries[0].key, InFlight, Delivered, 9_100);
    delivered.attempt = Some(attempt("accepted", 9_100));
    table.settle(changes(vec![delivered], 9_100)).await;
    let later = table.ledger().inherited(table.lane_no, Time(3_100)).await.unwrap();
    assert_eq!(later.calls, [(x, Time(9_100))]);
    said.push((x, Time(9_100)));
    assert_eq!(inherited().await.calls, said);
}

pub async fn calls_that_make_no_message_leave_it_pending(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let key = table.page(message_no).await[0].key;
    let mut created = change(key, Pending, Pending, 3_000);
    created.attempt = Some(attempt("accepted", 3_000));
    table.settle(changes(vec![created], 3_000)).await;
    let rows = table.page(message_no).await;
    assert_eq!((rows.len(), rows[0].attempts, rows[0].tries), (1, 1, 0));
    assert_eq!(table.counts(1).await, Counts { pending: 1, ..Counts::default() });
}

pub async fn reasons_are_counted(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob", "cid", "dan"])).await;
    let rows = table.page(message_no).await;
    let mut all = Vec::new();
    for (row, why) in rows.iter().zip([
        Why::Skipped(SkipReason::Excluded),
        Why::Skipped(SkipReason::Unreachable),
        Why::Skipped(SkipReason::Excluded),
        Why::Failed(FailReason::RecipientNotFound),
    ]) {
        let to = if matches!(why, Why::Failed(_)) { Failed } else { Skipped };
        let mut change = change(row.key, Pending, to, 3_000);
        change.why = Some(why);
        all.push(change);
    }
    table.settle(changes(all[..2].to_vec(), 3_000)).await;
    table.settle(changes(all[2..].to_vec(), 3_000)).await;
    let view = table.view(id(1)).await;
    let skipped: Vec<_> = view.skipped_by_reason.into_iter().collect();
    assert_eq!(skipped, [("excluded".to_owned(), 2), ("unreachable".to_owned(), 1)]);
    assert_eq!(
        view.failed_by_reason.into_iter().collect::<Vec<_>>(),
        [("recipient_not_found".to_owned(), 1)]
    );
}

pub async fn completing_holds_only_when_nothing_is_left(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.submit(table.message(1, &["ann", "bob"])).await;
    let complete = || MessageChange::Complete { message_no, at: Time(9) };
    // Not before the audience is known.
    assert_eq!(table.message_change(complete(), 9).await.not_complete, [message_no]);
    while !table.ledger().expand(message_no, 1, Time(2)).await.unwrap().done {}
    let rows = table.page(message_no).await;
    table.start(&rows, 3).await;
    table.settle(changes(vec![change(rows[0].key, InFlight, Delivered, 4)], 4)).await;
    assert_eq!(table.message_change(complete(), 9).await.not_complete, [message_no]);
    // What nobody can know keeps no message open. The change and the completion may share a batch.
    let last =
        Batch { messages: vec![complete()], ..changes(vec![change(rows[1].key, InFlight, Ambiguous, 5)], 5) };
    table.settle(last).await;
    assert!(table.view(id(1)).await.state.is_final());
    assert!(table.message_change(complete(), 9).await.not_complete.is_empty());
    let unknown = MessageChange::Complete { message_no: 99_999, at: Time(9) };
    assert_eq!(table.message_change(unknown, 9).await.not_complete, [99_999]);
}
