//! Databases of PostgreSQL that are full before the server starts.

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

use crate::fill::{COMPANY, Fill};
use crate::sink::now_us;

pub(crate) struct Postgres(PgConnection);

impl Postgres {
    pub(crate) async fn open(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        Self(options.disable_statement_logging().connect().await.unwrap())
    }

    async fn run(&mut self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.0).await.unwrap();
    }
}

#[async_trait]
impl Fill for Postgres {
    async fn lanes(&mut self, lanes: i64) {
        self.run(format!(
            "INSERT INTO lanes (app, tenant)
             SELECT 'main', '00000000-0000-4000-8000-' || lpad(i::text, 12, '0') FROM generate_series(1, {lanes}) AS i
              ORDER BY i
             ON CONFLICT (app, tenant) DO NOTHING"
        ))
        .await;
    }

    async fn people(&mut self, per_lane: i64, healthy: i64, service_url: &str) {
        // The numbers of lanes that were there already may have been taken and not used.
        self.run(format!(
            "INSERT INTO recipients (lane_no, kind, key, reach, reach_at, reach_seen)
             SELECT l.lane_no, 'person', '00000000-0000-4000-9000-' || lpad(((l.n - 1) * {per_lane} + i)::text, 12, '0'),
                    'reachable', 1, true
               FROM (SELECT lane_no, row_number() OVER (ORDER BY tenant) AS n FROM lanes) AS l
              CROSS JOIN generate_series(1, {per_lane}) AS i
              ORDER BY l.n, i;
             INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
             SELECT r.lane_no, r.recipient_no,
                    CASE WHEN l.n <= {healthy} THEN 'a:' WHEN l.n <= {healthy} + 10 THEN 'a:slow' ELSE 'a:full' END
                    || r.recipient_no, '{service_url}', 'inbound', 1
               FROM recipients AS r
               JOIN (SELECT lane_no, row_number() OVER (ORDER BY tenant) AS n FROM lanes) AS l USING (lane_no)
              ORDER BY r.recipient_no"
        ))
        .await;
    }

    async fn reach(&mut self) {
        self.run(
            "UPDATE recipients
                SET name = 'Person Number ' || recipient_no, upn = 'person.' || recipient_no || '@contoso.example',
                    reach_at = recipient_no,
                    reach = CASE recipient_no % 10 WHEN 1 THEN 'blocked' WHEN 2 THEN 'removed' ELSE 'reachable' END,
                    evidence = CASE recipient_no % 10 WHEN 1 THEN 'send answered 403 ConversationBlockedByUser'
                                                      WHEN 2 THEN 'the app was removed' ELSE 'the app was installed' END,
                    reach_how = CASE recipient_no % 10 WHEN 1 THEN 'refusal' ELSE 'event' END,
                    reach_status = CASE recipient_no % 10 WHEN 1 THEN 403 END,
                    reach_code = CASE recipient_no % 10 WHEN 1 THEN 'ConversationBlockedByUser' END,
                    reach_seen = recipient_no % 10 <> 1,
                    enabled = CASE recipient_no % 10 WHEN 3 THEN false END,
                    directory_at = CASE recipient_no % 10 WHEN 3 THEN recipient_no + 1 END;
             UPDATE recipients SET reach = 'chat_gone' WHERE recipient_no = (SELECT max(recipient_no) FROM recipients);
             INSERT INTO reach_history (recipient_no, at, state, evidence, how)
             SELECT recipient_no, reach_at, 'reachable', 'the app was installed', 'event' FROM recipients
              ORDER BY recipient_no;
             INSERT INTO reach_history (recipient_no, at, state, evidence, how)
             SELECT recipient_no, reach_at + 1, reach, evidence, reach_how FROM recipients WHERE reach <> 'reachable'
              ORDER BY recipient_no;
             DELETE FROM conversations WHERE recipient_no % 10 = 4"
                .to_owned(),
        )
        .await;
    }

