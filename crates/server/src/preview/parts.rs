//! Parts of an audience that are read piece by piece: of the directory, from its copy or from Microsoft Graph, and uploaded
//! lists.

use nuncio_api::preview::Unread;
use nuncio_domain::RecipientKind;
use nuncio_domain::directory::{DirectoryError, DirectoryPerson, DirectorySource};
use nuncio_domain::message::Named;
use nuncio_domain::ports::StoreError;
use nuncio_domain::preview::{Tally, told};

use super::{PAGE, Reader};

/// How often a part of the directory is begun: whenever its pages become shorter, and once more.
const BEGINNINGS: u32 = 6;

/// What becomes of whoever is in a part.
pub(super) enum Takes<'t> {
    /// They are meant.
    In(&'t mut Tally),
    /// They are left out.
    Out(&'t mut Tally),
}

pub(super) fn unread(source: &DirectorySource, text: String) -> Unread {
    let (source, id) = match source {
        DirectorySource::Everyone => ("everyone", None),
        DirectorySource::Group(id) => ("group", Some(id.clone())),
        DirectorySource::Team(id) => ("team", Some(id.clone())),
    };
    Unread { source: source.to_owned(), id, text }
}

impl Reader<'_> {
    /// A part of the directory, to its end or to where it says no more, and why.
    pub(super) async fn part(
        &self,
        takes: &mut Takes<'_>,
        source: &DirectorySource,
        pages: &mut i64,
    ) -> Result<Result<(), String>, StoreError> {
        if self.copied(takes, source).await? {
            return Ok(Ok(()));
        }
        let mut cursor: Option<String> = None;
        let mut beginnings = 1;
        loop {
            let page = self.access.directory().page(self.asker, source, cursor.as_deref());
            let page = match tokio::time::timeout_at(self.deadline, page).await {
                Ok(Ok(page)) => page,
                // Whom it named before is not counted again.
                Ok(Err(DirectoryError::Anew(_))) if beginnings < BEGINNINGS => {
                    beginnings += 1;
                    cursor = None;
                    continue;
                }
                Ok(Err(error)) => return Ok(Err(error.to_string())),
                Err(_) => {
                    let text = format!(
                        "Microsoft Graph did not name all of them within {:?}; a message takes the time that it needs",
                        self.access.app().preview_within()
                    );
                    return Ok(Err(text));
                }
            };
            *pages += 1;
            self.page(takes, &page.people).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(Ok(()));
            }
        }
    }

    async fn page(&self, takes: &mut Takes<'_>, people: &[DirectoryPerson]) -> Result<(), StoreError> {
        let key = |person: &DirectoryPerson| person.object_id.to_ascii_lowercase();
        let tally = match takes {
            Takes::Out(tally) => {
                for person in people {
                    tally.exclude(key(person));
                }
                return Ok(());
            }
            Takes::In(tally) => tally,
        };
        let named: Vec<Named> =
            people.iter().map(|person| Named { kind: RecipientKind::Person, key: key(person) }).collect();
        for (mut row, person) in self.rows(&named).await?.into_iter().zip(people) {
            told(&mut row, person, self.now);
            tally.add(row, Some(person));
        }
        Ok(())
    }

    /// The same from the copy; whether there is one that has it and is fresh.
    async fn copied(&self, takes: &mut Takes<'_>, source: &DirectorySource) -> Result<bool, StoreError> {
        let Some(lane_no) = self.lane_no() else { return Ok(false) };
        let (copies, scope) = (self.access.copies(), self.access.scope());
        let mut after = 0;
        loop {
            // One that was fresh at the beginning serves to the end.
            let Some(people) = copies.copied_people(lane_no, source, after, PAGE, self.now).await? else {
                return Ok(false);
            };
            for mut row in self.access.preview().numbered(scope, lane_no, &people.recipients).await? {
                match takes {
                    Takes::Out(tally) => tally.exclude(row.address),
                    Takes::In(tally) => {
                        // What a fresh copy has of them was said for the message.
                        row.standing.at = row.standing.at.map(|_| self.now);
                        tally.add(row, None);
                    }
                }
            }
            match people.next {
                Some(next) => after = next,
                None => return Ok(true),
            }
        }
    }

    /// An uploaded list, as far as its names were looked up.
    pub(super) async fn list(&self, tally: &mut Tally, list_no: i64) -> Result<Option<Unread>, StoreError> {
        let Some(lane_no) = self.lane_no() else { return Ok(None) };
        let mut after = 0;
        loop {
            let (scope, preview) = (self.access.scope(), self.access.preview());
            let page = preview.listed(scope, lane_no, list_no, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.key.recipient_no;
            for row in page {
                tally.add(row, None);
            }
        }
        let names = self.access.ledger().names(list_no, 1).await?;
        Ok(names.map(|_| Unread {
            source: "list".to_owned(),
            id: None,
            text: "names of the list are still being looked up: nuncio audiences show says how far"
                .to_owned(),
        }))
    }
}
