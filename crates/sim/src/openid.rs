//! The documents with which bots check what is sent to them (protocol section 11).

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use serde_json::json;

use crate::{
    cloud::Cloud,
    exchange::{Answer, Call, Cutter, Op, exchange},
    server::Asked,
    world::{Shared, World},
};

/// Reading a document: nobody says who it is.
pub(crate) fn call(op: Op, asked: &Asked, path: &str) -> Call {
    Call {
        op,
        host: asked.host().to_owned(),
        method: "GET".into(),
        path: path.into(),
        app_id: None,
        person: None,
        conversation: None,
        tenant: None,
        authorised: true,
        ids: None,
    }
}

/// `GET /v1/.well-known/openidconfiguration`
pub(crate) async fn metadata(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
) -> Response {
    let base = &asked.0;
    let cloud = Cloud::of_host(asked.host()).unwrap_or_else(|| shared.world().cloud());
    let document = json!({
        "issuer": cloud.audience(),
        "authorization_endpoint": "https://invalid.botframework.com",
        "jwks_uri": format!("{base}/v1/.well-known/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    });
    let call = call(Op::Metadata, &asked, "/v1/.well-known/openidconfiguration");
    exchange(shared, call, cutter, Box::new(|_, _| Answer::ok(200, document))).await
}

/// `GET /v1/.well-known/keys`
pub(crate) async fn keys(
    State(shared): State<Arc<Shared>>,
    Extension(cutter): Extension<Cutter>,
    asked: Asked,
) -> Response {
    let keys = Arc::clone(&shared);
    let work = Box::new(move |_: &mut World, now| Answer::ok(200, keys.rotation.document(now)));
    exchange(shared, call(Op::Keys, &asked, "/v1/.well-known/keys"), cutter, work).await
}
