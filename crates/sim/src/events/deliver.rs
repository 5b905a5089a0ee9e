//! Bringing activities to a bot: so many at once, a second try after 15 s, perhaps a second pair (protocol 4.0).

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    install::{self, Action},
    manner::{Manner, Order, Twice},
    post::{Authorisation, BotAnswer, post},
};
use crate::{
    clock::{millis, rfc3339},
    limits::Thread,
    people::PersonState,
    world::{Shared, World},
};

/// Events that belong together and are sent one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    Install {
        app: u16,
        person: u32,
        then_remove: bool,
    },
    /// The person has the app from then on.
    PolicyInstall {
        app: u16,
        person: u32,
    },
    Remove {
        app: u16,
        person: u32,
    },
    TeamInstall {
        app: u16,
        team: u32,
        channel: u32,
    },
    /// Made already
    Ready {
        app: u16,
        activities: Vec<Value>,
    },
}

impl Errand {
    pub(crate) fn events(&self) -> u64 {
        match self {
            Self::Install { then_remove, .. } => 2 + u64::from(*then_remove),
            Self::Remove { .. } => 1,
            Self::TeamInstall { .. } | Self::PolicyInstall { .. } => 2,
            Self::Ready { activities, .. } => activities.len() as u64,
        }
    }

    fn app(&self) -> u16 {
        match self {
            Self::Install { app, .. }
            | Self::PolicyInstall { app, .. }
            | Self::Remove { app, .. }
            | Self::TeamInstall { app, .. }
            | Self::Ready { app, .. } => *app,
        }
    }

    /// Made when their turn comes: a flood is not kept in memory.
    fn activities(self, shared: &Shared, world: &mut World, order: Order) -> Vec<Value> {
        let now = shared.clock.now();
        let mut mixed = false;
        let mut all = match self {
            Self::Install { app, person, then_remove } => {
                let mut all = install::personal(shared, world, app, person, now).to_vec();
                if then_remove {
                    all.push(install::personal_change(shared, world, app, person, Action::Remove, now));
                }
                mixed = person % 2 == 1;
                all
            }
            Self::PolicyInstall { app, person } => {
                // What happened to somebody meanwhile goes first.
                if world.org.person(person).is_some_and(|known| known.state.lacks_the_app()) {
                    world.org.set_state(person, PersonState::Installed);
                }
                mixed = person % 2 == 1;
                install::personal(shared, world, app, person, now).to_vec()
            }
            Self::Remove { app, person } => {
                vec![install::personal_change(shared, world, app, person, Action::Remove, now)]
            }
            Self::TeamInstall { app, team, channel } => {
                let thread = Thread::Channel { team, channel };
                let by = install::installer(world, Thread::Channel { team, channel: 0 });
                install::shared_place(shared, world, app, (thread, by), now).to_vec()
            }
            Self::Ready { activities, .. } => activities,
        };
        match order {
            Order::Mixed if mixed => all.swap(0, 1),
            Order::Mixed | Order::Straight => {}
            Order::Reversed => all.reverse(),
            Order::Shuffled => world.rng.shuffle(&mut all),
        }
        all
    }
}

/// Starts a job for these errands; its id and how many events it has.
pub(crate) fn start(
    shared: &Arc<Shared>,
    world: &mut World,
    kind: &'static str,
    people: u64,
    errands: Vec<Errand>,
    over: Duration,
    manner: Option<Manner>,
) -> (Option<u64>, u64) {
    let events = errands.iter().map(Errand::events).sum();
    if events == 0 {
        return (None, 0);
    }
    let job = world.events.start_job(shared.clock.now(), kind, people, events);
    let manner = manner.unwrap_or(world.settings.event_delivery);
    run(shared, world.era.clone(), job.id, errands, over, manner);
    (Some(job.id), events)
}

/// Runs errands in the background as job `job`, spread over `over`.
fn run(
    shared: &Arc<Shared>,
    era: CancellationToken,
    job: u64,
    errands: Vec<Errand>,
    over: Duration,
    manner: Manner,
) {
    let all = all(Arc::clone(shared), era.clone(), job, errands, over, manner);
    tokio::spawn(async move { era.run_until_cancelled(all).await });
}

async fn all(
    shared: Arc<Shared>,
    era: CancellationToken,
    job: u64,
    mut errands: Vec<Errand>,
    over: Duration,
    manner: Manner,
) {
    let places = {
        let mut world = shared.world();
        if manner.order == Order::Shuffled {
            world.rng.shuffle(&mut errands);
        }
        let at_once = world.settings.event_at_once;
        world.events.places(at_once)
    };
    let started = shared.clock.now();
    let count = errands.len().max(1) as f64;
    for (at, errand) in errands.into_iter().enumerate() {
        let due = over.as_secs_f64() * at as f64 / count;
        let passed = (shared.clock.now() - started) as f64 / 1e6;
        shared.clock.pause(Duration::from_secs_f64((due - passed).max(0.0))).await;
        // The semaphore is never closed; without a place there is nothing more to do.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let one = one(Arc::clone(&shared), job, errand, manner, place, Arc::clone(&places));
        let era = era.clone();
        tokio::spawn(async move { era.run_until_cancelled(one).await });
    }
}

