//! Which keys sign what bots are sent, and which are published, at a time (protocol sections 3 and 11). Times are simulated.
//!
//! Several are live at once. A rotation publishes a new one, signs with it from some time on, and takes the oldest out of
//! the document when the overlap is over. Bots may read the document as seldom as once an hour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    clock::{Micros, rfc3339},
    signing::{Key, Keys},
};

/// What Microsoft's keys are said to have; the exact list is not known.
const ENDORSEMENTS: [&str; 5] = ["msteams", "skype", "webchat", "directline", "emulator"];
/// More than this many keys are never kept: the longest retired go.
const KEPT: usize = 50;

struct Entry {
    key: Arc<Key>,
    /// `None`: the field is missing, so no bot may take a token signed by it.
    endorsements: Option<Vec<String>>,
    published_from: Micros,
    /// `None`: it never signs by itself.
    signs_from: Option<Micros>,
    retired_from: Option<Micros>,
}

impl Entry {
    fn published(&self, now: Micros) -> bool {
        self.published_from <= now && self.retired_from.is_none_or(|retired| now < retired)
    }

    fn show(&self, now: Micros, signer: &str) -> Value {
        let written = |at: Option<Micros>| at.filter(|at| *at > now).map(rfc3339);
        json!({
            "kid": self.key.kid, "endorsements": self.endorsements, "published": self.published(now),
            "signs": self.key.kid == signer, "publishes_at": written(Some(self.published_from)),
            "signs_at": written(self.signs_from), "retires_at": written(self.retired_from),
            "retired": self.retired_from.is_some_and(|retired| retired <= now),
        })
    }
}

/// `POST /sim/keys/rotate`; seconds of simulated time from now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Order {
    /// When the new key signs
    sign_after_s: f64,
    /// When it is in the document; later than it signs to rehearse a rotation in the wrong order
    publish_after_s: f64,
    /// How long the oldest key stays in the document after the new one began to sign; `null`: for good
    overlap_s: Option<f64>,
    /// `null`: the key has no such field
    endorsements: Option<Vec<String>>,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            sign_after_s: 0.0,
            publish_after_s: 0.0,
            overlap_s: Some(3600.0),
            endorsements: Some(ENDORSEMENTS.map(str::to_owned).to_vec()),
        }
    }
}

impl Order {
    pub(crate) fn check(&self) -> Result<(), String> {
        let overlap = self.overlap_s.unwrap_or(0.0);
        for (name, value) in [
            ("sign_after_s", self.sign_after_s),
            ("publish_after_s", self.publish_after_s),
            ("overlap_s", overlap),
        ] {
            if !(0.0..=31_536_000.0).contains(&value) {
                return Err(format!("{name} must be between 0 and 31536000"));
            }
        }
        Ok(())
    }
}

pub(crate) struct Rotation(Mutex<Vec<Entry>>);

impl Rotation {
    /// Two endorsed keys, of which the second is the older one and does not sign any more, and one without endorsements.
    pub(crate) fn new(keys: &Keys) -> Self {
        let always = Micros::MIN;
        let entry = |key: &Arc<Key>, endorsements: Option<&[&str]>, signs_from| Entry {
            key: Arc::clone(key),
            endorsements: endorsements.map(|list| list.iter().map(|name| (*name).to_owned()).collect()),
            published_from: always,
            signs_from,
            retired_from: None,
        };
        Self(Mutex::new(vec![
            entry(&keys.second, Some(&["msteams", "skype"]), Some(always)),
            entry(&keys.first, Some(&ENDORSEMENTS), Some(always + 1)),
            entry(&keys.unendorsed, None, None),
        ]))
    }

    /// The one that signs: who began last.
    pub(crate) fn signer(&self, now: Micros) -> Arc<Key> {
        signer(&self.entries(), now)
    }

    /// A published, endorsed key that does not sign, or its own name.
    pub(crate) fn other(&self, now: Micros) -> Option<Arc<Key>> {
        let entries = self.entries();
        let signer = signer(&entries, now);
        entries
            .iter()
            .rev()
            .find(|entry| entry.published(now) && entry.endorsements.is_some() && entry.key.kid != signer.kid)
            .map(|entry| Arc::clone(&entry.key))
    }

    pub(crate) fn by_kid(&self, kid: &str) -> Option<Arc<Key>> {
        self.entries().iter().find(|entry| entry.key.kid == kid).map(|entry| Arc::clone(&entry.key))
    }

    /// The document at `/v1/.well-known/keys` (protocol section 11).
    pub(crate) fn document(&self, now: Micros) -> Value {
        let entries = self.entries();
        let published = entries.iter().rev().filter(|entry| entry.published(now));
        let keys: Vec<Value> = published.map(|entry| entry.key.jwk(entry.endorsements.as_deref())).collect();
        json!({"keys": keys})
    }

    pub(crate) fn show(&self, now: Micros) -> Value {
        let entries = self.entries();
        let signer = signer(&entries, now);
        let items: Vec<Value> = entries.iter().rev().map(|entry| entry.show(now, &signer.kid)).collect();
        json!({"items": items, "next": null})
    }

    /// Takes a new key in; its name.
    pub(crate) fn rotate(&self, now: Micros, key: Key, order: Order) -> String {
        let after = |seconds: f64| now + (seconds * 1e6) as Micros;
        let signs_from = after(order.sign_after_s);
        let mut entries = self.entries();
        if let Some(overlap) = order.overlap_s
            && let Some(oldest) = entries
                .iter_mut()
                .filter(|entry| entry.signs_from.is_some() && entry.retired_from.is_none())
                .min_by_key(|entry| entry.signs_from)
        {
            oldest.retired_from = Some(signs_from + (overlap * 1e6) as Micros);
        }
        let kid = key.kid.clone();
        entries.push(Entry {
            key: Arc::new(key),
            endorsements: order.endorsements,
            published_from: after(order.publish_after_s),
            signs_from: Some(signs_from),
            retired_from: None,
        });
        if entries.len() > KEPT
            && let Some(at) = entries.iter().position(|entry| entry.retired_from.is_some_and(|at| at <= now))
        {
            entries.remove(at);
        }
        kid
    }

    /// Whether there is such a key.
    pub(crate) fn endorse(&self, kid: &str, endorsements: Option<Vec<String>>) -> bool {
        let mut entries = self.entries();
        let Some(entry) = entries.iter_mut().find(|entry| entry.key.kid == kid) else { return false };
        entry.endorsements = endorsements;
        true
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signer(entries: &[Entry], now: Micros) -> Arc<Key> {
    let started = entries.iter().filter(|entry| entry.signs_from.is_some_and(|from| from <= now));
    let last = started.max_by_key(|entry| entry.signs_from);
    Arc::clone(&last.expect("the first keys sign from the beginning, and the one that began last stays").key)
}
