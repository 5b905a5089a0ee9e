//! What an activity tells us of people and channels (`docs/protocol.md` section 4; `docs/delivery.md`, Reachability).
//!
//! Only what happens in a personal conversation says that a person can be reached in one: who writes in a channel may
//! never have had the app, and who blocked it there stays blocked (section 4.4). Only such a conversation is kept as a
//! reference of theirs.

use nuncio_domain::people::{Learned, SeenChannel, SeenPerson};
use nuncio_domain::{ReachState, Time};
use nuncio_teams::inbound::Verified;
use nuncio_teams::schema::{
    Activity, ActivityKind, ChannelAccount, ConversationKind, ConversationUpdate, InstallationAction,
    thread_of,
};

/// Names come from outside; longer ones are cut.
const LONGEST_NAME: usize = 256;

/// What an activity says of whether the conversation it is about can be posted to.
type Reach = Option<(ReachState, String)>;

/// What is to be stored; nothing for activities that teach nothing.
pub(super) fn learned(verified: &Verified, app: String, now: Time, raw: &[u8]) -> Option<Learned> {
    let activity = &verified.activity;
    let kind = activity.kind();
    let (what, reach) = meaning(&kind)?;
    let personal = activity.conversation_kind() == Some(ConversationKind::Personal);
    let in_channel = activity.conversation_kind() == Some(ConversationKind::Channel);
    Some(Learned {
        app,
        tenant: verified.tenant_id.to_ascii_lowercase(),
        service_url: verified.service_url.as_str().to_owned(),
        at: now,
        event: event(activity, &kind, raw),
        what: what.to_owned(),
        person: person(activity, &kind, personal, &reach),
        channels: if in_channel { channels(activity, &kind, &reach) } else { Vec::new() },
    })
}

/// The word for the event, and what it says of the conversation.
fn meaning(kind: &ActivityKind<'_>) -> Option<(&'static str, Reach)> {
    let reachable = |evidence: &str| Some((ReachState::Reachable, evidence.to_owned()));
    let removed = |evidence: &str| Some((ReachState::Removed, evidence.to_owned()));
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
        ActivityKind::Message => ("message", reachable("they wrote to the app")),
        ActivityKind::MessageUpdate => ("edit", reachable("they edited what they wrote")),
        ActivityKind::MessageReaction => ("reaction", reachable("they reacted to a message")),
        ActivityKind::Invoke(_) => ("invoke", reachable("they used a card or command")),
        // Someone can delete or read after having blocked or removed the app.
        ActivityKind::MessageDelete => ("delete", None),
        ActivityKind::Event(name) if name.eq_ignore_ascii_case("application/vnd.microsoft.readReceipt") => {
            ("read", None)
        }
        ActivityKind::Event(_) | ActivityKind::Other(_) => return None,
    })
}

/// What becomes of the channel that a team's event names.
fn of_event(update: &ConversationUpdate<'_>) -> Reach {
    let word = update.event_type.unwrap_or_default().to_ascii_lowercase();
    match word.as_str() {
        "channelcreated" | "channelrestored" | "teamrestored" => {
            Some((ReachState::Reachable, format!("Teams said {word}")))
        }
        "channeldeleted" | "teamdeleted" | "teamharddeleted" => {
            Some((ReachState::ChatGone, format!("Teams said {word}")))
        }
        _ => None,
    }
}

/// What makes it the same activity when it comes again.
fn event(activity: &Activity, kind: &ActivityKind<'_>, raw: &[u8]) -> (String, String) {
    let conversation = activity.conversation_id().unwrap_or_default().to_owned();
    let id = match activity.id.as_deref().filter(|id| !id.is_empty()) {
        None => blake3::hash(raw).to_string(),
        // These have the id of the message that they are about, which came before under the same one.
        Some(id) if matches!(kind, ActivityKind::MessageUpdate | ActivityKind::MessageDelete) => {
            let kind = activity.activity_type.as_deref().unwrap_or_default();
            format!("{id};{kind};{}", activity.timestamp.as_deref().unwrap_or_default())
        }
        Some(id) => id.to_owned(),
    };
    (conversation, id)
}

