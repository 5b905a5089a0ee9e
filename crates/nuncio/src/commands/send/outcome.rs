//! How it went, as an exit code.

use nuncio_api::Message;
use nuncio_domain::FailReason;

use crate::cli::NOT_ALL;

/// 0: everyone who can be reached has it. 1: some do not, for a cause that is not theirs; with `strict`, for any cause
/// but that the caller left them out.
pub fn exit_code(message: &Message, strict: bool) -> u8 {
    let counts = message.counts;
    let excluded = message.skipped_by_reason.get("excluded").copied().unwrap_or(0);
    let all_have_it = if strict {
        counts.delivered + excluded == counts.audience
    } else {
        // A reason that this version does not know is not taken for an excuse.
        let unreachable: i64 = message
            .failed_by_reason
            .iter()
            .filter(|(reason, _)| FailReason::of_word(reason).is_some_and(FailReason::is_reachability))
            .map(|(_, count)| count)
            .sum();
        counts.delivered + counts.skipped + unreachable == counts.audience
    };
    // Cancelled while its audience was still growing: whoever had not been counted has not got it.
    let whole = message.state == "completed" || message.audience_final;
    if message.is_final() && all_have_it && whole { 0 } else { NOT_ALL }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nuncio_api::Counts;

    use super::*;
    use crate::commands::output::tests::message;

    fn of(counts: Counts, failed: &[(&str, i64)], skipped: &[(&str, i64)]) -> Message {
        let map = |reasons: &[(&str, i64)]| -> BTreeMap<String, i64> {
            reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
        };
        Message { counts, failed_by_reason: map(failed), skipped_by_reason: map(skipped), ..message() }
    }

    #[test]
    fn everyone_has_it() {
        let message = of(Counts { audience: 3, delivered: 3, ..Counts::default() }, &[], &[]);
        assert_eq!((exit_code(&message, false), exit_code(&message, true)), (0, 0));
    }

    #[test]
    fn who_cannot_be_reached_is_no_failure_unless_strict() {
        for reason in [
            "blocked_by_user",
            "blocked_or_removed",
            "not_installed",
            "disabled_by_admin",
            "blocked_by_policy",
            "conversation_gone",
            "recipient_not_found",
            "recipient_unsupported",
        ] {
            let counts = Counts { audience: 3, delivered: 2, failed: 1, ..Counts::default() };
            let message = of(counts, &[(reason, 1)], &[]);
            assert_eq!((exit_code(&message, false), exit_code(&message, true)), (0, 1), "{reason}");
        }
        let counts = Counts { audience: 3, delivered: 2, skipped: 1, ..Counts::default() };
        let message = of(counts, &[], &[("unreachable", 1)]);
        assert_eq!((exit_code(&message, false), exit_code(&message, true)), (0, 1));
    }

    #[test]
    fn whom_the_caller_left_out_does_not_count() {
        let counts = Counts { audience: 3, delivered: 2, skipped: 1, ..Counts::default() };
        assert_eq!(exit_code(&of(counts, &[], &[("excluded", 1)]), true), 0);
    }

    #[test]
    fn other_causes_are_failures() {
        for reason in [
            "message_too_big",
            "message_invalid",
            "not_permitted",
            "throttled_out",
            "upstream_error",
            "newer",
        ] {
            let counts = Counts { audience: 3, delivered: 2, failed: 1, ..Counts::default() };
            assert_eq!(exit_code(&of(counts, &[(reason, 1)], &[]), false), 1, "{reason}");
        }
        for counts in [
            Counts { audience: 2, delivered: 1, ambiguous: 1, ..Counts::default() },
            Counts { audience: 2, delivered: 1, expired: 1, ..Counts::default() },
            Counts { audience: 2, delivered: 1, cancelled: 1, ..Counts::default() },
        ] {
            assert_eq!(exit_code(&of(counts, &[], &[]), false), 1, "{counts:?}");
        }
    }

    #[test]
    fn what_is_not_over_is_not_done() {
        let mut message = of(Counts { audience: 1, delivered: 1, ..Counts::default() }, &[], &[]);
        message.state = "sending".to_owned();
        assert_eq!(exit_code(&message, false), 1);
        message.state = "cancelled".to_owned();
        assert_eq!(exit_code(&message, false), 0);
        message.audience_final = false;
        assert_eq!(exit_code(&message, false), 1);
    }
}
