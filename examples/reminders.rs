//! A bot that is asked for reminders, forgets everything at once, and still reminds.
//!
//! Microsoft's page says: keep the conversation reference of an incoming activity, and use it later. Where to keep it,
//! and what happens to "later" when the process ends meanwhile, is left to the reader. Here the bot keeps nothing: it
//! hands each activity on to a Nuncio server, which checks it and keeps the reference, and asks that server for a message
//! at a later time. Bot and server may be killed at any moment; each reminder comes, and comes once.
//!
//! Run it: `cargo run -p nuncio-examples --example reminders`

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::post;
use jiff::Timestamp;
use nuncio_api::{Audience, ContentRequest, Message, NewMessage};
use nuncio_client::{Client, MessageFilter, PageOf};
use nuncio_examples::server::Server;
use nuncio_examples::simulator::Simulator;
use nuncio_examples::{Outcome, a_moment, env};
use nuncio_teams::http::{ContentType, HttpClient, Request};
use nuncio_teams::schema::Activity;
use serde_json::json;
use tokio::net::TcpListener;

/// All that the bot has; nothing of it changes while it runs.
struct Bot {
    nuncio: Client,
    nuncio_url: String,
    http: HttpClient,
}

#[tokio::main]
async fn main() -> Outcome {
    // With NUNCIO_URL and NUNCIO_KEY it is just the bot, on PORT (Azure's messaging endpoint is where that is seen from
    // outside, https://…/api/messages). Without, it is a rehearsal with a simulator and a server of its own.
    if let Some(server) = Server::of_env()? {
        let (address, serving) = listen(&server).await?;
        println!("Reminders are taken, listening on {address}");
        serving.await?;
        return Ok(());
    }
    let simulator = Simulator::start(&json!({"people": 3, "teams": 1})).await?;
    println!("Simulator: {}/sim shows every chat", simulator.base);
    // What people write is the bot's business: the server answers nothing by itself.
    let server = Server::start(&simulator, "[app.main.replies]\nother = \"off\"").await?;
    let (address, serving) = listen(&server).await?;
    simulator.register(Some(&format!("{address}/api/messages"))).await?;

    let person = simulator.person_in("installed").await?;
    let words = "remind me in 2 s to call Ines";
    let said = simulator.post(&format!("people/{person}/says"), &json!({"text": words})).await?;
    println!("Somebody writes “{words}”, and Teams gets {} for it", said["status"]);

    serving.abort();
    let server = server.kill_and_start_again().await?;
    println!("The bot is gone; the server was killed where it stood, and started again");

    let reminders = MessageFilter { label: Some("reminder".to_owned()), ..MessageFilter::default() };
    while !server.client.messages(&reminders, PageOf::default()).await?.items.iter().all(Message::is_final) {
        a_moment().await;
    }
    for text in simulator.said_by_bot(&person).await? {
        println!("The bot has said “{text}”");
    }
    Ok(())
}

/// Serves the bot's endpoint; its address.
async fn listen(server: &Server) -> Outcome<(String, tokio::task::JoinHandle<()>)> {
    let bot = Bot {
        nuncio: server.client.clone(),
        nuncio_url: server.url.trim_end_matches('/').to_owned(),
        http: HttpClient::builder().build()?,
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{}", env("PORT").as_deref().unwrap_or("0"))).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/api/messages", post(receive)).with_state(Arc::new(bot));
    let serving = tokio::spawn(async move {
        // It only ends with the process.
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, serving))
}

/// An activity from Teams. Only what is answered 200 is done with: whatever else, Teams sends it again.
async fn receive(State(bot): State<Arc<Bot>>, headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    // 1. The server looks at the token: who posts here may be anybody. After its 200 the reference is kept.
    let request = Request::new(Method::POST, format!("{}/api/messages", bot.nuncio_url))
        .with_body(ContentType::Json, body.clone());
    let answer = match bot.http.send(&request, headers.get(AUTHORIZATION).cloned()).await {
        Ok(answer) => answer,
        Err(error) => return later(&error),
    };
    if answer.status != StatusCode::OK {
        return (answer.status, answer.body);
    }
    // 2. It is from Teams. Is it for us?
    let asked = serde_json::from_slice::<Activity>(&body).ok().and_then(|activity| Reminder::of(&activity));
    let Some(reminder) = asked else { return (answer.status, answer.body) };
    // 3. Hand it in. The key is the activity's id: should Teams send it again, because the 200 got lost, nothing more
    //    comes of it.
    match bot.nuncio.send(&reminder.message(), Some(&reminder.key)).await {
        Ok(_) => (answer.status, answer.body),
        Err(error) => later(&error),
    }
}

fn later(error: &dyn std::fmt::Display) -> (StatusCode, Bytes) {
    println!("Teams has to send it again: {error}");
    (StatusCode::SERVICE_UNAVAILABLE, Bytes::new())
}

/// `remind me in 10 min to call Ines`
struct Reminder {
    key: String,
    person: String,
    at: Timestamp,
    text: String,
}

impl Reminder {
    fn of(activity: &Activity) -> Option<Self> {
        let text = activity.text_to_bot();
        let (after, what) = text.strip_prefix("remind me in ")?.split_once(" to ")?;
        let (number, unit) = after.split_once(' ')?;
        let seconds = number.parse::<u64>().ok()?.checked_mul(match unit {
            "s" => 1,
            "min" => 60,
            "h" => 3600,
            _ => return None,
        })?;
        let written: Timestamp = activity.timestamp.as_deref()?.parse().ok()?;
        Some(Self {
            key: format!("reminder-{}", activity.id.as_deref()?),
            // Everywhere in the organisation and for every bot the same person.
            person: activity.from.as_ref()?.object_id()?.to_owned(),
            // Counted from when they wrote, so that it is the same request when Teams sends the activity again.
            at: written.checked_add(Duration::from_secs(seconds)).ok()?,
            text: what.to_owned(),
        })
    }

    fn message(&self) -> NewMessage {
        NewMessage {
            audience: Audience { users: vec![self.person.clone()], ..Audience::default() },
            content: ContentRequest {
                text: Some(format!("Reminder: {}", self.text)),
                ..ContentRequest::default()
            },
            label: Some("reminder".to_owned()),
            send_at: Some(self.at.to_string()),
            ..NewMessage::default()
        }
    }
}
