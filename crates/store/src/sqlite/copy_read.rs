//! What is read from the copy of a directory: whom names stand for, and who is in it or in a group, for expansions and
//! for whoever wants to know before. A piece is so many people of the lane, however few of them are meant.

use std::sync::Arc;

use nuncio_domain::Time;
use nuncio_domain::directory::{Asker, DirectoryPerson, DirectorySource};
use nuncio_domain::directory_copy::CopiedPeople;
use nuncio_domain::ports::StoreError;
use sqlx::{SqliteConnection, SqlitePool};

use crate::closures::{Closures, Version};
use crate::copies::{FROM_COPY, looked_for, person};
use crate::error::of_sqlx;
use crate::words::{get, json, small};

pub(crate) const FRESH: &str = "SELECT 1 FROM directory_copies WHERE lane_no = ?1 AND fresh_until > ?2";
pub(crate) const KNOWN_GROUP: &str =
    "SELECT 1 FROM directory_groups WHERE lane_no = ?1 AND key = ?2 AND in_directory = 1";

/// The end of a piece.
pub(crate) const END: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT r.recipient_no FROM recipients AS r INDEXED BY recipients_of_lane
         WHERE r.lane_no = ?1 AND r.kind = 'person' AND r.recipient_no > ?2 ORDER BY r.recipient_no LIMIT ?3)";

macro_rules! everyone {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM recipients AS r INDEXED BY recipients_of_lane
               WHERE r.lane_no = ?1 AND r.kind = 'person' AND r.recipient_no > ?2 AND r.recipient_no <= ?3
                 AND r.in_directory = 1"
        )
    };
}

/// ?2 and the groups in it, each once, however they go round in circles.
pub(crate) const INSIDE: &str = "
    WITH RECURSIVE inside (group_no) AS (
        SELECT g.group_no FROM directory_groups AS g
         WHERE g.lane_no = ?1 AND g.key = ?2 AND g.in_directory = 1
         UNION
        SELECT g.group_no FROM inside AS i
         CROSS JOIN directory_members AS m
           ON m.lane_no = ?1 AND m.group_no = i.group_no AND m.kind = 'group'
         CROSS JOIN directory_groups AS g ON g.group_no = m.member_no AND g.in_directory = 1)
    SELECT group_no FROM inside";

const VERSION: &str = "SELECT rev, taken FROM directory_copies WHERE lane_no = ?1";

/// People of the groups in the array.
pub(crate) const GROUP_ROWS: &str = "
    SELECT r.recipient_no
      FROM (SELECT DISTINCT m.member_no FROM jsonb_each(?4) AS i
             CROSS JOIN directory_members AS m
                ON m.lane_no = ?1 AND m.group_no = i.value AND m.kind = 'person'
               AND m.member_no > ?2 AND m.member_no <= ?3) AS x
     CROSS JOIN recipients AS r ON r.recipient_no = x.member_no
     WHERE r.in_directory = 1
     ORDER BY r.recipient_no";

pub(crate) const GROUP_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT ?2, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value
     WHERE true
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

const EVERYONE_COUNT: &str = everyone!("count(*) AS n");
const EVERYONE_ROWS: &str = concat!(everyone!("r.recipient_no"), " ORDER BY r.recipient_no");
pub(crate) const EVERYONE_INSERT: &str = concat!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state) ",
    everyone!("?4, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'"),
    " ORDER BY r.recipient_no ON CONFLICT (message_no, recipient_no) DO NOTHING"
);
/// Sign-in names, and mail addresses.
macro_rules! find {
    ($column:literal) => {
        concat!(
            "SELECT j.key AS asked, r.key, r.upn, r.name, r.mail, r.guest, r.external, r.enabled, r.licensed
               FROM jsonb_each(?1) AS j
              CROSS JOIN recipients AS r INDEXED BY recipients_of_",
            $column,
            " ON r.lane_no = ?2 AND lower(r.",
            $column,
            ") = j.value AND r.in_directory = 1 AND r.kind = 'person'"
        )
    };
}
pub(crate) const BY_UPN: &str = find!("upn");
pub(crate) const BY_MAIL: &str = find!("mail");

