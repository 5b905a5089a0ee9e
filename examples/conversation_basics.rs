//! Conversation basics: a word to every member of a team one to one, a mention, a card that changes and goes.
//!
//! Microsoft's sample of the same name does this when somebody writes a command; here the bot begins by itself, which is
//! what "proactive" means. Run it: `cargo run -p nuncio-examples --example conversation_basics`

use nuncio_examples::{Bot, Outcome, Stage, text};
use nuncio_teams::connector::{CallError, CreatePersonal};
use nuncio_teams::schema::{ChannelAccount, Mention, MessageContent, OutboundActivity};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Outcome {
    // In the simulator: ten people in one team, one of whom has blocked the app.
    let stage = Stage::set(&json!({"people": 10, "teams": 1, "states": {"blocked": 0.1}})).await?;
    let bot = &stage.bot;
    let team = stage.team().await?;

    // 1. The roster of a team comes in pages, each with a token for the next one.
    let mut members: Vec<ChannelAccount> = Vec::new();
    let mut pages = bot.connector.all_members(&bot.service_url, &team, 100);
    while let Some(page) = pages.next().await {
        members.extend(page?);
    }
    println!("The team has {} members", members.len());

    // 2. A word to each of them, one to one. That somebody cannot be reached is nothing unusual and stops nothing.
    let mut reached = Vec::new();
    for member in &members {
        let name = member.name.as_deref().unwrap_or("somebody");
        match greet(bot, member).await {
            Ok(chat) => {
                println!("  {name}: said hello");
                reached.push((member, chat));
            }
            Err(CallError::Refused(refused)) => println!("  {name}: not reached, {refused}"),
            // No token, no network: that concerns everybody.
            Err(error) => return Err(error.into()),
        }
    }
    let (somebody, chat) = reached.first().ok_or("nobody was reached")?;

    // 3. A mention is a mark in the text and an entity that says who is meant by it.
    let mention = Mention::of(somebody).ok_or("the roster names them without a name")?;
    let hello = MessageContent::text(&format!("{mention}, you are on call tonight"), None);
    let hello = OutboundActivity::new(hello.with_mentions(&[mention]));
    bot.connector.send(&bot.service_url, &team, &hello).await?;
    println!("Mentioned {} in the team's General channel", somebody.name.as_deref().unwrap_or("somebody"));

    // 4. The id in the answer to a message is the handle to it: keep it, or it can never be changed.
    let sent = bot.connector.send(&bot.service_url, chat, &card("Deploy running …")).await?;
    let id = sent.id.ok_or("Microsoft took the card but named no id")?;
    println!("Sent a card");
    // The whole card anew: an update replaces the message.
    bot.connector.update(&bot.service_url, chat, &id, &card("Deploy finished")).await?;
    println!("Updated it");
    let other = bot.connector.send(&bot.service_url, chat, &card("Sent by mistake")).await?;
    let other = other.id.ok_or("Microsoft took the card but named no id")?;
    bot.connector.delete(&bot.service_url, chat, &other).await?;
    println!("Sent another one, and deleted it");
    Ok(())
}

/// Opens the chat with somebody and says a word; the chat's id.
async fn greet(bot: &Bot, member: &ChannelAccount) -> Result<String, CallError> {
    let create = CreatePersonal {
        bot_id: bot.app_id.clone(),
        bot_name: None,
        // The `29:…` id is this bot's own name for them, and of no use to another bot.
        member_id: member.id.clone().unwrap_or_default(),
        tenant_id: bot.tenant_id.clone(),
    };
    // The same chat each time, so this is safe to repeat. It says nothing yet.
    let chat = bot.connector.create_personal(&bot.service_url, &create).await?;
    let chat = chat.id.unwrap_or_default();
    let name = member.extra_str("givenName").or(member.name.as_deref()).unwrap_or("there");
    bot.connector.send(&bot.service_url, &chat, &text(&format!("Hello {name}!"))).await?;
    Ok(chat)
}

fn card(state: &str) -> OutboundActivity {
    let card: Value = json!({
        "type": "AdaptiveCard", "version": "1.4",
        "body": [{"type": "TextBlock", "text": state, "weight": "bolder", "wrap": true}],
    });
    // The summary is what the toast says; without one it says "Card".
    OutboundActivity::new(MessageContent::card(&card, Some(state)))
}
