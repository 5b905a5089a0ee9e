//! What an audience would come to: the rows that an owner would load, of people and places that no message has yet.

use async_trait::async_trait;
use nuncio_domain::batch::Row;
use nuncio_domain::message::Named;
use nuncio_domain::ports::{Preview, StoreError};
use nuncio_domain::preview::NameOf;
use nuncio_domain::preview::estimate::Ahead;
use nuncio_domain::{Scope, Time};

use super::SqliteStore;
use super::rows::{rows, value};
use crate::error::of_sqlx;
use crate::found_row::{FoundRow, gather};
use crate::views::{ahead_of, name_of};
use crate::words::json;

/// As [`INSTALLED_CHUNK`](super::expand::INSTALLED_CHUNK) finds them.
pub(crate) const INSTALLED: &str = rows!(
    "0",
    "SELECT 0 AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, 0 AS resent, NULL AS due_at
       FROM recipients AS p INDEXED BY recipients_of_lane
      WHERE p.lane_no = ?1 AND p.kind = 'person' AND p.recipient_no > ?2
        AND p.reach NOT IN ('removed', 'never_installed')
        AND EXISTS (SELECT 1 FROM conversations AS k WHERE k.recipient_no = p.recipient_no)
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = ?1 AND (?4 IS NULL OR l.app = ?4))
      ORDER BY p.recipient_no LIMIT ?3"
);

pub(crate) const LISTED: &str = rows!(
    "0",
    "SELECT 0 AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, 0 AS resent, NULL AS due_at
       FROM audience_members AS a CROSS JOIN recipients AS p ON p.recipient_no = a.recipient_no
      WHERE a.list_no = ?1 AND a.recipient_no > ?2 AND p.lane_no = ?5
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = ?5 AND (?4 IS NULL OR l.app = ?4))
      ORDER BY a.recipient_no LIMIT ?3"
);

pub(crate) const NUMBERED: &str = rows!(
    "0",
    "SELECT 0 AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, 0 AS resent, NULL AS due_at
       FROM jsonb_each(?1) AS j CROSS JOIN recipients AS p ON p.recipient_no = j.value
      WHERE p.lane_no = ?2
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = ?2 AND (?3 IS NULL OR l.app = ?3))"
);

pub(crate) const KNOWN: &str = rows!(
    "0",
    "SELECT 0 AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, 0 AS resent, NULL AS due_at
       FROM jsonb_each(?1) AS j
      CROSS JOIN recipients AS p ON p.lane_no = j.value ->> 0 AND p.kind = j.value ->> 1 AND p.key = j.value ->> 2
      WHERE EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = j.value ->> 0 AND (?2 IS NULL OR l.app = ?2))"
);

pub(crate) const NAMES: &str = "
    SELECT r.recipient_no, r.name, r.upn
      FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value
     WHERE r.lane_no = ?2
       AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = ?2 AND (?3 IS NULL OR l.app = ?3))";

/// What waits for somebody's word, or is paused, stands before nobody.
pub(crate) const AHEAD: &str = "
    SELECT m.class, sum(c.pending + c.in_flight) AS deliveries, sum(min(c.pending + c.in_flight, ?3)) AS turns
      FROM messages AS m INDEXED BY messages_open
     CROSS JOIN message_counts AS c ON c.message_no = m.message_no
     WHERE m.lane_no = ?1 AND m.open = 1 AND m.state IN ('scheduled', 'expanding', 'sending')
       AND coalesce(m.send_at, 0) <= ?2
       AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = ?1 AND (?4 IS NULL OR l.app = ?4))
     GROUP BY m.class";

#[async_trait]
impl Preview for SqliteStore {
    #[tracing::instrument(name = "store.preview_installed", level = "debug", skip(self, scope))]
    async fn installed(
        &self,
        scope: &Scope,
        lane_no: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let page = sqlx::query(INSTALLED).bind(lane_no).bind(after).bind(limit).bind(&scope.app);
        gather(value::<Vec<FoundRow>>(page.fetch_one(&self.readers).await)?)
    }

    #[tracing::instrument(name = "store.preview_listed", level = "debug", skip(self, scope))]
    async fn listed(
        &self,
        scope: &Scope,
        lane_no: i64,
        list_no: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let page = sqlx::query(LISTED).bind(list_no).bind(after).bind(limit).bind(&scope.app).bind(lane_no);
        gather(value::<Vec<FoundRow>>(page.fetch_one(&self.readers).await)?)
    }

    #[tracing::instrument(name = "store.preview_numbered", level = "debug", skip_all, fields(lane_no))]
    async fn numbered(
        &self,
        scope: &Scope,
        lane_no: i64,
        recipients: &[i64],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = sqlx::query(NUMBERED).bind(json(recipients)?).bind(lane_no).bind(&scope.app);
        gather(value::<Vec<FoundRow>>(rows.fetch_one(&self.readers).await)?)
    }

    #[tracing::instrument(name = "store.preview_known", level = "debug", skip_all, fields(lane_no, of = of.len()))]
    async fn known(&self, scope: &Scope, lane_no: i64, of: &[Named]) -> Result<Vec<Row>, StoreError> {
        let keys: Vec<_> = of.iter().map(|named| (lane_no, named.kind, named.key.as_str())).collect();
        let known = sqlx::query(KNOWN).bind(json(&keys)?).bind(&scope.app);
        gather(value::<Vec<FoundRow>>(known.fetch_one(&self.readers).await)?)
    }

    #[tracing::instrument(name = "store.preview_names", level = "debug", skip_all, fields(lane_no))]
    async fn names(
        &self,
        scope: &Scope,
        lane_no: i64,
        recipients: &[i64],
    ) -> Result<Vec<NameOf>, StoreError> {
        let names = sqlx::query(NAMES).bind(json(recipients)?).bind(lane_no).bind(&scope.app);
        names.fetch_all(&self.readers).await.map_err(of_sqlx)?.iter().map(name_of).collect()
    }

    #[tracing::instrument(name = "store.preview_ahead", level = "debug", skip(self, scope))]
    async fn ahead(
        &self,
        scope: &Scope,
        lane_no: i64,
        at: Time,
        turns: i64,
    ) -> Result<Vec<Ahead>, StoreError> {
        let ahead = sqlx::query(AHEAD).bind(lane_no).bind(at.0).bind(turns).bind(&scope.app);
        ahead.fetch_all(&self.readers).await.map_err(of_sqlx)?.iter().map(ahead_of).collect()
    }
}
