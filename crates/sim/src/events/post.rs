//! One post to a bot's endpoint.

use std::time::Duration;

use http::header;
use serde_json::Value;

use super::token;
use crate::{told, world::Shared};

const ANSWER_LIMIT: usize = 64 * 1024;

/// What the bot said.
#[derive(Clone, Debug, Default)]
pub(crate) struct BotAnswer {
    /// `None`: no connection, or no answer in time.
    pub(crate) status: Option<u16>,
    pub(crate) content_type: String,
    pub(crate) body: String,
    /// Why there is no answer, or only half of one.
    pub(crate) problem: Option<String>,
    pub(crate) took_ms: i64,
}

impl BotAnswer {
    /// Nobody knows it yet.
    pub(crate) fn later() -> Self {
        Self {
            status: None,
            content_type: String::new(),
            body: String::new(),
            problem: Some("it is sent when time is advanced".to_owned()),
            took_ms: 0,
        }
    }

    /// Whether it is not sent again.
    pub(crate) fn is_final(&self) -> bool {
        self.status.is_some_and(|status| status < 500)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// How a request is authorised.
pub(crate) enum Authorisation {
    /// A good token
    Signed,
    /// A token that was asked for
    Token(String),
    Nothing,
}

/// Posts one activity once. A bot without an endpoint gives no answer.
pub(crate) async fn post(
    shared: &Shared,
    app: u16,
    activity: &Value,
    attempt: u8,
    authorisation: Authorisation,
) -> BotAnswer {
    let (endpoint, token, timeout) = {
        let mut world = shared.world();
        let endpoint = world.bots[usize::from(app)].endpoint.clone();
        let token = match authorisation {
            Authorisation::Signed => Some(token(shared, &mut world, app)),
            Authorisation::Token(token) => Some(token),
            Authorisation::Nothing => None,
        };
        let settings = &world.settings;
        let timeout =
            if activity["type"] == "invoke" { settings.invoke_timeout_s } else { settings.event_timeout_s };
        (endpoint, token, timeout)
    };
    let Some(endpoint) = endpoint else {
        let problem = Some("the bot has no endpoint".to_owned());
        return BotAnswer { problem, ..BotAnswer::default() };
    };
    let started = shared.clock.real();
    let body = activity.to_string();
    let mut request = shared
        .http
        .post(endpoint)
        .timeout(Duration::from_secs_f64(timeout))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-ms-conversation-id", activity["conversation"]["id"].as_str().unwrap_or_default())
        .header("x-ms-tenant-id", activity["channelData"]["tenant"]["id"].as_str().unwrap_or_default())
        .body(body.clone());
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut answer = match request.send().await {
        Ok(response) => answer(response, timeout).await,
        Err(error) => BotAnswer { problem: Some(problem(&error, timeout)), ..BotAnswer::default() },
    };
    answer.took_ms = (shared.clock.real() - started) / 1000;
    let now = shared.clock.now();
    let mut world = shared.world();
    let world = &mut *world;
    world.events.attempted(answer.status);
    let post = told::Post {
        app_id: &world.bots[usize::from(app)].app_id,
        activity,
        body: &body,
        attempt,
        status: answer.status,
        answer: &answer.body,
        problem: answer.problem.as_deref(),
        took_ms: answer.took_ms,
    };
    world.told.push(now, &post);
    answer
}

fn problem(error: &reqwest::Error, timeout: f64) -> String {
    if error.is_timeout() {
        format!("no answer within {timeout} s")
    } else if error.is_connect() {
        "no connection to the bot's endpoint".to_owned()
    } else {
        "the connection closed before an answer was there".to_owned()
    }
}

async fn answer(mut response: reqwest::Response, timeout: f64) -> BotAnswer {
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut answer = BotAnswer {
        status: Some(response.status().as_u16()),
        content_type: content_type.to_owned(),
        ..BotAnswer::default()
    };
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_LIMIT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) if error.is_timeout() => {
                answer.problem = Some(format!("no whole answer within {timeout} s"));
                break;
            }
            Err(_) => {
                answer.problem = Some("the connection closed in the middle of the answer".to_owned());
                break;
            }
        }
    }
    bytes.truncate(ANSWER_LIMIT);
    answer.body = String::from_utf8_lossy(&bytes).into_owned();
    answer
}
