//! Lists of people that callers upload (`docs/adr/0024`). A list is written and deleted in chunks, between which others
//! write; nobody sees it before the last chunk of the one, nor after the first of the other.

use nuncio_domain::lists::{Added, Deleted, ListedName, NewList, UploadedList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{AudienceId, NewMessage, RecipientKind, Scope, Time};

use super::PostgresStore;
use super::commit::column;
use super::db::{Db, plain, plain_or_null, sql};
use super::fill::MEMBERS;
use super::recipients::add_recipients;
use super::submit::LANES;
use super::{list_keys, wipe};
use crate::error::{broken, unavailable};
use crate::lists::{GIVEN_UP, TOGETHER, uploaded};
use crate::views::paged;
use crate::words::get;

const NAMES: &str = "
    INSERT INTO audience_names (list_no, line, name)
    SELECT $1, j.line, j.name FROM unnest($2::bigint[], $3::text[]) AS j (line, name)";

/// Those that a caller sees; the rest of the condition follows.
macro_rules! lists {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, l.app, l.tenant
               FROM audiences AS a
              CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = a.lane_no OFFSET 0) AS l
              WHERE a.stored_at IS NOT NULL AND a.deleted_at IS NULL AND ($1::text IS NULL OR l.app = $1) ",
            $rest
        )
    };
}

pub(crate) const LIST: &str = lists!(
    "AND a.list_no > $4 AND ($2::text IS NULL OR l.app = $2) AND ($3::text IS NULL OR l.tenant = $3)
     ORDER BY a.list_no LIMIT $5"
);
pub(crate) const ONE: &str = lists!("AND a.id = $2");

pub(crate) const ALL_THERE: &str = "
    SELECT count(*) AS n FROM audiences AS a
     WHERE a.list_no = ANY ($1) AND a.lane_no = $2 AND a.stored_at IS NOT NULL AND a.deleted_at IS NULL";

/// Whether a message is still being worked out from a list.
pub(crate) const IN_USE: &str = "
    SELECT EXISTS (SELECT 1 FROM messages AS m
                    WHERE m.lane_no = $1 AND m.open AND NOT m.audience_final
                      AND EXISTS (SELECT 1 FROM jsonb_array_elements(m.sources::jsonb) AS s (source)
                                   WHERE s.source ->> 'uploaded' = $2::bigint::text)) AS in_use";

pub(crate) async fn add(
    store: &PostgresStore,
    scope: &Scope,
    mut list: NewList,
) -> Result<Added, StoreError> {
    let (people, names) = (std::mem::take(&mut list.people), std::mem::take(&mut list.names));
    let (idempotency, key_no) = (list.idempotency.take(), scope.key_no);
    let (lane_no, at, looked_for) = (list.lane_no, list.created_at, names.len());
    let list_no = store
        .word((scope.clone(), list, looked_for == 0), |db, (scope, list, whole)| {
            Box::pin(begin(db, scope, list, *whole))
        })
        .await?;
    for chunk in people.chunks(TOGETHER) {
        // In the order in which everybody locks them.
        let mut keys = chunk.to_vec();
        keys.sort_unstable();
        store
            .word((list_no, lane_no, keys), |db, (list_no, lane_no, keys)| {
                Box::pin(join(db, *list_no, *lane_no, keys))
            })
            .await?;
    }
    for chunk in names.chunks(TOGETHER) {
        store
            .word((list_no, chunk.to_vec()), |db, (list_no, names)| {
                Box::pin(write_names(db, *list_no, names))
            })
            .await?;
    }
    let added = store
        .word((list_no, (looked_for as i64, at), key_no, idempotency), |db, (list_no, of, key_no, key)| {
            Box::pin(finish(db, *list_no, *of, *key_no, key.as_ref()))
        })
        .await?;
    if added != Some(Added::Stored) {
        wipe::wipe(store, list_no, at).await?;
    }
    added.ok_or_else(|| unavailable(GIVEN_UP))
}

