//! Words about ambiguous deliveries and about lanes, and messages that try again what an earlier one came to.

use nuncio_domain::DeliveryState::{
    Ambiguous, Cancelled, Delivered, Expired, Failed, InFlight, Pending, Skipped,
};
use nuncio_domain::batch::{MessageChange, Row, Why};
use nuncio_domain::message::{LaneControl, Retries, SettleRequest, Settled, Verdict};
use nuncio_domain::views::DeliveryView;
use nuncio_domain::{
    Batch, Counts, DeliveryState, FailReason, Key, MessageState, NewMessage, Scope, SkipReason, Time,
};

use super::{ALL, Fixture, OPERATOR, Table, change, changes, id};

impl Table<'_> {
    async fn say(&self, number: u128, verdict: Verdict, recipients: Option<Vec<i64>>, at: i64) -> Settled {
        let request = SettleRequest { scope: &OPERATOR, id: id(number), verdict, recipients };
        let settled = self.ledger().settle(request, Time(at)).await.unwrap();
        self.check().await;
        settled
    }

    /// A completed message whose first deliveries are ambiguous, so many of them, and the others delivered.
    async fn uncertain(&self, number: u128, named: &[&str], ambiguous: usize) -> (i64, Vec<Row>) {
        let message_no = self.send(self.message(number, named)).await;
        let rows = self.page(message_no).await;
        self.start(&rows, 3_000).await;
        let all = rows.iter().enumerate().map(|(n, row)| {
            let to = if n < ambiguous { Ambiguous } else { Delivered };
            nuncio_domain::batch::Change { tries: n as u32, ..change(row.key, InFlight, to, 3_100) }
        });
        let complete = MessageChange::Complete { message_no, at: Time(3_200) };
        self.settle(Batch { messages: vec![complete], ..changes(all.collect(), 3_100) }).await;
        (message_no, rows)
    }

    /// The keys of what the owner finds in its mailbox, with their numbers.
    async fn mailbox(&self) -> Vec<(i64, Key, Verdict)> {
        let open = self.ledger().open(self.lane_no, 0).await.unwrap();
        open.settlements.iter().map(|word| (word.settlement_no, word.key, word.verdict)).collect()
    }

    /// What an owner does with one word: whether its change was lost.
    async fn obey(&self, settlement_no: i64, key: Key, verdict: Verdict, at: i64) -> bool {
        let mut obeyed = change(key, Ambiguous, verdict.becomes(), at);
        if verdict == Verdict::Resend {
            obeyed.resent = true;
            obeyed.due_at = Some(Time(at));
        }
        let batch = Batch { settled: vec![settlement_no], ..changes(vec![obeyed], at) };
        self.commit(batch).await.lost_changes == [key]
    }

    async fn one(&self, key: Key) -> DeliveryView {
        self.ledger().delivery(&OPERATOR, key).await.unwrap().expect("the delivery is there").1
    }
}

