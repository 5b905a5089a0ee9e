//! Who is meant: people by object id or by name, groups and teams, channels and chats by conversation id, everyone in the
//! directory or with the app. Whom a name stands for is looked up in `directory.rs`.

use std::collections::BTreeSet;

use nuncio_api::{Audience, Code};
use nuncio_domain::directory::{DirectoryPerson, DirectorySource, Include};
use nuncio_domain::message::Named;
use nuncio_domain::{AudienceId, Class, RecipientKind};

use super::{Findings, guid};

const MOST_NAMED: usize = 10_000;
const MOST_URGENT: usize = 1000;
/// Each is read by itself, from its first page to its last.
const MOST_GROUPS: usize = 100;
const MOST_LISTS: usize = 100;
/// Each is looked up by itself.
const MOST_PICKED: usize = 1000;
/// They have 13 digits until the year 2286.
const LONGEST_MESSAGE_ID: usize = 16;
/// Longer than any sign-in name or mail address.
const LONGEST_NAME: usize = 320;

#[derive(Default)]
pub(super) struct Checked {
    pub(super) named: Vec<Named>,
    pub(super) exclude: Vec<String>,
    /// People who are named otherwise than by id.
    pub(super) names: Vec<Name>,
    /// Teams as Teams calls them, with where they stand.
    pub(super) teams: Vec<(String, String)>,
    /// Teams, as Teams calls them or by their groups, whose picked channels are meant, with where they stand.
    pub(super) picked: Vec<(String, String)>,
    pub(super) directory: Vec<DirectorySource>,
    pub(super) exclude_groups: Vec<DirectorySource>,
    /// Uploaded lists, with where they stand; then by number.
    pub(super) list_ids: Vec<(AudienceId, String)>,
    pub(super) lists: Vec<i64>,
    pub(super) resolved: Vec<DirectoryPerson>,
    pub(super) include: Include,
}

/// A sign-in name or mail address.
pub(super) struct Name {
    pub(super) text: String,
    pub(super) pointer: String,
    /// Of somebody who is left out.
    pub(super) excluded: bool,
}

pub(super) fn check(findings: &mut Findings, asked: &Audience, class: Class) -> Checked {
    let nobody = asked.users.is_empty()
        && asked.channels.is_empty()
        && asked.chats.is_empty()
        && asked.picked_channels.is_empty()
        && !asked.installed
        && !asked.everyone
        && [&asked.teams, &asked.groups, &asked.lists].iter().all(|part| part.is_empty());
    if nobody {
        findings.add(Code::EmptyAudience, "/audience", "this names nobody");
    }
    if class == Class::Urgent {
        let text = "an urgent message takes at most 1,000 recipients, all named";
        if asked.installed {
            findings.add(Code::UrgentAudience, "/audience/installed", text);
        }
        for (wide, pointer) in [
            (asked.everyone, "/audience/everyone"),
            (!asked.teams.is_empty(), "/audience/teams"),
            (!asked.groups.is_empty(), "/audience/groups"),
            (!asked.lists.is_empty(), "/audience/lists"),
        ] {
            if wide {
                findings.add(Code::UrgentAudience, pointer, text);
            }
        }
        let parts = [&asked.users, &asked.channels, &asked.picked_channels, &asked.chats];
        if parts.iter().map(|part| part.len()).sum::<usize>() > MOST_URGENT {
            findings.add(Code::UrgentAudience, "/audience", text);
        }
    }

    let mut checked = Checked::default();
    for key in people_or_names(findings, "/audience/users", &asked.users, &mut checked.names) {
        checked.named.push(Named { kind: RecipientKind::Person, key });
    }
    if fits(findings, "/audience/channels", asked.channels.len()) {
        for (index, text) in asked.channels.iter().enumerate() {
            if let Some(key) = channel(findings, &format!("/audience/channels/{index}"), text) {
                checked.named.push(Named { kind: RecipientKind::Channel, key });
            }
        }
    }
    if fits(findings, "/audience/chats", asked.chats.len()) {
        for (index, text) in asked.chats.iter().enumerate() {
            if is_chat(text) {
                checked.named.push(Named { kind: RecipientKind::Chat, key: text.clone() });
            } else {
                let text = "this must be a group chat's conversation id such as 19:…@thread.v2";
                findings.add(Code::RecipientInvalid, format!("/audience/chats/{index}"), text);
            }
        }
    }
    picked(findings, &asked.picked_channels, &mut checked);
    let mut names = Vec::new();
    checked.exclude = people_or_names(findings, "/audience/exclude/users", &asked.exclude.users, &mut names);
    checked.names.extend(names.into_iter().map(|name| Name { excluded: true, ..name }));
    of_the_directory(findings, asked, &mut checked);
    lists(findings, &asked.lists, &mut checked);
    checked
}

