//! Uploaded lists.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_domain::directory::Resolved;
use nuncio_domain::lists::{Deleted, Found, Knows, ListedName, Names, NewList, Unresolved, UploadedList};
use nuncio_domain::{AudienceId, RecipientKind, Scope, Time};

use super::{Place, State};

/// A list; what is counted of it is counted when it is asked for.
pub(super) struct List {
    new: NewList,
    pub(super) members: BTreeSet<i64>,
    /// What was said of its names, by line.
    said: BTreeMap<i64, Option<Knows>>,
    cause: Option<String>,
    deleted: bool,
}

impl List {
    pub(super) fn is_of(&self, lane_no: i64) -> bool {
        self.new.lane_no == lane_no && !self.deleted
    }

    pub(super) fn wants(&self) -> bool {
        !self.deleted && self.said.len() < self.new.names.len()
    }

    fn last(&self) -> Option<i64> {
        self.said.keys().next_back().copied()
    }

    /// Those that were not looked up yet.
    fn next(&self) -> impl Iterator<Item = &ListedName> {
        let after = self.last().unwrap_or(0);
        self.new.names.iter().filter(move |listed| listed.line > after)
    }
}

impl State {
    pub(super) fn upload(&mut self, new: NewList) -> i64 {
        let list_no = self.lists.keys().next_back().map_or(1, |last| last + 1);
        let people = new.people.iter().map(|key| self.recipient(new.lane_no, RecipientKind::Person, key));
        let members = people.collect();
        let list = List { new, members, said: BTreeMap::new(), cause: None, deleted: false };
        self.lists.insert(list_no, list);
        list_no
    }

    /// Those of a lane with names to be looked up.
    pub(super) fn lists_with_names(&self, lane_no: i64) -> Vec<i64> {
        let wanting = self.lists.iter().filter(|(_, list)| list.is_of(lane_no) && list.wants());
        wanting.map(|(list_no, _)| *list_no).collect()
    }

    pub(super) fn names(&self, list_no: i64, limit: i64) -> Option<Names> {
        let list = self.lists.get(&list_no).filter(|list| list.wants())?;
        Some(Names { after: list.last(), names: list.next().take(limit as usize).cloned().collect() })
    }

    pub(super) fn found(&mut self, found: Found, now: Time) -> bool {
        let Some(list) = self.lists.get_mut(&found.list_no).filter(|list| !list.deleted) else {
            return false;
        };
        let names = match found.names {
            Ok(names) => names,
            Err(cause) => {
                list.cause = Some(cause);
                return true;
            }
        };
        if names.is_empty() || !list.wants() || list.last() != found.after {
            return false;
        }
        list.cause = None;
        let lane_no = list.new.lane_no;
        for (listed, resolved) in names {
            let recipient_no = if let Resolved::One(person) = &resolved {
                self.told(lane_no, person, now)
            } else {
                let recipient_no = self.recipient(lane_no, RecipientKind::Person, &listed.key());
                if let Some(recipient) = self.recipients.get_mut(&recipient_no) {
                    recipient.upn = Some(listed.name.clone());
                }
                recipient_no
            };
            if let Some(list) = self.lists.get_mut(&found.list_no) {
                list.members.insert(recipient_no);
                list.said.insert(listed.line, Knows::of(&resolved));
            }
        }
        true
    }

    fn seen_list(&self, scope: &Scope, id: AudienceId) -> Option<(i64, &List)> {
        let (list_no, list) = self.lists.iter().find(|(_, list)| list.new.id == id && !list.deleted)?;
        scope.sees_app(&self.lanes[&list.new.lane_no].app).then_some((*list_no, list))
    }

    pub(super) fn list(&self, scope: &Scope, id: AudienceId) -> Option<UploadedList> {
        let (list_no, list) = self.seen_list(scope, id)?;
        let (new, lane) = (&list.new, &self.lanes[&list.new.lane_no]);
        let people = list.members.len() as i64 + list.next().count() as i64;
        Some(UploadedList {
            list_no,
            id,
            lane_no: new.lane_no,
            app: lane.app.clone(),
            tenant: lane.tenant.clone(),
            name: new.name.clone(),
            lines: new.lines,
            blanks: new.blanks,
            duplicates: new.lines - new.blanks - people,
            people,
            names: new.names.len() as i64,
            looked_up: list.said.len() as i64,
            unresolved: list.said.values().flatten().count() as i64,
            cause: list.cause.clone(),
            created_at: new.created_at,
        })
    }

    pub(super) fn unresolved(&self, list_no: i64) -> Vec<Unresolved> {
        let Some(list) = self.lists.get(&list_no).filter(|list| !list.deleted) else { return Vec::new() };
        let names = list.new.names.iter();
        names
            .filter_map(|listed| {
                let knows = list.said.get(&listed.line).copied().flatten()?;
                Some(Unresolved { listed: listed.clone(), knows })
            })
            .collect()
    }

    pub(super) fn delete_list(&mut self, scope: &Scope, id: AudienceId) -> Deleted {
        let Some((list_no, _)) = self.seen_list(scope, id) else { return Deleted::NotFound };
        let in_use = self.messages.values().any(|message| {
            !message.audience_final
                && message.sources.iter().any(|place| matches!(place, Place::Uploaded(of) if *of == list_no))
        });
        if in_use {
            return Deleted::InUse;
        }
        if let Some(list) = self.lists.get_mut(&list_no) {
            list.deleted = true;
            list.members.clear();
        }
        Deleted::Done
    }
}
