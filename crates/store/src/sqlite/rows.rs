//! What an owner reads: its open messages, and pending deliveries with all that a call needs.

use futures_util::future::BoxFuture;
use nuncio_domain::Time;
use nuncio_domain::batch::Row;
use nuncio_domain::message::{Opened, WHENEVER};
use nuncio_domain::people::Reference;
use nuncio_domain::ports::StoreError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};

use super::asks::Question;
use super::found_message::FoundMessage;
use super::{names, settle};
use crate::error::{broken, of_sqlx};
use crate::found_row::{Flag, FoundRow, gather};
use crate::rows::{best_first, seen};
use crate::words::{from_json, json};

/// Rows that are read together at most, unless one page has more.
const ROWS: i64 = 5_000;

macro_rules! open {
    ($index:literal, $which:literal) => {
        concat!(
            "SELECT j.key AS asked, m.message_no, m.id, m.class, m.state, m.control, m.content, m.on_ambiguous,
                    m.audience_final, m.send_at, m.expires_at, m.created_at, m.purpose, m.gathers, m.include, m.install,
                    m.when_unreachable, m.cause,
                    m.retries IS NOT NULL AS retries
               FROM jsonb_each(?1) AS j CROSS JOIN messages AS m INDEXED BY ",
            $index,
            " WHERE m.lane_no = j.value ->> 0 AND m.open = 1 AND ",
            $which,
            " AND (m.state NOT IN ('completed', 'cancelled') OR m.swept = 0)"
        )
    };
}

/// Of lanes, each with the last message that its owner has seen: those after that one, and those before it that were told
/// something or still gather.
///
/// All of them are one value, an array of what [`FoundMessage`] has, for the same reason as deliveries.
pub(crate) const OPEN: &str = concat!(
    "SELECT json_group_array(json_array(o.asked, o.message_no, hex(o.id), o.class, o.state, o.control, json(o.content),
            o.on_ambiguous, o.audience_final, o.send_at, o.expires_at, o.created_at, o.purpose, o.gathers, o.include,
            o.install, o.when_unreachable, o.cause, o.retries))
       FROM (",
    open!("messages_open", "m.message_no > j.value ->> 1"),
    " UNION ALL ",
    open!("messages_told", "m.message_no <= j.value ->> 1 AND (m.control IS NOT NULL OR m.gathers = 1)"),
    ") AS o"
);

/// Since when lanes are held, when they last went on, whether there are words for them, whether somebody is
/// reached, and names to be looked up.
pub(crate) const HELD: &str = "
    SELECT json_group_array(json_array(j.key, l.paused_at IS NOT NULL, l.resumed_at, l.service_url,
           EXISTS (SELECT 1 FROM settlements AS s INDEXED BY settlements_open
                    WHERE s.lane_no = l.lane_no AND s.done_at IS NULL),
           EXISTS (SELECT 1 FROM reached AS q WHERE q.lane_no = l.lane_no),
           EXISTS (SELECT 1 FROM audiences AS a INDEXED BY audiences_with_names
                    WHERE a.lane_no = l.lane_no AND a.looked_up < a.names)))
      FROM jsonb_each(?1) AS j CROSS JOIN lanes AS l ON l.lane_no = j.value ->> 0";

