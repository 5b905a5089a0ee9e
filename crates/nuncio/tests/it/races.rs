//! Cancel, pause and expiry while calls are under way, against the simulator's journal: nothing starts afterwards, what
//! was under way records what it came to, and nobody is called twice.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::{Counts, Message};
use nuncio_client::MessageControl;
use serde_json::json;

use crate::counts;
use crate::world::{Plan, World, now, to_installed, to_users};

const PEOPLE: usize = 90;
/// Parked in each of four ways.
const PARKED: usize = 6;
/// Calls that have their permit when the word comes start within this, on a busy machine.
const BEGUN: Duration = Duration::from_secs(2);

/// A broadcast of which some calls are parked: six before their accept, to go on; six before it, to be dropped; six
/// and six after it.
struct Race {
    world: World,
    id: String,
    faults: Vec<(u64, bool)>,
    people: Vec<String>,
}

async fn race(expires_in: Option<Duration>) -> Race {
    let world = Plan::people(PEOPLE as u32).app("[app.main.limits]\ncalls_per_s = 20").start().await;
    // In the order in which they are called.
    let mut never = to_installed("who comes first?");
    never.send_at = Some((now() + Duration::from_hours(1)).to_string());
    let never = world.send(&never).await;
    world.until(&never, "its audience is known", |message| message.audience_final).await;
    let people: Vec<String> =
        world.deliveries(&never).await.into_iter().map(|delivery| delivery.recipient).collect();
    world.client.control(&never, MessageControl::Cancel).await.unwrap();
    let mut faults = Vec::new();
    for (parked, (hold, drop)) in
        people.chunks(PARKED).zip([("before", false), ("before", true), ("after", false), ("after", true)])
    {
        for person in parked {
            let matching = json!({"op": "send", "person": person});
            let fault = json!({"match": matching, "do": {"hold": hold}, "times": 1});
            faults.push((world.sim.fault(fault).await, drop));
        }
    }
    let mut message = to_installed("a race");
    message.expires_at = expires_in.map(|span| (now() + span).to_string());
    let id = world.send(&message).await;
    world.sim.held(faults.len() as u64).await;
    Race { world, id, faults, people }
}

impl Race {
    /// Lets go what is parked.
    async fn release(&self) {
        for (fault, drop) in &self.faults {
            let released = self.world.sim.post("faults/release", &json!({"id": fault, "drop": drop})).await;
            assert_eq!(released["released"], 1);
        }
    }

    /// Something else goes to its end: whatever could start would have started as well.
    async fn something_else(&self) {
        let sent = self.world.sent(&to_users(&self.people[80..], "meanwhile")).await;
        assert_eq!(sent.counts, counts! { audience: 10, delivered: 10 });
    }

    /// No call of the message began after `word` but those that had their permit; sends so far that are not its own
    /// number `others`.
    async fn nothing_began_after(&self, word: Timestamp) {
        let to_others = |entry: &serde_json::Value| {
            self.people[80..].iter().any(|person| entry["person"] == person.as_str())
        };
        let late: Vec<Timestamp> = self
            .world
            .sim
            .journal("send", 0)
            .await
            .iter()
            .filter(|entry| !to_others(entry))
            .map(|entry| entry["at"].as_str().unwrap().parse().unwrap())
            .filter(|at| *at > word + BEGUN)
            .collect();
        assert!(late.is_empty(), "the word was at {word}, calls began at {late:?}");
    }

    /// What was parked came to what it had to.
    async fn parked_came_to(&self, message: &Message) {
        let deliveries = self.world.deliveries(&message.id).await;
        for (index, (state, arrived)) in
            [("delivered", 1), ("ambiguous", 0), ("delivered", 1), ("ambiguous", 1)].into_iter().enumerate()
        {
            for person in &self.people[index * PARKED..(index + 1) * PARKED] {
                let delivery = deliveries.iter().find(|delivery| delivery.recipient == *person).unwrap();
                assert_eq!(delivery.state, state, "{delivery:?}");
                assert_eq!(delivery.attempts, 1);
                let said = self.world.sim.said(person).await;
                let times = said.iter().filter(|activity| activity["text"] == "a race").count();
                assert_eq!(times, arrived, "{delivery:?}");
            }
        }
    }
}

