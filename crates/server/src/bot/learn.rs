//! What an activity tells us of people, channels, chats and teams (`docs/protocol.md` section 4; `docs/delivery.md`,
//! Reachability).
//!
//! Only what happens in a personal conversation says that a person can be reached in one: who writes in a channel may
//! never have had the app, and who blocked it there stays blocked (section 4.4). Only such a conversation is kept as a
//! reference of theirs.

mod evidence;
mod places;
#[cfg(test)]
mod tests;

pub(super) use places::{is_install, of_channel};

use std::time::Duration;

use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::{ReachEvidence, ReachState, Time};
use nuncio_teams::inbound::Verified;
use nuncio_teams::schema::{
    Activity, ActivityKind, ChannelAccount, ConversationKind, ConversationUpdate, InstallationAction,
    TeamEvent,
};

use super::invoke::detail;
use crate::times;

/// Names come from outside; longer ones are cut.
const LONGEST_NAME: usize = 256;
/// How far the time of an activity may be ahead of ours.
const AHEAD: Duration = Duration::from_hours(24);

/// What an activity says of whether the conversation it is about can be posted to.
type Reach = Option<(ReachState, ReachEvidence)>;

/// What is to be stored; nothing for activities that teach nothing.
pub(super) fn learned(verified: &Verified, app: String, now: Time, raw: &[u8]) -> Option<Learned> {
    let activity = &verified.activity;
    let kind = activity.kind();
    let (what, reach) = meaning(&kind)?;
    let personal = activity.conversation_kind() == Some(ConversationKind::Personal);
    Some(Learned {
        app,
        tenant: verified.tenant_id.to_ascii_lowercase(),
        service_url: verified.service_url.as_str().to_owned(),
        at: now,
        event: event(activity, &kind, raw),
        what: what.to_owned(),
        people: people(verified, &kind, personal, (&reach, sent_at(activity, now))),
        places: places::places(activity, &kind, &reach),
        team: places::team(verified, &kind),
        detail: match &kind {
            ActivityKind::Invoke(invoke) => detail(activity, Some(invoke)),
            _ => detail(activity, None),
        },
        say: None,
        evidence: evidence::evidence(activity, &kind),
        left: None,
    })
}

/// When it was sent, by Microsoft's clock. One that is a day ahead of ours is not believed: what comes after it would be
/// late until then.
fn sent_at(activity: &Activity, now: Time) -> Option<Time> {
    let sent_at = times::parse(activity.timestamp.as_deref()?)?;
    (sent_at <= now + AHEAD).then_some(sent_at)
}

/// The word for the event, and what it says of the conversation.
fn meaning(kind: &ActivityKind<'_>) -> Option<(&'static str, Reach)> {
    let reachable = |evidence: &str| Some((ReachState::Reachable, ReachEvidence::event(evidence)));
    let removed = |evidence: &str| Some((ReachState::Removed, ReachEvidence::event(evidence)));
    let word = |evidence: &str| Some((ReachState::Reachable, ReachEvidence::person(evidence)));
    Some(match kind {
        ActivityKind::Installation(InstallationAction::Add | InstallationAction::AddUpgrade) => {
            ("install", reachable("the app was installed"))
        }
        ActivityKind::Installation(InstallationAction::Remove | InstallationAction::RemoveUpgrade) => {
            ("remove", removed("the app was removed"))
        }
        ActivityKind::Installation(InstallationAction::Other) => return None,
        ActivityKind::ConversationUpdate(update) if update.bot_added => {
            ("install", reachable("the app was added to the conversation"))
        }
        ActivityKind::ConversationUpdate(update) if update.bot_removed => {
            ("remove", removed("the app was removed from the conversation"))
        }
        ActivityKind::ConversationUpdate(update) => ("conversation", of_event(update)),
        ActivityKind::Message => ("message", word("they wrote to the app")),
        ActivityKind::MessageUpdate => ("edit", word("they edited what they wrote")),
        ActivityKind::MessageUndelete => ("edit", word("they restored what they wrote")),
        ActivityKind::MessageReaction(_) => ("reaction", word("they reacted to a message")),
        ActivityKind::Invoke(_) => ("invoke", word("they used a card or command")),
        // Someone can delete or read after having blocked or removed the app.
        ActivityKind::MessageDelete => ("delete", None),
        ActivityKind::ReadReceipt(_) => ("read", None),
        ActivityKind::MeetingStart(_)
        | ActivityKind::MeetingEnd(_)
        | ActivityKind::MeetingJoin(_)
        | ActivityKind::MeetingLeave(_) => ("meeting", None),
        ActivityKind::Event(_) | ActivityKind::Other(_) => return None,
    })
}

