//! `POST /v1/messages`: hands in a message. Answered 202 with `id` and `state` when it is stored; what happens then
//! is seen in the message.
//!
//! With the header `Idempotency-Key` (1 to 255 visible characters) the request can be repeated for 24 hours: the same
//! body gets the first answer again, another body 422 `idempotency_key_reused`, and while the first is still running
//! 409 `request_in_progress`. Everything that is wrong is reported at once, and nothing is stored then.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nuncio_api::{Accepted, Code, IDEMPOTENCY_KEY};
use nuncio_domain::message::{Idempotency, Submitted};
use nuncio_domain::{MessageId, MessageState, NewMessage, Time};

use crate::access::{Access, Caller, CanSend};
use crate::problem::Refusal;
use crate::state::Running;
use crate::{body, validate};

const LARGEST: usize = 1024 * 1024;
const LONGEST_KEY: usize = 255;

pub(crate) async fn send(caller: Caller<CanSend>, request: Request<Body>) -> Result<Response, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    hand_in(&caller, &parts.headers, &[&raw], async || {
        let asked: nuncio_api::NewMessage = body::json(&raw)?;
        validate::message(&caller, &asked).await
    })
    .await
}

/// Stores what `make` makes of a request, or answers one that was made before. `request` is what makes it the same.
pub(super) async fn hand_in(
    caller: &Access,
    headers: &HeaderMap,
    request: &[&[u8]],
    make: impl AsyncFnOnce() -> Result<NewMessage, Refusal>,
) -> Result<Response, Refusal> {
    let idempotency_key = idempotency_key(headers)?;
    let running = match idempotency_key {
        None => None,
        Some(key) => Some(begin(caller, key)?),
    };

    let idempotency = idempotency_key.map(|key| {
        let mut hasher = blake3::Hasher::new();
        for part in request {
            hasher.update(part);
        }
        Idempotency { key: key.to_owned(), body_hash: *hasher.finalize().as_bytes() }
    });
    // Before the checks: what was right then may be past or unknown by now, and still gets its first answer.
    let before = match &idempotency {
        Some(idempotency) => {
            caller.ledger().repeated(caller.scope(), idempotency, caller.app().now()).await?
        }
        None => None,
    };
    let submitted = if let Some(submitted) = before {
        submitted
    } else {
        let mut message = make().await?;
        message.idempotency = idempotency;
        let (id, lane_no, send_at) = (message.id, message.lane_no, message.send_at);
        let submitted = caller.ledger().submit(caller.scope(), message).await?;
        if submitted == Submitted::Stored {
            caller.wake(lane_no);
            return Ok(answer(id, send_at));
        }
        submitted
    };
    drop(running);
    match submitted {
        Submitted::Repeated(first) => {
            // The first answer again: its state then, which follows from `send_at`, not its state now.
            let view = caller.ledger().message(caller.scope(), first).await?;
            Ok(answer(first, view.and_then(|view| view.send_at)))
        }
        // A look-up stores nothing, and what is stored was answered above.
        Submitted::KeyReused | Submitted::Stored => Err(key_reused()),
    }
}

/// Marks a key as being worked on, until the guard is dropped.
pub(super) fn begin(caller: &Access, key: &str) -> Result<Running, Refusal> {
    caller.app().begin(caller.scope().key_no, key).ok_or_else(|| {
        Refusal::new(Code::RequestInProgress, "a request with this Idempotency-Key is being worked on")
    })
}

pub(super) fn key_reused() -> Refusal {
    let text = "this key was used with another body";
    Refusal::at(Code::IdempotencyKeyReused, format!("{IDEMPOTENCY_KEY}:"), text)
}

fn answer(id: MessageId, send_at: Option<Time>) -> Response {
    let accepted = accepted(id, send_at);
    let location = format!("/v1/messages/{}", accepted.id);
    (StatusCode::ACCEPTED, [(LOCATION, location)], Json(accepted)).into_response()
}

fn accepted(id: MessageId, send_at: Option<Time>) -> Accepted {
    let state = if send_at.is_some() { MessageState::Scheduled } else { MessageState::Expanding };
    Accepted { id: id.to_string(), state: state.to_string() }
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
        .map(Some)
        .ok_or_else(|| {
            let text = "this must be 1 to 255 visible ASCII characters";
            Refusal::at(Code::InvalidRequest, format!("{IDEMPOTENCY_KEY}:"), text)
        })
}
