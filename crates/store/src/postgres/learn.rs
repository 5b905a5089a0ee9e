//! What activities tell us of lanes, people and their conversations (`docs/construction.md`, The way of the data);
//! channels, chats and teams are in `learn_places.rs`.

use nuncio_domain::own_words::{Occasion, Say};
use nuncio_domain::people::{Lane, Learned, LearnedDone, SeenPerson};
use nuncio_domain::places::PlaceKind;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachEvidence, ReachState, RecipientKind};
use sqlx::postgres::PgRow;

use super::db::{Db, plain, plain_or_null, sql};
use super::node::NODE;
use super::reach::Sent;
use super::{evidence, learn_places, own_words, reach, reached};
use crate::reach_terms::state;
use crate::views::lane_of;
use crate::words::{get, json, time_or_null, word};

/// Teams sends an activity again after 15 s and gives up soon; ten minutes would do.
const KEEP_SEEN: i64 = 15 * 60 * 1_000_000;

pub(crate) const KNOWN_LANE: &str =
    "SELECT lane_no, app, tenant, service_url FROM lanes WHERE app = $1 AND tenant = $2";

/// An update first: an upsert would use up a number each time.
pub(crate) const PERSON: &str = concat!(
    "WITH known AS (
        UPDATE recipients AS r
           SET mri = coalesce($3, r.mri), name = coalesce($4, r.name), upn = coalesce($5, r.upn)
         WHERE r.lane_no = $1 AND r.kind = $6 AND r.key = $2
        RETURNING r.recipient_no, ",
    state!(),
    " AS reach, r.reach_sent_at),
    new AS (
        INSERT INTO recipients AS r (lane_no, kind, key, mri, name, upn)
        SELECT $1, $6, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM known)
        ON CONFLICT (lane_no, kind, key) DO UPDATE SET mri = coalesce(excluded.mri, r.mri)
        RETURNING r.recipient_no, ",
    state!(),
    " AS reach, r.reach_sent_at)
    SELECT * FROM known UNION ALL SELECT * FROM new"
);

pub(crate) const REFERENCE: &str = "
    WITH known AS (
        UPDATE conversations
           SET service_url = CASE WHEN $5 >= seen_at THEN $4 ELSE service_url END,
               seen_at = greatest(seen_at, $5), origin = 'inbound', suspect_at = NULL
         WHERE recipient_no = $2 AND conversation_id = $3
        RETURNING 1)
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at, kind)
    SELECT $1, $2, $3, $4, 'inbound', $5, $6 WHERE NOT EXISTS (SELECT 1 FROM known)
    ON CONFLICT (recipient_no, conversation_id) DO UPDATE SET origin = 'inbound', suspect_at = NULL";

/// The lane of an app in a tenant, made if it is new.
pub(crate) async fn lane(db: &mut Db<'_>, app: &str, tenant: &str) -> Result<Lane, StoreError> {
    let known = async |db: &mut Db<'_>| db.row(sql(KNOWN_LANE).bind(plain(app)).bind(plain(tenant))).await;
    if let Some(row) = known(db).await? {
        return lane_of(&row);
    }
    let new = sql("INSERT INTO lanes (app, tenant) VALUES ($1, $2) ON CONFLICT (app, tenant) DO NOTHING");
    db.run(new.bind(plain(app)).bind(plain(tenant))).await?;
    let row = known(db).await?.ok_or_else(|| crate::error::broken("a lane was not made"))?;
    lane_of(&row)
}

