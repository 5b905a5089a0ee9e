//! Entra's token endpoints, new and old, for bots with a secret, a certificate or another issuer's token (protocol sections
//! 2.2, 2.3, 2.5 and 2.7), and those of managed identities.

mod assertion;
pub(crate) mod certificate;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod failure;
pub(crate) mod federated;
pub(crate) mod managed_identity;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;

use self::failure::Failure;
use crate::{
    clock::seconds,
    cloud::Cloud,
    exchange::{Answer, Call, Cutter, Op, exchange},
    server::Asked,
    world::{Bot, Shared, World},
};

pub(crate) fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// Which of the two generations of the endpoint was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// `resource`, texts in the answer
    One,
    /// `scope`, numbers in the answer
    Two,
}

impl Version {
    fn path(self) -> &'static str {
        match self {
            Self::One => "/oauth2/token",
            Self::Two => "/oauth2/v2.0/token",
        }
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`
pub(crate) async fn token(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    serve(shared, tenant, Version::Two, cutter, &asked, Form::read(&headers, &body)).await
}

/// `POST /{tenant}/oauth2/token`
pub(crate) async fn token_v1(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    serve(shared, tenant, Version::One, cutter, &asked, Form::read(&headers, &body)).await
}

async fn serve(
    shared: Arc<Shared>,
    tenant: String,
    version: Version,
    cutter: Cutter,
    asked: &Asked,
    form: Option<Form>,
) -> Response {
    let call = Call {
        op: Op::Token,
        host: asked.host().to_owned(),
        method: "POST".into(),
        path: format!("/{tenant}{}", version.path()),
        app_id: form.as_ref().and_then(|form| form.client_id.clone()),
        person: None,
        conversation: None,
        tenant: Some(tenant.clone()),
        authorised: true,
        ids: None,
    };
    // Under this name or that which the client used for the same port, such as `localhost`.
    let tls = shared.tls.as_ref().map(|tls| tls.base.as_str());
    let bases = [Some(shared.base.as_str()), Some(&asked.0), tls].into_iter().flatten();
    let request = Request {
        urls: bases
            .flat_map(|base| {
                [Version::One, Version::Two].map(|version| format!("{base}/{tenant}{}", version.path()))
            })
            .collect(),
        tenant,
        version,
        cloud: Cloud::of_host(asked.host()),
    };
    let issuing = Arc::clone(&shared);
    let work = Box::new(move |world: &mut World, _| {
        issue(&issuing, world, &request, form.as_ref()).unwrap_or_else(|failure| failure.answer(&issuing))
    });
    exchange(shared, call, cutter, work).await
}

struct Request {
    tenant: String,
    version: Version,
    /// Under which this request may have been made: what an assertion may be for.
    urls: Vec<String>,
    /// Whose sign-in host it came to, if one of Microsoft's.
    cloud: Option<Cloud>,
}

#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion_type: Option<String>,
    client_assertion: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
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
                "resource" => form.resource = value,
                _ => {}
            }
        }
        Some(form)
    }
}

/// What a name in the path of a sign-in URL stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directory {
    /// Where all multi-tenant bots of a cloud have their tokens from.
    Framework(Cloud),
    /// The organisation's or another bot's.
    Home,
}

impl Directory {
    /// `None`: Entra does not know it.
    fn find(shared: &Shared, world: &World, tenant: &str) -> Option<Self> {
        let is = |name: &str| tenant.eq_ignore_ascii_case(name);
        for cloud in [Cloud::Public, Cloud::GccHigh, Cloud::China] {
            let (name, id) = cloud.login_tenant();
            if is(name) || is(id) {
                return Some(Self::Framework(cloud));
            }
        }
        let known = is(&shared.tenant_id) || world.bots.iter().any(|bot| is(&bot.tenant_id));
        known.then_some(Self::Home)
    }
}

fn issue(
    shared: &Shared,
    world: &mut World,
    request: &Request,
    form: Option<&Form>,
) -> Result<Answer, Failure> {
    let tenant = request.tenant.as_str();
    let form = form.ok_or_else(|| Failure::missing("grant_type"))?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(other) => {
            return Err(Failure {
                status: 400,
                error: "unsupported_grant_type",
                code: 70003,
                text: format!("The app requested an unsupported grant type '{}'.", printable(other)),
            });
        }
        None => return Err(Failure::missing("grant_type")),
    }
    let client_id = form.client_id.as_deref().ok_or_else(|| Failure::missing("client_id"))?;
    let directory = Directory::find(shared, world, tenant).ok_or_else(|| Failure::no_tenant(tenant))?;
    let found = world.bot(client_id).filter(|(_, bot)| !bot.deleted);
    let at = found.map(|(at, bot)| (usize::from(at), bot.cloud, bot.tenant_id.clone()));
    let (at, cloud, home) = at.ok_or_else(|| Failure::no_app(client_id, tenant))?;
    // Its tenant does not exist in another cloud.
    if request.cloud.is_some_and(|asked| !asked.signs_in_as(cloud)) {
        return Err(Failure::no_tenant(tenant));
    }
    let resource = match request.version {
        Version::One => wanted_resource(cloud, form.resource.as_deref(), tenant),
        Version::Two => wanted_scope(cloud, form.scope.as_deref()),
    };
    // Graph's tokens come from the tenant whose people are meant, where the app has been consented to.
    let abroad = matches!(resource, Ok(Resource::Graph)) && tenant.eq_ignore_ascii_case(&shared.tenant_id);
    let tid = match directory {
        Directory::Framework(other) if other.signs_in_as(cloud) => other.login_tenant().1,
        Directory::Home if home.eq_ignore_ascii_case(tenant) => home.as_str(),
        Directory::Home if abroad => shared.tenant_id.as_str(),
        _ => return Err(Failure::no_app(client_id, tenant)),
    };
    let resource = resource?;
    let now = seconds(shared.clock.real());
    let expires_in = world.settings.token_expires_in;
    let bot = &mut world.bots[at];
    prove(shared, bot, form, &request.urls, now)?;
    let token = access_token(shared, bot, resource, &bot.app_id, tid, (now, expires_in));
    Ok(Answer::ok(
        200,
        match request.version {
            Version::One => json!({
                "token_type": "Bearer", "expires_in": expires_in.to_string(),
                "ext_expires_in": expires_in.to_string(), "expires_on": (now + expires_in).to_string(),
                "not_before": now.to_string(), "resource": resource.audience(cloud), "access_token": token,
            }),
            Version::Two => json!({
                "token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in,
                "access_token": token,
            }),
        },
    ))
}

/// The caller is this bot: by an assertion if there is one, else by its secret.
fn prove(shared: &Shared, bot: &mut Bot, form: &Form, urls: &[String], now: i64) -> Result<(), Failure> {
    let credentials = &mut bot.credentials;
    if let Some(token) = form.client_assertion.as_deref() {
        return match form.client_assertion_type.as_deref() {
            // An app names itself as the issuer of its assertions; what comes from elsewhere names an address.
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                if assertion::is_foreign(token) =>
            {
                federated::check(&credentials.federated, &shared.keys.entra, token, now)
            }
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") => {
                assertion::check(&bot.app_id, credentials, token, urls, now)
            }
            Some(_) => Err(assertion::malformed("The 'client_assertion_type' is not supported.")),
            None => Err(Failure::missing("client_assertion_type")),
        };
    }
    let refused = |code, text| Err(Failure { status: 401, error: "invalid_client", code, text });
    match form.client_secret.as_deref() {
        Some(secret) if credentials.secret.as_deref() == Some(secret) => {
            if credentials.secret_expired {
                let text = format!("The provided client secret keys for app '{}' are expired.", bot.app_id);
                return refused(7_000_222, text);
            }
            Ok(())
        }
        Some(_) => refused(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                bot.app_id
            ),
        ),
        None => refused(
            7_000_216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
                .into(),
        ),
    }
}

/// For whom a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    Connector,
    Graph,
}

impl Resource {
    const ALL: [Self; 2] = [Self::Connector, Self::Graph];

    fn audience(self, cloud: Cloud) -> &'static str {
        match self {
            Self::Connector => cloud.audience(),
            Self::Graph => cloud.graph(),
        }
    }
}

/// Of the bot's cloud. `app_id`: the bot's or its managed identity's; `times`: now, and how long it is good.
fn access_token(
    shared: &Shared,
    bot: &Bot,
    resource: Resource,
    app_id: &str,
    tid: &str,
    (now, expires_in): (i64, i64),
) -> String {
    let mut claims = json!({
        "aud": resource.audience(bot.cloud), "iss": issuer(tid), "appid": app_id, "tid": tid, "ver": "1.0",
        "iat": now, "nbf": now, "exp": now + expires_in,
    });
    if resource == Resource::Graph {
        claims["idtyp"] = "app".into();
        // Consent was given by tenants that have people, and to the app, not to an identity that only vouches for it.
        let consented = tid != bot.cloud.login_tenant().1 && app_id == bot.app_id;
        if consented && !bot.graph_roles.is_empty() {
            claims["roles"] = json!(bot.graph_roles);
        }
    }
    shared.keys.entra.token(&claims)
}

fn wanted_scope(cloud: Cloud, scope: Option<&str>) -> Result<Resource, Failure> {
    let scope = scope.unwrap_or_default();
    let meant = scope.strip_suffix("/.default");
    if let Some(resource) = Resource::ALL.into_iter().find(|it| meant == Some(it.audience(cloud))) {
        return Ok(resource);
    }
    let refused = |code, text| Err(Failure { status: 400, error: "invalid_scope", code, text });
    if !scope.is_empty() && !scope.ends_with("/.default") {
        return refused(
            1_002_012,
            format!(
                "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
                printable(scope)
            ),
        );
    }
    refused(
        70011,
        "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid."
            .into(),
    )
}

fn wanted_resource(cloud: Cloud, resource: Option<&str>, tenant: &str) -> Result<Resource, Failure> {
    let named = resource.ok_or_else(|| Failure::missing("resource"))?;
    Resource::ALL.into_iter().find(|it| it.audience(cloud) == named).ok_or_else(|| Failure {
        status: 400,
        error: "invalid_resource",
        code: 500_011,
        text: format!(
            "The resource principal named {} was not found in the tenant named {}.",
            printable(named),
            printable(tenant)
        ),
    })
}

/// What a caller sent, short enough and harmless to repeat in an error.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
