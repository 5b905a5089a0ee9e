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
    /// Instead of what the lists say.
    own: Option<Box<Own>>,
}

/// What was said about somebody who was not made up.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) given_name: String,
    pub(super) surname: String,
    pub(super) upn: String,
    pub(super) department: String,
    pub(super) language: String,
    pub(super) country: String,
    pub(super) time_zone: String,
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
            own: None,
        }
    }

    pub(super) fn described(object_id: Uuid, state: PersonState, own: Own) -> Self {
        Self {
            object_id,
            country: 0,
            time_zone: 0,
            given: 0,
            family: 0,
            department: 0,
            state,
            chat_gone: state == PersonState::ChatDeleted,
            chat_lost: false,
            chat: 0,
            own: Some(Box::new(own)),
        }
    }

    pub(super) fn is_made_up(&self) -> bool {
        self.own.is_none()
    }

    fn said<'a>(&'a self, what: impl FnOnce(&'a Own) -> &'a String, made_up: &'a str) -> &'a str {
        self.own.as_ref().map_or(made_up, |own| what(own))
    }

    pub(crate) fn given_name(&self) -> &str {
        let made_up = COUNTRIES[usize::from(self.country)].given[usize::from(self.given)];
        self.said(|own| &own.given_name, made_up)
    }

    pub(crate) fn surname(&self) -> &str {
        let made_up = COUNTRIES[usize::from(self.country)].family[usize::from(self.family)];
        self.said(|own| &own.surname, made_up)
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given_name(), self.surname()).trim_end().to_owned()
    }

    pub(crate) fn department(&self) -> &str {
        self.said(|own| &own.department, DEPARTMENTS[usize::from(self.department)])
    }

    /// `locale` of what this person sends (BCP 47).
    pub(crate) fn language(&self) -> &str {
        self.said(|own| &own.language, COUNTRIES[usize::from(self.country)].language)
    }

    /// ISO 3166
    pub(crate) fn country(&self) -> &str {
        self.said(|own| &own.country, COUNTRIES[usize::from(self.country)].code)
    }

    /// IANA name
    pub(crate) fn time_zone(&self) -> &str {
        let made_up = COUNTRIES[usize::from(self.country)].time_zones[usize::from(self.time_zone)];
        self.said(|own| &own.time_zone, made_up)
    }

    /// A made-up one is unique by the person's place in the organisation.
    pub(crate) fn upn(&self, index: u32) -> String {
        if let Some(own) = &self.own {
            return own.upn.clone();
        }
        let name = format!("{}.{}", self.given_name(), self.surname()).to_lowercase();
        format!("{name}{}@{DOMAIN}", index + 1)
    }
}
