//! Tokens for managed identities: IMDS of a virtual machine, and App Service (protocol section 2.4). All values of an
//! answer are strings. The texts of refusals are guesses.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::{Resource, access_token, credentials::principal};
use crate::{
    clock::seconds,
    connector::path::parameter,
    exchange::{Answer, Call, Cutter, Op, exchange},
    server::Asked,
    world::{Bot, Shared, World},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Imds,
    AppService,
}

/// `GET /metadata/identity/oauth2/token`
pub(crate) async fn imds(
    State(shared): State<Arc<Shared>>,
    axum::Extension(cutter): axum::Extension<Cutter>,
    asked: Asked,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let proved = headers.get("metadata").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    serve(shared, cutter, (&asked, &uri), Host::Imds, proved).await
}

/// `GET /msi/token`, the `IDENTITY_ENDPOINT`
pub(crate) async fn app_service(
    State(shared): State<Arc<Shared>>,
    axum::Extension(cutter): axum::Extension<Cutter>,
    asked: Asked,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let header = headers.get("x-identity-header");
    let proved = header.is_some_and(|value| value.as_bytes() == shared.identity_header.as_bytes());
    serve(shared, cutter, (&asked, &uri), Host::AppService, proved).await
}

async fn serve(
    shared: Arc<Shared>,
    cutter: Cutter,
    (asked, uri): (&Asked, &Uri),
    host: Host,
    proved: bool,
) -> Response {
    let query = uri.query().unwrap_or_default().to_owned();
    let call = Call {
        op: Op::Token,
        host: asked.host().to_owned(),
        method: "GET".into(),
        path: uri.path().to_owned(),
        app_id: parameter(&query, "client_id"),
        person: None,
        conversation: None,
        tenant: Some(shared.tenant_id.clone()),
        authorised: proved,
        ids: None,
    };
    let issuing = Arc::clone(&shared);
    let work = Box::new(move |world: &mut World, _| {
        issue(&issuing, world, host, &query, proved).unwrap_or_else(|(status, error, text)| {
            let body = json!({"error": error, "error_description": text});
            Answer { code: Some(error.to_owned()), ..Answer::ok(status, body) }
        })
    });
    exchange(shared, call, cutter, work).await
}

type Refused = (u16, &'static str, &'static str);

fn issue(shared: &Shared, world: &World, host: Host, query: &str, proved: bool) -> Result<Answer, Refused> {
    if !proved {
        return Err(match host {
            Host::Imds => (400, "invalid_request", "Required metadata header not specified"),
            Host::AppService => (401, "unauthorized", "X-IDENTITY-HEADER is missing or wrong"),
        });
    }
    let version = match host {
        Host::Imds => "2018-02-01",
        Host::AppService => "2019-08-01",
    };
    if parameter(query, "api-version").as_deref() != Some(version) {
        return Err((400, "invalid_request", "api-version is missing or not supported"));
    }
    let wanted = parameter(query, "client_id");
    let mut found = world.bots.iter().filter(|bot| !bot.deleted).filter_map(|bot| {
        let id = bot.credentials.managed_identity.as_deref()?;
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(id)).then_some((bot, id))
    });
    let (bot, id): (&Bot, &str) = found.next().ok_or((400, "invalid_request", "Identity not found"))?;
    if wanted.is_none() && found.next().is_some() {
        return Err((400, "invalid_request", "Several identities exist, client_id must name one"));
    }
    let now = seconds(shared.clock.real());
    let expires_in = world.settings.token_expires_in;
    // Without `/.default`, which is for scopes.
    let resource = parameter(query, "resource").unwrap_or_default();
    let known = Resource::ALL.into_iter().find(|known| known.audience(bot.cloud) == resource);
    let token = if let Some(known) = known {
        access_token(shared, bot, known, id, &bot.tenant_id, (now, expires_in))
    } else if resource == bot.cloud.exchange() {
        exchange_token(shared, bot, id, now, expires_in)
    } else {
        return Err((400, "invalid_resource", "The resource is missing or was not found in the tenant"));
    };
    let mut body: Value = json!({
        "access_token": token, "client_id": id,
        "expires_on": (now + expires_in).to_string(), "resource": resource, "token_type": "Bearer",
    });
    if host == Host::Imds {
        body["expires_in"] = expires_in.to_string().into();
        body["ext_expires_in"] = expires_in.to_string().into();
        body["not_before"] = now.to_string().into();
    }
    Ok(Answer::ok(200, body))
}

/// Stands for a secret at the token endpoint: who trusts the identity takes it as an assertion (protocol section 2.5).
fn exchange_token(shared: &Shared, bot: &Bot, client_id: &str, now: i64, expires_in: i64) -> String {
    let principal = principal(client_id);
    shared.keys.entra.token(&json!({
        "aud": bot.cloud.exchange(), "iss": bot.exchange_issuer(), "sub": principal, "oid": principal,
        "azp": client_id, "tid": bot.tenant_id, "ver": "2.0", "iat": now, "nbf": now, "exp": now + expires_in,
    }))
}
