//! A made-up organisation: people and teams, the same for the same seed.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::{people::PersonState, random::Rng};

pub(crate) const DOMAIN: &str = "contoso.example";

/// What people the organisation is to have.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) people: u32,
    pub(crate) teams: u32,
    /// Share of each state; what is left over is `installed`.
    pub(crate) states: BTreeMap<PersonState, f64>,
}

impl Plan {
    pub(crate) fn new(seed: u64, people: u32, teams: u32) -> Self {
        let states = BTreeMap::from([
            (PersonState::NeverInstalled, 0.02),
            (PersonState::Uninstalled, 0.02),
            (PersonState::Blocked, 0.02),
            (PersonState::ChatDeleted, 0.01),
        ]);
        Self { seed, people, teams, states }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.people > 2_000_000 {
            return Err("people must be at most 2000000".into());
        }
        if self.teams > 10_000 {
            return Err("teams must be at most 10000".into());
        }
        let mut total = 0.0;
        for (state, share) in &self.states {
            if !(0.0..=1.0).contains(share) {
                return Err(format!("states.{} must be a share between 0 and 1", state.name()));
            }
            if *state != PersonState::Installed {
                total += share;
            }
        }
        if total > 1.0 + 1e-9 {
            return Err("the shares of the states other than installed must not exceed 1 together".into());
        }
        Ok(())
    }

    /// The exact number of people in each state: rounded, and at least one for a share above 0 from 50 people on.
    fn counts(&self) -> Vec<(PersonState, u32)> {
        let mut left = self.people;
        self.states
            .iter()
            .filter(|(state, share)| **state != PersonState::Installed && **share > 0.0)
            .map(|(state, share)| {
                let least = u32::from(self.people >= 50);
                let count = ((f64::from(self.people) * share).round() as u32).max(least).min(left);
                left -= count;
                (*state, count)
            })
            .collect()
    }
}

#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) object_id: Uuid,
    given: u8,
    family: u8,
    department: u8,
    pub(crate) state: PersonState,
    /// Which chat with the bot is the current one; a deleted chat is followed by another.
    pub(crate) chat: u32,
    /// The current chat was deleted by the person and none created since.
    pub(crate) chat_gone: bool,
}

impl Person {
    pub(crate) fn given_name(&self) -> &'static str {
        GIVEN[usize::from(self.given)]
    }

    pub(crate) fn surname(&self) -> &'static str {
        FAMILY[usize::from(self.family)]
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given_name(), self.surname())
    }

    pub(crate) fn department(&self) -> &'static str {
        DEPARTMENTS[usize::from(self.department)]
    }

    /// Unique by the person's place in the organisation.
    pub(crate) fn upn(&self, index: u32) -> String {
        let name = format!("{}.{}", self.given_name(), self.surname()).to_lowercase();
        format!("{name}{}@{DOMAIN}", index + 1)
    }
}

pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) name: String,
}

pub(crate) struct Team {
    pub(crate) name: String,
    pub(crate) group_id: Uuid,
    /// The first is General, whose id is the team's.
    pub(crate) channels: Vec<Channel>,
    pub(crate) installed: bool,
}

impl Team {
    pub(crate) fn id(&self) -> &str {
        &self.channels[0].id
    }
}

pub(crate) struct Org {
    pub(crate) seed: u64,
    people: Vec<Person>,
    by_object_id: HashMap<Uuid, u32>,
    by_state: BTreeMap<PersonState, u32>,
    pub(crate) teams: Vec<Team>,
    channels: HashMap<String, (u32, u32)>,
}

impl Org {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let mut states = vec![PersonState::Installed; plan.people as usize];
        let mut next = 0;
        for (state, count) in plan.counts() {
            for slot in states.iter_mut().skip(next).take(count as usize) {
                *slot = state;
            }
            next += count as usize;
        }
        rng.shuffle(&mut states);
        let mut by_state: BTreeMap<_, _> = PersonState::ALL.into_iter().map(|state| (state, 0)).collect();
        let people: Vec<Person> = states
            .into_iter()
            .map(|state| {
                *by_state.entry(state).or_default() += 1;
                Person {
                    object_id: rng.uuid(),
                    given: rng.below(GIVEN.len()) as u8,
                    family: rng.below(FAMILY.len()) as u8,
                    department: rng.below(DEPARTMENTS.len()) as u8,
                    state,
                    chat: 0,
                    chat_gone: state == PersonState::ChatDeleted,
                }
            })
            .collect();
        let by_object_id =
            people.iter().enumerate().map(|(i, person)| (person.object_id, i as u32)).collect();
        let teams: Vec<Team> = (0..plan.teams).map(|index| team(index, &mut rng)).collect();
        let channels = teams
            .iter()
            .enumerate()
            .flat_map(|(t, team)| {
                team.channels
                    .iter()
                    .enumerate()
                    .map(move |(c, channel)| (channel.id.clone(), (t as u32, c as u32)))
            })
            .collect();
        Self { seed: plan.seed, people, by_object_id, by_state, teams, channels }
    }

    pub(crate) fn len(&self) -> u32 {
        self.people.len() as u32
    }

    pub(crate) fn person(&self, index: u32) -> Option<&Person> {
        self.people.get(index as usize)
    }

    pub(crate) fn person_mut(&mut self, index: u32) -> Option<&mut Person> {
        self.people.get_mut(index as usize)
    }

    pub(crate) fn by_object_id(&self, id: &Uuid) -> Option<u32> {
        self.by_object_id.get(id).copied()
    }

    pub(crate) fn by_upn(&self, upn: &str) -> Option<u32> {
        let (local, _) = upn.split_once('@')?;
        let digits = local.trim_start_matches(|c: char| !c.is_ascii_digit());
        let index = digits.parse::<u32>().ok()?.checked_sub(1)?;
        self.person(index).filter(|person| person.upn(index).eq_ignore_ascii_case(upn)).map(|_| index)
    }

    pub(crate) fn set_state(&mut self, index: u32, state: PersonState) {
        let Some(person) = self.people.get_mut(index as usize) else { return };
        let before = person.state;
        person.state = state;
        match state {
            PersonState::ChatDeleted => person.chat_gone = true,
            PersonState::Installed => person.chat_gone = false,
            _ => {}
        }
        *self.by_state.entry(before).or_default() -= 1;
        *self.by_state.entry(state).or_default() += 1;
    }

    pub(crate) fn by_state(&self) -> &BTreeMap<PersonState, u32> {
        &self.by_state
    }

    /// Team and channel of a channel id without `;messageid=`.
    pub(crate) fn channel(&self, id: &str) -> Option<(u32, u32)> {
        self.channels.get(id).copied()
    }

    /// Everybody is a member of exactly one team, in turn.
    pub(crate) fn members(&self, team: u32) -> impl Iterator<Item = u32> + use<> {
        (team..self.len()).step_by(self.teams.len().max(1))
    }

    pub(crate) fn is_member(&self, team: u32, person: u32) -> bool {
        person < self.len() && person % (self.teams.len().max(1) as u32) == team
    }
}

