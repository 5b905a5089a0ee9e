//! `GET /docs/problems/{code}`: what a problem code means and what to do, as plain text; and the answers for paths
//! and methods that do not exist.

use axum::extract::Path;
use nuncio_api::Code;

use crate::problem::Refusal;

pub(crate) async fn problem(Path(code): Path<String>) -> Result<String, Refusal> {
    Code::of_word(&code).map(Code::page).ok_or_else(|| Refusal::not_found("problem code"))
}

pub(crate) async fn nothing_here() -> Refusal {
    Refusal::new(Code::NotFound, "there is nothing at this path")
}

pub(crate) async fn other_method() -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "this path does not take this method")
}
