//! What activities tell us of lanes, people and their conversations (`docs/construction.md`, The way of the data);
//! channels, chats and teams are in `learn_places.rs`.

use nuncio_domain::ReachState;
use nuncio_domain::people::{Lane, Learned, LearnedDone, SeenPerson};
use nuncio_domain::places::PlaceKind;
use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{evidence, learn_places, own_words, reach};
use crate::error::of_sqlx;
use crate::views::lane_of;
use crate::words::{get, json, word};

/// Teams sends an activity again after 15 s and gives up soon; ten minutes would do.
const KEEP_SEEN: i64 = 15 * 60 * 1_000_000;

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

pub(crate) async fn learn(
    connection: &mut SqliteConnection,
    learned: &Learned,
) -> Result<LearnedDone, StoreError> {
    let lane = lane(connection, &learned.app, &learned.tenant).await?;
    if !is_new(connection, lane.lane_no, learned).await? {
        return Ok(LearnedDone::Duplicate);
    }
    if !learned.service_url.is_empty() && lane.service_url.as_ref() != Some(&learned.service_url) {
        sqlx::query("UPDATE lanes SET service_url = ?2 WHERE lane_no = ?1")
            .bind(lane.lane_no)
            .bind(&learned.service_url)
            .execute(&mut *connection)
            .await
            .map_err(of_sqlx)?;
    }
    let mut recipients = Vec::new();
    for seen in &learned.people {
        recipients.push(person(connection, lane.lane_no, learned, seen).await?);
    }
    for seen in &learned.places {
        recipients.push(learn_places::place(connection, lane.lane_no, learned, seen).await?);
    }
    if let Some(seen) = &learned.team {
        learn_places::team(connection, lane.lane_no, learned, seen).await?;
    }
    if let Some(place) = &learned.left {
        own_words::left(connection, lane.lane_no, place, learned.at).await?;
    }
    let said = match &learned.say {
        Some(say) => own_words::say(connection, lane.lane_no, say, learned.at).await?,
        None => false,
    };
    let settled = evidence::weigh(connection, lane.lane_no, learned).await?;
    let mut event = serde_json::json!({"learned": {"what": learned.what, "recipients": recipients}});
    if let Some(detail) = &learned.detail {
        event["learned"]["detail"] = detail.clone();
    }
    let seq = sqlx::query("INSERT INTO commits (lane_no, at, events) VALUES (?, ?, ?)")
        .bind(lane.lane_no)
        .bind(learned.at.0)
        .bind(json(&event)?)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?
        .last_insert_rowid();
    if seq % 256 == 0 {
        sqlx::query("DELETE FROM inbound_seen WHERE at < ?")
            .bind(learned.at.0 - KEEP_SEEN)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(LearnedDone::New { lane_no: lane.lane_no, said: said || settled })
}

async fn is_new(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
) -> Result<bool, StoreError> {
    let (conversation_id, activity_id) = &learned.event;
    if activity_id.is_empty() {
        // Some activities have none; nothing tells such ones apart.
        return Ok(true);
    }
    let noted = sqlx::query(
        "INSERT INTO inbound_seen (lane_no, conversation_id, activity_id, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(lane_no)
    .bind(conversation_id)
    .bind(activity_id)
    .bind(learned.at.0)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(noted.rows_affected() == 1)
}

async fn person(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenPerson,
) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO recipients (lane_no, kind, key, mri, name, upn) VALUES (?1, 'person', ?2, ?3, ?4, ?5)
         ON CONFLICT (lane_no, kind, key) DO UPDATE
            SET mri = coalesce(excluded.mri, mri), name = coalesce(excluded.name, name), upn = coalesce(excluded.upn, upn)
         RETURNING recipient_no, reach",
    )
    .bind(lane_no)
    .bind(seen.object_id.to_ascii_lowercase())
    .bind(&seen.mri)
    .bind(&seen.name)
    .bind(&seen.upn)
    .fetch_one(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let recipient_no = get(&row, "recipient_no")?;
    if let Some(conversation_id) = &seen.conversation_id {
        refer(connection, lane_no, recipient_no, (conversation_id, PlaceKind::Personal), learned).await?;
    }
    tell_reach(connection, recipient_no, &row, seen.reach.as_ref(), learned).await?;
    Ok(recipient_no)
}

/// Keeps the conversation with a recipient. Whatever comes from there shows that it exists.
pub(crate) async fn refer(
    connection: &mut SqliteConnection,
    lane_no: i64,
    recipient_no: i64,
    (conversation_id, kind): (&str, PlaceKind),
    learned: &Learned,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at, kind)
         VALUES (?1, ?2, ?3, ?4, 'inbound', ?5, ?6)
         ON CONFLICT (recipient_no, conversation_id) DO UPDATE
            SET service_url = iif(excluded.seen_at >= seen_at, excluded.service_url, service_url),
                seen_at = max(seen_at, excluded.seen_at), origin = 'inbound', suspect_at = NULL",
    )
    .bind(lane_no)
    .bind(recipient_no)
    .bind(conversation_id)
    .bind(&learned.service_url)
    .bind(learned.at.0)
    .bind(kind.as_str())
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

pub(crate) async fn tell_reach(
    connection: &mut SqliteConnection,
    recipient_no: i64,
    row: &SqliteRow,
    told: Option<&(ReachState, String)>,
    learned: &Learned,
) -> Result<(), StoreError> {
    let Some((state, evidence)) = told else { return Ok(()) };
    let before = word(row, "reach", ReachState::of_word)?;
    reach::from_event(connection, recipient_no, before, (*state, evidence), learned.at).await
}
