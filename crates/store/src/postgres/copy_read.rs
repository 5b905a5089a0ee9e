//! What is read from the copy of a directory: whom names stand for, and who is in it or in a group, for expansions and
//! for whoever wants to know before. A piece is so many people of the lane, however few of them are meant.

use std::sync::Arc;

use nuncio_domain::Time;
use nuncio_domain::directory::{Asker, DirectoryPerson, DirectorySource};
use nuncio_domain::directory_copy::CopiedPeople;
use nuncio_domain::ports::StoreError;

use super::db::{Db, plain, sql};
use super::fill;
use crate::closures::{Closures, Version};
use crate::copies::{FROM_COPY, looked_for, person};
use crate::words::{get, small};

pub(crate) const FRESH: &str = "SELECT 1 FROM directory_copies WHERE lane_no = $1 AND fresh_until > $2";
pub(crate) const KNOWN_GROUP: &str =
    "SELECT 1 FROM directory_groups WHERE lane_no = $1 AND key = $2 AND in_directory";

/// The end of a piece.
pub(crate) const END: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT r.recipient_no FROM recipients AS r
         WHERE (r.lane_no, r.recipient_no) > ($1, $2) AND r.lane_no = $1 AND r.kind = 'person'
         ORDER BY r.lane_no, r.recipient_no LIMIT $3) AS c";

/// In the order of the index of a lane's people and with a limit, $4 (there is none), so that no other index looks good.
macro_rules! everyone {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM (SELECT * FROM recipients AS b
                     WHERE (b.lane_no, b.recipient_no) > ($1, $2) AND (b.lane_no, b.recipient_no) <= ($1, $3)
                       AND b.kind = 'person'
                     ORDER BY b.lane_no, b.recipient_no LIMIT $4) AS r
              WHERE r.in_directory"
        )
    };
}

/// $2 and the groups in it, each once, however they go round in circles. Looked up one by one, whatever the planner
/// thinks.
pub(crate) const INSIDE: &str = "
    WITH RECURSIVE inside (group_no) AS (
        SELECT g.group_no FROM directory_groups AS g
         WHERE g.lane_no = $1 AND g.key = $2 AND g.in_directory
         UNION
        SELECT g.group_no FROM inside AS i
         CROSS JOIN LATERAL (SELECT b.member_no FROM directory_members AS b
                              WHERE b.lane_no = $1 AND b.group_no = i.group_no AND b.kind = 'group' OFFSET 0) AS m
         CROSS JOIN LATERAL (SELECT b.group_no FROM directory_groups AS b
                              WHERE b.group_no = m.member_no AND b.in_directory OFFSET 0) AS g)
    SELECT group_no FROM inside";

const VERSION: &str = "SELECT rev, taken FROM directory_copies WHERE lane_no = $1";

/// People of the groups in the array.
pub(crate) const GROUP_ROWS: &str = "
    SELECT r.recipient_no
      FROM (SELECT DISTINCT m.member_no FROM unnest($4::bigint[]) AS i (group_no)
             CROSS JOIN LATERAL (SELECT b.member_no FROM directory_members AS b
                                  WHERE b.lane_no = $1 AND b.group_no = i.group_no AND b.kind = 'person'
                                    AND b.member_no > $2 AND b.member_no <= $3 OFFSET 0) AS m) AS x
     CROSS JOIN LATERAL (SELECT * FROM recipients AS b
                          WHERE b.recipient_no = x.member_no AND b.in_directory OFFSET 0) AS r
     ORDER BY r.recipient_no";

pub(crate) const GROUP_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT $2, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM unnest($1::bigint[]) AS j (recipient_no)
     CROSS JOIN LATERAL (SELECT * FROM recipients AS b WHERE b.recipient_no = j.recipient_no OFFSET 0) AS r
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

const EVERYONE_COUNT: &str = everyone!("count(*) AS n");
const EVERYONE_ROWS: &str = concat!(everyone!("r.recipient_no"), " ORDER BY r.lane_no, r.recipient_no");
pub(crate) const EVERYONE_INSERT: &str = concat!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state) ",
    everyone!("$5, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'"),
    " ORDER BY r.lane_no, r.recipient_no ON CONFLICT (message_no, recipient_no) DO NOTHING"
);
/// Sign-in names, and mail addresses.
macro_rules! find {
    ($column:literal) => {
        concat!(
            "SELECT j.place - 1 AS asked, r.key, r.upn, r.name, r.mail, r.guest, r.external, r.enabled, r.licensed
               FROM unnest($1::text[]) WITH ORDINALITY AS j (name, place)
              CROSS JOIN LATERAL (SELECT * FROM recipients AS b
                                   WHERE b.lane_no = $2 AND b.in_directory AND b.kind = 'person'
                                     AND lower(b.",
            $column,
            " COLLATE \"C\") = j.name OFFSET 0) AS r"
        )
    };
}
pub(crate) const BY_UPN: &str = find!("upn");
pub(crate) const BY_MAIL: &str = find!("mail");

/// Whether the copy knows this part, and is as good as the directory.
async fn knows(
    db: &mut Db<'_>,
    (lane_no, from): (i64, &DirectorySource),
    now: Time,
) -> Result<bool, StoreError> {
    if db.row(sql(FRESH).bind(lane_no).bind(now.0)).await?.is_none() {
        return Ok(false);
    }
    match from {
        DirectorySource::Everyone => Ok(true),
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            let id = id.to_ascii_lowercase();
            Ok(db.row(sql(KNOWN_GROUP).bind(lane_no).bind(plain(&id))).await?.is_some())
        }
    }
}

/// Whether a list is expanded from the copy, which is settled where it begins: it need not stay fresh to its end.
pub(crate) async fn chosen(
    db: &mut Db<'_>,
    list_no: i64,
    of: (i64, &DirectorySource),
    now: Time,
) -> Result<bool, StoreError> {
    let list = db.one(sql(fill::LIST).bind(list_no)).await?;
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(false);
    }
    if let Some(cursor) = get::<Option<&str>>(&list, "cursor")? {
        return Ok(cursor == FROM_COPY);
    }
    if !knows(db, of, now).await? {
        return Ok(false);
    }
    let choose = sql("UPDATE audience_lists SET cursor = $1 WHERE list_no = $2");
    db.run(choose.bind(FROM_COPY).bind(list_no)).await?;
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
    db: &mut Db<'_>,
    lane_no: i64,
    (after, limit): (i64, i64),
) -> Result<(Option<i64>, i64), StoreError> {
    let end = db.one(sql(END).bind(lane_no).bind(after).bind(limit)).await?;
    Ok((get(&end, "last")?, get(&end, "n")?))
}

