//! What is read from the copy of a directory: whom names stand for, and who is in it or in a group, for expansions and
//! for whoever wants to know before. A piece is so many people of the lane, however few of them are meant.

use nuncio_domain::Time;
use nuncio_domain::directory::{Asker, DirectoryPerson, DirectorySource};
use nuncio_domain::directory_copy::CopiedPeople;
use nuncio_domain::ports::StoreError;

use super::db::{Db, plain, sql};
use super::fill;
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

/// $4 and the groups in it, each once, however they go round in circles. Looked up one by one, whatever the planner
/// thinks.
macro_rules! inside {
    () => {
        "WITH RECURSIVE inside (group_no) AS (
             SELECT g.group_no FROM directory_groups AS g
              WHERE g.lane_no = $1 AND g.key = $4 AND g.in_directory
              UNION
             SELECT g.group_no FROM inside AS i
              CROSS JOIN LATERAL (SELECT b.member_no FROM directory_members AS b
                                   WHERE b.lane_no = $1 AND b.group_no = i.group_no AND b.kind = 'group' OFFSET 0) AS m
              CROSS JOIN LATERAL (SELECT b.group_no FROM directory_groups AS b
                                   WHERE b.group_no = m.member_no AND b.in_directory OFFSET 0) AS g)
         "
    };
}

macro_rules! group {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM (SELECT DISTINCT m.member_no FROM inside AS i
                     CROSS JOIN LATERAL (SELECT b.member_no FROM directory_members AS b
                                          WHERE b.lane_no = $1 AND b.group_no = i.group_no AND b.kind = 'person'
                                            AND b.member_no > $2 AND b.member_no <= $3 OFFSET 0) AS m) AS x
              CROSS JOIN LATERAL (SELECT * FROM recipients AS b
                                   WHERE b.recipient_no = x.member_no AND b.in_directory OFFSET 0) AS r"
        )
    };
}

const EVERYONE_COUNT: &str = everyone!("count(*) AS n");
const EVERYONE_ROWS: &str = concat!(everyone!("r.recipient_no"), " ORDER BY r.lane_no, r.recipient_no");
pub(crate) const EVERYONE_INSERT: &str = concat!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state) ",
    everyone!("$5, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'"),
    " ORDER BY r.lane_no, r.recipient_no ON CONFLICT (message_no, recipient_no) DO NOTHING"
);
const GROUP_COUNT: &str = concat!(inside!(), group!("count(*) AS n"));
const GROUP_ROWS: &str = concat!(inside!(), group!("r.recipient_no"), " ORDER BY r.recipient_no");
pub(crate) const GROUP_INSERT: &str = concat!(
    inside!(),
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state) ",
    group!("$5, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'"),
    " ORDER BY r.recipient_no ON CONFLICT (message_no, recipient_no) DO NOTHING"
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

/// Deliveries of a message for the people after a number.
pub(crate) async fn expand(
    db: &mut Db<'_>,
    (lane_no, from): (i64, &DirectorySource),
    message_no: i64,
    place: (i64, i64),
) -> Result<Piece, StoreError> {
    let (last, read) = end(db, lane_no, place).await?;
    let Some(upto) = last else { return Ok(Piece { last, read, meant: 0, added: 0 }) };
    let of = |statement| sql(statement).bind(lane_no).bind(place.0).bind(upto);
    let (count, insert) = match from {
        DirectorySource::Everyone => (of(EVERYONE_COUNT).bind(i64::MAX), of(EVERYONE_INSERT).bind(i64::MAX)),
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            let id = plain(id).to_ascii_lowercase();
            (of(GROUP_COUNT).bind(id.clone()), of(GROUP_INSERT).bind(id))
        }
    };
    let meant: i64 = get(&db.one(count).await?, "n")?;
    let added = if meant == 0 { 0 } else { db.run(insert.bind(message_no)).await? as i64 };
    Ok(Piece { last, read, meant, added })
}

/// People after a number, as [`expand`] takes them.
pub(crate) async fn people(
    db: &mut Db<'_>,
    (lane_no, from): (i64, &DirectorySource),
    (after, limit): (i64, i64),
    now: Time,
) -> Result<Option<CopiedPeople>, StoreError> {
    if !knows(db, (lane_no, from), now).await? {
        return Ok(None);
    }
    let (last, read) = end(db, lane_no, (after, limit)).await?;
    let Some(upto) = last else { return Ok(Some(CopiedPeople::default())) };
    let of = |statement| sql(statement).bind(lane_no).bind(after).bind(upto);
    let rows = match from {
        DirectorySource::Everyone => of(EVERYONE_ROWS).bind(i64::MAX),
        DirectorySource::Group(id) | DirectorySource::Team(id) => {
            of(GROUP_ROWS).bind(plain(id).to_ascii_lowercase())
        }
    };
    let rows = db.rows(rows).await?;
    let recipients = rows.iter().map(|row| get(row, "recipient_no")).collect::<Result<_, _>>()?;
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
