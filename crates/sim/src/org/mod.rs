//! The organisation: people, teams with channels, and group chats. Made up, the same for the same seed, or described.

mod changes;
mod describe;
mod description;
mod group;
mod names;
mod person;
mod plan;
mod rule;
mod team;

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

pub use self::description::{OrgError, OrgFile};
use self::rule::Rule;
pub(crate) use self::{
    changes::{Change, Changes},
    description::{Description, Problem, UserType},
    group::{Group, GroupRef, Member},
    person::{Account, Person},
    plan::Plan,
    team::{Apps, Channel, ChannelKind, Chat, ChatKind, Team, TeamState},
};
use crate::{limits::Thread, people::PersonState, random::Rng};

pub(crate) const DOMAIN: &str = "contoso.example";

/// Whether something can be posted into a conversation, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Open,
    /// The team is archived.
    ReadOnly,
    /// The team or channel is deleted, or the person deleted the chat.
    Gone,
}

pub(crate) struct Org {
    pub(crate) seed: u64,
    pub(crate) tenant_name: Option<String>,
    /// For ids of what is made later.
    rng: Rng,
    people: Vec<Person>,
    by_object_id: HashMap<Uuid, u32>,
    /// Of those who were not made up; in lower case.
    by_own_upn: HashMap<String, u32>,
    /// Addresses that are not the UPN; in lower case.
    by_own_mail: HashMap<String, u32>,
    by_state: BTreeMap<PersonState, u32>,
    pub(crate) teams: Vec<Team>,
    rule: Rule,
    channels: HashMap<Box<str>, (u32, u32)>,
    pub(crate) chats: Vec<Chat>,
    by_chat: HashMap<Box<str>, u32>,
    pub(crate) groups: Vec<Group>,
    pub(crate) changes: Changes,
}

impl Org {
    fn empty(seed: u64) -> Self {
        Self {
            seed,
            tenant_name: None,
            rng: Rng::new(seed),
            people: Vec::new(),
            by_object_id: HashMap::new(),
            by_own_upn: HashMap::new(),
            by_own_mail: HashMap::new(),
            by_state: BTreeMap::new(),
            teams: Vec::new(),
            rule: Rule::default(),
            channels: HashMap::new(),
            chats: Vec::new(),
            by_chat: HashMap::new(),
            groups: Vec::new(),
            changes: Changes::new(),
        }
    }

    fn make_people(&mut self, plan: &Plan) {
        let mut states = vec![PersonState::Installed; plan.people as usize];
        let mut next = 0;
        for (state, count) in plan.counts() {
            for slot in states.iter_mut().skip(next).take(count as usize) {
                *slot = state;
            }
            next += count as usize;
        }
        self.rng.shuffle(&mut states);
        self.people.reserve_exact(states.len());
        self.by_object_id.reserve(states.len());
        for state in states {
            *self.by_state.entry(state).or_default() += 1;
            let person = Person::made_up(&mut self.rng, state);
            self.by_object_id.insert(person.object_id, self.people.len() as u32);
            self.people.push(person);
        }
    }

    fn make_teams(&mut self, plan: &Plan, rule: Rule) {
        self.rule = rule;
        for index in 0..plan.teams {
            let team = Team::made_up(index, &mut self.rng);
            let at = self.teams.len() as u32;
            for (c, channel) in team.channels.iter().enumerate() {
                self.channels.insert(channel.id.clone(), (at, c as u32));
            }
            self.teams.push(team);
        }
    }