/// Teams whose picked channel is meant; which channel that is, `picked.rs` finds out.
fn picked(findings: &mut Findings, entries: &[String], checked: &mut Checked) {
    if entries.len() > MOST_PICKED {
        let text = format!("this has {} entries; a message takes {MOST_PICKED}", entries.len());
        findings.add(Code::AudienceTooLong, "/audience/picked_channels", text);
        return;
    }
    for (index, text) in entries.iter().enumerate() {
        let pointer = format!("/audience/picked_channels/{index}");
        if let Some(id) = guid(text) {
            checked.picked.push((id, pointer));
        } else if is_thread(text, &CHANNELS) {
            checked.picked.push((text.clone(), pointer));
        } else {
            let text = "this must be a team's id such as 19:…@thread.tacv2, or the Entra object id of its group: \
                        the channel that was picked there is found by it";
            findings.add(Code::RecipientInvalid, pointer, text);
        }
    }
}

/// Groups, teams and everyone, each once, and kinds of people.
fn of_the_directory(findings: &mut Findings, asked: &Audience, checked: &mut Checked) {
    let count = asked.groups.len() + asked.teams.len() + asked.exclude.groups.len();
    if count > MOST_GROUPS {
        let text =
            format!("these are {count} groups and teams, left out or not; a message takes {MOST_GROUPS}");
        findings.add(Code::AudienceTooLong, "/audience/groups", text);
        return;
    }
    let mut sources = BTreeSet::new();
    if asked.everyone {
        sources.insert(DirectorySource::Everyone);
    }
    sources.extend(groups(findings, "/audience/groups", &asked.groups));
    checked.exclude_groups.extend(groups(findings, "/audience/exclude/groups", &asked.exclude.groups));
    for (index, text) in asked.teams.iter().enumerate() {
        let pointer = format!("/audience/teams/{index}");
        if let Some(id) = guid(text) {
            sources.insert(DirectorySource::Team(id));
        } else if is_thread(text, &CHANNELS) {
            checked.teams.push((text.clone(), pointer));
        } else {
            let text =
                "this must be a team's id such as 19:…@thread.tacv2, or the Entra object id of its group";
            findings.add(Code::RecipientInvalid, pointer, text);
        }
    }
    checked.directory.extend(sources);
    for (index, word) in asked.include.iter().enumerate() {
        match word.as_str() {
            "guests" => checked.include.guests = true,
            "disabled" => checked.include.disabled = true,
            _ => findings.add(
                Code::InvalidValue,
                format!("/audience/include/{index}"),
                "this must be one of: guests, disabled",
            ),
        }
    }
}

fn groups(findings: &mut Findings, pointer: &str, entries: &[String]) -> BTreeSet<DirectorySource> {
    let mut groups = BTreeSet::new();
    for (index, text) in entries.iter().enumerate() {
        if let Some(id) = guid(text) {
            groups.insert(DirectorySource::Group(id));
        } else {
            let text = "this must be the Entra object id of a group";
            findings.add(Code::RecipientInvalid, format!("{pointer}/{index}"), text);
        }
    }
    groups
}

fn lists(findings: &mut Findings, entries: &[String], checked: &mut Checked) {
    if entries.len() > MOST_LISTS {
        let text = format!("these are {} lists; a message takes {MOST_LISTS}", entries.len());
        findings.add(Code::AudienceTooLong, "/audience/lists", text);
        return;
    }
    for (index, text) in entries.iter().enumerate() {
        let pointer = format!("/audience/lists/{index}");
        match text.parse() {
            Ok(id) => checked.list_ids.push((id, pointer)),
            Err(_) => {
                findings.add(Code::UnknownList, pointer, "this must be the id of an uploaded list, `aud_…`");
            }
        }
    }
}

pub(super) fn fits(findings: &mut Findings, pointer: &str, count: usize) -> bool {
    if count > MOST_NAMED {
        let text = format!("this has {count} entries; a message takes {MOST_NAMED}");
        findings.add(Code::AudienceTooLong, pointer, text);
    }
    count <= MOST_NAMED
}

/// The ids, and apart from them what may be a name.
fn people_or_names(
    findings: &mut Findings,
    pointer: &str,
    entries: &[String],
    names: &mut Vec<Name>,
) -> Vec<String> {
    let mut people = Vec::new();
    if !fits(findings, pointer, entries.len()) {
        return people;
    }
    for (index, text) in entries.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        if let Some(id) = guid(text) {
            people.push(id);
        } else if is_name(text) {
            names.push(Name { text: text.clone(), pointer, excluded: false });
        } else {
            let text = "this must be an Entra object id such as b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b, a sign-in name \
                        or a mail address";
            findings.add(Code::RecipientInvalid, pointer, text);
        }
    }
    people
}

