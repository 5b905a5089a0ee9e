//! Counting an audience that is not stored (`docs/adr/0026`).
//!
//! Who is left out comes first, and then whom the directory names: what it says of people decides of them wherever else they
//! are named. Then lists, who is named, and who has the app. Where there is a fresh copy of the directory, it is read.

mod answer;
mod install;
mod parts;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use nuncio_domain::RecipientKind;
use nuncio_domain::batch::Row;
use nuncio_domain::directory::{Asker, DirectoryPerson};
use nuncio_domain::message::Named;
use nuncio_domain::people::LaneView;
use nuncio_domain::ports::StoreError;
use nuncio_domain::preview::{Count, Tally, stranger, told};
use nuncio_domain::skip::Policy;
use nuncio_domain::{NewMessage, Time};
use tokio::time::Instant;

use crate::access::Access;
use parts::Takes;

/// No read transaction is longer (`docs/engine.md`, SQLite).
const PAGE: i64 = 5_000;
/// Named recipients that are looked up together.
const CHUNK: usize = 1_000;

/// What was counted, and what could not be.
pub(crate) struct Counted {
    pub(crate) count: Count,
    /// Pages of the directory that were read.
    pub(crate) pages: i64,
    pub(crate) read_for: Duration,
    /// Parts that were not read to their end, and why.
    pub(crate) unread: Vec<nuncio_api::preview::Unread>,
}

/// What a message would come to if it were handed in now. The directory is asked until `deadline`.
pub(crate) async fn preview(
    access: &Access,
    message: &NewMessage,
    lane: (String, String),
    deadline: Instant,
) -> Result<nuncio_api::Preview, StoreError> {
    let reader = Reader::of(access, message, &lane, deadline).await?;
    let counted = reader.counted(message).await?;
    answer::answer(&reader, message, counted).await
}

/// The same of an install run.
pub(crate) async fn install_preview(
    access: &Access,
    message: &NewMessage,
    lane: (String, String),
    deadline: Instant,
) -> Result<nuncio_api::InstallPreview, StoreError> {
    let reader = Reader::of(access, message, &lane, deadline).await?;
    let counted = reader.counted(message).await?;
    Ok(install::answer(&reader, message, counted))
}

struct Reader<'a> {
    access: &'a Access,
    asker: Asker<'a>,
    /// `None` where no message was ever asked for and Teams has said nothing.
    lane: Option<LaneView>,
    now: Time,
    deadline: Instant,
}

impl<'a> Reader<'a> {
    async fn of(
        access: &'a Access,
        message: &NewMessage,
        (app, tenant): &'a (String, String),
        deadline: Instant,
    ) -> Result<Self, StoreError> {
        let lanes = access.registry().lane_views(access.scope()).await?;
        let lane = lanes.into_iter().find(|view| view.lane.app == *app && view.lane.tenant == *tenant);
        Ok(Self { access, asker: Asker { app, tenant }, lane, now: message.created_at, deadline })
    }
}