/// The page is taken first and the rest joined to it. A delivery comes once for each of its references. A thread of a channel
/// has the channel's references and reachability. Of whom a copy of
/// the directory has, the directory says again with every round what it said before; a copy that was good when the message
/// was made says it for the message (`docs/adr/0025`).
///
/// All of them are one value, an array of what [`FoundRow`] has: each row that comes by itself wakes whoever waits for it,
/// and takes longer to be handed over than to be found.
macro_rules! rows {
    ($asked:literal, $page:literal) => {
        concat!(
            "SELECT json_group_array(json_array(f.asked, f.message_no, f.recipient_no, f.thread_no, f.attempts, f.tries,
                    f.resent, f.due_at, f.kind, f.key, f.mri, f.reach, f.reach_at, f.guest, f.external, f.enabled, f.licensed,
                    f.directory_at, f.excluded, f.opted_out, f.reference_no, f.conversation_id, f.service_url, f.origin,
                    f.seen_at, f.suspect_at))
               FROM (
             SELECT ",
            $asked,
            " AS asked, d.message_no, d.recipient_no, d.thread_no, d.attempts, d.tries, d.resent, d.due_at,
                    r.kind, r.key, r.mri,
                    iif(d.thread_no = d.recipient_no, r.reach,
                        (SELECT b.reach FROM recipients AS b WHERE b.recipient_no = d.thread_no)) AS reach,
                    iif(d.thread_no = d.recipient_no, r.reach_at,
                        (SELECT b.reach_at FROM recipients AS b WHERE b.recipient_no = d.thread_no)) AS reach_at,
                    r.guest, r.external, r.enabled, r.licensed,
                    iif(r.in_directory = 1, max(coalesce(r.directory_at, 0), coalesce((
                            SELECT iif(f.fresh_until > m.created_at, m.created_at, f.complete_at)
                              FROM directory_copies AS f CROSS JOIN messages AS m
                             WHERE f.lane_no = r.lane_no AND m.message_no = d.message_no), 0)), r.directory_at) AS directory_at,
                    EXISTS (SELECT 1 FROM message_exclusions AS e
                             WHERE e.message_no = d.message_no AND e.key = r.key) AS excluded,
                    EXISTS (SELECT 1 FROM opt_outs AS o WHERE o.recipient_no = d.recipient_no) AS opted_out,
                    c.reference_no, c.conversation_id, c.service_url, c.origin, c.seen_at, c.suspect_at
               FROM (",
            $page,
            ") AS d
              CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
               LEFT JOIN conversations AS c ON c.recipient_no = d.thread_no) AS f"
        )
    };
}
pub(crate) use rows;

/// Pages of ?2 rows and of ?3 together, one after the other.
pub(crate) const PAGES: &str = rows!(
    "d.asked",
    "SELECT j.key AS asked, p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM jsonb_each(?1) AS j
      CROSS JOIN deliveries AS p
      WHERE p.message_no = j.value ->> 0 AND p.recipient_no > j.value ->> 1
        AND p.recipient_no <= coalesce((SELECT q.recipient_no FROM deliveries AS q
                WHERE q.message_no = j.value ->> 0 AND q.recipient_no > j.value ->> 1
                  AND q.state = 'pending' AND q.due_at IS NULL
                ORDER BY q.recipient_no LIMIT 1 OFFSET ?2 - 1), 9223372036854775807)
        AND p.state = 'pending' AND p.due_at IS NULL
        AND (SELECT m.closed_to IS NULL FROM messages AS m WHERE m.message_no = j.value ->> 0)
      LIMIT ?3"
);

pub(crate) const DUE: &str = rows!(
    "0",
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p INDEXED BY deliveries_due
      CROSS JOIN messages AS m ON m.message_no = p.message_no
      WHERE p.lane_no = ?1 AND p.due_at IS NOT NULL AND p.due_at <= ?2 AND p.state = 'pending' AND m.closed_to IS NULL
      ORDER BY p.due_at, p.message_no, p.recipient_no LIMIT ?3"
);

pub(crate) const HOLDING: &str = rows!(
    "0",
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p INDEXED BY deliveries_due
      CROSS JOIN messages AS m ON m.message_no = p.message_no
      CROSS JOIN recipients AS k ON k.recipient_no = p.recipient_no
      WHERE p.lane_no = ?1 AND p.due_at IS NOT NULL AND p.due_at < 9223372036854775807
        AND p.state = 'pending' AND m.closed_to IS NULL AND k.kind <> 'person'"
);

pub(crate) const REFERENCES: &str = "
    SELECT reference_no, conversation_id, service_url, origin, seen_at, suspect_at
      FROM conversations
     WHERE recipient_no = (SELECT coalesce(r.thread_no, r.recipient_no) FROM recipients AS r WHERE r.recipient_no = ?1)";

/// A lane whose owner looks, and the last message that it has seen.
#[derive(Serialize)]
pub(crate) struct Look(pub(crate) i64, pub(crate) i64);

/// What [`HELD`] gives of one lane.
#[derive(Deserialize)]
struct Held(usize, Flag, Option<i64>, Option<String>, Flag, Flag, Flag);

impl Question for Look {
    type Answer = Opened;

