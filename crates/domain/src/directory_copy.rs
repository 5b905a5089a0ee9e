//! The synchronised copy of a directory, one for each lane (`docs/adr/0025`): in which state it is, and what its
//! synchronisation does next. Rounds of changes are read page by page; what a round says is gone is marked first, and
//! taken away when the round is whole and does not take too much.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::directory::{DirectoryError, DirectoryPerson};
use crate::time::Time;
use crate::words;

/// A token of changes lives seven days (protocol section 15), and some changes no round tells: a restored account comes
/// back without its groups. So all is read anew from time to time.
const FULL_EVERY: Duration = Duration::from_hours(7 * 24);
/// The longest wait between two questions after failures, unless Microsoft names a longer one.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// What passes by itself is said to be failing when it has not passed after so many questions.
const PATIENCE: u32 = 5;
/// Of groups and memberships so few may always go: in a small directory a tenth of them is nothing.
const FEW: i64 = 10;

words! {
    /// Where the copy is.
    pub enum CopyState {
        /// It was never read.
        Never = "never",
        /// A round is being read.
        Running = "running",
        /// It was whole at the end of the last round.
        Current = "current",
        /// The last round would take away too much; an operator says whether it may.
        Asks = "asks",
        /// Microsoft Graph gives nothing; it is asked again.
        Failing = "failing",
    }
}

words! {
    /// What a round does, in this order.
    pub enum CopyStep {
        /// Reads people and who is gone.
        People = "people",
        /// Reads groups and who is in them.
        Groups = "groups",
        /// Looks for what a round that tells everything has not told, and counts what would go.
        Compare = "compare",
        /// Takes away what is gone.
        Apply = "apply",
    }
}

words! {
    /// What an operator tells the synchronisation.
    pub enum CopyWord {
        /// A round now.
        Changes = "changes",
        /// A round now that reads everything anew.
        Everything = "everything",
        /// What the round says is gone may go.
        Confirm = "confirm",
        /// It may not: what was read is not to be believed, and everything is read anew.
        Reject = "reject",
    }
}

/// How many of each there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyCounts {
    pub people: i64,
    pub groups: i64,
    /// People and groups in groups, as direct members.
    pub members: i64,
}

impl CopyCounts {
    /// Whether a round that takes so much away asks first: over a tenth.
    pub fn is_too_much_of(self, known: Self) -> bool {
        let tenth = |gone: i64, of: i64| gone.saturating_mul(10) > of;
        tenth(self.people, known.people)
            || (self.groups > FEW && tenth(self.groups, known.groups))
            || (self.members > FEW && tenth(self.members, known.members))
    }
}

/// Where the next rounds of changes start: Graph's own links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyLinks {
    pub people: String,
    pub groups: String,
}

/// A round under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Rows that this round names carry it.
    pub no: i64,
    /// It tells everything, and not what changed.
    pub full: bool,
    pub step: CopyStep,
    /// The page that comes next; `None` is the first of everything.
    pub link: Option<String>,
    pub begun_at: Time,
    /// Pages of this step.
    pages: u64,
    /// A link that was met: whoever meets it again goes round in a circle.
    milestone: Option<String>,
    /// People and groups that were read, as they were told.
    pub read: i64,
    /// Where the round after this one starts.
    people_link: Option<String>,
    groups_link: Option<String>,
}

/// All that is kept of a synchronisation, beside the people and groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyStatus {
    pub state: CopyState,
    /// Since when.
    pub since: Time,
    /// Why it is failing, or what it waits for.
    pub cause: Option<String>,
    pub round: Option<Round>,
    /// Rounds that were begun.
    rounds: i64,
    links: Option<CopyLinks>,
    /// At the end of the last round.
    pub counts: CopyCounts,
    /// What the round would take away, while it asks.
    pub asks: Option<CopyCounts>,
    /// When everything was last read.
    full_at: Option<Time>,
    /// When the last round ended.
    pub complete_at: Option<Time>,
    /// When it goes on.
    pub next_at: Option<Time>,
    /// Questions in a row that brought nothing.
    failures: u32,
}

impl Default for CopyStatus {
    fn default() -> Self {
        Self {
            state: CopyState::Never,
            since: Time::ZERO,
            cause: None,
            round: None,
            rounds: 0,
            links: None,
            counts: CopyCounts::default(),
            asks: None,
            full_at: None,
            complete_at: None,
            next_at: None,
            failures: 0,
        }
    }
}

