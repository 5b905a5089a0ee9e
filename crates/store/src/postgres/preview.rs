//! What an audience would come to: the rows that an owner would load, of people and places that no message has yet.

use async_trait::async_trait;
use nuncio_domain::batch::Row;
use nuncio_domain::message::Named;
use nuncio_domain::ports::{Preview, StoreError};
use nuncio_domain::preview::NameOf;
use nuncio_domain::preview::estimate::Ahead;
use nuncio_domain::{Scope, Time};

use super::PostgresStore;
use super::db::{plain, sql};
use super::rows::rows;
use crate::found_row::gather;
use crate::views::{ahead_of, name_of};

/// As [`INSTALLED_CHUNK`](super::expand::INSTALLED_CHUNK) finds them. The last of the lane has the highest number that
/// there is.
pub(crate) const INSTALLED: &str = rows!(
    "",
    // There is no message yet.
    "NULL",
    "SELECT 0::bigint AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, false AS resent, NULL::bigint AS due_at
       FROM recipients AS p
      WHERE (p.lane_no, p.recipient_no) > ($1, $2) AND (p.lane_no, p.recipient_no) <= ($1, 9223372036854775807)
        AND p.kind = 'person' AND p.reach NOT IN ('removed', 'never_installed')
        AND EXISTS (SELECT 1 FROM conversations AS k WHERE k.recipient_no = p.recipient_no)
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $1 AND ($4::text IS NULL OR l.app = $4))
      ORDER BY p.lane_no, p.recipient_no LIMIT $3"
);

pub(crate) const LISTED: &str = rows!(
    "",
    // There is no message yet.
    "NULL",
    "SELECT 0::bigint AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, false AS resent, NULL::bigint AS due_at
       FROM (SELECT recipient_no FROM audience_members
              WHERE list_no = $1 AND recipient_no > $2 ORDER BY list_no, recipient_no LIMIT $3) AS a
      CROSS JOIN LATERAL (SELECT * FROM recipients AS k WHERE k.recipient_no = a.recipient_no LIMIT 1) AS p
      WHERE p.lane_no = $5
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $5 AND ($4::text IS NULL OR l.app = $4))"
);

pub(crate) const NUMBERED: &str = rows!(
    "",
    // There is no message yet.
    "NULL",
    "SELECT 0::bigint AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, false AS resent, NULL::bigint AS due_at
       FROM unnest($1::bigint[]) AS j (recipient_no)
      CROSS JOIN LATERAL (SELECT * FROM recipients AS k WHERE k.recipient_no = j.recipient_no LIMIT 1) AS p
      WHERE p.lane_no = $2
        AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $2 AND ($3::text IS NULL OR l.app = $3))"
);

/// Each is looked up by itself: the lane's own index looks as good, and would be walked through.
pub(crate) const KNOWN: &str = rows!(
    "",
    // There is no message yet.
    "NULL",
    "SELECT 0::bigint AS message_no, p.recipient_no, coalesce(p.thread_no, p.recipient_no) AS thread_no, 0 AS attempts,
            0 AS tries, false AS resent, NULL::bigint AS due_at
       FROM unnest($2::text[], $3::text[]) AS j (kind, key)
      CROSS JOIN LATERAL (SELECT * FROM recipients AS k
                           WHERE k.key = j.key AND k.lane_no = $1 AND k.kind = j.kind LIMIT 1) AS p
      WHERE EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $1 AND ($4::text IS NULL OR l.app = $4))"
);

pub(crate) const NAMES: &str = "
    SELECT r.recipient_no, r.name, r.upn
      FROM unnest($1::bigint[]) AS j (recipient_no)
     CROSS JOIN LATERAL (SELECT * FROM recipients AS k WHERE k.recipient_no = j.recipient_no LIMIT 1) AS r
     WHERE r.lane_no = $2
       AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $2 AND ($3::text IS NULL OR l.app = $3))";

/// What waits for somebody's word, or is paused, stands before nobody.
pub(crate) const AHEAD: &str = "
    SELECT m.class, sum(c.pending + c.in_flight)::bigint AS deliveries,
           sum(least(c.pending + c.in_flight, $3))::bigint AS turns
      FROM messages AS m JOIN message_counts AS c ON c.message_no = m.message_no
     WHERE m.lane_no = $1 AND m.open AND m.state IN ('scheduled', 'expanding', 'sending')
       AND coalesce(m.send_at, 0) <= $2
       AND EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane_no = $1 AND ($4::text IS NULL OR l.app = $4))
     GROUP BY m.class";

#[async_trait]
impl Preview for PostgresStore {
    #[tracing::instrument(name = "store.preview_installed", level = "debug", skip(self, scope))]
    async fn installed(
        &self,
        scope: &Scope,
        lane_no: i64,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let page = sql(INSTALLED).bind(lane_no).bind(after).bind(limit).bind(&scope.app);
        gather(&self.readers.reading().await?.db().rows(page).await?)
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
        let page = sql(LISTED).bind(list_no).bind(after).bind(limit).bind(&scope.app).bind(lane_no);
        gather(&self.readers.reading().await?.db().rows(page).await?)
    }

    #[tracing::instrument(name = "store.preview_numbered", level = "debug", skip_all, fields(lane_no))]
    async fn numbered(
        &self,
        scope: &Scope,
        lane_no: i64,
        recipients: &[i64],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = sql(NUMBERED).bind(recipients).bind(lane_no).bind(&scope.app);
        gather(&self.readers.reading().await?.db().rows(rows).await?)
    }

    #[tracing::instrument(name = "store.preview_known", level = "debug", skip_all, fields(lane_no, of = of.len()))]
    async fn known(&self, scope: &Scope, lane_no: i64, of: &[Named]) -> Result<Vec<Row>, StoreError> {
        let kinds: Vec<&str> = of.iter().map(|named| named.kind.as_str()).collect();
        let keys: Vec<_> = of.iter().map(|named| plain(&named.key)).collect();
        let known = sql(KNOWN).bind(lane_no).bind(kinds).bind(keys).bind(&scope.app);
        gather(&self.readers.reading().await?.db().rows(known).await?)
    }

    #[tracing::instrument(name = "store.preview_names", level = "debug", skip_all, fields(lane_no))]
    async fn names(
        &self,
        scope: &Scope,
        lane_no: i64,
        recipients: &[i64],
    ) -> Result<Vec<NameOf>, StoreError> {
        let names = sql(NAMES).bind(recipients).bind(lane_no).bind(&scope.app);
        self.readers.reading().await?.db().rows(names).await?.iter().map(name_of).collect()
    }

    #[tracing::instrument(name = "store.preview_ahead", level = "debug", skip(self, scope))]
    async fn ahead(
        &self,
        scope: &Scope,
        lane_no: i64,
        at: Time,
        turns: i64,
    ) -> Result<Vec<Ahead>, StoreError> {
        let ahead = sql(AHEAD).bind(lane_no).bind(at.0).bind(turns).bind(&scope.app);
        self.readers.reading().await?.db().rows(ahead).await?.iter().map(ahead_of).collect()
    }
}
