//! Who is calling. The extractors here are the only way to the ports (`docs/adr/0005`).

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use nuncio_api::Code;
use nuncio_domain::ports::{Directory, DirectoryCopies, Ledger, Preview, Registry};
use nuncio_domain::{Role, Scope};

use crate::problem::Refusal;
use crate::secret;
use crate::state::{App, AppInfo};

/// What a handler asks of its caller.
pub(crate) trait Need: Send {
    const ROLE: Role;
}

/// Looks.
pub(crate) struct CanRead;
/// Sends and controls.
pub(crate) struct CanSend;
/// Makes and ends keys.
pub(crate) struct IsAdmin;

impl Need for CanRead {
    const ROLE: Role = Role::Read;
}
impl Need for CanSend {
    const ROLE: Role = Role::Send;
}
impl Need for IsAdmin {
    const ROLE: Role = Role::Admin;
}

/// The caller of this request, with at least the role that is asked.
pub(crate) struct Caller<N: Need> {
    access: Access,
    need: PhantomData<fn() -> N>,
}

impl<N: Need> Deref for Caller<N> {
    type Target = Access;
    fn deref(&self) -> &Access {
        &self.access
    }
}

/// A scope and the ports to be used with it.
#[derive(Clone)]
pub(crate) struct Access {
    app: App,
    scope: Scope,
}

impl Access {
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        self.app.ports().ledger
    }

    pub(crate) fn registry(&self) -> &dyn Registry {
        self.app.ports().registry
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        self.app.ports().directory
    }

    pub(crate) fn preview(&self) -> &dyn Preview {
        self.app.ports().preview
    }

    pub(crate) fn copies(&self) -> &dyn DirectoryCopies {
        self.app.ports().copies
    }

    /// Tells whoever keeps the copy of a lane.
    pub(crate) fn wake_sync(&self, lane_no: i64) {
        self.app.ports().sync.wake(lane_no);
    }

    pub(crate) fn wake(&self, lane_no: i64) {
        self.app.ports().wake.wake(lane_no);
    }

    /// The apps that the caller may use.
    pub(crate) fn apps(&self) -> Vec<&AppInfo> {
        self.app.apps().iter().filter(|app| self.scope.sees_app(&app.name)).collect()
    }
}

impl<N: Need> FromRequestParts<App> for Caller<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let secret = bearer(&parts.headers)?;
        let unknown = || Refusal::new(Code::Unauthorized, "this API key does not exist or was revoked");
        if !secret::is_secret(secret) {
            return Err(unknown());
        }
        let scope = app.caller(secret::hash(secret)).await?.ok_or_else(unknown)?;
        if scope.role < N::ROLE {
            let text = format!("this needs the role `{}`, the key has `{}`", N::ROLE, scope.role);
            return Err(Refusal::new(Code::Forbidden, text));
        }
        Ok(Self { access: Access { app: app.clone(), scope }, need: PhantomData })
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let missing = || Refusal::new(Code::Unauthorized, "the request has no `Authorization: Bearer …` header");
    let text = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
    let (scheme, secret) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(secret.trim()) } else { Err(missing()) }
}
