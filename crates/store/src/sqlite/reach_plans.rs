//! The access path of what is written about who can be reached, and of what is read of it.

use sqlx::ConnectOptions as _;

use super::plans::{FILL, plan, take_their_keys};
use super::{SqliteStore, people, reach, reach_history, standing};

#[tokio::test(flavor = "multi_thread")]
async fn reachability_takes_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();

    let expected: [(&str, &str, &[&str]); 10] = [
        (
            "reach known",
            reach::KNOWN,
            &[
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH h USING INDEX reach_history_of_recipient (recipient_no=?)",
            ],
        ),
        (
            "newest activity",
            reach::NEWEST,
            &["SCAN j VIRTUAL TABLE", "SEARCH recipients USING INTEGER PRIMARY KEY (rowid=?)"],
        ),
        (
            "people",
            people::PEOPLE,
            &[
                "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
                "SEARCH c USING COVERING INDEX sqlite_autoindex_conversations_1 (recipient_no=?)",
                "SEARCH h USING INDEX reach_history_of_recipient (recipient_no=?)",
            ],
        ),
        (
            "audience",
            people::AUDIENCE,
            &[
                "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no>? AND recipient_no<?)",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        ("until", people::UNTIL, &["SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"]),
        (
            "until of an audience",
            people::UNTIL_OF_AUDIENCE,
            &["SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no>?)"],
        ),
        (
            "history",
            reach_history::OF_ONE,
            &[
                "SEARCH h USING INDEX reach_history_of_recipient (recipient_no=?)",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        ("before a time", reach_history::BEFORE, &["SEARCH h USING COVERING INDEX reach_history_at (at>?)"]),
        ("until of changes", reach_history::UNTIL, &["SEARCH h USING INTEGER PRIMARY KEY (rowid>?)"]),
        (
            "changes",
            reach_history::CHANGES,
            &[
                "SEARCH h USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
                "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH p USING INDEX reach_history_of_recipient (recipient_no=? AND rowid<?)",
            ],
        ),
    ];
    take_their_keys(&mut connection, &expected).await;
    // These sort, as long as a page and no longer: what is grouped.
    let shares = "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    let of_audience = "SEARCH d USING PRIMARY KEY (message_no=? AND recipient_no>? AND recipient_no<?)";
    let known = "SEARCH r USING INDEX sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)";
    for (statement, path) in [
        (people::SHARES, shares),
        (people::SHARES_OF_AUDIENCE, of_audience),
        (people::PERSON, known),
        (standing::NOTE, known),
    ] {
        let plan = plan(&mut connection, statement).await;
        assert!(plan.iter().any(|line| line.contains(path)), "{path}: {plan:#?}");
    }
    store.close().await;
}
