//! `POST /v1/installs/preview`: what an install run would come to. The body is that of `POST /v1/installs`, checked by the same
//! rules. Nothing is stored, nothing is installed, and an app that has no lane yet gets none.
//!
//! As of `POST /v1/audiences/preview`: it needs the role of who may send (and the right to install), what the directory does
//! not tell within 25 s, or refuses, makes the answer `complete: false`, and it waits for a turn among previews of every kind
//! (`docs/adr/0026`).

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use nuncio_api::{InstallPreview, NewInstall};

use super::preview;
use crate::access::{Caller, CanSend};
use crate::problem::Refusal;
use crate::{body, preview as counting, validate};

const LARGEST: usize = 1024 * 1024;

pub(crate) async fn preview(
    caller: Caller<CanSend>,
    request: Request<Body>,
) -> Result<Json<InstallPreview>, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    let asked: NewInstall = body::json(&raw)?;
    let (_turn, deadline) = preview::turn(&caller).await?;
    let (run, lane) = validate::install_preview(&caller, &asked).await?;
    Ok(Json(counting::install_preview(&caller, &run, lane, deadline).await?))
}
