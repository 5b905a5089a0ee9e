//! What activities tell us of channels, chats and teams (`docs/protocol.md` sections 4.2 and 4.3).

use nuncio_domain::people::Learned;
use nuncio_domain::places::{PlaceKind, SeenPlace, SeenTeam, TeamInstall, TeamState};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachEvidence, ReachState, RecipientKind};

use super::db::{Db, plain, plain_or_null, sql};
use super::learn::{refer, tell_reach};
use super::reach::{self, Sent};
use crate::words::{get, word, word_or_null};

const PLACE: &str = "
    WITH known AS (
        UPDATE recipients
           SET name = coalesce($4, name), team_id = coalesce($5, team_id), channel_kind = coalesce($6, channel_kind)
         WHERE lane_no = $1 AND kind = $2 AND key = $3
        RETURNING recipient_no, reach),
    new AS (
        INSERT INTO recipients (lane_no, kind, key, name, team_id, channel_kind)
        SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM known)
        ON CONFLICT (lane_no, kind, key) DO UPDATE SET name = coalesce(excluded.name, recipients.name)
        RETURNING recipient_no, reach)
    SELECT * FROM known UNION ALL SELECT * FROM new";

const TEAM: &str = "
    INSERT INTO teams AS t (lane_no, team_id, name, group_id, service_url, seen_at, state_at, evidence)
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
    ON CONFLICT (lane_no, team_id) DO UPDATE
       SET name = coalesce(excluded.name, t.name), group_id = coalesce(excluded.group_id, t.group_id),
           service_url = excluded.service_url, seen_at = greatest(t.seen_at, excluded.seen_at)
    RETURNING team_no, state, evidence, installed_at";

const INSTALLED: &str = "
    UPDATE teams
       SET installed_at = CASE WHEN $2 THEN $3 ELSE installed_at END,
           installed_by = coalesce(CASE WHEN $2 THEN NULL ELSE installed_by END, (SELECT r.recipient_no FROM recipients AS r
               WHERE r.lane_no = $4 AND r.kind = $7 AND r.key = $5)),
           picked_channel = coalesce(CASE WHEN $2 THEN NULL ELSE picked_channel END, $6)
     WHERE team_no = $1";

pub(crate) const CHANNELS: &str = "
    SELECT recipient_no, reach, evidence FROM recipients
     WHERE lane_no = $1 AND team_id = $2 AND kind = 'channel' FOR NO KEY UPDATE";

pub(crate) async fn place(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenPlace,
) -> Result<i64, StoreError> {
    let kind = match seen.kind {
        PlaceKind::Channel => RecipientKind::Channel,
        PlaceKind::GroupChat | PlaceKind::MeetingChat | PlaceKind::Personal => RecipientKind::Chat,
    };
    let statement = sql(PLACE)
        .bind(lane_no)
        .bind(kind.as_str())
        .bind(plain(&seen.conversation_id))
        .bind(plain_or_null(seen.name.as_ref()))
        .bind(plain_or_null(seen.team_id.as_ref()))
        .bind(seen.channel_kind.map(nuncio_domain::places::ChannelKind::as_str));
    let row = db.one(statement).await?;
    let recipient_no = get(&row, "recipient_no")?;
    refer(db, lane_no, recipient_no, (&seen.conversation_id, seen.kind), learned).await?;
    // Of places it is not known when the newest was sent.
    tell_reach(db, recipient_no, &row, seen.reach.as_ref(), learned, Sent::default()).await?;
    Ok(recipient_no)
}

pub(crate) async fn team(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenTeam,
) -> Result<(), StoreError> {
    let statement = sql(TEAM)
        .bind(lane_no)
        .bind(plain(&seen.team_id))
        .bind(plain_or_null(seen.name.as_ref()))
        .bind(plain_or_null(seen.group_id.as_ref()))
        .bind(plain(&learned.service_url))
        .bind(learned.at.0)
        .bind(plain(seen.change.as_ref().map_or("Teams named it", |(_, evidence)| evidence)));
    let row = db.one(statement).await?;
    let team_no: i64 = get(&row, "team_no")?;
    let before = word(&row, "state", TeamState::of_word)?;
    if let Some(install) = &seen.install {
        let again = before == TeamState::Removed || get::<Option<i64>>(&row, "installed_at")?.is_none();
        installed(db, (lane_no, team_no), learned, install, again).await?;
    }
    let Some((state, evidence)) = &seen.change else { return Ok(()) };
    if *state == before {
        return Ok(());
    }
    let changed = sql("UPDATE teams SET state = $2, state_at = $3, evidence = $4 WHERE team_no = $1");
    db.run(changed.bind(team_no).bind(state.as_str()).bind(learned.at.0).bind(plain(evidence))).await?;
    let because: Option<String> = get(&row, "evidence")?;
    channels(db, lane_no, learned, seen, (before, because.as_deref()), (*state, evidence)).await
}

/// An install is told twice: the first time it begins, the second one adds what the first had not.
async fn installed(
    db: &mut Db<'_>,
    (lane_no, team_no): (i64, i64),
    learned: &Learned,
    install: &TeamInstall,
    again: bool,
) -> Result<(), StoreError> {
    let statement = sql(INSTALLED)
        .bind(team_no)
        .bind(again)
        .bind(learned.at.0)
        .bind(lane_no)
        .bind(plain_or_null(install.by.as_ref()))
        .bind(plain_or_null(install.channel.as_ref()))
        .bind(RecipientKind::Person.as_str());
    db.run(statement).await.map(|_| ())
}

/// What becomes of a team becomes of its channels. One that went with the team comes back with it; one that had been
/// deleted by itself does not.
async fn channels(
    db: &mut Db<'_>,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenTeam,
    (before, because): (TeamState, Option<&str>),
    (now, evidence): (TeamState, &str),
) -> Result<(), StoreError> {
    let becomes = match (before, now) {
        (_, TeamState::Deleted) => ReachState::ChatGone,
        (_, TeamState::Removed) => ReachState::Removed,
        (TeamState::Deleted | TeamState::Removed, TeamState::Active) => ReachState::Reachable,
        _ => return Ok(()),
    };
    let evidence = &ReachEvidence::event(evidence);
    for row in &db.rows(sql(CHANNELS).bind(lane_no).bind(plain(&seen.team_id))).await? {
        let Some(reach) = word_or_null(row, "reach", ReachState::of_word)? else { continue };
        let with_team = because.is_some() && get::<Option<&str>>(row, "evidence")? == because;
        let stays = match (becomes, before) {
            (ReachState::Reachable, TeamState::Removed) => reach != ReachState::Removed,
            (ReachState::Reachable, _) => !with_team,
            _ => reach == ReachState::ChatGone,
        };
        if !stays && reach != becomes {
            let recipient_no = get(row, "recipient_no")?;
            let told = (becomes, evidence);
            reach::from_event(db, recipient_no, reach, told, learned.at, Sent::default()).await?;
        }
    }
    Ok(())
}
