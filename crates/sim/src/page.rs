//! The page at `/sim`: files that are part of the binary. What it shows it reads over `/sim/…` like anyone else, so
//! these files tell nothing of the simulation and are served without the control key.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, StatusCode, header};

use crate::world::Shared;

/// Nothing from elsewhere, no script or style inside the document, no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! own {
    ($name:literal) => {
        include_str!(concat!("../page/", $name))
    };
}

macro_rules! built {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// (under `/sim/page/`, media type, content)
const FILES: &[(&str, &str, &str)] = &[
    ("page.css", STYLE, own!("page.css")),
    ("cards.css", STYLE, own!("cards.css")),
    ("main.js", SCRIPT, own!("main.js")),
    ("api.js", SCRIPT, own!("api.js")),
    ("dom.js", SCRIPT, own!("dom.js")),
    ("sidebar.js", SCRIPT, own!("sidebar.js")),
    ("chat.js", SCRIPT, own!("chat.js")),
    ("message.js", SCRIPT, own!("message.js")),
    ("cards.js", SCRIPT, own!("cards.js")),
    ("inspector.js", SCRIPT, own!("inspector.js")),
    ("lib/adaptivecards.js", SCRIPT, built!("adaptivecards.js")),
    ("lib/markdown-it.mjs", SCRIPT, built!("markdown-it.mjs")),
    ("lib/licences.txt", TEXT, built!("licences.txt")),
];

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim", get(async || answer("text/html; charset=utf-8", own!("index.html"))))
        .route("/sim/page/{*file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(path, _, _)| *path == name) {
        Some((_, kind, content)) => answer(kind, content),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(kind: &'static str, content: &'static str) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The next version of the simulator brings other files under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    ([(header::CONTENT_TYPE, kind)], HEADERS, content).into_response()
}
