//! People who do not have the app are given it first: events that are missed, refusals, a role that is granted late, kills,
//! and that nobody who has it waits for those who have not.

use std::collections::BTreeSet;
use std::time::Duration;

use nuncio_domain::batch::Row;
use nuncio_domain::install::{InstallAnswer, InstallOutcome, InstallPolicy};
use nuncio_domain::lane::{Input, LaneConfig};
use nuncio_domain::message::{Control, NewMessage};
use nuncio_domain::outcome::Operation;
use nuncio_domain::own_words::Purpose;
use nuncio_domain::people::{ReachState, SeenPerson};
use nuncio_domain::{FailReason, MessageState, Time};

use crate::service::{Dice, SECOND, Weather};
use crate::world::{Event, LANE, World, people};

/// Graph's limit of installs, evenly.
const EVERY: i64 = SECOND / 30;

/// A made-up Graph that installs.
pub(crate) struct TestInstaller {
    /// Who has the app.
    pub(crate) has: BTreeSet<String>,
    /// Whom a policy keeps from having it.
    pub(crate) blocked: BTreeSet<String>,
    /// From, until: what is answered instead.
    pub(crate) refuses: Vec<(i64, i64, InstallAnswer)>,
    /// The same of questions whether somebody has the app.
    pub(crate) refuses_questions: Vec<(i64, i64, InstallAnswer)>,
    /// Of a hundred: events that are missed, and calls that fail.
    pub(crate) lost_events: u64,
    pub(crate) fails: u64,
    /// When each install was asked for.
    pub(crate) installs: Vec<(i64, String)>,
    pub(crate) chats: usize,
    free_at: i64,
    dice: Dice,
}

impl TestInstaller {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            has: BTreeSet::new(),
            blocked: BTreeSet::new(),
            refuses: Vec::new(),
            refuses_questions: Vec::new(),
            lost_events: 0,
            fails: 0,
            installs: Vec::new(),
            chats: 0,
            free_at: 0,
            dice: Dice::new(seed ^ 0x1257),
        }
    }

    /// When the next call may start, as the budget has it.
    pub(crate) fn slot(&mut self, now: i64) -> i64 {
        self.free_at = self.free_at.max(now) + EVERY;
        self.free_at - EVERY
    }

    /// What is answered, and whether Teams tells of an install.
    pub(crate) fn arrive(&mut self, now: i64, operation: Operation, row: &Row) -> (InstallAnswer, bool) {
        let person = &row.address;
        let during = |(from, until, _): &&(i64, i64, InstallAnswer)| (*from..*until).contains(&now);
        let asks = operation == Operation::AskInstalled;
        let refuses = if asks { &self.refuses_questions } else { &self.refuses };
        if let Some((.., answer)) = refuses.iter().find(during) {
            return (answer.clone(), false);
        }
        if self.dice.percent(self.fails) {
            return (answer(InstallOutcome::Unavailable { retry_after: None }, 503), false);
        }
        if asks {
            let there = self.has.contains(person);
            let outcome = if there { InstallOutcome::AlreadyThere } else { InstallOutcome::NotThere };
            return (answer(outcome, 200), false);
        }
        if operation == Operation::FindChat {
            self.chats += 1;
            return (answer(InstallOutcome::Chat(format!("19:{person}")), 200), false);
        }
        self.installs.push((now, person.clone()));
        if self.blocked.contains(person) {
            let (reason, reach) = (FailReason::BlockedByPolicy, Some(ReachState::PolicyBlocked));
            return (answer(InstallOutcome::Refused { reason, reach }, 403), false);
        }
        if !self.has.insert(person.clone()) {
            return (answer(InstallOutcome::AlreadyThere, 409), false);
        }
        (answer(InstallOutcome::Installed, 201), !self.dice.percent(self.lost_events))
    }
}

fn answer(outcome: InstallOutcome, status: u16) -> InstallAnswer {
    InstallAnswer { outcome, status: Some(status), code: None, text: None, correlation: None }
}

pub(crate) fn waits(text: &str) -> InstallAnswer {
    InstallAnswer { text: Some(text.to_owned()), ..answer(InstallOutcome::Waits { retry_after: None }, 403) }
}

impl World {
    /// Conversations with these people are known.
    pub(crate) fn met(&self, people: &[String]) {
        for person in people {
            let seen = SeenPerson {
                object_id: person.clone(),
                conversation_id: Some(format!("a:{person}")),
                reach: Some((
                    ReachState::Reachable,
                    nuncio_domain::ReachEvidence::event("the app was installed"),
                )),
                ..SeenPerson::default()
            };
            self.ledger.hear(LANE, &seen, "https://service.example/", self.wall());
        }
    }