pub(crate) async fn learn(db: &mut Db<'_>, learned: &Learned) -> Result<LearnedDone, StoreError> {
    let lane = lane(db, &learned.app, &learned.tenant).await?;
    if !is_new(db, lane.lane_no, learned).await? {
        return Ok(LearnedDone::Duplicate);
    }
    if learned.say.is_some() || !learned.evidence.is_empty() {
        // Both may leave something for the owner of the lane, and whoever does locks the lane before anything else.
        let lock = sql("SELECT 1 FROM lanes WHERE lane_no = $1 FOR NO KEY UPDATE");
        db.one(lock.bind(lane.lane_no)).await?;
    }
    if !learned.service_url.is_empty() && lane.service_url.as_ref() != Some(&learned.service_url) {
        let moved = sql("UPDATE lanes SET service_url = $2 WHERE lane_no = $1");
        db.run(moved.bind(lane.lane_no).bind(plain(&learned.service_url))).await?;
    }
    let mut recipients = Vec::new();
    let mut overtaken = false;
    for seen in &learned.people {
        let (recipient_no, late) = person(db, lane.lane_no, learned, seen).await?;
        recipients.push(recipient_no);
        overtaken |= late;
    }
    for seen in &learned.places {
        recipients.push(learn_places::place(db, lane.lane_no, learned, seen).await?);
    }
    if let Some(seen) = &learned.team {
        learn_places::team(db, lane.lane_no, learned, seen).await?;
    }
    if let Some(place) = learned.left.as_ref().filter(|_| !overtaken) {
        own_words::left(db, lane.lane_no, place, learned.at).await?;
    }
    let said = match &learned.say {
        // Who was welcomed would be one who has gone since.
        Some(Say { occasion: Occasion::Install(_), .. }) if overtaken => false,
        Some(say) => own_words::say(db, lane.lane_no, say, learned.at).await?,
        None => false,
    };
    let settled = evidence::weigh(db, lane.lane_no, learned).await?;
    let mut event = serde_json::json!({"learned": {"what": learned.what, "recipients": recipients}});
    if let Some(detail) = &learned.detail {
        event["learned"]["detail"] = detail.clone();
    }
    let commit =
        sql("INSERT INTO commits (node_no, lane_no, at, events) VALUES ($1, $2, $3, $4) RETURNING seq")
            .bind(NODE)
            .bind(lane.lane_no)
            .bind(learned.at.0)
            .bind(json(&event)?);
    let seq: i64 = get(&db.one(commit).await?, "seq")?;
    if seq % 256 == 0 {
        db.run(sql("DELETE FROM inbound_seen WHERE at < $1").bind(learned.at.0 - KEEP_SEEN)).await?;
    }
    let reached = reached::is_any(db, lane.lane_no).await?;
    Ok(LearnedDone::New { lane_no: lane.lane_no, said: said || settled || reached })
}

async fn is_new(db: &mut Db<'_>, lane_no: i64, learned: &Learned) -> Result<bool, StoreError> {
    let (conversation_id, activity_id) = &learned.event;
    if activity_id.is_empty() {
        // Some activities have none; nothing tells such ones apart.
        return Ok(true);
    }
    let noted =
        sql("INSERT INTO inbound_seen (lane_no, conversation_id, activity_id, at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING")
        .bind(lane_no)
        .bind(plain(conversation_id))
        .bind(plain(activity_id))
        .bind(learned.at.0);
    Ok(db.run(noted).await? == 1)
}

async fn person(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenPerson,
) -> Result<(i64, bool), StoreError> {
    let statement = sql(PERSON)
        .bind(lane_no)
        .bind(plain(&seen.object_id).to_ascii_lowercase())
        .bind(plain_or_null(seen.mri.as_ref()))
        .bind(plain_or_null(seen.name.as_ref()))
        .bind(plain_or_null(seen.upn.as_ref()))
        .bind(RecipientKind::Person.as_str());
    let row = db.one(statement).await?;
    let recipient_no = get(&row, "recipient_no")?;
    if let Some(conversation_id) = &seen.conversation_id {
        refer(db, lane_no, recipient_no, (conversation_id, PlaceKind::Personal), learned).await?;
    }
    let sent = Sent { at: seen.sent_at, newest: time_or_null(&row, "reach_sent_at")? };
    let late = tell_reach(db, recipient_no, &row, seen.reach.as_ref(), learned, sent).await?;
    Ok((recipient_no, late))
}

/// Keeps the conversation with a recipient. Whatever comes from there shows that it exists.
pub(crate) async fn refer(
    db: &mut Db<'_>,
    lane_no: i64,
    recipient_no: i64,
    (conversation_id, kind): (&str, PlaceKind),
    learned: &Learned,
) -> Result<(), StoreError> {
    let statement = sql(REFERENCE)
        .bind(lane_no)
        .bind(recipient_no)
        .bind(plain(conversation_id))
        .bind(plain(&learned.service_url))
        .bind(learned.at.0)
        .bind(kind.as_str());
    db.run(statement).await.map(|_| ())
}

pub(crate) async fn tell_reach(
    db: &mut Db<'_>,
    recipient_no: i64,
    row: &PgRow,
    told: Option<&(ReachState, ReachEvidence)>,
    learned: &Learned,
    sent: Sent,
) -> Result<bool, StoreError> {
    let Some((state, evidence)) = told else { return Ok(false) };
    let before = word(row, "reach", ReachState::of_word)?;
    reach::from_event(db, recipient_no, before, (*state, evidence), learned.at, sent).await
}
