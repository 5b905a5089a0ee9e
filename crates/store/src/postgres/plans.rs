//! The access path of every statement that runs per delivery, per activity or per page: of an empty database, whose plans
//! a process that has just made it keeps, and at 200,000 rows with statistics.

use std::str::FromStr;

use nuncio_testkit::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};

use super::db::{PLANS, Pooler};
use super::{
    PostgresStore, commit, commit_message, conversations, delivered, events, evidence, expand, fill,
    inherited, lanes, learn, learn_places, list_keys, lists, names, node, opt_outs, own_words, people,
    preview, reach, reach_history, reached, recipients, recover, rows, settle, standing, submit, teams,
    testify, verify, views, wipe,
};

pub(super) const FILL: &str = "
    INSERT INTO lanes (app, tenant) SELECT 'app', format('tenant %s', i) FROM generate_series(1, 20) AS i;
    INSERT INTO messages (id, lane_no, key_no, class, state, content, max_recipients, sources, fence_at, expires_at, created_at, open)
    SELECT gen_random_uuid(), i % 20 + 1, 1, 'normal', 'sending', '{\"text\": \"x\"}', 1, '[]', 1, 1, 1, i % 50 = 0
      FROM generate_series(1, 20000) AS i;
    INSERT INTO message_counts (message_no, pending) SELECT message_no, 200000 FROM messages;
    INSERT INTO recipients (lane_no, kind, key) SELECT i % 20 + 1, 'person', format('person %s', i) FROM generate_series(1, 200000) AS i;
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
    SELECT 1, recipient_no, format('a:%s', recipient_no), 'https://smba/', 'inbound', 1 FROM recipients;
    INSERT INTO teams (lane_no, team_id, service_url, seen_at) SELECT 1, format('19:%s', i), '', 1 FROM generate_series(1, 5000) AS i;
    INSERT INTO audience_members (list_no, recipient_no) SELECT 1, recipient_no FROM recipients;
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT 1, recipient_no, recipient_no, 1, 'pending' FROM recipients;
    UPDATE deliveries SET due_at = recipient_no WHERE recipient_no % 100 = 0;
    INSERT INTO attempts (message_no, recipient_no, n, call, started_at, ended_at, outcome)
    SELECT 1, recipient_no, 1, 'send', 1, 1, 'accepted' FROM recipients;
    INSERT INTO reach_history (recipient_no, at, state, evidence) SELECT recipient_no, 1, 'blocked', '' FROM recipients;
    INSERT INTO idempotency (key_no, message_no, at, key, body_hash) SELECT 1, i, 1, format('key %s', i), '' FROM generate_series(1, 20000) AS i;
    INSERT INTO settlements (message_no, recipient_no, lane_no, at, verdict, evidence, done_at)
    SELECT 1, recipient_no, 1, 1, 'resend', '', CASE WHEN recipient_no % 100 <> 0 THEN 1 END FROM recipients;
    INSERT INTO audiences (list_no, id, lane_no, key_no, lines, blanks, duplicates, people, names, created_at)
    SELECT i, gen_random_uuid(), i % 20 + 1, 1, 1, 0, 0, 1, i % 2, 1 FROM generate_series(1, 2000) AS i;
    INSERT INTO audience_names (list_no, line, name) SELECT 1, i, format('%s@contoso.com', i) FROM generate_series(1, 50000) AS i;
    INSERT INTO opt_outs SELECT recipient_no, 1, '' FROM recipients WHERE recipient_no % 10 = 0;
    INSERT INTO welcomes (lane_no, at, place) SELECT 1, i, format('place %s', i) FROM generate_series(1, 50000) AS i;";

/// The generic plan, with the names of its parameters for their values.
pub(super) async fn plan(connection: &mut PgConnection, statement: &str) -> Vec<String> {
    let parameters = (1..30).rev().find(|n| statement.contains(&format!("${n}"))).unwrap_or(0);
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    for text in [format!("PREPARE hot AS {statement}"), format!("EXPLAIN (COSTS OFF) EXECUTE hot{arguments}")]
    {
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).fetch_all(&mut *connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}: {statement}"));
        if !rows.is_empty() {
            sqlx::raw_sql("DEALLOCATE hot").execute(connection).await.unwrap();
            return rows.iter().map(|row| row.get::<String, _>(0).trim().to_owned()).collect();
        }
    }
    panic!("no plan of {statement}");
}

