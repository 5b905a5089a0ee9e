//! Surveys (`docs/adr/0027`): Graph is asked whether people have the app. Nobody is disturbed, and what it says is kept as
//! what is known of each.

use crate::batch::ReachChange;
use crate::delivery::DeliveryState;
use crate::install::{InstallAnswer, InstallOutcome};
use crate::lane::core::{Item, LaneCore, Next};
use crate::lane::settle::Fate;
use crate::own_words::Purpose;
use crate::people::ReachState;
use crate::reach::ReachEvidence;
use crate::time::Time;

impl LaneCore {
    pub(super) fn fate_of_question(&mut self, now: Time, item: &mut Item, answer: &InstallAnswer) -> Fate {
        let there = match &answer.outcome {
            InstallOutcome::AlreadyThere | InstallOutcome::Installed | InstallOutcome::Chat(_) => true,
            InstallOutcome::NotThere => false,
            InstallOutcome::Refused { reason, reach } => {
                if let Some(state) = reach {
                    self.note(now, item, (*state, answer));
                }
                return Fate::Final(DeliveryState::Failed, Some(*reason));
            }
            InstallOutcome::Unavailable { .. } if self.installs.of(Purpose::Survey).trouble.is_on() => {
                return Fate::Again(Next::Front);
            }
            InstallOutcome::Unavailable { retry_after } => return self.try_again(now, item, *retry_after),
            InstallOutcome::Throttled { .. }
            | InstallOutcome::NotMade { .. }
            | InstallOutcome::Waits { .. } => return Fate::Again(Next::Front),
        };
        if let Some(state) = learned(item.row.reach, there) {
            let says = if there { "have" } else { "do not have" };
            self.batch.reach.push(ReachChange {
                recipient_no: item.row.key.recipient_no,
                state,
                evidence: ReachEvidence::graph(format!(
                    "a survey: Microsoft Graph says that they {says} the app"
                )),
                at: now,
            });
        }
        Fate::Final(DeliveryState::Delivered, None)
    }
}

/// What becomes of what was known; nothing where it says nothing new.
fn learned(before: ReachState, there: bool) -> Option<ReachState> {
    use ReachState::{Blocked, BlockedOrRemoved, ChatGone, NeverInstalled, Reachable, Removed, Unknown};
    match (before, there) {
        // A block is invisible to Graph: the app is there.
        (Blocked | ChatGone, true) => None,
        // Which of the two is settled (`docs/delivery.md`, Reachability).
        (BlockedOrRemoved, true) => Some(Blocked),
        (_, true) => Some(Reachable),
        (Unknown | NeverInstalled, false) => Some(NeverInstalled),
        (Reachable | Blocked | Removed | BlockedOrRemoved | ChatGone, false) => Some(Removed),
        // Kept from it, or not there at all: that says more.
        (_, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_survey_makes_of_what_was_known() {
        use ReachState::{
            Blocked, BlockedOrRemoved, NeverInstalled, PolicyBlocked, Reachable, Removed, Unknown,
        };
        for (before, has, has_not) in [
            (Unknown, Some(Reachable), Some(NeverInstalled)),
            (NeverInstalled, Some(Reachable), Some(NeverInstalled)),
            (Reachable, Some(Reachable), Some(Removed)),
            (Removed, Some(Reachable), Some(Removed)),
            (Blocked, None, Some(Removed)),
            (BlockedOrRemoved, Some(Blocked), Some(Removed)),
            (PolicyBlocked, Some(Reachable), None),
        ] {
            assert_eq!((learned(before, true), learned(before, false)), (has, has_not), "{before}");
        }
    }
}
