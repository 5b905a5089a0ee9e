//! Members, teams and channels (protocol section 5.5).

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::schema::{ChannelAccount, ChannelInfo};

/// A page of members.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MembersPage {
    /// The members.
    pub members: Vec<ChannelAccount>,
    /// There is more, to be asked for with this.
    pub continuation_token: Option<String>,
}

/// Which page comes next. Ends where a page names no token, and where one names a token that was used before: the
/// pages would go round for ever.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    asked: HashSet<String>,
    next: Option<String>,
    ended: bool,
}

impl Pages {
    /// The token to ask with, which for the first page is none; `None` when all pages were read.
    pub fn next(&self) -> Option<Option<&str>> {
        (!self.ended).then_some(self.next.as_deref())
    }

    /// What the page that was asked for names as its next.
    pub fn read(&mut self, continuation_token: Option<String>) {
        self.next = continuation_token.filter(|token| !token.is_empty() && self.asked.insert(token.clone()));
        self.ended = self.next.is_none();
    }
}

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TeamDetails {
    /// `19:…`
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The group in Entra.
    pub aad_group_id: Option<String>,
    /// `standard`, `sharedChannel`, `privateChannel`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// How many channels it has.
    pub channel_count: Option<u64>,
    /// How many members it has.
    pub member_count: Option<u64>,
    /// Its tenant.
    pub tenant_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The channels of a team's answer. General, whose id is the team's, has no name. `None` for another shape.
pub(crate) fn channels(body: &Value) -> Option<Vec<ChannelInfo>> {
    Vec::deserialize(body.get("conversations")?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_end() {
        let mut pages = Pages::default();
        let mut asked = Vec::new();
        for token in [Some("a"), Some("b"), None] {
            asked.push(pages.next().unwrap().map(str::to_owned));
            pages.read(token.map(str::to_owned));
        }
        assert_eq!(asked, [None, Some("a".to_owned()), Some("b".to_owned())]);
        assert_eq!(pages.next(), None);
        let mut empty = Pages::default();
        empty.read(Some(String::new()));
        assert_eq!(empty.next(), None);
    }

    proptest! {
        #[test]
        fn pages_that_go_round_end(tokens in proptest::collection::vec("[ab]{1,2}", 20)) {
            let mut pages = Pages::default();
            let read = tokens.into_iter().take_while(|token| {
                pages.read(Some(token.clone()));
                pages.next().is_some()
            });
            // There are six such tokens.
            prop_assert!(read.count() <= 6);
        }
    }
}
