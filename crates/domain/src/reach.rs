//! How it is known whether somebody can be reached, and what counts where several say different things
//! (`docs/delivery.md`, Reachability; `docs/adr/0028`).

use crate::directory::Standing;
use crate::outcome::Operation;
use crate::people::{Person, ReachState, RecipientKind};
use crate::time::Time;
use crate::words;

words! {
    /// How it is known.
    pub enum How {
        /// Teams told of an install, a removal, or what became of a team or channel.
        Event = "event",
        /// The Connector refused a call.
        Refusal = "refusal",
        /// Microsoft Graph said so: the directory, or the list of installed apps.
        Graph = "graph",
        /// A word, reaction or button of the person.
        Person = "person",
        /// The Connector took a call.
        Call = "call",
    }
}

/// One piece of evidence. Never what was said in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachEvidence {
    pub how: How,
    /// What Microsoft answered, where it was an answer.
    pub status: Option<u16>,
    pub code: Option<String>,
    /// In words.
    pub text: String,
}

/// What stands in the texts of evidence from calls.
const ANSWERED: &str = " answered ";
/// How texts of evidence from people begin.
const THEY: &str = "they ";

impl ReachEvidence {
    fn of(how: How, text: impl Into<String>) -> Self {
        Self { how, status: None, code: None, text: text.into() }
    }

    pub fn event(text: impl Into<String>) -> Self {
        Self::of(How::Event, text)
    }

    pub fn person(text: impl Into<String>) -> Self {
        Self::of(How::Person, text)
    }

    pub fn graph(text: impl Into<String>) -> Self {
        Self::of(How::Graph, text)
    }

    /// What a call came to, by the state that follows from it.
    pub fn answer(state: ReachState, operation: Operation, status: Option<u16>, code: Option<&str>) -> Self {
        let how = if state == ReachState::Reachable { How::Call } else { How::Refusal };
        let number = status.map_or_else(String::new, |status| status.to_string());
        let text = format!("{operation}{ANSWERED}{number} {}", code.unwrap_or_default());
        Self { status, code: code.map(str::to_owned), ..Self::of(how, text.trim_end()) }
    }

    /// What Microsoft Graph answered when it was asked to install the app, or whether it is there.
    pub fn graph_answer(status: Option<u16>, code: Option<&str>) -> Self {
        let number = status.map_or_else(String::new, |status| status.to_string());
        let text = format!("Microsoft Graph{ANSWERED}{number} {}", code.unwrap_or_default());
        Self { status, code: code.map(str::to_owned), ..Self::graph(text.trim_end()) }
    }

    /// What versions before `how` was stored had written: a text alone.
    pub fn of_text(state: ReachState, text: String) -> Self {
        let Some((_, answer)) = text.split_once(ANSWERED) else {
            return if text.starts_with(THEY) { Self::person(text) } else { Self::event(text) };
        };
        let how = if state == ReachState::Reachable { How::Call } else { How::Refusal };
        let mut words = answer.split(' ').filter(|word| !word.is_empty()).peekable();
        let status = words.next_if(|word| word.len() == 3).and_then(|word| word.parse().ok());
        let code = words.next().map(str::to_owned);
        Self { status, code, ..Self::of(how, text) }
    }
}

/// Whether an activity tells what has been overtaken: it was sent before the newest that told of the same person. Both
/// times are of Microsoft's clock, which is compared with no other (`docs/adr/0032`).
pub fn is_late(sent_at: Option<Time>, newest: Option<Time>) -> bool {
    sent_at.zip(newest).is_some_and(|(sent_at, newest)| sent_at < newest)
}

/// Evidence and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub evidence: ReachEvidence,
    pub at: Time,
}

impl Standing {
    /// The state that the directory's word amounts to, if it is none of somebody who can be reached. Of guests it knows
    /// no plan: theirs are where they come from. The same order as in [`skip`](crate::skip).
    pub fn state(self) -> Option<ReachState> {
        if self.external == Some(true) {
            Some(ReachState::External)
        } else if self.enabled == Some(false) {
            Some(ReachState::AccountDisabled)
        } else if self.licensed == Some(false) && self.guest != Some(true) {
            Some(ReachState::Unlicensed)
        } else {
            None
        }
    }

    /// The same, unless something was seen of them later than the directory was asked.
    pub fn counts(self, seen_at: Option<Time>) -> Option<ReachState> {
        let asked_at = self.at?;
        if seen_at.is_some_and(|seen_at| asked_at < seen_at) { None } else { self.state() }
    }
}

/// What the directory is quoted with.
pub fn said_by_directory(state: ReachState) -> &'static str {
    match state {
        ReachState::External => "the directory says that the account is another tenant's",
        ReachState::AccountDisabled => "the directory says that the account is disabled",
        ReachState::Unlicensed => "the directory says that they have no plan with Teams",
        _ => "the directory says so no more",
    }
}

