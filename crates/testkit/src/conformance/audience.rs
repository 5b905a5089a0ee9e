//! Taking messages in and expanding their audience.

use nuncio_domain::batch::MessageChange;
use nuncio_domain::message::{Controlled, Expanded, Idempotency, Named, Submitted};
use nuncio_domain::people::{RecipientKind, SeenPerson};
use nuncio_domain::{Control, Counts, MessageState, NewMessage, ReachState, Time};

use super::{Fixture, OPERATOR, SECOND, Table, id, reach};

pub async fn named_twice_is_counted_not_sent_twice(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob", "ann", "cid", "ann"])).await;
    let view = table.view(id(1)).await;
    assert_eq!((view.counts, view.duplicates_removed), (Counts { pending: 3, ..Counts::default() }, 2));
    assert!(view.audience_final);
    assert_eq!(view.state, MessageState::Sending);
    let rows = table.page(message_no).await;
    assert_eq!(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["ann", "bob", "cid"]);
    assert!(rows.iter().all(|row| row.thread_no == row.key.recipient_no && row.reference.is_none()));
    // The same people again are the same recipients.
    let again = table.send(table.message(2, &["cid", "ann"])).await;
    let keys =
        |rows: &[nuncio_domain::batch::Row]| rows.iter().map(|row| row.key.recipient_no).collect::<Vec<_>>();
    assert_eq!(keys(&table.page(again).await), [rows[0].key.recipient_no, rows[2].key.recipient_no]);
}

pub async fn sources_overlap_without_doubling(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    for name in ["ann", "bob", "cid", "dan"] {
        table.person(name, 10).await;
    }
    let new = NewMessage { installed: true, ..table.message(1, &["bob", "eve", "dan"]) };
    let message_no = table.submit(new).await;
    let mut sum = (0, 0);
    loop {
        let Expanded { added, duplicates, done, confirm, .. } =
            table.ledger().expand(message_no, 2, Time(2_000)).await.unwrap();
        table.check().await;
        assert!(added + duplicates <= 2 && !confirm);
        sum = (sum.0 + added, sum.1 + duplicates);
        let view = table.view(id(1)).await;
        assert_eq!((view.counts.audience(), view.duplicates_removed), sum);
        assert_eq!(view.audience_final, done);
        if done {
            break;
        }
    }
    assert_eq!(sum, (5, 2));
    let after = table.ledger().expand(message_no, 2, Time(2_000)).await.unwrap();
    assert_eq!(after, Expanded { done: true, ..Expanded::default() });
}

pub async fn installed_means_as_of_now(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    table.person("ann", 10).await;
    let gone = table.person("bob", 10).await;
    let blocked = table.person("cid", 10).await;
    // Without a conversation, and in another lane.
    let seen = SeenPerson { object_id: "dan".to_owned(), ..SeenPerson::default() };
    fixture.hear(table.lane_no, seen, "", Time(10)).await;
    let other = fixture.lane("app", "elsewhere").await;
    let seen = SeenPerson {
        object_id: "eve".to_owned(),
        conversation_id: Some("a:eve".to_owned()),
        ..SeenPerson::default()
    };
    fixture.hear(other, seen, "", Time(10)).await;
    table.settle(reach(gone, ReachState::Removed, 20)).await;
    table.settle(reach(blocked, ReachState::Blocked, 20)).await;

    let message_no = table.submit(NewMessage { installed: true, ..table.message(1, &[]) }).await;
    table.person("late", 30).await;
    while !table.ledger().expand(message_no, 1, Time(2_000)).await.unwrap().done {}
    let rows = table.page(message_no).await;
    assert_eq!(rows.iter().map(|row| row.address.as_str()).collect::<Vec<_>>(), ["ann", "cid"]);
    assert_eq!(rows[1].reach, ReachState::Blocked);
}

pub async fn replies_share_the_thread_of_their_channel(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let channel = |key: &str| Named { kind: RecipientKind::Channel, key: key.to_owned() };
    let named = vec![channel("19:x@thread.tacv2;messageid=1"), channel("19:x@thread.tacv2")];
    let message_no = table.send(NewMessage { named, ..table.message(1, &[]) }).await;
    let rows = table.page(message_no).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].thread_no, rows[1].thread_no);
    assert!(rows.iter().any(|row| row.thread_no == row.key.recipient_no));
    assert!(rows.iter().all(|row| row.kind == RecipientKind::Channel));
    // And whether it can be reached, which is known of the channel alone.
    let channel = rows[0].thread_no;
    table.settle(super::reach(channel, ReachState::Removed, 3_000)).await;
    let rows = table.page(message_no).await;
    assert!(
        rows.iter().all(|row| row.reach == ReachState::Removed && row.reach_at == Some(Time(3_000))),
        "{rows:?}"
    );
    assert!(rows.iter().all(|row| row.place_no() == channel));
}

pub async fn exclusions_are_marked(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let exclude = vec!["bob".to_owned(), "nobody".to_owned()];
    let message_no = table.send(NewMessage { exclude, ..table.message(1, &["ann", "bob"]) }).await;
    let rows = table.page(message_no).await;
    assert_eq!(rows.iter().map(|row| row.excluded).collect::<Vec<_>>(), [false, true]);
}

