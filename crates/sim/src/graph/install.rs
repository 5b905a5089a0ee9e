//! Installing, upgrading and removing the app (protocol section 8, steps 3 and 5).

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Ask, Context, catalog,
    envelope::{Problem, printable},
    installed::{At, apps, check_itself},
    roles::{self, Needs},
    target::Scope,
};
use crate::{
    answer::Answer,
    connector::guid,
    events::{
        deliver::{self, Errand},
        envelope::Scene,
        install::{self, Action},
        life,
    },
    limits::Thread,
    org::TeamState,
    people::PersonState,
    settings::UninstallEvent,
    switches::InstallAnswer,
    world::{READ_RECEIPTS, World},
};

/// `POST …/installedApps`: 201 without a body.
pub(super) fn install(
    world: &mut World,
    context: &Context,
    ask: &Ask,
    (scope, place): (Scope, &str),
) -> Result<Answer, Problem> {
    let body = body(ask, &["teamsApp@odata.bind", "consentedPermissionSet"])?;
    let app = bound_app(world, context, body)?;
    check_itself(world, context, app, Needs::ChangeApps(scope))?;
    let at = At::find(world, scope, place)?;
    check_consent(world, context, app, scope, body)?;
    if let At::Person(person) = at {
        check_person(world, context, app, person)?;
    }
    if let At::Team(team) = at
        && world.org.teams[team as usize].state == TeamState::Archived
    {
        return Err(Problem::new(403, "Forbidden", "The team is archived."));
    }
    if at.has(world, app) {
        let text = "The app is already installed in this scope.";
        return Err(Problem::new(409, "Conflict", text).within("Conflict", text));
    }
    let errand = match at {
        At::Person(person) => {
            settle(world, person);
            world.org.set_state(person, PersonState::Installed);
            Errand::Install { app, person, then_remove: false }
        }
        At::Team(team) => {
            world.org.teams[team as usize].apps.add(app);
            Errand::TeamInstall { app, team, channel: 0 }
        }
        At::Chat(chat) => {
            world.org.chats[chat as usize].apps.add(app);
            let thread = Thread::Chat(chat);
            let by = install::installer(world, thread);
            let now = context.shared.clock.now();
            let told = install::shared_place(&context.shared, world, app, (thread, by), now);
            Errand::Ready { app, activities: told.to_vec() }
        }
    };
    // Install events are missed now and then (protocol section 15).
    if world.settings.install_events_lost == 0.0 || world.rng.unit() >= world.settings.install_events_lost {
        tell(world, context, app, errand);
    }
    Ok(Answer::empty(201))
}

/// `POST …/installedApps/{installation}/upgrade`: there is only one version, so nothing changes.
pub(super) fn upgrade(
    world: &World,
    context: &Context,
    ask: &Ask,
    (scope, place, installation): (Scope, &str, &str),
) -> Result<Answer, Problem> {
    let at = At::find(world, scope, place)?;
    let app = at.app(world, installation)?;
    check_itself(world, context, app, Needs::ChangeApps(scope))?;
    if ask.length > 0 {
        let body = body(ask, &["consentedPermissionSet"])?;
        check_consent(world, context, app, scope, body)?;
    }
    Ok(Answer::empty(204))
}

/// `DELETE …/installedApps/{installation}`
pub(super) fn uninstall(
    world: &mut World,
    context: &Context,
    (scope, place, installation): (Scope, &str, &str),
) -> Result<Answer, Problem> {
    let at = At::find(world, scope, place)?;
    let app = at.app(world, installation)?;
    check_itself(world, context, app, Needs::ChangeApps(scope))?;
    let now = context.shared.clock.now();
    let errand = match at {
        At::Person(person) => {
            settle(world, person);
            world.org.set_state(person, PersonState::Uninstalled);
            let told = world.settings.uninstall_event == UninstallEvent::Remove;
            told.then_some(Errand::Remove { app, person })
        }
        At::Team(team) => {
            let by = install::installer(world, Thread::Channel { team, channel: 0 });
            world.org.teams[team as usize].remove_app(Some(app));
            let activities = life::bot_leaves(&context.shared, world, (app, team, by), now);
            Some(Errand::Ready { app, activities })
        }
        At::Chat(chat) => {
            world.org.chats[chat as usize].apps.remove(app);
            let thread = Thread::Chat(chat);
            let by = install::installer(world, thread);
            let scene = Scene::new(world, app, thread, None, by);
            let gone = install::installation(&context.shared, world, &scene, Action::Remove, now);
            Some(Errand::Ready { app, activities: vec![gone] })
        }
    };
    if let Some(errand) = errand {
        tell(world, context, app, errand);
    }
    Ok(Answer::empty(204))
}

/// Only a bot with an endpoint can be told.
fn tell(world: &mut World, context: &Context, app: u16, errand: Errand) {
    if world.bots[usize::from(app)].endpoint.is_some() {
        let shared = Arc::clone(&context.shared);
        deliver::start(&shared, world, "graph", 1, vec![errand], Duration::ZERO, None);
    }
}

