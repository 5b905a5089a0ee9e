//! What can be changed while the simulator runs: `GET|PATCH /sim/settings`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    events::manner::Manner,
    limits::WindowKind,
    random::Rng,
    switches::{
        ArchivedAs, BatchAnswer, BlockedActs, BlockedAs, ChatDeletedCreate, ContentChecks, DeltaExpiredAs,
        InstallAnswer, MissingRootAs, PersonAnswer, RefusedTokenAs, RemovedReason, RetryAfterAs, TeamOnlyAs,
        UninstalledAs, UninstalledCreate, UnmatchedMention,
    },
};

/// How long the Connector takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Fixed {
        /// Milliseconds.
        ms: f64,
        /// The part that passes before the request is counted and taken, 0 to 1.
        #[serde(default = "half")]
        share_before: f64,
    },
    /// Lognormal, described by two of its quantiles.
    Lognormal {
        /// Milliseconds that half of the requests stay below.
        median_ms: f64,
        /// Milliseconds that 99 of 100 requests stay below.
        p99_ms: f64,
        /// The part that passes before the request is counted and taken, 0 to 1.
        #[serde(default = "half")]
        share_before: f64,
    },
}

fn half() -> f64 {
    0.5
}

impl Default for Latency {
    fn default() -> Self {
        Self::Fixed { ms: 5.0, share_before: 0.5 }
    }
}

impl Latency {
    /// Milliseconds before and after the moment when the request counts.
    pub(crate) fn sample(&self, rng: &mut Rng) -> (f64, f64) {
        // 2.326… is the 99 % quantile of the standard normal.
        const Z99: f64 = 2.326_347_874;
        let (ms, share) = match *self {
            Self::Fixed { ms, share_before } => (ms, share_before),
            Self::Lognormal { median_ms, p99_ms, share_before } => {
                let sigma = (p99_ms / median_ms).ln() / Z99;
                (median_ms * (sigma * rng.normal()).exp(), share_before)
            }
        };
        (ms * share, ms * (1.0 - share))
    }