    fn answer<'a>(
        readers: &'a SqlitePool,
        asked: &'a [Self],
    ) -> BoxFuture<'a, Result<Vec<Option<Opened>>, StoreError>> {
        Box::pin(async move {
            let lanes = json(asked)?;
            let mut opened: Vec<Opened> = asked.iter().map(|_| Opened::default()).collect();
            let found: Vec<FoundMessage> = value(sqlx::query(OPEN).bind(&lanes).fetch_one(readers).await)?;
            for message in found {
                opened[message.asked].messages.push(message.open()?);
            }
            let held: Vec<Held> = value(sqlx::query(HELD).bind(lanes).fetch_one(readers).await)?;
            for Held(of, paused, resumed_at, service_url, words, reached, names) in held {
                let (asked, opened) = (&asked[of], &mut opened[of]);
                opened.paused = paused.0;
                opened.resumed_at = resumed_at.map(Time);
                opened.service_url = service_url;
                opened.reached = reached.0;
                if words.0 {
                    opened.settlements = settle::open(readers, asked.0).await?;
                }
                if names.0 {
                    opened.names_of = names::lists(readers, asked.0).await?;
                }
            }
            for opened in &mut opened {
                opened.messages.sort_by_key(|message| message.message_no);
            }
            Ok(opened.into_iter().map(Some).collect())
        })
    }
}

/// A page that an owner wants.
#[derive(Serialize)]
pub(crate) struct AskPage {
    pub(crate) message_no: i64,
    pub(crate) after: i64,
    /// Rows of it at most.
    pub(crate) limit: i64,
}

impl Question for AskPage {
    type Answer = Vec<Row>;

    fn answer<'a>(
        readers: &'a SqlitePool,
        asked: &'a [Self],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<Row>>>, StoreError>> {
        Box::pin(async move {
            let limit = asked.first().map_or(0, |ask| ask.limit);
            let alike = asked.iter().take_while(|ask| ask.limit == limit).count();
            let rows: Vec<(i64, i64)> =
                asked[..alike].iter().map(|ask| (ask.message_no, ask.after)).collect();
            let page = sqlx::query(PAGES).bind(json(&rows)?).bind(limit).bind(limit.max(ROWS));
            let found: Vec<FoundRow> = value(page.fetch_one(readers).await)?;
            let mut pages: Vec<Option<Vec<Row>>> = asked.iter().map(|_| None).collect();
            pages[..alike].fill(Some(Vec::new()));
            let (mut whole, mut last) = (0, 0);
            let mut found = found.into_iter().peekable();
            while let Some(first) = found.next() {
                last = first.asked;
                let rest = std::iter::from_fn(|| found.next_if(|row| row.asked == last));
                let mut page = gather(std::iter::once(first).chain(rest))?;
                page.sort_by_key(|row| row.key);
                whole += page.len() as i64;
                let into = pages.get_mut(last).ok_or_else(|| broken("a row answers what was not asked"))?;
                *into = Some(page);
            }
            if whole >= limit.max(ROWS) {
                // Cut off there; only the first is certain to be whole.
                pages[last.max(1)..].fill(None);
            }
            Ok(pages)
        })
    }
}

/// The one value, in JSON, that a statement gives.
pub(crate) fn value<T: DeserializeOwned>(row: Result<SqliteRow, sqlx::Error>) -> Result<T, StoreError> {
    from_json(row.map_err(of_sqlx)?.try_get(0).map_err(of_sqlx)?)
}

pub(crate) async fn due(
    readers: &SqlitePool,
    lane_no: i64,
    until: Time,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let found =
        sqlx::query(DUE).bind(lane_no).bind(until.0.min(WHENEVER.0 - 1)).bind(limit).fetch_one(readers).await;
    let mut rows = gather(value::<Vec<FoundRow>>(found)?)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
}

pub(crate) async fn holding(readers: &SqlitePool, lane_no: i64) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(HOLDING).bind(lane_no).fetch_one(readers).await;
    let mut rows = gather(value::<Vec<FoundRow>>(found)?)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
}

pub(crate) async fn references(
    readers: &SqlitePool,
    recipient_no: i64,
) -> Result<Vec<Reference>, StoreError> {
    let found = sqlx::query(REFERENCES).bind(recipient_no).fetch_all(readers).await.map_err(of_sqlx)?;
    let mut known = Vec::with_capacity(found.len());
    for row in &found {
        known.extend(seen(row)?);
    }
    best_first(&mut known);
    Ok(known.into_iter().map(|seen| seen.reference).collect())
}
