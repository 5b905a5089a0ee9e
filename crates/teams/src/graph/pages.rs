//! A list, page by page.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use ::http::{HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;

use super::Graph;
use super::error::CallError;
use super::operation::{Kind, Operation};
use super::query::PageSize;
use super::reply::{self, Page};
use super::request::{GraphRequest, consistency, max_page_size};
use crate::cloud::GraphLink;
use crate::http::Request;

/// A list of Graph, page by page. It can be dropped at any page and gone on with from [`Pages::link`].
pub struct Pages<T> {
    graph: Graph,
    next: Next,
    /// With every request: a link does not hold them.
    headers: Vec<(HeaderName, HeaderValue)>,
    followed: HashSet<String>,
    delta_link: Option<String>,
    items: PhantomData<fn() -> T>,
}

enum Next {
    First(GraphRequest),
    Link(GraphLink),
    /// There is more, and it cannot be read.
    Wrong(CallError),
    Ended,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(super) fn of(graph: Graph, first: GraphRequest) -> Self {
        let headers = first.headers().to_vec();
        Self::starting(graph, Next::First(first), headers)
    }

    pub(super) fn from_link(graph: Graph, link: GraphLink) -> Self {
        let cast = Operation::of(&Method::GET, link.as_str()).kind == Kind::TransitiveMembers;
        let headers = if cast { vec![consistency()] } else { Vec::new() };
        let followed = HashSet::from([link.as_str().to_owned()]);
        Self { followed, ..Self::starting(graph, Next::Link(link), headers) }
    }

    fn starting(graph: Graph, next: Next, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { graph, next, headers, followed: HashSet::new(), delta_link: None, items: PhantomData }
    }

    /// How large the pages of a round of changes may be, where `$top` is ignored (protocol section 7.2).
    #[must_use]
    pub fn with_max_page_size(mut self, size: PageSize) -> Self {
        self.headers.push(max_page_size(size));
        self
    }

    /// The next page; `None` after the last one. After an error of the call the same page can be asked for once more.
    ///
    /// A link that is not followed, a page that comes again, and a round of changes without an end are errors that stay:
    /// what was read until then must not be taken for everything.
    pub async fn next(&mut self) -> Option<Result<Page<T>, CallError>> {
        let (request, operation) = match &self.next {
            Next::Ended => return None,
            Next::Wrong(error) => return Some(Err(error.clone())),
            Next::First(first) => (first.to(&self.graph.root), first.operation()),
            Next::Link(link) => (
                Request::new(Method::GET, link.as_str().to_owned()),
                Operation::of(&Method::GET, link.as_str()),
            ),
        };
        let request = Request { headers: self.headers.clone(), ..request };
        let answered = self.graph.ask(&request, &operation).await;
        Some(answered.and_then(|answer| {
            let page = reply::page(&answer)?;
            self.next = self.after(&page, operation.kind);
            Ok(page)
        }))
    }

    fn after(&mut self, page: &Page<T>, kind: Kind) -> Next {
        match &page.next_link {
            Some(link) => match self.graph.root.check_link(link) {
                Err(error) => Next::Wrong(error.into()),
                Ok(_) if !self.followed.insert(link.clone()) => Next::Wrong(CallError::LinkRepeats),
                Ok(link) => Next::Link(link),
            },
            None if kind.is_delta() && page.delta_link.is_none() => Next::Wrong(CallError::NoDeltaLink),
            None => {
                self.delta_link.clone_from(&page.delta_link);
                Next::Ended
            }
        }
    }

    /// The link to the page that comes next, to be stored and gone on from ([`Graph::resume`]). `None` before the first
    /// page and after the last.
    pub fn link(&self) -> Option<&str> {
        match &self.next {
            Next::Link(link) => Some(link.as_str()),
            _ => None,
        }
    }

    /// After the last page of a round of changes: where the next round starts, as it came.
    pub fn delta_link(&self) -> Option<&str> {
        self.delta_link.as_deref()
    }

    /// What the next call will count as; `None` when there is none.
    pub fn operation(&self) -> Option<Operation> {
        match &self.next {
            Next::First(first) => Some(first.operation()),
            Next::Link(link) => Some(Operation::of(&Method::GET, link.as_str())),
            Next::Wrong(_) | Next::Ended => None,
        }
    }

    /// All of it, for lists that are short by nature. All pages, or an error.
    pub async fn all(mut self) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await {
            all.extend(page?.items);
        }
        Ok(all)
    }
}

/// Without links: they may name a person.
impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("followed", &self.followed.len()).finish_non_exhaustive()
    }
}
