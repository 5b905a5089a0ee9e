//! Refusals: the one place where a problem document is made.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use nuncio_api::{Code, Problem, ProblemItem};
use nuncio_domain::ports::StoreError;

/// A request that was refused.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Problem>);

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    /// One thing that is wrong, with where it is (see [`ProblemItem::pointer`]).
    pub(crate) fn at(code: Code, pointer: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(vec![(code, pointer.into(), text.into())], 0)
    }

    /// Everything that is wrong with a request; the problem's own code is that of the first. `more` is how many
    /// further ones are not listed.
    pub(crate) fn of(items: Vec<(Code, String, String)>, more: usize) -> Self {
        let first = items.first().map_or(Code::Internal, |(code, ..)| *code);
        let detail = match (items.as_slice(), more) {
            ([(_, _, text)], 0) => text.clone(),
            (items, 0) => format!("{} things are wrong with the request", items.len()),
            (items, more) => format!(
                "{} things are wrong with the request; the first {} are listed",
                items.len() + more,
                items.len()
            ),
        };
        let mut problem = Problem::new(first, detail);
        problem.errors = items
            .into_iter()
            .map(|(code, pointer, text)| ProblemItem { pointer, code: code.as_str().to_owned(), text })
            .collect();
        Self(Box::new(problem))
    }

    /// Code and pointer of each thing that is wrong.
    #[cfg(test)]
    pub(crate) fn items(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.errors.iter().map(|item| (item.code.as_str(), item.pointer.as_str()))
    }

    /// The answer for what is not there, and for what this caller may not see: the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Fenced => {
                tracing::warn!(%error, "store not available");
                Self::new(Code::Unavailable, "the database is not available at the moment")
            }
            StoreError::Broken(_) => {
                tracing::error!(%error, "store");
                Self::new(Code::Internal, "the request could not be worked on")
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nuncio\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
