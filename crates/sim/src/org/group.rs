//! Groups of the directory: those made or described here, and those of the teams, which are groups too.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Org, Person, TeamState, changes::Change, names::DEPARTMENTS};
use crate::random::Rng;

/// A group by its place. Teams come first, because groups may be made later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GroupRef {
    Team(u32),
    Group(u32),
}

/// Who or what is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Member {
    Person(u32),
    Group(u32),
    /// Something that is nobody: of a group the how many-th of its devices.
    Device {
        group: u32,
        number: u32,
    },
}

impl Member {
    /// People first.
    fn order(&self) -> (u8, u32, u32) {
        match *self {
            Self::Person(person) => (0, person, 0),
            Self::Group(group) => (1, group, 0),
            Self::Device { group, number } => (2, group, number),
        }
    }
}

/// A security group.
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// In any order, each once
    pub(crate) members: Vec<Member>,
    pub(crate) deleted: bool,
}

impl Group {
    pub(super) fn made_up(index: u32, rng: &mut Rng) -> Self {
        let department = DEPARTMENTS[index as usize % DEPARTMENTS.len()];
        let name = match index as usize / DEPARTMENTS.len() {
            0 => format!("All {department}"),
            round => format!("All {department} {}", round + 1),
        };
        Self { id: rng.uuid(), name, members: Vec::new(), deleted: false }
    }
}

impl Org {
    /// Everybody who is made up is in one of the groups in turn. Of every three the first holds the second and the second
    /// the third; and so that nobody who follows groups into groups goes without one, the first three are a circle.
    pub(super) fn make_groups(&mut self, count: u32, first_person: u32) {
        let first = self.groups.len() as u32;
        for index in 0..count {
            let mut group = Group::made_up(index, &mut self.rng);
            let people = (first_person + index..self.len()).step_by(count as usize);
            group.members.extend(people.map(Member::Person));
            if index % 3 < 2 && index + 1 < count {
                group.members.push(Member::Group(first + index + 1));
            } else if index == 2 {
                group.members.push(Member::Group(first));
            }
            self.groups.push(group);
        }
    }

    /// Every group that is there, in an order that stays.
    pub(crate) fn group_refs(&self) -> impl Iterator<Item = GroupRef> + '_ {
        let teams = (0..self.teams.len() as u32).map(GroupRef::Team);
        let groups = (0..self.groups.len() as u32).map(GroupRef::Group);
        teams.chain(groups).filter(|group| self.group_is_there(*group))
    }

    pub(crate) fn group_is_there(&self, group: GroupRef) -> bool {
        match group {
            GroupRef::Team(team) => self
                .teams
                .get(team as usize)
                .is_some_and(|team| matches!(team.state, TeamState::Active | TeamState::Archived)),
            GroupRef::Group(group) => self.groups.get(group as usize).is_some_and(|group| !group.deleted),
        }
    }

    /// By the id of the directory; a team's is that of its Entra group.
    pub(crate) fn group_by_id(&self, id: &Uuid) -> Option<GroupRef> {
        let team = self.teams.iter().position(|team| team.group_id == *id);
        let group = || self.groups.iter().position(|group| group.id == *id);
        team.map(|at| GroupRef::Team(at as u32)).or_else(|| group().map(|at| GroupRef::Group(at as u32)))
    }

    pub(crate) fn group_id(&self, group: GroupRef) -> Uuid {
        match group {
            GroupRef::Team(team) => self.teams[team as usize].group_id,
            GroupRef::Group(group) => self.groups[group as usize].id,
        }
    }

    /// Direct members that are there, people first and in order.
    pub(crate) fn group_members(&self, group: GroupRef) -> Vec<Member> {
        let mut members: Vec<Member> = match group {
            GroupRef::Team(team) => self.members(team).map(Member::Person).collect(),
            GroupRef::Group(group) => {
                self.groups.get(group as usize).map_or_else(Vec::new, |group| group.members.clone())
            }
        };
        members.retain(|member| match member {
            Member::Person(person) => self.person(*person).is_some_and(Person::in_directory),
            Member::Group(group) => self.group_is_there(GroupRef::Group(*group)),
            Member::Device { .. } => true,
        });
        members.sort_unstable_by_key(Member::order);
        members
    }

    /// Members of members too, each once, however the groups are nested.
    pub(crate) fn transitive_members(&self, group: GroupRef) -> Vec<Member> {
        let mut seen = HashSet::new();
        let mut open = vec![group];
        let mut found = Vec::new();
        while let Some(group) = open.pop() {
            for member in self.group_members(group) {
                if !seen.insert(member) {
                    continue;
                }
                found.push(member);
                if let Member::Group(inner) = member {
                    open.push(GroupRef::Group(inner));
                }
            }
        }
        found.sort_unstable_by_key(Member::order);
        found
    }

    /// Makes a group without members.
    pub(crate) fn add_group(&mut self, name: String) -> u32 {
        let at = self.groups.len() as u32;
        let id = self.rng.uuid();
        self.groups.push(Group { id, name, members: Vec::new(), deleted: false });
        self.changes.push(Change::Group(GroupRef::Group(at)));
        at
    }

    /// Whether that changed anything.
    pub(crate) fn set_group_member(&mut self, group: u32, member: Member, there: bool) -> bool {
        let Some(known) = self.groups.get_mut(group as usize) else { return false };
        if known.members.contains(&member) == there {
            return false;
        }
        if there {
            known.members.push(member);
        } else {
            known.members.retain(|other| *other != member);
        }
        self.changes.push(Change::Member { group: GroupRef::Group(group), member, there });
        true
    }

    pub(crate) fn delete_group(&mut self, group: u32) {
        if let Some(known) = self.groups.get_mut(group as usize) {
            known.deleted = true;
            self.changes.push(Change::Group(GroupRef::Group(group)));
        }
    }

    /// Of something that is in a group but nobody.
    pub(crate) fn device_id(&self, group: u32, number: u32) -> Uuid {
        Rng::new(self.seed ^ 0xde71_ce00 ^ (u64::from(group) << 32 | u64::from(number))).uuid()
    }
}
