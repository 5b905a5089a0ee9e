//! Audiences of a made-up directory: read page by page, refused for a while, and read on by another process.

use std::collections::BTreeMap;

use nuncio_domain::directory::{DirectoryError, DirectoryPerson, DirectorySource, Next, Resolved, Wanted};
use nuncio_domain::lane::LaneConfig;
use nuncio_domain::lists::{Found, ListedName, NewList};
use nuncio_domain::message::Control;
use nuncio_domain::ports::Ledger as _;
use nuncio_domain::{AudienceId, DeliveryState, MessageState, Time};
use nuncio_testkit::MemoryLedger;
use nuncio_testkit::conformance::Fixture as _;

use crate::service::{SECOND, Weather};
use crate::world::{LANE, World, people};

/// People of a page.
const PAGE: usize = 40;

/// Groups by name, and when it refuses what.
#[derive(Default)]
pub(crate) struct TestDirectory {
    pub(crate) groups: BTreeMap<String, Vec<DirectoryPerson>>,
    /// From, until: what it answers instead.
    pub(crate) refuses: Vec<(i64, i64, DirectoryError)>,
    /// Sign-in names and who has them.
    pub(crate) names: BTreeMap<String, String>,
    /// The cursors that it was asked with, where it answered.
    pub(crate) asked: Vec<Option<String>>,
}

impl TestDirectory {
    /// Looks up the next names of a list and stores what comes of them.
    pub(crate) async fn look_up(
        &self,
        ledger: &MemoryLedger,
        list_no: i64,
        (now, wall): (i64, Time),
    ) -> Result<(), DirectoryError> {
        if let Some((.., error)) = self.refuses.iter().find(|(from, until, _)| (*from..*until).contains(&now))
        {
            return Err(error.clone());
        }
        let Some(next) = ledger.names(list_no, 30).await.unwrap() else { return Ok(()) };
        let resolve = |listed: &ListedName| match self.names.get(&listed.name) {
            Some(id) => Resolved::One(Box::new(DirectoryPerson {
                object_id: id.clone(),
                ..DirectoryPerson::default()
            })),
            None => Resolved::None,
        };
        let names = next.names.into_iter().map(|listed| (listed.clone(), resolve(&listed))).collect();
        let found = Found { list_no, after: next.after, names: Ok(names) };
        ledger.found(found, wall).await.unwrap();
        Ok(())
    }

    pub(crate) fn page(
        &mut self,
        now: i64,
        wanted: &Wanted,
    ) -> Result<(Vec<DirectoryPerson>, Next), DirectoryError> {
        if let Some((.., error)) = self.refuses.iter().find(|(from, until, _)| (*from..*until).contains(&now))
        {
            return Err(error.clone());
        }
        let DirectorySource::Group(name) = &wanted.from else { panic!("{wanted:?}") };
        let Some(members) = self.groups.get(name) else {
            return Err(DirectoryError::NotFound { id: name.clone() });
        };
        let from: usize = wanted.cursor.as_ref().map_or(0, |cursor| cursor.parse().unwrap());
        let page = members.iter().skip(from).take(PAGE).cloned().collect();
        self.asked.push(wanted.cursor.clone());
        let until = from + PAGE;
        Ok((page, if until < members.len() { Next::At(until.to_string()) } else { Next::End }))
    }
}

fn plain(_: &mut LaneConfig) {}

fn members(ids: &[String]) -> Vec<DirectoryPerson> {
    ids.iter()
        .enumerate()
        .map(|(n, id)| DirectoryPerson {
            object_id: id.clone(),
            enabled: Some(n % 10 != 3),
            licensed: Some(true),
            ..DirectoryPerson::default()
        })
        .collect()
}

fn world(seed: u64, group: &[String]) -> World {
    let mut world = World::new(seed, Weather::default(), plain);
    world.directory.groups.insert("g".to_owned(), members(group));
    world
}

fn group() -> Vec<DirectorySource> {
    vec![DirectorySource::Group("g".to_owned())]
}

#[tokio::test]
async fn an_audience_of_the_directory_is_known_before_anything_is_sent() {
    let to = people(210);
    let mut world = world(1, &to);
    // Two of them are named as well.
    let id = world.submit(&to[..2], |new| new.directory = group()).await;
    world.run_until(60, async |world: &World| world.message(id).await.audience_final).await;
    assert!(world.arrivals.is_empty());
    let message = world.finish(id, 60).await;
    assert_eq!((message.counts.delivered, message.duplicates_removed), (189, 2));
    assert_eq!(message.skipped_by_reason["account_disabled"], 21);
    world.check_ledger(id, 210).await;
    assert_eq!(world.directory.asked.len(), 6);
}

#[tokio::test]
async fn consent_that_is_taken_back_is_waited_for_while_others_go_on() {
    let to = people(130);
    let mut world = world(2, &to);
    let (start, minute) = (world.now, 60 * SECOND);
    let refusal = DirectoryError::NotPermitted { role: "GroupMember.Read.All".to_owned() };
    world.directory.refuses = vec![(start, start + 10 * minute, refusal)];
    let id = world.submit(&[], |new| new.directory = group()).await;
    let other = world.submit(&to[..3], |_| ()).await;
    world.finish(other, 10).await;
    let message = world.message(id).await;
    assert_eq!(message.state, MessageState::Waiting);
    assert!(message.cause.unwrap().contains("GroupMember.Read.All"));
    world.run_until(900, async |world: &World| world.message(id).await.audience_final).await;
    // Asked again within five minutes of the time at which it is given back.
    assert!(world.now < start + 15 * minute + 10 * SECOND, "{}", world.now - start);
    let message = world.finish(id, 60).await;
    assert_eq!((message.cause, message.counts.audience()), (None, 130));
}

