//! What a message would come to, counted before it is one (`docs/adr/0026`): whom it would reach, whom not and why.
//!
//! What is counted are the rows that the owner of the lane would load, and who is skipped is said by the function that it
//! uses ([`without_a_call`]). How long it would take is in [`estimate`].

pub mod estimate;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use uuid::Uuid;

use crate::batch::{Key, Row, Why};
use crate::delivery::{FailReason, SkipReason};
use crate::directory::{DirectoryPerson, Standing};
use crate::install;
use crate::message::{Named, WhenUnreachable};
use crate::own_words::Purpose;
use crate::people::{ReachState, RecipientKind};
use crate::ports::StoreError;
use crate::scope::Scope;
use crate::skip::{Policy, without_a_call};
use crate::time::Time;
use estimate::Ahead;

/// Examples that are kept of each group.
pub const EXAMPLES: usize = 10;
/// Groups beside the reasons for which somebody is skipped.
pub const FIRST_CONTACT: &str = "first_contact";
pub const WAITS: &str = "would_wait";
pub const NEEDS_INSTALL: &str = "needs_install";
pub const REMOVED: &str = "removed";
/// Those of an install run.
pub const HAVE_IT: &str = "have_it";
pub const WOULD_INSTALL: &str = "would_install";

/// What the store knows of an audience that is not stored. Each method reads once, and writes nothing.
#[async_trait]
pub trait Preview: Send + Sync + 'static {
    /// Whom the expansion of "everyone with the app" would find: by recipient number after `after`.
    async fn installed(
        &self,
        scope: &Scope,
        lane_no: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError>;
    /// Who is in a stored list: by recipient number after `after`.
    async fn listed(
        &self,
        scope: &Scope,
        lane_no: i64,
        list_no: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError>;
    /// These recipients of a lane.
    async fn numbered(&self, scope: &Scope, lane_no: i64, recipients: &[i64])
    -> Result<Vec<Row>, StoreError>;
    /// Of these recipients of a lane those that are known, each once.
    async fn known(&self, scope: &Scope, lane_no: i64, of: &[Named]) -> Result<Vec<Row>, StoreError>;
    /// Names and sign-in names of these recipients of a lane.
    async fn names(&self, scope: &Scope, lane_no: i64, recipients: &[i64])
    -> Result<Vec<NameOf>, StoreError>;
    /// What a lane still has to do of messages that send at `at`, by class. Of each no more than `turns` go between as
    /// many deliveries of another message of its class.
    async fn ahead(
        &self,
        scope: &Scope,
        lane_no: i64,
        at: Time,
        turns: i64,
    ) -> Result<Vec<Ahead>, StoreError>;
}

/// How somebody is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOf {
    pub recipient_no: i64,
    pub name: Option<String>,
    pub upn: Option<String>,
}

/// A recipient of whom the store knows nothing, as they would be stored.
pub fn stranger(named: &Named) -> Row {
    Row {
        key: Key { message_no: 0, recipient_no: 0 },
        thread_no: 0,
        kind: named.kind,
        address: named.key.clone(),
        mri: None,
        reference: None,
        others: 0,
        reach: ReachState::Unknown,
        reach_at: None,
        standing: Standing::default(),
        excluded: false,
        opted_out: false,
        attempts: 0,
        tries: 0,
        resent: false,
        due_at: None,
    }
}

/// What the directory says of somebody now, over what it said before; where it says nothing, that stays.
pub fn told(row: &mut Row, person: &DirectoryPerson, at: Time) {
    let before = row.standing;
    row.standing = Standing {
        guest: person.guest.or(before.guest),
        external: person.external.or(before.external),
        enabled: person.enabled.or(before.enabled),
        licensed: person.licensed.or(before.licensed),
        at: Some(at),
    };
}

/// Somebody as an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub kind: RecipientKind,
    /// Entra object id, or conversation id.
    pub key: String,
    /// 0 for who is not known.
    pub recipient_no: i64,
    pub name: Option<String>,
    pub upn: Option<String>,
}

/// What was counted. The audience is the sum of `known`, `first_contact`, `waits`, `failed` and `skipped`; of an install run
/// that of `have_it`, `installs`, `failed` and `skipped`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub audience: i64,
    pub duplicates: i64,
    /// Would be sent to a conversation that is known.
    pub known: i64,
    /// Would be sent to people with whom a conversation has to be created first.
    pub first_contact: i64,
    /// Would wait until they can be reached.
    pub waits: i64,
    /// Would fail without a call: names in lists that are not exactly one person's.
    pub failed: BTreeMap<FailReason, i64>,
    pub skipped: BTreeMap<SkipReason, i64>,
    /// Would be given the app: first, or by an install run.
    pub installs: i64,
    /// Have it already, of those of an install run.
    pub have_it: i64,
    /// People with whom no conversation is known and of whom nothing, or a refusal, says that they never had the app. Not
    /// those whom a message is not for.
    pub needs_install: i64,
    /// People who had the app and have removed it.
    pub removed: i64,
    pub by_state: BTreeMap<ReachState, i64>,
    pub examples: BTreeMap<&'static str, Vec<Example>>,
}

