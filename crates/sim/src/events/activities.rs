//! Activities as Teams sends them (protocol sections 4.1 to 4.5; `fixtures/microsoft/activities`).

use serde_json::{Value, json};

use crate::{
    clock::{Micros, millis, rfc3339},
    signing::sha256,
    world::{Shared, World},
};

/// The parts that every activity has.
fn envelope(shared: &Shared, world: &World, app: u16, kind: &str, now: Micros) -> Value {
    let bot = &world.bots[usize::from(app)];
    json!({
        "type": kind, "timestamp": rfc3339(now), "channelId": "msteams", "serviceUrl": shared.service_url,
        "recipient": {"id": format!("28:{}", bot.app_id), "name": bot.name},
        "channelData": {"tenant": {"id": shared.tenant_id}},
    })
}

fn event_id(world: &mut World) -> String {
    format!("f:{}", world.rng.uuid())
}

fn personal(shared: &Shared, world: &World, app: u16, person: u32) -> Value {
    json!({
        "conversationType": "personal", "tenantId": shared.tenant_id, "id": world.chat_id(app, person),
    })
}

/// Account of a person as a bot sees it.
pub(crate) fn account(world: &World, app: u16, person: u32) -> Value {
    let object_id = world.org.person(person).map(|person| person.object_id);
    json!({"id": world.sealer(app).person(person), "aadObjectId": object_id})
}

/// `conversationUpdate` with the bot and the person as new members (4.1).
pub(crate) fn members_added(shared: &Shared, world: &mut World, app: u16, person: u32, now: Micros) -> Value {
    let mut activity = envelope(shared, world, app, "conversationUpdate", now);
    let account = account(world, app, person);
    activity["id"] = event_id(world).into();
    activity["conversation"] = personal(shared, world, app, person);
    activity["membersAdded"] = json!([{"id": activity["recipient"]["id"]}, account]);
    activity["from"] = account;
    activity
}

/// `installationUpdate` in the personal scope, `add` or `remove` (4.1, 4.4).
pub(crate) fn installation(
    shared: &Shared,
    world: &mut World,
    app: u16,
    person: u32,
    action: &str,
    now: Micros,
) -> Value {
    let mut activity = envelope(shared, world, app, "installationUpdate", now);
    activity["id"] = event_id(world).into();
    activity["action"] = action.into();
    activity["locale"] = "en-GB".into();
    activity["from"] = account(world, app, person);
    activity["entities"] = json!([{"type": "clientInfo", "locale": "en-GB"}]);
    activity["conversation"] = personal(shared, world, app, person);
    activity["channelData"]["source"] = json!({"name": "message"});
    activity["channelData"]["app"] =
        json!({"id": manifest_id(&world.bots[usize::from(app)].app_id), "version": "1.4.0"});
    activity
}

/// The id of the app's manifest, which is not the bot's.
fn manifest_id(app_id: &str) -> uuid::Uuid {
    let hash = sha256(&[b"manifest", app_id.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The two events of an install in a team, told from the channel where it happened (4.2).
pub(crate) fn team_install(
    shared: &Shared,
    world: &mut World,
    app: u16,
    (team, channel): (u32, u32),
    now: Micros,
) -> [Value; 2] {
    // Somebody who knows the app, where there is one: whoever never had it is not likely to add it to a team.
    let knows_it =
        |person: &u32| world.org.person(*person).is_some_and(|person| person.state.ever_installed());
    let installer = world.org.members(team).find(knows_it).or_else(|| world.org.members(team).next());
    let from = installer.map_or(Value::Null, |person| account(world, app, person));
    let place = &world.org.teams[team as usize];
    let selected = &place.channels[channel as usize];
    let team_data = json!({"id": place.id(), "name": place.name, "aadGroupId": place.group_id});
    let conversation = json!({
        "isGroup": true, "conversationType": "channel", "id": selected.id, "name": selected.name,
        "tenantId": shared.tenant_id,
    });
    let selected = selected.id.clone();

    let mut members = envelope(shared, world, app, "conversationUpdate", now);
    let mut install = envelope(shared, world, app, "installationUpdate", now);
    for activity in [&mut members, &mut install] {
        activity["id"] = event_id(world).into();
        activity["from"] = from.clone();
        activity["conversation"] = conversation.clone();
        activity["channelData"]["channel"] = json!({"id": selected});
        activity["channelData"]["team"] = team_data.clone();
    }
    members["membersAdded"] = json!([{"id": members["recipient"]["id"]}]);
    members["channelData"]["eventType"] = "teamMemberAdded".into();
    install["action"] = "add".into();
    install["channelData"]["settings"] = json!({"selectedChannel": {"id": selected}});
    install["channelData"]["source"] = json!({"name": "message"});
    [members, install]
}

/// A `message` of a person in the 1:1 chat (4.5).
pub(crate) fn message(
    shared: &Shared,
    world: &World,
    app: u16,
    person: u32,
    text: &str,
    now: Micros,
) -> Value {
    let mut activity = envelope(shared, world, app, "message", now);
    activity["id"] = millis(now).to_string().into();
    activity["localTimestamp"] = rfc3339(now).into();
    activity["localTimezone"] = "Europe/London".into();
    activity["locale"] = "en-GB".into();
    activity["textFormat"] = "plain".into();
    activity["text"] = text.into();
    activity["attachments"] =
        json!([{"contentType": "text/html", "content": format!("<div>{}</div>", escape(text))}]);
    activity["entities"] = json!([{
        "type": "clientInfo", "locale": "en-GB", "country": "GB", "platform": "Web", "timezone": "Europe/London",
    }]);
    activity["from"] = account(world, app, person);
    activity["from"]["name"] = world.org.person(person).map(crate::org::Person::name).into();
    activity["conversation"] = personal(shared, world, app, person);
    activity
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
