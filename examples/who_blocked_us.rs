//! Who cannot be reached, and why: blocked the app, removed it, never had it.
//!
//! Microsoft tells nobody that somebody blocked a bot; it comes out as the refusal of a message, and only the code of
//! that refusal says which it is. So somebody has to send, keep every answer and put them together: a Nuncio server does.
//! Run it: `cargo run -p nuncio-examples --example who_blocked_us`

use nuncio_api::{Audience, ContentRequest, NewMessage};
use nuncio_client::{Client, PageOf, PeopleFilter};
use nuncio_examples::server::Server;
use nuncio_examples::simulator::Simulator;
use nuncio_examples::{Outcome, a_moment, env};
use serde_json::json;

#[tokio::main]
async fn main() -> Outcome {
    // A server of one's own (NUNCIO_URL, NUNCIO_KEY) is only asked, never told to send.
    if let Some(server) = Server::of_env()? {
        return report(&server.client).await;
    }
    let states = json!({"blocked": 0.1, "uninstalled": 0.15, "never_installed": 0.1});
    let simulator = match env("SIMULATOR_URL") {
        Some(base) => Simulator::running(&base)?,
        None => Simulator::start(&json!({"people": 20, "teams": 1, "states": states})).await?,
    };
    println!("Simulator: {}/sim shows every chat", simulator.base);
    let server = Server::start(&simulator, "").await?;
    rehearse(&simulator, &server).await?;
    report(&server.client).await
}

/// People install the app, some remove or block it, and a message goes to everybody.
async fn rehearse(simulator: &Simulator, server: &Server) -> Outcome {
    // 1. Teams tells the bot of each install; the server keeps the conversation references.
    simulator.register(Some(&format!("{}/api/messages", server.url))).await?;
    simulator.post("policy-install", &json!({"seconds": 0})).await?;
    simulator.all_told().await?;

    // 2. One message to everyone in the directory, also to those who never had the app. Graph tells who that is.
    let audience = Audience { everyone: true, ..Audience::default() };
    let content =
        ContentRequest { text: Some("The canteen opens at eight".to_owned()), ..ContentRequest::default() };
    let message = NewMessage { audience, content, ..NewMessage::default() };
    let id = server.client.send(&message, None).await?.id;
    loop {
        let message = server.client.message(&id).await?;
        if message.is_final() {
            let counts = message.counts;
            println!(
                "A message to {}: {} have it, {} refused it",
                counts.audience, counts.delivered, counts.failed
            );
            return Ok(());
        }
        a_moment().await;
    }
}

/// What the server knows by now. The same is `nuncio reachability` and `nuncio people --state blocked`.
async fn report(client: &Client) -> Outcome {
    let known = client.reachability(&PeopleFilter::default()).await?;
    println!(
        "\n{} people are known, {} can be reached",
        known.total,
        known.states.get("reachable").unwrap_or(&0)
    );
    for (state, count) in known.states.iter().filter(|(state, count)| *state != "reachable" && **count > 0) {
        println!("\n{state}: {count}");
        let filter = PeopleFilter {
            kind: Some("person".to_owned()),
            state: Some(state.clone()),
            ..PeopleFilter::default()
        };
        let mut cursor = None;
        loop {
            let page = PageOf { cursor: cursor.as_deref(), limit: Some(100) };
            let page = client.people(&filter, page).await?;
            for person in page.items {
                let name = person.name.as_deref().unwrap_or("(name not known)");
                let since = person.since.as_deref().unwrap_or("unknown");
                let evidence =
                    person.evidence.as_ref().map_or("nothing said so yet", |evidence| evidence.text.as_str());
                println!("  {}  {name}, since {since}: {evidence}", person.id);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    // Teams delivers to who muted the chat, and tells nobody.
    println!("\nmuted: {}", known.muted);
    Ok(())
}
