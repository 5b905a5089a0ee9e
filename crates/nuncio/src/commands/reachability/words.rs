//! What each state means, and what to do about it.

/// Of those who muted the chat.
pub(super) const MUTED: &str =
    "Teams delivers to who muted the chat and tells nobody: they count as reachable";

pub(super) fn of(state: &str) -> &'static str {
    match state {
        "unknown" => "Nothing was heard of them yet: a message finds out",
        "reachable" => "They can be written to",
        "blocked" => "They blocked the app in Teams: only they can unblock it",
        "removed" => "The app was removed: they can install it again, or an administrator for them",
        "blocked_or_removed" => "They blocked or removed the app: Teams does not say which",
        "never_installed" => {
            "They never had the app: an administrator can install it (Teams admin center, setup policies)"
        }
        "admin_disabled" => {
            "An administrator disabled the app: allow it in the Teams admin center, Manage apps"
        }
        "policy_blocked" => {
            "A policy of their tenant forbids the app: an administrator can allow it for them"
        }
        "unlicensed" => "They have no plan with Teams: assign one in the Microsoft 365 admin center",
        "account_disabled" => "They cannot sign in: enable the account in Entra, or leave them out",
        "deleted" => "There is no such account any more: leave them out",
        "chat_gone" => "The chat or channel does not exist any more",
        "external" => "Their account is another tenant's: include guests to write to them",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use nuncio_domain::ReachState;

    #[test]
    fn every_state_is_explained() {
        for state in ReachState::ALL {
            assert!(!super::of(state.as_str()).is_empty(), "{state}");
        }
    }
}
