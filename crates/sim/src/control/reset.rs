//! `POST /sim/reset`

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::{org::Description, world::Shared};

/// Makes another organisation: so many people, or one described as in a file of `nuncio sim --org`.
pub(super) async fn reset(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let description: Description = read(&body)?;
    if description.tenant.id.as_ref().is_some_and(|id| !id.eq_ignore_ascii_case(&shared.tenant_id)) {
        return Err(ControlError::bad("tenant.id: the tenant stays what it was at the start"));
    }
    let mut world = shared.world();
    world
        .reset(&description, &shared.tenant_id, &shared.stop)
        .map_err(|problem| ControlError::bad(problem.to_string()))?;
    Ok(Json(json!({
        "tenant_id": shared.tenant_id, "seed": world.org.seed, "people": world.org.len(),
        "teams": world.org.teams.len(), "groups": world.org.groups.len(), "chats": world.org.chats.len(), "states": world.org.by_state(),
    })))
}
