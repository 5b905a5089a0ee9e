//! What Teams sends to bots: the activities, their tokens, and bringing them there.

pub(crate) mod answer;
pub(crate) mod card;
pub(crate) mod deliver;
pub(crate) mod envelope;
pub(crate) mod forge;
pub(crate) mod install;
pub(crate) mod life;
pub(crate) mod manner;
pub(crate) mod post;
pub(crate) mod said;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    clock::{Micros, rfc3339, seconds},
    world::{Shared, World},
};

/// Lifetime of a token (protocol section 11).
const TOKEN_SECONDS: i64 = 3600;
/// One token is used for so long before the next is signed.
const TOKEN_REUSED_SECONDS: i64 = 300;
/// So many jobs are kept after they ended.
const JOBS_KEPT: usize = 200;

#[derive(Clone, Serialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) people: u64,
    pub(crate) events: u64,
    /// Answered below 500, or given up after the last try.
    pub(crate) done: u64,
    pub(crate) finished: bool,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
}

#[derive(Default)]
pub(crate) struct EventStats {
    /// Planned and not done; 0 when a demo may go on.
    pub(crate) pending: u64,
    /// Posts to bots, second tries included.
    pub(crate) attempts: u64,
    pub(crate) answered: BTreeMap<u16, u64>,
    pub(crate) no_answer: u64,
    pub(crate) sent_again: u64,
    pub(crate) given_up: u64,
    pub(crate) jobs: VecDeque<Job>,
    last_job: u64,
    /// How many events may be on their way, and the places for them
    places: Option<(usize, Arc<Semaphore>)>,
    tokens: HashMap<u16, Signed>,
}

impl EventStats {
    pub(crate) fn show(&self) -> Value {
        json!({
            "pending": self.pending, "attempts": self.attempts, "answered": self.answered, "no_answer": self.no_answer,
            "sent_again": self.sent_again, "given_up": self.given_up, "jobs": self.jobs,
        })
    }

    pub(crate) fn start_job(&mut self, now: Micros, kind: &'static str, people: u64, events: u64) -> Job {
        self.last_job += 1;
        let job = Job {
            id: self.last_job,
            kind,
            people,
            events,
            done: 0,
            finished: events == 0,
            started_at: rfc3339(now),
            finished_at: (events == 0).then(|| rfc3339(now)),
        };
        self.pending += events;
        if self.jobs.len() >= JOBS_KEPT && self.jobs.front().is_some_and(|job| job.finished) {
            self.jobs.pop_front();
        }
        self.jobs.push_back(job.clone());
        job
    }

    fn attempted(&mut self, status: Option<u16>) {
        self.attempts += 1;
        match status {
            Some(status) => *self.answered.entry(status).or_default() += 1,
            None => self.no_answer += 1,
        }
    }

    /// The places of all that is on its way at once.
    fn places(&mut self, at_once: usize) -> Arc<Semaphore> {
        match &self.places {
            Some((size, places)) if *size == at_once => Arc::clone(places),
            _ => {
                let places = Arc::new(Semaphore::new(at_once));
                self.places = Some((at_once, Arc::clone(&places)));
                places
            }
        }
    }

    fn done(&mut self, now: Micros, job: Option<u64>) {
        self.pending = self.pending.saturating_sub(1);
        let Some(job) = job else { return };
        // Jobs are numbered without gaps.
        let first = self.jobs.front().map_or(0, |job| job.id);
        if let Some(job) = job.checked_sub(first).and_then(|at| self.jobs.get_mut(at as usize)) {
            job.done += 1;
            if job.done == job.events {
                job.finished = true;
                job.finished_at = Some(rfc3339(now));
            }
        }
    }
}

/// A token that may be used again.
struct Signed {
    at: i64,
    kid: String,
    claims: Value,
    token: String,
}

/// A good token for a bot: five claims, no more (protocol section 11).
fn token(shared: &Shared, world: &mut World, app: u16) -> String {
    let now = seconds(shared.clock.real());
    let key = shared.rotation.signer(shared.clock.now());
    let bot = &world.bots[usize::from(app)];
    let mut claims =
        json!({"serviceurl": bot.service_url(shared), "iss": bot.cloud.audience(), "aud": bot.app_id});
    if let Some(signed) = world.events.tokens.get(&app)
        && now - signed.at < TOKEN_REUSED_SECONDS
        && signed.kid == key.kid
        && signed.claims == claims
    {
        return signed.token.clone();
    }
    let before = claims.clone();
    (claims["nbf"], claims["exp"]) = (now.into(), (now + TOKEN_SECONDS).into());
    let token = key.token(&claims);
    let signed = Signed { at: now, kid: key.kid.clone(), claims: before, token: token.clone() };
    world.events.tokens.insert(app, signed);
    token
}