/// Shows the list, unless its key was used for another meanwhile; nothing if it is to be wiped.
async fn finish(
    db: &mut Db<'_>,
    list_no: i64,
    (names, at): (i64, Time),
    key_no: i64,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Added>, StoreError> {
    let stored =
        sql("UPDATE audiences SET names = $2, stored_at = $3 WHERE list_no = $1 AND deleted_at IS NULL");
    if db.run(stored.bind(list_no).bind(names).bind(at.0)).await? == 0 {
        return Ok(None);
    }
    let Some(idempotency) = idempotency else { return Ok(Some(Added::Stored)) };
    let before = list_keys::claim(db, (key_no, idempotency), list_no, at).await?;
    if before.is_some() {
        let undone = sql(
            "UPDATE audiences SET stored_at = NULL, deleted_at = $2, looked_up = names WHERE list_no = $1",
        );
        db.run(undone.bind(list_no).bind(at.0)).await?;
    }
    Ok(before.or(Some(Added::Stored)))
}

/// Its number. One that is without names is whole when it is stored.
async fn begin(db: &mut Db<'_>, scope: &Scope, list: &NewList, whole: bool) -> Result<i64, StoreError> {
    let lane = db.row(sql("SELECT app FROM lanes WHERE lane_no = $1").bind(list.lane_no)).await?;
    if !lane.is_some_and(|lane| get(&lane, "app").is_ok_and(|app| scope.sees_app(app))) {
        return Err(broken("a list for a lane that its caller may not use"));
    }
    let made = sql(
        "INSERT INTO audience_lists (lane_no, created_at, fetched_at) VALUES ($1, $2, $3) RETURNING list_no",
    )
    .bind(list.lane_no)
    .bind(list.created_at.0)
    .bind(whole.then_some(list.created_at.0));
    let list_no: i64 = get(&db.one(made).await?, "list_no")?;
    let statement =
        sql("INSERT INTO audiences (list_no, id, lane_no, key_no, name, lines, blanks, duplicates, people, names, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)")
        .bind(list_no)
        .bind(list.id.0)
        .bind(list.lane_no)
        .bind(scope.key_no)
        .bind(plain_or_null(list.name.as_ref()))
        .bind(list.lines)
        .bind(list.blanks)
        .bind(list.duplicates)
        .bind(list.lines - list.blanks - list.duplicates)
        .bind(list.created_at.0);
    db.run(statement).await?;
    Ok(list_no)
}

async fn join(db: &mut Db<'_>, list_no: i64, lane_no: i64, keys: &[String]) -> Result<(), StoreError> {
    let people: Vec<_> = keys.iter().map(|key| (lane_no, RecipientKind::Person, key.as_str())).collect();
    add_recipients(db, &people).await?;
    let members = sql(MEMBERS)
        .bind(list_no)
        .bind(column(keys, |_| lane_no))
        .bind(keys)
        .bind(column(keys, |_| RecipientKind::Person.as_str()));
    db.run(members).await.map(|_| ())
}

async fn write_names(db: &mut Db<'_>, list_no: i64, names: &[ListedName]) -> Result<(), StoreError> {
    let statement = sql(NAMES)
        .bind(list_no)
        .bind(column(names, |listed| listed.line))
        .bind(column(names, |listed| plain(&listed.name)));
    db.run(statement).await.map(|_| ())
}

pub(crate) async fn list(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<UploadedList>, StoreError> {
    let statement = sql(LIST)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, uploaded, |list| list.list_no)
}

pub(crate) async fn one(
    db: &mut Db<'_>,
    scope: &Scope,
    id: AudienceId,
) -> Result<Option<UploadedList>, StoreError> {
    let row = db.row(sql(ONE).bind(&scope.app).bind(id.0)).await?;
    row.as_ref().map(uploaded).transpose()
}

/// Whether the lists of a message were not deleted since it was checked. Its lane is locked.
pub(crate) async fn all_there(db: &mut Db<'_>, new: &NewMessage) -> Result<bool, StoreError> {
    if new.lists.is_empty() {
        return Ok(true);
    }
    let found = db.one(sql(ALL_THERE).bind(&new.lists).bind(new.lane_no)).await?;
    Ok(get::<i64>(&found, "n")? == new.lists.len() as i64)
}

pub(crate) async fn delete(
    store: &PostgresStore,
    scope: &Scope,
    id: AudienceId,
    now: Time,
) -> Result<Deleted, StoreError> {
    let marked = store
        .word((scope.clone(), id, now), |db, (scope, id, now)| Box::pin(mark(db, scope, *id, *now)))
        .await?;
    let (list_no, deleted) = match marked {
        Ok(list) => list,
        Err(other) => return Ok(other),
    };
    let wiped = wipe::wipe(store, list_no, now).await?;
    // One that was deleted before is not there; what was left of it then is gone now.
    Ok(if deleted || wiped > 0 { Deleted::Done } else { Deleted::NotFound })
}

/// The number of the list and whether it was there until now.
async fn mark(
    db: &mut Db<'_>,
    scope: &Scope,
    id: AudienceId,
    now: Time,
) -> Result<Result<(i64, bool), Deleted>, StoreError> {
    let known = sql("SELECT a.list_no, a.lane_no
           FROM audiences AS a JOIN lanes AS l ON l.lane_no = a.lane_no
          WHERE a.id = $2 AND a.stored_at IS NOT NULL AND ($1::text IS NULL OR l.app = $1)");
    let Some(row) = db.row(known.bind(&scope.app).bind(id.0)).await? else {
        return Ok(Err(Deleted::NotFound));
    };
    let (list_no, lane_no): (i64, i64) = (get(&row, "list_no")?, get(&row, "lane_no")?);
    // No message comes in between: they lock their lane as well.
    db.rows(sql(LANES).bind(vec![lane_no])).await?;
    let deleted = sql("SELECT deleted_at FROM audiences WHERE list_no = $1").bind(list_no);
    if get::<Option<i64>>(&db.one(deleted).await?, "deleted_at")?.is_some() {
        return Ok(Ok((list_no, false)));
    }
    if get(&db.one(sql(IN_USE).bind(lane_no).bind(list_no)).await?, "in_use")? {
        return Ok(Err(Deleted::InUse));
    }
    let deleted =
        sql("UPDATE audiences SET deleted_at = $2, looked_up = names, name = NULL WHERE list_no = $1");
    db.run(deleted.bind(list_no).bind(now.0)).await?;
    list_keys::forget(db, list_no).await?;
    Ok(Ok((list_no, true)))
}
