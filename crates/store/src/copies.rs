//! The copy of a directory as rows of either database (`docs/adr/0025`).

use std::collections::BTreeMap;

use nuncio_domain::directory::DirectoryPerson;
use nuncio_domain::directory_copy::{CopyCounts, CopyPage, CopyStatus, CopyWord, DirectoryCopy};
use nuncio_domain::ports::StoreError;

use crate::words::{AnyRow, from_json, get, time_or_null, word_or_null};

/// Rows of people or members that are looked at together, and rows that are taken away together.
pub(crate) const LOOKED_AT: i64 = 10_000;
pub(crate) const TAKEN: i64 = 5_000;

/// Kinds of members: of a person the number is that of the recipient, of a group that of the group.
pub(crate) const PERSON: &str = "person";
pub(crate) const GROUP: &str = "group";

/// Where the list of an audience stands that is expanded from the copy and needs no pages; no link looks like it.
pub(crate) const FROM_COPY: &str = "copy";

/// A row of `directory_copies`; one that is not there is a copy that was never begun.
pub(crate) fn copy_of(lane_no: i64, row: Option<&impl AnyRow>) -> Result<DirectoryCopy, StoreError> {
    let Some(row) = row else { return Ok(DirectoryCopy { lane_no, ..DirectoryCopy::default() }) };
    let status: Option<&str> = get(row, "copied")?;
    Ok(DirectoryCopy {
        lane_no,
        rev: get::<Option<i64>>(row, "rev")?.unwrap_or(0),
        status: status.map_or_else(|| Ok(CopyStatus::default()), from_json)?,
        fresh_until: time_or_null(row, "fresh_until")?,
        word: word_or_null(row, "word", CopyWord::of_word)?,
        obeyed: None,
    })
}

/// A member of a group, and whether it is in there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<'p> {
    pub(crate) group: &'p str,
    pub(crate) kind: &'static str,
    pub(crate) key: &'p str,
    pub(crate) there: bool,
}

/// All members that a page names, in the order of their keys; of each the last word counts.
pub(crate) fn members(page: &CopyPage) -> Vec<Member<'_>> {
    let mut last = BTreeMap::new();
    for group in &page.groups {
        for (kind, members) in [(PERSON, &group.people), (GROUP, &group.groups)] {
            for (key, there) in members {
                last.insert((group.id.as_str(), kind, key.as_str()), *there);
            }
        }
    }
    last.into_iter().map(|((group, kind, key), there)| Member { group, kind, key, there }).collect()
}

/// A group that a page names: its id, name and kinds.
pub(crate) type Named<'p> = (&'p str, Option<&'p str>, Option<&'p str>);

/// Each once: a large one stands on a page several times, with some of its members each.
pub(crate) fn groups(page: &CopyPage) -> Vec<Named<'_>> {
    let mut last: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for group in &page.groups {
        let named = (group.id.as_str(), group.name.as_deref(), group.kinds.as_deref());
        last.entry(&group.id)
            .and_modify(|known| *known = (known.0, named.1.or(known.1), named.2.or(known.2)))
            .or_insert(named);
    }
    last.into_values().collect()
}

/// Keys of members of one kind that have to be there before they are members.
pub(crate) fn keys<'p>(members: &[Member<'p>], kind: &str) -> Vec<&'p str> {
    let mut keys: Vec<&str> = members
        .iter()
        .filter(|member| member.there && member.kind == kind)
        .map(|member| member.key)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// People in the order of their keys.
pub(crate) fn people(page: &CopyPage) -> Vec<&DirectoryPerson> {
    let last: BTreeMap<&str, &DirectoryPerson> =
        page.people.iter().map(|person| (person.object_id.as_str(), person)).collect();
    last.into_values().collect()
}

/// How many there are, and how many of them are marked as gone.
pub(crate) fn counts(row: &impl AnyRow) -> Result<(CopyCounts, CopyCounts), StoreError> {
    let there = CopyCounts {
        people: get(row, "people")?,
        groups: get(row, "groups")?,
        members: get(row, "members")?,
    };
    let gone = CopyCounts {
        people: get(row, "gone_people")?,
        groups: get(row, "gone_groups")?,
        members: get(row, "gone_members")?,
    };
    Ok((there, gone))
}

/// What is known of a person.
pub(crate) fn person(row: &impl AnyRow) -> Result<DirectoryPerson, StoreError> {
    Ok(DirectoryPerson {
        object_id: get(row, "key")?,
        upn: get(row, "upn")?,
        name: get(row, "name")?,
        mail: get(row, "mail")?,
        guest: get(row, "guest")?,
        external: get(row, "external")?,
        enabled: get(row, "enabled")?,
        licensed: get(row, "licensed")?,
    })
}

/// A name as it is looked for.
pub(crate) fn looked_for(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use nuncio_domain::directory_copy::{CopyGroup, CopyNext};

    use super::*;

    #[test]
    fn of_each_member_the_last_word_counts() {
        let group = |name: Option<&str>, people: &[(&str, bool)]| CopyGroup {
            id: "g".to_owned(),
            name: name.map(str::to_owned),
            people: people.iter().map(|(id, there)| ((*id).to_owned(), *there)).collect(),
            ..CopyGroup::default()
        };
        let page = CopyPage {
            people: Vec::new(),
            gone_people: Vec::new(),
            groups: vec![group(Some("All"), &[("ann", true), ("bob", true)]), group(None, &[("ann", false)])],
            gone_groups: Vec::new(),
            next: CopyNext::At(String::new()),
        };
        let member = |key, there| Member { group: "g", kind: PERSON, key, there };
        let members = members(&page);
        assert_eq!(members, [member("ann", false), member("bob", true)]);
        assert_eq!(keys(&members, PERSON), ["bob"]);
        assert_eq!(groups(&page), [("g", Some("All"), None)]);
    }
}
