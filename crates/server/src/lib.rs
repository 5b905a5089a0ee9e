//! HTTP: the bot endpoint, the REST API and health.
//!
//! Handlers talk to the ports of `nuncio-domain`, never to the engine. A request goes through `observe` (request id,
//! one log line, panics), then to its handler in `routes/` or `bot/`. A handler gets at the ports only through the
//! caller that it extracts (`access`), so nothing is read or written without a scope. Every refusal is a
//! [`nuncio_api::Code`]; the problem document is built in `problem.rs` and nowhere else.
//!
//! | path | file |
//! | --- | --- |
//! | `POST /api/messages` | `bot/endpoint.rs`, what an activity teaches us in `bot/learn.rs` |
//! | `POST /v1/messages` | `routes/send.rs`, its checks in `validate/` |
//! | `GET /v1/messages`, `/v1/messages/{id}` | `routes/messages.rs` |
//! | `POST /v1/messages/{id}/{cancel,pause,resume,confirm}` | `routes/control.rs` |
//! | `POST /v1/messages/{id}/{settle,retry}` | `routes/settle.rs`, `routes/retry.rs` |
//! | `GET /v1/messages/{id}/deliveries`, `/v1/deliveries/{id}` | `routes/deliveries.rs` |
//! | `GET /v1/messages/{id}/report.csv` | `routes/report.rs` |
//! | `POST /v1/audiences/preview` | `routes/preview.rs`, the counting in `preview/` |
//! | `/v1/installs`, `/v1/installs/preview` | `routes/installs.rs`, `routes/install_preview.rs` |
//! | `/v1/reachability/surveys` | `routes/surveys.rs` |
//! | `GET /v1/people`, `/v1/people/{id}` | `routes/people.rs` |
//! | `GET /v1/reachability`, `/v1/reachability/changes` | `routes/reachability.rs` |
//! | `GET /v1/reachability.csv` | `routes/reachability_csv.rs` |
//! | `GET /v1/conversations`, `/v1/conversations/{id}` | `routes/conversations.rs` |
//! | `GET /v1/teams`, `/v1/teams/{id}` | `routes/teams.rs` |
//! | `/v1/lanes`, `/v1/lanes/{id}/{pause,resume}` | `routes/lanes.rs` |
//! | `/v1/audiences` | `routes/audiences.rs`, what is read of a list in `lists/` |
//! | `/v1/directory`, `/v1/directory/{lane}/{sync,confirm,reject}` | `routes/directory.rs` |
//! | `/v1/opt-outs` | `routes/opt_outs.rs` |
//! | `/v1/keys` | `routes/keys.rs` |
//! | `/healthz`, `/readyz` | `routes/health.rs` |
//! | `/docs/problems/{code}` | `routes/docs.rs` |
//!
//! # How to add an operation
//!
//! Its types in `nuncio-api`; a file in `routes/` with its documentation and the handler, which takes
//! `Caller<CanRead>`, `Caller<CanSend>` or `Caller<IsAdmin>`; a line in [`router`]; a test in `tests/it/`.

mod access;
mod body;
mod bot;
mod cells;
mod credential;
mod cursor;
mod lists;
mod observe;
mod preview;
mod problem;
mod query;
mod remembered;
mod routes;
pub mod secret;
mod state;
mod times;
mod turns;
mod validate;
mod views;

use std::future::Future;

pub use axum::Router;
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;

pub use credential::{CredentialEnd, CredentialKind};
pub use state::{AppInfo, OwnWords, PREVIEW_WITHIN, Random, ServerState};
pub use validate::content_of;

use state::App;

/// All routes over the ports in `state`.
pub fn router(state: ServerState) -> Router {
    let app = App::new(state);
    Router::new()
        .route("/api/messages", post(bot::endpoint::receive))
        .route("/v1/messages", get(routes::messages::list).post(routes::send::send))
        .route("/v1/messages/{id}", get(routes::messages::get))
        .route("/v1/messages/{id}/deliveries", get(routes::deliveries::list))
        .route("/v1/messages/{id}/report.csv", get(routes::report::csv))
        .route("/v1/messages/{id}/cancel", post(routes::control::cancel))
        .route("/v1/messages/{id}/pause", post(routes::control::pause))
        .route("/v1/messages/{id}/resume", post(routes::control::resume))
        .route("/v1/messages/{id}/confirm", post(routes::control::confirm))
        .route("/v1/messages/{id}/settle", post(routes::settle::settle))
        .route("/v1/messages/{id}/retry", post(routes::retry::retry))
        .route("/v1/deliveries/{id}", get(routes::deliveries::get))
        .route("/v1/installs", get(routes::installs::list).post(routes::installs::install))
        .route("/v1/installs/preview", post(routes::install_preview::preview))
        .route("/v1/installs/{id}", get(routes::installs::get))
        .route("/v1/installs/{id}/recipients", get(routes::installs::recipients))
        .route("/v1/installs/{id}/report.csv", get(routes::installs::csv))
        .route("/v1/audiences/preview", post(routes::preview::preview))
        .route("/v1/people", get(routes::people::list))
        .route("/v1/people/{id}", get(routes::people::get))
        .route("/v1/reachability", get(routes::reachability::counts))
        .route("/v1/reachability/changes", get(routes::reachability::changes))
        .route("/v1/reachability.csv", get(routes::reachability_csv::csv))
        .route("/v1/reachability/surveys", get(routes::surveys::list).post(routes::surveys::begin))
        .route("/v1/reachability/surveys/{id}", get(routes::surveys::get))
        .route("/v1/conversations", get(routes::conversations::list))
        .route("/v1/conversations/{id}", get(routes::conversations::get))
        .route("/v1/teams", get(routes::teams::list))
        .route("/v1/teams/{id}", get(routes::teams::get))
        .route("/v1/lanes", get(routes::lanes::list))
        .route("/v1/lanes/{id}", get(routes::lanes::get))
        .route("/v1/lanes/{id}/pause", post(routes::lanes::pause))
        .route("/v1/lanes/{id}/resume", post(routes::lanes::resume))
        .route("/v1/directory", get(routes::directory::list))
        .route("/v1/directory/{lane}/sync", post(routes::directory::sync))
        .route("/v1/directory/{lane}/confirm", post(routes::directory::confirm))
        .route("/v1/directory/{lane}/reject", post(routes::directory::reject))
        .route("/v1/opt-outs", get(routes::opt_outs::list).post(routes::opt_outs::add))
        .route("/v1/opt-outs/{user}", delete(routes::opt_outs::remove))
        .route("/v1/audiences", get(routes::audiences::list).post(routes::audiences::upload))
        .route("/v1/audiences/{id}", get(routes::audiences::get).delete(routes::audiences::delete))
        .route("/v1/keys", get(routes::keys::list).post(routes::keys::create))
        .route("/v1/keys/{id}", delete(routes::keys::revoke))
        .route("/healthz", get(routes::health::alive))
        .route("/readyz", get(routes::health::ready))
        .route("/docs/problems/{code}", get(routes::docs::problem))
        .fallback(routes::docs::nothing_here)
        .method_not_allowed_fallback(routes::docs::other_method)
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(axum::middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// Serves until `shutdown`; then takes no new connection and lets requests that are running finish. The caller bounds
/// how long that may take.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
