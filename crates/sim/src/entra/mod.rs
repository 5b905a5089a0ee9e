//! Entra's token endpoint for bots with a secret or a certificate (protocol sections 2.2, 2.3 and 2.7), and the
//! endpoints of managed identities.

mod assertion;
pub(crate) mod certificate;
pub(crate) mod discovery;
pub(crate) mod managed_identity;

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    clock::{entra_time, seconds},
    exchange::{Answer, Call, Cutter, Op, exchange},
    server::Asked,
    world::{Bot, Shared, World},
};

pub(crate) const AUDIENCE: &str = "https://api.botframework.com";
/// The tenant behind `botframework.com`, from which multi-tenant bots have their tokens.
pub(crate) const BOT_FRAMEWORK_TENANT: &str = "d6d49420-f39b-4df7-a1dc-d59a935871db";

pub(crate) fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    axum::Extension(cutter): axum::Extension<Cutter>,
    Asked(base): Asked,
    headers: http::HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::read(&headers, &body);
    let call = Call {
        op: Op::Token,
        method: "POST".into(),
        path: format!("/{tenant}/oauth2/v2.0/token"),
        app_id: form.as_ref().and_then(|form| form.client_id.clone()),
        person: None,
        conversation: None,
        tenant: Some(tenant.clone()),
        authorised: true,
    };
    let issuing = Arc::clone(&shared);
    // Under this name or that which the client used for the same port, such as `localhost`.
    let tls = shared.tls.as_ref().map(|tls| tls.base.clone());
    let bases = [Some(shared.base.clone()), Some(base), tls].into_iter().flatten();
    let asked: Vec<String> = bases.map(|base| format!("{base}/{tenant}/oauth2/v2.0/token")).collect();
    let work = Box::new(move |world: &mut World, _| {
        issue(&issuing, world, &tenant, &asked, form.as_ref())
            .unwrap_or_else(|failure| failure.answer(&issuing))
    });
    exchange(shared, call, cutter, work).await
}

#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion_type: Option<String>,
    client_assertion: Option<String>,
    scope: Option<String>,
}

impl Form {
    fn read(headers: &http::HeaderMap, body: &[u8]) -> Option<Self> {
        let kind = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
        if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let mut form = Self::default();
        for pair in std::str::from_utf8(body).ok()?.split('&') {
            let (name, value) = pair.split_once('=')?;
            let value = Some(crate::connector::path::decode(&value.replace('+', " ")));
            match name {
                "grant_type" => form.grant_type = value,
                "client_id" => form.client_id = value,
                "client_secret" => form.client_secret = value,
                "client_assertion_type" => form.client_assertion_type = value,
                "client_assertion" => form.client_assertion = value,
                "scope" => form.scope = value,
                _ => {}
            }
        }
        Some(form)
    }
}

/// `None`: Entra does not know this tenant. Else whether it is the one behind `botframework.com`.
fn known_tenant(shared: &Shared, world: &World, tenant: &str) -> Option<bool> {
    let is = |name: &str| tenant.eq_ignore_ascii_case(name);
    let framework = is("botframework.com") || is(BOT_FRAMEWORK_TENANT);
    let known = framework || is(&shared.tenant_id) || world.bots.iter().any(|bot| is(&bot.tenant_id));
    known.then_some(framework)
}

