//! What activities tell us of lanes, people and their conversations (`docs/construction.md`, The way of the data);
//! channels, chats and teams are in `learn_places.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::future::BoxFuture;
use nuncio_domain::own_words::{Occasion, Say};
use nuncio_domain::people::{Lane, Learned, LearnedDone, SeenPerson};
use nuncio_domain::places::PlaceKind;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachEvidence, ReachState, Time};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::intake::{Kind, Written};
use super::reach::{self, Told};
use super::store::write;
use super::writer::Queue;
use super::{evidence, learn_places, own_words, reached};
use crate::error::{broken, of_sqlx};
use crate::reach_terms::state;
use crate::views::lane_of;
use crate::words::{get, json, time_or_null, word};

/// Teams sends an activity again after 15 s and gives up soon; ten minutes would do.
const KEEP_SEEN: i64 = 15 * 60 * 1_000_000;

pub(crate) const LANES: &str = "
    SELECT l.lane_no, l.app, l.tenant
      FROM jsonb_each(?1) AS j CROSS JOIN lanes AS l ON l.app = j.value ->> 0 AND l.tenant = j.value ->> 1";

/// The places in the array of those that are known.
pub(crate) const SEEN: &str = "
    SELECT j.key
      FROM jsonb_each(?1) AS j
     CROSS JOIN inbound_seen AS s ON s.lane_no = j.value ->> 0 AND s.conversation_id = j.value ->> 1
                                 AND s.activity_id = j.value ->> 2";

pub(crate) const HOSTS: &str = "
    UPDATE lanes SET service_url = j.value ->> 1
      FROM jsonb_each(?1) AS j
     WHERE lanes.lane_no = j.value ->> 0 AND lanes.service_url IS NOT j.value ->> 1";

const PEOPLE: &str = "
    INSERT INTO recipients (lane_no, kind, key, mri, name, upn)
    SELECT j.value ->> 0, 'person', j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4
      FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO UPDATE
       SET mri = coalesce(excluded.mri, mri), name = coalesce(excluded.name, name), upn = coalesce(excluded.upn, upn)";

pub(crate) const KNOWN: &str = concat!(
    "SELECT j.key, r.recipient_no, ",
    state!(),
    " AS reach, r.reach_sent_at
      FROM jsonb_each(?1) AS j
     CROSS JOIN recipients AS r ON r.lane_no = j.value ->> 0 AND r.kind = 'person' AND r.key = j.value ->> 1"
);

const REFERENCES: &str = "
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at, kind)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 'inbound', j.value ->> 4, j.value ->> 5
      FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (recipient_no, conversation_id) DO UPDATE
       SET service_url = iif(excluded.seen_at >= seen_at, excluded.service_url, service_url),
           seen_at = max(seen_at, excluded.seen_at), origin = 'inbound', suspect_at = NULL";

/// The lane of an app in a tenant, made if it is new.
pub(crate) async fn lane(
    connection: &mut SqliteConnection,
    app: &str,
    tenant: &str,
) -> Result<Lane, StoreError> {
    if let Some(lane) = known_lane(connection, app, tenant).await? {
        return Ok(lane);
    }
    let made = sqlx::query("INSERT INTO lanes (app, tenant) VALUES (?, ?)")
        .bind(app)
        .bind(tenant)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    let lane_no = made.last_insert_rowid();
    Ok(Lane { lane_no, app: app.to_owned(), tenant: tenant.to_owned(), service_url: None })
}

async fn known_lane(
    connection: &mut SqliteConnection,
    app: &str,
    tenant: &str,
) -> Result<Option<Lane>, StoreError> {
    sqlx::query("SELECT lane_no, app, tenant, service_url FROM lanes WHERE app = ? AND tenant = ?")
        .bind(app)
        .bind(tenant)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?
        .as_ref()
        .map(lane_of)
        .transpose()
}

/// Activities that have come, in their order. What they tell of people is written in a few statements for all of them,
/// the rest one by one, as if they had come one after the other.
pub(crate) struct Learns;

impl Kind for Learns {
    type Item = Learned;
    type Answer = LearnedDone;
    const QUEUE: Queue = Queue::Api;

    /// A hundred of the usual ones go together: lanes wait for their intents meanwhile.
    fn weight(learned: &Learned) -> usize {
        100 * (1 + learned.people.len() + learned.places.len())
    }

    fn write<'a>(
        &'a self,
        connection: &'a mut SqliteConnection,
        batch: &'a [Learned],
    ) -> BoxFuture<'a, Result<Vec<Written<LearnedDone>>, StoreError>> {
        Box::pin(async move {
            let answers = learn(connection, batch).await?;
            Ok(answers.into_iter().map(|done| Some(Ok(done))).collect())
        })
    }
}

/// One that was not known before.
struct News<'a> {
    lane_no: i64,
    learned: &'a Learned,
    recipients: Vec<i64>,
    /// What it tells of somebody has been overtaken.
    late: bool,
}

