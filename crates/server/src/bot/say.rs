//! What an event may make the server say by itself (`docs/delivery.md`, Installing and welcoming).

use nuncio_domain::message::Named;
use nuncio_domain::own_words::{InstalledBy, Lines, Occasion, Say, Welcome};
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::{Content, MessageId, RecipientKind};
use nuncio_teams::schema::{Activity, ActivityKind, ConversationKind, InstallationAction};

use super::learn::{is_install, of_channel};
use super::word;

/// What an app says by itself, from its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnWords {
    /// To a person who installs it; nothing without.
    pub welcome: Option<Content>,
    /// To the channel of a team that gets it; nothing without.
    pub team_welcome: Option<Content>,
    /// A sentence behind `team_welcome`, with `{name}` for who installed it; left out where that is not known.
    pub installed_by: Option<String>,
    /// What is answered to `stop`, `start` and other words.
    pub lines: Lines,
    /// The line above a card when one of its buttons was pressed.
    pub received: String,
}

impl Default for OwnWords {
    fn default() -> Self {
        Self {
            welcome: None,
            team_welcome: None,
            installed_by: None,
            lines: Lines {
                stop: "You will get no more messages here. Write “start” to get them again.".to_owned(),
                start: "You will get messages here again. Write “stop” to get no more.".to_owned(),
                other: Some(
                    "Nobody reads what is written here. Write “stop” to get no more messages, “start” to get them again."
                        .to_owned(),
                ),
            },
            received: "Received, thank you.".to_owned(),
        }
    }
}

/// Adds to `learned` what the event may make us say, under this id, and where the app was taken away.
pub(super) fn add(learned: &mut Learned, activity: &Activity, words: &OwnWords, id: MessageId) {
    let kind = activity.kind();
    let place = match activity.conversation_kind() {
        Some(ConversationKind::Personal) => learned.people.first().map(|person| person.object_id.clone()),
        Some(ConversationKind::Channel) => learned.team.as_ref().map(|team| team.team_id.clone()),
        _ => None,
    };
    let Some(place) = place else { return };
    if is_removal(&kind) {
        learned.left = Some(place);
    } else if is_install(&kind) {
        learned.say = welcome(learned, words, place, id);
    } else if matches!(kind, ActivityKind::Message)
        && activity.conversation_kind() == Some(ConversationKind::Personal)
        && let Some(word) = word::meaning(activity)
        && let Some(person) = learned.people.first()
    {
        learned.say =
            Some(Say { id, to: to_person(person), occasion: Occasion::Word(word, words.lines.clone()) });
    }
}

fn to_person(person: &SeenPerson) -> Named {
    Named { kind: RecipientKind::Person, key: person.object_id.clone() }
}

fn welcome(learned: &Learned, words: &OwnWords, place: String, id: MessageId) -> Option<Say> {
    let Some(team) = &learned.team else {
        let content = words.welcome.clone()?;
        let to = to_person(learned.people.first()?);
        return Some(Say {
            id,
            to,
            occasion: Occasion::Install(Welcome { place, content, installed_by: None }),
        });
    };
    let content = words.team_welcome.clone()?;
    let install = team.install.as_ref()?;
    let channel = install.channel.clone().unwrap_or_else(|| team.team_id.clone());
    let installed_by = words
        .installed_by
        .as_ref()
        .and_then(|sentence| Some(InstalledBy { person: install.by.clone()?, sentence: sentence.clone() }));
    let to = Named { kind: RecipientKind::Channel, key: channel };
    Some(Say { id, to, occasion: Occasion::Install(Welcome { place, content, installed_by }) })
}

fn is_removal(kind: &ActivityKind<'_>) -> bool {
    match kind {
        ActivityKind::Installation(InstallationAction::Remove | InstallationAction::RemoveUpgrade) => true,
        ActivityKind::ConversationUpdate(update) => update.bot_removed && !of_channel(update),
        _ => false,
    }
}
