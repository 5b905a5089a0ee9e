//! `POST /v1/audiences`: uploads a list of people, as CSV or NDJSON, for messages of one app in one tenant (`app` and
//! `tenant`, needed only where there are several). Answered 201 when it is stored. With the header `Idempotency-Key` the
//! request can be repeated for 24 hours, as that for a message: the same list is answered with the first one, as it is by
//! then, unless that was deleted. Every line that is wrong is told, and nothing is stored then. Names are looked up
//! afterwards, by the owner of the lane, and a message to the list waits for that.
//!
//! `GET /v1/audiences` (filtered by `app` and `tenant`), `GET /v1/audiences/{id}`, with the names that are not exactly one
//! person's, and `DELETE`, which may be sent again if it failed on its way.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nuncio_api::{Code, LIST_CSV, LIST_NDJSON, List};
use nuncio_domain::AudienceId;
use nuncio_domain::directory::Asker;
use nuncio_domain::lists::{Added, Deleted, NewList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::PeopleFilter;

use super::send::{begin, idempotency_key, key_reused};
use super::{id, tenant};
use crate::access::{Access, Caller, CanRead, CanSend};
use crate::body::{self, Unread};
use crate::lists::{Entries, Format, parse};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::validate::{Asked, Findings, directory_code, find_lane};
use crate::views;

/// A million lines of object ids are 36 MiB.
const LARGEST: usize = 64 * 1024 * 1024;
/// 64 MiB over a line of 5 Mbit/s.
const ARRIVES_WITHIN: Duration = Duration::from_mins(2);
const LARGEST_PAGE: i64 = 1000;
const LONGEST_NAME: usize = 100;
/// Names that are shown of those that are not exactly one person's.
const MOST_SHOWN: i64 = 1000;

pub(crate) async fn upload(
    caller: Caller<CanSend>,
    params: Params,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let params = params.only(&["app", "tenant", "name"])?;
    let (parts, unread) = request.into_parts();
    let list = AudienceId(caller.app().new_uuid());
    // Each holds its whole list in memory, so that few are taken at a time.
    let turn = caller.app().upload_turn().await;
    // First of all, or a client that is still writing would see a reset instead of an answer.
    let raw =
        body::read_within(&parts.headers, unread, LARGEST, ARRIVES_WITHIN).await.map_err(unread_list)?;
    let format = format(&parts.headers)?;
    let key = idempotency_key(&parts.headers)?;
    // Apart from the keys of messages, none of which has a space.
    let running = key.map(|key| begin(&caller, &format!("lists {key}"))).transpose()?;
    let mut asked_for = vec![content_type(format).as_bytes()];
    asked_for.extend(["app", "tenant", "name"].map(|word| params.get(word).unwrap_or_default().as_bytes()));
    let idempotency = key.map(|key| Idempotency { key: key.to_owned(), body_hash: hash(&asked_for, &raw) });
    let before = match &idempotency {
        Some(key) => caller.registry().list_repeated(caller.scope(), key, caller.app().now()).await?,
        None => None,
    };
    let added = match before {
        Some(before) => before,
        None => store(&caller, &params, (format, raw), (list, idempotency)).await?,
    };
    drop((turn, running));
    let list = match added {
        Added::Stored => list,
        Added::Repeated(first) => first,
        Added::KeyReused => return Err(key_reused()),
    };
    let stored = caller.registry().list(caller.scope(), list).await?;
    let stored = stored.ok_or_else(|| Refusal::not_found("list"))?;
    let location = format!("/v1/audiences/{list}");
    let answer = Json(views::uploaded_list(stored, Vec::new()));
    Ok((StatusCode::CREATED, [(LOCATION, location)], answer).into_response())
}

/// Checks a list as a whole, and stores it under this id.
async fn store(
    caller: &Access,
    params: &Params,
    (format, raw): (Format, Bytes),
    (id, idempotency): (AudienceId, Option<Idempotency>),
) -> Result<Added, Refusal> {
    let mut findings = Findings::default();
    let name = name(&mut findings, params.get("name"));
    let asked = Asked { app: params.get("app"), tenant: params.get("tenant"), mark: '?' };
    let lane = find_lane(&mut findings, caller, asked).await?;
    findings.none()?;
    let (app, tenant) = lane.expect("a missing lane was found above");

    // Long work, beside which others are answered.
    let entries = tokio::task::spawn_blocking(move || parse(format, &raw)).await.map_err(|error| {
        tracing::error!(%error, "a list could not be read");
        Refusal::new(Code::Internal, "the list could not be read")
    })??;
    if let Some(listed) = entries.names.first() {
        let ready = caller.directory().ready(Asker { app: &app, tenant: &tenant });
        ready.map_err(|error| {
            let pointer = format!("/line/{}", listed.line);
            Refusal::at(directory_code(&error), pointer, error.to_string())
        })?;
    }
    // Only now, so that a refused request leaves no lane behind.
    let lane_no = caller.app().lane_no(&app, &tenant).await?;
    let Entries { lines, blanks, duplicates, people, names, .. } = entries;
    let created_at = caller.app().now();
    let to_look_up = !names.is_empty();
    let new =
        NewList { id, lane_no, name, lines, blanks, duplicates, people, names, created_at, idempotency };
    let added = caller.registry().add_list(caller.scope(), new).await?;
    if to_look_up {
        caller.wake(lane_no);
    }
    Ok(added)
}

/// What makes a request the same: each part with its length before it, so that no two run into each other.
fn hash(parts: &[&[u8]], raw: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts.iter().chain([&raw]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

pub(crate) async fn list(
    caller: Caller<CanRead>,
    params: Params,
) -> Result<Json<List<nuncio_api::UploadedList>>, Refusal> {
    let params = params.only(&["app", "tenant", "cursor", "limit"])?;
    let filter =
        PeopleFilter { app: params.owned("app"), tenant: tenant(&params), ..PeopleFilter::default() };
    let paging = Paging::of(&caller, "audiences", &params, LARGEST_PAGE)?;
    let page = caller.registry().lists(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, |list| views::uploaded_list(list, Vec::new()))))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Json<nuncio_api::UploadedList>, Refusal> {
    params.only(&[])?;
    let list = caller.registry().list(caller.scope(), id(&text, "list")?).await?;
    let list = list.ok_or_else(|| Refusal::not_found("list"))?;
    let unresolved = caller.registry().unresolved(list.list_no, MOST_SHOWN).await?;
    Ok(Json(views::uploaded_list(list, unresolved)))
}

pub(crate) async fn delete(
    caller: Caller<CanSend>,
    Path(text): Path<String>,
    params: Params,
) -> Result<StatusCode, Refusal> {
    params.only(&[])?;
    let now = caller.app().now();
    match caller.registry().delete_list(caller.scope(), id(&text, "list")?, now).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::InUse => Err(Refusal::new(Code::ListInUse, "a message is being worked out from this list")),
        Deleted::NotFound => Err(Refusal::not_found("list")),
    }
}

fn unread_list(unread: Unread) -> Refusal {
    match unread {
        Unread::TooLarge { .. } => Refusal::new(
            Code::BodyTooLarge,
            "a list has 64 MiB and 1,000,000 lines at most: split it, and name all its parts in `audience.lists`",
        ),
        other => other.into(),
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    [Format::Csv, Format::Ndjson]
        .into_iter()
        .find(|format| given.eq_ignore_ascii_case(content_type(*format)))
        .ok_or_else(|| {
            let text = format!("a list is {LIST_CSV} or {LIST_NDJSON}");
            Refusal::at(Code::UnsupportedMediaType, "content-type:", text)
        })
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Csv => LIST_CSV,
        Format::Ndjson => LIST_NDJSON,
    }
}

fn name(findings: &mut Findings, name: Option<&str>) -> Option<String> {
    let name = name?.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        findings.add(Code::InvalidValue, "?name", "this must be 1 to 100 visible characters");
    }
    Some(name.to_owned())
}