pub async fn who_opted_out_is_marked(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(table.message(1, &["ann", "bob"])).await;
    let marked =
        async || -> Vec<bool> { table.page(message_no).await.iter().map(|row| row.opted_out).collect() };
    assert_eq!(marked().await, [false, false]);
    fixture.opt_out(table.lane_no, "bob", true, Time(3_000)).await;
    assert_eq!(marked().await, [false, true]);
    // Of the app in this tenant alone.
    let elsewhere = fixture.lane("other", "tenant").await;
    fixture.opt_out(elsewhere, "ann", true, Time(4_000)).await;
    assert_eq!(marked().await, [false, true]);
    fixture.opt_out(table.lane_no, "bob", false, Time(5_000)).await;
    assert_eq!(marked().await, [false, false]);
    table.check().await;
}

pub async fn idempotency_same_other_and_expired(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let request = |number, hash: u8, at| NewMessage {
        idempotency: Some(Idempotency { key: "k".to_owned(), body_hash: [hash; 32] }),
        created_at: at,
        ..table.message(number, &["ann"])
    };
    let start = Time(1_000);
    let day = 24 * 3_600 * SECOND;
    let submit = async |key_no, new| {
        let scope = nuncio_domain::Scope { key_no, ..OPERATOR };
        table.ledger().submit(&scope, new).await.unwrap()
    };
    assert_eq!(submit(1, request(1, 7, start)).await, Submitted::Stored);
    assert_eq!(submit(1, request(2, 7, start + SECOND)).await, Submitted::Repeated(id(1)));
    assert_eq!(submit(1, request(3, 8, start + SECOND)).await, Submitted::KeyReused);
    // The same words of another caller are another request, and so are they a day later.
    assert_eq!(submit(2, request(4, 7, start)).await, Submitted::Stored);
    assert_eq!(submit(1, request(5, 8, start + day)).await, Submitted::Stored);
    assert_eq!(submit(1, request(6, 8, start + day + SECOND)).await, Submitted::Repeated(id(5)));
    let looked_up = async |key_no, hash: u8, at| {
        let scope = nuncio_domain::Scope { key_no, ..OPERATOR };
        let idempotency = Idempotency { key: "k".to_owned(), body_hash: [hash; 32] };
        table.ledger().repeated(&scope, &idempotency, at).await.unwrap()
    };
    assert_eq!(looked_up(1, 8, start + day + SECOND).await, Some(Submitted::Repeated(id(5))));
    assert_eq!(looked_up(1, 7, start + day + SECOND).await, Some(Submitted::KeyReused));
    assert_eq!(looked_up(1, 8, start + day + day).await, None);
    assert_eq!(looked_up(3, 8, start + day).await, None);
    for number in [2, 3, 6] {
        assert_eq!(table.ledger().message(&OPERATOR, id(number)).await.unwrap(), None);
    }
    table.check().await;
}

pub async fn too_large_waits_for_a_word(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage { max_recipients: 2, ..table.message(1, &["ann", "bob", "cid"]) };
    let message_no = table.submit(new).await;
    assert!(matches!(table.control(1, Control::Confirm).await, Controlled::TooLate { .. }));
    let expanded = table.ledger().expand(message_no, 100, Time(2_000)).await.unwrap();
    assert_eq!(expanded, Expanded { added: 3, done: true, confirm: true, ..Expanded::default() });
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.cause.as_deref()), (MessageState::Waiting, Some("confirm")));
    // Resuming must not stand in for confirming.
    for control in [Control::Resume, Control::Pause] {
        let state = MessageState::Waiting;
        assert_eq!(table.control(1, control).await, Controlled::TooLate { state });
    }
    assert_eq!(table.control(1, Control::Confirm).await, Controlled::Taken { lane_no: table.lane_no });
    assert_eq!(table.view(id(1)).await.control, Some(Control::Confirm));
    let state = MessageState::Sending;
    table.message_change(MessageChange::State { message_no, state, cause: None }, 6_000).await;
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.cause, view.control), (MessageState::Sending, None, None));
}

pub async fn empty_audiences_end_at_once(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.send(NewMessage { installed: true, ..table.message(1, &[]) }).await;
    assert_eq!(table.view(id(1)).await.state, MessageState::Sending);
    let done = table.message_change(MessageChange::Complete { message_no, at: Time(9) }, 9).await;
    assert!(done.not_complete.is_empty());
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.completed_at), (MessageState::Completed, Some(Time(9))));
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
}

pub async fn scheduled_ones_stay_scheduled(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage { send_at: Some(Time(50_000)), ..table.message(1, &["ann"]) };
    let message_no = table.submit(new).await;
    assert_eq!(table.view(id(1)).await.state, MessageState::Scheduled);
    assert!(table.ledger().expand(message_no, 10, Time(2_000)).await.unwrap().done);
    assert_eq!(table.view(id(1)).await.state, MessageState::Scheduled);
    let open = table.ledger().open(table.lane_no, 0).await.unwrap().messages;
    assert_eq!((open.len(), open[0].send_at, open[0].audience_final), (1, Some(Time(50_000)), true));
    let late = NewMessage { send_at: Some(Time(1_500)), ..table.message(2, &["ann"]) };
    table.send(late).await;
    assert_eq!(table.view(id(2)).await.state, MessageState::Sending);
}
