//! A Graph that answers with the fixtures.

use std::path::Path;
use std::sync::Arc;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::graph::Graph;
use nuncio_teams::token::NoToken;
use serde_json::Value;

use crate::stand_in::{Scripted, StandIn, client};

pub(crate) const INES: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";
pub(crate) const OMAR: &str = "0c5f7d21-6e48-4b93-a1d0-9f27c38be654";
pub(crate) const GROUP: &str = "4d0ef681-e88f-42a3-a2db-e6bf1e249e10";
pub(crate) const TEAM: &str = "ee0f5ae2-8bc6-4ae5-8466-7daeebbfa062";
pub(crate) const CATALOGUE_ID: &str = "22f73bbe-f67a-4dea-bd54-54cac718cb2b";
pub(crate) const MANIFEST_ID: &str = "cf1ba4c7-f94e-4d80-ba90-5594b641a8ee";

pub(crate) struct GraphWorld {
    pub(crate) server: StandIn,
    pub(crate) graph: Graph,
}

impl GraphWorld {
    pub(crate) async fn new() -> Self {
        let server = StandIn::start().await;
        let root = Endpoints::simulator(&server.base()).graph_root().unwrap();
        Self { graph: Graph::new(client(), root, Arc::new(NoToken)), server }
    }

    /// The next answers, by their fixtures.
    pub(crate) fn answers(&self, names: &[&str]) {
        self.server.script(names.iter().map(|name| self.scripted(&fixture(name))));
    }

    /// The next answers, by their bodies.
    pub(crate) fn bodies(&self, bodies: &[Value]) {
        self.server.script(bodies.iter().map(|body| Scripted {
            status: 200,
            headers: Vec::new(),
            body: self.here(&body.to_string()),
        }));
    }

    /// An answer whose links lead to this Graph.
    pub(crate) fn scripted(&self, fixture: &Value) -> Scripted {
        let body = match &fixture["body"] {
            Value::Null => String::new(),
            body => self.here(&body.to_string()),
        };
        let status = fixture["status"].as_u64().unwrap() as u16;
        let mut scripted = Scripted { status, headers: Vec::new(), body };
        for (name, value) in fixture["headers"].as_object().unwrap() {
            scripted = scripted.with(name, &self.here(value.as_str().unwrap()));
        }
        scripted
    }

    /// With Graph's address as it is in this test.
    pub(crate) fn here(&self, text: &str) -> String {
        text.replace("https://graph.microsoft.com", &self.server.base())
    }

    /// The last request: method, path and query behind the version.
    pub(crate) fn asked(&self) -> String {
        let seen = self.server.seen().pop().unwrap();
        let path = seen.path.strip_prefix("/v1.0").unwrap();
        let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
        format!("{} {path}{query}", seen.method)
    }

    /// The last request's body.
    pub(crate) fn sent(&self) -> Value {
        serde_json::from_slice(&self.server.seen().pop().unwrap().body).unwrap_or_default()
    }

    /// A header of the last request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let seen = self.server.seen().pop().unwrap();
        seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

/// `graph_reply_{name}.json`
pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("../../fixtures/microsoft/graph_reply_{name}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
