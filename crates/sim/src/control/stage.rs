//! Who acts, where, and which bots are there: what every action of a person needs.

use serde_json::{Value, json};

use super::{
    ControlError, Result,
    people::{first_bot, index_of},
};
use crate::{
    events::{envelope::Scene, post::BotAnswer},
    limits::Thread,
    messages::{Message, Receipt},
    org::Place,
    people::PersonState,
    switches::BlockedActs,
    world::World,
};

pub(super) struct Stage {
    pub(super) person: u32,
    pub(super) thread: Thread,
    /// The thread of a channel or the session of a 1:1 chat that is meant
    pub(super) within: Option<String>,
    /// The bots in this conversation; one in a 1:1 chat
    pub(super) apps: Vec<u16>,
    /// Acting took back the block
    pub(super) unblocked: bool,
}

impl Stage {
    /// Without a conversation the 1:1 chat with that bot is meant, or with the first one.
    pub(super) fn new(
        world: &mut World,
        person: &str,
        conversation: Option<&str>,
        app_id: Option<&str>,
    ) -> Result<Self> {
        let person = index_of(world, person)?;
        let app = match app_id {
            Some(app_id) => {
                let found = world.bot(app_id).filter(|(_, bot)| !bot.deleted);
                Some(found.ok_or_else(|| ControlError::not_found("no such bot"))?.0)
            }
            None => None,
        };
        let Some(conversation) = conversation else {
            let app = app
                .or_else(|| world.bots.iter().position(|bot| bot.endpoint.is_some()).map(|at| at as u16))
                .or_else(|| first_bot(world))
                .ok_or_else(|| ControlError::conflict("there is no bot; register one with POST /sim/bots"))?;
            let unblocked = may_act(world, person)?;
            let thread = Thread::Person(person);
            return Ok(Self { person, thread, within: None, apps: vec![app], unblocked });
        };
        let candidates = app.map_or_else(|| (0..world.bots.len() as u16).collect(), |app| vec![app]);
        let (app, found) = candidates
            .iter()
            .filter(|app| !world.bots[usize::from(**app)].deleted)
            .find_map(|app| Some((*app, world.conversation(*app, conversation)?)))
            .ok_or_else(|| ControlError::not_found("no such conversation"))?;
        if !world.org.is_in(found.thread, person) {
            return Err(ControlError::conflict("this person is not in this conversation"));
        }
        if world.org.place(found.thread) == Place::ReadOnly {
            return Err(ControlError::conflict("the team is archived"));
        }
        if !found.alive {
            return Err(ControlError::conflict("this conversation was deleted"));
        }
        let mut unblocked = false;
        let apps = if found.thread == Thread::Person(person) {
            unblocked = may_act(world, person)?;
            vec![app]
        } else {
            let here = |app: &u16| {
                !world.bots[usize::from(*app)].deleted && world.org.is_installed(*app, found.thread)
            };
            candidates.into_iter().filter(here).collect()
        };
        let within = found.session.map_or(found.root, |_| Some(conversation.to_owned()));
        Ok(Self { person, thread: found.thread, within, apps, unblocked })
    }

    pub(super) fn scene(&self, world: &World, app: u16, within: Option<&str>) -> Scene {
        Scene::new(world, app, self.thread, within.or(self.within.as_deref()), Some(self.person))
    }

    /// The thread of a channel that a message is in, its own if it began one, or its session in a 1:1 chat.
    pub(super) fn within(&self, world: &World, message: &Message) -> Option<String> {
        match self.thread {
            Thread::Person(_) => self
                .apps
                .iter()
                .find_map(|app| world.conversation(*app, &message.conversation)?.session)
                .map(|_| message.conversation.to_string()),
            Thread::Chat(_) => None,
            Thread::Channel { .. } => {
                let root = message.reply_to.as_deref();
                Some(root.map_or_else(|| message.id.to_string(), str::to_owned))
            }
        }
    }

    /// A message that this person can see in this conversation, deleted ones too.
    pub(super) fn message<'a>(&self, world: &'a World, id: &str) -> Result<(Receipt, &'a Message)> {
        let missing = || ControlError::not_found("no such message in this conversation");
        let receipt = Receipt { thread: self.thread, id: id.parse().map_err(|_| missing())? };
        let message =
            world.messages.message(receipt).filter(|message| message.visible).ok_or_else(missing)?;
        if let Thread::Person(_) = self.thread {
            let here = self.apps.iter().find_map(|app| world.conversation(*app, &message.conversation));
            here.filter(|chat| chat.alive).ok_or_else(missing)?;
            // From the chat itself every session is reached, from a session only what is in it.
            if self.within.as_ref().is_some_and(|session| *message.conversation != **session) {
                return Err(missing());
            }
        }
        Ok((receipt, message))
    }

    pub(super) fn message_there<'a>(&self, world: &'a World, id: &str) -> Result<(Receipt, &'a Message)> {
        let (receipt, message) = self.message(world, id)?;
        if message.deleted {
            return Err(ControlError::conflict("this message is deleted"));
        }
        Ok((receipt, message))
    }
}

/// Whether this person can act in the chat with a bot; true if that took back a block.
fn may_act(world: &mut World, person: u32) -> Result<bool> {
    let state = world.org.person(person).map(|person| person.state);
    match state {
        Some(PersonState::Installed | PersonState::TeamOnly | PersonState::ChatDeleted) => Ok(false),
        Some(PersonState::Blocked) if world.settings.blocked_acts == BlockedActs::Unblocks => {
            world.org.set_state(person, PersonState::Installed);
            Ok(true)
        }
        state => {
            let name = state.map_or("unknown", PersonState::name);
            Err(ControlError::conflict(format!("a person who is {name} cannot write to the bot")))
        }
    }
}

/// What the control API says of an activity that went to some bots.
pub(super) fn told(activity: &Value, bots: &[(String, Option<BotAnswer>)], nobody: &str) -> Value {
    let first = bots.first().and_then(|(_, answer)| answer.as_ref());
    let shown: Vec<Value> = bots
        .iter()
        .map(|(app_id, answer)| {
            json!({
                "app_id": app_id, "status": answer.as_ref().and_then(|answer| answer.status),
                "problem": answer.as_ref().and_then(|answer| answer.problem.clone()),
            })
        })
        .collect();
    let problem = match bots {
        [] => Some(nobody.to_owned()),
        _ => first.and_then(|answer| answer.problem.clone()),
    };
    let delivered = bots.iter().any(|(_, answer)| answer.as_ref().is_some_and(BotAnswer::is_success));
    json!({
        "delivered": delivered, "status": first.and_then(|answer| answer.status), "problem": problem,
        "activity": activity, "bots": shown,
    })
}
