//! Words about ambiguous deliveries: a mailbox that the owner of their lane empties (`docs/adr/0020`).

use std::collections::{BTreeSet, HashMap};

use nuncio_domain::message::{Settled, Settlement, Verdict};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key, MessageId, MessageState, Scope, Time};

use super::control::raise;
use super::db::{Db, plain, sql};
use super::keys::speaker;
use crate::rows::settlement;
use crate::words::{get, word};

/// An owner that is behind takes the rest with its next look.
const MOST: i64 = 5_000;

/// Sorted: in the order of their key would be a walk through all that were ever said.
pub(crate) const OPEN: &str = "
    SELECT s.settlement_no, s.message_no, s.recipient_no, s.verdict, s.activity_id, d.tries::bigint
      FROM (SELECT * FROM settlements WHERE lane_no = $1 AND done_at IS NULL ORDER BY settlement_no + 0 LIMIT $2) AS s
     CROSS JOIN LATERAL (SELECT tries FROM deliveries AS d
                          WHERE d.message_no = s.message_no AND d.recipient_no = s.recipient_no OFFSET 0) AS d
     ORDER BY s.settlement_no";

/// The same word that is not obeyed yet is not left twice.
macro_rules! insert {
    ($from:literal) => {
        concat!(
            "INSERT INTO settlements (message_no, recipient_no, lane_no, verdict, evidence, key_no, at)
             SELECT d.message_no, d.recipient_no, $2, $3, $4, $5, $6 FROM ",
            $from,
            " WHERE NOT EXISTS (SELECT 1 FROM settlements AS s
                                 WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no
                                   AND s.verdict = $3 AND s.done_at IS NULL OFFSET 0)
              ORDER BY d.recipient_no"
        )
    };
}

/// A walk through the message that ends with the last of them: how many there are is known.
pub(crate) const ALL: &str = insert!(
    "(SELECT message_no, recipient_no FROM deliveries
       WHERE message_no = $1 AND state = 'ambiguous' ORDER BY message_no, recipient_no LIMIT $7) AS d"
);

pub(crate) const NAMED: &str = insert!(
    "unnest($7::bigint[]) AS j (recipient_no)
      CROSS JOIN LATERAL (SELECT message_no, recipient_no FROM deliveries AS d WHERE d.message_no = $1
                             AND d.recipient_no = j.recipient_no AND d.state = 'ambiguous' OFFSET 0) AS d"
);

const MESSAGE: &str = "
    SELECT m.message_no, m.lane_no, m.state, m.closed_to IS NOT NULL OR m.expires_at <= $2 AS over, c.ambiguous, l.app
      FROM messages AS m
      JOIN lanes AS l ON l.lane_no = m.lane_no
      JOIN message_counts AS c ON c.message_no = m.message_no WHERE m.id = $1";

pub(crate) const AMBIGUOUS_OF: &str = "
    SELECT count(*) AS n FROM unnest($2::bigint[]) AS j (recipient_no)
     CROSS JOIN LATERAL (SELECT 1 FROM deliveries AS d WHERE d.message_no = $1
                            AND d.recipient_no = j.recipient_no AND d.state = 'ambiguous' OFFSET 0) AS d";

pub(crate) const LEFT: &str = "
    SELECT s.settlement_no, s.message_no, s.recipient_no, s.verdict
      FROM unnest($1::bigint[]) AS j (settlement_no)
     CROSS JOIN LATERAL (SELECT * FROM settlements AS s WHERE s.settlement_no = j.settlement_no OFFSET 0) AS s
     WHERE s.done_at IS NULL ORDER BY s.settlement_no";

pub(crate) const DONE: &str = "
    UPDATE settlements AS s SET done_at = $3, took = j.took
      FROM unnest($1::bigint[], $2::boolean[]) AS j (settlement_no, took) WHERE s.settlement_no = j.settlement_no";

pub(crate) async fn settle(
    db: &mut Db<'_>,
    scope: &Scope,
    (id, verdict): (MessageId, Verdict),
    recipients: Option<&[i64]>,
    now: Time,
) -> Result<Settled, StoreError> {
    let row = db.row(sql(MESSAGE).bind(id.0).bind(now.0)).await?;
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
    let named: Option<Vec<i64>> =
        recipients.map(|named| named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect());
    let settled = match &named {
        None => get(&row, "ambiguous")?,
        Some(named) => get(&db.one(sql(AMBIGUOUS_OF).bind(message_no).bind(named)).await?, "n")?,
    };
    if settled == 0 {
        return Ok(Settled::Taken { lane_no, settled });
    }
    raise(db, lane_no).await?;
    let evidence = format!("{} said so", speaker(db, scope.key_no).await?);
    let insert = sql(if named.is_some() { NAMED } else { ALL })
        .bind(message_no)
        .bind(lane_no)
        .bind(verdict.as_str())
        .bind(plain(&evidence))
        .bind(scope.key_no)
        .bind(now.0);
    let insert = match &named {
        Some(named) => insert.bind(named),
        None => insert.bind(settled),
    };
    db.run(insert).await?;
    Ok(Settled::Taken { lane_no, settled })
}

/// Those that were not obeyed yet, oldest first.
pub(crate) async fn open(db: &mut Db<'_>, lane_no: i64) -> Result<Vec<Settlement>, StoreError> {
    db.rows(sql(OPEN).bind(lane_no).bind(MOST)).await?.iter().map(settlement).collect()
}

/// Takes words out of the mailbox. `moved` is what ambiguous deliveries became with this batch; the first word that
/// says so is what settled it.
pub(crate) async fn obeyed(
    db: &mut Db<'_>,
    numbers: &[i64],
    mut moved: HashMap<Key, DeliveryState>,
    at: Time,
) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let (mut done, mut took) = (Vec::new(), Vec::new());
    for row in &db.rows(sql(LEFT).bind(numbers)).await? {
        let key = Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? };
        let this = moved.get(&key) == Some(&word(row, "verdict", Verdict::of_word)?.becomes());
        if this {
            moved.remove(&key);
        }
        done.push(get::<i64>(row, "settlement_no")?);
        took.push(this);
    }
    db.run(sql(DONE).bind(done).bind(took).bind(at.0)).await.map(|_| ())
}

/// Opens completed messages again of which something is to be sent after all.
pub(crate) async fn reopen(db: &mut Db<'_>, messages: BTreeSet<i64>) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let statement = sql("UPDATE messages SET state = 'sending', completed_at = NULL, open = true
                          WHERE message_no = ANY ($1) AND state = 'completed' AND closed_to IS NULL");
    db.run(statement.bind(messages.into_iter().collect::<Vec<_>>())).await.map(|_| ())
}
