//! Activities that come at once are learned together, and all is as if they had come one after the other.

use std::path::Path;

use futures_util::future::join_all;
use nuncio_domain::message::{Body, Named};
use nuncio_domain::own_words::{Lines, Occasion, Say, Welcome, Word};
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::places::{PlaceKind, SeenPlace, SeenTeam, TeamState};
use nuncio_domain::ports::Registry;
use nuncio_domain::{Content, MessageId, ReachEvidence, ReachState, RecipientKind, Time};
use nuncio_store::SqliteStore;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use uuid::Uuid;

/// Everything that activities change. Recipients are named by their keys: which number each gets depends on who came
/// together with whom.
const TABLES: [&str; 9] = [
    "SELECT app || tenant || service_url FROM lanes ORDER BY lane_no",
    "SELECT format('%d %s %s %s %s %s %s %d %s %d %s', lane_no, kind, key, mri, name, upn, reach, reach_at, evidence,
                   reach_seen, team_id) FROM recipients ORDER BY 1",
    "SELECT format('%s %s %s %s %d', r.key, c.conversation_id, c.service_url, c.kind, c.seen_at)
       FROM conversations AS c JOIN recipients AS r USING (recipient_no) ORDER BY 1",
    "SELECT format('%s %d %s %s', r.key, h.at, h.state, h.evidence)
       FROM reach_history AS h JOIN recipients AS r USING (recipient_no) ORDER BY r.lane_no, r.key, h.rowid",
    "SELECT format('%d %s %s %d', lane_no, conversation_id, activity_id, at) FROM inbound_seen ORDER BY 1",
    "SELECT format('%d %d %d %s %s', seq, lane_no, at, events ->> '$.learned.what',
                   (SELECT group_concat(r.key) FROM json_each(events, '$.learned.recipients') AS j
                      JOIN recipients AS r ON r.recipient_no = j.value)) FROM commits ORDER BY seq",
    "SELECT format('%s %s %s %d', team_id, name, state, state_at) FROM teams ORDER BY 1",
    "SELECT format('%d %s %d %d', lane_no, place, at, removed_at) FROM welcomes ORDER BY 1",
    "SELECT format('%s %s %s %s', m.content, m.purpose, m.state,
                   (SELECT group_concat(r.key ORDER BY r.key) FROM audience_members AS a
                      JOIN recipients AS r USING (recipient_no) WHERE a.list_no = m.sources ->> '$[0].list'))
       FROM messages AS m ORDER BY message_no",
];

fn text(text: &str) -> Content {
    Content { body: Body::Text(text.to_owned()), summary: None }
}

/// Every kind of activity in turns, of seven people.
fn activity(number: i64) -> Learned {
    let name = format!("P{}", number % 7);
    let person = |state: ReachState| SeenPerson {
        object_id: name.clone(),
        name: (number % 3 == 0).then(|| format!("Name {number}")),
        mri: (number % 2 == 0).then(|| format!("29:{name}")),
        conversation_id: (number % 5 != 0).then(|| format!("a:{}", number % 14)),
        reach: (number % 4 != 0).then(|| (state, ReachEvidence::event(format!("told by {number}")))),
        ..SeenPerson::default()
    };
    let to = Named { kind: RecipientKind::Person, key: name.to_ascii_lowercase() };
    let id = MessageId(Uuid::from_u128(number as u128));
    let place = name.to_ascii_lowercase();
    let mut learned = Learned {
        app: if number % 11 == 0 { "other" } else { "app" }.to_owned(),
        tenant: "tenant".to_owned(),
        service_url: format!("https://smba/{}/", number / 40),
        at: Time(number * 1_000_000),
        // Every ninth has come before; every thirteenth has no id.
        event: ("a:\"1\"".to_owned(), (number - i64::from(number % 9 == 0)).to_string()),
        what: "install".to_owned(),
        people: vec![person(ReachState::Reachable)],
        ..Learned::default()
    };
    if number % 13 == 0 {
        learned.event.1.clear();
    }
    let team = |change: Option<TeamState>| SeenTeam {
        team_id: "19:team".to_owned(),
        name: Some("Team".to_owned()),
        change: change.map(|state| (state, "Teams said it".to_owned())),
        ..SeenTeam::default()
    };
    match number % 10 {
        1 => {
            learned.people = vec![
                person(ReachState::Removed),
                SeenPerson { object_id: "Guest".to_owned(), ..SeenPerson::default() },
            ];
        }
        2 => learned.left = Some(place),
        3 => {
            let welcome = Welcome { place, content: text("Welcome"), installed_by: None };
            learned.say = Some(Say { id, to, occasion: Occasion::Install(welcome) });
        }
        4 => {
            let lines = Lines {
                stop: "Stopped".to_owned(),
                start: "Started".to_owned(),
                other: Some("Hm".to_owned()),
            };
            let word = [Word::Stop, Word::Start, Word::Other][number as usize / 10 % 3];
            learned.say = Some(Say { id, to, occasion: Occasion::Word(word, lines) });
        }
        5 => learned.people.clear(),
        6 => {
            learned.places = vec![SeenPlace {
                kind: PlaceKind::Channel,
                conversation_id: "19:channel".to_owned(),
                name: Some(format!("Channel {number}")),
                team_id: Some("19:team".to_owned()),
                channel_kind: None,
                reach: Some((ReachState::Reachable, ReachEvidence::event("it was named"))),
            }];
            learned.team = Some(team(None));
        }
        7 => learned.team = Some(team(Some(TeamState::Deleted))),
        8 => learned.team = Some(team(Some(TeamState::Active))),
        _ => {}
    }
    learned
}

async fn dump(path: &Path) -> Vec<Vec<String>> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(sqlx::query_scalar(AssertSqlSafe(table)).fetch_all(&mut connection).await.unwrap());
    }
    connection.close().await.unwrap();
    tables
}

#[tokio::test]
async fn three_hundred_at_once_are_as_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for together in [true, false] {
        let path = directory.path().join(format!("{together}.db"));
        let store = SqliteStore::open(&path).await.unwrap();
        let learning = (1..=300).map(|number| {
            let store = &store;
            async move { format!("{:?}", store.learn(activity(number)).await) }
        });
        let mut answers = Vec::new();
        if together {
            // On one thread: all of them wait before the writer has its turn.
            answers = join_all(learning).await;
        } else {
            for learning in learning {
                answers.push(learning.await);
            }
        }
        assert_eq!(store.verify_ledger().await.unwrap(), []);
        seen.push((answers, dump(&path).await));
        store.close().await;
    }
    let (answers, tables) = &seen[0];
    for word in ["Ok(Duplicate)", "lane_no: 2", "said: true", "said: false"] {
        assert!(answers.iter().any(|answer| answer.contains(word)), "no answer has {word}");
    }
    assert!(answers.iter().all(|answer| answer.starts_with("Ok(")), "{answers:?}");
    assert!(tables.iter().all(|rows| !rows.is_empty()), "{tables:#?}");
    assert!(tables[3].len() > 100, "{}", tables[3].len());
    assert_eq!(*answers, seen[1].0);
    for (one, other) in tables.iter().zip(&seen[1].1) {
        assert_eq!(one, other);
    }
}
