//! The access path of what is written with each page of a round, and of what an expansion reads of the copy.

use sqlx::ConnectOptions as _;

use super::plans::{FILL, plan};
use super::{SqliteStore, copy_compare, copy_page, copy_read};

const COPY: &str = "
    UPDATE recipients SET in_directory = 1, upn = key, mail = key, directory_round = 1, leaving = iif(recipient_no % 100 = 0, 1, NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO directory_groups (lane_no, key, in_directory) SELECT 1, format('group %d', i), 1 FROM n;
    INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
    SELECT 1, recipient_no % 2000 + 1, 'person', recipient_no, 1 FROM recipients;
    INSERT INTO directory_copies (lane_no, fresh_until) VALUES (1, 1);";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_an_expansion_take_their_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(COPY).execute(&mut connection).await.unwrap();

    let recipients = "sqlite_autoindex_recipients_1 (lane_no=? AND kind=? AND key=?)";
    let groups = "sqlite_autoindex_directory_groups_1 (lane_no=? AND key=?)";
    let of_lane = "recipients_of_lane (lane_no=? AND kind=? AND rowid>? AND rowid<?)";
    let member = "USING PRIMARY KEY (lane_no=? AND group_no=? AND kind=? AND member_no=?)";
    let expected: [(&str, &str, &[&str]); 21] = [
        ("people", copy_page::PEOPLE, &["SCAN j VIRTUAL TABLE"]),
        ("gone people", copy_page::GONE_PEOPLE, &[recipients]),
        ("groups", copy_page::GROUPS, &["SCAN j VIRTUAL TABLE"]),
        ("gone groups", copy_page::GONE_GROUPS, &[groups]),
        ("people in groups", copy_page::PEOPLE_IN, &[groups, recipients]),
        ("groups in groups", copy_page::GROUPS_IN, &[groups]),
        ("people who left groups", copy_page::PEOPLE_OUT, &[groups, recipients, member]),
        ("groups that left groups", copy_page::GROUPS_OUT, &[groups, member]),
        (
            "end of people",
            copy_compare::PEOPLE_END,
            &["recipients_of_lane (lane_no=? AND kind=? AND rowid>?)"],
        ),
        ("people compared", copy_compare::PEOPLE, &[of_lane]),
        (
            "end of members",
            copy_compare::MEMBERS_END,
            &["USING PRIMARY KEY (lane_no=? AND (group_no,kind,member_no)>(?,?,?))"],
        ),
        (
            "members compared",
            copy_compare::MEMBERS,
            &["USING PRIMARY KEY (lane_no=? AND (group_no,kind,member_no)>(?,?,?)"],
        ),
        (
            "people taken",
            copy_compare::TAKE_PEOPLE,
            &["recipients_leaving (lane_no=?)", "SEARCH recipients USING INTEGER PRIMARY KEY"],
        ),
        ("members taken", copy_compare::TAKE_MEMBERS, &["directory_members_leaving (lane_no=?)", member]),
        ("end of a piece", copy_read::END, &["recipients_of_lane (lane_no=? AND kind=? AND rowid>?)"]),
        ("everyone", copy_read::EVERYONE_INSERT, &[of_lane]),
        (
            "groups in a group",
            copy_read::INSIDE,
            &[groups, "SEARCH m USING PRIMARY KEY (lane_no=? AND group_no=? AND kind=?)"],
        ),
        (
            "people of groups",
            copy_read::GROUP_ROWS,
            &[
                "SCAN i VIRTUAL TABLE",
                "SEARCH m USING PRIMARY KEY (lane_no=? AND group_no=? AND kind=? AND member_no>? AND member_no<?)",
                "SEARCH r USING INTEGER PRIMARY KEY",
            ],
        ),
        ("a group", copy_read::GROUP_INSERT, &["SCAN j VIRTUAL TABLE", "SEARCH r USING INTEGER PRIMARY KEY"]),
        ("by sign-in name", copy_read::BY_UPN, &["recipients_of_upn (lane_no=? AND <expr>=?)"]),
        ("by address", copy_read::BY_MAIL, &["recipients_of_mail (lane_no=? AND <expr>=?)"]),
    ];
    for (name, statement, paths) in expected {
        let plan = plan(&mut connection, statement).await;
        for path in paths {
            assert!(plan.iter().any(|line| line.contains(path)), "{name} has not {path}: {plan:#?}");
        }
        // Of tables none is walked through; groups and what was chosen of them are few.
        let walks = |line: &&String| {
            ["recipients", "directory_groups", "directory_members", "m", "g", "r"]
                .iter()
                .any(|table| line.starts_with(&format!("SCAN {table} ")) || **line == format!("SCAN {table}"))
        };
        assert_eq!(plan.iter().find(walks), None, "{name}: {plan:#?}");
    }
    store.close().await;
}
