//! Apps of the catalogue, and where they are installed.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::classify::GraphRefusal;
use super::super::error::CallError;
use crate::http::Answer;

/// An app of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TeamsApp {
    /// Its id in the catalogue: what is installed. Of an app of the Teams Store it is the manifest's id.
    pub id: Option<String>,
    /// The id in its manifest.
    pub external_id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// `store`, `organization`, `sideloaded`.
    pub distribution_method: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An app where it is installed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installation {
    /// Of the installation; opaque.
    pub id: Option<String>,
    /// The app.
    pub teams_app: Option<TeamsApp>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A chat.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Chat {
    /// `19:{app}_{person}@unq.gbl.spaces` for the chat of a person with an app.
    pub id: Option<String>,
    /// `oneOnOne`, `group`, `meeting`.
    pub chat_type: Option<String>,
    /// Its name.
    pub topic: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What an install came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// 201: installed now. The bot is told by an event.
    Installed,
    /// 409: it was there already, and no event comes.
    AlreadyThere,
}

/// A 409 is not a failure of an install (protocol section 8).
pub(crate) fn install(answered: Result<Answer, CallError>) -> Result<Install, CallError> {
    match answered {
        Ok(_) => Ok(Install::Installed),
        Err(CallError::Refused(error)) if error.refusal == GraphRefusal::AlreadyInstalled => {
            Ok(Install::AlreadyThere)
        }
        Err(error) => Err(error),
    }
}
