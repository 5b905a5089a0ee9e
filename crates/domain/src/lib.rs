//! Nuncio's words and rules, without I/O.
//!
//! Everything that decides lives here: what a delivery may become ([`delivery`]), what an answer came to
//! ([`outcome`]), how fast a lane may speak ([`lane::pace`]) and what it does next ([`lane::core`]). The ports in
//! [`ports`] are what the rest of the program provides. Rules come from `docs/delivery.md`, shapes from
//! `docs/engine.md`; comments name the section where a rule could surprise.

pub mod batch;
pub mod delivery;
pub mod directory;
pub mod directory_copy;
pub mod ids;
pub mod install;
pub mod lane;
pub mod lists;
pub mod message;
pub mod outcome;
pub mod own_words;
pub mod people;
pub mod places;
pub mod ports;
pub mod preview;
pub mod reach;
pub mod scope;
pub mod skip;
pub mod time;
pub mod views;

pub use batch::{Batch, Committed, Key};
pub use delivery::{Counts, DeliveryState, FailReason, SkipReason};
pub use ids::{AudienceId, DeliveryId, KeyId, LaneId, MessageId};
pub use install::InstallPolicy;
pub use message::{Class, Content, Control, MessageState, NewMessage, OnAmbiguous, Source};
pub use outcome::{Answer, LaneCause, Outcome};
pub use people::{ReachState, RecipientKind};
pub use reach::{How, ReachEvidence};
pub use scope::{Role, Scope};
pub use time::{Clock, Time};
