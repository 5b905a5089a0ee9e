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
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use nuncio_api::REACHABILITY_COLUMNS;
use nuncio_domain::Time;
use nuncio_domain::people::{PeopleFilter, Person};

use super::people::{FILTERS, filter};
use crate::access::{Access, Caller, CanRead};
use crate::cells;
use crate::problem::Refusal;
use crate::query::Params;
use crate::times;

/// Numbers of recipients that are looked at together: so few that a page holds up no other request for long.
const PAGE: i64 = 1_000;
/// Pages that are worked on at a time: while one is written the next is read.
const AT_A_TIME: usize = 2;
/// Bytes of a line, nearly always.
const LINE: usize = 320;

pub(crate) async fn csv(caller: Caller<CanRead>, params: Params) -> Result<Response, Refusal> {
    let params = params.only(&FILTERS)?;
    let filter = Arc::new(filter(&caller, &params).await?);
    let access = Access::clone(&caller);
    // Whoever comes after this is in the next report.
    let last = access.registry().last_recipient().await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"reachability.csv\""),
    ];
    let header = future::ready(lines(&[], true).map_err(Cut::from));
    let pages = stream::iter((0..last).step_by(PAGE as usize)).map(move |above| {
        // Begun at once, whoever reads the answer.
        let page = tokio::spawn(page(access.clone(), Arc::clone(&filter), (above, last.min(above + PAGE))));
        async move { page.await.map_err(|_| Cut::Read)? }
    });
    let chunks = stream::once(header).chain(pages.buffered(AT_A_TIME));
    // An empty chunk would be the end.
    let chunks = chunks.try_filter(|chunk| future::ready(!chunk.is_empty()));
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// Only its being an error matters: it cuts the answer off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the report could not be read on")]
    Read,
    #[error("the report could not be written")]
    Write(#[from] csv::Error),
}

async fn page(access: Access, filter: Arc<PeopleFilter>, numbers: (i64, i64)) -> Result<Bytes, Cut> {
    let people = access.registry().people_between(access.scope(), &filter, numbers).await;
    let people = people.map_err(|error| {
        tracing::warn!(%error, "a report of reachability is cut off");
        Cut::Read
    })?;
    // Elsewhere: this thread has other requests to see to.
    let written = tokio::task::spawn_blocking(move || lines(&people, false));
    Ok(written.await.map_err(|_| Cut::Read)??)
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