async fn is(
    connection: &mut SqliteConnection,
    asked: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> Result<bool, StoreError> {
    Ok(asked.fetch_optional(connection).await.map_err(of_sqlx)?.is_some())
}

/// Whether the copy knows this part, and is as good as the directory.
async fn knows(
    connection: &mut SqliteConnection,
    (lane_no, from): (i64, &DirectorySource),
    now: Time,
) -> Result<bool, StoreError> {
    if !is(&mut *connection, sqlx::query(FRESH).bind(lane_no).bind(now.0)).await? {
        return Ok(false);
    }
    match from {
        DirectorySource::Everyone => Ok(true),
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            let id = id.to_ascii_lowercase();
            is(connection, sqlx::query(KNOWN_GROUP).bind(lane_no).bind(id)).await
        }
    }
}

/// Whether a list is expanded from the copy, which is settled where it begins: it need not stay fresh to its end.
pub(crate) async fn chosen(
    connection: &mut SqliteConnection,
    list_no: i64,
    of: (i64, &DirectorySource),
    now: Time,
) -> Result<bool, StoreError> {
    let list = sqlx::query(super::fill::LIST).bind(list_no).fetch_one(&mut *connection).await;
    let list = list.map_err(of_sqlx)?;
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(false);
    }
    if let Some(cursor) = get::<Option<&str>>(&list, "cursor")? {
        return Ok(cursor == FROM_COPY);
    }
    if !knows(&mut *connection, of, now).await? {
        return Ok(false);
    }
    let choose = sqlx::query("UPDATE audience_lists SET cursor = ? WHERE list_no = ?");
    choose.bind(FROM_COPY).bind(list_no).execute(connection).await.map_err(of_sqlx)?;
    Ok(true)
}

/// A piece of an expansion.
pub(crate) struct Piece {
    /// Up to where it goes, and how many people of the lane that are.
    pub(crate) last: Option<i64>,
    pub(crate) read: i64,
    /// How many of them are meant, and how many are new to the message.
    pub(crate) meant: i64,
    pub(crate) added: i64,
}

/// The end of a piece: its last person and how many it has.
async fn end(
    connection: &mut SqliteConnection,
    lane_no: i64,
    (after, limit): (i64, i64),
) -> Result<(Option<i64>, i64), StoreError> {
    let end = sqlx::query(END).bind(lane_no).bind(after).bind(limit).fetch_one(connection).await;
    let end = end.map_err(of_sqlx)?;
    Ok((get(&end, "last")?, get(&end, "n")?))
}

/// Those of a group among the people from one number to another.
async fn of_group(
    connection: &mut SqliteConnection,
    closures: &Closures,
    (lane_no, id): (i64, &str),
    (after, upto): (i64, i64),
) -> Result<Vec<i64>, StoreError> {
    let id = id.to_ascii_lowercase();
    let groups = inside(&mut *connection, closures, lane_no, &id).await?;
    sqlx::query_scalar(GROUP_ROWS)
        .bind(lane_no)
        .bind(after)
        .bind(upto)
        .bind(json(&groups[..])?)
        .fetch_all(connection)
        .await
        .map_err(of_sqlx)
}

/// A group and those in it.
async fn inside(
    connection: &mut SqliteConnection,
    closures: &Closures,
    lane_no: i64,
    id: &str,
) -> Result<Arc<[i64]>, StoreError> {
    // Before the groups: what is read after it is never older.
    let row = sqlx::query(VERSION).bind(lane_no).fetch_optional(&mut *connection).await.map_err(of_sqlx)?;
    let version = match &row {
        Some(row) => Version { rev: get(row, "rev")?, taken: get(row, "taken")? },
        None => Version::default(),
    };
    if let Some(groups) = closures.of(lane_no, id, version) {
        return Ok(groups);
    }
    let groups: Vec<i64> =
        sqlx::query_scalar(INSIDE).bind(lane_no).bind(id).fetch_all(connection).await.map_err(of_sqlx)?;
    let groups = groups.into();
    closures.keep(lane_no, id, version, &groups);
    Ok(groups)
}