#[tokio::test]
async fn another_process_reads_on_where_the_first_one_ended() {
    for seed in 0..20 {
        let to = people(400);
        let mut world = world(seed, &to);
        world.die_after(200_000 + (seed as i64) * 90_000, SECOND);
        let id = world.submit(&[], |new| new.directory = group()).await;
        world.run_until(60, async |world: &World| world.message(id).await.audience_final).await;
        let mut asked = world.directory.asked.clone();
        asked.dedup();
        // No page but the one under way was read twice.
        let once: Vec<Option<String>> = (0..10).map(|n| (n > 0).then(|| (n * PAGE).to_string())).collect();
        assert_eq!(asked, once, "seed {seed}");
        world.finish(id, 60).await;
        world.check_ledger(id, 400).await;
    }
}

#[tokio::test]
async fn who_is_in_an_excluded_group_is_known_before_anything_is_sent() {
    let to = people(100);
    let mut world = world(4, &to[..45]);
    let id = world.submit(&to, |new| new.exclude_groups = group()).await;
    let message = world.finish(id, 60).await;
    assert_eq!((message.counts.delivered, message.skipped_by_reason["excluded"]), (55, 45));
    world.check_ledger(id, 100).await;
    assert!(world.arrivals.iter().all(|(_, to_whom)| to[45..].contains(to_whom)));
}

/// A list of ids and of names, every tenth of which nobody has.
async fn upload(world: &mut World, ids: &[String], names: usize) -> i64 {
    let named: Vec<String> = (0..names).map(|n| format!("person{n}@contoso.com")).collect();
    let all = people(ids.len() + names);
    for (n, name) in named.iter().enumerate().filter(|(n, _)| n % 10 != 7) {
        world.directory.names.insert(name.clone(), all[ids.len() + n].clone());
    }
    let listed = named.into_iter().zip(1..).map(|(name, line)| ListedName { line, name });
    let list = NewList {
        id: AudienceId(uuid::Uuid::from_u128(7)),
        lane_no: LANE,
        name: None,
        lines: (ids.len() + names) as i64,
        blanks: 0,
        duplicates: 0,
        people: ids.to_vec(),
        names: listed.collect(),
        created_at: world.wall(),
        idempotency: None,
    };
    world.ledger.upload(list).await
}

#[tokio::test]
async fn names_of_a_list_are_looked_up_for_a_message_and_nobody_vanishes() {
    for seed in 0..20 {
        let to = people(50);
        let mut world = World::new(seed, Weather::default(), plain);
        let list_no = upload(&mut world, &to, 100).await;
        let (start, minute) = (world.now, 60 * SECOND);
        let refusal = DirectoryError::NotPermitted { role: "User.Read.All".to_owned() };
        world.directory.refuses = vec![(start, start + 2 * minute, refusal)];
        world.die_after(3 * minute + (seed as i64) * 90_000, SECOND);
        let id = world.submit(&[], |new| new.lists = vec![list_no]).await;
        world.run_for(60).await;
        let message = world.message(id).await;
        assert_eq!(message.state, MessageState::Waiting, "seed {seed}");
        assert!(message.cause.unwrap().contains("User.Read.All"));
        assert!(world.arrivals.is_empty());
        let message = world.finish(id, 900).await;
        assert_eq!(message.failed_by_reason["recipient_not_found"], 10, "seed {seed}");
        // What was under way when the process died, nobody knows.
        assert_eq!(message.counts.delivered + message.counts.ambiguous, 140, "seed {seed}");
        world.check_ledger(id, 150).await;
        assert!(world.arrivals.iter().all(|(_, to)| !to.contains('@')));
    }
}

#[tokio::test]
async fn what_waits_for_the_directory_can_be_cancelled_and_held() {
    let mut world = world(3, &people(5));
    let missing = || vec![DirectorySource::Group("missing".to_owned())];
    let cancelled = world.submit(&[], |new| new.directory = missing()).await;
    let held = world.submit(&[], |new| new.directory = missing()).await;
    world.run_for(20).await;
    assert_eq!(world.message(held).await.state, MessageState::Waiting);
    world.control(cancelled, Control::Cancel).await;
    world.control(held, Control::Pause).await;
    world.run_for(5).await;
    assert_eq!(world.message(cancelled).await.state, MessageState::Cancelled);
    assert_eq!(world.message(held).await.state, MessageState::Paused);
    world.directory.groups.insert("missing".to_owned(), members(&people(5)));
    world.run_for(600).await;
    assert!(!world.message(held).await.audience_final);
    world.control(held, Control::Resume).await;
    let message = world.finish(held, 60).await;
    assert_eq!(message.counts.audience(), 5);
    // One that expires takes nobody.
    let late = world.wall();
    let gone = vec![DirectorySource::Group("gone".to_owned())];
    let expired = world
        .submit(&[], |new| {
            new.directory = gone;
            new.expires_at = late + std::time::Duration::from_secs(30);
        })
        .await;
    let message = world.finish(expired, 60).await;
    assert_eq!((message.counts.audience(), message.counts.expired), (0, 0));
    assert!(!world.states(held).await.values().any(|state| *state == DeliveryState::Pending));
}
