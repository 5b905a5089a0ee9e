//! Taking messages in: recipients, audience, counts and idempotency keys of all that have come together, in a handful
//! of statements over arrays whatever their number. Each is answered as if they had come one after the other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::BoxFuture;
use nuncio_domain::message::{Idempotency, Submitted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageId, NewMessage, Scope, Time};
use sqlx::SqliteConnection;

use super::intake::{Kind, Written};
use super::lists;
use super::store::{Draft, numbers, store};
use super::writer::Queue;
use crate::error::{broken, of_sqlx, unavailable};
use crate::new_message::KEEP_KEYS;
use crate::words::{get, id, json};

pub(crate) const USED: &str = "
    SELECT i.key_no, i.key, i.body_hash, i.at, m.id
      FROM jsonb_each(?1) AS j
     CROSS JOIN idempotency AS i ON i.key_no = j.value ->> 0 AND i.key = j.value ->> 1
     CROSS JOIN messages AS m ON m.message_no = i.message_no";

pub(crate) const OF_IDS: &str = "
    SELECT m.id, m.lane_no, m.message_no FROM jsonb_each(?1) AS j CROSS JOIN messages AS m ON m.id = unhex(j.value)";

/// The app of every lane that was asked for: it never changes.
#[derive(Default)]
struct Apps(Mutex<HashMap<i64, String>>);

impl Apps {
    fn sees(&self, scope: &Scope, lane_no: i64) -> bool {
        let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(&lane_no).is_some_and(|app| scope.sees_app(app))
    }

    /// Reads those that are not known yet.
    async fn learn(
        &self,
        connection: &mut SqliteConnection,
        batch: &[(Scope, NewMessage)],
    ) -> Result<(), StoreError> {
        let new: Vec<i64> = {
            let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            batch.iter().map(|(_, new)| new.lane_no).filter(|lane_no| !apps.contains_key(lane_no)).collect()
        };
        if new.is_empty() {
            return Ok(());
        }
        let rows =
            sqlx::query("SELECT lane_no, app FROM lanes WHERE lane_no IN (SELECT value FROM jsonb_each(?))")
                .bind(json(&new)?)
                .fetch_all(connection)
                .await
                .map_err(of_sqlx)?;
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            apps.insert(get(&row, "lane_no")?, get(&row, "app")?);
        }
        Ok(())
    }
}

/// Messages that have come, in their order.
#[derive(Default)]
pub(crate) struct Submits(Apps);

impl Kind for Submits {
    type Item = (Scope, NewMessage);
    type Answer = Submitted;
    const QUEUE: Queue = Queue::Api;

    fn weight((_, new): &Self::Item) -> usize {
        new.named.len()
    }

    fn write<'a>(
        &'a self,
        connection: &'a mut SqliteConnection,
        batch: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<Vec<Written<Submitted>>, StoreError>> {
        Box::pin(async move {
            let answers = submit(connection, &self.0, batch).await?;
            Ok(answers.into_iter().map(Some).collect())
        })
    }
}

/// What a key of a caller was used for, and when.
struct Use {
    body_hash: Vec<u8>,
    message: MessageId,
    at: Time,
}

/// An answer to each, in order. An error of the whole means that nothing of it may stay written.
async fn submit(
    connection: &mut SqliteConnection,
    apps: &Apps,
    batch: &[(Scope, NewMessage)],
) -> Result<Vec<Result<Submitted, StoreError>>, StoreError> {
    apps.learn(&mut *connection, batch).await?;
    let mut used = used(&mut *connection, batch).await?;
    let mut retried = retried(&mut *connection, batch).await?;
    let numbers = numbers(&mut *connection).await?;
    let mut next = numbers.message;
    let mut drafts = Vec::with_capacity(batch.len());
    let mut answers = Vec::with_capacity(batch.len());
    for (scope, new) in batch {
        let key = new.idempotency.as_ref().map(|idempotency| (scope.key_no, idempotency.key.as_str()));
        let before = key.and_then(|key| used.get(&(key.0, key.1.to_owned())));
        if let (Some(before), Some(idempotency)) = (before, &new.idempotency)
            && before.at.0 > new.created_at.0 - KEEP_KEYS
        {
            answers.push(Ok(answer_of(&before.body_hash, before.message, idempotency)));
            continue;
        }
        if !apps.sees(scope, new.lane_no) {
            answers.push(Err(broken("a message for a lane that its caller may not use")));
            continue;
        }
        if !lists::all_there(&mut *connection, new).await? {
            answers.push(Err(unavailable("a list of the audience was deleted at this moment")));
            continue;
        }
        let mut retries = None;
        if let Some(of) = &new.retries {
            retries = retried.get(&(of.of, new.lane_no)).copied();
            if retries.is_none() {
                answers.push(Err(broken("a message that tries again what its lane has not")));
                continue;
            }
        }
        if let Some(idempotency) = &new.idempotency {
            let body_hash = idempotency.body_hash.to_vec();
            let now = Use { body_hash, message: new.id, at: new.created_at };
            used.insert((scope.key_no, idempotency.key.clone()), now);
        }
        retried.insert((new.id, new.lane_no), next);
        next += 1;
        drafts.push(Draft { key_no: scope.key_no, new, retries, gathering: None });
        answers.push(Ok(Submitted::Stored));
    }
    if !drafts.is_empty() {
        store(connection, numbers, &drafts).await?;
    }
    Ok(answers)
}

async fn used(
    connection: &mut SqliteConnection,
    batch: &[(Scope, NewMessage)],
) -> Result<HashMap<(i64, String), Use>, StoreError> {
    let keys: Vec<(i64, &str)> = batch
        .iter()
        .filter_map(|(scope, new)| Some((scope.key_no, new.idempotency.as_ref()?.key.as_str())))
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(USED).bind(json(&keys)?).fetch_all(connection).await.map_err(of_sqlx)?;
    rows.iter()
        .map(|row| {
            let message = id(row, "id", MessageId)?;
            let of = Use { body_hash: get(row, "body_hash")?, message, at: Time(get(row, "at")?) };
            Ok(((get(row, "key_no")?, get(row, "key")?), of))
        })
        .collect()
}

/// The numbers of those that are tried again.
async fn retried(
    connection: &mut SqliteConnection,
    batch: &[(Scope, NewMessage)],
) -> Result<HashMap<(MessageId, i64), i64>, StoreError> {
    let ids: Vec<String> =
        batch.iter().filter_map(|(_, new)| Some(new.retries.as_ref()?.of.0.simple().to_string())).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(OF_IDS).bind(json(&ids)?).fetch_all(connection).await.map_err(of_sqlx)?;
    rows.iter()
        .map(|row| Ok(((id(row, "id", MessageId)?, get(row, "lane_no")?), get(row, "message_no")?)))
        .collect()
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
    let used = id(&row, "id", MessageId)?;
    Ok(Some(answer_of(hash, used, idempotency)))
}

fn answer_of(hash: &[u8], used: MessageId, idempotency: &Idempotency) -> Submitted {
    if hash == idempotency.body_hash { Submitted::Repeated(used) } else { Submitted::KeyReused }
}