async fn one(
    shared: Arc<Shared>,
    job: u64,
    errand: Errand,
    manner: Manner,
    place: OwnedSemaphorePermit,
    places: Arc<Semaphore>,
) {
    let app = errand.app();
    let activities = errand.activities(&shared, &mut shared.world(), manner.order);
    let place = if manner.late_s > 0.0 {
        drop(place);
        shared.clock.pause(Duration::from_secs_f64(manner.late_s)).await;
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        place
    } else {
        place
    };
    let mut rest = Vec::new();
    for activity in activities {
        let event = Event { app, activity: Arc::new(activity), job: Some(job), twice: manner.twice };
        let answer = post(&shared, app, &event.activity, 1, Authorisation::Signed).await;
        if answer.is_final() && manner.twice == Twice::Never {
            event.over(&shared, true);
        } else {
            rest.push((event, answer.is_final()));
        }
    }
    drop(place);
    join_all(rest.into_iter().map(|(event, answered)| event.finish(&shared, answered, &places))).await;
}

/// One activity on its way.
struct Event {
    app: u16,
    activity: Arc<Value>,
    job: Option<u64>,
    twice: Twice,
}

impl Event {
    /// Everything after the first try.
    async fn finish(mut self, shared: &Arc<Shared>, mut answered: bool, places: &Arc<Semaphore>) {
        let (again_after, second_pair, second_after) = {
            let settings = &shared.world().settings;
            (settings.event_again_after_s, settings.event_second_pair, settings.event_second_after_s)
        };
        if !answered {
            answered = self.again(shared, again_after, 2, places).await;
        }
        if answered && self.twice == Twice::SameId {
            self.again(shared, 0.0, 2, places).await;
        } else if self.twice == Twice::NewId || (!answered && second_pair) {
            shared.clock.pause(Duration::from_secs_f64(second_after)).await;
            self.renew(shared);
            let third = self.again(shared, 0.0, 3, places).await;
            answered |= third || self.again(shared, again_after, 4, places).await;
        }
        self.over(shared, answered);
    }

    async fn again(&self, shared: &Arc<Shared>, after: f64, attempt: u8, places: &Arc<Semaphore>) -> bool {
        shared.clock.pause(Duration::from_secs_f64(after)).await;
        let Ok(_place) = places.acquire().await else { return false };
        shared.world().events.sent_again += 1;
        post(shared, self.app, &self.activity, attempt, Authorisation::Signed).await.is_final()
    }

    /// A new id and time for the same thing, as the trace shows it.
    fn renew(&mut self, shared: &Arc<Shared>) {
        let now = shared.clock.now();
        let activity = Arc::make_mut(&mut self.activity);
        activity["timestamp"] = rfc3339(now).into();
        let before = activity["id"].as_str().unwrap_or_default().parse::<i64>();
        activity["id"] = match before {
            Ok(before) => millis(now).max(before + 1).to_string().into(),
            Err(_) => format!("f:{}", shared.world().rng.uuid()).into(),
        };
    }

    fn over(&self, shared: &Arc<Shared>, answered: bool) {
        let mut world = shared.world();
        if !answered {
            world.events.given_up += 1;
        }
        let now = shared.clock.now();
        world.events.done(now, self.job);
    }
}

/// Sends what a person just did, and goes on trying in the background; the answer to the first try.
/// `None` if the organisation was reset meanwhile. An invoke is tried only once.
pub(crate) async fn tell(shared: &Arc<Shared>, app: u16, activity: Value) -> Option<BotAnswer> {
    let (era, places, manner) = {
        let mut world = shared.world();
        world.events.pending += 1;
        let at_once = world.settings.event_at_once;
        (world.era.clone(), world.events.places(at_once), world.settings.event_delivery)
    };
    let (told, answer) = oneshot::channel();
    let mut told = Some(told);
    let shared = Arc::clone(shared);
    let telling = async move {
        let invoke = activity["type"] == "invoke";
        let twice = if invoke { Twice::Never } else { manner.twice };
        let event = Event { app, activity: Arc::new(activity), job: None, twice };
        if !invoke {
            // In explicit time only another control call ends this wait, so this one is not kept waiting.
            if manner.late_s > 0.0
                && shared.clock.stands()
                && let Some(told) = told.take()
            {
                let _ = told.send(BotAnswer::later());
            }
            shared.clock.pause(Duration::from_secs_f64(manner.late_s)).await;
        }
        let answer = post(&shared, app, &event.activity, 1, Authorisation::Signed).await;
        let (answered, there) = (answer.is_final(), answer.status.is_some());
        let endpoint = shared.world().bots[usize::from(app)].endpoint.is_some();
        // Whoever asked may be gone; the bot is told all the same.
        if let Some(told) = told {
            let _ = told.send(answer);
        }
        if invoke || !endpoint {
            event.over(&shared, there);
        } else if answered && twice == Twice::Never {
            event.over(&shared, true);
        } else {
            event.finish(&shared, answered, &places).await;
        }
    };
    tokio::spawn(async move { era.run_until_cancelled(telling).await });
    answer.await.ok()
}