/// What each must do.
fn expected() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    const DELIVERY: &str = "using deliveries_pkey on deliveries d";
    vec![
        ("fence", node::PASS, &["using node_fences_pkey on node_fences"]),
        ("intents", commit::INTENTS, &["ProjectSet", DELIVERY]),
        ("intents in place", commit::INTENTS_IN_PLACE, &["ProjectSet", "Tid Scan on deliveries d"]),
        ("delivered", delivered::DELIVERED, &["ProjectSet", DELIVERY]),
        ("changes", commit::CHANGES, &["ProjectSet", DELIVERY]),
        ("counts", commit::COUNTS, &["using message_counts_pkey on message_counts c"]),
        ("found", commit::FOUND, &["using messages_pkey on messages m"]),
        (
            "states",
            events::STATES,
            &["using messages_pkey on messages m", "using message_counts_pkey on message_counts c"],
        ),
        ("known references", commit::KNOWN_REFERENCES, &["on conversations c"]),
        ("suspects", commit::SUSPECTS, &["using conversations_pkey on conversations c"]),
        ("lane status", commit::LANE_STATUS, &["using lanes_pkey on lanes l"]),
        (
            "reach known",
            reach::KNOWN,
            &["using recipients_pkey on recipients r", "using reach_history_of_recipient on reach_history h"],
        ),
        ("reach now", reach::NOW, &["using recipients_pkey on recipients r"]),
        ("sweep", commit_message::SWEEP, &[DELIVERY, "using deliveries_pkey on deliveries"]),
        ("reopen or leave", commit_message::REOPEN_OR_LEAVE, &["using messages_pkey on messages m"]),
        (
            "page",
            rows::PAGE,
            &[
                "using deliveries_pkey on deliveries p",
                "using recipients_pkey on recipients r",
                "using conversations_recipient_no_conversation_id_key on conversations c",
            ],
        ),
        ("due", rows::DUE, &["using deliveries_due on deliveries p", "using messages_pkey on messages m"]),
        (
            "holding",
            rows::HOLDING,
            &["using deliveries_due on deliveries p", "using recipients_pkey on recipients k"],
        ),
        (
            "calls of channels and chats",
            inherited::CALLS,
            &[
                "using places_of_lane on recipients",
                "using deliveries_of_thread on deliveries d",
                "using attempts_pkey on attempts a",
            ],
        ),
        ("when messages were made", inherited::CREATED, &["using messages_pkey on messages"]),
        (
            "who can be reached again",
            reached::NOTE,
            &["using recipients_pkey on recipients r", "using messages_wait on messages m"],
        ),
        (
            "threads of those",
            reached::NOTE_THREADS,
            &["using recipients_of_thread on recipients b", "using messages_wait on messages m"],
        ),
        ("whether anybody is", reached::ANY, &["using reached_pkey on reached"]),
        (
            "made due",
            reached::MAKE_DUE,
            &["using messages_wait on messages", "using reached_pkey on reached q", DELIVERY],
        ),
        ("open", rows::OPEN, &["using messages_open on messages"]),
        (
            "references",
            rows::REFERENCES,
            &["using conversations_recipient_no_conversation_id_key on conversations"],
        ),
        ("recover", recover::IN_FLIGHT, &["using messages_open on messages", DELIVERY]),
        ("list chunk", expand::LIST_CHUNK, &["using audience_members_pkey on audience_members"]),
        (
            "list insert",
            expand::LIST_INSERT.later,
            &["using audience_members_pkey on audience_members a", "using recipients_pkey on recipients r"],
        ),
        (
            "installed chunk",
            expand::INSTALLED_CHUNK,
            &["using people_of_lane on recipients r", "on conversations c"],
        ),
        (
            "installed insert",
            expand::INSTALLED_INSERT.later,
            &["using people_of_lane on recipients r", "on conversations c"],
        ),
        (
            "people of the directory",
            fill::PEOPLE,
            &["Function Scan on j", "using recipients_key_lane_no_kind_key on recipients r"],
        ),
        (
            "members of the directory",
            fill::MEMBERS,
            &["Function Scan on j", "using recipients_key_lane_no_kind_key on recipients r"],
        ),
        ("cursor of a list", fill::MOVE, &["using audience_lists_pkey on audience_lists"]),
        ("list of the directory", fill::LIST, &["using audience_lists_pkey on audience_lists"]),
        ("held", lanes::HELD, &["using lanes_pkey on lanes l", "using audiences_with_names on audiences a"]),
        ("uploaded lists", lists::LIST, &["using audiences_pkey on audiences a"]),
        ("an uploaded list", lists::ONE, &["using audiences_id_key on audiences a"]),
        ("lists of a message", lists::ALL_THERE, &["using audiences_pkey on audiences a"]),
        ("list in use", lists::IN_USE, &["using messages_open on messages m"]),
        ("members deleted", wipe::LEAVE, &["using audience_members_pkey on audience_members b"]),
        ("lists to be taken away", wipe::LEFT_OVER, &["using audiences_to_wipe on audiences a"]),
        (
            "what a key was used for",
            list_keys::USED,
            &["using list_keys_pkey on list_keys k", "using audiences_pkey on audiences b"],
        ),
        ("names deleted", wipe::FORGET, &["using audience_names_pkey on audience_names b"]),
        ("lists with names", names::LISTS, &["using audiences_with_names on audiences"]),
        ("next names", names::NEXT, &["using audience_names_pkey on audience_names"]),
        ("names done", names::DONE, &["using audience_names_pkey on audience_names"]),
        ("names known", names::KNOWS, &["using audience_names_pkey on audience_names"]),
        ("names shown", names::SHOWN, &["using recipients_key_lane_no_kind_key on recipients r"]),
        ("unresolved names", names::UNRESOLVED, &["using audience_names_pkey on audience_names"]),
        ("lanes", submit::LANES, &["using lanes_pkey on lanes"]),
        ("repeated", submit::REPEATED, &["using idempotency_pkey on idempotency i"]),
        (
            "numbers of recipients",
            recipients::NUMBERS,
            &["using recipients_key_lane_no_kind_key on recipients r"],
        ),
        ("threads", submit::THREADS, &["using recipients_key_lane_no_kind_key on recipients r"]),
        ("retry chunk", expand::RETRY_CHUNK, &["using deliveries_pkey on deliveries"]),
        ("retry insert", expand::RETRY_INSERT.later, &[DELIVERY]),
        ("settlements", settle::OPEN, &["using settlements_open on settlements", DELIVERY]),
        (
            "settle all",
            settle::ALL,
            &["using deliveries_pkey on deliveries", "using settlements_of_delivery on settlements s"],
        ),
        ("settle some", settle::NAMED, &[DELIVERY, "using settlements_of_delivery on settlements s"]),
        ("settle how many", settle::AMBIGUOUS_OF, &[DELIVERY]),
        ("settlements left", settle::LEFT, &["using settlements_pkey on settlements s"]),
        ("testify", testify::TESTIFY, &[DELIVERY, "using settlements_of_delivery on settlements s"]),
        ("settlements done", settle::DONE, &["using settlements_pkey on settlements s"]),
        (
            "evidence",
            evidence::CANDIDATES,
            &["using deliveries_of_thread on deliveries", "using attempts_pkey on attempts a"],
        ),
        ("whose it is", evidence::THEIRS, &[DELIVERY, "using recipients_pkey on recipients r"]),
        ("opt-outs", opt_outs::LIST, &["using opt_outs_pkey on opt_outs o"]),
        ("lanes of an operator", lanes::VIEWS, &["using messages_open on messages m"]),
        ("lane", learn::KNOWN_LANE, &["using lanes_app_tenant_key on lanes"]),
        ("person", learn::PERSON, &["using recipients_key_lane_no_kind_key on recipients"]),
        ("reference", learn::REFERENCE, &["on conversations"]),
        ("channels of a team", learn_places::CHANNELS, &["using recipients_of_team on recipients"]),
        ("gathering", own_words::GATHERING, &["using messages_gathering on messages"]),
        ("recent welcomes", own_words::RECENT, &["using welcomes_at on welcomes"]),
        ("recipient", own_words::RECIPIENT, &["using recipients_key_lane_no_kind_key on recipients"]),
        ("message", views::MESSAGE, &["using messages_id_key on messages m"]),
        ("messages", views::MESSAGES, &["Backward using messages_pkey on messages m"]),
        ("installs", views::INSTALLS, &["Backward using messages_installs on messages m"]),
        ("surveys", views::SURVEYS, &["Backward using messages_surveys on messages m"]),
        ("deliveries", views::DELIVERIES, &[DELIVERY, "using attempts_pkey on attempts b"]),
        ("delivery", views::DELIVERY, &[DELIVERY, "using attempts_pkey on attempts b"]),
        ("attempts", views::ATTEMPTS, &["using attempts_pkey on attempts a", DELIVERY]),
        (
            "people",
            people::PEOPLE,
            &["using recipients_pkey on recipients r", "using reach_history_of_recipient on reach_history h"],
        ),
        ("audience", people::AUDIENCE, &[DELIVERY, "using recipients_pkey on recipients r"]),
        ("person of an id", people::PERSON, &["using recipients_key_lane_no_kind_key on recipients r"]),
        ("shares", people::SHARES, &["using recipients_pkey on recipients r"]),
        (
            "shares of an audience",
            people::SHARES_OF_AUDIENCE,
            &[DELIVERY, "using recipients_pkey on recipients r"],
        ),
        ("last recipient", people::LAST, &["Index Only Scan Backward using recipients_pkey on recipients r"]),
        ("until", people::UNTIL, &["using recipients_pkey on recipients r"]),
        ("until of an audience", people::UNTIL_OF_AUDIENCE, &[DELIVERY]),
        (
            "history",
            reach_history::OF_ONE,
            &["using reach_history_of_recipient on reach_history h", "using recipients_pkey on recipients r"],
        ),
        ("before a time", reach_history::BEFORE, &["using reach_history_at on reach_history h"]),
        (
            "newest change",
            reach_history::NEWEST,
            &["Backward using reach_history_in_order on reach_history h"],
        ),
        ("until of changes", reach_history::UNTIL, &["using reach_history_in_order on reach_history h"]),
        (
            "changes of reach",
            reach_history::CHANGES,
            &[
                "using reach_history_in_order on reach_history h",
                "using recipients_pkey on recipients r",
                "using reach_history_of_recipient on reach_history p",
            ],
        ),
        (
            "standing",
            standing::NOTE,
            &[
                "Function Scan on j",
                "using recipients_key_lane_no_kind_key on recipients r",
                "using reach_history_of_recipient on reach_history h",
            ],
        ),
        (
            "preview of the installed",
            preview::INSTALLED,
            &["using people_of_lane on recipients p", "using recipients_pkey on recipients r"],
        ),
        (
            "preview of a list",
            preview::LISTED,
            &["using audience_members_pkey on audience_members", "using recipients_pkey on recipients r"],
        ),
        ("preview of the copy", preview::NUMBERED, &["using recipients_pkey on recipients k"]),
        (
            "preview of named ones",
            preview::KNOWN,
            &[
                "using recipients_key_lane_no_kind_key on recipients k",
                "using recipients_pkey on recipients r",
            ],
        ),
        ("names of a preview", preview::NAMES, &["using recipients_pkey on recipients k"]),
        ("what stands before", preview::AHEAD, &["using messages_open on messages m"]),
        ("conversations", conversations::LIST, &["using conversations_pkey on conversations c"]),
        ("conversation", conversations::ONE, &["using conversations_of_id on conversations c"]),
        ("teams", teams::LIST, &["using teams_pkey on teams t"]),
        ("channels", teams::CHANNELS, &["using recipients_of_team on recipients r"]),
        ("count of rows", verify::COUNT_ROWS, &[DELIVERY]),
    ]
}

