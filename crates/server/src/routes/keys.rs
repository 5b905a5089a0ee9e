//! `GET /v1/keys`, `POST /v1/keys`, `DELETE /v1/keys/{id}`: API keys, for administrators.
//!
//! A key's secret is in the answer to its creation and nowhere else: only its hash is stored. A key that is limited
//! to one app makes keys of that app only.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use nuncio_api::{Code, CreatedKey, Key, List, NewKey};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{KeyId, Role};

use super::id;
use crate::access::{Access, Caller, IsAdmin};
use crate::problem::Refusal;
use crate::query::Params;
use crate::validate::Findings;
use crate::{body, secret, views};

const LARGEST: usize = 16 * 1024;
const LONGEST_NAME: usize = 100;

pub(crate) async fn list(caller: Caller<IsAdmin>, params: Params) -> Result<Json<List<Key>>, Refusal> {
    params.only(&[])?;
    let keys = caller.registry().keys(caller.scope()).await?;
    Ok(Json(List { items: keys.into_iter().map(views::key).collect(), next: None }))
}

pub(crate) async fn create(
    caller: Caller<IsAdmin>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<CreatedKey>), Refusal> {
    let (parts, unread) = request.into_parts();
    let asked: NewKey = body::json(&body::read(&parts.headers, unread, LARGEST).await?)?;
    let key = checked(&caller, asked)?;
    let secret = secret::make(caller.app().random());
    caller.registry().add_key(&key, secret::hash(&secret)).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey { key: views::key(key), secret })))
}

pub(crate) async fn revoke(caller: Caller<IsAdmin>, Path(text): Path<String>) -> Result<StatusCode, Refusal> {
    let key: KeyId = id(&text, "key")?;
    let revoked = caller.registry().revoke_key(caller.scope(), key, caller.app().now()).await?;
    caller.app().forget_callers();
    if revoked { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::not_found("key")) }
}

fn checked(access: &Access, asked: NewKey) -> Result<ApiKey, Refusal> {
    let mut findings = Findings::default();
    let name = asked.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        findings.add(Code::InvalidValue, "/name", "this must be 1 to 100 visible characters");
    }
    let role = Role::of_word(&asked.role);
    if role.is_none() {
        findings.add(Code::InvalidValue, "/role", "this must be one of: read, send, admin");
    }
    if let Some(app) = &asked.app
        && !access.apps().iter().any(|known| known.name == *app)
    {
        findings.add(Code::UnknownApp, "/app", "there is no app of this name that this key may use");
    }
    findings.none()?;
    Ok(ApiKey {
        id: KeyId(access.app().new_uuid()),
        name: name.to_owned(),
        role: role.expect("a missing role was found above"),
        app: asked.app.or_else(|| access.scope().app.clone()),
        may_install: asked.may_install,
        created_at: access.app().now(),
        revoked_at: None,
    })
}
