//! `GET /healthz`: the process is up. `GET /readyz`: it can work, so traffic may come.

use axum::extract::State;

use crate::problem::Refusal;
use crate::state::App;

pub(crate) async fn alive() -> &'static str {
    "up\n"
}

pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Refusal> {
    app.ready().await?;
    Ok("ready\n")
}
