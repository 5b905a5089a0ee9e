//! Names in uploaded lists: which of them come next, and whom they stand for (`docs/adr/0024`).

use nuncio_domain::directory::Resolved;
use nuncio_domain::lists::{Found, Knows, ListedName, Names, Unresolved};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Source, Time};
use sqlx::{SqliteConnection, SqlitePool};

use super::fill::{self, LIST, MEMBERS, MOVE};
use super::store::write;
use crate::error::of_sqlx;
use crate::lists::{line_of, listed_name, unresolved as unresolved_name};
use crate::words::{get, json};

pub(crate) const LISTS: &str = "
    SELECT list_no FROM audiences INDEXED BY audiences_with_names
     WHERE lane_no = ?1 AND looked_up < names ORDER BY list_no";

pub(crate) const NEXT: &str = "
    SELECT line, name FROM audience_names WHERE list_no = ?1 AND line > ?2 ORDER BY line LIMIT ?3";

/// Somebody whom nobody knows is a recipient by that name, to be told apart from all others by it.
pub(crate) const NOBODIES: &str = "
    INSERT INTO recipients (lane_no, kind, key, upn)
    SELECT j.value ->> 0, 'person', j.value ->> 1, j.value ->> 2 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO NOTHING";

pub(crate) const DONE: &str = "
    DELETE FROM audience_names
     WHERE (list_no, line) IN (SELECT j.value ->> 0, j.value ->> 1 FROM jsonb_each(?1) AS j)";

pub(crate) const KNOWS: &str = "
    UPDATE audience_names SET knows = j.value ->> 2
      FROM jsonb_each(?1) AS j
     WHERE audience_names.list_no = j.value ->> 0 AND audience_names.line = j.value ->> 1";

const COUNTS: &str = "
    UPDATE audiences
       SET looked_up = looked_up + ?2, unresolved = unresolved + ?3, duplicates = duplicates + ?4,
           people = people - ?4, cause = NULL
     WHERE list_no = ?1";

/// A name that is not exactly one person's is one that was asked for.
pub(crate) const UNRESOLVED: &str = "
    SELECT line, name, knows FROM audience_names WHERE list_no = ?1 AND knows IS NOT NULL ORDER BY line LIMIT ?2";

/// The list of a source whose names were not all looked up.
pub(crate) async fn wanted(
    connection: &mut SqliteConnection,
    source: &Source,
) -> Result<Option<i64>, StoreError> {
    let Source::Uploaded(list_no) = source else { return Ok(None) };
    let list = sqlx::query(LIST).bind(list_no).fetch_one(connection).await.map_err(of_sqlx)?;
    Ok(get::<Option<i64>>(&list, "fetched_at")?.is_none().then_some(*list_no))
}

/// Lists of a lane with names to be looked up.
pub(crate) async fn lists(readers: &SqlitePool, lane_no: i64) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar(LISTS).bind(lane_no).fetch_all(readers).await.map_err(of_sqlx)
}

pub(crate) async fn next(
    readers: &SqlitePool,
    list_no: i64,
    limit: i64,
) -> Result<Option<Names>, StoreError> {
    let list = sqlx::query(LIST).bind(list_no).fetch_optional(readers).await.map_err(of_sqlx)?;
    let Some(list) = list else { return Ok(None) };
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(None);
    }
    let after = line_of(get(&list, "cursor")?);
    let rows = sqlx::query(NEXT).bind(list_no).bind(after.unwrap_or(0)).bind(limit).fetch_all(readers).await;
    let names: Vec<ListedName> = rows.map_err(of_sqlx)?.iter().map(listed_name).collect::<Result<_, _>>()?;
    // One that was deleted meanwhile has none.
    Ok((!names.is_empty()).then_some(Names { after, names }))
}

pub(crate) async fn unresolved(
    readers: &SqlitePool,
    list_no: i64,
    limit: i64,
) -> Result<Vec<Unresolved>, StoreError> {
    let rows = sqlx::query(UNRESOLVED).bind(list_no).bind(limit).fetch_all(readers).await;
    rows.map_err(of_sqlx)?.iter().map(unresolved_name).collect()
}

/// Whether it was taken.
pub(crate) async fn found(
    connection: &mut SqliteConnection,
    found: Found,
    now: Time,
) -> Result<bool, StoreError> {
    let list_no = found.list_no;
    let lane_no: Option<i64> =
        sqlx::query_scalar("SELECT lane_no FROM audiences WHERE list_no = ? AND deleted_at IS NULL")
            .bind(list_no)
            .fetch_optional(&mut *connection)
            .await
            .map_err(of_sqlx)?;
    let Some(lane_no) = lane_no else { return Ok(false) };
    let names = match found.names {
        Ok(names) => names,
        Err(cause) => {
            sqlx::query("UPDATE audiences SET cause = ?2 WHERE list_no = ?1")
                .bind(list_no)
                .bind(cause)
                .execute(connection)
                .await
                .map_err(of_sqlx)?;
            return Ok(true);
        }
    };
    let Some(last) = names.iter().map(|(listed, _)| listed.line).max() else { return Ok(false) };
    let more = sqlx::query(NEXT).bind(list_no).bind(last).bind(1).fetch_optional(&mut *connection).await;
    let more = more.map_err(of_sqlx)?.is_some();
    let moved = sqlx::query(MOVE)
        .bind(list_no)
        .bind(found.after.map(|line| line.to_string()))
        .bind(more.then(|| last.to_string()))
        .bind((!more).then_some(now.0))
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    let (mut people, mut done) = (Vec::new(), Vec::new());
    let (mut nobodies, mut knows, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for (listed, resolved) in &names {
        if let Resolved::One(person) = resolved {
            people.push(fill::row(lane_no, person, now));
            members.push((lane_no, person.object_id.to_ascii_lowercase()));
            done.push((list_no, listed.line));
        } else if let Some(word) = Knows::of(resolved) {
            nobodies.push((lane_no, listed.key(), &listed.name));
            members.push((lane_no, listed.key()));
            knows.push((list_no, listed.line, word));
        }
    }
    write(&mut *connection, fill::PEOPLE, &people).await?;
    write(&mut *connection, NOBODIES, &nobodies).await?;
    let joined = sqlx::query(MEMBERS).bind(json(&members)?).bind(list_no).execute(&mut *connection).await;
    let joined = joined.map_err(of_sqlx)?.rows_affected() as i64;
    write(&mut *connection, DONE, &done).await?;
    write(&mut *connection, KNOWS, &knows).await?;
    sqlx::query(COUNTS)
        .bind(list_no)
        .bind(names.len() as i64)
        .bind(knows.len() as i64)
        // Somebody whom another entry of the list names too.
        .bind(names.len() as i64 - joined)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(true)
}
