//! What Teams sends to bots: the activities, their tokens, and bringing them there.

pub(crate) mod activities;
pub(crate) mod deliver;
pub(crate) mod forge;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    clock::{Micros, rfc3339, seconds},
    settings::SigningKey,
    world::{Shared, World},
};

/// Lifetime of a token (protocol section 11).
const TOKEN_SECONDS: i64 = 3600;
/// One token is used for so long before the next is signed.
const TOKEN_REUSED_SECONDS: i64 = 300;

#[derive(Clone, Serialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) people: u64,
    pub(crate) events: u64,
    /// Answered below 500, or given up after the second try.
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
    pub(crate) jobs: Vec<Job>,
    tokens: HashMap<(u16, SigningKey), (i64, String)>,
}

impl EventStats {
    pub(crate) fn show(&self) -> Value {
        json!({
            "pending": self.pending, "attempts": self.attempts, "answered": self.answered, "no_answer": self.no_answer,
            "sent_again": self.sent_again, "given_up": self.given_up, "jobs": self.jobs,
        })
    }

    pub(crate) fn start_job(&mut self, now: Micros, kind: &'static str, people: u64, events: u64) -> Job {
        let job = Job {
            id: self.jobs.len() as u64 + 1,
            kind,
            people,
            events,
            done: 0,
            finished: events == 0,
            started_at: rfc3339(now),
            finished_at: (events == 0).then(|| rfc3339(now)),
        };
        self.pending += events;
        self.jobs.push(job.clone());
        job
    }

    fn attempted(&mut self, status: Option<u16>) {
        self.attempts += 1;
        match status {
            Some(status) => *self.answered.entry(status).or_default() += 1,
            None => self.no_answer += 1,
        }
    }

    fn done(&mut self, now: Micros, job: u64) {
        self.pending = self.pending.saturating_sub(1);
        if let Some(job) = self.jobs.iter_mut().find(|other| other.id == job) {
            job.done += 1;
            if job.done == job.events {
                job.finished = true;
                job.finished_at = Some(rfc3339(now));
            }
        }
    }
}

/// A good token for a bot: five claims, no more (protocol section 11).
fn token(shared: &Shared, world: &mut World, app: u16) -> String {
    let now = seconds(shared.clock.real());
    let which = world.settings.signing_key;
    if let Some((made, token)) = world.events.tokens.get(&(app, which))
        && now - made < TOKEN_REUSED_SECONDS
    {
        return token.clone();
    }
    let key = match which {
        SigningKey::First => &shared.keys.first,
        SigningKey::Second => &shared.keys.second,
    };
    let token = key.token(&json!({
        "serviceurl": shared.service_url, "nbf": now, "exp": now + TOKEN_SECONDS,
        "iss": "https://api.botframework.com", "aud": world.bots[usize::from(app)].app_id,
    }));
    world.events.tokens.insert((app, which), (now, token.clone()));
    token
}