    /// They install the app, or let it speak again.
    pub(crate) fn can_be_reached(&mut self, person: &str) {
        self.service.weather.blocked.remove(person);
        let seen = SeenPerson {
            object_id: person.to_owned(),
            reach: Some((ReachState::Reachable, nuncio_domain::ReachEvidence::event("installed"))),
            ..SeenPerson::default()
        };
        self.ledger.hear(LANE, &seen, "https://service.example/", self.wall());
        self.at(0, Event::Look);
    }

    /// Graph does what it was asked to, whether the process is there to hear of it or not.
    pub(crate) fn install(&mut self, operation: Operation, row: &Row, started_at: Time) {
        let (answer, tells) = self.installer.arrive(self.now, operation, row);
        if self.installer.has.contains(&row.address) {
            self.service.weather.strangers.remove(&row.address);
        }
        if tells {
            let takes = 100_000 + self.dice.below(900_000) as i64;
            self.at(takes, Event::Met(row.address.clone()));
        }
        let takes = 50_000 + self.dice.below(500_000) as i64;
        self.at(takes, Event::Input(Input::Installed { key: row.key, started_at, answer }));
    }
}

fn plain(_: &mut LaneConfig) {}

fn first(policy: InstallPolicy) -> impl FnOnce(&mut NewMessage) {
    move |new| new.install = policy
}

/// None of these has the app.
fn world(seed: u64, strangers: &[String]) -> World {
    let weather = Weather { strangers: strangers.iter().cloned().collect(), ..Weather::default() };
    World::new(seed, weather, plain)
}

#[tokio::test]
async fn who_never_had_the_app_is_given_it_and_spoken_to() {
    let to = people(60);
    let mut world = world(1, &to);
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 60).await;
    assert_eq!(message.counts.delivered, 60);
    assert!(to.iter().all(|person| world.service.taken[person].len() == 1));
    // Each was installed once, its conversation came by the event, and nothing was created.
    assert_eq!((world.installer.installs.len(), world.installer.chats, world.service.calls), (60, 0, 60));
    let delivery = &world.deliveries(id).await[0];
    assert_eq!(delivery.attempts, 2);
    world.check_ledger(id, 60).await;
}

#[tokio::test]
async fn without_the_policy_nothing_is_installed() {
    let to = people(3);
    let mut world = world(2, &to);
    let id = world.submit(&to, |_| ()).await;
    let message = world.finish(id, 60).await;
    assert_eq!(message.failed_by_reason["not_installed"], 3);
    assert!(world.installer.installs.is_empty());
    // Known by now, and skipped; but not where it can be put right.
    let again = world.submit(&to, |_| ()).await;
    assert_eq!(world.finish(again, 60).await.skipped_by_reason["unreachable"], 3);
    let given = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    assert_eq!(world.finish(given, 60).await.counts.delivered, 3);
}

#[tokio::test]
async fn a_missed_event_is_made_up_for_by_graph_after_20_s() {
    let to = people(5);
    let mut world = world(3, &to);
    world.installer.lost_events = 100;
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 60).await;
    assert_eq!((message.counts.delivered, world.installer.chats), (5, 5));
    let took = message.completed_at.unwrap().since(message.created_at).as_secs_f64();
    assert!((20.0..23.0).contains(&took), "{took} s");
    // The chat is kept as a reference.
    let known = world.ledger.references(world.deliveries(id).await[0].key.recipient_no);
    assert!(known[0].conversation_id.starts_with("19:"), "{known:?}");
}

#[tokio::test]
async fn who_has_it_already_is_asked_for_at_once() {
    let to = people(4);
    let mut world = world(4, &[]);
    world.installer.has = to.iter().cloned().collect();
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 60).await;
    assert_eq!((message.counts.delivered, world.installer.chats), (4, 4));
    assert!(message.completed_at.unwrap().since(message.created_at) < Duration::from_secs(5));
}

#[tokio::test]
async fn who_is_kept_from_it_by_a_policy_fails_and_is_known_as_such() {
    let to = people(10);
    let mut world = world(5, &to);
    world.installer.blocked = to[..4].iter().cloned().collect();
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 60).await;
    assert_eq!((message.counts.delivered, message.failed_by_reason["blocked_by_policy"]), (6, 4));
    let again = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(again, 60).await;
    assert_eq!((message.counts.delivered, message.skipped_by_reason["unreachable"]), (6, 4));
}

