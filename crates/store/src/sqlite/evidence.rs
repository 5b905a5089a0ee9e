//! Whether an activity settles an ambiguous delivery: on the evidence that `docs/delivery.md` (Ambiguous) admits, and on
//! no other.

use nuncio_domain::message::Verdict;
use nuncio_domain::people::{Evidence, Learned};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key};
use sqlx::SqliteConnection;

use super::control::raise;
use crate::error::of_sqlx;
use crate::words::{get, word};

/// A post is as old as its call, give or take: clocks differ, and Microsoft may take its time.
const BEFORE_CALL_MS: i64 = 5_000;
const AFTER_CALL_MS: i64 = 60_000;

/// Of a thread's newest posts, the one that is named, and all whose ids are not known though they may have been posted
/// when it was: what a lost first try left counts as well.
pub(crate) const CANDIDATES: &str = "
    SELECT d.message_no, d.recipient_no, d.state, d.activity_id IS ?2 AS known
      FROM (SELECT message_no, recipient_no, state, activity_id, started_at, attempts
              FROM deliveries INDEXED BY deliveries_of_thread
             WHERE thread_no = ?1 ORDER BY message_no DESC LIMIT 1000) AS d
     WHERE d.activity_id = ?2
        OR (d.started_at BETWEEN ?3 AND ?4
            AND (d.state IN ('ambiguous', 'in_flight') OR (d.state = 'delivered' AND d.activity_id IS NULL)))
        OR (d.attempts > 1 AND EXISTS (SELECT 1 FROM attempts AS a
             WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no
               AND a.outcome = 'ambiguous' AND a.started_at BETWEEN ?3 AND ?4))";

/// Leaves word for the owner of the lane where something is settled; whether it is.
pub(crate) async fn weigh(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
) -> Result<bool, StoreError> {
    let mut settled = false;
    let named = learned.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Names { conversation_id, activity_id } => Some((&**conversation_id, &**activity_id)),
        Evidence::Pressed(_) => None,
    });
    let pressed = learned.evidence.iter().find_map(|evidence| match evidence {
        Evidence::Pressed(key) => Some(*key),
        Evidence::Names { .. } => None,
    });
    if let Some(key) = pressed
        && is_theirs(connection, lane_no, learned, key).await?
    {
        let post = named.map(|(_, activity_id)| activity_id);
        settled = say(connection, lane_no, learned, key, post, "they pressed a button of it").await?;
    } else if let Some((conversation_id, activity_id)) = named
        && let Some(key) = only_one(connection, lane_no, learned, conversation_id, activity_id).await?
    {
        let evidence = format!("Teams named a post of then: {activity_id}");
        settled = say(connection, lane_no, learned, key, Some(activity_id), &evidence).await?;
    }
    if settled {
        raise(connection, lane_no).await?;
    }
    Ok(settled)
}

/// Whether a delivery is ambiguous, and to the person that the activity is from.
async fn is_theirs(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    key: Key,
) -> Result<bool, StoreError> {
    let Some(person) = learned.people.first() else { return Ok(false) };
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM deliveries AS d
                         CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
                         WHERE d.message_no = ?1 AND d.recipient_no = ?2 AND d.state = 'ambiguous'
                           AND d.lane_no = ?3 AND r.kind = 'person' AND r.key = ?4)",
    )
    .bind(key.message_no)
    .bind(key.recipient_no)
    .bind(lane_no)
    .bind(person.object_id.to_ascii_lowercase())
    .fetch_one(connection)
    .await
    .map_err(of_sqlx)
}

/// The one ambiguous delivery that an id of a post can be of.
async fn only_one(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    conversation_id: &str,
    activity_id: &str,
) -> Result<Option<Key>, StoreError> {
    // Teams numbers posts by their milliseconds.
    let Some(posted) = activity_id.parse::<i64>().ok().filter(|ms| (1..i64::MAX / 2_000).contains(ms)) else {
        return Ok(None);
    };
    if is_their_own(connection, lane_no, learned, activity_id).await? {
        return Ok(None);
    }
    let thread_no: Option<i64> = sqlx::query_scalar(
        "SELECT coalesce(r.thread_no, r.recipient_no)
           FROM conversations AS c INDEXED BY conversations_of_id
          CROSS JOIN recipients AS r ON r.recipient_no = c.recipient_no
          WHERE c.conversation_id = ?1 AND c.lane_no = ?2",
    )
    .bind(conversation_id)
    .bind(lane_no)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(thread_no) = thread_no else { return Ok(None) };
    let rows = sqlx::query(CANDIDATES)
        .bind(thread_no)
        .bind(activity_id)
        .bind((posted - AFTER_CALL_MS) * 1_000)
        // Of the millisecond that it names we know no more than that.
        .bind((posted + BEFORE_CALL_MS) * 1_000 + 999)
        .fetch_all(connection)
        .await
        .map_err(of_sqlx)?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let ambiguous = word(row, "state", DeliveryState::of_word)? == DeliveryState::Ambiguous;
    if get(row, "known")? || !ambiguous {
        return Ok(None);
    }
    Ok(Some(Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? }))
}

/// Whether it is the id of something that came from there itself.
async fn is_their_own(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    activity_id: &str,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM inbound_seen
                         WHERE lane_no = ? AND conversation_id = ? AND activity_id = ?)",
    )
    .bind(lane_no)
    .bind(&learned.event.0)
    .bind(activity_id)
    .fetch_one(connection)
    .await
    .map_err(of_sqlx)
}

/// Once, however often it is shown before the owner has obeyed.
async fn say(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    key: Key,
    activity_id: Option<&str>,
    evidence: &str,
) -> Result<bool, StoreError> {
    let verdict = Verdict::Delivered.as_str();
    let said = sqlx::query(
        "INSERT INTO settlements (message_no, recipient_no, lane_no, verdict, activity_id, evidence, at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
          WHERE NOT EXISTS (SELECT 1 FROM settlements AS s
                             WHERE s.message_no = ?1 AND s.recipient_no = ?2 AND s.verdict = ?4
                               AND s.done_at IS NULL)",
    )
    .bind(key.message_no)
    .bind(key.recipient_no)
    .bind(lane_no)
    .bind(verdict)
    .bind(activity_id)
    .bind(evidence)
    .bind(learned.at.0)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(said.rows_affected() == 1)
}
