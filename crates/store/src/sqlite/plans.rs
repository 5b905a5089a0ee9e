//! The access path of every statement that runs per delivery, at 200,000 rows. SQLite decides by its rules and not by
//! statistics here (there are none, as in production), but what a rule comes to shows only in the plan.

use sqlx::{ConnectOptions, Row, SqliteConnection};

use super::SqliteStore;
use super::{
    commit, commit_message, conversations, evidence, expand, fill, inherited, learn, list_keys, lists, moves,
    names, opt_outs, own_words, preview, reached, recover, rows, settle, store, submit, views, wipe,
};

pub(super) const FILL: &str = "
    INSERT INTO lanes (app, tenant) VALUES ('app', 'tenant');
    INSERT INTO messages (id, lane_no, key_no, class, state, content, max_recipients, sources, fence_at, expires_at, created_at)
    VALUES (x'00', 1, 1, 'normal', 'sending', '{\"text\": \"x\"}', 1, '[]', 1, 1, 1);
    INSERT INTO message_counts (message_no, pending) VALUES (1, 200000);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    INSERT INTO recipients (lane_no, kind, key) SELECT 1, 'person', format('person %d', i) FROM n;
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
    SELECT 1, recipient_no, format('a:%d', recipient_no), 'https://smba/', 'inbound', 1 FROM recipients;
    INSERT INTO audience_members (list_no, recipient_no) SELECT 1, recipient_no FROM recipients;
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT 1, recipient_no, recipient_no, 1, 'pending' FROM recipients;
    UPDATE deliveries SET due_at = recipient_no WHERE recipient_no % 100 = 0;
    INSERT INTO reach_history (recipient_no, at, state, evidence) SELECT recipient_no, 1, 'blocked', '' FROM recipients;";

pub(super) async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

