//! Pages of lists.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::error::{CallError, Throttle};
use super::json;
use crate::http::Answer;

/// A page. Its links are as they came, unchecked; [`Pages`](super::super::Pages) follows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it. A page may be empty and not be the last.
    pub items: Vec<T>,
    /// Where the next page is.
    pub next_link: Option<String>,
    /// Where the next round of changes starts; on the last page of a round.
    pub delta_link: Option<String>,
    /// How many there are in all, where that was asked for.
    pub count: Option<u64>,
    /// What the page cost, and how much of the limit is used.
    pub throttle: Throttle,
}

/// A page without `value` is not an empty page: it is half an answer.
pub(crate) fn page<T: DeserializeOwned>(answer: &Answer) -> Result<Page<T>, CallError> {
    #[derive(Deserialize)]
    struct Body<T> {
        value: Option<Vec<T>>,
        #[serde(rename = "@odata.nextLink")]
        next_link: Option<String>,
        #[serde(rename = "@odata.deltaLink")]
        delta_link: Option<String>,
        #[serde(rename = "@odata.count")]
        count: Option<u64>,
    }
    let Body { value, next_link, delta_link, count } = json(answer)?;
    let items = value.ok_or(CallError::NoValue)?;
    Ok(Page { items, next_link, delta_link, count, throttle: Throttle::read(answer) })
}
