//! One person: made up from lists, or described.

use uuid::Uuid;

use super::{
    DOMAIN,
    names::{COUNTRIES, DEPARTMENTS},
};
use crate::{people::PersonState, random::Rng};

/// There may be hundreds of thousands, so what is made up is kept as places in lists.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) object_id: Uuid,
    country: u8,
    time_zone: u8,
    given: u8,
    family: u8,
    department: u8,
    pub(crate) state: PersonState,
    /// The current chat was deleted by the person and none created since.
    pub(crate) chat_gone: bool,
    /// Sends get 404 until the chat is created anew, without its person having done anything.
    pub(crate) chat_lost: bool,
    /// Which chat with the bot is the current one; a deleted chat is followed by another.
    pub(crate) chat: u32,
}

impl Person {
    pub(super) fn made_up(rng: &mut Rng, state: PersonState) -> Self {
        let object_id = rng.uuid();
        let at = rng.below(COUNTRIES.len());
        let country = &COUNTRIES[at];
        Self {
            object_id,
            country: at as u8,
            time_zone: rng.below(country.time_zones.len()) as u8,
            given: rng.below(country.given.len()) as u8,
            family: rng.below(country.family.len()) as u8,
            department: rng.below(DEPARTMENTS.len()) as u8,
            state,
            chat_gone: state == PersonState::ChatDeleted,
            chat_lost: false,
            chat: 0,
        }
    }

    pub(crate) fn given_name(&self) -> &str {
        COUNTRIES[usize::from(self.country)].given[usize::from(self.given)]
    }

    pub(crate) fn surname(&self) -> &str {
        COUNTRIES[usize::from(self.country)].family[usize::from(self.family)]
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given_name(), self.surname())
    }

    pub(crate) fn department(&self) -> &str {
        DEPARTMENTS[usize::from(self.department)]
    }

    /// `locale` of what this person sends (BCP 47).
    pub(crate) fn language(&self) -> &str {
        COUNTRIES[usize::from(self.country)].language
    }

    /// ISO 3166
    pub(crate) fn country(&self) -> &str {
        COUNTRIES[usize::from(self.country)].code
    }

    /// IANA name
    pub(crate) fn time_zone(&self) -> &str {
        COUNTRIES[usize::from(self.country)].time_zones[usize::from(self.time_zone)]
    }

    /// Unique by the person's place in the organisation.
    pub(crate) fn upn(&self, index: u32) -> String {
        let name = format!("{}.{}", self.given_name(), self.surname()).to_lowercase();
        format!("{name}{}@{DOMAIN}", index + 1)
    }
}