/// A guest who has the app stays a guest.
fn settle(world: &mut World, person: u32) {
    if let Some(account) = world.org.person(person).map(crate::org::Person::settled) {
        world.org.set_account(person, account);
    }
}

/// A JSON object with these names and no others.
fn body<'a>(ask: &'a Ask, known: &[&str]) -> Result<&'a Value, Problem> {
    if !ask.json {
        return Err(Problem::bad(
            "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
        ));
    }
    let body = ask.body.as_ref().filter(|body| body.is_object());
    let body = body.ok_or_else(|| Problem::bad("Unable to read JSON request payload."))?;
    match body.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((unknown, _)) => Err(Problem::bad(format!(
            "The property '{}' does not exist on type 'microsoft.graph.teamsAppInstallation'.",
            printable(unknown)
        ))),
        None => Ok(body),
    }
}

/// The app that `teamsApp@odata.bind` names, in the catalogue of this cloud's Graph or of this server.
fn bound_app(world: &World, context: &Context, body: &Value) -> Result<u16, Problem> {
    let bind = body["teamsApp@odata.bind"].as_str();
    let bind = bind.ok_or_else(|| Problem::bad("Bad Request: 'teamsApp@odata.bind' is required."))?;
    let no_link = || Problem::bad(format!("Invalid bind property name or URL: '{}'.", printable(bind)));
    let path = ["v1.0/", "beta/"].iter().find_map(|version| {
        let microsoft = format!("{}/{version}", context.cloud(world).graph());
        let own = format!("{}/{version}", context.base.trim_end_matches("/v1.0"));
        bind.strip_prefix(&microsoft).or_else(|| bind.strip_prefix(&own))
    });
    let id = path.and_then(|path| {
        let rest = path.strip_prefix("appCatalogs/teamsApps")?;
        rest.strip_prefix('/').or_else(|| rest.strip_prefix("('")?.strip_suffix("')"))
    });
    let id = guid(id.ok_or_else(no_link)?).ok_or_else(no_link)?;
    apps(world)
        .find(|(_, bot)| bot.catalog.place != catalog::Place::Absent && bot.catalog.id() == id)
        .map(|(app, _)| app)
        .ok_or_else(|| Problem::not_found(format!("App with id '{id}' was not found in the catalog.")))
}

/// What an app asks of the place must be consented to, exactly (protocol section 8, step 3).
fn check_consent(
    world: &World,
    context: &Context,
    app: u16,
    scope: Scope,
    body: &Value,
) -> Result<(), Problem> {
    let permissions = world.bots[usize::from(app)].permissions.iter();
    let mut asked: Vec<&str> = permissions
        .map(String::as_str)
        .filter(|name| match scope {
            Scope::User => *name == READ_RECEIPTS,
            Scope::Team => name.ends_with(".Group"),
            Scope::Chat => name.ends_with(".Chat"),
        })
        .collect();
    let set = &body["consentedPermissionSet"];
    let listed = &set["resourceSpecificPermissions"];
    let wrong = || Problem::bad("The consented permission set does not match that of the app's manifest.");
    let mut given = Vec::new();
    for permission in listed.as_array().into_iter().flatten() {
        if permission["permissionType"] != "Application" {
            return Err(wrong());
        }
        given.push(permission["permissionValue"].as_str().ok_or_else(wrong)?);
    }
    if !asked.is_empty() {
        if set.is_null() {
            return Err(Problem::bad("The app requires resource-specific consent, which was not supplied."));
        }
        if scope != Scope::User && !roles::may_consent(&context.caller.roles, scope) {
            let text = "The roles on the request do not allow consenting to resource-specific permissions.";
            return Err(Problem::new(403, "Forbidden", text));
        }
    }
    asked.sort_unstable();
    given.sort_unstable();
    if asked == given { Ok(()) } else { Err(wrong()) }
}

/// Who cannot be given an app (protocol sections 8 and 10).
fn check_person(world: &World, context: &Context, app: u16, person: u32) -> Result<(), Problem> {
    let Some(known) = world.org.person(person) else {
        return Err(Problem::not_found("No user found."));
    };
    if matches!(known.state, PersonState::AdminDisabled | PersonState::PolicyBlocked) {
        let text = format!(
            "App is blocked by app permission policy. TenantId: {}, UserObjectId: {}, AppId: {}, AppType: Private",
            context.shared.tenant_id,
            known.object_id,
            world.bots[usize::from(app)].catalog.id()
        );
        return Err(Problem::new(403, "Forbidden", text.as_str()).within("AccessDenied", &text));
    }
    let settings = &world.settings;
    let (answer, text) = if known.is_guest() {
        (settings.guest_install_as, "Guests cannot have apps.")
    } else if !known.is_enabled() {
        (settings.account_disabled_install_as, "The user's account is disabled.")
    } else if !known.is_licensed() {
        (settings.unlicensed_install_as, "The user has no license for Teams.")
    } else {
        return Ok(());
    };
    match answer {
        InstallAnswer::Accepted => Ok(()),
        InstallAnswer::Forbidden => Err(Problem::new(403, "Forbidden", text).within("AccessDenied", text)),
        InstallAnswer::NotFound => Err(Problem::not_found(text)),
    }
}
