//! Which apps are installed where, and the chat of a person with one of them (protocol section 8, steps 2 and 4).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Ask, Context, catalog,
    envelope::{Problem, printable},
    filter::{Filter, Filterable},
    query::Options,
    roles::{self, Needs},
    target::Scope,
    user::{self, CREATED},
};
use crate::{
    answer::Answer,
    connector::guid,
    org::TeamState,
    world::{Bot, World},
};

/// A place that an app can be installed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Person(u32),
    Team(u32),
    Chat(u32),
}

impl At {
    pub(super) fn find(world: &World, scope: Scope, place: &str) -> Result<Self, Problem> {
        match scope {
            Scope::User => user::find(world, place)
                .map(Self::Person)
                .ok_or_else(|| Problem::not_found(format!("No user found with id '{}'.", printable(place)))),
            Scope::Team => team(world, place).map(Self::Team),
            Scope::Chat => {
                world.org.chat(place).map(Self::Chat).ok_or_else(|| {
                    Problem::not_found(format!("No chat found with id '{}'.", printable(place)))
                })
            }
        }
    }

    /// As the directory or Teams calls it.
    fn id(self, world: &World) -> String {
        match self {
            Self::Person(person) => {
                world.org.person(person).map_or_else(String::new, |person| person.object_id.to_string())
            }
            Self::Team(team) => world.org.teams[team as usize].group_id.to_string(),
            Self::Chat(chat) => world.org.chats[chat as usize].id.to_string(),
        }
    }

    pub(super) fn has(self, world: &World, app: u16) -> bool {
        match self {
            Self::Person(person) => {
                world.org.person(person).is_some_and(|person| person.state.keeps_the_app(&world.settings))
            }
            Self::Team(team) => world.org.teams[team as usize].apps.has(app),
            Self::Chat(chat) => world.org.chats[chat as usize].apps.has(app),
        }
    }

    /// `installationId`: what it is made of is nobody's business (protocol section 8, step 5).
    fn installation(self, world: &World, app: u16) -> String {
        let id = world.bots[usize::from(app)].catalog.id();
        STANDARD.encode(format!("{}##{id}", self.id(world)))
    }

    /// The app of an installation that is there.
    pub(super) fn app(self, world: &World, installation: &str) -> Result<u16, Problem> {
        apps(world)
            .map(|(app, _)| app)
            .find(|app| self.has(world, *app) && self.installation(world, *app) == installation)
            .ok_or_else(|| Problem::not_found("The app installation was not found."))
    }
}

/// A team by the id of its group; Graph knows no other. The texts are those that callers report.
pub(super) fn team(world: &World, id: &str) -> Result<u32, Problem> {
    if guid(id).is_none() {
        return Err(Problem::bad(format!("teamId needs to be a valid GUID: '{}'.", printable(id))));
    }
    let found = world.org.team(id).filter(|team| {
        matches!(world.org.teams[*team as usize].state, TeamState::Active | TeamState::Archived)
    });
    found.ok_or_else(|| Problem::not_found(format!("No team found with Group Id '{}'", printable(id))))
}

pub(super) fn apps(world: &World) -> impl Iterator<Item = (u16, &Bot)> {
    world.bots.iter().enumerate().filter(|(_, bot)| !bot.deleted).map(|(at, bot)| (at as u16, bot))
}

const FILTERABLE: [&str; 3] = ["teamsApp/id", "teamsApp/externalId", "teamsApp/distributionMethod"];

pub(super) fn list(
    world: &World,
    context: &Context,
    ask: &Ask,
    (scope, place): (Scope, &str),
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$filter", "$expand", "$top"])?;
    check_expand(&options)?;
    let may = Filterable { kind: "teamsAppInstallation", properties: &FILTERABLE, advanced: true };
    let filter = options.filter.as_deref().map(|text| Filter::read(text, may)).transpose()?;
    let at = At::find(world, scope, place)?;
    let alone = roles::only_itself(&context.caller.roles, Needs::ReadApps(scope));
    let items: Vec<Value> = apps(world)
        .filter(|(app, _)| at.has(world, *app) && (!alone || *app == context.caller.app))
        .filter(|(_, bot)| {
            let shown = catalog::show(bot);
            filter.as_ref().is_none_or(|filter| {
                filter.matches(&|name| shown[name.rsplit('/').next().unwrap_or_default()].clone())
            })
        })
        .map(|(app, bot)| show(world, at, app, bot, &options))
        .take(options.top.unwrap_or(usize::MAX))
        .collect();
    let set = match scope {
        Scope::User => format!("users('{}')/teamwork/installedApps", at.id(world)),
        Scope::Team => format!("teams('{}')/installedApps", at.id(world)),
        Scope::Chat => format!("chats('{}')/installedApps", at.id(world)),
    };
    let body = json!({
        "@odata.context": format!("{}/$metadata#{set}", context.base), "@odata.count": items.len(), "value": items,
    });
    Ok(Answer::ok(200, body))
}

pub(super) fn one(
    world: &World,
    context: &Context,
    ask: &Ask,
    (scope, place, installation): (Scope, &str, &str),
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$expand"])?;
    check_expand(&options)?;
    let at = At::find(world, scope, place)?;
    let app = at.app(world, installation)?;
    check_itself(world, context, app, Needs::ReadApps(scope))?;
    Ok(Answer::ok(200, show(world, at, app, &world.bots[usize::from(app)], &options)))
}

/// `GET …/{installation}/chat`
pub(super) fn chat(
    world: &World,
    context: &Context,
    ask: &Ask,
    (user, installation): (&str, &str),
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$select"])?;
    let at = At::find(world, Scope::User, user)?;
    let app = at.app(world, installation)?;
    check_itself(world, context, app, Needs::ReadApps(Scope::User))?;
    let bot = &world.bots[usize::from(app)];
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#chats/$entity", context.base),
        "id": format!("19:{}_{}@unq.gbl.spaces", bot.app_id, at.id(world)),
        "topic": null, "createdDateTime": CREATED, "lastUpdatedDateTime": CREATED, "chatType": "oneOnOne",
        "tenantId": context.shared.tenant_id,
    });
    options.keep_selected(&mut body);
    Ok(Answer::ok(200, body))
}

/// By the roles named `Self` an app manages nothing but itself.
pub(super) fn check_itself(world: &World, context: &Context, app: u16, needs: Needs) -> Result<(), Problem> {
    if app == context.caller.app || !roles::only_itself(&context.caller.roles, needs) {
        return Ok(());
    }
    let text = format!(
        "AAD App Id '{}' is not allowed to manage the Teams App '{}'",
        world.bots[usize::from(context.caller.app)].app_id,
        world.bots[usize::from(app)].catalog.id()
    );
    Err(Problem::new(403, "Forbidden", text))
}

fn check_expand(options: &Options) -> Result<(), Problem> {
    let known = ["teamsApp", "teamsAppDefinition"];
    let unknown = options.expand.iter().find(|name| !known.iter().any(|it| it.eq_ignore_ascii_case(name)));
    unknown.map_or(Ok(()), |name| {
        Err(Problem::bad(format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{}' on type 'microsoft.graph.teamsAppInstallation'.",
            printable(name)
        )))
    })
}

fn show(world: &World, at: At, app: u16, bot: &Bot, options: &Options) -> Value {
    let mut shown = json!({"id": at.installation(world, app)});
    for name in &options.expand {
        if name.eq_ignore_ascii_case("teamsApp") {
            shown["teamsApp"] = catalog::show(bot);
        } else {
            shown["teamsAppDefinition"] = catalog::definition(bot);
        }
    }
    shown
}