/// `asked`: the URLs under which this request may have been made.
fn issue(
    shared: &Shared,
    world: &mut World,
    tenant: &str,
    asked: &[String],
    form: Option<&Form>,
) -> Result<Answer, Failure> {
    let fail = Err::<Answer, Failure>;
    let Some(form) = form else {
        return fail(Failure::missing("grant_type"));
    };
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(other) => {
            return fail(Failure {
                status: 400,
                error: "unsupported_grant_type",
                code: 70003,
                text: format!("The app requested an unsupported grant type '{}'.", printable(other)),
            });
        }
        None => return fail(Failure::missing("grant_type")),
    }
    let Some(client_id) = form.client_id.as_deref() else {
        return fail(Failure::missing("client_id"));
    };
    let Some(framework) = known_tenant(shared, world, tenant) else {
        return fail(Failure::no_tenant(tenant));
    };
    let bot = world
        .bot(client_id)
        .filter(|(_, bot)| !bot.deleted && (framework || bot.tenant_id.eq_ignore_ascii_case(tenant)))
        .map(|(at, _)| usize::from(at));
    let Some(bot) = bot else {
        return fail(Failure {
            status: 400,
            error: "unauthorized_client",
            code: 700_016,
            text: format!(
                "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                printable(client_id),
                printable(tenant)
            ),
        });
    };
    if let Some(failure) = scope_failure(form.scope.as_deref()) {
        return fail(failure);
    }
    let now = seconds(shared.clock.real());
    let expires_in = world.settings.token_expires_in;
    let bot = &mut world.bots[bot];
    prove(bot, form, asked, now)?;
    let tid = if framework { BOT_FRAMEWORK_TENANT } else { bot.tenant_id.as_str() };
    let token = access_token(shared, &bot.app_id, tid, now, expires_in);
    Ok(Answer::ok(
        200,
        json!({"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": token}),
    ))
}

/// The caller is this bot: by an assertion if there is one, else by its secret.
fn prove(bot: &mut Bot, form: &Form, asked: &[String], now: i64) -> Result<(), Failure> {
    if let Some(assertion) = form.client_assertion.as_deref() {
        return match form.client_assertion_type.as_deref() {
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") => {
                assertion::check(bot, assertion, asked, now)
            }
            Some(_) => Err(assertion::malformed("The 'client_assertion_type' is not supported.")),
            None => Err(Failure::missing("client_assertion_type")),
        };
    }
    match form.client_secret.as_deref() {
        Some(secret) if bot.secret.as_deref() == Some(secret) => Ok(()),
        Some(_) => Err(Failure {
            status: 401,
            error: "invalid_client",
            code: 7_000_215,
            text: format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                bot.app_id
            ),
        }),
        None => Err(Failure {
            status: 401,
            error: "invalid_client",
            code: 7_000_216,
            text: "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.".into(),
        }),
    }
}

fn access_token(shared: &Shared, app_id: &str, tid: &str, now: i64, expires_in: i64) -> String {
    shared.keys.entra.token(&json!({
        "aud": AUDIENCE, "iss": issuer(tid), "appid": app_id, "tid": tid, "ver": "1.0",
        "iat": now, "nbf": now, "exp": now + expires_in,
    }))
}

fn scope_failure(scope: Option<&str>) -> Option<Failure> {
    let scope = scope.unwrap_or_default();
    if scope == format!("{AUDIENCE}/.default") {
        return None;
    }
    if !scope.is_empty() && !scope.ends_with("/.default") {
        return Some(Failure {
            status: 400,
            error: "invalid_scope",
            code: 1_002_012,
            text: format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
                printable(scope)
            ),
        });
    }
    Some(Failure {
        status: 400,
        error: "invalid_scope",
        code: 70011,
        text: "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid.".into(),
    })
}

/// What a caller sent, short enough and harmless to repeat in an error.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

struct Failure {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

impl Failure {
    fn missing(field: &str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            code: 900_144,
            text: format!("The request body must contain the following parameter: '{field}'."),
        }
    }

    fn no_tenant(tenant: &str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            code: 90002,
            text: format!(
                "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
                printable(tenant)
            ),
        }
    }

    fn answer(&self, shared: &Shared) -> Answer {
        let Self { status, error, code, text } = self;
        let (trace, correlation) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let time = entra_time(shared.clock.real());
        let body: Value = json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"),
            "error_codes": [code],
            "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        Answer { status: *status, code: Some(format!("AADSTS{code}")), body: Some(body), ..Answer::default() }
    }
}
