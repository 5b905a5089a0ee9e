//! Databases that are full before the server starts: a statement for each table, whatever the number of rows.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use crate::sink::now_us;

/// A database under a server, seen from beside it.
#[async_trait]
pub(crate) trait Fill: Send {
    /// So many lanes of the app `main`, the app's own first.
    async fn lanes(&mut self, lanes: i64);
    /// So many people in each lane, whose conversations are known. Beyond the healthy lanes come ten whose conversations
    /// are slow, then such as take nothing.
    async fn people(&mut self, per_lane: i64, healthy: i64, service_url: &str);
    /// Of ten people one blocked the app, one removed it, one cannot sign in and one has no conversation; the last one's is
    /// gone. All have names, and a history.
    async fn reach(&mut self);
    /// A fresh copy of the directory of the first lane: everybody is in it, in a hundred groups, all of which are in
    /// [`COMPANY`].
    async fn copied(&mut self);
    /// These people with their conversations in the first lane.
    async fn known(&mut self, people: &[(String, String)], service_url: &str);
    /// A message in each lane to all of its people, expanded and ready to be sent.
    async fn messages(&mut self, text: &str);
    /// How many messages are not over.
    async fn unfinished(&mut self) -> i64;
    /// What it takes on disk, its log included where that is a file of its own.
    async fn bytes(&mut self) -> u64;
    /// Everything is written; nobody holds the database open.
    async fn end(self: Box<Self>);
}

/// The group of everybody.
pub(crate) const COMPANY: &str = "00000000-0000-4000-a000-000000000000";

pub(crate) struct Sqlite(SqliteConnection, PathBuf);

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("synchronous", "off")
            .pragma("cache_size", "-65536")
            .disable_statement_logging();
        Self(options.connect().await.unwrap(), path.to_owned())
    }

    async fn run(&mut self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.0).await.unwrap();
    }
}

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ";

#[async_trait]
impl Fill for Sqlite {
    async fn lanes(&mut self, lanes: i64) {
        self.run(format!(
            "{NUMBERS}{lanes}) INSERT OR IGNORE INTO lanes (app, tenant)
             SELECT 'main', format('00000000-0000-4000-8000-%012d', i) FROM n ORDER BY i"
        ))
        .await;
    }

