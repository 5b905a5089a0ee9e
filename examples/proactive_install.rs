//! Reaching somebody who does not have the app: look, install it, get the chat, send.
//!
//! Microsoft's sample "Proactive installation", and the page "Proactive installation of apps using Graph API". It needs
//! consent to `AppCatalog.Read.All`, `TeamsAppInstallation.ReadWriteSelfForUser.All` and `User.Read.All`, and is not
//! possible in China. Run it: `cargo run -p nuncio-examples --example proactive_install`

use nuncio_examples::{Outcome, Stage, text};
use nuncio_teams::graph::{AppIs, Install, Installation, Scope};
use serde_json::json;

#[tokio::main]
async fn main() -> Outcome {
    // In the simulator: a few people, half of whom never had the app.
    let stage = Stage::set(&json!({"people": 6, "teams": 1, "states": {"never_installed": 0.5}})).await?;
    let (bot, graph) = (&stage.bot, &stage.bot.graph);
    let person = stage.person("never_installed").await?;

    // 1. Who is it? Graph takes an object id or a sign-in name, and gives only the fields that are asked for.
    let user = graph.user(&person, &["id", "displayName"]).await?;
    let id = user.id.ok_or("Graph names no id")?;
    let name = user.display_name.unwrap_or_else(|| id.clone());

    // 2. The app has three ids: the bot's, the manifest's, and the one in the tenant's catalogue. Installing takes the
    //    last one, which the catalogue gives for the manifest's.
    let manifest = stage.manifest_id().await?;
    let app = graph.catalogue(AppIs::ExternalId(&manifest)).await?.into_iter().next();
    let app = app.and_then(|app| app.id).ok_or("the app is not in this tenant's catalogue")?;

    // 3. Has this person the app? An empty list is a "no"; an error is no answer at all.
    let scope = Scope::User(&id);
    let find = async || -> Outcome<Option<Installation>> {
        Ok(graph.installed_apps(scope, Some(AppIs::CatalogueId(&app))).await?.into_iter().next())
    };
    let mut found = find().await?;
    if found.is_some() {
        println!("{name} has the app already");
    } else {
        // 4. Install it. Who got it meanwhile is answered 409, which is as good. The bot is told by an event, with a
        //    conversation reference in it: one with an endpoint could wait for that instead of asking on.
        match graph.install(scope, &app, &[]).await? {
            Install::Installed => println!("Installed the app for {name}"),
            Install::AlreadyThere => println!("{name} got the app this moment"),
        }
        found = find().await?;
    }
    let installation = found.ok_or("the app was installed and is not there")?;

    // 5. The chat that the app and this person have now.
    let chat = graph.installation_chat(&id, &installation.id.unwrap_or_default()).await?;
    let chat = chat.id.ok_or("Graph names no chat")?;
    println!("Their chat is {chat}");

    // 6. From here on it is the Connector's, as for everybody who has the app.
    let hello = text("Hello! Your organisation has set this up: news will come to you here.");
    bot.connector.send(&bot.service_url, &chat, &hello).await?;
    println!("Sent {name} the first word");
    Ok(())
}
