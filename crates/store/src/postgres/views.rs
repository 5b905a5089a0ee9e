//! What the API reads. Every statement takes the app that its caller may see; another app's rows are not there.

use nuncio_domain::own_words::Purpose;
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{DeliveryState, Key, MessageId, MessageState, Scope};

use super::db::{Db, plain_or_null, sql};
use crate::batch::ACCEPTED;
use crate::views::{attempt_view, delivery_view, message_id, message_view, paged};
use crate::words::get;

macro_rules! message {
    ($where:literal) => {
        concat!(
            "SELECT m.message_no, m.id, m.lane_no, m.class, m.state, m.cause, m.control, m.label, m.content, m.on_ambiguous,
                    m.purpose, m.install, m.when_unreachable,
                    m.audience_final, m.send_at, m.expires_at, m.created_at, m.completed_at, l.app, l.tenant, l.status,
                    c.pending, c.in_flight, c.delivered, c.failed, c.skipped, c.ambiguous, c.cancelled, c.expired,
                    c.duplicates_removed,
                    (SELECT o.id FROM messages AS o WHERE o.message_no = m.retries) AS retries,
                    coalesce((SELECT json_agg(json_build_array(state, reason, n)) FROM message_reasons AS mr
                               WHERE mr.message_no = m.message_no)::text, '[]') AS reasons
               FROM messages AS m
               CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = m.lane_no OFFSET 0) AS l
               JOIN message_counts AS c ON c.message_no = m.message_no
              WHERE ($1::text IS NULL OR l.app = $1) AND ",
            $where
        )
    };
}

pub(crate) const MESSAGE: &str = message!("m.id = $2");
pub(crate) const MESSAGES: &str = message!(
    "m.message_no < $2 AND ($3::text IS NULL OR m.state = $3) AND ($4::text IS NULL OR m.label = $4)
     AND m.purpose NOT IN ('install', 'survey')
     ORDER BY m.message_no DESC LIMIT $5"
);
pub(crate) const INSTALLS: &str = message!(
    "m.message_no < $2 AND ($3::text IS NULL OR m.state = $3) AND ($4::text IS NULL OR m.label = $4)
     AND m.purpose = 'install'
     ORDER BY m.message_no DESC LIMIT $5"
);
pub(crate) const SURVEYS: &str = message!(
    "m.message_no < $2 AND ($3::text IS NULL OR m.state = $3) AND ($4::text IS NULL OR m.label = $4)
     AND m.purpose = 'survey'
     ORDER BY m.message_no DESC LIMIT $5"
);

