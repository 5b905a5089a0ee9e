//! What `GET /sim/counts` tells.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::{
    clock::{Micros, rfc3339},
    graph::limits::Met,
    limits::Breach,
};

#[derive(Default, Serialize)]
pub(crate) struct GraphThrottled {
    app_tenant: u64,
    app: u64,
    resource: u64,
    resource_units: u64,
}

impl GraphThrottled {
    pub(crate) fn count(&mut self, met: Met) {
        *match met {
            Met::AppTenant => &mut self.app_tenant,
            Met::App => &mut self.app,
            Met::Resource => &mut self.resource,
            Met::ResourceUnits => &mut self.resource_units,
        } += 1;
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    /// By operation, then by status (`cut` for none).
    pub(crate) requests: BTreeMap<&'static str, BTreeMap<String, u64>>,
    pub(crate) answers_lost: u64,
    pub(crate) clients_gone: u64,
    pub(crate) throttled_by_limits: u64,
    pub(crate) throttled_by_faults: u64,
    pub(crate) breaches_app_tenant: u64,
    pub(crate) breaches_thread: u64,
    /// Requests that Graph's limits refused, by which.
    pub(crate) graph_throttled: GraphThrottled,
    /// 404s of good conversations: that pass, and that last until the chat is created anew.
    pub(crate) spurious_passing: u64,
    pub(crate) spurious_lasting: u64,
    pub(crate) first_send_at: Option<Micros>,
    pub(crate) last_send_at: Option<Micros>,
    pub(crate) peak_per_s: u64,
    last_second: VecDeque<Micros>,
}

impl Counts {
    /// A request to the Connector came in.
    pub(crate) fn arrived(&mut self, now: Micros) {
        while self.last_second.front().is_some_and(|at| *at <= now - 1_000_000) {
            self.last_second.pop_front();
        }
        self.last_second.push_back(now);
        self.peak_per_s = self.peak_per_s.max(self.last_second.len() as u64);
    }

    pub(crate) fn answered(&mut self, op: &'static str, status: Option<u16>) {
        let status = status.map_or_else(|| "cut".to_owned(), |status| status.to_string());
        *self.requests.entry(op).or_default().entry(status).or_default() += 1;
    }

    pub(crate) fn breach(&mut self, breach: Breach) {
        match breach {
            Breach::AppTenant => self.breaches_app_tenant += 1,
            Breach::Thread => self.breaches_thread += 1,
        }
        self.throttled_by_limits += 1;
    }

    pub(crate) fn sent(&mut self, now: Micros) {
        self.first_send_at.get_or_insert(now);
        self.last_send_at = Some(now);
    }

    pub(crate) fn first_send(&self) -> Option<String> {
        self.first_send_at.map(rfc3339)
    }

    pub(crate) fn last_send(&self) -> Option<String> {
        self.last_send_at.map(rfc3339)
    }
}
