//! `POST /$batch`: up to twenty requests in one, each counted, refused and throttled by itself (protocol section 7.2).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Ask, Context, JSON,
    envelope::{Problem, fault, printable},
    run,
    target::Target,
};
use crate::{
    answer::Answer,
    clock::Micros,
    exchange::Op,
    faults::{Accept, Subject},
    journal::Entry,
    world::World,
};

/// Requests at most.
const MOST: usize = 20;

struct Item {
    id: String,
    /// The id in lower case: case is not heeded
    key: String,
    after: Vec<String>,
    ask: Ask,
}

pub(super) fn batch(world: &mut World, now: Micros, context: &Context, ask: &Ask) -> Result<Answer, Problem> {
    if !ask.json {
        return Err(Problem::bad("The batch request must have the content type application/json."));
    }
    let requests = ask.body.as_ref().and_then(|body| body["requests"].as_array());
    let requests = requests.ok_or_else(|| Problem::bad("Invalid batch payload format."))?;
    if requests.is_empty() || requests.len() > MOST {
        let text = format!("Number of batch request steps exceeds the maximum value of {MOST}.");
        return Err(Problem::bad(if requests.is_empty() {
            "Invalid batch payload format.".into()
        } else {
            text
        }));
    }
    let items = requests.iter().map(item).collect::<Result<Vec<Item>, Problem>>()?;
    check(&items)?;
    let mut statuses: HashMap<String, u16> = HashMap::new();
    let mut responses = Vec::with_capacity(items.len());
    for item in &items {
        let failed = item.after.iter().any(|id| statuses.get(id).is_none_or(|status| *status >= 400));
        let answer = if failed {
            let text = "The request depends on a request that failed.";
            Problem::new(424, "FailedDependency", text).answer(&context.ids, context.real)
        } else {
            one(world, now, context, &item.ask)
        };
        statuses.insert(item.key.clone(), answer.status);
        responses.push(show(&item.id, &answer));
    }
    // In no order that could be relied on.
    if items.iter().all(|item| item.after.is_empty()) {
        world.rng.shuffle(&mut responses);
    }
    Ok(Answer::ok(200, json!({"responses": responses})))
}

/// The ids are unique in any case, and what a request depends on comes before it.
fn check(items: &[Item]) -> Result<(), Problem> {
    for (at, item) in items.iter().enumerate() {
        if items[..at].iter().any(|other| other.key == item.key) {
            return Err(Problem::bad("The request id has to be unique in the batch."));
        }
        if item.after.iter().any(|id| !items[..at].iter().any(|other| other.key == *id)) {
            let text =
                format!("The request '{}' depends on a request that does not come before it.", item.id);
            return Err(Problem::bad(text));
        }
    }
    Ok(())
}

fn item(request: &Value) -> Result<Item, Problem> {
    let text = |name: &str| {
        let given = request[name].as_str().filter(|text| !text.is_empty());
        given.ok_or_else(|| Problem::bad(format!("A request of the batch has no '{name}'.")))
    };
    let id = printable(text("id")?);
    let url = text("url")?;
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    if url.contains("://") {
        return Err(Problem::bad("The url of a request in a batch must be relative."));
    }
    let headers = &request["headers"];
    let header = |name: &str| {
        let mut all = headers.as_object().into_iter().flatten();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
    };
    let body = request.get("body").filter(|body| !body.is_null()).cloned();
    let json =
        header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
    if body.is_some() && header("content-type").is_none() {
        let text = format!("The request '{id}' has a body and no Content-Type header.");
        return Err(Problem::bad(text));
    }
    let after = match &request["dependsOn"] {
        Value::Null => Vec::new(),
        Value::Array(ids) => ids.iter().filter_map(|id| id.as_str().map(str::to_lowercase)).collect(),
        _ => return Err(Problem::bad("dependsOn must be a list of ids.")),
    };
    let path = format!("/{}", path.trim_start_matches('/').trim_end_matches('/'));
    let ask = Ask {
        method: text("method")?.to_ascii_uppercase(),
        path,
        query: query.to_owned(),
        eventual: header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
        max_page: header("prefer").and_then(super::max_page),
        json,
        length: usize::from(body.is_some()),
        body,
    };
    Ok(Item { key: id.to_lowercase(), id, after, ask })
}

/// One of them, with what faults do to it (only a status and its body: there is one connection), counted and written into
/// the journal by its own name.
fn one(world: &mut World, now: Micros, context: &Context, ask: &Ask) -> Answer {
    let target = Target::of(&ask.method, &ask.path);
    let op = target.as_ref().map_or(Op::GraphOther, Target::op);
    let person = target.as_ref().ok().and_then(|target| super::person_of(world, target));
    let place = target.as_ref().ok().and_then(Target::place).map(str::to_owned);
    let app_id = world.bots[usize::from(context.caller.app)].app_id.clone();
    let subject = Subject {
        op,
        person: person.as_deref(),
        conversation: place.as_deref(),
        tenant: Some(&context.caller.tenant),
        app_id: Some(&app_id),
    };
    let hit = world.faults.pick(&subject, &mut world.rng);
    let action = hit.as_ref().map(|hit| &hit.action);
    let mut answer = match action.and_then(|action| Some((action, action.status?))) {
        Some((action, status)) => {
            if action.accept() != Accept::Never {
                run(world, now, context, ask);
            }
            let body = match &action.body {
                Some(Value::Null) => None,
                Some(body) => Some(body.clone()),
                None => Some(fault(status, action.code.as_deref(), &context.ids, context.real)),
            };
            let (code, retry_after) = (action.code.clone(), action.retry_after());
            Answer { status, code, body, retry_after, ..Answer::default() }
        }
        None if target == Ok(Target::Batch) => {
            Problem::bad("A batch cannot be in a batch.").answer(&context.ids, context.real)
        }
        None => run(world, now, context, ask),
    };
    if let Some(Ok(seconds)) = answer.retry_after.as_deref().map(str::parse) {
        answer.retry_after = Some(context.shared.clock.told_seconds(seconds).to_string());
    }
    world.counts.answered(op.name(), Some(answer.status));
    world.journal.push(Entry {
        n: 0,
        at: now,
        op: op.name(),
        host: context.host.clone(),
        method: ask.method.clone(),
        path: format!("/v1.0/$batch{}", ask.path),
        app_id: Some(app_id),
        person,
        conversation: place,
        status: Some(answer.status),
        code: answer.code.clone(),
        activity_id: None,
        fault: hit.map(|hit| hit.fault),
        answer_lost: false,
        client_gone: false,
        ms: 0,
    });
    answer
}

fn show(id: &str, answer: &Answer) -> Value {
    let mut headers = json!({"Cache-Control": "no-cache"});
    if answer.body.is_some() {
        headers["Content-Type"] = JSON.into();
    }
    if let Some(retry_after) = &answer.retry_after {
        headers["Retry-After"] = retry_after.as_str().into();
    }
    for (name, value) in answer.more.iter().flat_map(|more| &more.headers) {
        headers[*name] = value.as_ref().into();
    }
    let mut shown = json!({"id": id, "status": answer.status, "headers": headers});
    if let Some(body) = &answer.body {
        shown["body"] = body.clone();
    }
    shown
}