/// A pending row of a closed message is shown as what the message made of it. The last call is that which delivered it, or
/// one with a row of its own. The condition on a delivery comes first,
/// so that a page of a filtered list ends as soon as it is full.
macro_rules! delivery {
    ($where:literal, $rest:literal) => {
        concat!(
            "SELECT d.message_no, d.recipient_no, r.kind, r.key, r.name, r.upn, d.id, d.state, d.reason, d.activity_id,
                    d.attempts::bigint, d.due_at,
                    CASE WHEN d.call IS NOT NULL AND d.attempts = 1 THEN d.started_at
                         ELSE (SELECT a.started_at FROM attempts AS a
                                WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no AND a.n = 1) END AS first_at,
                    CASE WHEN d.call IS NULL THEN b.ended_at ELSE d.done_at END AS last_at,
                    CASE WHEN d.call IS NULL THEN b.status ELSE d.status END::bigint AS status, b.code, b.text,
                    CASE WHEN d.call IS NULL THEN b.correlation ELSE d.correlation END AS correlation,
                    (SELECT json_build_array(s.verdict, s.evidence, s.at)::text FROM settlements AS s
                      WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no AND s.took
                      ORDER BY s.settlement_no + 0 DESC LIMIT 1) AS settled
               FROM (SELECT d.message_no, d.recipient_no, m.id, d.reason, d.activity_id, d.attempts, d.call, d.status,
                            d.correlation, d.started_at, d.done_at,
                            CASE WHEN d.state = 'pending' AND m.closed_to IS NOT NULL THEN m.closed_to ELSE d.state END AS state,
                            CASE WHEN m.closed_to IS NULL THEN d.due_at END AS due_at
                       FROM messages AS m
                       JOIN lanes AS l ON l.lane_no = m.lane_no
                       JOIN deliveries AS d ON d.message_no = m.message_no
                      WHERE ($1::text IS NULL OR l.app = $1) AND ",
            $where,
            ") AS d
               JOIN recipients AS r ON r.recipient_no = d.recipient_no
               LEFT JOIN LATERAL (SELECT * FROM attempts AS b WHERE b.message_no = d.message_no
                                     AND b.recipient_no = d.recipient_no AND b.n = d.attempts AND d.call IS NULL OFFSET 0) AS b ON true ",
            $rest
        )
    };
}

pub(crate) const DELIVERIES: &str = delivery!(
    "m.message_no = $2 AND d.message_no = $2 AND d.recipient_no > $3",
    "WHERE ($4::text IS NULL OR d.state = $4) AND ($5::text IS NULL OR d.reason = $5)
     ORDER BY d.message_no, d.recipient_no LIMIT $6"
);
pub(crate) const DELIVERY: &str =
    delivery!("m.message_no = $2 AND d.message_no = $2 AND d.recipient_no = $3", "");

pub(crate) const ATTEMPTS: &str = "
    SELECT n::bigint, call, started_at, ended_at, outcome, status::bigint, code, text, correlation
      FROM attempts AS a WHERE message_no = $1 AND recipient_no = $2
     UNION ALL
    SELECT attempts::bigint, call, started_at, done_at, $3, status::bigint, NULL, NULL, correlation
      FROM deliveries AS d WHERE message_no = $1 AND recipient_no = $2 AND call IS NOT NULL
     ORDER BY n";

pub(crate) async fn message(
    db: &mut Db<'_>,
    scope: &Scope,
    id: MessageId,
) -> Result<Option<MessageView>, StoreError> {
    db.row(sql(MESSAGE).bind(&scope.app).bind(id.0)).await?.as_ref().map(message_view).transpose()
}

pub(crate) async fn messages(
    db: &mut Db<'_>,
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
    let statement = sql(statement)
        .bind(&scope.app)
        .bind(after.unwrap_or(i64::MAX))
        .bind(filter.state.map(MessageState::as_str))
        .bind(plain_or_null(filter.label.as_ref()))
        .bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, message_view, |view| view.message_no)
}

pub(crate) async fn deliveries(
    db: &mut Db<'_>,
    scope: &Scope,
    id: MessageId,
    filter: &DeliveryFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Option<Page<DeliveryView>>, StoreError> {
    let found = sql("SELECT m.message_no FROM messages AS m JOIN lanes AS l ON l.lane_no = m.lane_no
                      WHERE m.id = $2 AND ($1::text IS NULL OR l.app = $1)");
    let Some(row) = db.row(found.bind(&scope.app).bind(id.0)).await? else { return Ok(None) };
    let statement = sql(DELIVERIES)
        .bind(&scope.app)
        .bind(get::<i64>(&row, "message_no")?)
        .bind(after.unwrap_or(0))
        .bind(filter.state.map(DeliveryState::as_str))
        .bind(plain_or_null(filter.reason.as_ref()))
        .bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, delivery_view, |view| view.key.recipient_no).map(Some)
}

pub(crate) async fn delivery(
    db: &mut Db<'_>,
    scope: &Scope,
    key: Key,
) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
    let statement = sql(DELIVERY).bind(&scope.app).bind(key.message_no).bind(key.recipient_no);
    let Some(row) = db.row(statement).await? else { return Ok(None) };
    let attempts = db.rows(sql(ATTEMPTS).bind(key.message_no).bind(key.recipient_no).bind(ACCEPTED)).await?;
    let attempts = attempts.iter().map(attempt_view).collect::<Result<_, _>>()?;
    Ok(Some((message_id(&row)?, delivery_view(&row)?, attempts)))
}
