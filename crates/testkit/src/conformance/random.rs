//! Two ledgers told the same things say the same things. The script is bytes, so that any source of chance can write
//! one and shrink it.

use nuncio_domain::batch::{Change, Intent, MessageChange, NewReference, ReachChange, Why};
use nuncio_domain::message::{
    ControlRequest, Idempotency, LaneControl, Named, Retries, SettleRequest, Settlement, Verdict,
};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::people::{Origin, SeenPerson};
use nuncio_domain::views::{DeliveryFilter, MessageFilter};
use nuncio_domain::{
    Batch, Class, Committed, Control, DeliveryState, FailReason, InstallPolicy, Key, MessageState,
    NewMessage, OnAmbiguous, ReachEvidence, ReachState, RecipientKind, SkipReason, Time,
};

use super::{ALL, Fixture, OPERATOR, Table, attempt, id};

/// One step: what to do, and three bytes of choice.
pub type Step = [u8; 4];

const NAMES: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];

/// Follows a script on both and compares all answers, and everything that can be read, as it goes.
pub async fn agree(one: &dyn Fixture, other: &dyn Fixture, script: &[Step]) {
    let (one, other) = (Table::lay(one).await, Table::lay(other).await);
    let mut script_of = Script { messages: 0, now: 10_000 };
    for (n, step) in script.iter().enumerate() {
        script_of.now += 1_000_000;
        let said = script_of.step(&one, *step).await;
        assert_eq!(said, script_of.step(&other, *step).await, "step {n}: {step:?}");
        script_of.messages += u128::from(said == "Stored");
        assert_eq!(script_of.counts(&one).await, script_of.counts(&other).await, "step {n}: {step:?}");
        if n % 6 == 5 || n + 1 == script.len() {
            assert_eq!(script_of.all(&one).await, script_of.all(&other).await, "after step {n}: {step:?}");
        }
    }
}

struct Script {
    messages: u128,
    now: i64,
}

impl Script {
    const MOST: u128 = 5;

    fn is_new_message(&self, step: Step) -> bool {
        self.messages < Self::MOST && (self.messages == 0 || step[0].is_multiple_of(12))
    }

    /// Does it and returns the answer in words.
    async fn step(&self, table: &Table<'_>, step @ [what, a, b, c]: Step) -> String {
        if self.is_new_message(step) {
            let new = self.new_message(table, step);
            return format!("{:?}", table.ledger().submit(&OPERATOR, new).await.unwrap());
        }
        let message_no = i64::from(a) % self.messages as i64 + 1;
        match what % 12 {
            1 => {
                let seen = SeenPerson {
                    object_id: NAMES[usize::from(a) % NAMES.len()].to_owned(),
                    conversation_id: (b.is_multiple_of(2)).then(|| format!("a:{}", b % 3)),
                    name: (b.is_multiple_of(5)).then(|| format!("name {b}")),
                    reach: (c.is_multiple_of(2))
                        .then(|| (Self::reach_state(c), ReachEvidence::event(format!("told {c}")))),
                    sent_at: (!c.is_multiple_of(3)).then(|| Time(i64::from(b))),
                    ..SeenPerson::default()
                };
                let heard = table.fixture.hear(table.lane_no, seen, "https://smba/", Time(self.now)).await;
                format!("{heard}")
            }
            2 => {
                let control = Control::ALL[usize::from(b) % Control::ALL.len()];
                let id = id(u128::from(a) % self.messages + 1);
                let request = ControlRequest { scope: &OPERATOR, id, control };
                format!("{:?}", table.ledger().control(request, Time(self.now)).await.unwrap())
            }
            3 => format!("{:?}", table.ledger().recover(table.lane_no, Time(self.now)).await.unwrap()),
            4 | 5 => {
                let limit = i64::from(b % 4) + 1;
                format!("{:?}", table.ledger().expand(message_no, limit, Time(self.now)).await.unwrap())
            }
            10 => {
                let verdict = Verdict::ALL[usize::from(b) % 2];
                let some = || (1..=8).filter(|no| c & (1 << (no - 1)) != 0).collect();
                let recipients = (!c.is_multiple_of(3)).then(some);
                let id = id(u128::from(a) % self.messages + 1);
                let request = SettleRequest { scope: &OPERATOR, id, verdict, recipients };
                format!("{:?}", table.ledger().settle(request, Time(self.now)).await.unwrap())
            }
            11 if a.is_multiple_of(4) => {
                let control = LaneControl::ALL[usize::from(b) % 2];
                let now = Time(self.now);
                format!(
                    "{}",
                    table.ledger().control_lane(&OPERATOR, table.lane_no, control, now).await.unwrap()
                )
            }
            _ => {
                let batch = self.batch(table, step).await;
                let Committed { mut lost_intents, mut lost_changes, not_complete, sweep_more } =
                    table.ledger().commit(batch.into()).await.unwrap();
                lost_intents.sort();
                lost_changes.sort();
                format!("{lost_intents:?} {lost_changes:?} {not_complete:?} {sweep_more:?}")
            }
        }
    }

