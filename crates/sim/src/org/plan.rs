//! What organisation is to be made up.

use std::collections::BTreeMap;

use crate::people::PersonState;

/// An organisation to be made up.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) people: u32,
    pub(crate) teams: u32,
    /// Of how many teams everybody is a member; at most all of them.
    pub(crate) teams_per_person: u32,
    /// Group chats; every fifth is a meeting's.
    pub(crate) chats: u32,
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
        Self { seed, people, teams, teams_per_person: 1, chats: 0, states }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.people > 2_000_000 {
            return Err("people must be at most 2000000".into());
        }
        if self.teams > 10_000 {
            return Err("teams must be at most 10000".into());
        }
        if !(1..=100).contains(&self.teams_per_person) {
            return Err("teams_per_person must be between 1 and 100".into());
        }
        if self.chats > 100_000 {
            return Err("chats must be at most 100000".into());
        }
        if self.chats > 0 && self.people < 2 {
            return Err("chats need at least 2 people".into());
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
    pub(super) fn counts(&self) -> Vec<(PersonState, u32)> {
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
