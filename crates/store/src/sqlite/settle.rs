//! Words about ambiguous deliveries: a mailbox that the owner of their lane empties (`docs/adr/0020`).

use std::collections::{BTreeSet, HashMap};

use nuncio_domain::message::{Settled, Settlement, Verdict};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key, MessageId, MessageState, Scope, Time};
use sqlx::{SqliteConnection, SqlitePool};

use super::control::raise;
use super::keys::speaker;
use crate::error::of_sqlx;
use crate::rows::settlement;
use crate::words::{get, json, word};

/// An owner that is behind takes the rest with its next look.
const MOST: i64 = 5_000;

pub(crate) const OPEN: &str = "
    SELECT s.settlement_no, s.message_no, s.recipient_no, s.verdict, s.activity_id, d.tries
      FROM settlements AS s INDEXED BY settlements_open
     CROSS JOIN deliveries AS d ON d.message_no = s.message_no AND d.recipient_no = s.recipient_no
     WHERE s.lane_no = ?1 AND s.done_at IS NULL
     ORDER BY s.settlement_no LIMIT ?2";

/// The same word that is not obeyed yet is not left twice.
macro_rules! insert {
    ($from:literal) => {
        concat!(
            "INSERT INTO settlements (message_no, recipient_no, lane_no, verdict, evidence, key_no, at)
             SELECT d.message_no, d.recipient_no, ?2, ?3, ?4, ?5, ?6 FROM ",
            $from,
            " WHERE NOT EXISTS (SELECT 1 FROM settlements AS s
                                 WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no
                                   AND s.verdict = ?3 AND s.done_at IS NULL)
              ORDER BY d.recipient_no"
        )
    };
}

/// A walk through the message that ends with the last of them: how many there are is known.
pub(crate) const ALL: &str = insert!(
    "(SELECT message_no, recipient_no FROM deliveries
       WHERE message_no = ?1 AND state = 'ambiguous' ORDER BY recipient_no LIMIT ?7) AS d"
);

pub(crate) const NAMED: &str = insert!(
    "jsonb_each(?7) AS j CROSS JOIN deliveries AS d
         ON d.message_no = ?1 AND d.recipient_no = j.value AND d.state = 'ambiguous'"
);

pub(crate) async fn settle(
    connection: &mut SqliteConnection,
    scope: &Scope,
    (id, verdict): (MessageId, Verdict),
    recipients: Option<&[i64]>,
    now: Time,
) -> Result<Settled, StoreError> {
    let row = sqlx::query(
        "SELECT m.message_no, m.lane_no, m.state, m.closed_to IS NOT NULL OR m.expires_at <= ?2 AS over, c.ambiguous, l.app
           FROM messages AS m
          CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
          CROSS JOIN message_counts AS c ON c.message_no = m.message_no WHERE m.id = ?1",
    )
    .bind(id.0.as_bytes().as_slice())
    .bind(now.0)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(row) = row.filter(|row| get(row, "app").is_ok_and(|app| scope.sees_app(app))) else {
        return Ok(Settled::NotFound);
    };
    if verdict == Verdict::Resend && get(&row, "over")? {
        let state = word(&row, "state", MessageState::of_word)?;
        return Ok(Settled::TooLate {
            state: if state.is_final() { state } else { MessageState::Completed },
        });
    }
    let (message_no, lane_no): (i64, i64) = (get(&row, "message_no")?, get(&row, "lane_no")?);
    let named = recipients.map(|named| json(&named.iter().collect::<BTreeSet<_>>())).transpose()?;
    let settled = match &named {
        None => get(&row, "ambiguous")?,
        Some(named) => ambiguous_of(connection, message_no, named).await?,
    };
    if settled == 0 {
        return Ok(Settled::Taken { lane_no, settled });
    }
    let evidence = format!("{} said so", speaker(connection, scope.key_no).await?);
    let insert = sqlx::query(if named.is_some() { NAMED } else { ALL })
        .bind(message_no)
        .bind(lane_no)
        .bind(verdict.as_str())
        .bind(evidence)
        .bind(scope.key_no)
        .bind(now.0);
    let insert = match named {
        Some(named) => insert.bind(named),
        None => insert.bind(settled),
    };
    insert.execute(&mut *connection).await.map_err(of_sqlx)?;
    raise(connection, lane_no).await?;
    Ok(Settled::Taken { lane_no, settled })
}

async fn ambiguous_of(
    connection: &mut SqliteConnection,
    message_no: i64,
    named: &str,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "SELECT count(*) FROM jsonb_each(?2) AS j
          CROSS JOIN deliveries AS d ON d.message_no = ?1 AND d.recipient_no = j.value AND d.state = 'ambiguous'",
    )
    .bind(message_no)
    .bind(named)
    .fetch_one(connection)
    .await
    .map_err(of_sqlx)
}

/// Those that were not obeyed yet, oldest first.
pub(crate) async fn open(readers: &SqlitePool, lane_no: i64) -> Result<Vec<Settlement>, StoreError> {
    sqlx::query(OPEN)
        .bind(lane_no)
        .bind(MOST)
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?
        .iter()
        .map(settlement)
        .collect()
}

/// Takes words out of the mailbox. `moved` is what ambiguous deliveries became with this batch; the first word that
/// says so is what settled it.
pub(crate) async fn obeyed(
    connection: &mut SqliteConnection,
    numbers: &[i64],
    mut moved: HashMap<Key, DeliveryState>,
    at: Time,
) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let found = sqlx::query(
        "SELECT s.settlement_no, s.message_no, s.recipient_no, s.verdict
           FROM jsonb_each(?1) AS j CROSS JOIN settlements AS s ON s.settlement_no = j.value
          WHERE s.done_at IS NULL ORDER BY s.settlement_no",
    )
    .bind(json(numbers)?)
    .fetch_all(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let mut rows: Vec<(i64, u8)> = Vec::with_capacity(found.len());
    for row in &found {
        let key = Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? };
        let took = moved.get(&key) == Some(&word(row, "verdict", Verdict::of_word)?.becomes());
        if took {
            moved.remove(&key);
        }
        rows.push((get(row, "settlement_no")?, u8::from(took)));
    }
    sqlx::query(
        "UPDATE settlements SET done_at = ?2, took = j.value ->> 1
           FROM jsonb_each(?1) AS j WHERE settlements.settlement_no = j.value ->> 0",
    )
    .bind(json(&rows)?)
    .bind(at.0)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

/// Opens completed messages again of which something is to be sent after all.
pub(crate) async fn reopen(
    connection: &mut SqliteConnection,
    messages: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE messages SET state = 'sending', completed_at = NULL, open = 1
          WHERE message_no IN (SELECT value FROM jsonb_each(?1)) AND state = 'completed' AND closed_to IS NULL",
    )
    .bind(json(messages)?)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}
