//! Tenants that were found on another host than their service URL says (`docs/protocol.md` section 6).
//!
//! What a delivered message was sent to is stored with its reference. This is for everyone else of the tenant until
//! then, so that not each of them is refused first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nuncio_domain::people::Lane;
use nuncio_teams::cloud::ServiceUrl;

/// By lane and service URL: what is called instead.
#[derive(Debug, Default)]
pub(crate) struct Hosts(Mutex<HashMap<(i64, ServiceUrl), ServiceUrl>>);

impl Hosts {
    /// What to call where `known` is what is known.
    pub(crate) fn instead_of(&self, lane: &Lane, known: &ServiceUrl) -> ServiceUrl {
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.get(&(lane.lane_no, known.clone())).unwrap_or(known).clone()
    }

    /// `to` did not refuse what `from` did.
    pub(crate) fn moved(&self, lane: &Lane, from: &ServiceUrl, to: ServiceUrl) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((lane.lane_no, from.clone()), to);
    }

    pub(crate) fn forget(&self, lane: &Lane, known: &ServiceUrl) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(lane.lane_no, known.clone()));
    }
}