/// The copy of a lane as it is stored. Whoever writes it says with `rev` what was read before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryCopy {
    pub lane_no: i64,
    pub rev: i64,
    pub status: CopyStatus,
    /// Until when it is as good as Graph; `None` if it is not.
    pub fresh_until: Option<Time>,
    /// What an operator said and was not obeyed yet.
    pub word: Option<CopyWord>,
    /// What is obeyed with the next write.
    pub obeyed: Option<CopyWord>,
}

/// What the synchronisation does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyMove {
    Begin {
        full: bool,
    },
    /// Reads a page of people or of groups.
    Read {
        step: CopyStep,
        link: Option<String>,
    },
    Compare {
        full: bool,
    },
    /// An operator has said yes.
    Confirmed,
    Apply,
    /// The operator's word means nothing any more.
    Drop,
    /// Until then, or until it is told something.
    Wait(Option<Time>),
}

impl DirectoryCopy {
    pub fn next(&self, now: Time) -> CopyMove {
        let status = &self.status;
        let asks = status.state == CopyState::Asks;
        match self.word {
            Some(CopyWord::Everything) => return CopyMove::Begin { full: true },
            Some(CopyWord::Reject) if asks => return CopyMove::Begin { full: true },
            Some(CopyWord::Confirm) if asks => return CopyMove::Confirmed,
            Some(CopyWord::Reject | CopyWord::Confirm) => return CopyMove::Drop,
            Some(CopyWord::Changes) if asks => return CopyMove::Drop,
            Some(CopyWord::Changes) => {}
            None if asks => return CopyMove::Wait(None),
            None => {
                if let Some(at) = status.next_at.filter(|at| *at > now) {
                    return CopyMove::Wait(Some(at));
                }
            }
        }
        let Some(round) = &status.round else {
            let old = status.full_at.is_none_or(|at| now.since(at) >= FULL_EVERY);
            return CopyMove::Begin { full: old || status.links.is_none() };
        };
        match round.step {
            step @ (CopyStep::People | CopyStep::Groups) => CopyMove::Read { step, link: round.link.clone() },
            CopyStep::Compare => CopyMove::Compare { full: round.full },
            CopyStep::Apply => CopyMove::Apply,
        }
    }

    /// The number of the round under way.
    pub fn round(&self) -> i64 {
        self.status.round.as_ref().map_or(0, |round| round.no)
    }

    fn enter(&mut self, state: CopyState, now: Time) {
        if self.status.state != state {
            self.status.state = state;
            self.status.since = now;
        }
        self.obeyed = self.word.or(self.obeyed);
    }

    /// Begins a round; what was under way is left as it is.
    pub fn begin(&mut self, full: bool, now: Time) {
        self.enter(CopyState::Running, now);
        let status = &mut self.status;
        status.rounds += 1;
        (status.cause, status.asks, status.next_at) = (None, None, None);
        let links = status.links.clone().filter(|_| !full);
        if full {
            // They are of no use to what is read from its beginning.
            status.links = None;
        }
        status.round = Some(Round {
            no: status.rounds,
            full,
            step: CopyStep::People,
            link: links.map(|links| links.people),
            begun_at: now,
            pages: 0,
            milestone: None,
            read: 0,
            people_link: None,
            groups_link: None,
        });
    }

    /// A page was read: where the round goes on. An error if it goes nowhere.
    pub fn read(&mut self, page: &CopyPage, now: Time) -> Result<(), DirectoryError> {
        self.enter(CopyState::Running, now);
        let status = &mut self.status;
        (status.cause, status.next_at, status.failures) = (None, None, 0);
        let Some(round) = &mut status.round else { return Ok(()) };
        round.read += page.len();
        round.pages += 1;
        let next = match &page.next {
            CopyNext::At(link) => {
                if round.milestone.as_ref() == Some(link) || round.link.as_ref() == Some(link) {
                    return Err(DirectoryError::Anew("the pages go round in a circle".to_owned()));
                }
                if round.pages.is_power_of_two() {
                    round.milestone = Some(link.clone());
                }
                round.link = Some(link.clone());
                return Ok(());
            }
            CopyNext::End { changes } => Some(changes.clone()),
        };
        (round.pages, round.milestone) = (0, None);
        if round.step == CopyStep::People {
            (round.step, round.people_link) = (CopyStep::Groups, next);
            round.link = status.links.as_ref().filter(|_| !round.full).map(|links| links.groups.clone());
        } else {
            (round.step, round.groups_link, round.link) = (CopyStep::Compare, next, None);
        }
        Ok(())
    }

