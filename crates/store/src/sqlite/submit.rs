//! Taking a message in: recipients, audience, counts and idempotency key in one transaction.

use nuncio_domain::message::{Idempotency, Retries, Submitted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageId, NewMessage, RecipientKind, Scope, Source, Time};
use sqlx::SqliteConnection;

use crate::error::{broken, of_sqlx};
use crate::new_message::{Begin, Distinct, Gathering, KEEP_KEYS, REPLY, begin, distinct};
use crate::words::{get, id, json};

pub(crate) const NAMED: &str = "
    INSERT INTO audience_members (list_no, recipient_no)
    SELECT ?2, r.recipient_no
      FROM json_each(?1) AS j
     CROSS JOIN recipients AS r ON r.lane_no = j.value ->> 0 AND r.kind = j.value ->> 1 AND r.key = j.value ->> 2";

pub(crate) async fn submit(
    connection: &mut SqliteConnection,
    scope: &Scope,
    new: &NewMessage,
) -> Result<Submitted, StoreError> {
    if let Some(idempotency) = &new.idempotency
        && let Some(known) = repeated(&mut *connection, scope, idempotency, new.created_at).await?
    {
        return Ok(known);
    }
    let app: Option<String> = sqlx::query_scalar("SELECT app FROM lanes WHERE lane_no = ?")
        .bind(new.lane_no)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if !app.is_some_and(|app| scope.sees_app(&app)) {
        return Err(broken("a message for a lane that its caller may not use"));
    }
    let message_no = store(connection, scope.key_no, new, None).await?;
    remember(connection, scope, new, message_no).await?;
    Ok(Submitted::Stored)
}

/// Writes a message with all that belongs to it.
pub(crate) async fn store(
    connection: &mut SqliteConnection,
    key_no: i64,
    new: &NewMessage,
    gathering: Option<&Gathering>,
) -> Result<i64, StoreError> {
    let mut sources = Vec::new();
    let mut duplicates = 0;
    if !new.named.is_empty() {
        let (list_no, twice) = list_of_named(connection, new).await?;
        duplicates = twice;
        sources.push(Source::List(list_no));
    }
    if new.installed {
        sources.push(Source::Installed);
    }
    let retries = match &new.retries {
        Some(retries) => Some(retried(connection, new.lane_no, retries, &mut sources).await?),
        None => None,
    };
    let Begin { state, send_at, purpose, cause, gathers } = begin(new, gathering);
    let message_no = sqlx::query(
        "INSERT INTO messages (id, lane_no, key_no, class, state, label, content, on_ambiguous, max_recipients, sources,
                               send_at, expires_at, created_at, purpose, gathers, cause, retries, fence_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
                 iif(?, 9223372036854775807, (SELECT coalesce(max(recipient_no), 0) FROM recipients)))",
    )
    .bind(new.id.0.as_bytes().as_slice())
    .bind(new.lane_no)
    .bind(key_no)
    .bind(new.class.as_str())
    .bind(state.as_str())
    .bind(&new.label)
    .bind(json(&new.content)?)
    .bind(new.on_ambiguous.map(nuncio_domain::OnAmbiguous::as_str))
    .bind(new.max_recipients)
    .bind(json(&sources)?)
    .bind(send_at.map(|at| at.0))
    .bind(new.expires_at.0)
    .bind(new.created_at.0)
    .bind(purpose.as_str())
    .bind(gathers)
    .bind(cause)
    .bind(retries)
    // Who comes later joins.
    .bind(gathers)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .last_insert_rowid();
    sqlx::query("INSERT INTO message_counts (message_no, duplicates_removed) VALUES (?, ?)")
        .bind(message_no)
        .bind(duplicates)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if !new.exclude.is_empty() {
        sqlx::query(
            "INSERT OR IGNORE INTO message_exclusions (message_no, key) SELECT ?2, j.value FROM json_each(?1) AS j",
        )
        .bind(json(&new.exclude)?)
        .bind(message_no)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    }
    if let Some(of) = retries {
        // Whoever was left out is left out still.
        sqlx::query(
            "INSERT INTO message_exclusions (message_no, key)
             SELECT ?2, e.key FROM message_exclusions AS e WHERE e.message_no = ?1 ON CONFLICT DO NOTHING",
        )
        .bind(of)
        .bind(message_no)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    }
    Ok(message_no)
}

