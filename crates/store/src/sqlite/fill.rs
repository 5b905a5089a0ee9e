//! What the directory says of people, and the lists that it fills (`docs/adr/0023`).

use nuncio_domain::directory::{DirectoryPerson, Fill, Next, Wanted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Source, Time};
use sqlx::SqliteConnection;

use super::standing;
use super::store::{EXCLUSIONS, write};
use crate::error::{broken, of_sqlx};
use crate::words::{from_json, get, json};

/// Who is new is made; what was known and is not said now stays.
pub(crate) const PEOPLE: &str = "
    INSERT INTO recipients (lane_no, kind, key, name, upn, guest, external, enabled, licensed, directory_at)
    SELECT j.value ->> 0, 'person', j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5,
           j.value ->> 6, j.value ->> 7, j.value ->> 8
      FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO UPDATE
       SET name = coalesce(excluded.name, name), upn = coalesce(excluded.upn, upn),
           guest = coalesce(excluded.guest, guest), external = coalesce(excluded.external, external),
           enabled = coalesce(excluded.enabled, enabled), licensed = coalesce(excluded.licensed, licensed),
           directory_at = excluded.directory_at";

pub(crate) const MEMBERS: &str = "
    INSERT INTO audience_members (list_no, recipient_no)
    SELECT ?2, r.recipient_no
      FROM jsonb_each(?1) AS j
     CROSS JOIN recipients AS r ON r.lane_no = j.value ->> 0 AND r.kind = 'person' AND r.key = j.value ->> 1
     WHERE true
    ON CONFLICT (list_no, recipient_no) DO NOTHING";

/// Only from where the page begins: one that was asked for twice is taken once.
pub(crate) const MOVE: &str = "
    UPDATE audience_lists SET cursor = ?3, fetched_at = ?4
     WHERE list_no = ?1 AND cursor IS ?2 AND fetched_at IS NULL";

/// How far a list is filled.
pub(crate) const LIST: &str = "SELECT cursor, fetched_at FROM audience_lists WHERE list_no = ?1";

/// A person as a row of [`PEOPLE`], by lane and object id.
#[derive(serde::Serialize)]
pub(crate) struct Row<'a>(
    i64,
    String,
    &'a Option<String>,
    &'a Option<String>,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    Time,
);

pub(crate) fn row(lane_no: i64, person: &DirectoryPerson, at: Time) -> Row<'_> {
    Row(
        lane_no,
        person.object_id.to_ascii_lowercase(),
        &person.name,
        &person.upn,
        person.guest,
        person.external,
        person.enabled,
        person.licensed,
        at,
    )
}

/// The page that a source wants before it can be read; `None` if it is there to its end.
pub(crate) async fn wanted(
    connection: &mut SqliteConnection,
    source_no: usize,
    source: &Source,
) -> Result<Option<Wanted>, StoreError> {
    let (Source::Directory { list_no, from } | Source::Excluded { list_no, from }) = source else {
        return Ok(None);
    };
    let list = sqlx::query(LIST).bind(list_no).fetch_one(connection).await.map_err(of_sqlx)?;
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(None);
    }
    Ok(Some(Wanted { source_no, from: from.clone(), cursor: get(&list, "cursor")? }))
}

/// Whether the page was taken.
pub(crate) async fn fill(
    connection: &mut SqliteConnection,
    fill: Fill,
    now: Time,
) -> Result<bool, StoreError> {
    let message = sqlx::query("SELECT lane_no, sources, audience_final FROM messages WHERE message_no = ?")
        .bind(fill.message_no)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?
        .ok_or_else(|| broken("no such message"))?;
    if get(&message, "audience_final")? {
        return Ok(false);
    }
    let sources: Vec<Source> = from_json(get(&message, "sources")?)?;
    let (list_no, excluded) = match sources.get(fill.source_no) {
        Some(Source::Directory { list_no, .. }) => (list_no, false),
        Some(Source::Excluded { list_no, .. }) => (list_no, true),
        _ => return Err(broken("a page for a source that is not of the directory")),
    };
    let (next, end) = match fill.next {
        Next::At(cursor) => (Some(cursor), None),
        Next::End => (None, Some(now.0)),
        Next::Anew => (None, None),
    };
    let moved = sqlx::query(MOVE)
        .bind(list_no)
        .bind(fill.cursor)
        .bind(next)
        .bind(end)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if moved.rows_affected() == 0 {
        return Ok(false);
    }
    if excluded {
        let keys: Vec<(i64, String)> = fill
            .people
            .iter()
            .map(|person| (fill.message_no, person.object_id.to_ascii_lowercase()))
            .collect();
        write(connection, EXCLUSIONS, &keys).await?;
        return Ok(true);
    }
    let lane_no = get(&message, "lane_no")?;
    let rows: Vec<Row<'_>> = fill.people.iter().map(|person| row(lane_no, person, now)).collect();
    write(&mut *connection, PEOPLE, &rows).await?;
    standing::note(&mut *connection, &rows).await?;
    sqlx::query(MEMBERS).bind(json(&rows)?).bind(list_no).execute(connection).await.map_err(of_sqlx)?;
    Ok(true)
}
