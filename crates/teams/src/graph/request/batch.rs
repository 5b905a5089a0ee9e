//! Several requests in one (protocol section 7.2, Batching).

use ::http::Method;
use serde_json::{Value, json};

use super::GraphRequest;

/// As many as Microsoft takes in one batch.
pub const BATCH_MOST: usize = 20;

/// Why there is no such batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Nothing is asked for.
    #[error("a batch of nothing")]
    Empty,
    /// More than [`BATCH_MOST`].
    #[error("a batch holds at most {BATCH_MOST} requests, not {0}")]
    TooMany(usize),
}

/// `POST /$batch`: all of them side by side. Their ids are their positions, from 1.
pub fn batch(requests: &[GraphRequest]) -> Result<GraphRequest, BatchError> {
    match requests.len() {
        0 => return Err(BatchError::Empty),
        1..=BATCH_MOST => {}
        more => return Err(BatchError::TooMany(more)),
    }
    let items: Vec<Value> =
        requests.iter().zip(1..).map(|(request, id): (_, u32)| request.item(&id.to_string())).collect();
    Ok(GraphRequest::new(Method::POST, "/$batch".to_owned(), Some(json!({ "requests": items }))))
}
