//! What activities tell us of channels, chats and teams (`docs/protocol.md` sections 4.2 and 4.3).

use nuncio_domain::people::Learned;
use nuncio_domain::places::{PlaceKind, SeenPlace, SeenTeam, TeamInstall, TeamState};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachEvidence, ReachState, RecipientKind};
use sqlx::SqliteConnection;

use super::learn::{refer, tell_reach};
use super::reach::{self, Told};
use crate::error::of_sqlx;
use crate::words::{get, word, word_or_null};

pub(crate) async fn place(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenPlace,
) -> Result<i64, StoreError> {
    let kind = match seen.kind {
        PlaceKind::Channel => RecipientKind::Channel,
        PlaceKind::GroupChat | PlaceKind::MeetingChat | PlaceKind::Personal => RecipientKind::Chat,
    };
    let row = sqlx::query(
        "INSERT INTO recipients (lane_no, kind, key, name, team_id, channel_kind) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (lane_no, kind, key) DO UPDATE
            SET name = coalesce(excluded.name, name), team_id = coalesce(excluded.team_id, team_id),
                channel_kind = coalesce(excluded.channel_kind, channel_kind)
         RETURNING recipient_no, reach",
    )
    .bind(lane_no)
    .bind(kind.as_str())
    .bind(&seen.conversation_id)
    .bind(&seen.name)
    .bind(&seen.team_id)
    .bind(seen.channel_kind.map(nuncio_domain::places::ChannelKind::as_str))
    .fetch_one(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let recipient_no = get(&row, "recipient_no")?;
    refer(connection, lane_no, recipient_no, (&seen.conversation_id, seen.kind), learned).await?;
    tell_reach(connection, recipient_no, &row, seen.reach.as_ref(), learned).await?;
    Ok(recipient_no)
}

pub(crate) async fn team(
    connection: &mut SqliteConnection,
    lane_no: i64,
    learned: &Learned,
    seen: &SeenTeam,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "INSERT INTO teams (lane_no, team_id, name, group_id, service_url, seen_at, state_at, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)
         ON CONFLICT (lane_no, team_id) DO UPDATE
            SET name = coalesce(excluded.name, name), group_id = coalesce(excluded.group_id, group_id),
                service_url = excluded.service_url, seen_at = max(seen_at, excluded.seen_at)
         RETURNING team_no, state, evidence, installed_at",
    )
    .bind(lane_no)
    .bind(&seen.team_id)
    .bind(&seen.name)
    .bind(&seen.group_id)
    .bind(&learned.service_url)
    .bind(learned.at.0)
    .bind(seen.change.as_ref().map_or("Teams named it", |(_, evidence)| evidence))
    .fetch_one(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let team_no: i64 = get(&row, "team_no")?;
    let before = word(&row, "state", TeamState::of_word)?;
    if let Some(install) = &seen.install {
        let again = before == TeamState::Removed || get::<Option<i64>>(&row, "installed_at")?.is_none();
        installed(connection, (lane_no, team_no), learned, install, again).await?;
    }
    let Some((state, evidence)) = &seen.change else { return Ok(()) };
    if *state == before {
        return Ok(());
    }
    sqlx::query("UPDATE teams SET state = ?2, state_at = ?3, evidence = ?4 WHERE team_no = ?1")
        .bind(team_no)
        .bind(state.as_str())
        .bind(learned.at.0)
        .bind(evidence)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    let because: Option<String> = get(&row, "evidence")?;
    channels(connection, lane_no, learned, seen, (before, because.as_deref()), (*state, evidence)).await
}

/// An install is told twice: the first time it begins, the second one adds what the first had not.
async fn installed(
    connection: &mut SqliteConnection,
    (lane_no, team_no): (i64, i64),
    learned: &Learned,
    install: &TeamInstall,
    again: bool,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE teams
            SET installed_at = iif(?2, ?3, installed_at),
                installed_by = coalesce(iif(?2, NULL, installed_by), (SELECT r.recipient_no FROM recipients AS r
                    WHERE r.lane_no = ?4 AND r.kind = 'person' AND r.key = ?5)),
                picked_channel = coalesce(iif(?2, NULL, picked_channel), ?6)
          WHERE team_no = ?1",
    )
    .bind(team_no)
    .bind(again)
    .bind(learned.at.0)
    .bind(lane_no)
    .bind(&install.by)
    .bind(&install.channel)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

/// What becomes of a team becomes of its channels. One that went with the team comes back with it; one that had been
/// deleted by itself does not.
async fn channels(
    connection: &mut SqliteConnection,
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
    let rows = sqlx::query(
        "SELECT recipient_no, reach, evidence FROM recipients INDEXED BY recipients_of_team
          WHERE lane_no = ?1 AND team_id = ?2 AND kind = 'channel'",
    )
    .bind(lane_no)
    .bind(&seen.team_id)
    .fetch_all(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let evidence = &ReachEvidence::event(evidence);
    let mut told = Vec::new();
    for row in &rows {
        let Some(reach) = word_or_null(row, "reach", ReachState::of_word)? else { continue };
        let with_team = because.is_some() && get::<Option<&str>>(row, "evidence")? == because;
        let stays = match (becomes, before) {
            (ReachState::Reachable, TeamState::Removed) => reach != ReachState::Removed,
            (ReachState::Reachable, _) => !with_team,
            _ => reach == ReachState::ChatGone,
        };
        if !stays && reach != becomes {
            let recipient_no = get(row, "recipient_no")?;
            let (before, state, at, sent_at, newest) = (reach, becomes, learned.at, None, None);
            told.push(Told { recipient_no, before, state, evidence, at, sent_at, newest });
        }
    }
    reach::from_events(connection, &told).await.map(|_| ())
}
