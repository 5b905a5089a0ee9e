//! Who is in which of the made-up teams: by a rule, because lists of all of them would be long.

/// Everybody who was made up is in turn in one of the teams, and in others that lie evenly apart.
#[derive(Clone, Copy, Default)]
pub(super) struct Rule {
    pub(super) first_team: u32,
    pub(super) teams: u32,
    pub(super) first_person: u32,
    /// At most `teams`
    pub(super) per_person: u32,
}

impl Rule {
    /// `people`: how many there are altogether
    pub(super) fn members(self, team: u32, people: u32) -> impl Iterator<Item = u32> {
        let by_rule = self.has(team);
        let rounds = if by_rule { self.per_person } else { 0 };
        (0..rounds).flat_map(move |round| {
            let place = team - self.first_team + self.teams - self.shift(round);
            let first = self.first_person + place % self.teams;
            (first..people).step_by(self.teams as usize)
        })
    }

    pub(super) fn holds(self, team: u32, person: u32) -> bool {
        self.has(team)
            && person >= self.first_person
            && (0..self.per_person).any(|round| {
                let place = (person - self.first_person) % self.teams + self.shift(round);
                place % self.teams == team - self.first_team
            })
    }

    fn has(self, team: u32) -> bool {
        (self.first_team..self.first_team + self.teams).contains(&team)
    }

    fn shift(self, round: u32) -> u32 {
        (u64::from(round) * u64::from(self.teams) / u64::from(self.per_person.max(1))) as u32
    }
}
