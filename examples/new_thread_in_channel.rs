//! A new thread in a channel, and a reply in it.
//!
//! Microsoft's sample "Teams start new thread in channel". Run it:
//! `cargo run -p nuncio-examples --example new_thread_in_channel`

use nuncio_examples::{Outcome, Stage, env, text};
use nuncio_teams::connector::CreateThread;
use serde_json::json;

#[tokio::main]
async fn main() -> Outcome {
    let stage = Stage::set(&json!({"people": 4, "teams": 1})).await?;
    let bot = &stage.bot;
    // The app has to be in the team. That is how the bot comes to know the team's id, too: by the install event.
    let team = stage.team().await?;

    // 1. Which channels are there? The team's own id means General, which has no name.
    let channels = bot.connector.team_channels(&bot.service_url, &team).await?;
    for channel in &channels {
        println!("Channel {}", channel.name.as_deref().unwrap_or("General"));
    }
    let wanted = env("CHANNEL");
    let channel = match &wanted {
        Some(name) => channels.iter().find(|channel| channel.name.as_ref() == Some(name)),
        None => channels.last(),
    };
    let channel = channel.and_then(|channel| channel.id.clone()).ok_or("there is no such channel")?;

    // 2. A thread begins with its first message: creating it without one is refused. Unlike creating a chat with a
    //    person this is not safe to repeat, since every success is another thread.
    let create = CreateThread {
        bot_id: bot.app_id.clone(),
        channel_id: channel,
        team_id: None,
        tenant_id: bot.tenant_id.clone(),
        activity: text("**Incident 4711**: the door of hall 3 does not open"),
    };
    let begun = bot.connector.create_thread(&bot.service_url, &create).await?;
    // `19:…@thread.tacv2;messageid=…`: the channel, and the message that the thread hangs from.
    let thread = begun.id.ok_or("Microsoft began the thread but named no id")?;
    println!("Began the thread {thread}");

    // 3. What is sent to that id is a reply in the thread. (To the channel's bare id it would begin another one.)
    bot.connector.send(&bot.service_url, &thread, &text("Incident 4711 is over")).await?;
    println!("Replied in it");
    Ok(())
}
