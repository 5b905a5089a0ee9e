//! What the API reads of conversations.

use nuncio_domain::places::{Conversation, ConversationFilter, PlaceKind};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{ReachState, Scope};

use super::db::{Db, Statement, plain, sql};
use crate::views::{conversation, paged};

/// Those of a scope and filter; the rest of the condition follows.
macro_rules! conversations {
    ($rest:literal) => {
        concat!(
            "SELECT c.reference_no, l.app, l.tenant, c.kind, c.conversation_id, c.service_url, c.origin, c.seen_at,
                    c.suspect_at, c.recipient_no, r.kind AS recipient_kind, r.key, r.name, r.team_id, r.channel_kind, r.reach,
                    r.reach_at, r.evidence, r.reach_how, r.reach_status, r.reach_code, t.name AS team_name
               FROM conversations AS c
               JOIN recipients AS r ON r.recipient_no = c.recipient_no
               CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = c.lane_no OFFSET 0) AS l
               LEFT JOIN LATERAL (SELECT name FROM teams AS t
                                   WHERE t.lane_no = c.lane_no AND t.team_id = r.team_id OFFSET 0) AS t ON true
              WHERE ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2)
                AND ($3::text IS NULL OR l.tenant = $3)
                AND ($4::text IS NULL OR c.kind = $4) AND ($5::text IS NULL OR r.reach = $5) ",
            $rest
        )
    };
}

pub(crate) const LIST: &str = conversations!("AND c.reference_no > $6 ORDER BY c.reference_no LIMIT $7");
pub(crate) const ONE: &str = conversations!("AND c.conversation_id = $6 ORDER BY c.reference_no LIMIT $7");

/// More apps and tenants than anybody chooses between.
const MOST_OF_ONE_ID: i64 = 100;

pub(crate) async fn list(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &ConversationFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Conversation>, StoreError> {
    let statement = bound(sql(LIST), scope, filter).bind(after.unwrap_or(0)).bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, conversation, |conversation| conversation.reference_no)
}

pub(crate) async fn one(
    db: &mut Db<'_>,
    scope: &Scope,
    conversation_id: &str,
    filter: &ConversationFilter,
) -> Result<Vec<Conversation>, StoreError> {
    let statement = bound(sql(ONE), scope, filter).bind(plain(conversation_id)).bind(MOST_OF_ONE_ID);
    db.rows(statement).await?.iter().map(conversation).collect()
}

fn bound<'q>(statement: Statement<'q>, scope: &'q Scope, filter: &'q ConversationFilter) -> Statement<'q> {
    statement
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(PlaceKind::as_str))
        .bind(filter.reach.map(ReachState::as_str))
}
