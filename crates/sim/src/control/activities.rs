//! `POST /sim/activities`: any activity with any token, to try a bot's endpoint.

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, people::first_bot, read};
use crate::{
    events::{
        forge::{TokenOrder, complete},
        post::post,
    },
    world::Shared,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    activity: Value,
    #[serde(default)]
    token: TokenOrder,
    /// The first bot when absent
    app_id: Option<String>,
}

pub(super) async fn send(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let order: Order = read(&body)?;
    let (app, activity, authorisation) = {
        let world = shared.world();
        let app = match &order.app_id {
            Some(app_id) => world.bot(app_id).map(|(app, _)| app),
            None => first_bot(&world),
        };
        let app = app.ok_or_else(|| ControlError::not_found("no such bot"))?;
        let bot = &world.bots[usize::from(app)];
        if bot.endpoint.is_none() {
            return Err(ControlError::conflict("the bot has no endpoint"));
        }
        let activity = complete(&shared, &world, app, &order.activity).map_err(ControlError::bad)?;
        let authorisation = order.token.authorisation(&shared, bot).map_err(ControlError::bad)?;
        (app, activity, authorisation)
    };
    let answer = post(&shared, app, &activity, 1, authorisation).await;
    Ok(Json(json!({"status": answer.status, "body": answer.body, "activity": activity})))
}
