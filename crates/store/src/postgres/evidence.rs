//! Whether an activity settles an ambiguous delivery: on the evidence that `docs/delivery.md` (Ambiguous) admits, and on
//! no other.

use nuncio_domain::message::Verdict;
use nuncio_domain::people::{Evidence, Learned};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key, RecipientKind};

use super::control::raise;
use super::db::{Db, plain, sql};
use crate::words::{get, word};

/// A post is as old as its call, give or take: clocks differ, and Microsoft may take its time.
const BEFORE_CALL_MS: i64 = 5_000;
const AFTER_CALL_MS: i64 = 60_000;

/// Of a thread's newest posts, the one that is named, and all whose ids are not known though they may have been posted
/// when it was: what a lost first try left counts as well.
pub(crate) const CANDIDATES: &str = "
    SELECT d.message_no, d.recipient_no, d.state, d.activity_id IS NOT DISTINCT FROM $2 AS known
      FROM (SELECT message_no, recipient_no, state, activity_id, started_at, attempts
              FROM deliveries WHERE thread_no = $1 ORDER BY message_no + 0 DESC LIMIT 1000) AS d
     WHERE d.activity_id = $2
        OR (d.started_at BETWEEN $3 AND $4
            AND (d.state IN ('ambiguous', 'in_flight') OR (d.state = 'delivered' AND d.activity_id IS NULL)))
        OR (d.attempts > 1 AND EXISTS (SELECT 1 FROM attempts AS a
             WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no
               AND a.outcome = 'ambiguous' AND a.started_at BETWEEN $3 AND $4 OFFSET 0))";

pub(crate) const THEIRS: &str = "
    SELECT EXISTS (SELECT 1 FROM deliveries AS d
                    CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = d.recipient_no OFFSET 0) AS r
                    WHERE d.message_no = $1 AND d.recipient_no = $2 AND d.state = 'ambiguous'
                      AND d.lane_no = $3 AND r.kind = $4 AND r.key = $5) AS yes";

const THREAD: &str = "
    SELECT coalesce(r.thread_no, r.recipient_no) AS thread_no
      FROM conversations AS c
     CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = c.recipient_no OFFSET 0) AS r
     WHERE c.conversation_id = $1 AND c.lane_no = $2 LIMIT 1";

const SAY: &str = "
    INSERT INTO settlements (message_no, recipient_no, lane_no, verdict, activity_id, evidence, at)
    SELECT $1, $2, $3, $4, $5, $6, $7
     WHERE NOT EXISTS (SELECT 1 FROM settlements AS s
                        WHERE s.message_no = $1 AND s.recipient_no = $2 AND s.verdict = $4 AND s.done_at IS NULL)";

/// Leaves word for the owner of the lane, which is locked, where something is settled; whether it is.
pub(crate) async fn weigh(db: &mut Db<'_>, lane_no: i64, learned: &Learned) -> Result<bool, StoreError> {
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
        && is_theirs(db, lane_no, learned, key).await?
    {
        let post = named.map(|(_, activity_id)| activity_id);
        settled = say(db, lane_no, learned, key, post, "they pressed a button of it").await?;
    } else if let Some((conversation_id, activity_id)) = named
        && let Some(key) = only_one(db, lane_no, learned, conversation_id, activity_id).await?
    {
        let evidence = format!("Teams named a post of then: {activity_id}");
        settled = say(db, lane_no, learned, key, Some(activity_id), &evidence).await?;
    }
    if settled {
        raise(db, lane_no).await?;
    }
    Ok(settled)
}

/// Whether a delivery is ambiguous, and to the person that the activity is from.
async fn is_theirs(db: &mut Db<'_>, lane_no: i64, learned: &Learned, key: Key) -> Result<bool, StoreError> {
    let Some(person) = learned.people.first() else { return Ok(false) };
    let statement = sql(THEIRS)
        .bind(key.message_no)
        .bind(key.recipient_no)
        .bind(lane_no)
        .bind(RecipientKind::Person.as_str())
        .bind(plain(&person.object_id).to_ascii_lowercase());
    get(&db.one(statement).await?, "yes")
}

/// The one ambiguous delivery that an id of a post can be of.
async fn only_one(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    conversation_id: &str,
    activity_id: &str,
) -> Result<Option<Key>, StoreError> {
    // Teams numbers posts by their milliseconds.
    let Some(posted) = activity_id.parse::<i64>().ok().filter(|ms| (1..i64::MAX / 2_000).contains(ms)) else {
        return Ok(None);
    };
    if is_their_own(db, lane_no, learned, activity_id).await? {
        return Ok(None);
    }
    let thread = sql(THREAD).bind(plain(conversation_id)).bind(lane_no);
    let Some(row) = db.row(thread).await? else { return Ok(None) };
    let statement = sql(CANDIDATES)
        .bind(get::<i64>(&row, "thread_no")?)
        .bind(activity_id)
        .bind((posted - AFTER_CALL_MS) * 1_000)
        // Of the millisecond that it names we know no more than that.
        .bind((posted + BEFORE_CALL_MS) * 1_000 + 999);
    let rows = db.rows(statement).await?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let ambiguous = word(row, "state", DeliveryState::of_word)? == DeliveryState::Ambiguous;
    if get(row, "known")? || !ambiguous {
        return Ok(None);
    }
    Ok(Some(Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? }))
}

/// Whether it is the id of something that came from there itself.
async fn is_their_own(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    activity_id: &str,
) -> Result<bool, StoreError> {
    let seen = sql(
        "SELECT EXISTS (SELECT 1 FROM inbound_seen
                                    WHERE lane_no = $1 AND conversation_id = $2 AND activity_id = $3) AS yes",
    );
    get(&db.one(seen.bind(lane_no).bind(plain(&learned.event.0)).bind(activity_id)).await?, "yes")
}

/// Once, however often it is shown before the owner has obeyed.
async fn say(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    key: Key,
    activity_id: Option<&str>,
    evidence: &str,
) -> Result<bool, StoreError> {
    let said = sql(SAY)
        .bind(key.message_no)
        .bind(key.recipient_no)
        .bind(lane_no)
        .bind(Verdict::Delivered.as_str())
        .bind(activity_id.map(plain))
        .bind(plain(evidence))
        .bind(learned.at.0);
    Ok(db.run(said).await? == 1)
}
