//! What the directory says of people, and the lists that it fills (`docs/adr/0023`).
//!
//! A page is small, so that it goes with the owner's batches and past the fence with them.

use std::collections::BTreeMap;

use nuncio_domain::directory::{DirectoryPerson, Fill, Next, Wanted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{RecipientKind, Source, Time};

use super::commit::column;
use super::db::{Db, plain, plain_or_null, sql};
use super::recipients::add_recipients;
use super::standing;
use super::submit::EXCLUSIONS;
use crate::error::broken;
use crate::words::{from_json, get};

/// What was known and is not said now stays. The kind comes with each row: as a word of the statement it would make the
/// index of a lane's people look good.
pub(crate) const PEOPLE: &str = "
    UPDATE recipients AS r
       SET name = coalesce(j.name, r.name), upn = coalesce(j.upn, r.upn), guest = coalesce(j.guest, r.guest),
           external = coalesce(j.external, r.external), enabled = coalesce(j.enabled, r.enabled),
           licensed = coalesce(j.licensed, r.licensed), directory_at = j.at
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::boolean[],
                  $8::boolean[], $9::bigint[], $10::text[])
        AS j (lane_no, key, name, upn, guest, external, enabled, licensed, at, kind)
     WHERE r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key";

pub(crate) const MEMBERS: &str = "
    INSERT INTO audience_members (list_no, recipient_no)
    SELECT $1, r.recipient_no
      FROM unnest($2::bigint[], $3::text[], $4::text[]) AS j (lane_no, key, kind)
      JOIN recipients AS r ON r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key
    ON CONFLICT (list_no, recipient_no) DO NOTHING";

/// Only from where the page begins: one that was asked for twice is taken once.
pub(crate) const MOVE: &str = "
    UPDATE audience_lists SET cursor = $3, fetched_at = $4
     WHERE list_no = $1 AND cursor IS NOT DISTINCT FROM $2 AND fetched_at IS NULL";

/// How far a list is filled.
pub(crate) const LIST: &str = "SELECT cursor, fetched_at FROM audience_lists WHERE list_no = $1";

/// A person, the lane that knows them, and when the directory said so.
pub(crate) type Said<'p> = (i64, &'p DirectoryPerson, Time);

/// Keeps what the directory says, of each person once and in the order of their keys, as everybody locks them.
pub(crate) async fn people(db: &mut Db<'_>, said: &[Said<'_>]) -> Result<(), StoreError> {
    let last: BTreeMap<(String, i64), &Said<'_>> =
        said.iter().map(|one| ((key(one.1), one.0), one)).collect();
    let rows: Vec<(&str, &Said<'_>)> = last.iter().map(|((key, _), one)| (key.as_str(), *one)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let statement = sql(PEOPLE)
        .bind(column(&rows, |row| row.1.0))
        .bind(column(&rows, |row| row.0))
        .bind(column(&rows, |row| plain_or_null(row.1.1.name.as_ref())))
        .bind(column(&rows, |row| plain_or_null(row.1.1.upn.as_ref())))
        .bind(column(&rows, |row| row.1.1.guest))
        .bind(column(&rows, |row| row.1.1.external))
        .bind(column(&rows, |row| row.1.1.enabled))
        .bind(column(&rows, |row| row.1.1.licensed))
        .bind(column(&rows, |row| row.1.2.0))
        .bind(column(&rows, |_| RecipientKind::Person.as_str()));
    db.run(statement).await?;
    standing::note(db, &rows).await
}

fn key(person: &DirectoryPerson) -> String {
    plain(&person.object_id).to_ascii_lowercase()
}

/// The page that a source wants before it can be read; `None` if it is there to its end.
pub(crate) async fn wanted(
    db: &mut Db<'_>,
    source_no: usize,
    source: &Source,
) -> Result<Option<Wanted>, StoreError> {
    let (Source::Directory { list_no, from } | Source::Excluded { list_no, from }) = source else {
        return Ok(None);
    };
    let list = db.one(sql(LIST).bind(list_no)).await?;
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(None);
    }
    Ok(Some(Wanted { source_no, from: from.clone(), cursor: get(&list, "cursor")? }))
}

/// Whether the page was taken.
pub(crate) async fn fill(db: &mut Db<'_>, fill: &Fill, now: Time) -> Result<bool, StoreError> {
    let message = sql("SELECT lane_no, sources, audience_final FROM messages WHERE message_no = $1");
    let message = db.row(message.bind(fill.message_no)).await?.ok_or_else(|| broken("no such message"))?;
    if get(&message, "audience_final")? {
        return Ok(false);
    }
    let sources: Vec<Source> = from_json(get(&message, "sources")?)?;
    let (list_no, excluded) = match sources.get(fill.source_no) {
        Some(Source::Directory { list_no, .. }) => (list_no, false),
        Some(Source::Excluded { list_no, .. }) => (list_no, true),
        _ => return Err(broken("a page for a source that is not of the directory")),
    };
    let (next, end) = match &fill.next {
        Next::At(cursor) => (Some(plain(cursor)), None),
        Next::End => (None, Some(now.0)),
        Next::Anew => (None, None),
    };
    let cursor = plain_or_null(fill.cursor.as_ref());
    if db.run(sql(MOVE).bind(list_no).bind(cursor).bind(next).bind(end)).await? == 0 {
        return Ok(false);
    }
    let lane_no: i64 = get(&message, "lane_no")?;
    let mut keys: Vec<String> = fill.people.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    if excluded {
        let messages = column(&keys, |_| fill.message_no);
        db.run(sql(EXCLUSIONS).bind(messages).bind(&keys)).await?;
        return Ok(true);
    }
    let named: Vec<_> = keys.iter().map(|key| (lane_no, RecipientKind::Person, key.as_str())).collect();
    add_recipients(db, &named).await?;
    let said: Vec<Said<'_>> = fill.people.iter().map(|person| (lane_no, person, now)).collect();
    people(db, &said).await?;
    let members = sql(MEMBERS)
        .bind(list_no)
        .bind(column(&keys, |_| lane_no))
        .bind(&keys)
        .bind(column(&keys, |_| RecipientKind::Person.as_str()));
    db.run(members).await?;
    Ok(true)
}
