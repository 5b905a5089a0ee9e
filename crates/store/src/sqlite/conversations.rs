//! What the API reads of conversations.

use nuncio_domain::people::Origin;
use nuncio_domain::places::{ChannelKind, Conversation, ConversationFilter, PlaceKind};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{ReachState, RecipientKind, Scope};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use super::error::of_sqlx;
use super::views::paged;
use super::words::{get, time, time_or_null, word, word_or_null};

/// Those of a scope and filter; the rest of the condition follows.
macro_rules! conversations {
    ($rest:literal) => {
        concat!(
            "SELECT c.reference_no, l.app, l.tenant, c.kind, c.conversation_id, c.service_url, c.origin, c.seen_at,
                    c.suspect_at, r.kind AS recipient_kind, r.key, r.name, r.team_id, r.channel_kind, r.reach,
                    r.reach_at, r.evidence, t.name AS team_name
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

fn conversation(row: &SqliteRow) -> Result<Conversation, StoreError> {
    let personal = word(row, "recipient_kind", RecipientKind::of_word)? == RecipientKind::Person;
    Ok(Conversation {
        reference_no: get(row, "reference_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        kind: word(row, "kind", PlaceKind::of_word)?,
        conversation_id: get(row, "conversation_id")?,
        name: get(row, "name")?,
        person: if personal { Some(get(row, "key")?) } else { None },
        team_id: get(row, "team_id")?,
        team_name: get(row, "team_name")?,
        channel_kind: word_or_null(row, "channel_kind", ChannelKind::of_word)?,
        service_url: get(row, "service_url")?,
        origin: word(row, "origin", Origin::of_word)?,
        seen_at: time(row, "seen_at")?,
        suspect_at: time_or_null(row, "suspect_at")?,
        reach: word(row, "reach", ReachState::of_word)?,
        reach_at: time_or_null(row, "reach_at")?,
        evidence: get(row, "evidence")?,
    })
}
