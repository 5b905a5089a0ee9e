//! What a method and a path mean. Literal segments match without regard to case; ids come raw or encoded.

use http::Method;

use super::{batch::Audience, path};
use crate::{exchange::Op, refusal::Refusal};

/// What was seen for ids that cannot be one (MicrosoftDocs/bot-docs#681, #1514).
pub(super) const BAD_ID: &str = "Bad format of conversation ID";
/// Above what any id has (guess).
const LONGEST_ID: usize = 1024;
/// `http.sys` takes no longer URL.
const LONGEST_PATH: usize = 16 * 1024;

/// First segments that service URLs have (protocol section 1); after one of them may come a tenant.
const ROOTS: [&str; 14] =
    ["teams", "apis", "amer", "emea", "apac", "au", "ch", "de", "fr", "in", "jp", "uk", "gcc", "_connector"];

pub(super) enum Target {
    Create,
    Send {
        conversation: String,
        reply_to: Option<String>,
    },
    Update {
        conversation: String,
        activity: String,
    },
    Delete {
        conversation: String,
        activity: String,
    },
    Reaction {
        conversation: String,
        activity: String,
        kind: String,
        there: bool,
    },
    ActivityMembers {
        conversation: String,
        activity: String,
    },
    Members {
        conversation: String,
    },
    PagedMembers {
        conversation: String,
    },
    Member {
        conversation: String,
        member: String,
    },
    Team {
        id: String,
    },
    TeamConversations {
        id: String,
    },
    Batch(Audience),
    BatchState {
        operation: String,
    },
    BatchFailed {
        operation: String,
    },
    BatchCancel {
        operation: String,
    },
    Upload {
        conversation: String,
    },
    Attachment {
        id: String,
    },
    AttachmentView {
        id: String,
        view: String,
    },
    Conversations,
    History {
        conversation: String,
    },
    RemoveMember {
        conversation: String,
        member: String,
    },
    Meeting {
        id: String,
    },
    Participant {
        id: String,
        person: String,
    },
    Notification {
        id: String,
    },
    /// No operation; why.
    Refused(Refusal),
}