/// A sign-in name or mail address, as far as can be seen.
pub(crate) fn is_name(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(before, after)| !before.is_empty() && !after.is_empty())
        && text.len() <= LONGEST_NAME
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

pub(crate) fn people(findings: &mut Findings, pointer: &str, entries: &[String]) -> Vec<String> {
    let mut people = Vec::new();
    if !fits(findings, pointer, entries.len()) {
        return people;
    }
    for (index, text) in entries.iter().enumerate() {
        match guid(text) {
            Some(id) => people.push(id),
            None if text.contains('@') => findings.add(
                Code::UpnNotResolvable,
                format!("{pointer}/{index}"),
                "Teams takes no user principal name: give the Entra object id",
            ),
            None => findings.add(
                Code::RecipientInvalid,
                format!("{pointer}/{index}"),
                "this must be an Entra object id such as b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b",
            ),
        }
    }
    people
}

/// What the ids of channels, and of teams, end with.
pub(super) const CHANNELS: [&str; 2] = ["@thread.tacv2", "@thread.skype"];

/// `19:…@thread.tacv2`, older ones `@thread.skype`: a new thread there. With `;messageid=…` a reply in that thread. A team's
/// id is that of its General channel.
fn channel(findings: &mut Findings, pointer: &str, text: &str) -> Option<String> {
    let (base, root) = text.split_once(";messageid=").map_or((text, None), |(base, id)| (base, Some(id)));
    if is_thread(base, &CHANNELS) && root.is_none_or(is_message_id) {
        return Some(text.to_owned());
    }
    let text = "this must be a channel's conversation id such as 19:…@thread.tacv2, for a reply with the id of the \
                thread's first message behind it, ;messageid=1795356400456";
    findings.add(Code::RecipientInvalid, pointer, text);
    None
}

/// Epoch milliseconds (`docs/protocol.md` section 4.0), written one way only: the same thread must not be two recipients.
fn is_message_id(text: &str) -> bool {
    (1..=LONGEST_MESSAGE_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0')
}

/// `19:…@thread.v2`, a meeting's `19:meeting_…@thread.v2`.
pub(super) fn is_chat(text: &str) -> bool {
    is_thread(text, &["@thread.v2"])
}

pub(super) fn is_thread(text: &str, ends: &[&str]) -> bool {
    let middle = text.strip_prefix("19:").and_then(|rest| ends.iter().find_map(|end| rest.strip_suffix(end)));
    middle.is_some_and(|middle| {
        !middle.is_empty()
            && middle.len() <= 200
            && middle.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> Option<Code> {
        let mut findings = Findings::default();
        let channel = channel(&mut findings, "/x", text);
        assert_eq!(channel.is_some(), findings.items.is_empty(), "{text}");
        findings.items.first().map(|(code, ..)| *code)
    }

    #[test]
    fn channels_and_their_threads_are_told_from_chats_and_people() {
        assert_eq!(code_of("19:5be1c0f2a8d94e7f@thread.tacv2"), None);
        assert_eq!(code_of("19:5be1_c0-f2@thread.skype"), None);
        assert_eq!(code_of("19:x@thread.tacv2;messageid=1795356400456"), None);
        assert_eq!(code_of("19:x@thread.skype;messageid=17"), None);
        for text in [
            "",
            "19:@thread.tacv2",
            "19:x@thread.v2",
            "a:1Xv9QnB3pLr",
            "19:x@thread.tacv2;messageid=",
            "19:x@thread.tacv2;messageid=x",
            "19:x@thread.tacv2;messageid=017",
            "19:x@thread.tacv2;messageid=12345678901234567",
            "19:x@thread.tacv2;messageid=1;messageid=2",
            "19:x@thread.tacv2;messageId=1",
            "19:x@thread.v2;messageid=1795356400456",
            "19:x/../y@thread.tacv2",
            "Incidents",
        ] {
            assert_eq!(code_of(text), Some(Code::RecipientInvalid), "{text}");
        }
    }

    #[test]
    fn chats_are_told_from_channels_and_people() {
        for text in ["19:5be1c0f2a8d94e7f@thread.v2", "19:meeting_MjQ2-x_0@thread.v2"] {
            assert!(is_chat(text), "{text}");
        }
        for text in
            ["", "19:@thread.v2", "19:x@thread.tacv2", "19:x_y@unq.gbl.spaces", "a:1", "19:x/y@thread.v2"]
        {
            assert!(!is_chat(text), "{text}");
        }
    }
}