    fn check(&self) -> Result<(), String> {
        let share = match *self {
            Self::Fixed { ms, share_before } => {
                if !(0.0..=600_000.0).contains(&ms) {
                    return Err("latency.ms must be between 0 and 600000".into());
                }
                share_before
            }
            Self::Lognormal { median_ms, p99_ms, share_before } => {
                if !(median_ms > 0.0 && p99_ms >= median_ms && p99_ms <= 600_000.0) {
                    return Err("latency needs 0 < median_ms <= p99_ms <= 600000".into());
                }
                share_before
            }
        };
        if !(0.0..=1.0).contains(&share) {
            return Err("latency.share_before must be between 0 and 1".into());
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UninstallEvent {
    #[default]
    None,
    Remove,
}

#[expect(clippy::struct_excessive_bools, reason = "switches, each independent of the others")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) limits: bool,
    /// The real limit of app and tenant, which may be set below what Microsoft's page tells.
    pub(crate) limits_per_s: u32,
    pub(crate) window: WindowKind,
    pub(crate) scale: f64,
    /// Sent with each 429 of the limits; null sends none.
    pub(crate) retry_after_s: Option<i64>,
    pub(crate) latency: Latency,
    pub(crate) token_expires_in: i64,
    pub(crate) message_limit_bytes: u64,
    /// Whether an update, delete or reaction counts against its thread as a send does; Microsoft does not say (protocol
    /// section 13). Without, it counts only in the limit of app and tenant.
    pub(crate) updates_count_as_sends: bool,
    pub(crate) blocked_as: BlockedAs,
    pub(crate) uninstalled_as: UninstalledAs,
    pub(crate) uninstalled_create: UninstalledCreate,
    pub(crate) uninstall_event: UninstallEvent,
    pub(crate) team_only_as: TeamOnlyAs,
    pub(crate) chat_deleted_create: ChatDeletedCreate,
    pub(crate) unlicensed_as: PersonAnswer,
    pub(crate) account_disabled_as: PersonAnswer,
    pub(crate) guest_as: PersonAnswer,
    pub(crate) deleted_as: PersonAnswer,
    pub(crate) never_signed_in_as: PersonAnswer,
    pub(crate) policy_blocked_as: PersonAnswer,
    pub(crate) external_as: PersonAnswer,
    pub(crate) refused_token_as: RefusedTokenAs,
    pub(crate) archived_as: ArchivedAs,
    pub(crate) missing_root_as: MissingRootAs,
    /// Makes the tenant one of GCC whose calls must come to this host (and port); others get `InvalidBotApiHost`.
    pub(crate) gcc_host: Option<String>,
    /// Whether a 1:1 create with an activity inside tells the id of its message (protocol section 5.1 and Microsoft's
    /// integration tests of 2026 disagree).
    pub(crate) personal_activity_id: bool,
    pub(crate) content_checks: ContentChecks,
    pub(crate) unmatched_mention: UnmatchedMention,
    /// Images of cards by URL: not in GCC High and `DoD` (protocol section 15).
    pub(crate) image_urls: bool,
    /// Whether bots may send batches at all (protocol section 5.8).
    pub(crate) batch: bool,
    pub(crate) batch_answer: BatchAnswer,
    /// `stateMap` instead of `statusMap`.
    pub(crate) batch_state_map: bool,
    /// `id` instead of `entryId` in failed entries.
    pub(crate) batch_entry_id_short: bool,
    pub(crate) batch_entries_max: usize,
    /// Operations of a bot at the same time.
    pub(crate) batch_operations_max: usize,
    /// Uploads (protocol section 5.6).
    pub(crate) attachments: bool,
    /// `GET /v3/conversations`, `POST …/activities/history` and `DELETE …/members/{id}`: in swagger only.
    pub(crate) conversation_list: bool,
    pub(crate) history: bool,
    pub(crate) member_delete: bool,
    /// Whether the members of a meeting are in it now.
    pub(crate) meetings_running: bool,
    pub(crate) targeted_in_personal: bool,
    /// How long a targeted message can be seen.
    pub(crate) targeted_lifetime_s: f64,
    /// Share of the sends into good conversations that get 404 `ConversationNotFound` (protocol section 10).
    pub(crate) spurious_404_share: f64,
    /// Share of those, in 1:1 chats, that stay so until the chat is created anew; the others pass by themselves.
    pub(crate) spurious_404_lasting: f64,
    /// How long a bot may take for an event (protocol section 4.0), and when it is sent again.
    pub(crate) event_timeout_s: f64,
    pub(crate) event_again_after_s: f64,
    /// Whether what was not answered twice comes twice more, with a new id, and after how long (protocol section 4.0).
    pub(crate) event_second_pair: bool,
    pub(crate) event_second_after_s: f64,
    pub(crate) event_at_once: usize,
    pub(crate) event_delivery: Manner,
    /// How long a bot may take for an invoke, which is never sent again; Microsoft's is 5 to 10 s, unproved.
    pub(crate) invoke_timeout_s: f64,
    pub(crate) blocked_acts: BlockedActs,
    /// What Graph answers to installing for them.
    pub(crate) unlicensed_install_as: InstallAnswer,
    pub(crate) account_disabled_install_as: InstallAnswer,
    pub(crate) guest_install_as: InstallAnswer,
    /// Share of Graph's installs that no bot is told of (protocol section 15).
    pub(crate) install_events_lost: f64,
    /// Whether a change of a bot's app roles also counts for tokens that it holds; Entra writes them into the token.
    pub(crate) graph_roles_at_once: bool,
    pub(crate) graph_retry_after: RetryAfterAs,
    /// Of Graph's limits as they are told, so much is real.
    pub(crate) graph_limits_share: f64,
    /// Whether requests that Graph refuses with 429 count in its limits.
    pub(crate) graph_refused_count: bool,
    /// Pages of Graph have no more than this, whatever is asked for.
    pub(crate) graph_page_max: Option<usize>,
    /// How long what `@odata.deltaLink` holds is good: seven days for the directory.
    pub(crate) graph_delta_lifetime_s: f64,
    pub(crate) graph_removed_reason: RemovedReason,
    pub(crate) graph_delta_expired_as: DeltaExpiredAs,
    /// Differences with what Microsoft allows itself: what is gone is told in the first round too, and something in each
    /// round twice.
    pub(crate) graph_delta_untidy: bool,
}

impl Settings {
    pub(crate) fn new(limits: bool, latency: Latency) -> Self {
        Self {
            limits,
            limits_per_s: 50,
            window: WindowKind::default(),
            scale: 1.0,
            retry_after_s: Some(1),
            latency,
            token_expires_in: 3599,
            message_limit_bytes: 100 * 1024,
            updates_count_as_sends: true,
            blocked_as: BlockedAs::default(),
            uninstalled_as: UninstalledAs::default(),
            uninstalled_create: UninstalledCreate::default(),
            uninstall_event: UninstallEvent::default(),
            team_only_as: TeamOnlyAs::default(),
            chat_deleted_create: ChatDeletedCreate::default(),
            unlicensed_as: PersonAnswer::NotInstalled,
            account_disabled_as: PersonAnswer::Accepted,
            guest_as: PersonAnswer::NotInstalled,
            deleted_as: PersonAnswer::NotFound,
            never_signed_in_as: PersonAnswer::NotInstalled,
            policy_blocked_as: PersonAnswer::DisabledByAdmin,
            external_as: PersonAnswer::NotFound,
            refused_token_as: RefusedTokenAs::default(),
            archived_as: ArchivedAs::default(),
            missing_root_as: MissingRootAs::default(),
            gcc_host: None,
            personal_activity_id: true,
            content_checks: ContentChecks::default(),
            unmatched_mention: UnmatchedMention::default(),
            image_urls: true,
            batch: false,
            batch_answer: BatchAnswer::default(),
            batch_state_map: false,
            batch_entry_id_short: false,
            batch_entries_max: 1000,
            batch_operations_max: 10,
            attachments: false,
            conversation_list: false,
            history: false,
            member_delete: false,
            meetings_running: true,
            targeted_in_personal: false,
            targeted_lifetime_s: 86_400.0,
            spurious_404_share: 0.0,
            spurious_404_lasting: 0.5,
            event_timeout_s: 15.0,
            event_again_after_s: 15.0,
            event_second_pair: false,
            event_second_after_s: 30.0,
            event_at_once: 32,
            event_delivery: Manner::default(),
            invoke_timeout_s: 5.0,
            blocked_acts: BlockedActs::default(),
            unlicensed_install_as: InstallAnswer::default(),
            account_disabled_install_as: InstallAnswer::default(),
            guest_install_as: InstallAnswer::default(),
            install_events_lost: 0.0,
            graph_roles_at_once: false,
            graph_retry_after: RetryAfterAs::default(),
            graph_limits_share: 1.0,
            graph_refused_count: true,
            graph_page_max: None,
            graph_delta_lifetime_s: 604_800.0,
            graph_removed_reason: RemovedReason::default(),
            graph_delta_expired_as: DeltaExpiredAs::default(),
            graph_delta_untidy: false,
        }
    }

    /// These settings with the given ones laid over them; unknown names and impossible values are refused in words.
    pub(crate) fn patched(&self, patch: &Value) -> Result<Self, String> {
        let Some(patch) = patch.as_object() else {
            return Err("the body must be a JSON object".into());
        };
        let mut all = serde_json::to_value(self).map_err(|e| e.to_string())?;
        for (name, value) in patch {
            all[name] = value.clone();
        }
        let settings: Self = serde_path_to_error::deserialize(all).map_err(|e| {
            let path = e.path().to_string();
            let e = e.into_inner();
            if path == "." { e.to_string() } else { format!("{path}: {e}") }
        })?;
        settings.check()?;
        Ok(settings)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.latency.check()?;
        if self.limits_per_s == 0 {
            return Err("limits_per_s must be at least 1".into());
        }
        if !(self.scale > 0.0 && self.scale <= 1000.0) {
            return Err("scale must be above 0 and at most 1000".into());
        }
        if !(0..=86_400 * 30).contains(&self.token_expires_in) {
            return Err("token_expires_in must be between 0 and 2592000".into());
        }
        for (name, value) in [
            ("spurious_404_share", self.spurious_404_share),
            ("spurious_404_lasting", self.spurious_404_lasting),
            ("install_events_lost", self.install_events_lost),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("{name} must be between 0 and 1"));
            }
        }
        if !(0.0..=86_400.0 * 365.0).contains(&self.targeted_lifetime_s) {
            return Err("targeted_lifetime_s must be between 0 and 31536000".into());
        }
        if !(self.graph_limits_share > 0.0 && self.graph_limits_share <= 1000.0) {
            return Err("graph_limits_share must be above 0 and at most 1000".into());
        }
        if self.graph_page_max == Some(0) {
            return Err("graph_page_max must be at least 1".into());
        }
        if !(0.0..=86_400.0 * 365.0).contains(&self.graph_delta_lifetime_s) {
            return Err("graph_delta_lifetime_s must be between 0 and 31536000".into());
        }
        if self.gcc_host.as_ref().is_some_and(|host| host.is_empty() || host.contains(['/', ' '])) {
            return Err("gcc_host must be a host, or a host and a port".into());
        }
        self.event_delivery.check().map_err(|problem| format!("event_delivery.{problem}"))?;
        if !(1..=10_000).contains(&self.event_at_once) {
            return Err("event_at_once must be between 1 and 10000".into());
        }
        for (name, value) in [
            ("event_timeout_s", self.event_timeout_s),
            ("event_again_after_s", self.event_again_after_s),
            ("event_second_after_s", self.event_second_after_s),
            ("invoke_timeout_s", self.invoke_timeout_s),
        ] {
            if !(0.0..=600.0).contains(&value) {
                return Err(format!("{name} must be between 0 and 600"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let settings = Settings::new(true, Latency::default());
        let patched = settings
            .patched(&json!({"limits_per_s": 20, "retry_after_s": null, "blocked_as": "209",
                "window": "fixed_1s", "latency": {"kind": "lognormal", "median_ms": 100, "p99_ms": 900}}))
            .unwrap();
        assert_eq!(patched.limits_per_s, 20);
        assert_eq!(patched.retry_after_s, None);
        assert_eq!(patched.blocked_as, BlockedAs::WritesBlocked);
        assert_eq!(patched.window, WindowKind::Fixed);
        assert_eq!(patched.token_expires_in, settings.token_expires_in);
        let unknown = settings.patched(&json!({"limit": 1})).unwrap_err();
        assert!(unknown.contains("unknown field `limit`"), "{unknown}");
        assert!(settings.patched(&json!({"scale": 0})).is_err());
        assert!(settings.patched(&json!({"latency": {"kind": "fixed", "ms": 1, "p99": 2}})).is_err());
    }

    #[test]
    fn lognormal_keeps_its_quantiles() {
        let mut rng = Rng::new(1);
        let latency = Latency::Lognormal { median_ms: 100.0, p99_ms: 900.0, share_before: 0.25 };
        let mut total: Vec<f64> = (0..20_000)
            .map(|_| {
                let (before, after) = latency.sample(&mut rng);
                before + after
            })
            .collect();
        total.sort_by(f64::total_cmp);
        assert!((total[10_000] - 100.0).abs() < 5.0, "{}", total[10_000]);
        assert!((total[19_800] - 900.0).abs() < 120.0, "{}", total[19_800]);
    }
}