impl Target {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        match segments(path) {
            Ok(segments) => Self::meant(method.as_str(), &segments),
            Err(refusal) => Self::Refused(refusal),
        }
    }

    fn meant(method: &str, segments: &[String]) -> Self {
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let root = root(&lower);
        let at = |place: usize| segments[root + place].clone();
        let (allowed, target) = match &lower[root..] {
            ["v3", "conversations"] => (
                "POST",
                match method {
                    "POST" => Some(Self::Create),
                    "GET" => Some(Self::Conversations),
                    _ => None,
                },
            ),
            ["v3", "conversations", _, "activities", "history"] => {
                ("POST", (method == "POST").then(|| Self::History { conversation: at(2) }))
            }
            ["v3", "conversations", _, "attachments"] => {
                ("POST", (method == "POST").then(|| Self::Upload { conversation: at(2) }))
            }
            ["v3", "attachments", _] => ("GET", (method == "GET").then(|| Self::Attachment { id: at(2) })),
            ["v3", "attachments", _, "views", _] => {
                ("GET", (method == "GET").then(|| Self::AttachmentView { id: at(2), view: at(4) }))
            }
            ["v1", "meetings", _] => ("GET", (method == "GET").then(|| Self::Meeting { id: at(2) })),
            ["v1", "meetings", _, "participants", _] => {
                ("GET", (method == "GET").then(|| Self::Participant { id: at(2), person: at(4) }))
            }
            ["v1", "meetings", _, "notification"] => {
                ("POST", (method == "POST").then(|| Self::Notification { id: at(2) }))
            }
            ["v3", "conversations", _, "activities"] => {
                ("POST", (method == "POST").then(|| Self::Send { conversation: at(2), reply_to: None }))
            }
            ["v3", "conversations", _, "activities", _] => (
                "POST, PUT, DELETE",
                match method {
                    // The id may be one that was never given out: SDKs put a random one here (protocol section 14).
                    "POST" => Some(Self::Send { conversation: at(2), reply_to: Some(at(4)) }),
                    "PUT" => Some(Self::Update { conversation: at(2), activity: at(4) }),
                    "DELETE" => Some(Self::Delete { conversation: at(2), activity: at(4) }),
                    _ => None,
                },
            ),
            ["v3", "conversations", _, "activities", _, "reactions", _] => (
                "PUT, DELETE",
                matches!(method, "PUT" | "DELETE").then(|| Self::Reaction {
                    conversation: at(2),
                    activity: at(4),
                    kind: at(6),
                    there: method == "PUT",
                }),
            ),
            ["v3", "conversations", _, "activities", _, "members"] => (
                "GET",
                (method == "GET").then(|| Self::ActivityMembers { conversation: at(2), activity: at(4) }),
            ),
            ["v3", "conversations", _, "members"] => {
                ("GET", (method == "GET").then(|| Self::Members { conversation: at(2) }))
            }
            ["v3", "conversations", _, "pagedmembers"] => {
                ("GET", (method == "GET").then(|| Self::PagedMembers { conversation: at(2) }))
            }
            ["v3", "conversations", _, "members", _] => (
                "GET",
                match method {
                    "GET" => Some(Self::Member { conversation: at(2), member: at(4) }),
                    "DELETE" => Some(Self::RemoveMember { conversation: at(2), member: at(4) }),
                    _ => None,
                },
            ),
            ["v3", "teams", _] => ("GET", (method == "GET").then(|| Self::Team { id: at(2) })),
            ["v3", "teams", _, "conversations"] => {
                ("GET", (method == "GET").then(|| Self::TeamConversations { id: at(2) }))
            }
            ["v3", "batch", "conversation", audience @ ("users" | "tenant" | "team" | "channels")] => {
                let audience = match *audience {
                    "users" => Audience::Users,
                    "tenant" => Audience::Tenant,
                    "team" => Audience::Team,
                    _ => Audience::Channels,
                };
                ("POST", (method == "POST").then_some(Self::Batch(audience)))
            }
            ["v3", "batch", "conversation", "failedentries", _] => {
                ("GET", (method == "GET").then(|| Self::BatchFailed { operation: at(4) }))
            }
            ["v3", "batch", "conversation", _] => (
                "GET, DELETE",
                match method {
                    "GET" => Some(Self::BatchState { operation: at(3) }),
                    "DELETE" => Some(Self::BatchCancel { operation: at(3) }),
                    _ => None,
                },
            ),
            _ => return Self::Refused(Refusal::NoSuchPath),
        };
        match target {
            None => Self::Refused(Refusal::MethodNotAllowed(allowed)),
            Some(target) if target.conversation().is_some_and(|id| !is_id(id)) => {
                Self::Refused(Refusal::BadSyntaxAs(BAD_ID))
            }
            Some(target) => target,
        }
    }

    /// The conversation that is meant, or the team.
    pub(super) fn conversation(&self) -> Option<&str> {
        match self {
            Self::Send { conversation, .. }
            | Self::Update { conversation, .. }
            | Self::Delete { conversation, .. }
            | Self::Reaction { conversation, .. }
            | Self::ActivityMembers { conversation, .. }
            | Self::Members { conversation }
            | Self::PagedMembers { conversation }
            | Self::Member { conversation, .. }
            | Self::Upload { conversation }
            | Self::History { conversation }
            | Self::RemoveMember { conversation, .. } => Some(conversation),
            Self::Team { id } | Self::TeamConversations { id } => Some(id),
            Self::Create
            | Self::Batch(_)
            | Self::BatchState { .. }
            | Self::BatchFailed { .. }
            | Self::BatchCancel { .. }
            | Self::Attachment { .. }
            | Self::AttachmentView { .. }
            | Self::Conversations
            | Self::Meeting { .. }
            | Self::Participant { .. }
            | Self::Notification { .. }
            | Self::Refused(_) => None,
        }
    }

    /// What faults, counts and the journal call it; a create in a channel is told by its body.
    pub(super) fn op(&self, in_channel: bool) -> Op {
        match self {
            Self::Create if in_channel => Op::CreateThread,
            Self::Create => Op::Create,
            Self::Send { .. } => Op::Send,
            Self::Update { .. } => Op::Update,
            Self::Delete { .. } => Op::Delete,
            Self::Reaction { .. } => Op::Reaction,
            Self::ActivityMembers { .. }
            | Self::Members { .. }
            | Self::PagedMembers { .. }
            | Self::Member { .. }
            | Self::RemoveMember { .. } => Op::Members,
            Self::Team { .. } | Self::TeamConversations { .. } => Op::Teams,
            Self::Batch(_)
            | Self::BatchState { .. }
            | Self::BatchFailed { .. }
            | Self::BatchCancel { .. } => Op::Batch,
            Self::Upload { .. } | Self::Attachment { .. } | Self::AttachmentView { .. } => Op::Attachments,
            Self::Conversations | Self::History { .. } => Op::Conversations,
            Self::Meeting { .. } | Self::Participant { .. } | Self::Notification { .. } => Op::Meetings,
            Self::Refused(_) => Op::Other,
        }
    }

    /// Whether it looks at the body, which then must be JSON.
    pub(super) fn takes_a_body(&self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Send { .. }
                | Self::Update { .. }
                | Self::Batch(_)
                | Self::Upload { .. }
                | Self::History { .. }
                | Self::Notification { .. }
        )
    }
}