pub async fn words_wait_in_a_mailbox(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let lane_no = table.lane_no;
    let (_, rows) = table.uncertain(1, &["ann", "bob", "cid", "dan"], 3).await;
    let [ann, bob, cid, dan] = [0, 1, 2, 3].map(|n| rows[n].key);
    // Only what is ambiguous is named by a word, each once.
    let named = Some(vec![bob.recipient_no, dan.recipient_no, bob.recipient_no, 999_999]);
    assert_eq!(
        table.say(1, Verdict::Delivered, named.clone(), 4_000).await,
        Settled::Taken { lane_no, settled: 1 }
    );
    let all = Settled::Taken { lane_no, settled: 3 };
    assert_eq!(table.say(1, Verdict::Delivered, None, 4_100).await, all);
    let words = table.mailbox().await;
    assert_eq!(words.iter().map(|word| word.1).collect::<Vec<_>>(), [bob, ann, cid]);
    // The same word again is not left again; nothing has moved yet.
    assert_eq!(table.say(1, Verdict::Delivered, None, 4_200).await, all);
    assert_eq!(table.mailbox().await, words);
    assert_eq!(table.states(1).await, [Ambiguous, Ambiguous, Ambiguous, Delivered]);
    let open = table.ledger().open(lane_no, 0).await.unwrap();
    assert_eq!(open.settlements.iter().map(|word| word.tries).collect::<Vec<_>>(), [1, 0, 2]);
    // Of another lane, and another app, nothing is there.
    let elsewhere = fixture.lane("other", "tenant").await;
    assert!(table.ledger().open(elsewhere, 0).await.unwrap().settlements.is_empty());
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    let request = |number, scope| SettleRequest {
        scope,
        id: id(number),
        verdict: Verdict::Delivered,
        recipients: None,
    };
    for request in [request(1, &other), request(9, &OPERATOR)] {
        assert_eq!(table.ledger().settle(request, Time(4_300)).await.unwrap(), Settled::NotFound);
    }

    let (settlement_no, key, verdict) = words[0];
    assert!(!table.obey(settlement_no, key, verdict, 5_000).await);
    let counts = Counts { ambiguous: 2, delivered: 2, ..Counts::default() };
    assert_eq!(table.counts(1).await, counts);
    assert_eq!(table.view(id(1)).await.state, MessageState::Completed);
    let settled = table.one(bob).await.settled.expect("it was settled");
    assert_eq!((settled.verdict, settled.at), (Verdict::Delivered, Time(4_000)));
    assert_eq!((table.one(ann).await.settled, table.mailbox().await.len()), (None, 2));
    // What one can name is settled later than what has come true by itself: the word is taken, and changes nothing.
    table.settle(changes(vec![change(ann, Ambiguous, Delivered, 5_100)], 5_100)).await;
    assert!(table.obey(words[1].0, ann, Verdict::Delivered, 5_200).await);
    assert_eq!((table.one(ann).await.settled, table.mailbox().await), (None, vec![words[2]]));
    // The post that late evidence names is kept.
    let post = Some("1700000000000".to_owned());
    let late = nuncio_domain::batch::Change {
        activity_id: post.clone(),
        ..change(cid, Ambiguous, Delivered, 5_300)
    };
    table.settle(Batch { settled: vec![words[2].0], ..changes(vec![late], 5_300) }).await;
    assert_eq!(table.one(cid).await.activity_id, post);
    assert_eq!(table.say(1, Verdict::Delivered, None, 6_000).await, Settled::Taken { lane_no, settled: 0 });
    assert_eq!(table.counts(1).await, Counts { delivered: 4, ..Counts::default() });
}

pub async fn a_resend_opens_the_message_again(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let (message_no, rows) = table.uncertain(1, &["ann", "bob"], 2).await;
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
    let one = Some(vec![rows[1].key.recipient_no]);
    table.say(1, Verdict::Resend, one, 4_000).await;
    // A completed message is not open for a word that is not obeyed.
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
    let (settlement_no, key, verdict) = table.mailbox().await[0];
    assert!(!table.obey(settlement_no, key, verdict, 5_000).await);
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.completed_at), (MessageState::Sending, None));
    assert_eq!(view.counts, Counts { ambiguous: 1, pending: 1, ..Counts::default() });
    let open = table.ledger().open(table.lane_no, 0).await.unwrap();
    assert_eq!((open.messages.len(), open.settlements.len()), (1, 0));
    let due = table.ledger().due(table.lane_no, Time(5_000), ALL).await.unwrap();
    assert_eq!((due.len(), due[0].key, due[0].resent), (1, key, true));
    table.start(&due, 5_100).await;
    table.settle(changes(vec![change(key, InFlight, Delivered, 5_200)], 5_200)).await;
    let complete = MessageChange::Complete { message_no, at: Time(5_300) };
    assert!(table.message_change(complete, 5_300).await.not_complete.is_empty());
    assert_eq!(table.view(id(1)).await.completed_at, Some(Time(5_300)));
    let settled = table.one(key).await.settled.map(|settled| settled.verdict);
    assert_eq!(settled, Some(Verdict::Resend));
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().messages.is_empty());
}