impl Reader<'_> {
    fn lane_no(&self) -> Option<i64> {
        self.lane.as_ref().map(|view| view.lane.lane_no)
    }

    async fn counted(&self, message: &NewMessage) -> Result<Counted, StoreError> {
        let mut counted = self.count(message).await?;
        self.name(&mut counted.count).await?;
        Ok(counted)
    }

    async fn count(&self, message: &NewMessage) -> Result<Counted, StoreError> {
        let policy = Policy {
            class: message.class,
            purpose: message.purpose,
            retries: false,
            include: message.include,
            install: message.install,
            created_at: message.created_at,
            recheck: self.access.app().recheck(),
        };
        let mut tally = Tally::new(policy, message.exclude.iter().cloned(), self.now)
            .when_unreachable(message.when_unreachable);
        let (mut pages, mut unread) = (0, Vec::new());
        let begun = self.access.app().now();
        for source in &message.exclude_groups {
            if let Err(why) = self.part(&mut Takes::Out(&mut tally), source, &mut pages).await? {
                unread.push(parts::unread(source, why));
            }
        }
        for source in &message.directory {
            tally.next_source();
            if let Err(why) = self.part(&mut Takes::In(&mut tally), source, &mut pages).await? {
                unread.push(parts::unread(source, why));
            }
        }
        let read_for = self.access.app().now().since(begun);
        for list_no in &message.lists {
            tally.next_source();
            unread.extend(self.list(&mut tally, *list_no).await?);
        }
        self.named(&mut tally, message).await?;
        if message.installed {
            self.installed(&mut tally).await?;
        }
        Ok(Counted { count: tally.into_count(), pages, read_for, unread })
    }

    async fn named(&self, tally: &mut Tally, message: &NewMessage) -> Result<(), StoreError> {
        tally.next_source();
        let distinct: BTreeSet<&Named> = message.named.iter().collect();
        tally.named_again(message.named.len() as i64 - distinct.len() as i64);
        let resolved: HashMap<&str, &DirectoryPerson> =
            message.resolved.iter().map(|person| (person.object_id.as_str(), person)).collect();
        let distinct: Vec<Named> = distinct.into_iter().cloned().collect();
        for chunk in distinct.chunks(CHUNK) {
            for mut row in self.rows(chunk).await? {
                let person = resolved.get(row.address.as_str()).copied();
                if let Some(person) = person {
                    told(&mut row, person, self.now);
                }
                tally.add(row, person);
            }
        }
        Ok(())
    }

    async fn installed(&self, tally: &mut Tally) -> Result<(), StoreError> {
        tally.next_source();
        let Some(lane_no) = self.lane_no() else { return Ok(()) };
        let mut after = 0;
        loop {
            let page = self.access.preview().installed(self.access.scope(), lane_no, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.key.recipient_no;
            for row in page {
                tally.add(row, None);
            }
        }
    }

    /// A row for each, in their order; of whom nothing is known, one that says so.
    async fn rows(&self, of: &[Named]) -> Result<Vec<Row>, StoreError> {
        let mut known: HashMap<(RecipientKind, String), Row> = HashMap::with_capacity(of.len());
        // A thread that nobody has named yet would have what its channel has.
        let channels = of
            .iter()
            .filter_map(|named| Some(Named { kind: named.kind, key: named.channel_of_thread()?.to_owned() }));
        let asked: BTreeSet<Named> = of.iter().cloned().chain(channels).collect();
        let asked: Vec<Named> = asked.into_iter().collect();
        if let Some(lane_no) = self.lane_no() {
            for row in self.access.preview().known(self.access.scope(), lane_no, &asked).await? {
                known.insert((row.kind, row.address.clone()), row);
            }
        }
        let row = |named: &Named| {
            let itself = known.get(&(named.kind, named.key.clone())).cloned();
            let channel = || {
                let row = known.get(&(named.kind, named.channel_of_thread()?.to_owned()))?;
                Some(Row { address: named.key.clone(), ..row.clone() })
            };
            itself.or_else(channel).unwrap_or_else(|| stranger(named))
        };
        Ok(of.iter().map(row).collect())
    }

    /// Names the examples that the directory has not named.
    async fn name(&self, count: &mut Count) -> Result<(), StoreError> {
        let Some(lane_no) = self.lane_no() else { return Ok(()) };
        let mut unnamed: Vec<_> = count
            .examples
            .values_mut()
            .flatten()
            .filter(|one| one.recipient_no != 0 && (one.name.is_none() || one.upn.is_none()))
            .collect();
        let numbers: Vec<i64> = unnamed.iter().map(|one| one.recipient_no).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let names = self.access.preview().names(self.access.scope(), lane_no, &numbers).await?;
        let names: HashMap<i64, _> = names.into_iter().map(|name| (name.recipient_no, name)).collect();
        for one in &mut unnamed {
            if let Some(known) = names.get(&one.recipient_no) {
                one.name = one.name.take().or_else(|| known.name.clone());
                one.upn = one.upn.take().or_else(|| known.upn.clone());
            }
        }
        Ok(())
    }
}
