//! `GET /v3/teams/{id}` and its channels (protocol section 5.5).

use serde_json::{Value, json};

use super::{Incoming, admit, members};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    org::{ChannelKind, Team, TeamState},
    refusal::Refusal,
    world::World,
};

pub(super) fn details(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    let (index, team) = match entered(world, now, incoming, id, Kind::Other) {
        Ok(entered) => entered,
        Err(refused) => return refused,
    };
    Answer::ok(
        200,
        json!({
            "id": team.id(), "name": team.name, "aadGroupId": team.group_id, "type": "standard",
            "channelCount": team.channels.iter().filter(|channel| !channel.deleted).count(), "memberCount": world.org.members(index).filter(|person| members::listed(world, *person)).count(),
            "tenantId": incoming.shared.tenant_id,
        }),
    )
}

pub(super) fn conversations(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    match entered(world, now, incoming, id, Kind::Conversations) {
        Ok((_, team)) => {
            let channels: Vec<Value> = team
                .channels
                .iter()
                .enumerate()
                .filter(|(_, channel)| {
                    let open = channel.kind == ChannelKind::Standard || channel.apps.has(incoming.app);
                    open && !channel.deleted
                })
                // General has no name here.
                .map(|(place, channel)| json!({"id": channel.id, "name": (place > 0).then_some(&channel.name)}))
                .collect();
            Answer::ok(200, json!({"conversations": channels}))
        }
        Err(refused) => refused,
    }
}

/// Takes the `19:` id of the team, which is that of General; not the id of the Entra group, nor another channel's.
fn entered<'a>(
    world: &'a mut World,
    now: Micros,
    incoming: &Incoming,
    id: &str,
    kind: Kind,
) -> Result<(u32, &'a Team), Answer> {
    let found = world.org.channel(id).filter(|(_, channel)| *channel == 0).map(|(team, _)| team);
    let thread = found.map(|team| Thread::Channel { team, channel: 0 });
    admit(world, now, incoming.app, thread, kind, 1)?;
    let index = found.ok_or(Refusal::ConversationNotFound)?;
    let team = &world.org.teams[index as usize];
    if matches!(team.state, TeamState::Deleted | TeamState::HardDeleted) {
        return Err(Refusal::ConversationNotFound.into());
    }
    if team.apps.has(incoming.app) {
        Ok((index, team))
    } else {
        Err(Refusal::BotNotInConversationRoster.into())
    }
}
