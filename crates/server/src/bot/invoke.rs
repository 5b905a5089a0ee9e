//! What an invoke is answered (`docs/protocol.md` section 4.7). Whoever pressed a button on a card waits for it, so
//! there is an answer in time even if nothing could be stored.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nuncio_teams::schema::{Activity, Invoke, InvokeAnswer};
use serde_json::{Value, json};

/// Larger data of a card is left out of the event.
const LARGEST_DETAIL: usize = 16 * 1024;

/// To one that is stored.
pub(super) fn answer(invoke: &Invoke<'_>, received: &str) -> InvokeAnswer {
    match invoke {
        // Nobody pressed anything, and there is no other card than the one that they see.
        Invoke::CardAction(action) if action.automatic => {
            InvokeAnswer::error(400, "NotSupported", "This card does not renew itself.")
        }
        Invoke::CardAction(_) => InvokeAnswer::message(received),
        Invoke::Feedback(_) => InvokeAnswer { status: 200, body: Some(json!({})) },
        Invoke::Malformed("adaptiveCard/action") => {
            InvokeAnswer::error(400, "BadRequest", "This button cannot be read.")
        }
        Invoke::Malformed(_) => InvokeAnswer::bad_request(),
        Invoke::TaskFetch(_)
        | Invoke::TaskSubmit(_)
        | Invoke::FeedbackForm(_)
        | Invoke::FileConsent(_)
        | Invoke::ConnectorCard
        | Invoke::SignIn
        | Invoke::Other(_) => InvokeAnswer::not_implemented(),
    }
}

/// To one that could not be stored, or not in time; by name, as that is all that may be known of it. Teams does not send
/// it again.
pub(super) fn failed(name: &str) -> Option<InvokeAnswer> {
    (name == "adaptiveCard/action")
        .then(|| InvokeAnswer::error(500, "InternalError", "That did not work. Please try again."))
}

/// The name of an invoke in a body that was not looked at otherwise.
pub(super) fn name_in(raw: &[u8]) -> Option<String> {
    let activity: Activity = serde_json::from_slice(raw).ok()?;
    activity.name.filter(|_| activity.activity_type.as_deref() == Some("invoke"))
}

pub(super) fn respond(answer: InvokeAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer.body {
        Some(body) => (status, Json(body)).into_response(),
        None => status.into_response(),
    }
}

/// What somebody did with a card or a message of ours, for the event row.
pub(super) fn detail(activity: &Activity, invoke: Option<&Invoke<'_>>) -> Option<Value> {
    let mut detail = match invoke {
        Some(Invoke::CardAction(action)) if !action.automatic => {
            json!({"card": {"id": action.id, "verb": action.verb, "data": action.data}})
        }
        Some(Invoke::Feedback(feedback)) => {
            json!({"feedback": {"reaction": feedback.reaction, "text": feedback.text}})
        }
        Some(_) => return None,
        None => json!({"card": {"data": activity.submitted()?}}),
    };
    if detail.to_string().len() > LARGEST_DETAIL {
        detail = json!({"left_out": "larger than 16 KB"});
    }
    detail["message"] = activity.reply_to_id.clone().into();
    Some(detail)
}
