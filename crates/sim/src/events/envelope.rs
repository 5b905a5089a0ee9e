//! What activities have in common: the envelope, who sent them, from which conversation (protocol section 4.0).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    clock::{Micros, rfc3339},
    limits::Thread,
    org::ChatKind,
    world::{Shared, World},
};

/// Where an activity comes from and which bot it is for.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) app: u16,
    pub(crate) thread: Thread,
    /// `conversation.id` as this bot knows it, with `;messageid=` where one belongs
    pub(crate) conversation: String,
    /// Who does it; `None` for what nobody in particular did
    pub(crate) by: Option<u32>,
}

impl Scene {
    /// `within`: the root of the thread in a channel, or the id of the session in a 1:1 chat.
    pub(crate) fn new(
        world: &World,
        app: u16,
        thread: Thread,
        within: Option<&str>,
        by: Option<u32>,
    ) -> Self {
        let conversation = match (thread, within) {
            (Thread::Person(_), Some(session)) => session.to_owned(),
            (Thread::Person(person), None) => world.chat_id(app, person),
            (Thread::Chat(chat), _) => world.org.chats[chat as usize].id.to_string(),
            (Thread::Channel { team, channel }, root) => {
                let id = world.org.channel_at(team, channel).map_or("", |channel| &channel.id);
                root.map_or_else(|| id.to_owned(), |root| format!("{id};messageid={root}"))
            }
        };
        Self { app, thread, conversation, by }
    }

    /// An activity of that type with everything but its id and its content.
    pub(crate) fn activity(&self, shared: &Shared, world: &World, kind: &str, now: Micros) -> Value {
        let bot = &world.bots[usize::from(self.app)];
        let mut activity = json!({
            "type": kind, "timestamp": rfc3339(now), "channelId": "msteams", "serviceUrl": bot.service_url(shared),
            "conversation": self.conversation(shared),
            "recipient": {"id": format!("28:{}", bot.app_id), "name": bot.name},
            "channelData": {"tenant": {"id": shared.tenant_id}},
        });
        if let Some(person) = self.by {
            activity["from"] = account(world, self.app, person);
        }
        if let Thread::Chat(chat) = self.thread {
            let chat = &world.org.chats[chat as usize];
            if chat.kind == ChatKind::Meeting {
                activity["channelData"]["meeting"] = json!({"id": meeting_id(&chat.id)});
            }
        }
        activity
    }

    /// The same with an id as all have but messages.
    pub(crate) fn event(&self, shared: &Shared, world: &mut World, kind: &str, now: Micros) -> Value {
        let mut activity = self.activity(shared, world, kind, now);
        activity["id"] = format!("f:{}", world.rng.uuid()).into();
        activity
    }

    fn conversation(&self, shared: &Shared) -> Value {
        let (kind, group) = match self.thread {
            Thread::Person(_) => ("personal", false),
            Thread::Chat(_) => ("groupChat", true),
            Thread::Channel { .. } => ("channel", true),
        };
        let mut conversation =
            json!({"conversationType": kind, "tenantId": shared.tenant_id, "id": self.conversation});
        if group {
            conversation["isGroup"] = true.into();
        }
        conversation
    }
}

/// A person as a bot sees it.
pub(crate) fn account(world: &World, app: u16, person: u32) -> Value {
    let object_id = world.org.person(person).map(|person| person.object_id);
    json!({"id": world.sealer(app).person(person), "aadObjectId": object_id})
}

/// `channelData.team`
pub(crate) fn team_data(world: &World, team: u32) -> Value {
    let team = &world.org.teams[team as usize];
    json!({"id": team.id(), "name": team.name, "aadGroupId": team.group_id})
}

/// The id of a meeting, made of that of its chat.
pub(crate) fn meeting_id(chat: &str) -> String {
    STANDARD.encode(format!("0#{chat}#0"))
}