#[tokio::test]
async fn who_removed_it_by_hand_is_given_it_only_if_that_is_asked_for() {
    let to = people(1);
    let mut world = world(6, &to);
    let removed = SeenPerson {
        object_id: to[0].clone(),
        conversation_id: Some("a:old".to_owned()),
        reach: Some((ReachState::Removed, nuncio_domain::ReachEvidence::event("the app was removed"))),
        ..SeenPerson::default()
    };
    world.ledger.hear(LANE, &removed, "", world.wall());
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    assert_eq!(world.finish(id, 60).await.skipped_by_reason["unreachable"], 1);
    assert!(world.installer.installs.is_empty());
    let id = world.submit(&to, first(InstallPolicy::AlsoIfRemoved)).await;
    assert_eq!(world.finish(id, 60).await.counts.delivered, 1);
}

#[tokio::test]
async fn installs_and_sends_overlap() {
    let to = people(1_500);
    // Every second one has the app: 750 sends and 750 installs, of which each needs a send.
    let strangers: Vec<String> = to.iter().step_by(2).cloned().collect();
    let friends: Vec<String> = to.iter().skip(1).step_by(2).cloned().collect();
    let mut world = world(7, &strangers);
    world.met(&friends);
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 120).await;
    assert_eq!(message.counts.delivered, 1_500);
    // 1,500 sends take 31 s and 750 installs 25 s; one after the other it would be 56 s.
    let took = message.completed_at.unwrap().since(message.created_at).as_secs_f64();
    assert!(took < 33.5, "{took} s");
    let last = world.installer.installs.last().unwrap().0 - world.installer.installs[0].0;
    assert!(last < 26 * SECOND, "{last}");
}

#[tokio::test]
async fn a_role_that_is_missing_holds_up_only_who_needs_it_and_is_said() {
    let to = people(900);
    let strangers = to[..700].to_vec();
    let mut world = world(8, &strangers);
    world.met(&to[700..]);
    let start = world.now;
    let text = "grant the app the application permission TeamsAppInstallation.ReadWriteSelfForUser.All";
    world.installer.refuses = vec![(start, start + 600 * SECOND, waits(text))];
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    world.run_until(20, async |world: &World| world.message(id).await.counts.delivered == 200).await;
    world.run_for(5).await;
    let message = world.message(id).await;
    assert_eq!((message.state, message.cause), (MessageState::Waiting, Some(format!("install: {text}"))));
    // Nothing is used up, and it is not asked all the time.
    world.run_for(500).await;
    let message = world.message(id).await;
    assert_eq!((message.counts.pending, message.counts.failed), (700, 0));
    let attempts: i64 = world.deliveries(id).await.iter().map(|delivery| delivery.attempts).sum();
    assert!(attempts < 200 + 60 + 30, "{attempts}");
    // What has nothing to do with it goes on meanwhile, and so does what cancels it.
    let other = world.submit(&to[800..], |_| ()).await;
    assert_eq!(world.finish(other, 20).await.counts.delivered, 100);
    let held = world.submit(&strangers[..5], first(InstallPolicy::IfNeverInstalled)).await;
    world.run_for(5).await;
    assert_eq!(world.message(held).await.state, MessageState::Waiting);
    world.control(held, Control::Cancel).await;
    world.run_for(2).await;
    assert_eq!(world.message(held).await.counts.cancelled, 5);
    // Granted: it goes on by itself, within the longest wait.
    let message = world.finish(id, 500).await;
    assert_eq!((message.counts.delivered, message.cause), (900, None));
}

#[tokio::test]
async fn what_waits_for_a_role_is_taken_over() {
    let to = people(3);
    let mut world = world(9, &to);
    let start = world.now;
    world.installer.refuses = vec![(start, start + 60 * SECOND, waits("put it into the catalogue"))];
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    world.run_for(10).await;
    assert_eq!(world.message(id).await.state, MessageState::Waiting);
    world.die_after(0, SECOND);
    world.run_for(5).await;
    assert_eq!(world.message(id).await.state, MessageState::Waiting);
    assert_eq!(world.finish(id, 200).await.counts.delivered, 3);
}

#[tokio::test]
async fn kills_in_the_middle_install_nobody_twice() {
    for seed in 0..20 {
        let to = people(80);
        let mut world = world(seed, &to);
        for n in 0..3 {
            world.die_after(1_100_000 + n * 900_000 + (seed as i64) * 37_000, 300_000);
        }
        let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
        let message = world.finish(id, 200).await;
        assert_eq!(message.counts.delivered + message.counts.ambiguous, 80, "seed {seed}: {message:?}");
        assert!(world.service.taken.values().all(|taken| taken.len() == 1), "seed {seed}");
        world.check_ledger(id, 80).await;
    }
}

