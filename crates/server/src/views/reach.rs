//! Recipients and whether they can be reached, as they are answered.

use std::collections::BTreeMap;

use nuncio_api as api;
use nuncio_domain::directory::Standing;
use nuncio_domain::people::Person;
use nuncio_domain::reach::{Known, Past, Share, StateChange};

use crate::times::text;

pub(crate) fn evidence(known: Known) -> api::Evidence {
    let Known { evidence, at } = known;
    api::Evidence {
        how: evidence.how.to_string(),
        code: evidence.code,
        status: evidence.status,
        text: evidence.text,
        at: text(at),
    }
}

pub(crate) fn person(person: Person) -> api::Person {
    let state = person.state();
    let seen = (state != person.reach)
        .then(|| api::Seen { state: person.reach.to_string(), evidence: person.seen().map(evidence) });
    api::Person {
        state: state.to_string(),
        since: person.since.map(text),
        evidence: person.known().map(evidence),
        contradicted_by: person.contradicted_by.map(evidence),
        seen,
        directory: standing(person.standing),
        id: person.key,
        kind: person.kind.to_string(),
        app: person.app,
        tenant: person.tenant,
        name: person.name,
        upn: person.upn,
        opted_out_since: person.opted_out_at.map(text),
        has_reference: person.has_reference,
    }
}

fn standing(standing: Standing) -> Option<api::Standing> {
    let at = text(standing.at?);
    let Standing { guest, external, enabled, licensed, at: _ } = standing;
    Some(api::Standing { guest, external, enabled, licensed, at })
}

pub(crate) fn past(past: Past) -> api::Past {
    api::Past {
        state: past.state.to_string(),
        evidence: evidence(past.known),
        contradicts: past.contradicts,
        sent_at: past.sent_at.map(text),
    }
}

pub(crate) fn change(change: StateChange) -> api::Change {
    api::Change {
        id: change.key,
        kind: change.kind.to_string(),
        app: change.app,
        tenant: change.tenant,
        name: change.name,
        upn: change.upn,
        was: change.was.map(|state| state.to_string()),
        state: change.state.to_string(),
        evidence: evidence(change.known),
    }
}

pub(crate) fn reachability(shares: Vec<Share>) -> api::Reachability {
    let mut states: BTreeMap<String, i64> = BTreeMap::new();
    let mut by_how: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for Share { state, how, count } in shares {
        *states.entry(state.to_string()).or_default() += count;
        if let Some(how) = how {
            *by_how.entry(state.to_string()).or_default().entry(how.to_string()).or_default() += count;
        }
    }
    api::Reachability { total: states.values().sum(), states, how: by_how, muted: api::MUTED.to_owned() }
}