    fn make_chats(&mut self, plan: &Plan) {
        for index in 0..plan.chats {
            let chat = Chat::made_up(index, self.people.len() as u32, &mut self.rng);
            self.push_chat(chat);
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.people.len() as u32
    }

    pub(crate) fn person(&self, index: u32) -> Option<&Person> {
        self.people.get(index as usize)
    }

    pub(crate) fn person_mut(&mut self, index: u32) -> Option<&mut Person> {
        self.people.get_mut(index as usize)
    }

    pub(crate) fn by_object_id(&self, id: &Uuid) -> Option<u32> {
        self.by_object_id.get(id).copied()
    }

    pub(crate) fn by_upn(&self, upn: &str) -> Option<u32> {
        let described = self.by_own_upn.get(&upn.to_lowercase()).copied();
        described.or_else(|| self.by_made_up_upn(upn))
    }

    /// Whose mail address it is; most have their UPN's.
    pub(crate) fn by_mail(&self, mail: &str) -> Option<u32> {
        let own = self.by_own_mail.get(&mail.to_lowercase()).copied();
        let by_upn = || self.by_upn(mail).filter(|person| self.people[*person as usize].own_mail().is_none());
        own.or_else(by_upn)
    }

    fn by_made_up_upn(&self, upn: &str) -> Option<u32> {
        let (local, _) = upn.split_once('@')?;
        let digits = local.trim_start_matches(|c: char| !c.is_ascii_digit());
        let index = digits.parse::<u32>().ok()?.checked_sub(1)?;
        self.person(index)
            .filter(|person| person.is_made_up() && person.upn(index).eq_ignore_ascii_case(upn))
            .map(|_| index)
    }

    pub(crate) fn set_state(&mut self, index: u32, state: PersonState) {
        let Some(person) = self.people.get_mut(index as usize) else { return };
        let (before, seen) = (person.state, person.seen());
        person.state = state;
        let changed = person.seen() != seen;
        match state {
            PersonState::ChatDeleted => person.chat_gone = true,
            PersonState::Installed => person.chat_gone = false,
            _ => {}
        }
        *self.by_state.entry(before).or_default() -= 1;
        *self.by_state.entry(state).or_default() += 1;
        if changed {
            self.changes.push(Change::Person(index));
        }
    }

    /// What the directory says of somebody beside the state.
    pub(crate) fn set_account(&mut self, index: u32, account: Account) {
        let Some(person) = self.people.get_mut(index as usize) else { return };
        let seen = person.seen();
        person.account = account;
        if person.seen() != seen {
            self.changes.push(Change::Person(index));
        }
    }

    pub(crate) fn by_state(&self) -> &BTreeMap<PersonState, u32> {
        &self.by_state
    }

    /// Team and channel of a channel id without `;messageid=`, deleted ones too.
    pub(crate) fn channel(&self, id: &str) -> Option<(u32, u32)> {
        self.channels.get(id).copied()
    }

    /// A group chat or the chat of a meeting.
    pub(crate) fn chat(&self, id: &str) -> Option<u32> {
        self.by_chat.get(id).copied()
    }

    /// The tenant of who is in a shared channel from outside.
    pub(crate) fn other_tenant(&self) -> Uuid {
        Rng::new(self.seed ^ 0x0e47_e41a).uuid()
    }

    /// By its `19:…` id or that of its Entra group.
    pub(crate) fn team(&self, id: &str) -> Option<u32> {
        match self.channel(id) {
            Some((team, 0)) => Some(team),
            Some(_) => None,
            None => {
                let group_id = Uuid::parse_str(id).ok()?;
                self.teams.iter().position(|team| team.group_id == group_id).map(|at| at as u32)
            }
        }
    }

    /// In any order.
    pub(crate) fn members(&self, team: u32) -> impl Iterator<Item = u32> + '_ {
        let given = self.teams.get(team as usize).and_then(|team| team.members.as_deref());
        let by_rule = given.is_none().then(|| self.rule.members(team, self.len()));
        given.unwrap_or_default().iter().copied().chain(by_rule.into_iter().flatten())
    }

    pub(crate) fn is_member(&self, team: u32, person: u32) -> bool {
        match self.teams.get(team as usize).map(|team| &team.members) {
            Some(Some(members)) => members.binary_search(&person).is_ok(),
            Some(None) => person < self.len() && self.rule.holds(team, person),
            None => false,
        }
    }

    /// Who is in a conversation: of a channel without members of its own, the team.
    pub(crate) fn roster(&self, thread: Thread) -> Vec<u32> {
        match thread {
            Thread::Person(person) => vec![person],
            Thread::Chat(chat) => self.chats.get(chat as usize).map_or(vec![], |chat| chat.members.clone()),
            Thread::Channel { team, channel } => {
                let Some(known) = self.channel_at(team, channel) else { return vec![] };
                let mut roster = match known.kind {
                    ChannelKind::Standard => return self.members(team).collect(),
                    ChannelKind::Private | ChannelKind::Shared => known.members.clone(),
                };
                for other in &known.shared_with {
                    roster.extend(self.members(*other));
                }
                roster.sort_unstable();
                roster.dedup();
                roster
            }
        }
    }

    pub(crate) fn is_in(&self, thread: Thread, person: u32) -> bool {
        match thread {
            Thread::Person(other) => person == other,
            Thread::Chat(chat) => {
                self.chats.get(chat as usize).is_some_and(|chat| chat.members.binary_search(&person).is_ok())
            }
            Thread::Channel { team, channel } => self.channel_at(team, channel).is_some_and(|known| {
                if known.kind == ChannelKind::Standard {
                    self.is_member(team, person)
                } else {
                    known.members.binary_search(&person).is_ok()
                        || known.shared_with.iter().any(|other| self.is_member(*other, person))
                }
            }),
        }
    }

