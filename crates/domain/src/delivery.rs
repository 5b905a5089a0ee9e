//! The states of a delivery, why it ended, and the ledger's counts (`docs/delivery.md`, Outcomes and Ledger).

use serde::{Deserialize, Serialize};

/// Makes an enum whose variants have one fixed word each: in the database, in JSON, in logs and in reports.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        $vis enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used everywhere for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The variant of a word, if it is one.
            pub fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where a delivery is. Everything after `InFlight` is final, save that `Ambiguous` can be settled.
    pub enum DeliveryState {
        Pending = "pending",
        InFlight = "in_flight",
        Delivered = "delivered",
        Failed = "failed",
        Skipped = "skipped",
        Ambiguous = "ambiguous",
        Cancelled = "cancelled",
        Expired = "expired",
    }
}

impl DeliveryState {
    /// Whether nothing more happens to it by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }

    /// Whether a delivery may go from here to `next`. The store enforces it with conditional writes; the model and
    /// the tests ask here.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => true,
            Self::InFlight => !matches!(next, Self::Skipped | Self::InFlight),
            // Late evidence and a person's word (`docs/delivery.md`, Ambiguous).
            Self::Ambiguous => matches!(next, Self::Pending | Self::Delivered | Self::Failed),
            Self::Delivered | Self::Failed | Self::Skipped | Self::Cancelled | Self::Expired => false,
        }
    }
}

words! {
    /// Why a delivery failed (`docs/product.md`, Words).
    pub enum FailReason {
        BlockedByUser = "blocked_by_user",
        BlockedOrRemoved = "blocked_or_removed",
        NotInstalled = "not_installed",
        DisabledByAdmin = "disabled_by_admin",
        BlockedByPolicy = "blocked_by_policy",
        ConversationGone = "conversation_gone",
        RecipientNotFound = "recipient_not_found",
        RecipientUnsupported = "recipient_unsupported",
        MessageTooBig = "message_too_big",
        MessageInvalid = "message_invalid",
        NotPermitted = "not_permitted",
        ThrottledOut = "throttled_out",
        UpstreamError = "upstream_error",
    }
}

impl FailReason {
    /// Whether the cause lies with whether the recipient can be reached, which a broadcast cannot help. Decides the
    /// exit code of `nuncio send --wait` (`docs/product.md`, Command line).
    pub const fn is_reachability(self) -> bool {
        matches!(
            self,
            Self::BlockedByUser
                | Self::BlockedOrRemoved
                | Self::NotInstalled
                | Self::DisabledByAdmin
                | Self::BlockedByPolicy
                | Self::ConversationGone
                | Self::RecipientNotFound
                | Self::RecipientUnsupported
        )
    }
}

words! {
    /// Why no call was made for a delivery.
    pub enum SkipReason {
        OptedOut = "opted_out",
        Excluded = "excluded",
        Guest = "guest",
        External = "external",
        Unlicensed = "unlicensed",
        AccountDisabled = "account_disabled",
        Unreachable = "unreachable",
    }
}

/// The ledger of one message. `audience` is their sum; `duplicates_removed` stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub pending: i64,
    pub in_flight: i64,
    pub delivered: i64,
    pub failed: i64,
    pub skipped: i64,
    pub ambiguous: i64,
    pub cancelled: i64,
    pub expired: i64,
}

impl Counts {
    pub const fn audience(&self) -> i64 {
        self.pending
            + self.in_flight
            + self.delivered
            + self.failed
            + self.skipped
            + self.ambiguous
            + self.cancelled
            + self.expired
    }

    /// The count of one state.
    pub fn of(&mut self, state: DeliveryState) -> &mut i64 {
        match state {
            DeliveryState::Pending => &mut self.pending,
            DeliveryState::InFlight => &mut self.in_flight,
            DeliveryState::Delivered => &mut self.delivered,
            DeliveryState::Failed => &mut self.failed,
            DeliveryState::Skipped => &mut self.skipped,
            DeliveryState::Ambiguous => &mut self.ambiguous,
            DeliveryState::Cancelled => &mut self.cancelled,
            DeliveryState::Expired => &mut self.expired,
        }
    }

    /// Moves `n` deliveries from one state to another.
    pub fn shift(&mut self, from: DeliveryState, to: DeliveryState, n: i64) {
        *self.of(from) -= n;
        *self.of(to) += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_variants_match_both_ways() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::of_word(state.as_str()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), serde_json::json!(state.as_str()));
        }
        assert_eq!(FailReason::of_word("nonsense"), None);
    }

    #[test]
    fn finals_stay_final() {
        for from in DeliveryState::ALL.iter().filter(|state| state.is_final()) {
            for to in DeliveryState::ALL {
                let settled = *from == DeliveryState::Ambiguous;
                assert!(settled || !from.may_become(*to), "{from} to {to}");
            }
        }
    }

    #[test]
    fn shifting_keeps_the_audience() {
        let mut counts = Counts { pending: 5, ..Counts::default() };
        counts.shift(DeliveryState::Pending, DeliveryState::InFlight, 2);
        counts.shift(DeliveryState::InFlight, DeliveryState::Delivered, 1);
        assert_eq!(counts.audience(), 5);
        assert_eq!(counts, Counts { pending: 3, in_flight: 1, delivered: 1, ..Counts::default() });
    }
}