    async fn copied(&mut self) {
        let (now, later) = (now_us(), now_us() + 86_400_000_000);
        self.run(format!(
            "UPDATE recipients
                SET guest = false, external = false, enabled = true, licensed = true, directory_at = {now},
                    in_directory = true, directory_round = 1, upn = 'person.' || recipient_no || '@contoso.example';
             INSERT INTO directory_groups (lane_no, key, in_directory, round)
             SELECT (SELECT min(lane_no) FROM lanes), '00000000-0000-4000-a000-' || lpad(i::text, 12, '0'), true, 1
               FROM generate_series(0, 100) AS i ORDER BY i;
             INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
             SELECT g.lane_no, c.group_no, 'group', g.group_no, 1
               FROM directory_groups AS g JOIN directory_groups AS c ON c.key = '{COMPANY}' AND g.key <> c.key;
             INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
             SELECT r.lane_no, g.group_no, 'person', r.recipient_no, 1
               FROM recipients AS r
               JOIN directory_groups AS g
                 ON g.key = '00000000-0000-4000-a000-' || lpad((1 + r.recipient_no % 100)::text, 12, '0')
              ORDER BY 2, 4;
             INSERT INTO directory_copies (lane_no, rev, complete_at, fresh_until, status)
             SELECT min(lane_no), 1, {now}, {later}, '{{\"state\":\"current\",\"complete_at\":{now},\"full_at\":{now},\"next_at\":{later}}}' FROM lanes"
        ))
        .await;
    }

    async fn known(&mut self, people: &[(String, String)], service_url: &str) {
        let (keys, conversations): (Vec<String>, Vec<String>) = people.iter().cloned().unzip();
        sqlx::query(
            "WITH known AS (
                 INSERT INTO recipients (lane_no, kind, key, reach, reach_at, reach_seen)
                 SELECT (SELECT min(lane_no) FROM lanes), 'person', key, 'reachable', 1, true FROM unnest($1) AS key
                 RETURNING lane_no, recipient_no, key)
             INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
             SELECT lane_no, recipient_no, conversation_id, $3, 'inbound', 1
               FROM known JOIN unnest($1, $2) AS u (key, conversation_id) USING (key)",
        )
        .bind(keys)
        .bind(conversations)
        .bind(service_url)
        .execute(&mut self.0)
        .await
        .unwrap();
    }

    async fn messages(&mut self, text: &str) {
        let (now, later) = (now_us(), now_us() + 86_400_000_000);
        self.run(format!(
            "INSERT INTO messages (id, lane_no, key_no, class, state, content, max_recipients, sources, fence_at,
                                   audience_final, expires_at, created_at)
             SELECT gen_random_uuid(), lane_no, 1, 'normal', 'sending', '{{\"text\":\"{text}\"}}', 1000000, '[]',
                    9000000000000, true, {later}, {now} FROM lanes ORDER BY lane_no;
             INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
             SELECT m.message_no, r.recipient_no, r.recipient_no, r.lane_no, 'pending'
               FROM messages AS m JOIN recipients AS r USING (lane_no) ORDER BY m.message_no, r.recipient_no;
             INSERT INTO message_counts (message_no, pending)
             SELECT message_no, count(*) FROM deliveries GROUP BY message_no"
        ))
        .await;
    }

    async fn unfinished(&mut self) -> i64 {
        let open = "SELECT count(*) FROM messages WHERE state NOT IN ('completed', 'cancelled')";
        sqlx::query_scalar(open).fetch_one(&mut self.0).await.unwrap()
    }

    async fn bytes(&mut self) -> u64 {
        let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&mut self.0)
            .await
            .unwrap();
        size as u64
    }

    async fn end(mut self: Box<Self>) {
        self.run("VACUUM ANALYZE".to_owned()).await;
        self.run("CHECKPOINT".to_owned()).await;
        self.0.close().await.unwrap();
    }
}
