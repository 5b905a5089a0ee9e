//! Somebody as the statements of `people.rs` give them, their columns in one order: reading a million of them by the names
//! of their columns takes longer than finding them.

use nuncio_domain::directory::Standing;
use nuncio_domain::people::Person;
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::Known;
use nuncio_domain::{How, ReachEvidence, ReachState, RecipientKind, Time};
use serde::Deserialize;

use crate::found_row::Flag;
use crate::words::from_json;

/// The columns, in their order.
#[derive(Deserialize)]
pub(crate) struct PersonRow {
    pub(crate) recipient_no: i64,
    pub(crate) app: String,
    pub(crate) tenant: String,
    pub(crate) kind: RecipientKind,
    pub(crate) key: String,
    pub(crate) name: Option<String>,
    pub(crate) upn: Option<String>,
    pub(crate) reach: ReachState,
    pub(crate) reach_at: Option<i64>,
    pub(crate) evidence: Option<String>,
    pub(crate) how: Option<How>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) guest: Option<Flag>,
    pub(crate) external: Option<Flag>,
    pub(crate) enabled: Option<Flag>,
    pub(crate) licensed: Option<Flag>,
    pub(crate) directory_at: Option<i64>,
    pub(crate) opted_out_at: Option<i64>,
    pub(crate) has_reference: Flag,
    pub(crate) since: Option<i64>,
    /// An entry of the history as JSON.
    pub(crate) contradicted_by: Option<String>,
}

impl PersonRow {
    pub(crate) fn person(self) -> Result<Person, StoreError> {
        let flag = |flag: Option<Flag>| flag.map(|Flag(set)| set);
        let (reach, how, status, code) = (self.reach, self.how, self.status, self.code);
        let evidence = self.evidence.map(|text| match how {
            Some(how) => ReachEvidence { how, status, code, text },
            None => ReachEvidence::of_text(reach, text),
        });
        let mut person = Person {
            recipient_no: self.recipient_no,
            app: self.app,
            tenant: self.tenant,
            kind: self.kind,
            key: self.key,
            name: self.name,
            upn: self.upn,
            reach,
            reach_at: self.reach_at.map(Time),
            evidence,
            standing: Standing {
                guest: flag(self.guest),
                external: flag(self.external),
                enabled: flag(self.enabled),
                licensed: flag(self.licensed),
                at: self.directory_at.map(Time),
            },
            since: self.since.map(Time),
            contradicted_by: None,
            opted_out_at: self.opted_out_at.map(Time),
            has_reference: self.has_reference.0,
        };
        if let Some(beside) = &self.contradicted_by {
            let (at, how, status, code, text): (i64, Option<How>, Option<u16>, Option<String>, String) =
                from_json(beside)?;
            let evidence = match how {
                Some(how) => ReachEvidence { how, status, code, text },
                None => ReachEvidence::of_text(ReachState::Reachable, text),
            };
            // Heard again since, it is not contradicted any more.
            let newer = person.known().is_none_or(|known| known.at <= Time(at));
            person.contradicted_by = newer.then_some(Known { evidence, at: Time(at) });
        }
        Ok(person)
    }
}

/// A page of them, in which one row more than asked for tells that there is a next page.
pub(crate) fn page(
    mut people: Vec<Person>,
    limit: i64,
    end: Option<i64>,
) -> nuncio_domain::views::Page<Person> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = people.len() > limit;
    people.truncate(limit);
    let next = people.last().filter(|_| more).map(|person| person.recipient_no).or(end);
    nuncio_domain::views::Page { items: people, next }
}
