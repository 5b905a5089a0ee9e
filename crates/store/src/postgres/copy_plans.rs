//! The access path of what is written with each page of a round, and of what an expansion reads of the copy.

use std::str::FromStr as _;

use nuncio_testkit::Postgres;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::db::{PLANS, Pooler};
use super::plans::{FILL, plan};
use super::{PostgresStore, copy_compare, copy_page, copy_read, rows};

const COPY: &str = "
    UPDATE recipients SET in_directory = true, upn = key, mail = key, directory_round = 1,
           leaving = CASE WHEN recipient_no % 100 = 0 THEN true END;
    INSERT INTO directory_groups (lane_no, key, in_directory)
    SELECT 1, format('group %s', i), true FROM generate_series(1, 2000) AS i;
    INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
    SELECT 1, recipient_no % 2000 + 1, 'person', recipient_no, 1 FROM recipients;
    INSERT INTO directory_copies (lane_no, fresh_until) SELECT i, 1 FROM generate_series(1, 20) AS i;
    ANALYZE";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_an_expansion_take_their_keys() {
    let url = Postgres::shared().database(None);
    let store = PostgresStore::open(&url, Pooler::None).await.unwrap();
    let options = PgConnectOptions::from_str(&url).unwrap().options(PLANS);
    let mut connection = options.connect().await.unwrap();
    let recipients = "using recipients_key_lane_no_kind_key on recipients";
    let groups = "using directory_groups_key_lane_no_key on directory_groups";
    let members = "using directory_members_pkey on directory_members";
    let people = "using people_of_lane on recipients";
    let expected: [(&str, &str, &[&str]); 20] = [
        ("a page of deliveries", rows::PAGE, &["using directory_copies_pkey on directory_copies f"]),
        ("people", copy_page::PEOPLE, &["Function Scan on j", recipients]),
        ("gone people", copy_page::GONE_PEOPLE, &["Function Scan on j", recipients]),
        ("gone groups", copy_page::GONE_GROUPS, &["Function Scan on j", groups]),
        ("people in groups", copy_page::PEOPLE_IN, &["Function Scan on j", groups, recipients]),
        ("groups in groups", copy_page::GROUPS_IN, &["Function Scan on j", groups]),
        (
            "people who left groups",
            copy_page::PEOPLE_OUT,
            &["Function Scan on j", groups, recipients, members],
        ),
        ("groups that left groups", copy_page::GROUPS_OUT, &["Function Scan on j", groups, members]),
        ("end of people", copy_compare::PEOPLE_END, &[people]),
        ("people compared", copy_compare::PEOPLE, &[people]),
        ("end of members", copy_compare::MEMBERS_END, &[members]),
        ("members compared", copy_compare::MEMBERS, &[members]),
        ("people taken", copy_compare::TAKE_PEOPLE, &["using recipients_leaving on recipients"]),
        (
            "members taken",
            copy_compare::TAKE_MEMBERS,
            &["using directory_members_leaving on directory_members", members],
        ),
        ("everyone", copy_read::EVERYONE_INSERT, &[people]),
        ("groups in a group", copy_read::INSIDE, &[groups, members]),
        ("people of groups", copy_read::GROUP_ROWS, &[members, "using recipients_pkey on recipients"]),
        ("a group", copy_read::GROUP_INSERT, &["using recipients_pkey on recipients"]),
        ("by sign-in name", copy_read::BY_UPN, &["using recipients_of_upn on recipients"]),
        ("by address", copy_read::BY_MAIL, &["using recipients_of_mail on recipients"]),
    ];
    for when in ["empty", "full"] {
        if when == "full" {
            for script in [FILL, COPY] {
                sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
            }
        }
        let mut wrong = Vec::new();
        for (name, statement, paths) in expected {
            let plan = plan(&mut connection, statement).await;
            let lacks = paths.iter().find(|path| !plan.iter().any(|line| line.contains(**path)));
            let walks = plan.iter().find(|line| {
                ["Seq Scan", "Bitmap", "Hash Join", "Merge Join", "Join Filter"]
                    .iter()
                    .any(|walk| line.contains(walk) && !line.contains("IS NULL) OR"))
            });
            if lacks.is_some() || walks.is_some() {
                wrong.push(format!("{name} lacks {lacks:?}, has {walks:?}: {plan:#?}"));
            }
        }
        assert!(wrong.is_empty(), "{when}: {}", wrong.join("\n"));
    }
    store.close().await;
}
