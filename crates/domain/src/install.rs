//! Bringing the app to people, teams and group chats through Microsoft Graph (`docs/adr/0027`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::batch::Row;
use crate::delivery::FailReason;
use crate::outcome::Operation;
use crate::own_words::Purpose;
use crate::people::{Lane, ReachState, RecipientKind};
use crate::words;

words! {
    /// Who is given the app for a message (`docs/delivery.md`, Installing and welcoming).
    pub enum InstallPolicy {
        Never = "never",
        /// Who never had it. Who removed it by hand is not given it again.
        IfNeverInstalled = "if_never_installed",
        AlsoIfRemoved = "also_if_removed",
    }
}

impl InstallPolicy {
    /// Whether a message has the app installed for this person before it speaks to them.
    pub fn wants(self, row: &Row) -> bool {
        self != Self::Never
            && row.kind == RecipientKind::Person
            && match row.reach {
                ReachState::NeverInstalled => true,
                ReachState::Unknown => row.reference.is_none(),
                ReachState::Removed => self == Self::AlsoIfRemoved,
                _ => false,
            }
    }
}

/// Whether an install run takes it for known that this recipient has the app, and makes no call. No event keeps what is known
/// of a team as a recipient up to date.
pub fn has_it(row: &Row) -> bool {
    row.kind != RecipientKind::Team && row.reach.installed() == Some(true)
}

/// The word for the cause of a message that waits for installing to work again, and of a survey that waits for answers.
pub const CAUSE: &str = "install";
pub const SURVEY_CAUSE: &str = "survey";

/// Why a message of this purpose waits: the word, and what to do.
pub fn cause(purpose: Purpose, text: &str) -> String {
    let word = if purpose == Purpose::Survey { SURVEY_CAUSE } else { CAUSE };
    format!("{word}: {text}")
}

/// Word and text of a cause that [`cause`] made.
pub fn read_cause(cause: &str) -> Option<(&str, &str)> {
    cause.split_once(": ").filter(|(word, _)| matches!(*word, CAUSE | SURVEY_CAUSE))
}

/// One call to be made for a delivery: [`Operation::Install`], [`Operation::FindChat`] or [`Operation::AskInstalled`].
#[derive(Debug, Clone)]
pub struct InstallCall {
    pub lane: Arc<Lane>,
    pub operation: Operation,
    pub row: Arc<Row>,
}

/// What came of one, with what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallAnswer {
    pub outcome: InstallOutcome,
    pub status: Option<u16>,
    pub code: Option<String>,
    /// Names no person and holds no secret.
    pub text: Option<String>,
    pub correlation: Option<String>,
}

impl InstallAnswer {
    /// An answer without anything from Microsoft in it.
    pub fn bare(outcome: InstallOutcome, text: impl Into<String>) -> Self {
        Self { outcome, status: None, code: None, text: Some(text.into()), correlation: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallOutcome {
    /// It is there now. Teams tells of it by an event, nearly always.
    Installed,
    /// It was there before, of which no event tells.
    AlreadyThere,
    /// They do not have it.
    NotThere,
    /// The id of their chat with the app.
    Chat(String),
    /// No call was made: Graph wants to be left alone for longer than a call may be waited for.
    NotMade { retry_after: Duration },
    /// 429, of the app in the tenant.
    Throttled { retry_after: Option<Duration> },
    /// It may pass.
    Unavailable { retry_after: Option<Duration> },
    /// For this recipient it cannot be.
    Refused { reason: FailReason, reach: Option<ReachState> },
    /// Nothing that this delivery could help: all of them wait until what the answer's text names is put right.
    Waits { retry_after: Option<Duration> },
}

impl InstallOutcome {
    /// The word in the attempts table and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Installed | Self::AlreadyThere | Self::NotThere | Self::Chat(_) => "accepted",
            Self::Throttled { .. } | Self::NotMade { .. } => "throttled",
            Self::Unavailable { .. } => "transient",
            Self::Refused { .. } => "permanent",
            Self::Waits { .. } => "lane_waits",
        }
    }
}

/// Installs the app, finds the chats of people with it, and asks whether they have it. Paces itself by Graph's limits, so that a call may take its
/// time; but not long, so that what is cancelled meanwhile does not begin. Repeats nothing that was refused.
#[async_trait]
pub trait Installer: Send + Sync + 'static {
    async fn call(&self, call: InstallCall) -> InstallAnswer;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Key;
    use crate::directory::Standing;
    use crate::people::Reference;

    fn row(reach: ReachState, met: bool) -> Row {
        let reference = met.then(|| Reference {
            reference_no: 1,
            conversation_id: "a:1".to_owned(),
            service_url: String::new(),
            suspect: false,
        });
        Row {
            key: Key { message_no: 1, recipient_no: 1 },
            thread_no: 1,
            kind: RecipientKind::Person,
            address: "ann".to_owned(),
            mri: None,
            reference,
            others: 0,
            reach,
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

    #[test]
    fn who_is_given_the_app() {
        use InstallPolicy::{AlsoIfRemoved, IfNeverInstalled, Never};
        let asked = [Never, IfNeverInstalled, AlsoIfRemoved];
        for (reach, met, wanted) in [
            (ReachState::Unknown, false, [false, true, true]),
            (ReachState::Unknown, true, [false, false, false]),
            (ReachState::NeverInstalled, false, [false, true, true]),
            (ReachState::NeverInstalled, true, [false, true, true]),
            (ReachState::Removed, true, [false, false, true]),
            (ReachState::Reachable, false, [false, false, false]),
            (ReachState::Blocked, true, [false, false, false]),
            (ReachState::PolicyBlocked, false, [false, false, false]),
        ] {
            let row = row(reach, met);
            assert_eq!(asked.map(|policy| policy.wants(&row)), wanted, "{reach} {met}");
            let channel = Row { kind: RecipientKind::Channel, ..row };
            assert_eq!(asked.map(|policy| policy.wants(&channel)), [false; 3]);
        }
    }

    #[test]
    fn causes_are_read_as_they_are_written() {
        assert_eq!(read_cause(&cause(Purpose::Asked, "grant it: now")), Some((CAUSE, "grant it: now")));
        assert_eq!(read_cause(&cause(Purpose::Install, "why")), Some((CAUSE, "why")));
        assert_eq!(read_cause(&cause(Purpose::Survey, "why")), Some((SURVEY_CAUSE, "why")));
        assert_eq!(read_cause("directory: x"), None);
    }
}