    fn new_message(&self, table: &Table<'_>, [_, a, b, c]: Step) -> NewMessage {
        if self.messages > 0 && c % 4 == 1 {
            return self.retry(table, [a, b, c]);
        }
        let mut named: Vec<Named> = (0..8)
            .filter(|bit| a & (1 << bit) != 0)
            .map(|bit| Named { kind: RecipientKind::Person, key: NAMES[bit % NAMES.len()].to_owned() })
            .collect();
        if b.is_multiple_of(4) {
            named.push(Named { kind: RecipientKind::Channel, key: "19:x;messageid=1".to_owned() });
            named.push(Named { kind: RecipientKind::Chat, key: "19:y".to_owned() });
        }
        NewMessage {
            named,
            class: Class::ALL[usize::from(b) % 3],
            installed: c.is_multiple_of(2),
            exclude: if c.is_multiple_of(3) { vec!["bob".to_owned()] } else { Vec::new() },
            purpose: if c % 11 == 3 { Purpose::Install } else { Purpose::Asked },
            install: InstallPolicy::ALL[usize::from(b / 3) % 3],
            on_ambiguous: [None, Some(OnAmbiguous::Hold), Some(OnAmbiguous::Resend)][usize::from(c / 4) % 3],
            max_recipients: if c.is_multiple_of(5) { 3 } else { 100 },
            send_at: (c.is_multiple_of(7)).then(|| Time(self.now + 5_000_000)),
            label: (b.is_multiple_of(3)).then(|| "label".to_owned()),
            created_at: Time(self.now),
            idempotency: (b.is_multiple_of(5))
                .then(|| Idempotency { key: "k".to_owned(), body_hash: [c % 2; 32] }),
            ..table.message(self.messages + 1, &[])
        }
    }

    fn retry(&self, table: &Table<'_>, [a, b, c]: [u8; 3]) -> NewMessage {
        let states = DeliveryState::ALL.iter().enumerate().filter(|(bit, _)| b & (1 << bit) != 0);
        let reasons = FailReason::ALL.iter().skip(usize::from(c % 3)).step_by(2).map(ToString::to_string);
        let retries = Retries {
            of: id(u128::from(a) % self.messages + 1),
            states: states.map(|(_, state)| *state).collect(),
            reasons: if a.is_multiple_of(2) { reasons.collect() } else { Vec::new() },
        };
        NewMessage {
            retries: Some(retries),
            created_at: Time(self.now),
            exclude: if c.is_multiple_of(3) { vec!["cid".to_owned()] } else { Vec::new() },
            expires_at: Time(self.now + i64::from(c) * 500_000),
            ..table.message(self.messages + 1, &[])
        }
    }

