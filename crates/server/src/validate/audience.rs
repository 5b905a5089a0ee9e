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
        if asked.users.len() + asked.channels.len() + asked.chats.len() > MOST_URGENT {
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
    let mut names = Vec::new();
    checked.exclude = people_or_names(findings, "/audience/exclude/users", &asked.exclude.users, &mut names);
    checked.names.extend(names.into_iter().map(|name| Name { excluded: true, ..name }));
    of_the_directory(findings, asked, &mut checked);
    lists(findings, &asked.lists, &mut checked);
    checked
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
        if let Ok(id) = text.parse() {
            checked.list_ids.push((id, pointer));
        } else {
            let text = "this must be the id of an uploaded list, `aud_…`";
            findings.add(Code::UnknownList, pointer, text);
        }
    }
}

fn fits(findings: &mut Findings, pointer: &str, count: usize) -> bool {
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
const CHANNELS: [&str; 2] = ["@thread.tacv2", "@thread.skype"];

/// `19:…@thread.tacv2`, older ones `@thread.skype`. A team's id is that of its General channel.
fn channel(findings: &mut Findings, pointer: &str, text: &str) -> Option<String> {
    let (base, thread) = text.split_once(";messageid=").map_or((text, None), |(base, id)| (base, Some(id)));
    let looks_right = is_thread(base, &CHANNELS);
    let digits = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    match thread {
        None if looks_right => Some(base.to_owned()),
        Some(id) if looks_right && digits(id) => {
            let text = "replying in a thread is not supported yet: leave `;messageid=…` out for a new one";
            findings.add(Code::NotSupportedYet, pointer, text);
            None
        }
        _ => {
            let text = "this must be a channel's conversation id such as 19:…@thread.tacv2";
            findings.add(Code::RecipientInvalid, pointer, text);
            None
        }
    }
}

/// `19:…@thread.v2`, a meeting's `19:meeting_…@thread.v2`.
fn is_chat(text: &str) -> bool {
    is_thread(text, &["@thread.v2"])
}

fn is_thread(text: &str, ends: &[&str]) -> bool {
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
    fn channels_are_told_from_chats_people_and_threads() {
        assert_eq!(code_of("19:5be1c0f2a8d94e7f@thread.tacv2"), None);
        assert_eq!(code_of("19:5be1_c0-f2@thread.skype"), None);
        assert_eq!(code_of("19:x@thread.tacv2;messageid=1795356400456"), Some(Code::NotSupportedYet));
        for text in [
            "",
            "19:@thread.tacv2",
            "19:x@thread.v2",
            "a:1Xv9QnB3pLr",
            "19:x@thread.tacv2;messageid=",
            "19:x@thread.tacv2;messageid=x",
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
