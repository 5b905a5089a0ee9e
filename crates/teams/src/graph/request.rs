//! Graph's requests as pure functions: what would be asked, without asking it. Ids are encoded once, here.

mod apps;
mod batch;
mod directory;
mod teams;

use std::fmt;

use ::http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use super::operation::Operation;
use super::query::PageSize;
use crate::cloud::GraphRoot;
use crate::http::{ContentType, Request, encoded};

pub use apps::{
    AppIs, PermissionType, ResourcePermission, Scope, catalogue, install, installation_chat, installed_apps,
    remove, upgrade,
};
pub use batch::{BATCH_MOST, BatchError, batch};
pub use directory::{
    group, group_members, groups, groups_delta, transitive_users, user, users, users_by_mail, users_delta,
};
pub use teams::{all_channel_members, channel_members, channels, team, team_members};

/// A request to Graph, which is sent by itself or as an item of a batch.
#[derive(Clone, PartialEq)]
pub struct GraphRequest {
    method: Method,
    /// Behind the version, with its query.
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Value>,
}

impl GraphRequest {
    fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: None }
    }

    fn new(method: Method, path: String, body: Option<Value>) -> Self {
        Self { method, path, headers: Vec::new(), body }
    }

    /// Needed for casts and `$count` (Microsoft, "Advanced query capabilities on directory objects").
    fn eventual(mut self) -> Self {
        self.headers.push(consistency());
        self
    }

    /// How large the pages of a round of changes may be, where `$top` is ignored (protocol section 7.2).
    #[must_use]
    pub fn with_max_page_size(mut self, size: PageSize) -> Self {
        self.headers.push(max_page_size(size));
        self
    }

    /// As it is counted.
    pub fn operation(&self) -> Operation {
        Operation::of(&self.method, &self.path)
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query behind the version.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As it is sent to `root`.
    pub fn to(&self, root: &GraphRoot) -> Request {
        let mut request = Request::new(self.method.clone(), root.join(&self.path));
        request.headers.clone_from(&self.headers);
        match &self.body {
            Some(body) => request.with_body(ContentType::Json, body.to_string().into()),
            None => request,
        }
    }

    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// As an item of a batch.
    fn item(&self, id: &str) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            // As Microsoft writes them: these are members of an object, where case may count.
            let name = match name.as_str() {
                "consistencylevel" => "ConsistencyLevel",
                "prefer" => "Prefer",
                other => other,
            };
            headers.insert(name.to_owned(), value.to_str().unwrap_or_default().into());
        }
        let mut item = serde_json::json!({ "id": id, "method": self.method.as_str(), "url": self.path });
        if let Some(body) = &self.body {
            headers.insert("Content-Type".to_owned(), "application/json".into());
            item["body"] = body.clone();
        }
        if !headers.is_empty() {
            item["headers"] = headers.into();
        }
        item
    }
}

/// Without path and body: they may name a person.
impl fmt::Debug for GraphRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphRequest").field("method", &self.method).finish_non_exhaustive()
    }
}

pub(super) fn consistency() -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("consistencylevel"), HeaderValue::from_static("eventual"))
}

pub(super) fn max_page_size(size: PageSize) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("odata.maxpagesize={}", size.get()))
        .expect("a number and ASCII letters can stand in a header");
    (HeaderName::from_static("prefer"), value)
}

#[cfg(test)]
mod tests;
