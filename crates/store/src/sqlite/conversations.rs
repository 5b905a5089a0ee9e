//! What the API reads of conversations.

use nuncio_domain::places::{Conversation, ConversationFilter, PlaceKind};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{ReachState, Scope};
use sqlx::SqlitePool;

use crate::error::of_sqlx;
use crate::views::{conversation, paged};

/// Those of a scope and filter; the rest of the condition follows.
macro_rules! conversations {
    ($rest:literal) => {
        concat!(
            "SELECT c.reference_no, l.app, l.tenant, c.kind, c.conversation_id, c.service_url, c.origin, c.seen_at,
                    c.suspect_at, c.recipient_no, r.kind AS recipient_kind, r.key, r.name, r.team_id, r.channel_kind, r.reach,
                    r.reach_at, r.evidence, r.reach_how, r.reach_status, r.reach_code, t.name AS team_name
               FROM conversations AS c
              CROSS JOIN recipients AS r ON r.recipient_no = c.recipient_no
              CROSS JOIN lanes AS l ON l.lane_no = c.lane_no
               LEFT JOIN teams AS t ON t.lane_no = c.lane_no AND t.team_id = r.team_id
              WHERE (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
                AND (?4 IS NULL OR c.kind = ?4) AND (?5 IS NULL OR r.reach = ?5) ",
            $rest
        )
    };
}

pub(crate) const LIST: &str = conversations!("AND c.reference_no > ?6 ORDER BY c.reference_no LIMIT ?7");
pub(crate) const ONE: &str = conversations!("AND c.conversation_id = ?6 ORDER BY c.reference_no LIMIT ?7");

/// More apps and tenants than anybody chooses between.
const MOST_OF_ONE_ID: i64 = 100;

pub(crate) async fn list(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &ConversationFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Conversation>, StoreError> {
    let rows = bound(sqlx::query(LIST), scope, filter)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, conversation, |conversation| conversation.reference_no)
}

pub(crate) async fn one(
    readers: &SqlitePool,
    scope: &Scope,
    conversation_id: &str,
    filter: &ConversationFilter,
) -> Result<Vec<Conversation>, StoreError> {
    let rows = bound(sqlx::query(ONE), scope, filter)
        .bind(conversation_id)
        .bind(MOST_OF_ONE_ID)
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    rows.iter().map(conversation).collect()
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound<'q>(query: Query<'q>, scope: &'q Scope, filter: &'q ConversationFilter) -> Query<'q> {
    query
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(PlaceKind::as_str))
        .bind(filter.reach.map(ReachState::as_str))
}
