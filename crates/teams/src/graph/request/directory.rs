//! Users and groups of the directory (protocol section 7.2, Paging).

use super::super::query::{List, Query, quoted};
use super::{GraphRequest, encoded};

/// `GET /users`.
pub fn users(list: &List<'_>) -> GraphRequest {
    GraphRequest::get(Query::of("/users".into()).list(list).done())
}

/// `GET /users/{id}`, by object id or user principal name.
pub fn user(id: &str, select: &[&str]) -> GraphRequest {
    GraphRequest::get(Query::of(format!("/users/{}", encoded(id))).select(select).done())
}

/// `GET /users?$filter=mail eq '…'`. Addresses need not be unique: there may be several.
pub fn users_by_mail(mail: &str, select: &[&str]) -> GraphRequest {
    let filter = format!("mail eq {}", quoted(mail));
    GraphRequest::get(Query::of("/users".into()).with("$filter", &filter).select(select).done())
}

/// `GET /users/delta`: everyone, then what changes. `$top` is ignored here, see [`GraphRequest::with_max_page_size`].
pub fn users_delta(select: &[&str]) -> GraphRequest {
    GraphRequest::get(Query::of("/users/delta".into()).select(select).done())
}

/// `GET /groups`.
pub fn groups(list: &List<'_>) -> GraphRequest {
    GraphRequest::get(Query::of("/groups".into()).list(list).done())
}

/// `GET /groups/{id}`.
pub fn group(id: &str, select: &[&str]) -> GraphRequest {
    GraphRequest::get(Query::of(format!("/groups/{}", encoded(id))).select(select).done())
}

/// `GET /groups/delta`. With `members` selected, changes of the membership come too.
pub fn groups_delta(select: &[&str]) -> GraphRequest {
    GraphRequest::get(Query::of("/groups/delta".into()).select(select).done())
}

/// `GET /groups/{id}/members`: people, groups, devices and more, one level deep.
pub fn group_members(id: &str, list: &List<'_>) -> GraphRequest {
    GraphRequest::get(Query::of(format!("/groups/{}/members", encoded(id))).list(list).done())
}

/// `GET /groups/{id}/transitiveMembers/microsoft.graph.user`: the people of a group and of all groups in it.
pub fn transitive_users(id: &str, list: &List<'_>) -> GraphRequest {
    let path = format!("/groups/{}/transitiveMembers/microsoft.graph.user", encoded(id));
    GraphRequest::get(Query::of(path).with("$count", "true").list(list).done()).eventual()
}
