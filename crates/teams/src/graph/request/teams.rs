//! Teams, their channels and members.

use super::{GraphRequest, encoded};

/// `GET /teams/{id}`; the id is that of the team's group in Entra.
pub fn team(id: &str) -> GraphRequest {
    GraphRequest::get(format!("/teams/{}", encoded(id)))
}

/// `GET /teams/{id}/members`.
pub fn team_members(id: &str) -> GraphRequest {
    GraphRequest::get(format!("/teams/{}/members", encoded(id)))
}

/// `GET /teams/{id}/channels`.
pub fn channels(team_id: &str) -> GraphRequest {
    GraphRequest::get(format!("/teams/{}/channels", encoded(team_id)))
}

/// `GET /teams/{id}/channels/{id}/members`: who was added to the channel itself.
pub fn channel_members(team_id: &str, channel_id: &str) -> GraphRequest {
    GraphRequest::get(format!("/teams/{}/channels/{}/members", encoded(team_id), encoded(channel_id)))
}

/// `GET /teams/{id}/channels/{id}/allMembers`: also who has it through another team, and people of other tenants
/// (protocol section 15).
pub fn all_channel_members(team_id: &str, channel_id: &str) -> GraphRequest {
    GraphRequest::get(format!("/teams/{}/channels/{}/allMembers", encoded(team_id), encoded(channel_id)))
}
