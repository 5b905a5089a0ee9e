//! What Microsoft's sign-in libraries ask before they ask for a token (protocol section 14), and Entra's keys. Every link
//! names the host that the request came to.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use http::Uri;
use serde_json::{Value, json};

use super::{Directory, Failure, printable};
use crate::{
    cloud::Cloud,
    connector::path::parameter,
    exchange::{Answer, Cutter, Op, exchange},
    openid::call,
    server::Asked,
    world::{Shared, World},
};

/// `GET /common/discovery/instance?api-version=1.1&authorization_endpoint=…`
pub(crate) async fn instance(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    uri: Uri,
) -> Response {
    let query = uri.query().unwrap_or_default().to_owned();
    let failing = Arc::clone(&shared);
    let call = call(Op::Metadata, &asked, "/common/discovery/instance");
    let work = Box::new(move |_: &mut World, _| match instances(&asked, &query) {
        Ok(document) => Answer::ok(200, document),
        Err(failure) => failure.answer(&failing),
    });
    exchange(shared, call, cutter, work).await
}

fn instances(asked: &Asked, query: &str) -> Result<Value, Failure> {
    let unknown = || Failure {
        status: 400,
        error: "invalid_instance",
        code: 50_049,
        text: "Unknown or invalid instance.".into(),
    };
    let endpoint = parameter(query, "authorization_endpoint")
        .ok_or_else(|| Failure::missing("authorization_endpoint"))?;
    let endpoint: Uri = endpoint.parse().map_err(|_| unknown())?;
    let (Some("https"), Some(authority)) = (endpoint.scheme_str(), endpoint.authority()) else {
        return Err(unknown());
    };
    let base = &asked.0;
    let near = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    if !near && Cloud::of_host(authority.as_str()).is_none() && authority.as_str() != asked.host() {
        return Err(unknown());
    }
    let tenant = endpoint.path().split('/').nth(1).filter(|tenant| !tenant.is_empty()).ok_or_else(unknown)?;
    let version = if endpoint.path().contains("/oauth2/v2.0/") { "/v2.0" } else { "" };
    let entry = |network: &str, cache: &str, aliases: &[&str]| json!({"preferred_network": network, "preferred_cache": cache, "aliases": aliases});
    let mut metadata = vec![
        entry(
            "login.microsoftonline.com",
            "login.windows.net",
            &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        ),
        entry(
            "login.partner.microsoftonline.cn",
            "login.partner.microsoftonline.cn",
            &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        ),
        entry(
            "login.microsoftonline.us",
            "login.microsoftonline.us",
            &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        ),
    ];
    // A client that came by another name is not sent elsewhere.
    if near {
        metadata.push(entry(authority.as_str(), authority.as_str(), &[authority.as_str()]));
    }
    Ok(json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}{version}/.well-known/openid-configuration"),
        "api-version": "1.1", "metadata": metadata,
    }))
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) async fn metadata(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    Path(tenant): Path<String>,
) -> Response {
    serve(shared, cutter, asked, tenant, "/v2.0").await
}

/// `GET /{tenant}/.well-known/openid-configuration`, of the first version.
pub(crate) async fn metadata_v1(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    Path(tenant): Path<String>,
) -> Response {
    serve(shared, cutter, asked, tenant, "").await
}

async fn serve(
    shared: Arc<Shared>,
    cutter: Cutter,
    asked: Asked,
    tenant: String,
    version: &'static str,
) -> Response {
    let path = format!("/{tenant}{version}/.well-known/openid-configuration");
    let mut call = call(Op::Metadata, &asked, &path);
    call.tenant = Some(tenant.clone());
    let failing = Arc::clone(&shared);
    let work =
        Box::new(move |world: &mut World, _| match document(&failing, world, &asked, &tenant, version) {
            Ok(document) => Answer::ok(200, document),
            Err(failure) => failure.answer(&failing),
        });
    exchange(shared, call, cutter, work).await
}

fn document(
    shared: &Shared,
    world: &World,
    asked: &Asked,
    tenant: &str,
    version: &str,
) -> Result<Value, Failure> {
    let any = ["common", "organizations", "consumers"].iter().any(|name| tenant.eq_ignore_ascii_case(name));
    let id = if any {
        // Microsoft leaves this for the reader to fill in.
        "{tenantid}".to_owned()
    } else {
        match Directory::find(shared, world, tenant) {
            Some(Directory::Framework(cloud)) => cloud.login_tenant().1.to_owned(),
            Some(Directory::Home) => tenant.to_ascii_lowercase(),
            None => return Err(Failure::no_tenant(tenant)),
        }
    };
    let cloud = Cloud::of_host(asked.host()).unwrap_or_default();
    let issuer = match version {
        "" => format!("https://sts.windows.net/{id}/"),
        _ => format!("https://{}/{id}/v2.0", cloud.login_host()),
    };
    let base = format!("{}/{}", asked.0, printable(tenant));
    Ok(json!({
        "token_endpoint": format!("{base}/oauth2{version}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/discovery{version}/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/oauth2{version}/authorize"),
        "tenant_region_scope": null,
        "cloud_instance_name": cloud.login_host().trim_start_matches("login."),
    }))
}

/// `GET /{tenant}/discovery/v2.0/keys` and `/{tenant}/discovery/keys`
pub(crate) async fn keys(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
    Path(tenant): Path<String>,
    uri: Uri,
) -> Response {
    let document = json!({"keys": [shared.keys.entra.jwk(None)]});
    let mut call = call(Op::Keys, &asked, uri.path());
    call.tenant = Some(tenant);
    exchange(shared, call, cutter, Box::new(|_, _| Answer::ok(200, document))).await
}