/// The decoded segments of a path. One slash at the end is as none; nothing else may be empty, and nothing climbs.
fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    if path.len() > LONGEST_PATH {
        return Err(Refusal::UrlTooLong);
    }
    let path = path.strip_prefix('/').ok_or(Refusal::BadUrl)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<String> =
        path.split('/').map(path::decode_strictly).collect::<Option<_>>().ok_or(Refusal::BadUrl)?;
    if segments.iter().any(|segment| matches!(segment.as_str(), "" | "." | "..")) {
        return Err(Refusal::NoSuchPath);
    }
    Ok(segments)
}

/// Whether it has the form of a conversation's id, or of a team's: `a:…` or `19:…`. An Entra group's is at least a GUID.
fn is_id(id: &str) -> bool {
    let known = id.starts_with("a:") || id.starts_with("19:") || uuid::Uuid::try_parse(id).is_ok();
    known && id.len() <= LONGEST_ID
}

/// How many segments belong to the service URL.
fn root(lower: &[&str]) -> usize {
    match lower {
        [root, tenant, ..] if ROOTS.contains(root) && uuid::Uuid::try_parse(tenant).is_ok() => 2,
        [root, ..] if ROOTS.contains(root) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(method: &str, path: &str) -> Option<Refusal> {
        match Target::of(&method.parse().unwrap(), path) {
            Target::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    #[test]
    fn paths_that_mean_something() {
        for path in [
            "/teams/v3/conversations",
            "/teams/v3/conversations/",
            "/v3/conversations",
            "/emea/V3/Conversations",
            "/amer/6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913/v3/%63onversations",
        ] {
            assert!(matches!(Target::of(&Method::POST, path), Target::Create), "{path}");
        }
        let path = "/teams/v3/conversations/19%3Aa%40thread.tacv2%3Bmessageid%3D1/activities/a%2Fb";
        match Target::of(&Method::PUT, path) {
            Target::Update { conversation, activity } => {
                assert_eq!(
                    (conversation.as_str(), activity.as_str()),
                    ("19:a@thread.tacv2;messageid=1", "a/b")
                );
            }
            _ => panic!("an update"),
        }
    }

    #[test]
    fn paths_that_mean_nothing() {
        for (path, refusal) in [
            ("/teams//v3/conversations", Refusal::NoSuchPath),
            ("/teams/v3/conversations//", Refusal::NoSuchPath),
            ("//v3/conversations", Refusal::NoSuchPath),
            ("/teams/v3/./conversations", Refusal::NoSuchPath),
            ("/teams/v3/x/../conversations", Refusal::NoSuchPath),
            ("/teams/v3/%2e%2e/conversations", Refusal::NoSuchPath),
            ("/teams/v3%2Fconversations", Refusal::NoSuchPath),
            ("/teams/v3/%2563onversations", Refusal::NoSuchPath),
            ("/other/v3/conversations", Refusal::NoSuchPath),
            ("/teams/v3/conversations/%00/activities", Refusal::BadUrl),
            ("/teams/v3/conversations/a%0d%0ab/activities", Refusal::BadUrl),
            ("/teams/v3/conversations/%zz/activities", Refusal::BadUrl),
            ("/teams/v3/conversations/%4", Refusal::BadUrl),
            ("/teams/v3/conversations/%ff/activities", Refusal::BadUrl),
        ] {
            assert_eq!(refused("POST", path), Some(refusal), "{path}");
        }
        let long = format!("/teams/v3/conversations/{}/activities", "x".repeat(2000));
        assert_eq!(refused("POST", &long).unwrap().status(), 400);
        let strange = refused("POST", "/teams/v3/conversations/abcd/activities");
        assert_eq!(strange, Some(Refusal::BadSyntaxAs(BAD_ID)));
        let longer = format!("/teams/v3/conversations/{}/activities", "x".repeat(20_000));
        assert_eq!(refused("POST", &longer), Some(Refusal::UrlTooLong));
        for method in ["GET", "HEAD", "OPTIONS", "PATCH", "BREW", "post"] {
            let path = "/teams/v3/conversations/a/activities/b";
            assert_eq!(
                refused(method, path),
                Some(Refusal::MethodNotAllowed("POST, PUT, DELETE")),
                "{method}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_path_is_answered(path in "/?[ -~]{0,60}(/(teams|v3|conversations|activities|%[0-9a-zA-Z]{0,2}|\\.\\.|[ -~]{0,8})){0,8}") {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
                if let Some(id) = Target::of(&method, &path).conversation() {
                    prop_assert!(!id.is_empty() && !id.contains(char::is_control));
                }
            }
        }

        #[test]
        fn an_id_survives_encoding(id in "(a|19):[ -~é😀]{1,40}") {
            let encoded = id.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
            let path = format!("/teams/v3/conversations/{encoded}/members");
            let target = Target::of(&Method::GET, &path);
            prop_assert_eq!(target.conversation(), Some(id.as_str()));
        }
    }
}