pub async fn nothing_of_a_closed_message_is_resent(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let lane_no = table.lane_no;
    for (number, to, state) in
        [(1, Cancelled, MessageState::Cancelled), (2, Expired, MessageState::Completed)]
    {
        let message_no = table.send(table.message(number, &["ann", "bob"])).await;
        let rows = table.page(message_no).await;
        table.start(&rows[..1], 3_000).await;
        table.settle(changes(vec![change(rows[0].key, InFlight, Ambiguous, 3_100)], 3_100)).await;
        // A word from before, which the owner did not see in time.
        table.say(number, Verdict::Resend, None, 3_200).await;
        let close = MessageChange::Close { message_no, to, at: Time(4_000) };
        table.message_change(close, 4_000).await;
        let (settlement_no, key, verdict) = table.mailbox().await[0];
        assert!(table.obey(settlement_no, key, verdict, 4_100).await);
        assert!(table.mailbox().await.is_empty());
        assert_eq!(table.states(number).await, [Ambiguous, to]);
        assert_eq!(table.say(number, verdict, None, 5_000).await, Settled::TooLate { state });
        // That it arrived can still be said.
        table.say(number, Verdict::Delivered, None, 5_100).await;
        let (settlement_no, key, verdict) = table.mailbox().await[0];
        assert!(!table.obey(settlement_no, key, verdict, 5_200).await);
        assert_eq!(table.states(number).await, [Delivered, to]);
    }
    let new = NewMessage { expires_at: Time(4_000), ..table.message(3, &["ann"]) };
    let message_no = table.send(new).await;
    table.start(&table.page(message_no).await, 3_000).await;
    let key = Key { message_no, recipient_no: 1 };
    table.settle(changes(vec![change(key, InFlight, Ambiguous, 3_100)], 3_100)).await;
    assert_eq!(table.say(3, Verdict::Resend, None, 3_999).await, Settled::Taken { lane_no, settled: 1 });
    // Past its time, though nobody has closed it.
    let state = MessageState::Completed;
    assert_eq!(table.say(3, Verdict::Resend, None, 4_000).await, Settled::TooLate { state });
}

pub async fn lanes_are_held_and_go_on(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    let tell = async |scope: &Scope, lane_no, control, at| {
        table.ledger().control_lane(scope, lane_no, control, Time(at)).await.unwrap()
    };
    let state = async || {
        let open = table.ledger().open(table.lane_no, 0).await.unwrap();
        (open.paused, open.resumed_at)
    };
    assert_eq!(state().await, (false, None));
    assert!(!tell(&other, table.lane_no, LaneControl::Pause, 1).await);
    assert!(!tell(&OPERATOR, 999, LaneControl::Pause, 1).await);
    assert_eq!(state().await, (false, None));
    assert!(tell(&OPERATOR, table.lane_no, LaneControl::Pause, 2).await);
    assert_eq!(state().await, (true, None));
    assert!(tell(&OPERATOR, table.lane_no, LaneControl::Resume, 3).await);
    assert_eq!(state().await, (false, Some(Time(3))));
    // Also of one that is not held: it ends a cool-down.
    assert!(tell(&OPERATOR, table.lane_no, LaneControl::Resume, 4).await);
    assert_eq!(state().await, (false, Some(Time(4))));
}

pub async fn a_look_begins_behind_what_is_known(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let first = table.send(table.message(1, &["ann"])).await;
    let second = table.send(table.message(2, &["ann"])).await;
    let seen = async |after| {
        let open = table.ledger().open(table.lane_no, after).await.unwrap();
        open.messages.iter().map(|message| message.message_no).collect::<Vec<_>>()
    };
    assert_eq!(seen(0).await, [first, second]);
    assert_eq!(seen(first).await, [second]);
    assert!(seen(second).await.is_empty());
    table.control(1, nuncio_domain::Control::Pause).await;
    assert_eq!(seen(second).await, [first]);
}

