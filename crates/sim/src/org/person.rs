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
    pub(crate) account: Account,
    /// The current chat was deleted by the person and none created since.
    pub(crate) chat_gone: bool,
    /// Sends get 404 until the chat is created anew, without its person having done anything.
    pub(crate) chat_lost: bool,
    /// Which chat with the bot is the current one; a deleted chat is followed by another.
    pub(crate) chat: u32,
    /// Instead of what the lists say.
    own: Option<Box<Own>>,
}

/// What the directory has of somebody whatever the state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) guest: bool,
    pub(crate) disabled: bool,
    pub(crate) unlicensed: bool,
}

/// What was said about somebody who was not made up.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) given_name: String,
    pub(super) surname: String,
    pub(super) upn: String,
    /// Another address than the UPN
    pub(super) mail: Option<String>,
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
            account: Account::default(),
            chat_gone: state == PersonState::ChatDeleted,
            chat_lost: false,
            chat: 0,
            own: None,
        }
    }

    pub(super) fn described(object_id: Uuid, state: PersonState, account: Account, own: Own) -> Self {
        Self {
            object_id,
            country: 0,
            time_zone: 0,
            given: 0,
            family: 0,
            department: 0,
            state,
            account,
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

    /// `userType` of the directory is `Guest`.
    pub(crate) fn is_guest(&self) -> bool {
        self.account.guest || self.state == PersonState::Guest
    }

    /// `accountEnabled` of the directory.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.account.disabled && self.state != PersonState::AccountDisabled
    }

    /// Has the service plan that is Teams.
    pub(crate) fn is_licensed(&self) -> bool {
        !self.account.unlicensed && !self.is_guest() && self.state != PersonState::Unlicensed
    }

    /// Not deleted, and not of another organisation.
    pub(crate) fn in_directory(&self) -> bool {
        !matches!(self.state, PersonState::Deleted | PersonState::External)
    }

    /// What the directory shows of all that changes.
    pub(super) fn seen(&self) -> (bool, bool, bool, bool) {
        (self.is_guest(), self.is_enabled(), self.is_licensed(), self.in_directory())
    }

    /// What the state says of the account stays when the state becomes another.
    pub(crate) fn settled(&self) -> Account {
        Account {
            guest: self.is_guest(),
            disabled: !self.is_enabled(),
            unlicensed: self.account.unlicensed || self.state == PersonState::Unlicensed,
        }
    }

    pub(super) fn own_mail(&self) -> Option<&str> {
        self.own.as_ref()?.mail.as_deref()
    }

    pub(crate) fn mail(&self, index: u32) -> String {
        self.own_mail().map_or_else(|| self.upn(index), str::to_owned)
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
