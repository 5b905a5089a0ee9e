//! What people say and do in a conversation (protocol sections 4.5 and 4.6).

use serde_json::{Value, json};

use super::envelope::{Scene, team_data};
use crate::{
    clock::{Micros, rfc3339},
    limits::Thread,
    org::Person,
    world::{Shared, World},
};

/// The `message` of a person, all but its id. `content` is what [`content`] makes.
pub(crate) fn message(shared: &Shared, world: &World, scene: &Scene, content: &Value, now: Micros) -> Value {
    let mut activity = scene.activity(shared, world, "message", now);
    for (name, value) in content.as_object().into_iter().flatten() {
        activity[name] = value.clone();
    }
    if let Some(person) = scene.by.and_then(|person| world.org.person(person)) {
        activity["from"]["name"] = person.name().into();
        activity["localTimestamp"] = local(now, person.time_zone()).into();
        activity["localTimezone"] = person.time_zone().into();
        activity["locale"] = person.language().into();
        let mut entities = vec![client_info(person)];
        if let Some(mentions) = activity["entities"].as_array() {
            entities.extend(mentions.iter().cloned());
        }
        entities.extend(people_mentioned(world, scene, activity["text"].as_str().unwrap_or_default()));
        activity["entities"] = entities.into();
    }
    if let Thread::Channel { team, channel } = scene.thread {
        let channel = world.org.channel_at(team, channel).map(|channel| &channel.id);
        let team = team_data(world, team)["id"].clone();
        let data = &mut activity["channelData"];
        data["teamsChannelId"] = json!(channel);
        data["teamsTeamId"] = team.clone();
        data["channel"] = json!({"id": channel});
        data["team"] = json!({"id": team});
    }
    activity
}

/// Mentions of people; their ids are different for each bot.
fn people_mentioned(world: &World, scene: &Scene, text: &str) -> Vec<Value> {
    if matches!(scene.thread, Thread::Person(_)) || !text.contains("<at>") {
        return Vec::new();
    }
    let roster = world.org.roster(scene.thread);
    let named = roster.iter().filter_map(|person| Some((*person, world.org.person(*person)?.name())));
    named
        .map(|(person, name)| (person, format!("<at>{name}</at>"), name))
        .filter(|(_, tag, _)| text.contains(tag))
        .map(|(person, tag, name)| {
            let id = world.sealer(scene.app).person(person);
            json!({"type": "mention", "mentioned": {"id": id, "name": name}, "text": tag})
        })
        .collect()
}

fn client_info(person: &Person) -> Value {
    json!({
        "type": "clientInfo", "locale": person.language(), "country": person.country(), "platform": "Web",
        "timezone": person.time_zone(),
    })
}

/// What a message shows, whichever bot reads it: text, its HTML form, mentions.
pub(crate) fn content(world: &World, text: &str, mentioned: &[u16]) -> Value {
    let span = "<span itemtype=\"http://schema.skype.com/Mention\">";
    let html = escape(text).replace("&lt;at&gt;", span).replace("&lt;/at&gt;", "</span>");
    let mut mentions = Vec::new();
    for app in mentioned {
        let bot = &world.bots[usize::from(*app)];
        let tag = format!("<at>{}</at>", bot.name);
        mentions.push(json!({
            "type": "mention", "mentioned": {"id": format!("28:{}", bot.app_id), "name": bot.name}, "text": tag,
        }));
    }
    let mut content = json!({
        "textFormat": "plain", "text": text,
        "attachments": [{"contentType": "text/html", "content": format!("<div>{html}</div>")}],
    });
    if !mentions.is_empty() {
        content["entities"] = mentions.into();
    }
    content
}

/// Whether a message that was kept mentions a bot.
pub(crate) fn mentions(message: &Value, app_id: &str) -> bool {
    let entities = message["entities"].as_array();
    entities.into_iter().flatten().any(|entity| {
        entity["mentioned"]["id"].as_str().and_then(|id| id.strip_prefix("28:")) == Some(app_id)
    })
}

/// `messageUpdate`: `editMessage` or `undeleteMessage`.
pub(crate) fn updated(
    shared: &Shared,
    world: &World,
    scene: &Scene,
    (id, text, event): (u64, &str, &str),
    now: Micros,
) -> Value {
    let mut activity = scene.activity(shared, world, "messageUpdate", now);
    activity["id"] = id.to_string().into();
    activity["text"] = text.into();
    activity["channelData"]["eventType"] = event.into();
    activity
}

/// `messageDelete`, without a text.
pub(crate) fn deleted(shared: &Shared, world: &World, scene: &Scene, id: u64, now: Micros) -> Value {
    let mut activity = scene.activity(shared, world, "messageDelete", now);
    activity["id"] = id.to_string().into();
    activity["channelData"]["eventType"] = "softDeleteMessage".into();
    activity
}

/// `messageReaction` to a message of the bot: one comes, one goes, or one takes the place of another.
pub(crate) fn reacted(
    shared: &Shared,
    world: &mut World,
    scene: &Scene,
    (message, new, gone): (u64, Option<&str>, Option<&str>),
    now: Micros,
) -> Value {
    let mut activity = scene.event(shared, world, "messageReaction", now);
    activity["replyToId"] = message.to_string().into();
    for (field, kind) in [("reactionsAdded", new), ("reactionsRemoved", gone)] {
        if let Some(kind) = kind {
            activity[field] = json!([{"type": kind}]);
        }
    }
    activity
}

/// The person has read so far, and all before it.
pub(crate) fn read_receipt(
    shared: &Shared,
    world: &mut World,
    scene: &Scene,
    last: u64,
    now: Micros,
) -> Value {
    let mut activity = scene.event(shared, world, "event", now);
    activity["name"] = "application/vnd.microsoft.readReceipt".into();
    activity["value"] = json!({"lastReadMessageId": last.to_string()});
    activity
}

/// `Action.Submit`: a message with the card's data and the inputs, and no text unless the card gives one.
pub(crate) fn submitted(
    shared: &Shared,
    world: &World,
    scene: &Scene,
    (card, value, text): (u64, &Value, Option<&str>),
    now: Micros,
) -> Value {
    let mut activity = scene.activity(shared, world, "message", now);
    activity["replyToId"] = card.to_string().into();
    if !value.is_null() {
        activity["value"] = value.clone();
    }
    if let Some(text) = text {
        activity["text"] = text.into();
    }
    activity
}

/// An `invoke`. `name` is absent only for buttons of the type `invoke`.
pub(crate) fn invoke(
    shared: &Shared,
    world: &mut World,
    scene: &Scene,
    (name, value, reply_to): (Option<&str>, &Value, Option<u64>),
    now: Micros,
) -> Value {
    let mut activity = scene.event(shared, world, "invoke", now);
    if let Some(name) = name {
        activity["name"] = name.into();
    }
    activity["value"] = value.clone();
    if let Some(message) = reply_to {
        activity["replyToId"] = message.to_string().into();
    }
    activity
}

/// `2026-11-22T11:05:12.044+01:00`
fn local(at: Micros, zone: &str) -> String {
    jiff::Timestamp::from_microsecond(at)
        .and_then(|at| at.in_tz(zone))
        .map_or_else(|_| rfc3339(at), |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_have_their_offset() {
        let at = 1_795_341_912_044_000;
        assert_eq!(local(at, "Europe/Paris"), "2026-11-22T11:05:12.044+01:00");
        assert_eq!(local(at, "Nowhere/Town"), "2026-11-22T10:05:12.044Z");
    }
}
