//! Query parameters: known ones only, each once, and the page of a list.

use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use nuncio_api::{Code, List};
use nuncio_domain::views::Page;

use crate::access::Access;
use crate::cursor::Mark;
use crate::problem::Refusal;

/// Everything behind the `?`.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| Self(pairs))
            .map_err(|_| Refusal::at(Code::InvalidRequest, "?", "the query cannot be read"))
    }
}

impl Params {
    /// Refuses every parameter that is not among `known`, and one that comes twice.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Refusal> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let text = format!("there is no such parameter here; there are: {}", known.join(", "));
                return Err(Refusal::at(Code::UnknownField, format!("?{name}"), text));
            }
            if self.0[..index].iter().any(|(other, _)| other == name) {
                return Err(Refusal::at(Code::InvalidRequest, format!("?{name}"), "this is given twice"));
            }
        }
        Ok(self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter that has to be one of some words.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| {
            let text = format!("this must be one of: {}", words.join(", "));
            Refusal::at(Code::InvalidRequest, format!("?{name}"), text)
        })
    }
}

/// What cursors of a list belong to. All parameters but `cursor` and `limit` are filters; `list` names the list, with the
/// id of what it belongs to.
pub(crate) fn mark(access: &Access, list: &str, params: &Params) -> Mark {
    let mut filters: Vec<(&str, &str)> = params
        .0
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !matches!(*name, "cursor" | "limit"))
        .collect();
    filters.sort_unstable();
    Mark::of(access.scope().key_no, list, &filters)
}

/// The most that a page may have.
pub(crate) fn limit(params: &Params, largest: i64) -> Result<i64, Refusal> {
    let Some(text) = params.get("limit") else { return Ok(50) };
    text.parse().ok().filter(|limit| (1..=largest).contains(limit)).ok_or_else(|| {
        let text = format!("this must be a number from 1 to {largest}");
        Refusal::at(Code::InvalidRequest, "?limit", text)
    })
}

/// Which page of which list.
pub(crate) struct Paging {
    mark: Mark,
    pub(crate) after: Option<i64>,
    pub(crate) limit: i64,
}

impl Paging {
    /// From `cursor` and `limit`.
    pub(crate) fn of(access: &Access, list: &str, params: &Params, largest: i64) -> Result<Self, Refusal> {
        let mark = mark(access, list, params);
        let after = params
            .get("cursor")
            .map(|cursor| {
                mark.read(cursor).ok_or_else(|| {
                    Refusal::at(Code::BadCursor, "?cursor", "this cursor is not of this list, filter and key")
                })
            })
            .transpose()?;
        let limit = limit(params, largest)?;
        Ok(Self { mark, after, limit })
    }

    pub(crate) fn list<T, U>(&self, page: Page<T>, show: impl Fn(T) -> U) -> List<U> {
        List {
            items: page.items.into_iter().map(show).collect(),
            next: page.next.map(|position| self.mark.write(position)),
        }
    }
}