/// The number of a message that is tried again, whose deliveries become a source.
async fn retried(
    connection: &mut SqliteConnection,
    lane_no: i64,
    retries: &Retries,
    sources: &mut Vec<Source>,
) -> Result<i64, StoreError> {
    let of: Option<i64> = sqlx::query_scalar("SELECT message_no FROM messages WHERE id = ? AND lane_no = ?")
        .bind(retries.of.0.as_bytes().as_slice())
        .bind(lane_no)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?;
    let message_no = of.ok_or_else(|| broken("a message that tries again what its lane has not"))?;
    sources.push(Source::Retry {
        message_no,
        states: retries.states.clone(),
        reasons: retries.reasons.clone(),
    });
    Ok(message_no)
}

/// What the same key was used for in the last day.
pub(crate) async fn repeated(
    executor: impl sqlx::SqliteExecutor<'_>,
    scope: &Scope,
    idempotency: &Idempotency,
    now: Time,
) -> Result<Option<Submitted>, StoreError> {
    let row = sqlx::query(
        "SELECT i.body_hash, m.id FROM idempotency AS i CROSS JOIN messages AS m ON m.message_no = i.message_no
          WHERE i.key_no = ?1 AND i.key = ?2 AND i.at > ?3",
    )
    .bind(scope.key_no)
    .bind(&idempotency.key)
    .bind(now.0 - KEEP_KEYS)
    .fetch_optional(executor)
    .await
    .map_err(of_sqlx)?;
    let Some(row) = row else { return Ok(None) };
    let hash: &[u8] = get(&row, "body_hash")?;
    if hash == idempotency.body_hash {
        Ok(Some(Submitted::Repeated(id(&row, "id", MessageId)?)))
    } else {
        Ok(Some(Submitted::KeyReused))
    }
}

async fn remember(
    connection: &mut SqliteConnection,
    scope: &Scope,
    new: &NewMessage,
    message_no: i64,
) -> Result<(), StoreError> {
    let Some(idempotency) = &new.idempotency else { return Ok(()) };
    sqlx::query(
        "INSERT OR REPLACE INTO idempotency (key_no, key, body_hash, message_no, at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(scope.key_no)
    .bind(&idempotency.key)
    .bind(idempotency.body_hash.as_slice())
    .bind(message_no)
    .bind(new.created_at.0)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    if message_no % 256 == 0 {
        sqlx::query("DELETE FROM idempotency WHERE at <= ?")
            .bind(new.created_at.0 - KEEP_KEYS)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(())
}

/// The named recipients as a list of their own, and how many were named more than once.
async fn list_of_named(
    connection: &mut SqliteConnection,
    new: &NewMessage,
) -> Result<(i64, i64), StoreError> {
    let distinct = distinct(new);
    let rows = json(&distinct)?;
    add_recipients(connection, &rows).await?;
    if distinct.iter().any(|(_, _, key)| key.contains(REPLY)) {
        threads_of_replies(connection, &distinct).await?;
    }
    let list_no = sqlx::query("INSERT INTO audience_lists (lane_no, created_at) VALUES (?, ?)")
        .bind(new.lane_no)
        .bind(new.created_at.0)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?
        .last_insert_rowid();
    sqlx::query(NAMED).bind(rows).bind(list_no).execute(connection).await.map_err(of_sqlx)?;
    Ok((list_no, new.named.len() as i64 - distinct.len() as i64))
}

async fn add_recipients(connection: &mut SqliteConnection, rows: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO recipients (lane_no, kind, key)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM json_each(?) AS j WHERE true
         ON CONFLICT (lane_no, kind, key) DO NOTHING",
    )
    .bind(rows)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

/// Replies share the window and the order of their channel.
async fn threads_of_replies(
    connection: &mut SqliteConnection,
    named: &Distinct<'_>,
) -> Result<(), StoreError> {
    let replies: Vec<(i64, RecipientKind, &str, &str)> = named
        .iter()
        .filter_map(|(lane, kind, key)| Some((*lane, *kind, key.split_once(REPLY)?.0, *key)))
        .collect();
    add_recipients(connection, &json(&replies)?).await?;
    sqlx::query(
        "UPDATE recipients SET thread_no = b.recipient_no
           FROM json_each(?1) AS j
          CROSS JOIN recipients AS b ON b.lane_no = j.value ->> 0 AND b.kind = j.value ->> 1 AND b.key = j.value ->> 2
          WHERE recipients.lane_no = j.value ->> 0 AND recipients.kind = j.value ->> 1 AND recipients.key = j.value ->> 3",
    )
    .bind(json(&replies)?)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}
