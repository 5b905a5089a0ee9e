//! Graph for one app in one tenant, within its budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use nuncio_domain::directory::DirectoryError;
use nuncio_teams::cloud::GraphRoot;
use nuncio_teams::graph::{
    Answered, BatchCallError, CallError, Graph, GraphRefusal, GraphRequest, Operation, Page, PageSize, Pages,
};
use nuncio_teams::http::HttpClient;
use nuncio_teams::retry_after::RetryAfter;
use nuncio_teams::token::TokenSource;
use serde::de::DeserializeOwned;

use crate::errors;
use crate::installs::Catalogue;
use crate::pace::Pace;

/// An answer is read to 1 MiB, and the plans of one person can take 17 KB (120 plans of 145 bytes).
const PAGE: u16 = 50;
/// Nobody has so many plans that these are too many.
const LEAST: u16 = 5;

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) graph: Graph,
    tokens: Arc<dyn TokenSource>,
    pub(crate) pace: Pace,
    pub(crate) catalogue: Catalogue,
    /// People of a page. Less, where an answer was too long.
    page: AtomicU16,
}

impl Tenant {
    pub(crate) fn new(http: HttpClient, root: GraphRoot, tokens: Arc<dyn TokenSource>) -> Self {
        let graph = Graph::new(http, root, Arc::clone(&tokens));
        Self { graph, tokens, pace: Pace::new(), catalogue: Catalogue::default(), page: AtomicU16::new(PAGE) }
    }

    pub(crate) fn page_size(&self) -> Option<PageSize> {
        PageSize::new(self.page.load(Ordering::Relaxed))
    }

    /// An answer was too long: pages are smaller from now on, if they can be.
    pub(crate) fn shrink(&self) -> bool {
        let now = self.page.load(Ordering::Relaxed);
        self.page.store((now / 2).max(LEAST), Ordering::Relaxed);
        now > LEAST
    }

    /// Takes a refusal to heart, for the calls that come after it.
    pub(crate) async fn heed(&self, error: &CallError, operation: &Operation) {
        let Some(refused) = error.refused() else { return };
        match &refused.refusal {
            GraphRefusal::Throttled => {
                self.pace.refused(operation, refused.retry_after.map(RetryAfter::wait));
            }
            // A token holds the roles of the time when it was made: one that is given back later is in a new one only.
            GraphRefusal::MissingRole { .. } => {
                if let Ok(token) = self.tokens.token().await {
                    self.tokens.refused(&token).await;
                }
            }
            _ => {}
        }
    }

    /// The next page, within the budget.
    pub(crate) async fn next<T: DeserializeOwned>(&self, pages: &mut Pages<T>) -> Result<Page<T>, CallError> {
        let operation = pages.operation();
        if let Some(operation) = &operation {
            self.pace.take(std::slice::from_ref(operation)).await;
        }
        match (pages.next().await, &operation) {
            (Some(Ok(page)), _) => Ok(page),
            (Some(Err(error)), Some(operation)) => {
                self.heed(&error, operation).await;
                Err(error)
            }
            (Some(Err(error)), None) => Err(error),
            (None, _) => Err(CallError::LinkRepeats),
        }
    }

    /// Asks all of these, as many as may be in one call, and those that are throttled again; what each came to.
    pub(crate) async fn batch(&self, requests: &[GraphRequest]) -> Result<Vec<Answered>, DirectoryError> {
        let operations: Vec<Operation> = requests.iter().map(GraphRequest::operation).collect();
        let mut answers: Vec<Option<Answered>> = vec![None; requests.len()];
        loop {
            let left: Vec<usize> = (0..requests.len()).filter(|n| answers[*n].is_none()).collect();
            if left.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            let wanted: Vec<Operation> = left.iter().map(|n| operations[*n].clone()).collect();
            let now = &left[..self.pace.take(&wanted).await];
            let asked: Vec<GraphRequest> = now.iter().map(|n| requests[*n].clone()).collect();
            let answered = match self.graph.batch(&asked).await {
                Ok(answered) => answered,
                Err(BatchCallError::Call(error)) => {
                    for n in now {
                        self.heed(&error, &operations[*n]).await;
                    }
                    return Err(errors::of_call(&error, None));
                }
                Err(BatchCallError::Batch(error)) => {
                    return Err(DirectoryError::Refused(error.to_string()));
                }
            };
            for (n, answer) in now.iter().zip(answered) {
                let Some(answer) = answer else {
                    return Err(DirectoryError::Unavailable("an answer was left out".to_owned()));
                };
                if answer.status() == 429 {
                    if let Err(error) = answer.done() {
                        self.heed(&error, &operations[*n]).await;
                    }
                } else {
                    answers[*n] = Some(answer);
                }
            }
        }
    }
}
