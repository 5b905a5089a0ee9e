//! Teams, their channels, and group chats.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::names::{CHANNELS, CHATS, TEAMS};
use crate::random::Rng;

/// Which bots' apps are in a place: those listed, or all but those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Apps {
    all_but: bool,
    listed: Vec<u16>,
}

impl Apps {
    /// Also of bots that are registered later.
    pub(crate) fn all() -> Self {
        Self { all_but: true, listed: Vec::new() }
    }

    pub(crate) fn has(&self, app: u16) -> bool {
        self.all_but != self.listed.contains(&app)
    }

    pub(crate) fn any(&self) -> bool {
        self.all_but || !self.listed.is_empty()
    }

    pub(crate) fn add(&mut self, app: u16) {
        self.set(app, true);
    }

    pub(crate) fn remove(&mut self, app: u16) {
        self.set(app, false);
    }

    fn set(&mut self, app: u16, there: bool) {
        self.listed.retain(|listed| *listed != app);
        if there != self.all_but {
            self.listed.push(app);
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChannelKind {
    /// For everybody in the team.
    #[default]
    Standard,
    /// For some of the team.
    Private,
    /// For whom it is shared with, other teams too.
    Shared,
}

impl ChannelKind {
    /// `channelData.channel.type`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Private => "private",
            Self::Shared => "shared",
        }
    }
}

pub(crate) struct Channel {
    /// `19:…@thread.tacv2`
    pub(crate) id: Box<str>,
    pub(crate) name: String,
    pub(crate) kind: ChannelKind,
    pub(crate) deleted: bool,
    /// Of a private or shared channel, sorted; a shared one has the teams' as well.
    pub(crate) members: Vec<u32>,
    /// The other teams that a shared channel is shared with.
    pub(crate) shared_with: Vec<u32>,
    /// Apps that were added to a private or shared channel, beside being installed in the team (protocol section 15).
    pub(crate) apps: Apps,
}

impl Channel {
    pub(super) fn standard(id: Box<str>, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: ChannelKind::Standard,
            deleted: false,
            members: Vec::new(),
            shared_with: Vec::new(),
            apps: Apps::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TeamState {
    #[default]
    Active,
    /// Takes no posts (protocol section 4.3).
    Archived,
    Deleted,
    /// For good
    HardDeleted,
}

pub(crate) struct Team {
    pub(crate) name: String,
    /// Of the Entra group
    pub(crate) group_id: Uuid,
    pub(crate) state: TeamState,
    /// The first is General, whose id is the team's.
    pub(crate) channels: Vec<Channel>,
    /// Where the app is installed.
    pub(crate) apps: Apps,
    /// Sorted; `None`: by the rule of the organisation.
    pub(super) members: Option<Vec<u32>>,
}

impl Team {
    pub(super) fn made_up(index: u32, rng: &mut Rng) -> Self {
        let name = match TEAMS.get(index as usize) {
            Some(name) => (*name).to_owned(),
            None => {
                format!("{} {}", TEAMS[index as usize % TEAMS.len()], index as usize / TEAMS.len() + 1)
            }
        };
        let channels = CHANNELS
            .iter()
            .take(2 + rng.below(CHANNELS.len() - 1))
            .map(|name| Channel::standard(channel_id(rng), name))
            .collect();
        Self {
            name,
            group_id: rng.uuid(),
            state: TeamState::Active,
            channels,
            apps: Apps::default(),
            members: None,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.channels[0].id
    }

    /// A bot's app goes from the team and its channels, or every bot's.
    pub(crate) fn remove_app(&mut self, app: Option<u16>) {
        let channels = self.channels.iter_mut().map(|channel| &mut channel.apps);
        for apps in std::iter::once(&mut self.apps).chain(channels) {
            match app {
                Some(app) => apps.remove(app),
                None => *apps = Apps::default(),
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChatKind {
    #[default]
    #[serde(rename = "groupChat")]
    Group,
    /// The chat of a meeting.
    #[serde(rename = "meeting")]
    Meeting,
}

pub(crate) struct Chat {
    /// `19:…@thread.v2`, of a meeting `19:meeting_…@thread.v2`; the same for all bots
    pub(crate) id: Box<str>,
    /// The topic; most group chats have none.
    pub(crate) name: Option<String>,
    pub(crate) kind: ChatKind,
    /// Sorted
    pub(crate) members: Vec<u32>,
    pub(crate) apps: Apps,
    /// Of a meeting: it is going on.
    pub(crate) running: bool,
}

impl Chat {
    /// `members`: sorted, each once
    pub(crate) fn new(rng: &mut Rng, name: Option<String>, kind: ChatKind, members: Vec<u32>) -> Self {
        let unique = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
        let id = match kind {
            ChatKind::Group => format!("19:{unique}@thread.v2"),
            ChatKind::Meeting => format!("19:meeting_{}@thread.v2", crate::signing::b64(unique)),
        };
        Self { id: id.into(), name, kind, members, apps: Apps::default(), running: false }
    }

    pub(super) fn made_up(index: u32, people: u32, rng: &mut Rng) -> Self {
        let kind = if index % 5 == 4 { ChatKind::Meeting } else { ChatKind::Group };
        let name = CHATS.get(index as usize % (CHATS.len() + 2)).map(|name| (*name).to_owned());
        let size = 3 + rng.below(6);
        let mut members: Vec<u32> = (0..size).map(|_| rng.below(people as usize) as u32).collect();
        members.sort_unstable();
        members.dedup();
        if let [only] = members[..] {
            members = vec![only.min((only + 1) % people), only.max((only + 1) % people)];
        }
        Self::new(rng, name, kind, members)
    }
}

pub(super) fn channel_id(rng: &mut Rng) -> Box<str> {
    format!("19:{:016x}{:016x}@thread.tacv2", rng.next_u64(), rng.next_u64()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_added_and_removed_one_by_one() {
        let mut apps = Apps::default();
        assert!(!apps.has(0) && !apps.any());
        apps.add(0);
        apps.add(0);
        assert!(apps.has(0) && !apps.has(1) && apps.any());
        apps.remove(0);
        assert!(!apps.any());
        let mut all = Apps::all();
        assert!(all.has(0) && all.has(7));
        all.remove(7);
        assert!(all.has(0) && !all.has(7));
        all.add(7);
        assert_eq!(all, Apps::all());
    }
}