/// Sorts of what is at most a page, or a handful.
const SORTS: [&str; 24] = [
    "attempts",
    "lists with names",
    "evidence",
    "settlements",
    "settle all",
    "settle some",
    "settlements left",
    "deliveries",
    "delivery",
    "open",
    "gathering",
    "reach known",
    "channels",
    "count of rows",
    "conversation",
    "people",
    "audience",
    "person of an id",
    "shares",
    "shares of an audience",
    "history",
    "changes of reach",
    "standing",
    "what stands before",
];

async fn assert_plans(connection: &mut PgConnection, when: &str) {
    let mut wrong = Vec::new();
    for (name, statement, paths) in expected() {
        let plan = plan(connection, statement).await;
        let lacks = paths.iter().find(|path| !plan.iter().any(|line| line.contains(**path)));
        let walks = plan.iter().find(|line| {
            ["Seq Scan", "Bitmap", "Hash Join", "Merge Join", "Join Filter"]
                .iter()
                .any(|walk| line.contains(walk) && !line.contains("IS NULL) OR"))
                || (line.contains("Sort") && !SORTS.contains(&name))
        });
        if lacks.is_some() || walks.is_some() {
            wrong.push(format!("{name} lacks {lacks:?}, has {walks:?}: {plan:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{when}: {}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_take_their_keys() {
    let server = Postgres::shared();
    let url = server.database(None);
    let store = PostgresStore::open(&url, Pooler::None).await.unwrap();
    let options = PgConnectOptions::from_str(&url).unwrap().options(PLANS);
    let mut connection = options.connect().await.unwrap();
    assert_plans(&mut connection, "empty").await;
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
    assert_plans(&mut connection, "full, without statistics").await;
    sqlx::raw_sql("ANALYZE").execute(&mut connection).await.unwrap();
    assert_plans(&mut connection, "full").await;
    store.close().await;
}
