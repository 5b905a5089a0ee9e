//! What goes over the wire between Nuncio and its callers: requests, answers and problem codes. The server and the
//! client share these types; `docs/product.md`, HTTP, is the contract that they write down.
//!
//! | module | what |
//! | --- | --- |
//! | [`request`] | what a caller may ask for |
//! | [`after`] | settling and trying again |
//! | [`message`] | messages and their ledger |
//! | [`delivery`] | deliveries, attempts and the columns of the report |
//! | [`lists`] | uploaded lists of people |
//! | [`directory`] | the synchronised copies of directories |
//! | [`lanes`] | one app in one tenant, with its pace |
//! | [`opt_outs`] | who wants no messages |
//! | [`people`] | recipients and whether they can be reached |
//! | [`places`] | conversations and teams |
//! | [`installs`] | having the app installed |
//! | [`keys`] | API keys |
//! | [`surveys`] | asking who has the app |
//! | [`preview`] | what a message would come to |
//! | [`problems`] | everything that can be refused, with what to do about it |
//!
//! Requests are strict: a field that is not here is refused (`unknown_field`). Answers are read leniently, so that an
//! older client goes on working with a newer server: states and reasons are plain words, fields may be added.
//!
//! # How to add things
//!
//! * **A field of a request**: here, with what it means; its check in `crates/server/src/validate/`; if it is not
//!   built yet, its line among the refused ones there and in `docs/adr/0012`.
//! * **A field of an answer**: here, and in the conversion in `crates/server/src/views.rs`.
//! * **A refusal**: a line of the table in [`problems`]. Codes are never renamed.

#![warn(missing_docs)]

pub mod after;
pub mod delivery;
pub mod directory;
pub mod install_preview;
pub mod installs;
pub mod keys;
pub mod lanes;
pub mod lists;
pub mod message;
pub mod opt_outs;
pub mod people;
pub mod places;
pub mod preview;
pub mod problems;
pub mod request;
pub mod surveys;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

pub use after::{Retry, Settle, Settled};
pub use delivery::{Attempt, Delivery, DeliveryWithAttempts, REPORT_COLUMNS, Word};
pub use directory::{DirectoryCopy, DirectoryLoss, DirectoryRound};
pub use install_preview::{InstallCalls, InstallPreview};
pub use installs::{Install, InstallCounts, NewInstall};
pub use keys::{CreatedKey, Key, NewKey};
pub use lanes::{Lane, LaneCredential};
pub use lists::{LIST_CSV, LIST_NDJSON, UnresolvedName, UploadedList};
pub use message::{Accepted, Counts, Message};
pub use opt_outs::{NewOptOuts, OptOut, OptOutsNoted};
pub use people::{
    Change, Changes, Evidence, MUTED, Past, Person, PersonWithHistory, REACHABILITY_COLUMNS, Reachability,
    Seen, Standing,
};
pub use places::{Conversation, ConversationWithHistory, PersonName, Team, TeamChannel, TeamName};
pub use preview::Preview;
pub use problems::{Code, Problem, ProblemItem};
pub use request::{Audience, ContentRequest, Exclude, NewMessage};
pub use surveys::{NewSurvey, Survey, SurveyCounts};

/// The header that makes a repeated `POST` the same request.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that names one request in our logs; sent back with every answer.
pub const REQUEST_ID: &str = "x-request-id";
/// How API keys begin, so that scanners and people recognise one.
pub const SECRET_PREFIX: &str = "nnc_";

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Given as `cursor`, with the same filter, it leads to the next page; `null` at the end.
    pub next: Option<String>,
}

/// serde's way to leave out what asks for nothing.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Takes a JSON object only. What serde derives takes an array of a struct's fields in their order as well, so that
/// `"content": ["x"]` would be a text.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}