/// What becomes of the channel that a team's event names.
fn of_event(update: &ConversationUpdate<'_>) -> Reach {
    let event = update.event?;
    let state = match event {
        TeamEvent::ChannelCreated | TeamEvent::ChannelRestored | TeamEvent::TeamRestored => {
            ReachState::Reachable
        }
        TeamEvent::ChannelDeleted | TeamEvent::TeamDeleted | TeamEvent::TeamHardDeleted => {
            ReachState::ChatGone
        }
        _ => return None,
    };
    Some((state, ReachEvidence::event(said(event))))
}

fn said(event: TeamEvent<'_>) -> String {
    format!("Teams said {}", event.as_str())
}

/// What makes it the same activity when it comes again.
fn event(activity: &Activity, kind: &ActivityKind<'_>, raw: &[u8]) -> (String, String) {
    let conversation = activity.conversation_id().unwrap_or_default().to_owned();
    let id = match activity.id.as_deref().filter(|id| !id.is_empty()) {
        None => blake3::hash(raw).to_string(),
        // These have the id of the message that they are about, which came before under the same one.
        Some(id)
            if matches!(
                kind,
                ActivityKind::MessageUpdate | ActivityKind::MessageUndelete | ActivityKind::MessageDelete
            ) =>
        {
            let kind = activity.activity_type.as_deref().unwrap_or_default();
            format!("{id};{kind};{}", activity.timestamp.as_deref().unwrap_or_default())
        }
        Some(id) => id.to_owned(),
    };
    (conversation, id)
}

/// The people that it is about and the one that it is from. A personal conversation is that of the first.
fn people(
    verified: &Verified,
    kind: &ActivityKind<'_>,
    personal: bool,
    (reach, sent_at): (&Reach, Option<Time>),
) -> Vec<SeenPerson> {
    let activity = &verified.activity;
    let members: Vec<&ChannelAccount> = match kind {
        ActivityKind::ConversationUpdate(update) => {
            update.members_added.iter().chain(&update.members_removed).copied().collect()
        }
        _ => Vec::new(),
    };
    let mut people: Vec<SeenPerson> = Vec::new();
    for account in members.into_iter().chain(&activity.from).filter(|account| !is_bot(account)) {
        let Some(object_id) = object_id(account, verified.unsigned) else { continue };
        if people.iter().any(|person| person.object_id == object_id) {
            continue;
        }
        let theirs = personal && people.is_empty();
        people.push(SeenPerson {
            object_id,
            mri: account.id.clone().filter(|id| id.starts_with("29:")),
            name: account.name.as_deref().and_then(name),
            upn: account.user_principal_name().and_then(name),
            conversation_id: activity.conversation_id().filter(|_| theirs).map(str::to_owned),
            reach: reach.clone().filter(|_| theirs),
            sent_at,
        });
    }
    people
}

fn is_bot(account: &ChannelAccount) -> bool {
    account.id.as_deref().is_some_and(|id| id.starts_with("28:"))
}

/// Microsoft's are GUIDs. Agents Playground's are not quite, and it only ever speaks to `--local` servers.
fn object_id(account: &ChannelAccount, unsigned: bool) -> Option<String> {
    let id = account.object_id()?;
    let odd = || {
        unsigned
            .then(|| id.to_ascii_lowercase())
            .filter(|id| id.len() <= 64 && !id.contains(char::is_control))
    };
    crate::validate::guid(id).or_else(odd)
}

fn name(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!text.is_empty()).then_some(text)
}
