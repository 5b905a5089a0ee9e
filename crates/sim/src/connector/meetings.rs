//! Meetings (protocol section 5.7). A meeting is a chat of that kind; its id is the chat's with two fields around it, in
//! base64, as Teams has it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Incoming, admit, members, path::parameter};
use crate::{
    clock::{Micros, rfc3339},
    exchange::Answer,
    limits::{Kind, Thread},
    messages,
    org::ChatKind,
    refusal::Refusal,
    world::World,
};

const HOUR: Micros = 3_600_000_000;

/// `GET /v1/meetings/{id}`
pub(super) fn details(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    let chat = match entered(world, now, incoming, id) {
        Ok(chat) => chat,
        Err(refused) => return refused,
    };
    let known = &world.org.chats[chat as usize];
    let organizer = known.members.first().map(|person| account(world, incoming, *person));
    // Nothing plans meetings here: each is at ten today.
    let start = now.div_euclid(24 * HOUR) * 24 * HOUR + 10 * HOUR;
    Answer::ok(
        200,
        json!({
            "details": {
                "id": id, "msGraphResourceId": STANDARD.encode(format!("graph:{}", known.id)),
                "scheduledStartTime": rfc3339(start), "scheduledEndTime": rfc3339(start + HOUR / 2),
                "joinUrl": format!("https://teams.microsoft.com/l/meetup-join/{}/0", encoded(&known.id)),
                "title": known.name, "type": "Scheduled",
            },
            "conversation": conversation(&known.id),
            "organizer": organizer,
        }),
    )
}

/// `GET /v1/meetings/{id}/participants/{Entra object id}?tenantId=`
pub(super) fn participant(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    id: &str,
    person: &str,
) -> Answer {
    let chat = match entered(world, now, incoming, id) {
        Ok(chat) => chat,
        Err(refused) => return refused,
    };
    match parameter(&incoming.query, "tenantId") {
        None => return Refusal::BadSyntax.into(),
        Some(tenant) if !tenant.eq_ignore_ascii_case(&incoming.shared.tenant_id) => {
            return Refusal::TenantNoPermission.into();
        }
        Some(_) => {}
    }
    let Some(person) = members::found(world, incoming.app, Thread::Chat(chat), person) else {
        return Refusal::MemberNotFound.into();
    };
    let known = &world.org.chats[chat as usize];
    let role = if known.members.first() == Some(&person) { "Organizer" } else { "Presenter" };
    Answer::ok(
        200,
        json!({
            "user": members::member(world, incoming, person),
            "meeting": {"role": role, "inMeeting": world.settings.meetings_running},
            "conversation": conversation(&known.id),
        }),
    )
}

/// `POST /v1/meetings/{id}/notification`
pub(super) fn notify(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    let chat = match entered(world, now, incoming, id) {
        Ok(chat) => chat,
        Err(refused) => return refused,
    };
    let Some((body, recipients)) = incoming.body.as_ref().and_then(|body| Some((body, recipients(body)?)))
    else {
        return Refusal::BadSyntax.into();
    };
    let thread = Thread::Chat(chat);
    let failed: Vec<Value> = recipients
        .iter()
        .filter_map(|recipient| {
            let person = world.sealer(incoming.app).open_person(recipient);
            let (code, reason) = match person.filter(|person| world.org.is_in(thread, *person)) {
                None => ("MemberNotFoundInConversation", "The recipient is not a member of the meeting."),
                Some(_) if !world.settings.meetings_running => {
                    ("UserNotInMeeting", "The recipient is not in the meeting.")
                }
                Some(_) => return None,
            };
            Some(json!({"recipientMri": recipient, "errorCode": code, "failureReason": reason}))
        })
        .collect();
    let mut receipts = Vec::new();
    if failed.len() < recipients.len() {
        let chat_id = world.org.chats[chat as usize].id.clone();
        receipts.push(world.messages.accept(
            now,
            &messages::Incoming {
                thread,
                conversation: &chat_id,
                app: Some(incoming.app),
                by: None,
                reply_to: None,
                targeted: None,
                activity: body,
            },
        ));
    }
    let answer = if failed.is_empty() {
        Answer::empty(202)
    } else {
        Answer::ok(207, json!({"recipientsFailureInfo": failed}))
    };
    Answer { receipts, ..answer }
}

/// Whom a notification is for; `None` if it is not shaped as one.
fn recipients(body: &Value) -> Option<Vec<&str>> {
    let value = &body["value"];
    let surfaces = value["surfaces"].as_array().filter(|surfaces| !surfaces.is_empty())?;
    let shaped = surfaces.iter().all(|surface| match surface["surface"].as_str() {
        Some("meetingStage") => surface["contentType"] == "task" && surface["content"].is_object(),
        Some("meetingTabIcon") => surface["tabEntityId"].is_null() || surface["tabEntityId"].is_string(),
        _ => false,
    });
    if body["type"] != "targetedMeetingNotification" || !shaped {
        return None;
    }
    let recipients = value["recipients"].as_array().filter(|recipients| !recipients.is_empty())?;
    recipients.iter().map(Value::as_str).collect()
}

/// The chat of a meeting that the bot is in.
fn entered(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Result<u32, Answer> {
    let chat = STANDARD
        .decode(id)
        .ok()
        .and_then(|id| String::from_utf8(id).ok())
        .and_then(|id| world.org.chat(id.strip_prefix("0#")?.strip_suffix("#0")?))
        .filter(|chat| world.org.chats[*chat as usize].kind == ChatKind::Meeting);
    admit(world, now, incoming.app, chat.map(Thread::Chat), Kind::Other, 1)?;
    let chat = chat.ok_or(Refusal::OperationNotFound)?;
    if world.org.is_installed(incoming.app, Thread::Chat(chat)) {
        Ok(chat)
    } else {
        Err(Refusal::BotNotInConversationRoster.into())
    }
}

/// The id of the meeting that a chat belongs to.
pub(crate) fn id(chat_id: &str) -> String {
    STANDARD.encode(format!("0#{chat_id}#0"))
}

fn conversation(chat_id: &str) -> Value {
    json!({"id": chat_id, "conversationType": "groupChat", "isGroup": true})
}

fn account(world: &World, incoming: &Incoming, person: u32) -> Value {
    let object_id = world.org.person(person).map(|person| person.object_id);
    json!({"id": world.sealer(incoming.app).person(person), "aadObjectId": object_id,
        "objectId": object_id, "tenantId": incoming.shared.tenant_id})
}

fn encoded(id: &str) -> String {
    id.replace(':', "%3a").replace('@', "%40")
}
