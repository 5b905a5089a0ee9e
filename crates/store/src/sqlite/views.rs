//! What the API reads. Every statement takes the app that its caller may see; another app's rows are not there.

use nuncio_domain::own_words::Purpose;
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{DeliveryState, Key, MessageId, MessageState, Scope};
use sqlx::SqlitePool;

use crate::batch::ACCEPTED;
use crate::error::of_sqlx;
use crate::views::{attempt_view, delivery_view, message_id, message_view, paged};

macro_rules! message {
    ($where:literal) => {
        concat!(
            "SELECT m.message_no, m.id, m.lane_no, m.class, m.state, m.cause, m.control, m.label, m.content, m.on_ambiguous,
                    m.purpose, m.install, m.when_unreachable,
                    m.audience_final, m.send_at, m.expires_at, m.created_at, m.completed_at, l.app, l.tenant, l.status,
                    c.pending, c.in_flight, c.delivered, c.failed, c.skipped, c.ambiguous, c.cancelled, c.expired,
                    c.duplicates_removed,
                    (SELECT o.id FROM messages AS o WHERE o.message_no = m.retries) AS retries,
                    (SELECT json_group_array(json_array(state, reason, n)) FROM message_reasons AS mr
                      WHERE mr.message_no = m.message_no) AS reasons
               FROM messages AS m
              CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
              CROSS JOIN message_counts AS c ON c.message_no = m.message_no
              WHERE (?1 IS NULL OR l.app = ?1) AND ",
            $where
        )
    };
}

const MESSAGE: &str = message!("m.id = ?2");
pub(crate) const MESSAGES: &str = message!(
    "m.message_no < ?2 AND (?3 IS NULL OR m.state = ?3) AND (?4 IS NULL OR m.label = ?4) AND m.purpose NOT IN ('install', 'survey')
     ORDER BY m.message_no DESC LIMIT ?5"
);
pub(crate) const INSTALLS: &str = message!(
    "m.message_no < ?2 AND (?3 IS NULL OR m.state = ?3) AND (?4 IS NULL OR m.label = ?4) AND m.purpose = 'install'
     ORDER BY m.message_no DESC LIMIT ?5"
);
pub(crate) const SURVEYS: &str = message!(
    "m.message_no < ?2 AND (?3 IS NULL OR m.state = ?3) AND (?4 IS NULL OR m.label = ?4) AND m.purpose = 'survey'
     ORDER BY m.message_no DESC LIMIT ?5"
);

/// A pending row of a closed message is shown as what the message made of it. The last call is that which delivered it, or
/// one with a row of its own.
macro_rules! delivery {
    ($where:literal) => {
        concat!(
            "SELECT * FROM (
               SELECT d.message_no, d.recipient_no, r.kind, r.key, r.name, r.upn, m.id,
                      iif(d.state = 'pending' AND m.closed_to IS NOT NULL, m.closed_to, d.state) AS state,
                      d.reason, d.activity_id, d.attempts,
                      iif(m.closed_to IS NULL, d.due_at, NULL) AS due_at,
                      iif(d.call IS NOT NULL AND d.attempts = 1, d.started_at,
                          (SELECT a.started_at FROM attempts AS a
                            WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no AND a.n = 1)) AS first_at,
                      iif(d.call IS NULL, b.ended_at, d.done_at) AS last_at,
                      iif(d.call IS NULL, b.status, d.status) AS status, b.code, b.text,
                      iif(d.call IS NULL, b.correlation, d.correlation) AS correlation,
                      (SELECT json_array(s.verdict, s.evidence, s.at) FROM settlements AS s
                        WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no AND s.took = 1
                        ORDER BY s.settlement_no DESC LIMIT 1) AS settled
                 FROM messages AS m
                CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
                CROSS JOIN deliveries AS d ON d.message_no = m.message_no
                CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
                 LEFT JOIN attempts AS b
                   ON b.message_no = d.message_no AND b.recipient_no = d.recipient_no AND b.n = d.attempts AND d.call IS NULL
                WHERE (?1 IS NULL OR l.app = ?1) AND ",
            $where
        )
    };
}

pub(crate) const DELIVERIES: &str = delivery!(
    "m.message_no = ?2 AND d.recipient_no > ?3)
     WHERE (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR reason = ?5)
     ORDER BY recipient_no LIMIT ?6"
);
const DELIVERY: &str = delivery!("m.message_no = ?2 AND d.recipient_no = ?3)");

pub(crate) async fn message(
    readers: &SqlitePool,
    scope: &Scope,
    id: MessageId,
) -> Result<Option<MessageView>, StoreError> {
    sqlx::query(MESSAGE)
        .bind(&scope.app)
        .bind(id.0.as_bytes().as_slice())
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?
        .as_ref()
        .map(message_view)
        .transpose()
}

pub(crate) async fn messages(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &MessageFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<MessageView>, StoreError> {
    let statement = match filter.purpose {
        Some(Purpose::Install) => INSTALLS,
        Some(Purpose::Survey) => SURVEYS,
        _ => MESSAGES,
    };
    let rows = sqlx::query(statement)
        .bind(&scope.app)
        .bind(after.unwrap_or(i64::MAX))
        .bind(filter.state.map(MessageState::as_str))
        .bind(&filter.label)
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, message_view, |view| view.message_no)
}

pub(crate) async fn deliveries(
    readers: &SqlitePool,
    scope: &Scope,
    id: MessageId,
    filter: &DeliveryFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Option<Page<DeliveryView>>, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT m.message_no FROM messages AS m CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
          WHERE m.id = ?2 AND (?1 IS NULL OR l.app = ?1)",
    )
    .bind(&scope.app)
    .bind(id.0.as_bytes().as_slice())
    .fetch_optional(readers)
    .await
    .map_err(of_sqlx)?;
    let Some(message_no) = found else { return Ok(None) };
    let rows = sqlx::query(DELIVERIES)
        .bind(&scope.app)
        .bind(message_no)
        .bind(after.unwrap_or(0))
        .bind(filter.state.map(DeliveryState::as_str))
        .bind(&filter.reason)
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, delivery_view, |view| view.key.recipient_no).map(Some)
}

pub(crate) async fn delivery(
    readers: &SqlitePool,
    scope: &Scope,
    key: Key,
) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
    let row = sqlx::query(DELIVERY)
        .bind(&scope.app)
        .bind(key.message_no)
        .bind(key.recipient_no)
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?;
    let Some(row) = row else { return Ok(None) };
    let attempts = sqlx::query(
        "SELECT n, call, started_at, ended_at, outcome, status, code, text, correlation
           FROM attempts WHERE message_no = ?1 AND recipient_no = ?2
          UNION ALL
         SELECT attempts, call, started_at, done_at, ?3, status, NULL, NULL, correlation
           FROM deliveries WHERE message_no = ?1 AND recipient_no = ?2 AND call IS NOT NULL
          ORDER BY n",
    )
    .bind(key.message_no)
    .bind(key.recipient_no)
    .bind(ACCEPTED)
    .fetch_all(readers)
    .await
    .map_err(of_sqlx)?;
    let attempts = attempts.iter().map(attempt_view).collect::<Result<_, _>>()?;
    Ok(Some((message_id(&row)?, delivery_view(&row)?, attempts)))
}
