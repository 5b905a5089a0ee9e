//! Bringing activities to a bot's endpoint: at most 32 at once, 15 s for an answer, and a second try (protocol 4.0).

use std::{sync::Arc, time::Duration};

use http::header;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{activities, token};
use crate::{
    clock::millis,
    told,
    world::{Shared, World},
};

/// How many events are on their way at the same time.
const AT_ONCE: usize = 32;
const ANSWER_LIMIT: usize = 64 * 1024;

/// Events that belong together and are sent one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errand {
    Install { app: u16, person: u32, then_remove: bool },
    Remove { app: u16, person: u32 },
    TeamInstall { app: u16, team: u32, channel: u32 },
}

impl Errand {
    pub(crate) fn events(self) -> u64 {
        match self {
            Self::Install { then_remove, .. } => 2 + u64::from(then_remove),
            Self::Remove { .. } => 1,
            Self::TeamInstall { .. } => 2,
        }
    }

    fn app(self) -> u16 {
        match self {
            Self::Install { app, .. } | Self::Remove { app, .. } | Self::TeamInstall { app, .. } => app,
        }
    }

    fn activities(self, shared: &Shared, world: &mut World) -> Vec<Value> {
        let now = shared.clock.now();
        match self {
            Self::Install { app, person, then_remove } => {
                let mut all = vec![
                    activities::members_added(shared, world, app, person, now),
                    activities::installation(shared, world, app, person, "add", now),
                ];
                // No order is promised (protocol section 13.15).
                if person % 2 == 1 {
                    all.swap(0, 1);
                }
                if then_remove {
                    all.push(activities::installation(shared, world, app, person, "remove", now));
                }
                all
            }
            Self::Remove { app, person } => {
                vec![activities::installation(shared, world, app, person, "remove", now)]
            }
            Self::TeamInstall { app, team, channel } => {
                activities::team_install(shared, world, app, (team, channel), now).to_vec()
            }
        }
    }
}

/// Runs errands in the background as job `job`, spread over `over`.
pub(crate) fn run(
    shared: &Arc<Shared>,
    era: CancellationToken,
    job: u64,
    errands: Vec<Errand>,
    over: Duration,
) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let ended = era.clone();
        tokio::select! {
            () = ended.cancelled() => {}
            () = all(shared, era, job, errands, over) => {}
        }
    });
}

async fn all(shared: Arc<Shared>, era: CancellationToken, job: u64, errands: Vec<Errand>, over: Duration) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let started = shared.clock.now();
    let count = errands.len().max(1) as f64;
    for (at, errand) in errands.into_iter().enumerate() {
        let due = over.as_secs_f64() * at as f64 / count;
        let passed = (shared.clock.now() - started) as f64 / 1e6;
        shared.clock.pause(Duration::from_secs_f64((due - passed).max(0.0))).await;
        // The semaphore is never closed; without a place there is nothing more to do.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (shared, era, places) = (Arc::clone(&shared), era.clone(), Arc::clone(&places));
        tokio::spawn(async move {
            tokio::select! {
                () = era.cancelled() => {}
                () = one(&shared, job, errand, place, &places) => {}
            }
        });
    }
}

async fn one(
    shared: &Arc<Shared>,
    job: u64,
    errand: Errand,
    place: OwnedSemaphorePermit,
    places: &Arc<Semaphore>,
) {
    let activities = errand.activities(shared, &mut shared.world());
    let mut again = Vec::new();
    for activity in activities {
        let answer = post(shared, errand.app(), &activity, None).await;
        if answer.is_final() {
            shared.world().events.done(shared.clock.now(), job);
        } else {
            again.push(activity);
        }
    }
    drop(place);
    if again.is_empty() {
        return;
    }
    let wait = shared.world().settings.event_again_after_s;
    shared.clock.pause(Duration::from_secs_f64(wait)).await;
    for activity in again {
        let Ok(_place) = places.acquire().await else { return };
        shared.world().events.sent_again += 1;
        let answer = post(shared, errand.app(), &activity, None).await;
        let mut world = shared.world();
        if !answer.is_final() {
            world.events.given_up += 1;
        }
        let now = shared.clock.now();
        world.events.done(now, job);
    }
}

/// What the bot said.
pub(crate) struct BotAnswer {
    /// `None`: no connection, or no answer in time.
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
}

impl BotAnswer {
    /// Whether it is not sent again.
    pub(crate) fn is_final(&self) -> bool {
        self.status.is_some_and(|status| status < 500)
    }
}

/// How a forged request is authorised.
pub(crate) enum Authorisation {
    Token(String),
    Nothing,
}

/// Posts one activity, signed unless told otherwise, once.
pub(crate) async fn post(
    shared: &Shared,
    app: u16,
    activity: &Value,
    authorisation: Option<Authorisation>,
) -> BotAnswer {
    let (endpoint, authorisation, timeout) = {
        let mut world = shared.world();
        let endpoint = world.bots[usize::from(app)].endpoint.clone();
        let authorisation =
            authorisation.unwrap_or_else(|| Authorisation::Token(token(shared, &mut world, app)));
        (endpoint, authorisation, Duration::from_secs_f64(world.settings.event_timeout_s))
    };
    let Some(endpoint) = endpoint else {
        return BotAnswer { status: None, body: String::new() };
    };
    let mut request = shared
        .http
        .post(endpoint)
        .timeout(timeout)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-ms-conversation-id", activity["conversation"]["id"].as_str().unwrap_or_default())
        .header("x-ms-tenant-id", activity["channelData"]["tenant"]["id"].as_str().unwrap_or_default())
        .body(activity.to_string());
    if let Authorisation::Token(token) = authorisation {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let started = shared.clock.now();
    let answer = match request.send().await {
        Ok(response) => {
            BotAnswer { status: Some(response.status().as_u16()), body: beginning(response).await }
        }
        Err(error) => {
            tracing::debug!(error = %error.without_url(), "a bot did not answer an event");
            BotAnswer { status: None, body: String::new() }
        }
    };
    let now = shared.clock.now();
    let mut world = shared.world();
    let world = &mut *world;
    world.events.attempted(answer.status);
    let post = told::Post {
        app_id: &world.bots[usize::from(app)].app_id,
        activity,
        status: answer.status,
        answer: &answer.body,
        took_ms: millis(now - started),
    };
    world.told.push(now, &post);
    answer
}

async fn beginning(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_LIMIT
        && let Ok(Some(chunk)) = response.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(ANSWER_LIMIT);
    String::from_utf8_lossy(&bytes).into_owned()
}