/// Deliveries of a message for the people after a number.
pub(crate) async fn expand(
    connection: &mut SqliteConnection,
    closures: &Closures,
    (lane_no, from): (i64, &DirectorySource),
    message_no: i64,
    place: (i64, i64),
) -> Result<Piece, StoreError> {
    let (last, read) = end(&mut *connection, lane_no, place).await?;
    let Some(upto) = last else { return Ok(Piece { last, read, meant: 0, added: 0 }) };
    let (meant, insert) = match from {
        DirectorySource::Everyone => {
            let of = |statement| sqlx::query(statement).bind(lane_no).bind(place.0).bind(upto);
            let count = of(EVERYONE_COUNT).fetch_one(&mut *connection).await.map_err(of_sqlx)?;
            (get(&count, "n")?, of(EVERYONE_INSERT))
        }
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            let people = of_group(&mut *connection, closures, (lane_no, id), (place.0, upto)).await?;
            (people.len() as i64, sqlx::query(GROUP_INSERT).bind(json(&people)?))
        }
    };
    let added = if meant == 0 {
        0
    } else {
        insert.bind(message_no).execute(connection).await.map_err(of_sqlx)?.rows_affected() as i64
    };
    Ok(Piece { last, read, meant, added })
}

/// People after a number, as [`expand`] takes them.
pub(crate) async fn people(
    connection: &mut SqliteConnection,
    closures: &Closures,
    (lane_no, from): (i64, &DirectorySource),
    (after, limit): (i64, i64),
    now: Time,
) -> Result<Option<CopiedPeople>, StoreError> {
    if !knows(&mut *connection, (lane_no, from), now).await? {
        return Ok(None);
    }
    let (last, read) = end(&mut *connection, lane_no, (after, limit)).await?;
    let Some(upto) = last else { return Ok(Some(CopiedPeople::default())) };
    let recipients = match from {
        DirectorySource::Everyone => {
            let rows = sqlx::query_scalar(EVERYONE_ROWS).bind(lane_no).bind(after).bind(upto);
            rows.fetch_all(connection).await.map_err(of_sqlx)?
        }
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            of_group(connection, closures, (lane_no, id), (after, upto)).await?
        }
    };
    Ok(Some(CopiedPeople { recipients, next: last.filter(|_| read >= limit) }))
}

/// Whom names stand for; what is not exactly one person stays open.
pub(crate) async fn find(
    readers: &SqlitePool,
    asker: Asker<'_>,
    names: &[String],
    now: Time,
) -> Result<Vec<Option<DirectoryPerson>>, StoreError> {
    let mut found: Vec<Option<DirectoryPerson>> = vec![None; names.len()];
    let mut connection = readers.acquire().await.map_err(of_sqlx)?;
    let lane: Option<i64> = sqlx::query_scalar("SELECT lane_no FROM lanes WHERE app = ? AND tenant = ?")
        .bind(asker.app)
        .bind(asker.tenant.to_ascii_lowercase())
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    let Some(lane_no) = lane else { return Ok(found) };
    if !is(&mut connection, sqlx::query(FRESH).bind(lane_no).bind(now.0)).await? {
        return Ok(found);
    }
    for statement in [BY_UPN, BY_MAIL] {
        let open: Vec<usize> = (0..names.len()).filter(|n| found[*n].is_none()).collect();
        let asked: Vec<String> = open.iter().map(|n| looked_for(&names[*n])).collect();
        let rows = sqlx::query(statement).bind(json(&asked)?).bind(lane_no);
        let rows = rows.fetch_all(&mut *connection).await.map_err(of_sqlx)?;
        let mut of: Vec<Vec<DirectoryPerson>> = vec![Vec::new(); open.len()];
        for row in &rows {
            if let Some(of) = of.get_mut(small::<usize>(row, "asked")?) {
                of.push(person(row)?);
            }
        }
        for (n, mut people) in open.into_iter().zip(of) {
            if people.len() == 1 {
                found[n] = people.pop();
            }
        }
    }
    Ok(found)
}