    /// Some of everything a batch may hold, right and wrong, from what can be read. Both ledgers read the same.
    async fn batch(&self, table: &Table<'_>, [what, a, b, c]: Step) -> Batch {
        let mut batch = Batch { at: Time(self.now), ..Batch::default() };
        let number = u128::from(a) % self.messages + 1;
        let filter = DeliveryFilter::default();
        let page = table.ledger().deliveries(&OPERATOR, id(number), &filter, None, ALL).await.unwrap();
        let rows = page.map(|page| page.items).unwrap_or_default();
        let message_no = i64::from(a) % self.messages as i64 + 1;
        for (n, row) in rows.iter().enumerate() {
            let dice = usize::from(b) + n * (usize::from(c) + 1);
            let key = row.key;
            match what % 12 {
                // Intents for some, whatever their state.
                6 if !dice.is_multiple_of(3) => {
                    let reference_no = (dice.is_multiple_of(2)).then_some(1);
                    batch.intents.push(Intent { key, reference_no, at: Time(self.now + n as i64) });
                }
                // Changes from the state that it is in, or from another one.
                7 | 8 if !dice.is_multiple_of(4) => batch.changes.push(self.change(key, row.state, dice)),
                _ => {}
            }
        }
        if what % 12 == 9 {
            let at = Time(self.now);
            let closed = if c.is_multiple_of(2) { DeliveryState::Cancelled } else { DeliveryState::Expired };
            batch.messages.push(match b % 6 {
                0 => MessageChange::Close { message_no, to: closed, at },
                1 | 2 => MessageChange::Sweep { message_no, to: closed, limit: i64::from(c % 4) + 1, at },
                3 => MessageChange::Complete { message_no, at },
                _ => {
                    let state = MessageState::ALL[usize::from(c) % 5];
                    MessageChange::State {
                        message_no,
                        state,
                        cause: (c.is_multiple_of(2)).then(|| "because".to_owned()),
                    }
                }
            });
        }
        if what % 12 == 11 {
            let words = table.ledger().open(table.lane_no, 0).await.unwrap().settlements;
            self.obey(&mut batch, &words, [a, b, c]);
        }
        let known: Vec<i64> = rows.iter().map(|row| row.key.recipient_no).collect();
        self.knowledge(table, &mut batch, &known, [what, a, b, c]);
        batch
    }

    /// What an owner does with words, and what none should.
    fn obey(&self, batch: &mut Batch, words: &[Settlement], [a, b, c]: [u8; 3]) {
        for (n, word) in words.iter().enumerate() {
            let dice = usize::from(b) + n * (usize::from(c) + 1);
            if !dice.is_multiple_of(5) {
                let resend = word.verdict == Verdict::Resend;
                batch.changes.push(Change {
                    from: DeliveryState::Ambiguous,
                    to: word.verdict.becomes(),
                    why: None,
                    attempt: None,
                    due_at: resend.then_some(Time(self.now)),
                    tries: word.tries,
                    resent: resend,
                    ..self.change(word.key, DeliveryState::Ambiguous, dice)
                });
            }
            if !dice.is_multiple_of(4) {
                batch.settled.push(word.settlement_no);
            }
        }
        if a.is_multiple_of(3) {
            batch.settled.push(i64::from(c % 16));
        }
    }

    /// Only of those who are there: what is heard of nobody is nobody's business.
    fn knowledge(&self, table: &Table<'_>, batch: &mut Batch, known: &[i64], [_, a, b, c]: Step) {
        if known.is_empty() {
            return;
        }
        let recipient_no = known[usize::from(b) % known.len()];
        let at = Time(self.now);
        if b.is_multiple_of(3) {
            let state = Self::reach_state(c);
            let evidence = ReachEvidence::event(format!("call {c}"));
            batch.reach.push(ReachChange { recipient_no, state, evidence, at });
        }
        if b % 4 == 1 && c.is_multiple_of(3) {
            batch.suspects.push(i64::from(a % 4) + 1);
        }
        if c % 16 == 3 {
            batch.references.push(NewReference {
                lane_no: table.lane_no,
                recipient_no: known[usize::from(a) % known.len()],
                conversation_id: format!("a:{}", c / 16 % 4),
                service_url: if a.is_multiple_of(2) { String::new() } else { format!("https://smba/{a}/") },
                origin: Origin::ALL[usize::from(a) % 3],
                at: Time(self.now - i64::from(a % 2) * 3_000_000),
            });
        }
    }