    /// Whether a bot's app is in a conversation: for a channel in its team and, if it is private or shared, in it too.
    pub(crate) fn is_installed(&self, app: u16, thread: Thread) -> bool {
        match thread {
            Thread::Person(person) => self.person(person).is_some_and(|person| {
                matches!(
                    person.state,
                    PersonState::Installed | PersonState::Blocked | PersonState::ChatDeleted
                )
            }),
            Thread::Chat(chat) => self.chats.get(chat as usize).is_some_and(|chat| chat.apps.has(app)),
            Thread::Channel { team, channel } => {
                self.teams.get(team as usize).is_some_and(|team| team.apps.has(app))
                    && self
                        .channel_at(team, channel)
                        .is_some_and(|known| known.kind == ChannelKind::Standard || known.apps.has(app))
            }
        }
    }

    pub(crate) fn place(&self, thread: Thread) -> Place {
        match thread {
            Thread::Person(person) => match self.person(person) {
                Some(person) if !person.chat_gone => Place::Open,
                _ => Place::Gone,
            },
            Thread::Chat(chat) if (chat as usize) < self.chats.len() => Place::Open,
            Thread::Chat(_) => Place::Gone,
            Thread::Channel { team, channel } => {
                let state = self.teams.get(team as usize).map(|team| team.state);
                let there = self.channel_at(team, channel).is_some_and(|channel| !channel.deleted);
                match state {
                    Some(TeamState::Active) if there => Place::Open,
                    Some(TeamState::Archived) if there => Place::ReadOnly,
                    _ => Place::Gone,
                }
            }
        }
    }

    pub(crate) fn channel_at(&self, team: u32, channel: u32) -> Option<&Channel> {
        self.teams.get(team as usize)?.channels.get(channel as usize)
    }

    /// Makes a channel that is not there yet. `members`: of a private or shared one.
    pub(crate) fn add_channel(
        &mut self,
        team: u32,
        name: &str,
        kind: ChannelKind,
        mut members: Vec<u32>,
    ) -> Option<u32> {
        let id = team::channel_id(&mut self.rng);
        members.sort_unstable();
        members.dedup();
        let channels = &mut self.teams.get_mut(team as usize)?.channels;
        let at = channels.len() as u32;
        channels.push(Channel { kind, members, ..Channel::standard(id.clone(), name) });
        self.channels.insert(id, (team, at));
        Some(at)
    }

    /// Adds people to a team, or removes them from it.
    pub(crate) fn set_member(&mut self, team: u32, person: u32, there: bool) {
        let mut members: Vec<u32> = self.members(team).collect();
        members.retain(|member| *member != person);
        if there {
            members.push(person);
        }
        members.sort_unstable();
        if let Some(known) = self.teams.get_mut(team as usize) {
            known.members = Some(members);
            let (group, member) = (GroupRef::Team(team), Member::Person(person));
            self.changes.push(Change::Member { group, member, there });
        }
    }

    /// Takes somebody out of a group chat, a team, or a channel with members of its own; false where that cannot be.
    pub(crate) fn remove(&mut self, thread: Thread, person: u32) -> bool {
        let members = match thread {
            Thread::Person(_) => return false,
            Thread::Chat(chat) => self.chats.get_mut(chat as usize).map(|chat| &mut chat.members),
            Thread::Channel { team, channel } => {
                let known = self.teams.get_mut(team as usize).map(|team| &mut team.channels);
                match known.and_then(|channels| channels.get_mut(channel as usize)) {
                    Some(known) if known.kind != ChannelKind::Standard => Some(&mut known.members),
                    Some(_) => {
                        self.set_member(team, person, false);
                        return true;
                    }
                    None => None,
                }
            }
        };
        members.is_some_and(|members| {
            let before = members.len();
            members.retain(|member| *member != person);
            members.len() < before
        })
    }

    /// Makes a group chat without apps.
    pub(crate) fn add_chat(&mut self, name: Option<String>, kind: ChatKind, mut members: Vec<u32>) -> u32 {
        members.sort_unstable();
        members.dedup();
        let chat = Chat::new(&mut self.rng, name, kind, members);
        self.push_chat(chat)
    }

    fn push_chat(&mut self, chat: Chat) -> u32 {
        let at = self.chats.len() as u32;
        self.by_chat.insert(chat.id.clone(), at);
        self.chats.push(chat);
        at
    }
}

#[cfg(test)]
mod tests;
