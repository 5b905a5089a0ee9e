//! An organisation in words: what `nuncio sim --org FILE` reads as TOML and `POST /sim/reset` takes as JSON.

use std::{collections::BTreeMap, fmt, path::Path};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{ChannelKind, ChatKind, Plan, TeamState};
use crate::{control::bots, faults, people::PersonState};

/// Why a description is refused, and where.
#[derive(Debug)]
pub(crate) struct Problem {
    /// `team[0].members[2]`
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

/// Why a file of an organisation is refused.
#[derive(Debug, thiserror::Error)]
pub enum OrgError {
    /// The file is not there or not text.
    #[error("cannot read {file}")]
    Read {
        /// As it was given.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is written is not understood or cannot be.
    #[error("{file}:{line}: {text}")]
    Wrong {
        /// As it was given.
        file: String,
        /// Counted from 1.
        line: usize,
        /// With the names of the keys.
        text: String,
    },
}

/// An organisation as described by somebody, read but not yet made.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Description {
    pub(crate) tenant: TenantPart,
    pub(crate) seed: Option<u64>,
    /// How many are made up beside those described; 1000 when nobody is described
    pub(crate) people: Option<u32>,
    /// 2 when nobody and no team is described
    pub(crate) teams: Option<u32>,
    pub(crate) groups: u32,
    pub(crate) teams_per_person: Option<u32>,
    pub(crate) chats: u32,
    /// Shares of the people who are made up; the usual ones when absent
    pub(crate) states: Option<BTreeMap<PersonState, f64>>,
    pub(crate) person: Vec<PersonPart>,
    pub(crate) team: Vec<TeamPart>,
    pub(crate) chat: Vec<ChatPart>,
    pub(crate) group: Vec<GroupPart>,
    pub(crate) bot: Vec<bots::Order>,
    /// As `PATCH /sim/settings` takes them
    pub(crate) settings: serde_json::Map<String, serde_json::Value>,
    /// As `POST /sim/faults` takes them
    pub(crate) fault: Vec<faults::Order>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TenantPart {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonPart {
    /// The first word is the given name
    pub(crate) name: String,
    pub(crate) upn: String,
    /// Entra object id, made from the seed when absent
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) department: String,
    #[serde(default = "language")]
    pub(crate) language: String,
    #[serde(default = "time_zone")]
    pub(crate) time_zone: String,
    #[serde(default = "country")]
    pub(crate) country: String,
    #[serde(default = "state")]
    pub(crate) state: PersonState,
    /// The UPN when absent
    pub(crate) mail: Option<String>,
    #[serde(default)]
    pub(crate) user_type: UserType,
    #[serde(default = "yes")]
    pub(crate) account_enabled: bool,
    /// Whether the service plan of Teams is there; guests never have it
    #[serde(default = "yes")]
    pub(crate) licensed: bool,
}

/// `userType` of the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UserType {
    #[default]
    Member,
    Guest,
}

fn yes() -> bool {
    true
}

fn language() -> String {
    "en-GB".into()
}

fn time_zone() -> String {
    "Europe/London".into()
}

fn country() -> String {
    "GB".into()
}

fn state() -> PersonState {
    PersonState::Installed
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeamPart {
    pub(crate) name: String,
    /// `19:…@thread.tacv2`, which is General's
    pub(crate) id: Option<String>,
    /// Of the Entra group
    pub(crate) group_id: Option<String>,
    #[serde(default)]
    pub(crate) state: TeamState,
    /// UPNs or object ids
    #[serde(default)]
    pub(crate) members: Vec<String>,
    /// App ids of the bots that are there from the start, without an event
    #[serde(default)]
    pub(crate) apps: Vec<String>,
    /// Every bot's
    #[serde(default)]
    pub(crate) installed: bool,
    /// Beside General
    #[serde(default)]
    pub(crate) channel: Vec<ChannelPart>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelPart {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) kind: ChannelKind,
    /// Of a private or shared channel
    #[serde(default)]
    pub(crate) members: Vec<String>,
    /// Names of the other teams that have a shared channel too
    #[serde(default)]
    pub(crate) shared_with: Vec<String>,
    /// App ids of the bots that are there from the start, without an event
    #[serde(default)]
    pub(crate) apps: Vec<String>,
    /// Every bot's
    #[serde(default)]
    pub(crate) installed: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatPart {
    pub(crate) name: Option<String>,
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) kind: ChatKind,
    pub(crate) members: Vec<String>,
    /// App ids of the bots that are there from the start, without an event
    #[serde(default)]
    pub(crate) apps: Vec<String>,
    /// Every bot's
    #[serde(default)]
    pub(crate) installed: bool,
}

/// A security group of the directory; teams are groups as they are.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupPart {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    /// UPNs or object ids of people
    #[serde(default)]
    pub(crate) members: Vec<String>,
    /// Names of other groups; circles are allowed
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// So many members that are nobody
    #[serde(default)]
    pub(crate) devices: u32,
}

impl Description {
    /// Nobody described, so many made up.
    pub(crate) fn made_up(seed: u64, people: u32, teams: u32) -> Self {
        Self { seed: Some(seed), people: Some(people), teams: Some(teams), ..Self::default() }
    }