    fn change(&self, key: Key, state: DeliveryState, dice: usize) -> Change {
        let states = DeliveryState::ALL;
        let from = if dice.is_multiple_of(7) { states[dice / 7 % states.len()] } else { state };
        let to = states[dice / 3 % states.len()];
        let why = match to {
            DeliveryState::Failed => Some(Why::Failed(FailReason::ALL[dice % FailReason::ALL.len()])),
            DeliveryState::Skipped => Some(Why::Skipped(SkipReason::ALL[dice % SkipReason::ALL.len()])),
            _ => None,
        };
        Change {
            key,
            from,
            to,
            why,
            attempt: (!dice.is_multiple_of(3)).then(|| attempt("transient", self.now)),
            activity_id: (dice.is_multiple_of(5)).then(|| format!("activity {dice}")),
            due_at: (dice.is_multiple_of(2)).then_some(Time(self.now + dice as i64 % 5)),
            tries: dice as u32 % 4,
            resent: dice.is_multiple_of(6),
            at: Time(self.now),
        }
    }

    fn reach_state(byte: u8) -> ReachState {
        [
            ReachState::Reachable,
            ReachState::Removed,
            ReachState::Reachable,
            ReachState::Blocked,
            ReachState::ChatGone,
        ][usize::from(byte / 2) % 5]
    }

    /// The ledgers of all messages, each checked against its rows.
    async fn counts(&self, table: &Table<'_>) -> String {
        let filter = MessageFilter::default();
        let page = table.ledger().messages(&OPERATOR, &filter, None, ALL).await.unwrap();
        for view in &page.items {
            assert_eq!(view.counts, table.fixture.count_rows(view.message_no).await);
            let reasons = view.failed_by_reason.values().sum::<i64>();
            assert_eq!(reasons, view.counts.failed, "{:?}", view.failed_by_reason);
            assert_eq!(view.skipped_by_reason.values().sum::<i64>(), view.counts.skipped);
        }
        format!("{:#?}", page.items)
    }

    /// Everything that can be read.
    async fn all(&self, table: &Table<'_>) -> String {
        let ledger = table.ledger();
        let mut text = vec![format!("{:#?}", ledger.open(table.lane_no, 0).await.unwrap())];
        text.push(format!("{:#?}", ledger.open(table.lane_no, 2).await.unwrap()));
        text.push(format!("{:#?}", ledger.due(table.lane_no, Time::MAX, ALL).await.unwrap()));
        for number in 1..=self.messages {
            let filter = DeliveryFilter::default();
            let page = ledger.deliveries(&OPERATOR, id(number), &filter, None, ALL).await.unwrap();
            for view in page.iter().flat_map(|page| &page.items) {
                text.push(format!("{:#?}", ledger.delivery(&OPERATOR, view.key).await.unwrap()));
            }
            text.push(format!("{page:#?}"));
            text.push(format!("{:#?}", ledger.page(number as i64, 0, ALL).await.unwrap()));
        }
        for name in NAMES {
            let seen = SeenPerson { object_id: name.to_owned(), ..SeenPerson::default() };
            let recipient_no = table.fixture.hear(table.lane_no, seen, "", Time(self.now)).await;
            text.push(format!("{name} {:?}", table.fixture.reach(recipient_no).await));
            text.push(format!("{:?}", table.fixture.history(recipient_no).await));
            text.push(format!("{:?}", table.fixture.references(recipient_no).await));
        }
        text.concat()
    }
}
