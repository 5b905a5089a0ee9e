//! `GET /v1/reachability.csv`: everybody and whether they can be reached, one line for each, columns as in
//! [`nuncio_api::REACHABILITY_COLUMNS`]; filtered as `GET /v1/people` is.
//!
//! It is read and written page by page, so its size does not matter; a line shows its recipient as of when its page was
//! read. If the database fails on the way the answer is cut off, which a client can tell from a whole one. Cells that a
//! spreadsheet would take for a formula begin with `'`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use nuncio_api::REACHABILITY_COLUMNS;
use nuncio_domain::Time;
use nuncio_domain::people::{PeopleFilter, Person};
use nuncio_domain::views::Page;
use tokio::task::JoinHandle;

use super::people::{FILTERS, filter};
use crate::access::{Access, Caller, CanRead};
use crate::cells;
use crate::problem::Refusal;
use crate::query::Params;
use crate::times;

/// Of a size that holds up no other request for long; a look of the store is up to 5,000 rows.
const PAGE: i64 = 1000;
/// What a line takes, nearly always.
const LINE: usize = 320;

pub(crate) async fn csv(caller: Caller<CanRead>, params: Params) -> Result<Response, Refusal> {
    let params = params.only(&FILTERS)?;
    let filter = filter(&caller, &params).await?;
    let access = Access::clone(&caller);
    // The first page decides between a refusal and an answer.
    let first = page(&access, &filter, None).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"reachability.csv\""),
    ];
    let filter = Arc::new(filter);
    let chunks = stream::try_unfold(State::First(first), move |state| {
        let (access, filter) = (access.clone(), Arc::clone(&filter));
        async move { next(access, filter, state).await }
    });
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// What is to be written next.
enum State {
    First(Page<Person>),
    /// It is read while the one before is written.
    Coming(JoinHandle<Result<Page<Person>, Refusal>>),
    End,
}

/// Only its being an error matters: it cuts the answer off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the report could not be read on")]
    Read,
    #[error("the report could not be written")]
    Write(#[from] csv::Error),
}

async fn next(
    access: Access,
    filter: Arc<PeopleFilter>,
    state: State,
) -> Result<Option<(Bytes, State)>, Cut> {
    let (current, with_header) = match state {
        State::First(first) => (first, true),
        State::Coming(coming) => (coming.await.map_err(|_| Cut::Read)?.map_err(|_| Cut::Read)?, false),
        State::End => return Ok(None),
    };
    let following = match current.next {
        Some(after) => State::Coming(tokio::spawn(async move { page(&access, &filter, Some(after)).await })),
        None => State::End,
    };
    // Elsewhere: this thread has the following page and other requests to see to.
    let written = tokio::task::spawn_blocking(move || lines(&current.items, with_header));
    Ok(Some((written.await.map_err(|_| Cut::Read)??, following)))
}

async fn page(access: &Access, filter: &PeopleFilter, after: Option<i64>) -> Result<Page<Person>, Refusal> {
    Ok(access.registry().people(access.scope(), filter, after, PAGE).await?)
}

fn lines(people: &[Person], with_header: bool) -> Result<Bytes, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(people.len() * LINE));
    if with_header {
        writer.write_record(REACHABILITY_COLUMNS)?;
    }
    for person in people {
        line(&mut writer, person)?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Bytes::from(bytes))
}

fn line(writer: &mut csv::Writer<Vec<u8>>, person: &Person) -> Result<(), csv::Error> {
    let state = person.state();
    let known = person.known();
    let evidence = known.as_ref().map(|known| &known.evidence);
    let time = |at: Option<Time>| at.map(times::text).unwrap_or_default();
    let since = time(person.since);
    let heard_at = known.as_ref().map(|known| known.at);
    // Mostly the same.
    let heard_at = if heard_at == person.since { since.clone() } else { time(heard_at) };
    let status = evidence.and_then(|evidence| evidence.status).map(|status| status.to_string());
    let contradicted_at = time(person.contradicted_by.as_ref().map(|known| known.at));
    let opted_out_since = time(person.opted_out_at);
    let cells: [&str; REACHABILITY_COLUMNS.len()] = [
        &person.key,
        person.kind.as_str(),
        person.upn.as_deref().unwrap_or_default(),
        person.name.as_deref().unwrap_or_default(),
        &person.app,
        &person.tenant,
        state.as_str(),
        &since,
        evidence.map_or("", |evidence| evidence.how.as_str()),
        status.as_deref().unwrap_or_default(),
        evidence.and_then(|evidence| evidence.code.as_deref()).unwrap_or_default(),
        evidence.map_or("", |evidence| &evidence.text),
        &heard_at,
        if state == person.reach { "" } else { person.reach.as_str() },
        &contradicted_at,
        &opted_out_since,
        if person.has_reference { "true" } else { "false" },
    ];
    cells::line(writer, cells)
}
