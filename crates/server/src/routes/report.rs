//! `GET /v1/messages/{id}/report.csv`: who got what, one line per recipient, columns as in
//! [`nuncio_api::REPORT_COLUMNS`].
//!
//! It is read and written page by page, so its size does not matter; a line shows its recipient as of when its page
//! was read. If the database fails on the way the answer is cut off, which a client can tell from a whole one. Cells
//! that a spreadsheet would take for a formula begin with `'`.

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use nuncio_api::{Delivery, REPORT_COLUMNS};
use nuncio_domain::views::{DeliveryFilter, DeliveryView, Page};
use nuncio_domain::{DeliveryState, MessageId};

use super::message_id;
use crate::access::{Access, Caller, CanRead};
use crate::cells;
use crate::problem::Refusal;
use crate::query::Params;
use crate::views;

const PAGE: i64 = 1000;

pub(crate) async fn csv(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    params.only(&[])?;
    of(&caller, message_id(&id)?, None).await
}

/// The same of any kind of message; `done` is its word for what is delivered, if it has another.
pub(super) async fn of(
    caller: &Access,
    id: MessageId,
    done: Option<&'static str>,
) -> Result<Response, Refusal> {
    // The first page decides between 404 and an answer.
    let first = page(caller, id, None).await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}-report.csv\"")),
    ];
    let access = Access::clone(caller);
    let chunks = stream::try_unfold(State::First(first), move |state| {
        let access = access.clone();
        async move { next(&access, (id, done), state).await }
    });
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// What is to be written next.
enum State {
    First(Page<DeliveryView>),
    After(i64),
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
    access: &Access,
    (id, done): (MessageId, Option<&'static str>),
    state: State,
) -> Result<Option<(Bytes, State)>, Cut> {
    let (page, with_header) = match state {
        State::First(page) => (page, true),
        State::After(after) => (page(access, id, Some(after)).await.map_err(|_| Cut::Read)?, false),
        State::End => return Ok(None),
    };
    let following = page.next.map_or(State::End, State::After);
    let shown = page.items.into_iter().map(|view| {
        let done = done.filter(|_| view.state == DeliveryState::Delivered);
        let delivery = views::delivery(id, view);
        match done {
            Some(done) => Delivery { state: done.to_owned(), ..delivery },
            None => delivery,
        }
    });
    let chunk = lines(shown, with_header)?;
    Ok(Some((chunk, following)))
}

async fn page(access: &Access, id: MessageId, after: Option<i64>) -> Result<Page<DeliveryView>, Refusal> {
    access
        .ledger()
        .deliveries(access.scope(), id, &DeliveryFilter::default(), after, PAGE)
        .await?
        .ok_or_else(|| Refusal::not_found("message"))
}

fn lines(deliveries: impl Iterator<Item = Delivery>, with_header: bool) -> Result<Bytes, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if with_header {
        writer.write_record(REPORT_COLUMNS)?;
    }
    for delivery in deliveries {
        let some = Option::unwrap_or_default;
        let cells: [String; REPORT_COLUMNS.len()] = [
            delivery.recipient,
            some(delivery.upn),
            some(delivery.name),
            delivery.state,
            some(delivery.reason),
            delivery.status.map(|status| status.to_string()).unwrap_or_default(),
            some(delivery.code),
            some(delivery.text),
            some(delivery.correlation_id),
            some(delivery.activity_id),
            delivery.attempts.to_string(),
            some(delivery.first_at),
            some(delivery.last_at),
        ];
        cells::line(&mut writer, cells.iter().map(String::as_str))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Bytes::from(bytes))
}