    /// What is to be made up, checked.
    pub(crate) fn plan(&self) -> Result<Plan, Problem> {
        let described = !self.person.is_empty() || !self.team.is_empty();
        let people = self.people.unwrap_or(if self.person.is_empty() { 1000 } else { 0 });
        let teams = self.teams.unwrap_or(if described { 0 } else { 2 });
        let mut plan = Plan::new(self.seed.unwrap_or(1), people, teams);
        plan.teams_per_person = self.teams_per_person.unwrap_or(1);
        plan.chats = self.chats;
        if let Some(states) = &self.states {
            plan.states.clone_from(states);
        }
        if self.groups > 10_000 {
            return Err(Problem::new("groups", "must be at most 10000"));
        }
        plan.check().map_err(|text| Problem::new("", text))?;
        Ok(plan)
    }
}

/// An organisation that was read from a file.
#[derive(Clone)]
pub struct OrgFile {
    pub(crate) description: Description,
    file: String,
    text: String,
}

impl fmt::Debug for OrgFile {
    /// Not what is in it: secrets of bots.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgFile").field("file", &self.file).finish_non_exhaustive()
    }
}

impl OrgFile {
    /// Reads a TOML file; its form is described in `docs/simulator.md`.
    pub fn read(path: &Path) -> Result<Self, OrgError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, text),
            Err(source) => Err(OrgError::Read { file, source }),
        }
    }

    /// Reads a TOML text; `file` is its name in errors.
    pub fn parse(file: &str, text: String) -> Result<Self, OrgError> {
        let wrong = |at: usize, problem: &str| OrgError::Wrong {
            file: file.to_owned(),
            line: line_of(&text, at),
            text: problem.to_owned(),
        };
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let reader =
            toml::Deserializer::parse(&text).map_err(|error| wrong(start(&error), error.message()))?;
        let description: Description = serde_path_to_error::deserialize(reader).map_err(|error| {
            let path = error.path().to_string();
            let error = error.inner();
            // A table that lacks a key has no better place than its head; everything else names its own.
            let at = place(&text, &path).unwrap_or_else(|| start(error));
            wrong(at, &Problem::new(if path == "." { "" } else { &path }, error.message()).to_string())
        })?;
        Ok(Self { description, file: file.to_owned(), text })
    }

    /// People made up beside those in the file, in place of what it says.
    #[must_use]
    pub fn with_people(mut self, people: u32) -> Self {
        self.description.people = Some(people);
        self
    }

    /// App id and secret of the first bot.
    pub fn first_bot(&self) -> Option<(&str, Option<&str>)> {
        self.description.bot.first().map(bots::Order::credentials)
    }

    pub(crate) fn error(&self, problem: &Problem) -> OrgError {
        OrgError::Wrong {
            file: self.file.clone(),
            line: line_of(&self.text, place(&self.text, &problem.path).unwrap_or(0)),
            text: problem.to_string(),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Where `team[0].members[2]` begins, or the last part of it that is there.
fn place(text: &str, path: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut value: Option<&DeValue<'_>> = None;
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let found = match (value, part.parse::<usize>()) {
            (Some(DeValue::Array(items)), Ok(index)) => {
                items.get(index).map(|item| (item.span(), item.get_ref()))
            }
            (Some(DeValue::Table(table)), _) => in_table(table, part),
            (None, _) => in_table(document.get_ref(), part),
            _ => None,
        };
        let Some((span, next)) = found else { break };
        at = Some(span.start);
        value = Some(next);
    }
    at
}

fn in_table<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<(std::ops::Range<usize>, &'a DeValue<'i>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span(), value.get_ref()))
}
