//! Lists of people that callers upload (`docs/adr/0024`). A list is written and deleted in chunks, between which others
//! write; nobody sees it before the last chunk of the one, nor after the first of the other.

use nuncio_domain::lists::{Added, Deleted, NewList, UploadedList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{AudienceId, NewMessage, Scope, Time};
use sqlx::{SqliteConnection, SqlitePool};

use super::fill::MEMBERS;
use super::store::write;
use super::writer::Queue;
use super::{SqliteStore, list_keys, wipe};
use crate::error::{broken, of_sqlx, unavailable};
use crate::lists::{GIVEN_UP, TOGETHER, uploaded};
use crate::views::paged;
use crate::words::{get, json};

pub(crate) const PEOPLE: &str = "
    INSERT INTO recipients (lane_no, kind, key)
    SELECT j.value ->> 0, 'person', j.value ->> 1 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO NOTHING";

const NAMES: &str = "
    INSERT INTO audience_names (list_no, line, name)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM jsonb_each(?1) AS j";

/// Those that a caller sees; the rest of the condition follows.
macro_rules! lists {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, l.app, l.tenant FROM audiences AS a CROSS JOIN lanes AS l ON l.lane_no = a.lane_no
              WHERE a.stored_at IS NOT NULL AND a.deleted_at IS NULL AND (?1 IS NULL OR l.app = ?1) ",
            $rest
        )
    };
}

pub(crate) const LIST: &str = lists!(
    "AND a.list_no > ?4 AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3) ORDER BY a.list_no LIMIT ?5"
);
pub(crate) const ONE: &str = lists!("AND a.id = ?2");

pub(crate) const ALL_THERE: &str = "
    SELECT count(*) AS n FROM jsonb_each(?1) AS j CROSS JOIN audiences AS a ON a.list_no = j.value
     WHERE a.lane_no = ?2 AND a.stored_at IS NOT NULL AND a.deleted_at IS NULL";

/// Whether a message is still being worked out from a list.
pub(crate) const IN_USE: &str = "
    SELECT m.message_no FROM messages AS m INDEXED BY messages_open
     WHERE m.lane_no = ?1 AND m.open = 1 AND m.audience_final = 0
       AND EXISTS (SELECT 1 FROM json_tree(m.sources) AS s WHERE s.key = 'uploaded' AND s.value = ?2)
     LIMIT 1";

pub(crate) async fn add(store: &SqliteStore, scope: &Scope, mut list: NewList) -> Result<Added, StoreError> {
    let (people, names) = (std::mem::take(&mut list.people), std::mem::take(&mut list.names));
    let (idempotency, key_no) = (list.idempotency.take(), scope.key_no);
    let (lane_no, at, looked_for) = (list.lane_no, list.created_at, names.len());
    let scope = scope.clone();
    let list_no = store
        .write(Queue::Api, move |connection| {
            Box::pin(async move { begin(connection, &scope, &list, looked_for == 0).await })
        })
        .await?;
    for chunk in people.chunks(TOGETHER) {
        let rows = json(&chunk.iter().map(|key| (lane_no, key.as_str())).collect::<Vec<_>>())?;
        store
            .write(Queue::Expansion, move |connection| {
                Box::pin(async move { join(connection, list_no, &rows).await })
            })
            .await?;
    }
    for chunk in names.chunks(TOGETHER) {
        let rows: Vec<(i64, i64, String)> =
            chunk.iter().map(|listed| (list_no, listed.line, listed.name.clone())).collect();
        store
            .write(Queue::Expansion, move |connection| {
                Box::pin(async move { write(connection, NAMES, &rows).await })
            })
            .await?;
    }
    let added = store
        .write(Queue::Api, move |connection| {
            Box::pin(async move { finish(connection, list_no, (looked_for, at), key_no, idempotency).await })
        })
        .await?;
    if added != Some(Added::Stored) {
        wipe::wipe(store, list_no, at).await?;
    }
    added.ok_or_else(|| unavailable(GIVEN_UP))
}