impl Person {
    /// What counts of them: the directory's word, or what was seen, whichever is newer.
    pub fn state(&self) -> ReachState {
        self.standing.counts(self.reach_at).unwrap_or(self.reach)
    }

    /// How that is known, and when it was last heard.
    pub fn known(&self) -> Option<Known> {
        match self.standing.counts(self.reach_at) {
            Some(state) => {
                let evidence = ReachEvidence::graph(said_by_directory(state));
                self.standing.at.map(|at| Known { evidence, at })
            }
            None => self.seen(),
        }
    }

    /// What was seen of them, whatever the directory says.
    pub fn seen(&self) -> Option<Known> {
        let evidence = self.evidence.clone()?;
        self.reach_at.map(|at| Known { evidence, at })
    }
}

/// One entry of a recipient's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub state: ReachState,
    pub known: Known,
    /// It stands beside what was known, and did not change it.
    pub contradicts: bool,
    /// Of an activity that came later than a newer one: when it was sent, by Microsoft's clock. It changed nothing.
    pub sent_at: Option<Time>,
}

/// A change of somebody's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    pub position: Position,
    pub app: String,
    pub tenant: String,
    pub kind: RecipientKind,
    pub key: String,
    pub name: Option<String>,
    pub upn: Option<String>,
    pub was: Option<ReachState>,
    pub state: ReachState,
    pub known: Known,
}

/// Where in the order in which changes were committed: the transaction, where the database counts them, and the number
/// of the change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub i64, pub i64);

/// Changes in their order, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateChanges {
    pub items: Vec<StateChange>,
    /// The last one that was looked at.
    pub reached: Position,
    /// Whether there was more to look at by then.
    pub more: bool,
}

impl StateChanges {
    /// What was read of the changes behind `after` up to `until`, `newest` being the last that there was, and `limit` the
    /// most that was asked for.
    pub fn read(
        items: Vec<StateChange>,
        limit: i64,
        after: Position,
        until: Position,
        newest: Position,
    ) -> Self {
        let full = items.last().filter(|_| items.len() as i64 >= limit).map(|last| last.position);
        let reached = full.unwrap_or(until.max(after));
        Self { items, reached, more: reached < newest }
    }
}

/// Which changes.
#[derive(Debug, Clone, Default)]
pub struct ChangeFilter {
    pub since: Option<Time>,
    pub kind: Option<RecipientKind>,
    /// What they became.
    pub state: Option<ReachState>,
    pub how: Option<How>,
    pub app: Option<String>,
    pub tenant: Option<String>,
}

/// A state with how it is known, and how many are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub state: ReachState,
    pub how: Option<How>,
    pub count: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_reads_as_what_was_meant() {
        let refusal = ReachEvidence::answer(
            ReachState::Removed,
            Operation::Send,
            Some(403),
            Some("BotNotInConversationRoster"),
        );
        let bare = ReachEvidence::answer(ReachState::Blocked, Operation::Create, Some(403), None);
        for (state, evidence, text) in [
            (ReachState::Removed, refusal, "send answered 403 BotNotInConversationRoster"),
            (ReachState::Blocked, bare, "create answered 403"),
            (
                ReachState::Reachable,
                ReachEvidence::answer(ReachState::Reachable, Operation::Send, Some(201), None),
                "send answered 201",
            ),
            (ReachState::Reachable, ReachEvidence::event("the app was installed"), "the app was installed"),
            (ReachState::ChatGone, ReachEvidence::event("Teams said teamDeleted"), "Teams said teamDeleted"),
            (ReachState::Reachable, ReachEvidence::person("they wrote to the app"), "they wrote to the app"),
        ] {
            assert_eq!(evidence.text, text);
            assert_eq!(ReachEvidence::of_text(state, text.to_owned()), evidence);
        }
    }

    #[test]
    fn the_newer_of_two_counts() {
        let disabled = Standing { enabled: Some(false), at: Some(Time(10)), ..Standing::default() };
        assert_eq!(disabled.counts(None), Some(ReachState::AccountDisabled));
        assert_eq!(disabled.counts(Some(Time(10))), Some(ReachState::AccountDisabled));
        assert_eq!(disabled.counts(Some(Time(11))), None);
        assert_eq!(Standing { at: None, ..disabled }.counts(None), None);
        let guest = Standing { guest: Some(true), licensed: Some(false), ..disabled };
        assert_eq!(Standing { enabled: Some(true), ..guest }.counts(None), None);
        assert_eq!(Standing { external: Some(true), ..guest }.counts(None), Some(ReachState::External));
        let none = Standing { licensed: Some(false), enabled: Some(true), guest: None, ..guest };
        assert_eq!(none.counts(None), Some(ReachState::Unlicensed));
    }
}
