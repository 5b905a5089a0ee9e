//! Sends that the service fans out itself (protocol section 5.8). Microsoft documents neither limits nor states, and its
//! SDKs differ in spelling: requests are written as the JavaScript one writes them.

use ::http::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{get, post};
use crate::cloud::ServiceUrl;
use crate::http::{Request, encoded};
use crate::schema::OutboundActivity;

/// Who is to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAudience<'a> {
    /// These people, by `29:…` id or Entra object id.
    Users(&'a [String]),
    /// Everyone in the tenant.
    Tenant,
    /// The members of a team.
    Team(&'a str),
    /// These channels.
    Channels(&'a [String]),
}

/// `POST /v3/batch/conversation/{users,tenant,team,channels}`.
pub fn batch_send(
    service_url: &ServiceUrl,
    tenant_id: &str,
    audience: BatchAudience<'_>,
    activity: &OutboundActivity,
) -> Request {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        team_id: Option<&'a str>,
        tenant_id: &'a str,
        activity: &'a RawValue,
    }

    let ids = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Value>();
    let (to, members, team_id) = match audience {
        BatchAudience::Users(users) => ("users", Some(ids(users)), None),
        BatchAudience::Tenant => ("tenant", None, None),
        BatchAudience::Team(team) => ("team", None, Some(team)),
        BatchAudience::Channels(channels) => ("channels", Some(ids(channels)), None),
    };
    let activity: Box<RawValue> =
        serde_json::from_slice(&activity.to_bytes()).expect("an outbound activity is JSON by construction");
    let body = serde_json::to_vec(&Body { members, team_id, tenant_id, activity: &activity })
        .expect("strings and JSON values always serialise");
    post(service_url.join(&format!("/v3/batch/conversation/{to}")), body.into())
}

/// `GET /v3/batch/conversation/{o}`: how far it has come.
pub fn batch_state(service_url: &ServiceUrl, operation_id: &str) -> Request {
    get(service_url.join(&of_operation(operation_id)))
}

/// `GET /v3/batch/conversation/failedentries/{o}`: whom it failed for.
pub fn batch_failed_entries(
    service_url: &ServiceUrl,
    operation_id: &str,
    continuation_token: Option<&str>,
) -> Request {
    let more =
        continuation_token.map(|token| format!("?continuationToken={}", encoded(token))).unwrap_or_default();
    let path = format!("/v3/batch/conversation/failedentries/{}{more}", encoded(operation_id));
    get(service_url.join(&path))
}

/// `DELETE /v3/batch/conversation/{o}`: stops what has not been sent yet.
pub fn batch_cancel(service_url: &ServiceUrl, operation_id: &str) -> Request {
    Request::new(Method::DELETE, service_url.join(&of_operation(operation_id)))
}

fn of_operation(operation_id: &str) -> String {
    format!("/v3/batch/conversation/{}", encoded(operation_id))
}