/// Its number. One that is without names is whole when it is stored.
async fn begin(
    connection: &mut SqliteConnection,
    scope: &Scope,
    list: &NewList,
    whole: bool,
) -> Result<i64, StoreError> {
    let app: Option<String> = sqlx::query_scalar("SELECT app FROM lanes WHERE lane_no = ?")
        .bind(list.lane_no)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if !app.is_some_and(|app| scope.sees_app(&app)) {
        return Err(broken("a list for a lane that its caller may not use"));
    }
    let list_no: i64 = sqlx::query_scalar(
        "INSERT INTO audience_lists (lane_no, created_at, fetched_at) VALUES (?, ?, ?) RETURNING list_no",
    )
    .bind(list.lane_no)
    .bind(list.created_at.0)
    .bind(whole.then_some(list.created_at.0))
    .fetch_one(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    sqlx::query(
        "INSERT INTO audiences (list_no, id, lane_no, key_no, name, lines, blanks, duplicates, people, names, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
    )
    .bind(list_no)
    .bind(list.id.0.as_bytes().as_slice())
    .bind(list.lane_no)
    .bind(scope.key_no)
    .bind(&list.name)
    .bind(list.lines)
    .bind(list.blanks)
    .bind(list.duplicates)
    .bind(list.lines - list.blanks - list.duplicates)
    .bind(list.created_at.0)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(list_no)
}

/// `rows` are lanes and keys.
async fn join(connection: &mut SqliteConnection, list_no: i64, rows: &str) -> Result<(), StoreError> {
    sqlx::query(PEOPLE).bind(rows).execute(&mut *connection).await.map_err(of_sqlx)?;
    sqlx::query(MEMBERS).bind(rows).bind(list_no).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Shows the list, unless its key was used for another meanwhile; nothing if it is to be wiped.
async fn finish(
    connection: &mut SqliteConnection,
    list_no: i64,
    (names, at): (usize, Time),
    key_no: i64,
    idempotency: Option<Idempotency>,
) -> Result<Option<Added>, StoreError> {
    let stored = sqlx::query(
        "UPDATE audiences SET names = ?2, stored_at = ?3 WHERE list_no = ?1 AND deleted_at IS NULL",
    )
    .bind(list_no)
    .bind(names as i64)
    .bind(at.0)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    if stored.rows_affected() == 0 {
        return Ok(None);
    }
    let Some(idempotency) = idempotency else { return Ok(Some(Added::Stored)) };
    let before = list_keys::claim(&mut *connection, (key_no, &idempotency), list_no, at).await?;
    if before.is_some() {
        sqlx::query(
            "UPDATE audiences SET stored_at = NULL, deleted_at = ?2, looked_up = names WHERE list_no = ?1",
        )
        .bind(list_no)
        .bind(at.0)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    }
    Ok(before.or(Some(Added::Stored)))
}

pub(crate) async fn list(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<UploadedList>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, uploaded, |list| list.list_no)
}

pub(crate) async fn one(
    readers: &SqlitePool,
    scope: &Scope,
    id: AudienceId,
) -> Result<Option<UploadedList>, StoreError> {
    let row = sqlx::query(ONE)
        .bind(&scope.app)
        .bind(id.0.as_bytes().as_slice())
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?;
    row.as_ref().map(uploaded).transpose()
}

/// Whether the lists of a message were not deleted since it was checked.
pub(crate) async fn all_there(
    connection: &mut SqliteConnection,
    new: &NewMessage,
) -> Result<bool, StoreError> {
    if new.lists.is_empty() {
        return Ok(true);
    }
    let found: i64 = sqlx::query_scalar(ALL_THERE)
        .bind(json(&new.lists)?)
        .bind(new.lane_no)
        .fetch_one(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(found == new.lists.len() as i64)
}

pub(crate) async fn delete(
    store: &SqliteStore,
    scope: &Scope,
    id: AudienceId,
    now: Time,
) -> Result<Deleted, StoreError> {
    let scope = scope.clone();
    let marked = store
        .write(Queue::Api, move |connection| Box::pin(async move { mark(connection, &scope, id, now).await }))
        .await?;
    let (list_no, deleted) = match marked {
        Ok(list_no) => list_no,
        Err(other) => return Ok(other),
    };
    let wiped = wipe::wipe(store, list_no, now).await?;
    // One that was deleted before is not there; what was left of it then is gone now.
    Ok(if deleted || wiped > 0 { Deleted::Done } else { Deleted::NotFound })
}

/// The number of the list and whether it was there until now.
async fn mark(
    connection: &mut SqliteConnection,
    scope: &Scope,
    id: AudienceId,
    now: Time,
) -> Result<Result<(i64, bool), Deleted>, StoreError> {
    let row = sqlx::query(
        "SELECT a.list_no, a.lane_no, a.deleted_at FROM audiences AS a CROSS JOIN lanes AS l ON l.lane_no = a.lane_no
          WHERE a.id = ?2 AND a.stored_at IS NOT NULL AND (?1 IS NULL OR l.app = ?1)",
    )
    .bind(&scope.app)
    .bind(id.0.as_bytes().as_slice())
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(row) = row else { return Ok(Err(Deleted::NotFound)) };
    let list_no: i64 = get(&row, "list_no")?;
    if get::<Option<i64>>(&row, "deleted_at")?.is_some() {
        return Ok(Ok((list_no, false)));
    }
    let in_use: Option<i64> = sqlx::query_scalar(IN_USE)
        .bind(get::<i64>(&row, "lane_no")?)
        .bind(list_no)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if in_use.is_some() {
        return Ok(Err(Deleted::InUse));
    }
    // Its number stays, so that no other list gets it.
    sqlx::query("UPDATE audiences SET deleted_at = ?2, looked_up = names, name = NULL WHERE list_no = ?1")
        .bind(list_no)
        .bind(now.0)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    list_keys::forget(connection, list_no).await?;
    Ok(Ok((list_no, true)))
}
