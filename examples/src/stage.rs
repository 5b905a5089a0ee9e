//! Where an example plays: Microsoft, if the environment names a bot, or a simulator. It also says whom the example is
//! about: against Microsoft the environment has to, in the simulator anybody will do.

use nuncio_teams::cloud::Endpoints;
use serde_json::{Value, json};

use crate::simulator::{APP_ID, SECRET, Simulator};
use crate::{Bot, Outcome, env};

/// A bot, and where it is.
pub struct Stage {
    pub bot: Bot,
    /// `None`: it is Microsoft.
    pub simulator: Option<Simulator>,
}

impl Stage {
    /// Microsoft with `CLIENT_ID`, a running simulator with `SIMULATOR_URL`, else a simulator of our own with the people
    /// and teams of `organisation`.
    pub async fn set(organisation: &Value) -> Outcome<Self> {
        if let Some(bot) = Bot::of_env()? {
            println!("Microsoft, through {}", bot.service_url);
            return Ok(Self { bot, simulator: None });
        }
        let simulator = match env("SIMULATOR_URL") {
            Some(base) => Simulator::running(&base)?,
            None => Simulator::start(organisation).await?,
        };
        println!("Simulator: {}/sim shows every chat", simulator.base);
        simulator.register(None).await?;
        let info = simulator.get("info").await?;
        let tenant = info["tenant_id"].as_str().ok_or("the simulator names no tenant")?;
        let bot = Bot::new(&Endpoints::simulator(&simulator.base), APP_ID, SECRET, tenant, None)?;
        Ok(Self { bot, simulator: Some(simulator) })
    }

    /// A team that has the app, by the id that Teams gives it (`19:…@thread.tacv2`).
    pub async fn team(&self) -> Outcome<String> {
        let Some(simulator) = &self.simulator else { return needed("TEAM_ID") };
        let teams = simulator.get("teams?limit=1").await?;
        let (id, group) = (teams["items"][0]["id"].as_str(), teams["items"][0]["aadGroupId"].as_str());
        let (id, group) = id.zip(group).ok_or("the simulator has no team")?;
        simulator.post(&format!("teams/{group}/install"), &json!({})).await?;
        Ok(id.to_owned())
    }

    /// Somebody, by Entra object id or sign-in name; in the simulator one in this state.
    pub async fn person(&self, state: &str) -> Outcome<String> {
        match &self.simulator {
            Some(simulator) => simulator.person_in(state).await,
            None => needed("PERSON"),
        }
    }

    /// The id in the manifest of our Teams app (not the bot's).
    pub async fn manifest_id(&self) -> Outcome<String> {
        let Some(simulator) = &self.simulator else { return needed("TEAMS_APP_ID") };
        let bots = simulator.get("bots").await?;
        let ours = bots["items"].as_array().into_iter().flatten().find(|bot| bot["app_id"] == APP_ID);
        let id = ours.and_then(|bot| bot["manifest_id"].as_str());
        Ok(id.ok_or("the simulator does not know our bot")?.to_owned())
    }
}

/// What the environment has to say.
fn needed(name: &str) -> Outcome<String> {
    env(name).ok_or_else(|| format!("set {name}: examples/README.md says to what").into())
}