/// Takes the ways it has to, sorts nothing, and walks through no table.
pub(super) async fn take_their_keys(connection: &mut SqliteConnection, expected: &[(&str, &str, &[&str])]) {
    for (name, statement, paths) in expected {
        let plan = plan(connection, statement).await;
        for path in *paths {
            assert!(plan.iter().any(|line| line.contains(path)), "{name} has not {path}: {plan:#?}");
        }
        let walks = |line: &&String| {
            let table = line.strip_prefix("SCAN ");
            // Not a table: the array that is bound, or the page that was taken first.
            table.is_some_and(|table| !table.contains("VIRTUAL TABLE") && !table.starts_with('('))
                && !plan.contains(&line.replace("SCAN", "CO-ROUTINE"))
        };
        let bad = plan.iter().find(|line| walks(line) || line.contains("TEMP B-TREE"));
        assert_eq!(bad, None, "{name}: {plan:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_take_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();

    // What each must do. None may sort, nor walk through a table.
    let expected: [(&str, &str, &[&str]); 73] = [
        (
            "intents",
            commit::INTENTS,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "changes",
            commit::CHANGES,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "delivered",
            commit::DELIVERED,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "lost",
            moves::LOST,
            &["SCAN j VIRTUAL TABLE", "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no=?)"],
        ),
        (
            "attempts",
            commit::ATTEMPTS,
            &["SCAN j VIRTUAL TABLE", "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no=?)"],
        ),
        (
            "counts",
            commit::COUNTS,
            &["SCAN j VIRTUAL TABLE", "SEARCH message_counts USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        (
            "sweep",
            commit_message::SWEEP,
            &["SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no>?)"],
        ),
        (
            "pages",
            rows::PAGES,
            &[
                "SEARCH q USING PRIMARY KEY (message_no=? AND recipient_no>?)",
                "SEARCH p USING PRIMARY KEY (message_no=? AND recipient_no>? AND recipient_no<?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
                "SEARCH c USING INDEX sqlite_autoindex_conversations_1 (recipient_no=?)",
                "SEARCH o USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            "due",
            rows::DUE,
            &[
                "SEARCH p USING INDEX deliveries_due (lane_no=? AND due_at>? AND due_at<?)",
                "SEARCH m USING INTEGER PRIMARY KEY",
                "SEARCH r USING INTEGER PRIMARY KEY",
            ],
        ),
        (
            "holding",
            rows::HOLDING,
            &[
                "SEARCH p USING INDEX deliveries_due (lane_no=? AND due_at>? AND due_at<?)",
                "SEARCH m USING INTEGER PRIMARY KEY",
                "SEARCH k USING INTEGER PRIMARY KEY",
            ],
        ),
        (
            "calls of channels and chats",
            inherited::CALLS,
            &[
                "SEARCH r USING INDEX recipients_of_lane (lane_no=? AND kind=?)",
                "SEARCH d USING INDEX deliveries_of_thread (thread_no=? AND message_no>?)",
                "SEARCH d USING COVERING INDEX deliveries_of_thread (thread_no=? AND message_no>?)",
                "SEARCH a USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "when messages were made",
            inherited::CREATED,
            &["SEARCH messages USING INTEGER PRIMARY KEY (rowid>?)"],
        ),
        (
            "open",
            rows::OPEN,
            &[
                "SEARCH m USING INDEX messages_open (lane_no=? AND rowid>?)",
                "SEARCH m USING INDEX messages_told (lane_no=? AND rowid<?)",
            ],
        ),
        (
            "held",
            rows::HELD,
            &[
                "SEARCH l USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH s USING INDEX settlements_open (lane_no=?)",
                "SEARCH q USING PRIMARY KEY (lane_no=?)",
            ],
        ),
        (
            "who can be reached again",
            reached::NOTE,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH m EXISTS USING COVERING INDEX messages_wait (lane_no=?)",
            ],
        ),
        (
            "threads of those",
            reached::NOTE_THREADS,
            &["SCAN j VIRTUAL TABLE", "SEARCH r USING INDEX recipients_of_thread (thread_no=?)"],
        ),
        (
            "lanes of those",
            reached::LANES,
            &["SCAN j VIRTUAL TABLE", "SEARCH q EXISTS USING PRIMARY KEY (lane_no=?)"],
        ),
        (
            "deliveries that wait for those",
            reached::WAITING,
            &[
                "SEARCH m USING INDEX messages_wait (lane_no=?)",
                "SEARCH q USING PRIMARY KEY (lane_no=?)",
                "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "made due",
            reached::MAKE_DUE,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "recover",
            recover::IN_FLIGHT,
            &["SEARCH m USING INDEX messages_open (lane_no=?)", "SEARCH d USING PRIMARY KEY (message_no=?)"],
        ),
        (
            "list chunk",
            expand::LIST_CHUNK,
            &["SEARCH audience_members USING PRIMARY KEY (list_no=? AND recipient_no>? AND recipient_no<?)"],
        ),
        (
            "list insert",
            expand::LIST_INSERT,
            &[
                "SEARCH a USING PRIMARY KEY (list_no=? AND recipient_no>? AND recipient_no<?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
            ],
        ),
        (
            "messages to expand",
            expand::MESSAGES,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH a USING PRIMARY KEY (list_no=? AND recipient_no<?)",
                "SEARCH b USING PRIMARY KEY (list_no=? AND recipient_no<?)",
            ],
        ),
        (
            "short lists",
            expand::SHORT_INSERT,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH a USING PRIMARY KEY (list_no=? AND recipient_no<?)",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            "counts of expansion",
            expand::COUNTS,
            &["SCAN j VIRTUAL TABLE", "SEARCH message_counts USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        (
            "states after expansion",
            expand::STATES,
            &["SCAN j VIRTUAL TABLE", "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        // A look-up of each row's key, which no plan shows.
        ("people of the directory", fill::PEOPLE, &["SCAN j VIRTUAL TABLE"]),
        (
            "members of the directory",
            fill::MEMBERS,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH r USING COVERING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)",
            ],
        ),
        ("cursor of a list", fill::MOVE, &["SEARCH audience_lists USING INTEGER PRIMARY KEY (rowid=?)"]),
        // The same.
        ("people of lists", lists::PEOPLE, &["SCAN j VIRTUAL TABLE"]),
        ("names that nobody has", names::NOBODIES, &["SCAN j VIRTUAL TABLE"]),
        ("uploaded lists", lists::LIST, &["SEARCH a USING INTEGER PRIMARY KEY (rowid>?)"]),
        ("an uploaded list", lists::ONE, &["SEARCH a USING INDEX sqlite_autoindex_audiences_1 (id=?)"]),
        ("lists of a message", lists::ALL_THERE, &["SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"]),
        ("list in use", lists::IN_USE, &["SEARCH m USING INDEX messages_open (lane_no=?)"]),
        ("members deleted", wipe::LEAVE, &["SEARCH audience_members USING PRIMARY KEY (list_no=?"]),
        (
            "lists to be taken away",
            wipe::LEFT_OVER,
            &["SEARCH audiences USING INDEX audiences_to_wipe (created_at<?)"],
        ),
        (
            "what a key was used for",
            list_keys::USED,
            &[
                "SEARCH k USING PRIMARY KEY (key_no=? AND key=?)",
                "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        ("names deleted", wipe::FORGET, &["SEARCH audience_names USING PRIMARY KEY (list_no=?"]),
        (
            "lists with names",
            names::LISTS,
            &["SEARCH audiences USING INDEX audiences_with_names (lane_no=?)"],
        ),
        ("next names", names::NEXT, &["SEARCH audience_names USING PRIMARY KEY (list_no=? AND line>?)"]),
        ("names done", names::DONE, &["SEARCH audience_names USING PRIMARY KEY (list_no=? AND line=?)"]),
        (
            "names known",
            names::KNOWS,
            &["SCAN j VIRTUAL TABLE", "SEARCH audience_names USING PRIMARY KEY (list_no=? AND line=?)"],
        ),
        ("unresolved names", names::UNRESOLVED, &["SEARCH audience_names USING PRIMARY KEY (list_no=?)"]),
        ("list of the directory", fill::LIST, &["SEARCH audience_lists USING INTEGER PRIMARY KEY (rowid=?)"]),
        (
            "installed chunk",
            expand::INSTALLED_CHUNK,
            &[
                "SEARCH r USING INDEX recipients_of_lane (lane_no=? AND kind=? AND rowid>? AND rowid<?)",
                "SEARCH c EXISTS USING COVERING INDEX sqlite_autoindex_conversations_1 (recipient_no=?)",
            ],
        ),
        (
            "installed insert",
            expand::INSTALLED_INSERT,
            &["SEARCH r USING INDEX recipients_of_lane (lane_no=? AND kind=? AND rowid>? AND rowid<?)"],
        ),
        (
            "preview of the installed",
            preview::INSTALLED,
            &[
                "SEARCH p USING INDEX recipients_of_lane (lane_no=? AND kind=? AND rowid>?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
                "SEARCH c USING INDEX sqlite_autoindex_conversations_1 (recipient_no=?)",
            ],
        ),
        (
            "preview of a list",
            preview::LISTED,
            &[
                "SEARCH a USING PRIMARY KEY (list_no=? AND recipient_no>?)",
                "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            "preview of the copy",
            preview::NUMBERED,
            &["SCAN j VIRTUAL TABLE", "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        (
            "preview of named ones",
            preview::KNOWN,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH p USING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
            ],
        ),
        ("names of a preview", preview::NAMES, &["SEARCH r USING INTEGER PRIMARY KEY (rowid=?)"]),
        (
            "retry chunk",
            expand::RETRY_CHUNK,
            &["SEARCH deliveries USING PRIMARY KEY (message_no=? AND recipient_no>? AND recipient_no<?)"],
        ),
        (
            "retry insert",
            expand::RETRY_INSERT,
            &["SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no>? AND recipient_no<?)"],
        ),
        (
            "settlements",
            settle::OPEN,
            &[
                "SEARCH s USING INDEX settlements_open (lane_no=?)",
                "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "settle all",
            settle::ALL,
            &[
                "SEARCH deliveries USING PRIMARY KEY (message_no=?)",
                "SEARCH s USING INDEX settlements_of_delivery (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "evidence",
            evidence::CANDIDATES,
            &[
                "SEARCH deliveries USING INDEX deliveries_of_thread (thread_no=?)",
                "SEARCH a USING PRIMARY KEY (message_no=? AND recipient_no=?)",
            ],
        ),
        (
            "opt-outs",
            opt_outs::LIST,
            &["SEARCH o USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        (
            "named",
            store::NAMED,
            &["SEARCH r USING COVERING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)"],
        ),
        (
            "last of lists",
            store::LAST_OF_LISTS,
            &["SCAN j VIRTUAL TABLE", "SEARCH a USING PRIMARY KEY (list_no=?)"],
        ),
        (
            "threads of replies",
            store::THREADS,
            &[
                "SCAN j VIRTUAL TABLE",
                "SEARCH b USING COVERING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)",
                "SEARCH recipients USING COVERING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)",
            ],
        ),
        (
            "keys used",
            submit::USED,
            &[
                "SEARCH i USING PRIMARY KEY (key_no=? AND key=?)",
                "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        ("messages of ids", submit::OF_IDS, &["SEARCH m USING INDEX sqlite_autoindex_messages_1 (id=?)"]),
        (
            "lanes of activities",
            learn::LANES,
            &["SEARCH l USING COVERING INDEX sqlite_autoindex_lanes_1 (app=? AND tenant=?)"],
        ),
        (
            "activities seen",
            learn::SEEN,
            &["SEARCH s USING PRIMARY KEY (lane_no=? AND conversation_id=? AND activity_id=?)"],
        ),
        ("hosts", learn::HOSTS, &["SEARCH lanes USING INTEGER PRIMARY KEY (rowid=?)"]),
        (
            "people of activities",
            learn::KNOWN,
            &["SEARCH r USING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)"],
        ),
        ("gathering", own_words::GATHERING, &["SEARCH messages USING INDEX messages_gathering (lane_no=?)"]),
        (
            "recent welcomes",
            own_words::RECENT,
            &["SEARCH welcomes USING COVERING INDEX welcomes_at (lane_no=? AND at>?)"],
        ),
        (
            "installs",
            views::INSTALLS,
            &["SEARCH m USING INDEX messages_installs (message_no<?)", "SEARCH l USING INTEGER PRIMARY KEY"],
        ),
        ("surveys", views::SURVEYS, &["SEARCH m USING INDEX messages_surveys (message_no<?)"]),
        (
            "conversation of an id",
            conversations::ONE,
            &[
                "SEARCH c USING INDEX conversations_of_id (conversation_id=?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
                "SEARCH t USING INDEX sqlite_autoindex_teams_1 (lane_no=? AND team_id=?) LEFT-JOIN",
            ],
        ),
        (
            "deliveries",
            views::DELIVERIES,
            &[
                "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no>?)",
                "SEARCH s USING INDEX settlements_of_delivery (message_no=? AND recipient_no=?)",
            ],
        ),
    ];
    take_their_keys(&mut connection, &expected).await;
    store.close().await;
}