/// Those of a group among the people from one number to another.
async fn of_group(
    db: &mut Db<'_>,
    closures: &Closures,
    (lane_no, id): (i64, &str),
    (after, upto): (i64, i64),
) -> Result<Vec<i64>, StoreError> {
    let id = plain(id).to_ascii_lowercase();
    let groups = inside(db, closures, lane_no, &id).await?;
    let rows = sql(GROUP_ROWS).bind(lane_no).bind(after).bind(upto).bind(groups.to_vec());
    db.rows(rows).await?.iter().map(|row| get(row, "recipient_no")).collect()
}

/// A group and those in it.
async fn inside(
    db: &mut Db<'_>,
    closures: &Closures,
    lane_no: i64,
    id: &str,
) -> Result<Arc<[i64]>, StoreError> {
    // Before the groups: what is read after it is never older.
    let version = match db.row(sql(VERSION).bind(lane_no)).await? {
        Some(row) => Version { rev: get(&row, "rev")?, taken: get(&row, "taken")? },
        None => Version::default(),
    };
    if let Some(groups) = closures.of(lane_no, id, version) {
        return Ok(groups);
    }
    let rows = db.rows(sql(INSIDE).bind(lane_no).bind(id)).await?;
    let groups: Arc<[i64]> = rows.iter().map(|row| get(row, "group_no")).collect::<Result<_, _>>()?;
    closures.keep(lane_no, id, version, &groups);
    Ok(groups)
}

/// Deliveries of a message for the people after a number.
pub(crate) async fn expand(
    db: &mut Db<'_>,
    closures: &Closures,
    (lane_no, from): (i64, &DirectorySource),
    message_no: i64,
    place: (i64, i64),
) -> Result<Piece, StoreError> {
    let (last, read) = end(db, lane_no, place).await?;
    let Some(upto) = last else { return Ok(Piece { last, read, meant: 0, added: 0 }) };
    let (meant, insert) = match from {
        DirectorySource::Everyone => {
            let of = |statement| sql(statement).bind(lane_no).bind(place.0).bind(upto).bind(i64::MAX);
            (get(&db.one(of(EVERYONE_COUNT)).await?, "n")?, of(EVERYONE_INSERT))
        }
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            let people = of_group(db, closures, (lane_no, id), (place.0, upto)).await?;
            (people.len() as i64, sql(GROUP_INSERT).bind(people))
        }
    };
    let added = if meant == 0 { 0 } else { db.run(insert.bind(message_no)).await? as i64 };
    Ok(Piece { last, read, meant, added })
}

/// People after a number, as [`expand`] takes them.
pub(crate) async fn people(
    db: &mut Db<'_>,
    closures: &Closures,
    (lane_no, from): (i64, &DirectorySource),
    (after, limit): (i64, i64),
    now: Time,
) -> Result<Option<CopiedPeople>, StoreError> {
    if !knows(db, (lane_no, from), now).await? {
        return Ok(None);
    }
    let (last, read) = end(db, lane_no, (after, limit)).await?;
    let Some(upto) = last else { return Ok(Some(CopiedPeople::default())) };
    let recipients = match from {
        DirectorySource::Everyone => {
            let rows = sql(EVERYONE_ROWS).bind(lane_no).bind(after).bind(upto).bind(i64::MAX);
            let rows = db.rows(rows).await?;
            rows.iter().map(|row| get(row, "recipient_no")).collect::<Result<_, _>>()?
        }
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            of_group(db, closures, (lane_no, id), (after, upto)).await?
        }
    };
    Ok(Some(CopiedPeople { recipients, next: last.filter(|_| read >= limit) }))
}

/// Whom names stand for; what is not exactly one person stays open.
pub(crate) async fn find(
    db: &mut Db<'_>,
    asker: Asker<'_>,
    names: &[String],
    now: Time,
) -> Result<Vec<Option<DirectoryPerson>>, StoreError> {
    let mut found: Vec<Option<DirectoryPerson>> = vec![None; names.len()];
    let lane = sql("SELECT lane_no FROM lanes WHERE app = $1 AND tenant = $2");
    let lane = db.row(lane.bind(asker.app).bind(asker.tenant.to_ascii_lowercase())).await?;
    let Some(lane) = lane else { return Ok(found) };
    let lane_no: i64 = get(&lane, "lane_no")?;
    if db.row(sql(FRESH).bind(lane_no).bind(now.0)).await?.is_none() {
        return Ok(found);
    }
    for statement in [BY_UPN, BY_MAIL] {
        let open: Vec<usize> = (0..names.len()).filter(|n| found[*n].is_none()).collect();
        let asked: Vec<String> = open.iter().map(|n| looked_for(&plain(&names[*n]))).collect();
        let rows = db.rows(sql(statement).bind(asked).bind(lane_no)).await?;
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