impl Count {
    pub const fn would_send(&self) -> i64 {
        self.known + self.first_contact
    }
}

/// Counts the recipients of an audience, each once. Remembers who they are by a number each, and of ten in each group
/// more.
#[derive(Debug)]
pub struct Tally {
    policy: Policy,
    when_unreachable: WhenUnreachable,
    now: Time,
    exclude: BTreeSet<String>,
    /// People by their object ids, and the last source that named each.
    people: HashMap<Uuid, u16>,
    /// Channels and chats, and people whose ids are no GUIDs: those that somebody named, or met.
    others: BTreeMap<(RecipientKind, String), u16>,
    source: u16,
    count: Count,
}

impl Tally {
    pub fn new(policy: Policy, exclude: impl IntoIterator<Item = String>, now: Time) -> Self {
        Self {
            policy,
            when_unreachable: WhenUnreachable::Fail,
            now,
            exclude: exclude.into_iter().collect(),
            people: HashMap::new(),
            others: BTreeMap::new(),
            source: 0,
            count: Count::default(),
        }
    }

    /// What happens to whom nobody can reach now.
    #[must_use]
    pub const fn when_unreachable(mut self, policy: WhenUnreachable) -> Self {
        self.when_unreachable = policy;
        self
    }

    /// Another source begins. Who was named by one before is a duplicate; who is named twice by the same one is not.
    pub const fn next_source(&mut self) {
        self.source = self.source.saturating_add(1);
    }

    /// Somebody is left out, whoever names them.
    pub fn exclude(&mut self, key: String) {
        self.exclude.insert(key);
    }

    /// So many were named more than once in one request.
    pub const fn named_again(&mut self, times: i64) {
        self.count.duplicates += times;
    }

    pub const fn count(&self) -> &Count {
        &self.count
    }

    pub fn into_count(self) -> Count {
        self.count
    }

    /// Counts somebody, called as the directory does, unless they were counted before.
    pub fn add(&mut self, mut row: Row, person: Option<&DirectoryPerson>) {
        if let Some(before) = self.last_source(&row) {
            if before != self.source {
                self.count.duplicates += 1;
            }
            return;
        }
        row.excluded |= self.exclude.contains(&row.address);
        let reason = without_a_call(&row, self.policy, self.now);
        self.count.audience += 1;
        *self.count.by_state.entry(row.reach).or_default() += 1;
        let is_person = row.kind == RecipientKind::Person;
        let first = is_person && row.reference.is_none();
        match reason {
            Some(Why::Skipped(SkipReason::Unreachable)) if self.when_unreachable == WhenUnreachable::Wait => {
                self.count.waits += 1;
                self.example(WAITS, &row, person);
            }
            Some(Why::Failed(reason)) => {
                *self.count.failed.entry(reason).or_default() += 1;
                self.example(reason.as_str(), &row, person);
            }
            Some(Why::Skipped(reason)) => {
                *self.count.skipped.entry(reason).or_default() += 1;
                self.example(reason.as_str(), &row, person);
            }
            None if self.policy.purpose == Purpose::Install && install::has_it(&row) => {
                self.count.have_it += 1;
                self.example(HAVE_IT, &row, person);
            }
            None if self.policy.purpose == Purpose::Install => {
                self.count.installs += 1;
                self.example(WOULD_INSTALL, &row, person);
            }
            None if first => {
                self.count.first_contact += 1;
                self.example(FIRST_CONTACT, &row, person);
            }
            None => self.count.known += 1,
        }
        // To a run nobody is to be reached.
        if !self.policy.purpose.speaks() {
            return;
        }
        let never = matches!(row.reach, ReachState::Unknown | ReachState::NeverInstalled);
        if reason.is_none() && self.policy.install.wants(&row) {
            self.count.installs += 1;
        }
        if first && never && matches!(reason, None | Some(Why::Skipped(SkipReason::Unreachable))) {
            self.count.needs_install += 1;
            self.example(NEEDS_INSTALL, &row, person);
        }
        if is_person && row.reach == ReachState::Removed {
            self.count.removed += 1;
            self.example(REMOVED, &row, person);
        }
    }

    /// The source that named them last, before this one, which is it from now on.
    fn last_source(&mut self, row: &Row) -> Option<u16> {
        if row.kind == RecipientKind::Person
            && let Ok(id) = Uuid::try_parse(&row.address)
        {
            return self.people.insert(id, self.source);
        }
        match self.others.entry((row.kind, row.address.clone())) {
            Entry::Occupied(mut known) => Some(known.insert(self.source)),
            Entry::Vacant(new) => {
                new.insert(self.source);
                None
            }
        }
    }

    fn example(&mut self, of: &'static str, row: &Row, person: Option<&DirectoryPerson>) {
        let examples = self.count.examples.entry(of).or_default();
        if examples.len() < EXAMPLES {
            examples.push(Example {
                kind: row.kind,
                key: row.address.clone(),
                recipient_no: row.key.recipient_no,
                name: person.and_then(|person| person.name.clone()),
                upn: person.and_then(|person| person.upn.clone()),
            });
        }
    }
}