    async fn people(&mut self, per_lane: i64, healthy: i64, service_url: &str) {
        self.run(format!(
            "BEGIN;
             {NUMBERS}(SELECT count(*) FROM lanes) * {per_lane})
             INSERT INTO recipients (recipient_no, lane_no, kind, key, reach, reach_at, reach_seen)
             SELECT i, 1 + (i - 1) / {per_lane}, 'person', format('00000000-0000-4000-9000-%012d', i), 'reachable', 1, 1
               FROM n;
             INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
             SELECT lane_no, recipient_no,
                    iif(lane_no <= {healthy}, 'a:', iif(lane_no <= {healthy} + 10, 'a:slow', 'a:full')) || recipient_no,
                    '{service_url}', 'inbound', 1 FROM recipients;
             COMMIT"
        ))
        .await;
    }

    async fn reach(&mut self) {
        self.run(
            "BEGIN;
             UPDATE recipients
                SET name = 'Person Number ' || recipient_no, upn = 'person.' || recipient_no || '@contoso.example',
                    evidence = 'the app was installed', reach_how = 'event', reach_at = recipient_no;
             INSERT INTO reach_history (recipient_no, at, state, evidence, how)
             SELECT recipient_no, reach_at, 'reachable', evidence, 'event' FROM recipients;
             UPDATE recipients SET reach = 'blocked', evidence = 'send answered 403 ConversationBlockedByUser',
                                   reach_how = 'refusal', reach_status = 403, reach_code = 'ConversationBlockedByUser', reach_seen = 0
              WHERE recipient_no % 10 = 1;
             UPDATE recipients SET reach = 'removed', evidence = 'the app was removed' WHERE recipient_no % 10 = 2;
             UPDATE recipients SET guest = 0, external = 0, enabled = 0, licensed = 1, directory_at = reach_at + 1
              WHERE recipient_no % 10 = 3;
             UPDATE recipients SET reach = 'chat_gone' WHERE recipient_no = (SELECT max(recipient_no) FROM recipients);
             INSERT INTO reach_history (recipient_no, at, state, evidence, how)
             SELECT recipient_no, reach_at + 1, reach, evidence, reach_how FROM recipients WHERE reach <> 'reachable';
             DELETE FROM conversations WHERE recipient_no % 10 = 4;
             COMMIT"
                .to_owned(),
        )
        .await;
    }

    async fn copied(&mut self) {
        let (now, later) = (now_us(), now_us() + 86_400_000_000);
        self.run(format!(
            "BEGIN;
             UPDATE recipients
                SET guest = 0, external = 0, enabled = 1, licensed = 1, directory_at = {now}, in_directory = 1,
                    directory_round = 1, upn = 'person.' || recipient_no || '@contoso.example'
              WHERE lane_no = 1;
             INSERT INTO directory_groups (lane_no, key, in_directory, round) VALUES (1, '{COMPANY}', 1, 1);
             {NUMBERS}100)
             INSERT INTO directory_groups (lane_no, key, in_directory, round)
             SELECT 1, format('00000000-0000-4000-a000-%012d', i), 1, 1 FROM n;
             INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
             SELECT 1, 1, 'group', group_no, 1 FROM directory_groups WHERE group_no > 1;
             INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
             SELECT 1, 2 + recipient_no % 100, 'person', recipient_no, 1 FROM recipients WHERE lane_no = 1 ORDER BY 2, 4;
             INSERT INTO directory_copies (lane_no, rev, complete_at, fresh_until, status)
             VALUES (1, 1, {now}, {later}, '{{\"state\":\"current\",\"complete_at\":{now},\"full_at\":{now},\"next_at\":{later}}}');
             COMMIT"
        ))
        .await;
    }

    async fn known(&mut self, people: &[(String, String)], service_url: &str) {
        self.run("BEGIN".to_owned()).await;
        for people in people.chunks(50_000) {
            let rows = serde_json::to_string(people).unwrap();
            sqlx::query(
                "INSERT INTO recipients (lane_no, kind, key, reach, reach_at, reach_seen)
                 SELECT 1, 'person', value ->> 0, 'reachable', 1, 1 FROM json_each(?)",
            )
            .bind(&rows)
            .execute(&mut self.0)
            .await
            .unwrap();
            sqlx::query(
                "INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
                 SELECT 1, r.recipient_no, j.value ->> 1, ?2, 'inbound', 1
                   FROM json_each(?1) AS j CROSS JOIN recipients AS r
                     ON r.lane_no = 1 AND r.kind = 'person' AND r.key = j.value ->> 0",
            )
            .bind(&rows)
            .bind(service_url)
            .execute(&mut self.0)
            .await
            .unwrap();
        }
        self.run("COMMIT".to_owned()).await;
    }

    async fn messages(&mut self, text: &str) {
        let (now, later) = (now_us(), now_us() + 86_400_000_000);
        self.run(format!(
            "BEGIN;
             INSERT INTO messages (id, lane_no, key_no, class, state, content, max_recipients, sources, fence_at,
                                   audience_final, expires_at, created_at)
             SELECT randomblob(16), lane_no, 1, 'normal', 'sending', '{{\"text\":\"{text}\"}}', 1000000, '[]',
                    9000000000000, 1, {later}, {now} FROM lanes ORDER BY lane_no;
             INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
             SELECT m.message_no, r.recipient_no, r.recipient_no, r.lane_no, 'pending'
               FROM messages AS m CROSS JOIN recipients AS r INDEXED BY recipients_of_lane ON r.lane_no = m.lane_no
              ORDER BY m.message_no, r.recipient_no;
             INSERT INTO message_counts (message_no, pending)
             SELECT message_no, count(*) FROM deliveries GROUP BY message_no;
             COMMIT"
        ))
        .await;
    }

    async fn unfinished(&mut self) -> i64 {
        let open = "SELECT count(*) FROM messages WHERE state NOT IN ('completed', 'cancelled')";
        sqlx::query_scalar(open).fetch_one(&mut self.0).await.unwrap()
    }

    async fn bytes(&mut self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(&self.1) + size(&self.1.with_extension("db-wal"))
    }

    async fn end(mut self: Box<Self>) {
        self.run("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await;
        self.0.close().await.unwrap();
    }
}
