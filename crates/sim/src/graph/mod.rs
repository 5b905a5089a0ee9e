//! Microsoft Graph, as far as a bot finds people and installs itself by it (protocol sections 7.2 and 8).
//!
//! To add an operation: a file of its own beside `users.rs`, an arm in [`Target`] with its roles and its row of the
//! limits, and one in [`work`].

pub(crate) mod auth;
mod batch;
pub(crate) mod catalog;
mod delta;
mod envelope;
mod filter;
mod groups;
mod install;
mod installed;
pub(crate) mod limits;
mod members;
mod page;
mod query;
pub(crate) mod roles;
mod target;
mod teams;
mod user;
mod users;

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use self::{
    auth::Caller,
    envelope::Problem,
    limits::{Met, Rules},
    target::Target,
};
pub(crate) use self::{
    envelope::{Ids, JSON, correlation, fault},
    page::PageFault,
};
use crate::{
    answer::Answer,
    clock::Micros,
    cloud::Cloud,
    connector,
    exchange::{Call, Cutter, Op, Work, exchange},
    server::Asked,
    switches::RetryAfterAs,
    world::{Shared, World},
};

/// A request as the operations take it, alone or in a batch.
struct Ask {
    method: String,
    /// After `/v1.0`, still encoded
    path: String,
    query: String,
    /// `ConsistencyLevel: eventual`
    eventual: bool,
    /// `Prefer: odata.maxpagesize=`
    max_page: Option<usize>,
    /// The content type says JSON
    json: bool,
    length: usize,
    /// `None`: empty or not JSON
    body: Option<Value>,
}

/// For whom an answer is made, and how its links begin.
struct Context {
    shared: Arc<Shared>,
    caller: Caller,
    /// `127.0.0.1:4100`
    host: String,
    /// `http://127.0.0.1:4100/v1.0`
    base: String,
    ids: Ids,
    /// Real time, as errors tell it
    real: Micros,
}

impl Context {
    fn cloud(&self, world: &World) -> Cloud {
        world.bots[usize::from(self.caller.app)].cloud
    }

    /// The token is of the tenant whose people are here.
    fn is_here(&self) -> bool {
        self.caller.tenant.eq_ignore_ascii_case(&self.shared.tenant_id)
    }
}

/// Everything below `/v1.0`.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let (body, too_big) = connector::read(body).await;
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let path = parts.uri.path();
    let url = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let ids = Ids::new(&parts.headers, format!("{}{url}", asked.0));
    let caller = auth::caller(&shared, &parts.headers);
    let ask = ask(&parts.headers, parts.method.as_str(), path, query, &body);
    let target = Target::of(&ask.method, &ask.path);
    let call = {
        let world = shared.world();
        let known = target.as_ref().ok().filter(|_| caller.is_ok());
        let app_id = |caller: &Caller| world.bots[usize::from(caller.app)].app_id.clone();
        Call {
            op: target.as_ref().map_or(Op::GraphOther, Target::op),
            host: asked.host().to_owned(),
            method: ask.method.clone(),
            path: path.to_owned(),
            app_id: caller.as_ref().ok().map(app_id),
            person: known.and_then(|target| person_of(&world, target)),
            conversation: known.and_then(Target::place).map(str::to_owned),
            tenant: caller.as_ref().ok().map(|caller| caller.tenant.clone()),
            authorised: caller.is_ok(),
            ids: Some(ids.clone()),
        }
    };
    let real = shared.clock.real();
    let work: Work = match caller {
        Err(problem) => Box::new(move |_, _| problem.answer(&ids, real)),
        Ok(_) if too_big => {
            let problem = Problem::new(413, "RequestEntityTooLarge", "The request is too large.");
            Box::new(move |_, _| problem.answer(&ids, real))
        }
        Ok(caller) => {
            let base = format!("{}/v1.0", asked.0);
            let host = asked.host().to_owned();
            let context = Context { shared: Arc::clone(&shared), caller, host, base, ids, real };
            Box::new(move |world, now| run(world, now, &context, &ask))
        }
    };
    exchange(shared, call, cutter, work).await
}

fn ask(headers: &HeaderMap, method: &str, path: &str, query: String, body: &[u8]) -> Ask {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let path = path.strip_prefix("/v1.0").unwrap_or(path).trim_end_matches('/');
    Ask {
        method: method.to_owned(),
        path: path.to_owned(),
        query,
        eventual: header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual")),
        max_page: header("prefer").and_then(max_page),
        json: connector::is_json(headers),
        length: body.len(),
        body: serde_json::from_slice(body).ok(),
    }
}

/// `odata.maxpagesize=50` among other preferences.
fn max_page(prefer: &str) -> Option<usize> {
    prefer.split([',', ';']).find_map(|one| one.trim().strip_prefix("odata.maxpagesize=")?.parse().ok())
}

/// Entra object id of the person that a request is about.
fn person_of(world: &World, target: &Target) -> Option<String> {
    let person = user::find(world, target.person()?)?;
    Some(world.org.person(person)?.object_id.to_string())
}