async fn learn(connection: &mut SqliteConnection, batch: &[Learned]) -> Result<Vec<LearnedDone>, StoreError> {
    let lanes = lanes(&mut *connection, batch).await?;
    let mut news = Vec::with_capacity(batch.len());
    let new = new(&mut *connection, &lanes, batch).await?;
    for ((learned, lane_no), new) in batch.iter().zip(&lanes).zip(&new) {
        if *new {
            news.push(News { lane_no: *lane_no, learned, recipients: Vec::new(), late: false });
        }
    }
    hosts(&mut *connection, &news).await?;
    people(&mut *connection, &mut news).await?;
    let mut said = Vec::with_capacity(news.len());
    for news in &mut news {
        said.push(rest(&mut *connection, news).await?);
    }
    let reached = reached::lanes(&mut *connection, &lanes).await?;
    tell(connection, &news).await?;
    let mut said = said.into_iter();
    Ok(lanes
        .into_iter()
        .zip(new)
        .map(|(lane_no, new)| match new.then(|| said.next()).flatten() {
            Some(said) => LearnedDone::New { lane_no, said: said || reached.contains(&lane_no) },
            None => LearnedDone::Duplicate,
        })
        .collect())
}

/// The lane of each; new ones are made.
async fn lanes(connection: &mut SqliteConnection, batch: &[Learned]) -> Result<Vec<i64>, StoreError> {
    let names: BTreeSet<(&str, &str)> =
        batch.iter().map(|learned| (&*learned.app, &*learned.tenant)).collect();
    let rows = sqlx::query(LANES).bind(json(&names)?).fetch_all(&mut *connection).await.map_err(of_sqlx)?;
    let mut known = HashMap::with_capacity(names.len());
    for row in &rows {
        let name: (String, String) = (get(row, "app")?, get(row, "tenant")?);
        known.insert(name, get::<i64>(row, "lane_no")?);
    }
    let mut lanes = Vec::with_capacity(batch.len());
    for learned in batch {
        let name = (learned.app.clone(), learned.tenant.clone());
        let lane_no = match known.get(&name) {
            Some(lane_no) => *lane_no,
            None => lane(&mut *connection, &name.0, &name.1).await?.lane_no,
        };
        known.insert(name, lane_no);
        lanes.push(lane_no);
    }
    Ok(lanes)
}

/// Which of them have not come before.
async fn new(
    connection: &mut SqliteConnection,
    lanes: &[i64],
    batch: &[Learned],
) -> Result<Vec<bool>, StoreError> {
    let events: Vec<(i64, &str, &str, Time)> = lanes
        .iter()
        .zip(batch)
        .map(|(lane_no, learned)| (*lane_no, &*learned.event.0, &*learned.event.1, learned.at))
        .collect();
    let seen: HashSet<i64> = sqlx::query_scalar(SEEN)
        .bind(json(&events)?)
        .fetch_all(&mut *connection)
        .await
        .map_err(of_sqlx)?
        .into_iter()
        .collect();
    let mut here = HashSet::new();
    let mut noted = Vec::with_capacity(events.len());
    let new = (0..)
        .zip(events)
        .map(|(index, event)| {
            let (lane_no, conversation_id, activity_id, _) = event;
            if activity_id.is_empty() {
                // Some activities have none; nothing tells such ones apart.
                return true;
            }
            let new = !seen.contains(&index) && here.insert((lane_no, conversation_id, activity_id));
            if new {
                noted.push(event);
            }
            new
        })
        .collect();
    write(
        connection,
        "INSERT INTO inbound_seen (lane_no, conversation_id, activity_id, at)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM jsonb_each(?) AS j",
        &noted,
    )
    .await?;
    Ok(new)
}