/// The person that it is about, else the one that it is from.
fn person(activity: &Activity, kind: &ActivityKind<'_>, personal: bool, reach: &Reach) -> Option<SeenPerson> {
    let members: Vec<&ChannelAccount> = match kind {
        ActivityKind::ConversationUpdate(update) => {
            update.members_added.iter().chain(&update.members_removed).copied().collect()
        }
        _ => Vec::new(),
    };
    let from = activity.from.as_ref().filter(|account| !is_bot(account));
    let known = |account: &&ChannelAccount| object_id(account).is_some();
    let account = members.into_iter().filter(|account| !is_bot(account)).find(known).or(from.filter(known))?;
    Some(SeenPerson {
        object_id: object_id(account)?,
        mri: account.id.clone().filter(|id| id.starts_with("29:")),
        name: account.name.as_deref().and_then(name),
        upn: account.user_principal_name().and_then(name),
        conversation_id: activity.conversation_id().filter(|_| personal).map(str::to_owned),
        reach: reach.clone().filter(|_| personal),
    })
}

fn is_bot(account: &ChannelAccount) -> bool {
    account.id.as_deref().is_some_and(|id| id.starts_with("28:"))
}

fn object_id(account: &ChannelAccount) -> Option<String> {
    crate::validate::guid(account.object_id()?)
}

fn name(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!text.is_empty()).then_some(text)
}

/// The channels that an activity in a channel names: the one that it is about, where it happened, the one picked at
/// installation, and General, whose id is the team's.
fn channels(activity: &Activity, kind: &ActivityKind<'_>, reach: &Reach) -> Vec<SeenChannel> {
    let data = activity.channel_data.as_ref();
    let team = data.and_then(|data| data.team.as_ref());
    let team_id = team.and_then(|team| team.id.as_deref()).or_else(|| {
        // Older activities have it here only.
        data?.extra.get("teamsTeamId")?.as_str()
    });
    let team_name = team.and_then(|team| team.name.as_deref()).and_then(name);
    let place = activity.conversation_id().map(thread_of);
    let named = data.and_then(|data| data.channel.as_ref());
    let about = named.and_then(|channel| channel.id.as_deref()).map(thread_of);
    let picked = data.and_then(|data| data.settings.as_ref()?.selected_channel.as_ref()?.id.as_deref());

    let mut seen: Vec<SeenChannel> = Vec::new();
    let mut add = |id: Option<&str>, name: Option<String>, reach: Reach| {
        // Ids of another shape are not channels (a meeting's chat can be named here).
        let Some(id) = id.filter(|id| ConversationKind::from_id(id) == Some(ConversationKind::Channel))
        else {
            return;
        };
        if seen.iter().any(|channel| channel.conversation_id == id) {
            return;
        }
        seen.push(SeenChannel {
            conversation_id: id.to_owned(),
            name,
            team_id: team_id.map(str::to_owned),
            team_name: team_name.clone(),
            reach,
        });
    };
    let place_name = activity.conversation.as_ref().and_then(|place| place.name.as_deref()).and_then(name);
    // The conversation's name is that of the channel which it happened in; `channel.name` is often left out.
    let about_name = named
        .and_then(|channel| channel.name.as_deref())
        .and_then(name)
        .or_else(|| place_name.clone().filter(|_| about == place));
    add(about, about_name, reach.clone());

    // An event about one channel says nothing of the others, save that a team's install is for all of them.
    let whole_team = match kind {
        ActivityKind::Installation(_) => true,
        ActivityKind::ConversationUpdate(update) => update.bot_added || update.bot_removed || about.is_none(),
        _ => about.is_none(),
    };
    let others: Reach = reach.clone().filter(|_| whole_team);
    add(picked, None, others.clone());
    add(place, place_name, others.clone());
    if !matches!(kind, ActivityKind::Message) {
        add(team_id, None, others);
    }
    seen
}
