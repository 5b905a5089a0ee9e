use std::time::Duration;

use super::*;
use crate::directory::Include;
use crate::message::Class;
use crate::own_words::Purpose;
use crate::people::Reference;

const NOW: Time = Time(30 * 24 * 3_600 * 1_000_000);

fn tally(exclude: &[&str]) -> Tally {
    let policy = Policy {
        class: Class::Normal,
        purpose: Purpose::Asked,
        retries: false,
        include: Include::default(),
        install: crate::install::InstallPolicy::Never,
        created_at: NOW,
        recheck: Duration::from_hours(7 * 24),
    };
    Tally::new(policy, exclude.iter().map(|key| (*key).to_owned()), NOW)
}

fn id(n: u32) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

fn named(kind: RecipientKind, key: String) -> Named {
    Named { kind, key }
}

fn person(n: u32, reach: ReachState, reference: bool) -> Row {
    let reference = reference.then(|| Reference {
        reference_no: 1,
        conversation_id: "a:1".to_owned(),
        service_url: "https://smba.example/".to_owned(),
        suspect: false,
    });
    Row { reach, reach_at: Some(NOW), reference, ..stranger(&named(RecipientKind::Person, id(n))) }
}

#[test]
fn everyone_is_counted_once_and_in_one_place() {
    let mut tally = tally(&[&id(6)]);
    for (n, reach, reference) in [
        (1, ReachState::Reachable, true),
        (2, ReachState::Unknown, false),
        (3, ReachState::NeverInstalled, false),
        (4, ReachState::Removed, true),
        (5, ReachState::Blocked, true),
        (6, ReachState::Unknown, false),
        (7, ReachState::Unknown, true),
    ] {
        tally.add(person(n, reach, reference), None);
    }
    tally.add(Row { opted_out: true, ..person(8, ReachState::Reachable, true) }, None);
    for (kind, key) in
        [(RecipientKind::Channel, "19:c@thread.tacv2"), (RecipientKind::Chat, "19:c@thread.v2")]
    {
        tally.add(stranger(&named(kind, key.to_owned())), None);
    }
    let count = tally.into_count();
    // The place itself is the conversation of a channel or chat.
    assert_eq!((count.audience, count.known, count.first_contact), (10, 4, 1));
    let skipped = [(SkipReason::OptedOut, 1), (SkipReason::Excluded, 1), (SkipReason::Unreachable, 3)];
    assert_eq!(count.skipped, BTreeMap::from(skipped));
    assert_eq!(count.would_send() + count.skipped.values().sum::<i64>(), count.audience);
    // 2 and 3: of 6 it does not matter, and 7 has been spoken to.
    assert_eq!((count.needs_install, count.removed), (2, 1));
    assert_eq!(count.by_state[&ReachState::Unknown], 5);
    assert_eq!(count.by_state.values().sum::<i64>(), count.audience);
    let keys = |of: &str| count.examples[of].iter().map(|one| one.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(NEEDS_INSTALL), [id(2), id(3)]);
    assert_eq!(keys("unreachable"), [id(3), id(4), id(5)]);
    assert_eq!((keys(FIRST_CONTACT), keys(REMOVED)), (vec![id(2)], vec![id(4)]));
}

#[test]
fn whom_nobody_can_reach_may_be_waited_for() {
    let mut tally = tally(&[]).when_unreachable(WhenUnreachable::Wait);
    tally.add(person(1, ReachState::Reachable, true), None);
    tally.add(person(2, ReachState::NeverInstalled, false), None);
    tally.add(Row { opted_out: true, ..person(3, ReachState::Blocked, true) }, None);
    let count = tally.into_count();
    assert_eq!((count.audience, count.known, count.waits, count.needs_install), (3, 1, 1, 1));
    assert_eq!(count.skipped, BTreeMap::from([(SkipReason::OptedOut, 1)]));
    assert_eq!(count.examples[WAITS][0].key, id(2));
}

#[test]
fn who_is_named_by_several_sources_is_a_duplicate_of_each_but_the_first() {
    let mut tally = tally(&[]);
    for n in [1, 2, 2, 3] {
        tally.add(person(n, ReachState::Unknown, false), None);
    }
    tally.next_source();
    // In other letters, and twice in this source: pages of the directory may overlap.
    for key in [id(2).to_uppercase(), id(2), id(4)] {
        tally.add(stranger(&named(RecipientKind::Person, key)), None);
    }
    tally.add(stranger(&named(RecipientKind::Channel, "19:c".to_owned())), None);
    tally.next_source();
    tally.add(person(2, ReachState::Unknown, false), None);
    tally.add(stranger(&named(RecipientKind::Channel, "19:c".to_owned())), None);
    tally.add(stranger(&named(RecipientKind::Chat, "19:c".to_owned())), None);
    tally.named_again(5);
    let count = tally.into_count();
    assert_eq!((count.audience, count.duplicates), (6, 3 + 5));
}

#[test]
fn what_the_directory_says_now_is_laid_over_what_it_said() {
    let before =
        Standing { guest: Some(true), enabled: Some(true), at: Some(Time(1)), ..Standing::default() };
    let mut row = Row { standing: before, ..person(1, ReachState::Unknown, false) };
    let says = DirectoryPerson { enabled: Some(false), licensed: Some(true), ..DirectoryPerson::default() };
    told(&mut row, &says, NOW);
    let (guest, enabled, licensed) = (Some(true), Some(false), Some(true));
    assert_eq!(row.standing, Standing { guest, external: None, enabled, licensed, at: Some(NOW) });
}

#[test]
fn ten_of_each_are_shown_as_the_directory_calls_them() {
    let mut tally = tally(&[]);
    for n in 0..25 {
        let called = DirectoryPerson { name: Some(format!("Person {n}")), ..DirectoryPerson::default() };
        tally.add(person(n, ReachState::Blocked, true), Some(&called));
    }
    let examples = &tally.count().examples["unreachable"];
    assert_eq!((examples.len(), tally.count().skipped[&SkipReason::Unreachable]), (EXAMPLES, 25));
    assert_eq!(examples[3].name.as_deref(), Some("Person 3"));
}
