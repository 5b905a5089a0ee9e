//! No limit is ever exceeded, and nearly all of each is used.

use std::collections::BTreeSet;

use ::http::Method;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn get(url: &str) -> Operation {
    Operation::of(&Method::GET, url)
}

fn install(user: u32) -> Operation {
    Operation::of(&Method::POST, &format!("/users/{user}/teamwork/installedApps"))
}

/// When each of so many calls starts, if they all wait from the beginning. `late` holds each up after its time has come.
fn starts(budget: &mut Budget, calls: &[Operation], mut late: impl FnMut() -> Duration) -> Vec<Duration> {
    let mut now = Duration::ZERO;
    let mut starts = Vec::new();
    for call in calls {
        while let Err(at) = budget.take(now, call) {
            assert!(at > now, "it names a later time");
            now = at + late();
        }
        starts.push(now);
    }
    starts
}

/// The most that lies in any sliding window.
fn most(starts: &[(Duration, u32)], window: Duration) -> u32 {
    let (mut first, mut sum, mut most) = (0, 0, 0);
    for (at, units) in starts {
        sum += units;
        while starts[first].0 + window <= *at {
            sum -= starts[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

fn ones(starts: &[Duration]) -> Vec<(Duration, u32)> {
    starts.iter().map(|at| (*at, 1)).collect()
}

#[test]
fn each_row_of_the_table() {
    let post = |url: &str| Operation::of(&Method::POST, url);
    let per_second = |operation: &dyn Fn(u32) -> Operation, limit: u32| {
        let calls: Vec<Operation> = (0..limit * 20).map(operation).collect();
        let starts = starts(&mut Budget::new(TenantSize::Small), &calls, || Duration::ZERO);
        assert!(most(&ones(&starts), SECOND) <= limit, "{:?}", calls[0]);
        let rate = (calls.len() - 1) as f64 / starts.last().unwrap().as_secs_f64();
        assert!((rate / f64::from(limit) - 0.984).abs() < 0.001, "{:?}: {rate}", calls[0]);
    };
    per_second(&|n| get(&format!("/users/{n}/teamwork/installedApps?$expand=teamsApp")), 30);
    per_second(&install, 30);
    per_second(&|n| post(&format!("/chats/{n}/installedApps")), 30);
    per_second(&|n| Operation::of(&Method::DELETE, &format!("/users/{n}/teamwork/installedApps/i")), 15);
    per_second(&|_| get("/appCatalogs/teamsApps"), 30);
    per_second(&|n| get(&format!("/teams/{n}/members")), 60);
    per_second(&|n| get(&format!("/teams/{n}/channels")), 60);
    per_second(&|n| get(&format!("/teams/{n}/channels/{n}/members")), 60);
    per_second(&|n| get(&format!("/teams/{n}")), 30);
    per_second(&|n| get(&format!("/users/{n}/teamwork/installedApps/{n}/chat")), 30);
    per_second(&|n| post(&format!("/users/{n}/teamwork/installedApps/{n}/upgrade")), 30);
    // One of them.
    per_second(&|_| get("/teams/t/members"), 4);
    per_second(&|_| get("/teams/t/channels/c/members"), 1);
    per_second(&|_| post("/chats/c/installedApps"), 1);
    per_second(&|_| get("/users/u/teamwork/installedApps/i/chat"), 1);
}

#[test]
fn limits_are_apart_from_each_other() {
    let mut budget = Budget::new(TenantSize::Small);
    let now = SECOND;
    for operation in [
        install(1),
        get("/users/1/teamwork/installedApps"),
        get("/users/1/teamwork/installedApps/i/chat"),
        Operation::of(&Method::DELETE, "/users/1/teamwork/installedApps/i"),
        get("/appCatalogs/teamsApps"),
        get("/teams/t"),
        get("/users"),
    ] {
        assert_eq!(budget.take(now, &operation), Ok(()), "{operation:?}");
    }
    assert!(budget.take(now, &install(2)).is_err());
    // What is refused takes nothing: a team at its limit costs the others none of the class.
    let mut budget = Budget::new(TenantSize::Small);
    budget.take(now, &get("/teams/t/members")).unwrap();
    let later = now + Duration::from_millis(20);
    for _ in 0..100 {
        budget.take(later, &get("/teams/t/members")).unwrap_err();
    }
    assert_eq!(budget.take(later, &get("/teams/other/members")), Ok(()));
}

#[test]
fn resource_units_by_the_size_of_the_tenant() {
    for (users, units) in [(0, 3_500), (49, 3_500), (50, 5_000), (500, 5_000), (501, 8_000)] {
        let mut budget = Budget::new(TenantSize::Small);
        budget.set_size(TenantSize::of(users));
        let calls = vec![get("/groups/g/transitiveMembers"); 4_000];
        let starts = starts(&mut budget, &calls, || Duration::ZERO);
        let spent: Vec<_> = starts.iter().map(|at| (*at, 5)).collect();
        assert!(most(&spent, UNITS_WINDOW) <= units, "{users}");
        let rate = 5.0 * 3_999.0 / starts.last().unwrap().as_secs_f64() * 10.0;
        assert!(rate > f64::from(units) * 0.98, "{users}: {rate}");
    }
}

#[test]
fn catching_up_breaks_no_window_of_resource_units() {
    let call = get("/groups/g/transitiveMembers");
    let mut budget = Budget::new(TenantSize::Small);
    let (mut now, mut spent) = (Duration::ZERO, Vec::new());
    // Held up once, for less than what is dropped; then there is always something to ask.
    for (from, until) in [(0, 1_000), (1_190, 14_000)] {
        now = now.max(Duration::from_millis(from));
        while now < Duration::from_millis(until) {
            match budget.take(now, &call) {
                Ok(()) => spent.push((now, call.units)),
                Err(at) => now = at,
            }
        }
    }
    assert!(most(&spent, UNITS_WINDOW) <= 3_500);
    assert!(most(&spent, UNITS_WINDOW) > 3_440, "the lag was caught up");
}

#[test]
fn what_costs_more_waits_longer() {
    let wait = |url: &str| {
        let mut budget = Budget::new(TenantSize::Large);
        budget.take(SECOND, &get(url)).unwrap();
        budget.take(SECOND, &get(url)).unwrap_err().saturating_sub(SECOND)
    };
    assert_eq!(wait("/groups/g/transitiveMembers").as_micros() / wait("/groups").as_micros(), 5);
    assert_eq!(wait("/users?$select=id"), wait("/groups"));
}

#[test]
fn retry_after_is_obeyed_in_full_and_by_its_own_kind_only() {
    let mut budget = Budget::new(TenantSize::Small);
    budget.refused(SECOND, &install(1), Some(Duration::from_mins(10)));
    assert_eq!(budget.take(SECOND * 2, &install(2)), Err(SECOND * 601));
    assert_eq!(budget.take(SECOND * 601, &install(2)), Ok(()));
    assert_eq!(budget.take(SECOND * 2, &get("/users")), Ok(()));
    budget.refused(SECOND * 3, &get("/users"), Some(SECOND * 5));
    assert_eq!(budget.take(SECOND * 4, &get("/groups/g/members")), Err(SECOND * 8));
}

#[test]
fn without_retry_after_it_rests_longer_each_time() {
    let mut budget = Budget::new(TenantSize::Small);
    let mut now = SECOND;
    let mut rests = Vec::new();
    for _ in 0..8 {
        budget.refused(now, &install(1), None);
        // Others that were under way.
        budget.refused(now, &install(2), None);
        let at = budget.take(now, &install(3)).unwrap_err();
        rests.push(at.saturating_sub(now).as_secs());
        now = at;
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 64]);
    // After a while without refusals it begins again.
    now += Duration::from_mins(10);
    budget.refused(now, &install(1), None);
    assert_eq!(budget.take(now, &install(3)), Err(now + SECOND));
}

#[test]
fn a_batch_starts_together_and_what_follows_makes_up_for_it() {
    let mut budget = Budget::new(TenantSize::Small);
    let mut waiting: Vec<Operation> = (0..600).map(install).collect();
    let (mut now, mut starts) = (Duration::ZERO, Vec::new());
    while !waiting.is_empty() {
        let batch = &waiting[..waiting.len().min(20)];
        match budget.take_batch(now, batch) {
            Ok(taken) => {
                starts.extend(std::iter::repeat_n((now, 1), taken));
                waiting.drain(..taken);
            }
            Err(at) => now = at,
        }
    }
    assert!(most(&starts, SECOND) <= 30);
    let rate = 599.0 / now.as_secs_f64();
    assert!(rate > 28.0, "{rate}");

    // Two that ask of one chat do not fit into one batch.
    let twice = vec![Operation::of(&Method::POST, "/chats/c/installedApps"); 2];
    assert_eq!(Budget::new(TenantSize::Small).take_batch(SECOND, &twice), Ok(1));
    assert_eq!(Budget::new(TenantSize::Small).take_batch(SECOND, &[]), Ok(0));
}

#[test]
fn idle_things_are_forgotten() {
    let mut budget = Budget::new(TenantSize::Small);
    let mut now = Duration::ZERO;
    for n in 0..5_000 {
        now += SECOND;
        budget.take(now, &Operation::of(&Method::POST, &format!("/chats/{n}/installedApps"))).unwrap();
    }
    assert!(budget.resources.len() <= SWEEP_FROM, "{}", budget.resources.len());
}

/// Calls of every kind, of a few things.
fn any_call() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..3u32).prop_map(install),
        (0..3u32).prop_map(|n| get(&format!("/teams/{n}/members"))),
        (0..3u32).prop_map(|n| get(&format!("/teams/1/channels/{n}/members"))),
        (0..3u32).prop_map(|n| Operation::of(&Method::POST, &format!("/chats/{n}/installedApps"))),
        Just(Operation::of(&Method::DELETE, "/users/u/teamwork/installedApps/i")),
        Just(get("/users")),
        Just(get("/groups/g/transitiveMembers")),
    ]
}