/// What is left when all that is not parked has ended: the counts then.
async fn still(race: &Race, state: &str) -> Counts {
    let parked = race.faults.len() as i64;
    let message = race
        .world
        .until(&race.id, state, |message| message.state == state && message.counts.in_flight == parked)
        .await;
    assert_eq!(message.counts.audience, PEOPLE as i64);
    assert!(message.counts.delivered < PEOPLE as i64 - parked, "too late: {:?}", message.counts);
    message.counts
}

#[tokio::test]
async fn a_cancel_while_calls_are_parked() {
    let race = race(None).await;
    race.world.client.control(&race.id, MessageControl::Cancel).await.unwrap();
    let word = now();
    let before = still(&race, "cancelled").await;
    race.something_else().await;
    race.release().await;
    let over = race.world.over(&race.id).await;
    assert_eq!(
        over.counts,
        counts! { audience: 90, delivered: before.delivered + 12, ambiguous: 12, cancelled: before.cancelled }
    );
    assert_eq!(over.counts.delivered + over.counts.cancelled, 78);
    race.nothing_began_after(word).await;
    race.parked_came_to(&over).await;
    race.world.end().await;
}

#[tokio::test]
async fn a_pause_while_calls_are_parked_and_on_again() {
    let race = race(None).await;
    race.world.client.control(&race.id, MessageControl::Pause).await.unwrap();
    let word = now();
    let before = still(&race, "paused").await;
    race.something_else().await;
    race.release().await;
    let paused = race.world.until(&race.id, "at rest", |message| message.counts.in_flight == 0).await;
    assert_eq!(paused.state, "paused");
    assert_eq!(
        paused.counts,
        counts! { audience: 90, delivered: before.delivered + 12, ambiguous: 12, pending: before.pending }
    );
    race.nothing_began_after(word).await;
    race.world.client.control(&race.id, MessageControl::Resume).await.unwrap();
    let over = race.world.over(&race.id).await;
    assert_eq!(over.counts, counts! { audience: 90, delivered: 78, ambiguous: 12 });
    race.parked_came_to(&over).await;
    assert_eq!(race.world.sim.get("counts").await["most_per_recipient"], 1);
    race.world.end().await;
}

#[tokio::test]
async fn a_message_that_expires_while_calls_are_parked() {
    let race = race(Some(Duration::from_secs(3))).await;
    let word: Timestamp = race.world.message(&race.id).await.expires_at.parse().unwrap();
    race.world.until(&race.id, "expired", |message| message.counts.expired > 0).await;
    // A call that was not parked may have been on its way just then; it ends by itself.
    let rest = |message: &Message| message.counts.pending == 0 && message.counts.in_flight == 24;
    let expired = race.world.until(&race.id, "only parked calls are under way", rest).await.counts;
    assert!(expired.delivered > 0, "{expired:?}");
    race.something_else().await;
    race.release().await;
    let over = race.world.over(&race.id).await;
    assert_eq!(over.state, "completed");
    assert_eq!(
        over.counts,
        counts! { audience: 90, delivered: expired.delivered + 12, ambiguous: 12, expired: expired.expired }
    );
    race.nothing_began_after(word).await;
    race.parked_came_to(&over).await;
    race.world.end().await;
}

/// The message's end and the words about it cross each other: whatever wins, the account is right.
#[tokio::test]
async fn words_that_cross_each_other() {
    let world = Plan::people(40).start().await;
    for round in 0..6 {
        let id = world.send(&to_installed(&format!("round {round}"))).await;
        world.until(&id, "it has begun", |message| message.counts.delivered > round * 5).await;
        let word = |word| {
            let (client, id) = (world.client.clone(), id.clone());
            async move { client.control(&id, word).await.is_ok() }
        };
        let (_, cancelled, _) = tokio::join!(
            word(MessageControl::Pause),
            word(MessageControl::Cancel),
            word(MessageControl::Resume)
        );
        // A cancel that was overtaken by a later word is said again.
        if cancelled && world.message(&id).await.state != "completed" {
            let _ = world.client.control(&id, MessageControl::Cancel).await;
        }
        let over = world.over(&id).await;
        assert_eq!(over.counts.delivered + over.counts.cancelled, 40, "{:?}", over.counts);
    }
    let accepted = world.sim.get("counts").await["accepted"].as_u64().unwrap();
    assert_eq!(accepted, world.sim.calls("send").await);
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    world.end().await;
}
