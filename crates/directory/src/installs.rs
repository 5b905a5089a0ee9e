//! Installing the app, and the chats of people with it (`docs/protocol.md` section 8; `docs/adr/0027`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nuncio_domain::batch::Row;
use nuncio_domain::install::{InstallAnswer, InstallOutcome};
use nuncio_domain::people::RecipientKind;
use nuncio_domain::{FailReason, ReachState};
use nuncio_teams::graph::request::{self, AppIs, Scope};
use nuncio_teams::graph::{
    CallError, GraphError, GraphRefusal, Install, Operation, PermissionType, ResourcePermission,
};
use nuncio_teams::http::CallFailure;
use nuncio_teams::retry_after::RetryAfter;
use nuncio_teams::token::TokenError;

use crate::tenant::Tenant;

/// So many calls as are under way at once wait for each other this long, and for nothing else.
const SOON: Duration = Duration::from_secs(5);

/// The Teams app that a bot is in.
#[derive(Debug, Clone)]
pub struct TeamsApp {
    /// The id in its manifest. Of an app of the Teams Store it is also that of the catalogue.
    pub manifest_id: String,
    /// The resource-specific permissions that its manifest asks for, to be consented to with an install.
    pub permissions: Vec<String>,
}

/// What is known of the app's place in the tenant's catalogue.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    id: Mutex<Option<String>>,
    /// Held by the one who asks for it; what comes of it is everybody's.
    asking: tokio::sync::Mutex<()>,
}

impl Catalogue {
    fn id(&self) -> MutexGuard<'_, Option<String>> {
        // No code of ours panics while holding it.
        self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a recipient's app is; not in single channels.
fn scope(row: &Row) -> Option<Scope<'_>> {
    Some(match row.kind {
        RecipientKind::Person => Scope::User(&row.address),
        RecipientKind::Team => Scope::Team(&row.address),
        RecipientKind::Chat => Scope::Chat(&row.address),
        RecipientKind::Channel => return None,
    })
}

pub(crate) async fn install(tenant: &Tenant, app: &TeamsApp, row: &Row) -> InstallAnswer {
    let Some(scope) = scope(row) else {
        let (reason, text) = (FailReason::RecipientUnsupported, "Graph installs nothing in a single channel");
        return InstallAnswer::bare(InstallOutcome::Refused { reason, reach: None }, text);
    };
    let consents = consents(app, scope);
    let mut again = false;
    let mut id = match catalogue_id(tenant, app, None).await {
        Ok(id) => id,
        Err(answer) => return answer,
    };
    loop {
        let operation = request::install(tenant.graph.root(), scope, &id, &consents).operation();
        let error = match asked(tenant, &operation, tenant.graph.install(scope, &id, &consents)).await {
            Ok(Install::Installed) => return done(InstallOutcome::Installed, 201),
            Ok(Install::AlreadyThere) => return done(InstallOutcome::AlreadyThere, 409),
            Err(Unasked::Failed(error)) => error,
            Err(later) => return unasked(&later, row.kind),
        };
        // Most of these say no more than that something was not found: the app, or whom it is for.
        let unclear = error
            .refused()
            .is_some_and(|refused| refused.status == 404 && refused.refusal != GraphRefusal::UserNotFound);
        if !unclear {
            return failed(&error, row.kind);
        }
        if again {
            return not_found(&error, row.kind);
        }
        again = true;
        match catalogue_id(tenant, app, Some(&id)).await {
            // It was put there anew, under another id.
            Ok(new) if new != id => id = new,
            Ok(_) => return not_found(&error, row.kind),
            Err(answer) => return answer,
        }
    }
}

/// The chat of a person with the app that they have.
pub(crate) async fn find_chat(tenant: &Tenant, app: &TeamsApp, row: &Row) -> InstallAnswer {
    let installation = match installation(tenant, app, row).await {
        Ok(Some(installation)) => installation,
        Ok(None) => return done(InstallOutcome::NotThere, 200),
        Err(answer) => return answer,
    };
    let operation = request::installation_chat(&row.address, &installation).operation();
    match asked(tenant, &operation, tenant.graph.installation_chat(&row.address, &installation)).await {
        Ok(chat) => done(InstallOutcome::Chat(chat.id.unwrap_or_default()), 200),
        Err(error) => unasked(&error, row.kind),
    }
}