proptest! {
    /// However late the caller comes, and whatever it asks for in between.
    #[test]
    fn no_sliding_window_is_ever_broken(
        calls in proptest::collection::vec((any_call(), 0..300u64), 1..400),
        batches in any::<bool>(),
    ) {
        let mut budget = Budget::new(TenantSize::Small);
        let mut now = Duration::ZERO;
        let mut started: Vec<(Operation, Duration)> = Vec::new();
        let mut rest = calls.as_slice();
        while let Some((call, late)) = rest.first() {
            let several: Vec<Operation> = rest.iter().take(20).map(|(call, _)| call.clone()).collect();
            let taken = if batches {
                budget.take_batch(now, &several)
            } else {
                budget.take(now, call).map(|()| 1)
            };
            match taken {
                Ok(taken) => {
                    started.extend(several[..taken].iter().map(|call| (call.clone(), now)));
                    rest = &rest[taken..];
                    now += Duration::from_millis(late / 10);
                }
                Err(at) => {
                    prop_assert!(at > now && at < now + UNITS_WINDOW + SECOND);
                    now = at + Duration::from_millis(*late);
                }
            }
        }
        let counted = |counts: &dyn Fn(&Operation) -> bool| -> u32 {
            let of_it: Vec<_> = started.iter().filter(|(call, _)| counts(call)).map(|(_, at)| (*at, 1)).collect();
            most(&of_it, SECOND)
        };
        let classes: BTreeSet<Class> = started.iter().filter_map(|(call, _)| Class::of(call.kind)).collect();
        for class in classes {
            prop_assert!(counted(&|call| Class::of(call.kind) == Some(class)) <= class.limit(), "{:?}", class);
        }
        let things: BTreeSet<&Resource> = started.iter().flat_map(|(call, _)| &call.on).collect();
        for thing in things {
            prop_assert!(counted(&|call| call.on.contains(thing)) <= limit_of(thing), "{:?}", thing);
        }
        let spent: Vec<_> = started.iter().map(|(call, at)| (*at, call.units)).collect();
        prop_assert!(most(&spent, UNITS_WINDOW) <= TenantSize::Small.units());
    }

    /// The resource units under load: bursts after every stop.
    #[test]
    fn no_window_of_resource_units_is_broken(stops in proptest::collection::vec(0..400u64, 1..40)) {
        let mut budget = Budget::new(TenantSize::Small);
        let mut now = Duration::ZERO;
        let mut spent = Vec::new();
        for stop in stops {
            now += Duration::from_millis(stop);
            let until = now + Duration::from_millis(600);
            while now < until {
                match budget.take(now, &get("/groups/g/transitiveMembers")) {
                    Ok(()) => spent.push((now, 5)),
                    Err(at) => now = at,
                }
            }
        }
        prop_assert!(most(&spent, UNITS_WINDOW) <= 3_500);
    }
}
