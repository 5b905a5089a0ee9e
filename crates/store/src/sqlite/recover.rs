//! Taking over from an owner that died: what it had in flight (`docs/delivery.md`, Ambiguous).

use std::time::Duration;

use nuncio_domain::batch::{Attempt, Change};
use nuncio_domain::outcome::{Operation, Outcome};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Batch, Class, DeliveryState, Key, OnAmbiguous, RecipientKind, Time};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::commit::commit;
use super::error::of_sqlx;
use super::words::{get, time_or_null, word, word_or_null};

/// By when the call of a dead owner has ended for certain.
const CALL: Duration = Duration::from_secs(30);

/// A walk through the open messages that have anything in flight: no index for it, 0.24 s per million rows.
pub(crate) const IN_FLIGHT: &str = "
    SELECT d.message_no, d.recipient_no, d.started_at, d.tries, d.resent, m.class, m.on_ambiguous, m.closed_to,
           r.kind, r.key
      FROM messages AS m INDEXED BY messages_open
     CROSS JOIN message_counts AS c ON c.message_no = m.message_no AND c.in_flight > 0
     CROSS JOIN deliveries AS d ON d.message_no = m.message_no AND d.state = 'in_flight'
     CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
     WHERE m.lane_no = ?1 AND m.open = 1";

/// How many became ambiguous, and how many are sent again.
pub(crate) async fn recover(
    connection: &mut SqliteConnection,
    lane_no: i64,
    now: Time,
) -> Result<(i64, i64), StoreError> {
    let rows = sqlx::query(IN_FLIGHT).bind(lane_no).fetch_all(&mut *connection).await.map_err(of_sqlx)?;
    let changes = rows.iter().map(|row| change(row, now)).collect::<Result<Vec<_>, _>>()?;
    let resent = changes.iter().filter(|change| change.to == DeliveryState::Pending).count() as i64;
    let ambiguous = changes.len() as i64 - resent;
    commit(connection, Batch { at: now, changes, ..Batch::default() }).await?;
    Ok((ambiguous, resent))
}

fn change(row: &SqliteRow, now: Time) -> Result<Change, StoreError> {
    let kind = word(row, "kind", RecipientKind::of_word)?;
    let policy = word_or_null(row, "on_ambiguous", OnAmbiguous::of_word)?.unwrap_or_else(|| {
        // A lost alert is worse than one twice.
        let urgent = word(row, "class", Class::of_word).is_ok_and(|class| class == Class::Urgent);
        if urgent || kind != RecipientKind::Person { OnAmbiguous::Resend } else { OnAmbiguous::Hold }
    });
    let once: bool = get(row, "resent")?;
    // What belongs to a closed message is not sent again, and whether it arrived is not known either.
    let closed = get::<Option<&str>>(row, "closed_to")?.is_some();
    let resend = policy == OnAmbiguous::Resend && !once && !closed;
    let started_at = time_or_null(row, "started_at")?.unwrap_or(now);
    let thread = kind == RecipientKind::Channel && !get::<&str>(row, "key")?.contains(";messageid=");
    Ok(Change {
        key: Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? },
        from: DeliveryState::InFlight,
        to: if resend { DeliveryState::Pending } else { DeliveryState::Ambiguous },
        why: None,
        attempt: Some(Attempt {
            call: if thread { Operation::NewThread } else { Operation::Send },
            started_at,
            ended_at: now,
            outcome: Outcome::Ambiguous.word(),
            status: None,
            code: None,
            text: Some("the process ended while the call was under way".to_owned()),
            correlation: None,
        }),
        activity_id: None,
        due_at: resend.then(|| started_at + CALL),
        tries: get(row, "tries")?,
        resent: once || resend,
        at: now,
    })
}