fn team(index: u32, rng: &mut Rng) -> Team {
    let name = match TEAMS.get(index as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("{} {}", TEAMS[index as usize % TEAMS.len()], index as usize / TEAMS.len() + 1),
    };
    let channels = ["General", "Incidents", "Announcements", "Questions"]
        .into_iter()
        .take(2 + rng.below(3))
        .map(|name| Channel {
            id: format!("19:{:016x}{:016x}@thread.tacv2", rng.next_u64(), rng.next_u64()),
            name: name.to_owned(),
        })
        .collect();
    Team { name, group_id: rng.uuid(), channels, installed: false }
}

const TEAMS: &[&str] = &[
    "Network Operations",
    "Customer Care",
    "Finance",
    "People and Culture",
    "Field Service",
    "Platform",
    "Legal",
    "Procurement",
    "Research",
    "Marketing",
    "Facilities",
    "Security",
    "Logistics",
    "Works Council",
];

const DEPARTMENTS: &[&str] = &[
    "Operations",
    "Finance",
    "Sales",
    "Engineering",
    "Human Resources",
    "Legal",
    "Marketing",
    "Support",
    "Logistics",
    "Research",
];

const GIVEN: &[&str] = &[
    "Ines", "Amara", "Jonas", "Mei", "Luca", "Priya", "Tomas", "Aylin", "Noah", "Sofia", "Kenji", "Elena",
    "Samuel", "Fatima", "Oskar", "Leila", "Mateo", "Hanna", "Rafael", "Nadia", "Emil", "Zofia", "Daniel",
    "Chiara", "Ivan", "Freya", "Omar", "Lucie", "Viktor", "Yara", "Henrik", "Clara", "Dario", "Maya",
    "Stefan", "Olga", "Pedro", "Aisha", "Felix", "Ingrid",
];

const FAMILY: &[&str] = &[
    "Moreau", "Okafor", "Lindberg", "Tanaka", "Rossi", "Sharma", "Novak", "Yilmaz", "Weber", "Costa",
    "Ivanov", "Haddad", "Jansen", "Kowalska", "Silva", "Fischer", "Nguyen", "Dubois", "Keller", "Santos",
    "Berg", "Marino", "Popescu", "Larsen", "Hughes", "Ortega", "Vogel", "Petrov", "Demir", "Nakamura",
    "Brandt", "Leroy", "Mensah", "Horvat", "Campos", "Eriksen", "Bianchi", "Walker", "Sato", "Fontaine",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_people() {
        let one = Org::new(&Plan::new(7, 200, 3));
        let two = Org::new(&Plan::new(7, 200, 3));
        let other = Org::new(&Plan::new(8, 200, 3));
        assert_eq!(one.person(42).unwrap().object_id, two.person(42).unwrap().object_id);
        assert_ne!(one.person(42).unwrap().object_id, other.person(42).unwrap().object_id);
        assert_eq!(one.teams[1].id(), two.teams[1].id());
    }

    #[test]
    fn states_are_exact() {
        let counts = |people| {
            let org = Org::new(&Plan::new(1, people, 1));
            PersonState::ALL.map(|state| org.by_state()[&state])
        };
        assert_eq!(counts(1000), [930, 20, 20, 20, 0, 10, 0]);
        assert_eq!(counts(50), [46, 1, 1, 1, 0, 1, 0]);
        assert_eq!(counts(0), [0; 7]);
    }

    #[test]
    fn people_are_found_by_what_they_are_called() {
        let org = Org::new(&Plan::new(1, 100, 2));
        let person = org.person(31).unwrap();
        assert_eq!(org.by_upn(&person.upn(31)), Some(31));
        assert_eq!(org.by_upn(&person.upn(30)), None);
        assert_eq!(org.by_upn("nobody"), None);
        assert_eq!(org.by_object_id(&person.object_id), Some(31));
        assert_eq!(org.members(1).count(), 50);
        assert!(org.is_member(1, 31) && !org.is_member(0, 31));
    }
}