/// One request with everything that is due to it: limits, roles, the work, headers.
fn run(world: &mut World, now: Micros, context: &Context, ask: &Ask) -> Answer {
    let answered = |result: Result<Answer, Problem>| {
        result.unwrap_or_else(|problem| problem.answer(&context.ids, context.real))
    };
    let target = match Target::of(&ask.method, &ask.path) {
        Ok(target) => target,
        Err(problem) => return answered(Err(problem)),
    };
    let (throttled, units) = admit(world, now, context, ask, &target);
    let mut answer = throttled.unwrap_or_else(|| {
        let allowed = target.needs().map_or(Ok(()), |needs| needs.check(&context.caller.roles));
        answered(allowed.and_then(|()| {
            if context.is_here() || target == Target::Batch {
                work(world, now, context, ask, &target)
            } else {
                elsewhere(context, &target)
            }
        }))
    });
    for (name, value) in units {
        answer.header(name, value);
    }
    answer
}

type Headers = Vec<(&'static str, String)>;

/// Counts the request. What is refused has its answer; the directory's answers tell what they cost.
fn admit(
    world: &mut World,
    now: Micros,
    context: &Context,
    ask: &Ask,
    target: &Target,
) -> (Option<Answer>, Headers) {
    if !world.settings.limits {
        return (None, Vec::new());
    }
    let Caller { app, tenant, .. } = &context.caller;
    let rules = Rules { settings: &world.settings, people: world.org.len(), app: *app, tenant };
    let verdict = world.graph_limits.admit(now, target, &ask.query, &rules);
    let mut headers = Vec::new();
    if let Some((cost, share)) = verdict.units {
        headers.push(("x-ms-resource-unit", cost.to_string()));
        if share >= 0.8 {
            headers.push(("x-ms-throttle-limit-percentage", format!("{share:.2}")));
        }
    }
    let Some(met) = verdict.met else { return (None, headers) };
    world.counts.graph_throttled.count(met);
    if met == Met::ResourceUnits {
        let app_id = &world.bots[usize::from(*app)].app_id;
        headers.push(("x-ms-throttle-scope", format!("Tenant_Application/ReadWrite/{app_id}/{tenant}")));
        headers.push(("x-ms-throttle-information", "ResourceUnitLimitExceeded".to_owned()));
    }
    let mut answer = envelope::throttled(&context.ids, context.real);
    answer.retry_after = match world.settings.graph_retry_after {
        RetryAfterAs::Seconds => Some(limits::whole_seconds(verdict.wait).to_string()),
        RetryAfterAs::Fraction => Some(format!("{:.3}", verdict.wait as f64 / 1e6)),
        RetryAfterAs::None => None,
    };
    (Some(answer), headers)
}

fn work(
    world: &mut World,
    now: Micros,
    context: &Context,
    ask: &Ask,
    target: &Target,
) -> Result<Answer, Problem> {
    match target {
        Target::Users => users::list(world, context, ask),
        Target::User { id } => users::one(world, context, ask, id),
        Target::UsersDelta => delta::users(world, context, ask, now),
        Target::Groups => groups::list(world, context, ask),
        Target::Group { id } => groups::one(world, context, ask, id),
        Target::GroupsDelta => delta::groups(world, context, ask, now),
        Target::Members { group } => members::direct(world, context, ask, group),
        Target::TransitiveMembers { group, users } => members::transitive(world, context, ask, group, *users),
        Target::Team { id } => teams::details(world, context, ask, id),
        Target::TeamMembers { team } => teams::members(world, context, ask, team),
        Target::Channels { team } => teams::channels(world, context, ask, team),
        Target::ChannelMembers { team, channel, all } => {
            teams::channel_members(world, context, ask, (team, channel, *all))
        }
        Target::Catalog => catalog::list(world, context, ask),
        Target::InstalledApps { scope, place } => installed::list(world, context, ask, (*scope, place)),
        Target::InstalledApp { scope, place, installation } => {
            installed::one(world, context, ask, (*scope, place, installation))
        }
        Target::Install { scope, place } => install::install(world, context, ask, (*scope, place)),
        Target::Upgrade { scope, place, installation } => {
            install::upgrade(world, context, ask, (*scope, place, installation))
        }
        Target::Uninstall { scope, place, installation } => {
            install::uninstall(world, context, (*scope, place, installation))
        }
        Target::Chat { user, installation } => installed::chat(world, context, ask, (user, installation)),
        Target::Batch => batch::batch(world, now, context, ask),
    }
}

/// What a token of another tenant sees: an organisation in which nobody is.
fn elsewhere(context: &Context, target: &Target) -> Result<Answer, Problem> {
    let set = match target {
        Target::Users | Target::UsersDelta => "users",
        Target::Groups | Target::GroupsDelta => "groups",
        Target::Catalog => "appCatalogs/teamsApps",
        Target::User { id } | Target::Group { id } => return Err(Problem::no_resource(id)),
        Target::Members { group } | Target::TransitiveMembers { group, .. } => {
            return Err(Problem::no_resource(group));
        }
        _ => return Err(Problem::not_found("NotFound")),
    };
    let mut body = json!({"@odata.context": format!("{}/$metadata#{set}", context.base), "value": []});
    if matches!(target, Target::UsersDelta | Target::GroupsDelta) {
        body["@odata.deltaLink"] = format!("{}/{set}/delta?$deltatoken=latest", context.base).into();
    }
    Ok(Answer::ok(200, body))
}