    /// Nothing came of a question. What cannot be gone on with is begun anew, after a while.
    pub fn failed(&mut self, error: &DirectoryError, now: Time) {
        let status = &mut self.status;
        status.failures = status.failures.saturating_add(1);
        let wait = Duration::from_secs(1_u64 << (status.failures - 1).min(9)).min(LONGEST_WAIT);
        status.next_at = Some(now + error.retry_after().map_or(wait, |told| told.max(wait)));
        status.cause = Some(error.to_string());
        if matches!(error, DirectoryError::Anew(_)) {
            (status.round, status.links) = (None, None);
        }
        let failing = !error.passes() || status.failures >= PATIENCE;
        self.enter(if failing { CopyState::Failing } else { CopyState::Running }, now);
    }

    /// The round is whole: what it would take away goes, or an operator is asked.
    pub fn compared(&mut self, gone: CopyCounts, now: Time) {
        let asks = self.status.complete_at.is_some() && gone.is_too_much_of(self.status.counts);
        if asks {
            self.status.asks = Some(gone);
            self.enter(CopyState::Asks, now);
        } else {
            self.apply(now);
        }
    }

    /// What is gone is taken away from now on.
    pub fn apply(&mut self, now: Time) {
        self.status.asks = None;
        if let Some(round) = &mut self.status.round {
            round.step = CopyStep::Apply;
        }
        self.enter(CopyState::Running, now);
    }

    /// The round has ended.
    pub fn complete(&mut self, counts: CopyCounts, now: Time, pace: CopyPace) {
        self.enter(CopyState::Current, now);
        let status = &mut self.status;
        if let Some(round) = status.round.take() {
            if round.full {
                status.full_at = Some(now);
            }
            status.links =
                round.people_link.zip(round.groups_link).map(|(people, groups)| CopyLinks { people, groups });
        }
        (status.counts, status.complete_at, status.next_at) = (counts, Some(now), Some(now + pace.interval));
        (status.cause, status.failures) = (None, 0);
        self.fresh_until = Some(now + pace.max_age);
    }

    /// For how long it counts was changed, or it is not kept up any more.
    pub fn counts_for(&mut self, max_age: Option<Duration>) -> bool {
        let until = self.status.complete_at.zip(max_age).map(|(at, age)| at + age);
        std::mem::replace(&mut self.fresh_until, until) != until
    }

    /// The operator's word has been heard, and changes nothing.
    pub fn drop_word(&mut self) {
        self.obeyed = self.word;
    }
}

/// How the copies of an app are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyPace {
    /// Between two rounds.
    pub interval: Duration,
    /// An older copy is not used: Graph is asked.
    pub max_age: Duration,
}

/// A page of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPage {
    /// Each once.
    pub people: Vec<DirectoryPerson>,
    /// Object ids.
    pub gone_people: Vec<String>,
    pub groups: Vec<CopyGroup>,
    pub gone_groups: Vec<String>,
    pub next: CopyNext,
}

impl CopyPage {
    fn len(&self) -> i64 {
        let lengths = [self.people.len(), self.gone_people.len(), self.groups.len(), self.gone_groups.len()];
        lengths.iter().sum::<usize>() as i64
    }
}

/// How a step goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyNext {
    At(String),
    /// It was the last; the link to what changes from here on.
    End {
        changes: String,
    },
}

/// A group and what is said of its direct members. What is not told has not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyGroup {
    /// Entra object id, lower case.
    pub id: String,
    pub name: Option<String>,
    /// In words: `team`, `unified`, `security`, `mail`, `dynamic`.
    pub kinds: Option<String>,
    /// Object ids of people, and whether they are in it.
    pub people: Vec<(String, bool)>,
    /// The same of groups.
    pub groups: Vec<(String, bool)>,
}

/// How far a comparison has come; it begins with the default. For the store alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// People up to this number.
    People(i64),
    Groups,
    /// Members up to this group, kind and number.
    Members(i64, String, i64),
}

impl Default for Compared {
    fn default() -> Self {
        Self::People(0)
    }
}

/// Some of the people of a part of the directory, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopiedPeople {
    pub recipients: Vec<i64>,
    /// The next page is after this number; `None` after the last.
    pub next: Option<i64>,
}

#[cfg(test)]
mod tests;