/// Where first contacts go.
async fn hosts(connection: &mut SqliteConnection, news: &[News<'_>]) -> Result<(), StoreError> {
    let newest: BTreeMap<i64, &str> = news
        .iter()
        .filter(|news| !news.learned.service_url.is_empty())
        .map(|news| (news.lane_no, &*news.learned.service_url))
        .collect();
    let newest: Vec<_> = newest.into_iter().collect();
    write(connection, HOSTS, &newest).await
}

/// The people of all, with their conversations and whether they can be reached.
async fn people(connection: &mut SqliteConnection, news: &mut [News<'_>]) -> Result<(), StoreError> {
    let seen: Vec<(usize, &SeenPerson, String)> = news
        .iter()
        .enumerate()
        .flat_map(|(index, news)| news.learned.people.iter().map(move |seen| (index, seen)))
        .map(|(index, seen)| (index, seen, seen.object_id.to_ascii_lowercase()))
        .collect();
    if seen.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = seen
        .iter()
        .map(|(index, seen, key)| (news[*index].lane_no, key, &seen.mri, &seen.name, &seen.upn))
        .collect();
    let rows = json(&rows)?;
    sqlx::query(PEOPLE).bind(&rows).execute(&mut *connection).await.map_err(of_sqlx)?;
    let found = sqlx::query(KNOWN).bind(&rows).fetch_all(&mut *connection).await.map_err(of_sqlx)?;
    let mut known = HashMap::with_capacity(seen.len());
    for row in &found {
        let before = word(row, "reach", ReachState::of_word)?;
        let of = (get(row, "recipient_no")?, before, time_or_null(row, "reach_sent_at")?);
        known.insert(get::<i64>(row, "key")?, of);
    }
    let mut references = Vec::with_capacity(seen.len());
    let mut told = Vec::with_capacity(seen.len());
    let mut told_by = Vec::with_capacity(seen.len());
    for (n, (index, seen, _)) in (0..).zip(&seen) {
        let Some((recipient_no, before, newest)) = known.get(&n).copied() else {
            return Err(broken("a person who was just written is not there"));
        };
        let News { lane_no, learned, recipients, .. } = &mut news[*index];
        recipients.push(recipient_no);
        if let Some(conversation_id) = &seen.conversation_id {
            let kind = PlaceKind::Personal.as_str();
            references.push((
                *lane_no,
                recipient_no,
                conversation_id,
                &learned.service_url,
                learned.at,
                kind,
            ));
        }
        if let Some((state, evidence)) = &seen.reach {
            let (state, at, sent_at) = (*state, learned.at, seen.sent_at);
            told.push(Told { recipient_no, before, state, evidence, at, sent_at, newest });
            told_by.push(*index);
        }
    }
    write(&mut *connection, REFERENCES, &references).await?;
    let late = reach::from_events(connection, &told).await?;
    for (index, late) in told_by.into_iter().zip(late) {
        news[index].late |= late;
    }
    Ok(())
}

/// What does not come in floods. Whether there is now something for the owner of the lane.
async fn rest(connection: &mut SqliteConnection, news: &mut News<'_>) -> Result<bool, StoreError> {
    let News { lane_no, learned, recipients, late } = news;
    let lane_no = *lane_no;
    for seen in &learned.places {
        recipients.push(learn_places::place(&mut *connection, lane_no, learned, seen).await?);
    }
    if let Some(seen) = &learned.team {
        learn_places::team(&mut *connection, lane_no, learned, seen).await?;
    }
    if let Some(place) = learned.left.as_ref().filter(|_| !*late) {
        own_words::left(&mut *connection, lane_no, place, learned.at).await?;
    }
    let said = match &learned.say {
        // Who was welcomed would be one who has gone since.
        Some(Say { occasion: Occasion::Install(_), .. }) if *late => false,
        Some(say) => own_words::say(&mut *connection, lane_no, say, learned.at).await?,
        None => false,
    };
    let settled = evidence::weigh(connection, lane_no, learned).await?;
    Ok(said || settled)
}

/// Leaves word of all in the event rows.
async fn tell(connection: &mut SqliteConnection, news: &[News<'_>]) -> Result<(), StoreError> {
    let Some(last) = news.last() else { return Ok(()) };
    let mut rows = Vec::with_capacity(news.len());
    for News { lane_no, learned, recipients, .. } in news {
        let mut event = serde_json::json!({"learned": {"what": learned.what, "recipients": recipients}});
        if let Some(detail) = &learned.detail {
            event["learned"]["detail"] = detail.clone();
        }
        rows.push((*lane_no, learned.at, json(&event)?));
    }
    let seq = sqlx::query(
        "INSERT INTO commits (lane_no, at, events)
         SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM jsonb_each(?) AS j",
    )
    .bind(json(&rows)?)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .last_insert_rowid();
    // Now and then.
    if seq % 256 < rows.len() as i64 {
        sqlx::query("DELETE FROM inbound_seen WHERE at < ?")
            .bind(last.learned.at.0 - KEEP_SEEN)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(())
}

/// Keeps the conversation with a recipient. Whatever comes from there shows that it exists.
pub(crate) async fn refer(
    connection: &mut SqliteConnection,
    lane_no: i64,
    recipient_no: i64,
    (conversation_id, kind): (&str, PlaceKind),
    learned: &Learned,
) -> Result<(), StoreError> {
    let row = (lane_no, recipient_no, conversation_id, &learned.service_url, learned.at, kind.as_str());
    write(connection, REFERENCES, &[row]).await
}

pub(crate) async fn tell_reach(
    connection: &mut SqliteConnection,
    recipient_no: i64,
    row: &SqliteRow,
    told: Option<&(ReachState, ReachEvidence)>,
    learned: &Learned,
) -> Result<(), StoreError> {
    let Some((state, evidence)) = told else { return Ok(()) };
    let before = word(row, "reach", ReachState::of_word)?;
    // Of places it is not known when the newest was sent.
    let (state, at, sent_at, newest) = (*state, learned.at, None, None);
    let told = Told { recipient_no, before, state, evidence, at, sent_at, newest };
    reach::from_events(connection, &[told]).await.map(|_| ())
}