/// Four that failed or were skipped for various reasons, one delivered, one ambiguous, one still pending.
async fn mixed(table: &Table<'_>) -> i64 {
    let names = ["ann", "bob", "cid", "dan", "eve", "fay", "gil"];
    let new = NewMessage { exclude: vec!["cid".to_owned()], ..table.message(1, &names) };
    let message_no = table.send(new).await;
    let rows = table.page(message_no).await;
    table.start(&rows[4..6], 3_000).await;
    let failed = |row: &Row, reason| nuncio_domain::batch::Change {
        why: Some(Why::Failed(reason)),
        ..change(row.key, Pending, Failed, 3_100)
    };
    let skipped = |row: &Row, reason| nuncio_domain::batch::Change {
        why: Some(Why::Skipped(reason)),
        ..change(row.key, Pending, Skipped, 3_100)
    };
    let all = vec![
        failed(&rows[0], FailReason::NotInstalled),
        failed(&rows[1], FailReason::BlockedByUser),
        skipped(&rows[2], SkipReason::Excluded),
        skipped(&rows[3], SkipReason::Unreachable),
        change(rows[4].key, InFlight, Delivered, 3_100),
        change(rows[5].key, InFlight, Ambiguous, 3_100),
    ];
    table.settle(changes(all, 3_100)).await;
    message_no
}

async fn retried(table: &Table<'_>, number: u128, states: &[DeliveryState], reasons: &[&str]) -> Vec<String> {
    let retries = Retries {
        of: id(1),
        states: states.to_vec(),
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
    };
    let new = NewMessage { retries: Some(retries), ..table.message(number, &[]) };
    let message_no = table.send(new).await;
    let view = table.view(id(number)).await;
    assert_eq!((view.retries, view.duplicates_removed, view.audience_final), (Some(id(1)), 0, true));
    let open = table.ledger().open(table.lane_no, message_no - 1).await.unwrap();
    assert!(open.messages[0].retries);
    table.page(message_no).await.into_iter().map(|row| row.address).collect()
}

pub async fn retries_take_what_was_not_delivered(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let first = mixed(&table).await;
    assert_eq!(table.view(id(1)).await.retries, None);
    assert!(!table.ledger().open(table.lane_no, 0).await.unwrap().messages[0].retries);
    assert_eq!(retried(&table, 2, &[Failed], &[]).await, ["ann", "bob"]);
    assert_eq!(retried(&table, 3, &[Failed, Skipped], &[]).await, ["ann", "bob", "cid", "dan"]);
    let some = ["not_installed", "unreachable"];
    assert_eq!(retried(&table, 4, &[Failed, Skipped], &some).await, ["ann", "dan"]);
    assert_eq!(retried(&table, 5, &[Skipped], &some).await, ["dan"]);
    assert!(retried(&table, 6, &[Cancelled, Expired], &[]).await.is_empty());
    // Whoever was left out is left out still.
    let third = table.view(id(3)).await.message_no;
    let excluded: Vec<bool> = table.page(third).await.iter().map(|row| row.excluded).collect();
    assert_eq!(excluded, [false, false, true, false]);
    // What the first one came to stays as it is.
    assert_eq!(table.states(1).await[..2], [Failed, Failed]);
    assert_eq!(table.page(first).await.len(), 1);
}

pub async fn retries_read_what_closing_made_of_the_rest(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = mixed(&table).await;
    let close = MessageChange::Close { message_no, to: Cancelled, at: Time(4_000) };
    table.message_change(close, 4_000).await;
    assert_eq!(retried(&table, 2, &[Cancelled], &[]).await, ["gil"]);
    // Reasons are of failed and skipped ones alone.
    assert_eq!(retried(&table, 3, &[Failed, Cancelled], &["blocked_by_user"]).await, ["bob", "gil"]);
    let sweep = MessageChange::Sweep { message_no, to: Cancelled, limit: 100, at: Time(5_000) };
    table.message_change(sweep, 5_000).await;
    assert_eq!(retried(&table, 4, &[Cancelled], &[]).await, ["gil"]);
    assert!(retried(&table, 5, &[Expired], &[]).await.is_empty());
}

pub async fn retries_are_of_their_own_lane(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    mixed(&table).await;
    let elsewhere = fixture.lane("app", "elsewhere").await;
    let retries = |of| Some(Retries { of, states: vec![Failed], reasons: Vec::new() });
    let other = NewMessage { lane_no: elsewhere, retries: retries(id(1)), ..table.message(2, &[]) };
    let nobody = NewMessage { retries: retries(id(99)), ..table.message(3, &[]) };
    for new in [other, nobody] {
        assert!(table.ledger().submit(&OPERATOR, new).await.is_err());
    }
    table.check().await;
}