/// Whether a person has the app.
pub(crate) async fn ask_installed(tenant: &Tenant, app: &TeamsApp, row: &Row) -> InstallAnswer {
    match installation(tenant, app, row).await {
        Ok(Some(_)) => done(InstallOutcome::AlreadyThere, 200),
        Ok(None) => done(InstallOutcome::NotThere, 200),
        Err(answer) => answer,
    }
}

/// The id of the installation for a person, if there is one. No answer is not "no": an empty list is.
async fn installation(tenant: &Tenant, app: &TeamsApp, row: &Row) -> Result<Option<String>, InstallAnswer> {
    let id = catalogue_id(tenant, app, None).await?;
    let (scope, app) = (Scope::User(&row.address), AppIs::CatalogueId(&id));
    let operation = request::installed_apps(scope, Some(app)).operation();
    let there = asked(tenant, &operation, tenant.graph.installed_apps(scope, Some(app))).await;
    let there = there.map_err(|error| unasked(&error, row.kind))?;
    Ok(there.into_iter().find_map(|one| one.id))
}

/// Why there is nothing to show of a call.
enum Unasked {
    /// It was not made: the budget lets none start for so long.
    Later(Duration),
    Failed(CallError),
}

/// One call when the budget lets it start; what a refusal says is heeded.
async fn asked<T>(
    tenant: &Tenant,
    operation: &Operation,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, Unasked> {
    tenant.pace.take_soon(operation, SOON).await.map_err(Unasked::Later)?;
    let answer = call.await;
    if let Err(error) = &answer {
        tenant.heed(error, operation).await;
    }
    answer.map_err(Unasked::Failed)
}

/// What that means.
fn unasked(unasked: &Unasked, kind: RecipientKind) -> InstallAnswer {
    match unasked {
        Unasked::Later(retry_after) => {
            let outcome = InstallOutcome::NotMade { retry_after: *retry_after };
            InstallAnswer::bare(outcome, "Microsoft Graph asks to be left alone for a while")
        }
        Unasked::Failed(error) => failed(error, kind),
    }
}

/// The app's id in the catalogue of the tenant, which is kept until an install does not find it (`not`).
async fn catalogue_id(tenant: &Tenant, app: &TeamsApp, not: Option<&str>) -> Result<String, InstallAnswer> {
    let known = || tenant.catalogue.id().clone().filter(|id| not != Some(id.as_str()));
    if let Some(id) = known() {
        return Ok(id);
    }
    let _asking = tenant.catalogue.asking.lock().await;
    // Another one may have asked meanwhile.
    if let Some(id) = known() {
        return Ok(id);
    }
    *tenant.catalogue.id() = None;
    for is in [AppIs::ExternalId(&app.manifest_id), AppIs::CatalogueId(&app.manifest_id)] {
        let operation = request::catalogue(is).operation();
        let found = asked(tenant, &operation, tenant.graph.catalogue(is)).await;
        let found = found.map_err(|error| unasked(&error, RecipientKind::Person))?;
        if let Some(id) = found.into_iter().find_map(|one| one.id) {
            *tenant.catalogue.id() = Some(id.clone());
            return Ok(id);
        }
    }
    let text = format!(
        "the tenant's app catalogue has no app whose manifest has the id {}: upload the package there \
         (docs/installing.md), or set teams_app_id",
        app.manifest_id
    );
    Err(InstallAnswer::bare(InstallOutcome::Waits { retry_after: None }, text))
}

/// What the manifest asks for of this kind of place.
fn consents(app: &TeamsApp, scope: Scope<'_>) -> Vec<ResourcePermission> {
    let ends = match scope {
        Scope::User(_) => [".Chat", ".User"],
        Scope::Chat(_) => [".Chat", ".Chat"],
        Scope::Team(_) => [".Group", ".Team"],
    };
    let asks = app.permissions.iter().filter(|name| ends.iter().any(|end| name.ends_with(end)));
    asks.map(|name| ResourcePermission { value: name.clone(), kind: PermissionType::Application }).collect()
}

fn done(outcome: InstallOutcome, status: u16) -> InstallAnswer {
    InstallAnswer { outcome, status: Some(status), code: None, text: None, correlation: None }
}

/// The app is in the catalogue, so it is they who are not there; where Graph says otherwise, it may know soon.
fn not_found(error: &CallError, kind: RecipientKind) -> InstallAnswer {
    let of_app = error.refused().is_some_and(|refused| refused.refusal == GraphRefusal::AppNotInCatalogue);
    let outcome = if of_app {
        InstallOutcome::Unavailable { retry_after: None }
    } else {
        let reach = (kind == RecipientKind::Person).then_some(ReachState::Deleted);
        InstallOutcome::Refused { reason: FailReason::RecipientNotFound, reach }
    };
    told(outcome, error, None)
}

/// What a call that failed means (`docs/protocol.md` section 8).
fn failed(error: &CallError, kind: RecipientKind) -> InstallAnswer {
    let waits = InstallOutcome::Waits { retry_after: None };
    let passes = InstallOutcome::Unavailable { retry_after: None };
    let refused = match error {
        CallError::Refused(refused) | CallError::ResyncNeeded(refused) => refused,
        CallError::Token(TokenError::Unreachable { retry_after, .. }) => {
            let retry_after = retry_after.map(RetryAfter::wait);
            return told(InstallOutcome::Waits { retry_after }, error, None);
        }
        CallError::Token(TokenError::Refused { .. }) => {
            let text = format!("Microsoft gives no token for Graph in this tenant: {error}");
            return told(waits, error, Some(text));
        }
        CallError::Failed(CallFailure::NotSent { .. } | CallFailure::MaybeSent { .. })
        | CallError::TooLong
        | CallError::Unreadable { .. }
        | CallError::NoValue
        | CallError::NoDeltaLink
        | CallError::Link(_)
        | CallError::LinkRepeats => return told(passes, error, None),
    };
    let person = kind == RecipientKind::Person;
    let (outcome, text) = match &refused.refusal {
        GraphRefusal::Throttled => {
            (InstallOutcome::Throttled { retry_after: refused.retry_after.map(RetryAfter::wait) }, None)
        }
        GraphRefusal::Transient => {
            (InstallOutcome::Unavailable { retry_after: refused.retry_after.map(RetryAfter::wait) }, None)
        }
        GraphRefusal::UserNotFound => (person_is(FailReason::RecipientNotFound, ReachState::Deleted), None),
        GraphRefusal::BlockedByAppPolicy => {
            (person_is(FailReason::BlockedByPolicy, ReachState::PolicyBlocked), None)
        }
        GraphRefusal::MissingRole { any_of } => {
            let role = any_of.first().map_or("that Microsoft's text names", String::as_str);
            let text = format!(
                "Microsoft Graph refuses: grant the app the application permission {role}, and consent to it in the tenant"
            );
            (waits, Some(text))
        }
        GraphRefusal::NotAllowedToManageApp => {
            let text = "the app may install only itself, and the manifest in the catalogue has another app id in \
                        webApplicationInfo.id: correct the package, or grant TeamsAppInstallation.ReadWriteForUser.All";
            (waits, Some(text.to_owned()))
        }
        GraphRefusal::RscConsentNeeded => {
            let text = format!(
                "the app's manifest asks for resource-specific permissions: name exactly these as resource_permissions of \
                 the app, and grant a role that may consent to them (…AndConsent…) ({refused})"
            );
            (waits, Some(text))
        }
        GraphRefusal::AppNotInCatalogue | GraphRefusal::Unauthorized => (waits, Some(refused.to_string())),
        // Graph's own store refuses one now and then (microsoft-graph-docs #20972).
        _ if refused.status == 400 => (passes, None),
        // Who has no licence, an account that is disabled, or is a guest: no code of it is known.
        _ if refused.status == 403 && person => {
            (InstallOutcome::Refused { reason: FailReason::NotInstalled, reach: None }, None)
        }
        _ if refused.status == 403 => {
            (InstallOutcome::Refused { reason: FailReason::NotPermitted, reach: None }, None)
        }
        _ if refused.status == 404 => {
            (InstallOutcome::Refused { reason: FailReason::RecipientNotFound, reach: None }, None)
        }
        GraphRefusal::AlreadyInstalled | GraphRefusal::Gone | GraphRefusal::Other => (passes, None),
    };
    told(outcome, error, text)
}

fn person_is(reason: FailReason, reach: ReachState) -> InstallOutcome {
    InstallOutcome::Refused { reason, reach: Some(reach) }
}

fn told(outcome: InstallOutcome, error: &CallError, text: Option<String>) -> InstallAnswer {
    let refused: Option<&GraphError> = error.refused();
    let said = || match refused {
        Some(refused) if !refused.text.is_empty() => refused.text.clone(),
        _ => error.to_string(),
    };
    InstallAnswer {
        outcome,
        status: refused.map(|refused| refused.status),
        code: refused.and_then(|refused| refused.code.clone()),
        text: Some(text.unwrap_or_else(said)),
        correlation: refused.and_then(|refused| refused.request_id.clone()),
    }
}
