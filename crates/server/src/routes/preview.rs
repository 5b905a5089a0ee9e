//! `POST /v1/audiences/preview`: what a message would come to. The body is that of `POST /v1/messages`, checked by the same
//! rules; the content may be left out. Nothing is stored, nothing is sent, and an app that has no lane yet gets none.
//!
//! It needs the role of who may send, because it may ask Microsoft Graph as much as a message does. What the directory
//! does not tell within 25 s, or refuses, makes the answer `complete: false` (`docs/adr/0026`). Few are counted at a time;
//! others wait for their turn, and are refused (503 `busy`) where too many wait.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use nuncio_api::{Code, NewMessage, Preview};
use tokio::time::Instant;

use crate::access::{Access, Caller, CanSend};
use crate::problem::Refusal;
use crate::turns::Turn;
use crate::{body, preview as counting, validate};

const LARGEST: usize = 1024 * 1024;

pub(crate) async fn preview(
    caller: Caller<CanSend>,
    request: Request<Body>,
) -> Result<Json<Preview>, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    let asked: NewMessage = body::json(&raw)?;
    let (_turn, deadline) = turn(&caller).await?;
    let (message, lane) = validate::preview(&caller, &asked).await?;
    Ok(Json(counting::preview(&caller, &message, lane, deadline).await?))
}

/// Waits for a turn to count, among previews of every kind; until when the directory may be asked in it.
pub(super) async fn turn(access: &Access) -> Result<(Turn<'_>, Instant), Refusal> {
    let turn = access.app().preview_turn().await.ok_or_else(|| {
        Refusal::new(Code::Busy, "as many previews as are counted at a time are under way, and others wait")
    })?;
    Ok((turn, Instant::now() + access.app().preview_within()))
}
