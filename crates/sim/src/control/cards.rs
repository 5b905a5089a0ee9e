//! `POST /sim/people/{id}/acts` and `/invokes`: a person clicks, and sees what the bot answers.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ControlError, Result, read, stage::Stage};
use crate::{
    events::{
        answer::{self, Shown},
        card,
        deliver::tell,
        envelope::Scene,
        post::BotAnswer,
        said,
    },
    marks::Click,
    messages::Receipt,
    world::{Shared, World},
};

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Acts {
    message: String,
    /// The card's: `type` and whichever of `id`, `verb`, `title`, `data` tell it from the others
    action: Value,
    #[serde(default)]
    inputs: Map<String, Value>,
    conversation: Option<String>,
    app_id: Option<String>,
    /// False sends the action as it is given, on the card or not
    #[serde(default = "yes")]
    strict: bool,
    /// `automatic` for the card's `refresh`
    trigger: Option<Trigger>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trigger {
    Manual,
    Automatic,
}

/// What a click sends.
enum Sends {
    Invoke { name: Option<String>, value: Value },
    Message { value: Value, text: Option<String> },
}

pub(super) async fn acts(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let acts: Acts = read(&body)?;
    let (app, activity, click, name) = {
        let mut world = shared.world();
        let world = &mut *world;
        let now = shared.clock.now();
        let stage = Stage::new(world, &id, acts.conversation.as_deref(), acts.app_id.as_deref())?;
        let (receipt, message) = stage.message_there(world, &acts.message)?;
        let app = message.app.filter(|app| stage.apps.contains(app));
        let app = app.ok_or_else(|| ControlError::conflict("this message is not of a bot that is here"))?;
        let (root, edits) = (stage.within(world, message), message.edits());
        let seen = world.marks.card(receipt, stage.person, edits).cloned();
        let shown: Vec<Value> = match (seen, message.activity()) {
            (Some(card), _) => vec![card],
            (None, Some(activity)) => card::cards(&activity).cloned().collect(),
            (None, None) if acts.strict => {
                return Err(ControlError::conflict("only the beginning of this message was kept"));
            }
            (None, None) => Vec::new(),
        };
        let sends = sends(&acts, &shown)?;
        let scene = stage.scene(world, app, root.as_deref());
        let action = match &sends {
            Sends::Invoke { value, .. } | Sends::Message { value, .. } => value.clone(),
        };
        let (activity, name) = make(&shared, world, &scene, sends, receipt);
        let click = (receipt, edits, Click { person: stage.person, at: now, action, shown: "", text: None });
        (app, activity, click, name)
    };
    let id = activity["id"].clone();
    let answer = tell(&shared, app, activity).await.ok_or_else(reset)?;
    let shown = match &name {
        Some(name) => answer::of_invoke(name, &answer),
        None => answer::of_message(&answer),
    };
    let (receipt, edits, mut click) = click;
    let mut world = shared.world();
    if let Some(card) = shown.card.as_ref().filter(|_| name.as_deref() == Some("adaptiveCard/action")) {
        world.marks.replace_card(receipt, click.person, edits, card.clone());
    }
    click.shown = shown.what;
    click.text = shown.text.clone().or_else(|| shown.problem.clone());
    world.marks.clicked(receipt, click);
    Ok(Json(outcome(&id, &answer, &shown)))
}

fn reset() -> ControlError {
    ControlError::conflict("the organisation was reset meanwhile")
}

/// The activity of a click, and the name of its invoke.
fn make(
    shared: &Shared,
    world: &mut World,
    scene: &Scene,
    sends: Sends,
    card: Receipt,
) -> (Value, Option<String>) {
    let now = shared.clock.now();
    match sends {
        Sends::Invoke { name, value } => {
            let what = (name.as_deref(), &value, Some(card.id));
            (said::invoke(shared, world, scene, what, now), Some(name.unwrap_or_default()))
        }
        Sends::Message { value, text } => {
            let mut activity = said::submitted(shared, world, scene, (card.id, &value, text.as_deref()), now);
            activity["id"] = world.messages.next_id(card.thread, now).to_string().into();
            (activity, None)
        }
    }
}

/// What the action sends, after the look whether it can be clicked at all.
fn sends(acts: &Acts, cards: &[Value]) -> Result<Sends> {
    let wanted = &acts.action;
    let kind = wanted["type"].as_str().ok_or_else(|| ControlError::bad("action.type must be a text"))?;
    if kind == "invoke" {
        let name = wanted["name"].as_str().map(str::to_owned);
        return Ok(Sends::Invoke { name, value: wanted["value"].clone() });
    }
    if !matches!(kind, "Action.Execute" | "Action.Submit") {
        return Err(ControlError::bad("action.type must be Action.Execute, Action.Submit or invoke"));
    }
    let found = cards.iter().find_map(|card| {
        let within = if matches!(acts.trigger, Some(Trigger::Automatic)) { &card["refresh"] } else { card };
        Some((card, card::action(within, wanted)?))
    });
    let (card, action) = match found {
        Some(found) => found,
        None if acts.strict => return Err(ControlError::conflict("the card has no such action")),
        None => (&Value::Null, wanted),
    };
    if acts.strict && action["isEnabled"] == false {
        return Err(ControlError::conflict("this action is disabled"));
    }
    let data = card::gathered(card, action, &acts.inputs, acts.strict).map_err(ControlError::conflict)?;
    if kind == "Action.Submit" {
        return Ok(submit(data));
    }
    let mut sent = json!({"type": kind});
    for (name, value) in [("id", &action["id"]), ("verb", &action["verb"]), ("data", &data)] {
        if !value.is_null() {
            sent[name] = value.clone();
        }
    }
    let trigger = match acts.trigger {
        Some(Trigger::Automatic) => "automatic",
        Some(Trigger::Manual) | None => "manual",
    };
    let name = Some("adaptiveCard/action".to_owned());
    Ok(Sends::Invoke { name, value: json!({"action": sent, "trigger": trigger}) })
}

/// `data.msteams` makes a submit something else (Microsoft's page "Card actions in bots").
fn submit(data: Value) -> Sends {
    let special = &data["msteams"];
    match special["type"].as_str() {
        Some("task/fetch") => Sends::Invoke {
            name: Some("task/fetch".to_owned()),
            value: json!({"data": data, "context": {"theme": "default"}}),
        },
        Some("invoke") => Sends::Invoke { name: None, value: special["value"].clone() },
        Some("messageBack") => {
            let text = special["text"].as_str().map(str::to_owned);
            Sends::Message { text, value: special["value"].clone() }
        }
        Some("imBack") => {
            Sends::Message { text: special["value"].as_str().map(str::to_owned), value: Value::Null }
        }
        _ => Sends::Message { value: data, text: None },
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invokes {
    name: String,
    #[serde(default)]
    value: Value,
    /// The message that it belongs to
    message: Option<String>,
    conversation: Option<String>,
    app_id: Option<String>,
}

/// Any invoke, without a look at a card.
pub(super) async fn invokes(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let invokes: Invokes = read(&body)?;
    let (app, activity) = {
        let mut world = shared.world();
        let world = &mut *world;
        let stage = Stage::new(world, &id, invokes.conversation.as_deref(), invokes.app_id.as_deref())?;
        let (mut root, mut reply_to, mut app) = (None, None, stage.apps.first().copied());
        if let Some(message) = &invokes.message {
            let (receipt, message) = stage.message_there(world, message)?;
            (root, reply_to) = (stage.within(world, message), Some(receipt.id));
            app = message.app.filter(|app| stage.apps.contains(app));
        }
        let app = app.ok_or_else(|| ControlError::conflict("no bot is here that this could go to"))?;
        let scene = stage.scene(world, app, root.as_deref());
        let what = (Some(invokes.name.as_str()), &invokes.value, reply_to);
        (app, said::invoke(&shared, world, &scene, what, shared.clock.now()))
    };
    let id = activity["id"].clone();
    let answer = tell(&shared, app, activity).await.ok_or_else(reset)?;
    Ok(Json(outcome(&id, &answer, &answer::of_invoke(&invokes.name, &answer))))
}

fn outcome(activity: &Value, answer: &BotAnswer, shown: &Shown) -> Value {
    let body = serde_json::from_str(&answer.body).unwrap_or_else(|_| Value::from(answer.body.as_str()));
    json!({
        "activity": activity, "status": answer.status, "body": body, "shown": shown.what, "text": shown.text,
        "problem": shown.problem, "took_ms": answer.took_ms,
    })
}