#[tokio::test]
async fn an_outage_of_graph_uses_up_nobodys_tries() {
    let to = people(100);
    let mut world = world(10, &to);
    let start = world.now;
    let down = answer(InstallOutcome::Unavailable { retry_after: None }, 503);
    world.installer.refuses = vec![(start, start + 3600 * SECOND, down)];
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    world.run_for(60).await;
    assert_eq!(world.message(id).await.state, MessageState::Waiting);
    assert_eq!(world.finish(id, 3600 + 2400).await.counts.delivered, 100);
}

#[tokio::test]
async fn throttled_installs_wait_as_long_as_they_are_told() {
    let to = people(100);
    let mut world = world(11, &to);
    let (from, retry_after) = (world.now + 2 * SECOND, Some(Duration::from_secs(10)));
    world.installer.refuses =
        vec![(from, from + 9 * SECOND, answer(InstallOutcome::Throttled { retry_after }, 429))];
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    let message = world.finish(id, 60).await;
    assert_eq!(message.counts.delivered, 100);
    let refused: i64 = world.deliveries(id).await.iter().map(|delivery| delivery.attempts - 2).sum();
    assert!(refused <= 60, "{refused}");
}

#[tokio::test]
async fn calls_that_were_not_made_leave_no_trace() {
    let to = people(40);
    let mut world = world(15, &to);
    let (from, retry_after) = (world.now + SECOND, Duration::from_secs(5));
    let not_made = InstallAnswer::bare(InstallOutcome::NotMade { retry_after }, "later");
    world.installer.refuses = vec![(from, from + 8 * SECOND, not_made)];
    let id = world.submit(&to, first(InstallPolicy::IfNeverInstalled)).await;
    assert_eq!(world.finish(id, 60).await.counts.delivered, 40);
    assert!(world.deliveries(id).await.iter().all(|delivery| delivery.attempts <= 2));
    // Cancelled while it waits, nothing more begins.
    world.installer.refuses = vec![(
        world.now,
        world.now + 60 * SECOND,
        InstallAnswer::bare(InstallOutcome::NotMade { retry_after: Duration::from_mins(1) }, "later"),
    )];
    let more: Vec<String> = (1000..1010).map(|n| uuid::Uuid::from_u128(n).to_string()).collect();
    let id = world.submit(&more, first(InstallPolicy::IfNeverInstalled)).await;
    world.run_for(5).await;
    world.control(id, Control::Cancel).await;
    let before = world.installer.installs.len();
    world.run_for(120).await;
    assert_eq!((world.message(id).await.counts.cancelled, world.installer.installs.len()), (10, before));
}

#[tokio::test]
async fn an_install_run_says_nothing_and_counts_who_has_the_app() {
    let to = people(2_000);
    let strangers = to[..1_900].to_vec();
    let mut world = world(12, &strangers);
    world.met(&to[1_900..1_950]);
    world.installer.has = to[1_950..].iter().cloned().collect();
    world.installer.blocked = to[..10].iter().cloned().collect();
    world.installer.lost_events = 100;
    let id = world
        .submit(&to, |new| {
            (new.purpose, new.install) = (Purpose::Install, InstallPolicy::IfNeverInstalled);
        })
        .await;
    let message = world.finish(id, 120).await;
    assert_eq!((message.counts.delivered, message.failed_by_reason["blocked_by_policy"]), (1_990, 10));
    // Who is known to have it is not asked for; nothing is said and no conversation looked for.
    assert_eq!((world.installer.installs.len(), world.installer.chats, world.service.calls), (1_950, 0, 0));
    let took = message.completed_at.unwrap().since(message.created_at).as_secs_f64();
    assert!((1_950.0 / 30.0..67.0).contains(&took), "{took} s");
    world.check_ledger(id, 2_000).await;
}

#[tokio::test]
async fn an_install_run_is_held_and_goes_on() {
    let to = people(300);
    let mut world = world(13, &to);
    let run = |new: &mut NewMessage| {
        (new.purpose, new.install) = (Purpose::Install, InstallPolicy::IfNeverInstalled);
    };
    let id = world.submit(&to, run).await;
    world.run_for(4).await;
    world.control(id, Control::Pause).await;
    world.run_for(5).await;
    let before = world.installer.installs.len();
    world.run_for(60).await;
    assert_eq!(world.installer.installs.len(), before);
    assert!((60..260).contains(&before), "{before}");
    world.control(id, Control::Resume).await;
    assert_eq!(world.finish(id, 60).await.counts.delivered, 300);
}
