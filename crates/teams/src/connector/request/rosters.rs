//! Who is in a conversation, and what a team consists of (protocol section 5.5).

use super::get;
use crate::cloud::ServiceUrl;
use crate::http::{Request, encoded};
use crate::schema::thread_of;

/// `GET /v3/conversations/{c}/members`: all at once. For teams it is deprecated, cut at 10,000 and held to 5 calls a
/// minute: [`paged_members`] is for them. Of a channel's thread the channel is asked.
pub fn members(service_url: &ServiceUrl, conversation_id: &str) -> Request {
    get(service_url.join(&format!("/v3/conversations/{}/members", encoded(thread_of(conversation_id)))))
}

/// `GET /v3/conversations/{c}/members/{m}`. Of a channel's thread the channel is asked.
pub fn member(service_url: &ServiceUrl, conversation_id: &str, member_id: &str) -> Request {
    let conversation = encoded(thread_of(conversation_id));
    get(service_url.join(&format!("/v3/conversations/{conversation}/members/{}", encoded(member_id))))
}

/// `GET /v3/conversations/{c}/pagedmembers`. Fewer than 50 a page are 50, more than 500 are 500.
pub fn paged_members(
    service_url: &ServiceUrl,
    conversation_id: &str,
    page_size: u32,
    continuation_token: Option<&str>,
) -> Request {
    let conversation = encoded(thread_of(conversation_id));
    let more =
        continuation_token.map(|token| format!("&continuationToken={}", encoded(token))).unwrap_or_default();
    get(service_url
        .join(&format!("/v3/conversations/{conversation}/pagedmembers?pageSize={page_size}{more}")))
}

/// `GET /v3/conversations/{c}/activities/{a}/members`: who sees a message.
pub fn activity_members(service_url: &ServiceUrl, conversation_id: &str, activity_id: &str) -> Request {
    get(service_url.join(&format!("{}/members", super::of_activity(conversation_id, activity_id))))
}

/// `GET /v3/teams/{t}`; `team_id` is the `19:…` one, not that of the group in Entra.
pub fn team(service_url: &ServiceUrl, team_id: &str) -> Request {
    get(service_url.join(&format!("/v3/teams/{}", encoded(team_id))))
}

/// `GET /v3/teams/{t}/conversations`: its channels.
pub fn team_channels(service_url: &ServiceUrl, team_id: &str) -> Request {
    get(service_url.join(&format!("/v3/teams/{}/conversations", encoded(team_id))))
}
