//! `GET /appCatalogs/teamsApps`, and the Teams app that each bot has (protocol section 8, step 1).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Ask, Context,
    envelope::Problem,
    filter::{Filter, Filterable},
    query::Options,
};
use crate::{
    answer::Answer,
    connector::guid,
    signing::sha256,
    world::{Bot, World},
};

/// Of every app's manifest.
pub(crate) const APP_VERSION: &str = "1.4.0";

/// Where an app can be got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// The organisation's catalogue, with an id of its own there.
    #[default]
    Organization,
    /// Teams' store, where the catalogue's id is that of the manifest.
    Store,
    /// Nowhere: uploaded by somebody, or removed from the catalogue.
    Absent,
}

pub(crate) struct CatalogApp {
    /// Of the manifest, which is not the bot's: `externalId`
    pub(crate) manifest_id: Uuid,
    /// In the organisation's catalogue
    own: Uuid,
    pub(crate) place: Place,
}

impl CatalogApp {
    pub(crate) fn new(app_id: &str, manifest_id: Option<&str>, place: Place) -> Result<Self, String> {
        let manifest_id = match manifest_id {
            Some(id) => guid(id).ok_or("manifest_id must be a GUID")?,
            None => made("manifest", app_id),
        };
        Ok(Self { manifest_id, own: made("catalog", app_id), place })
    }

    /// `teamsApp` by its id, as installs name it.
    pub(crate) fn id(&self) -> Uuid {
        if self.place == Place::Store { self.manifest_id } else { self.own }
    }
}

fn made(what: &str, app_id: &str) -> Uuid {
    let hash = sha256(&[what.as_bytes(), app_id.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

const FILTERABLE: [&str; 4] = ["id", "externalId", "displayName", "distributionMethod"];
const TAKEN: [&str; 4] = ["$filter", "$select", "$expand", "$top"];
const KNOWN: [&str; 4] = ["id", "externalId", "displayName", "distributionMethod"];

pub(super) fn list(world: &World, context: &Context, ask: &Ask) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(&KNOWN, "teamsApp")?;
    if let Some(unknown) = options.expand.iter().find(|name| !name.eq_ignore_ascii_case("appDefinitions")) {
        let text = format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{}' on type 'microsoft.graph.teamsApp'.",
            super::envelope::printable(unknown)
        );
        return Err(Problem::bad(text));
    }
    let may = Filterable { kind: "teamsApp", properties: &FILTERABLE, advanced: true };
    let filter = options.filter.as_deref().map(|text| Filter::read(text, may)).transpose()?;
    let expanded = !options.expand.is_empty();
    let there = world.bots.iter().filter(|bot| !bot.deleted && bot.catalog.place != Place::Absent);
    let items: Vec<Value> = there
        .map(|bot| (bot, show(bot)))
        .filter(|(_, shown)| filter.as_ref().is_none_or(|filter| filter.matches(&|name| shown[name].clone())))
        .map(|(bot, mut shown)| {
            options.keep_selected(&mut shown);
            if expanded {
                shown["appDefinitions"] = json!([definition(bot)]);
            }
            shown
        })
        .take(options.top.unwrap_or(usize::MAX))
        .collect();
    let body = json!({
        "@odata.context": format!("{}/$metadata#appCatalogs/teamsApps{}", context.base, options.selection()),
        "@odata.count": items.len(), "value": items,
    });
    Ok(Answer::ok(200, body))
}

pub(super) fn show(bot: &Bot) -> Value {
    let (external, how) = match bot.catalog.place {
        Place::Organization => (json!(bot.catalog.manifest_id), "organization"),
        Place::Store => (Value::Null, "store"),
        Place::Absent => (json!(bot.catalog.manifest_id), "sideloaded"),
    };
    json!({
        "id": bot.catalog.id(), "externalId": external, "displayName": bot.name, "distributionMethod": how,
    })
}

pub(super) fn definition(bot: &Bot) -> Value {
    json!({
        "teamsAppId": bot.catalog.id(), "displayName": bot.name, "version": APP_VERSION,
        "publishingState": "published", "azureADAppId": bot.app_id,
    })
}
