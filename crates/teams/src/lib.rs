//! Microsoft Teams as a bot meets it: its nouns and its calls, with no meaning of ours in them.
//!
//! | module | what |
//! | --- | --- |
//! | [`cloud`] | Microsoft's clouds, their endpoints, and which hosts may ever be given a token |
//! | [`schema`] | activities as they come in and as they go out |
//! | [`http`] | the one HTTP client; tells *never sent* from *maybe sent* |
//! | [`token`] | where the bot's access tokens come from |
//! | [`connector`] | the calls to the Connector |
//! | [`graph`] | the calls to Microsoft Graph: the directory, teams, installed apps; how fast, and what its refusals are called |
//! | [`classify`] | a refusal of the Connector: its status and body, to the name that Microsoft gives it |
//! | [`inbound`] | who may post to the bot endpoint |
//! | [`clock`] | what time it is, as a parameter |
//!
//! "Protocol section N" in these documents is a section of `docs/protocol.md`, which names Microsoft's own sources.
//!
//! # How to add things
//!
//! * **A refusal that Microsoft answers**: a file in `fixtures/microsoft/refusals/`, a variant of
//!   [`classify::Refusal`], its code in the table of `classify.rs`, a line in that file's test.
//! * **A call of the Connector**: a pure function in `connector/request.rs`, what it answers in `connector/reply.rs`, a
//!   method of [`connector::Connector`] in `connector/calls.rs`, its test in `tests/it/connector_calls.rs`, and its line in
//!   `tests/it/clouds.rs`.
//! * **A call of Graph**: a pure function in `graph/request/`, its kind in `graph/operation.rs` (the compiler then asks for
//!   its limit in `graph/budget.rs` and its roles in `graph/classify.rs`), a method of [`graph::Graph`] in
//!   `graph/calls.rs`, a file `fixtures/microsoft/graph_reply_….json` with its test in `tests/it/graph_….rs`, and its line
//!   in `tests/it/clouds.rs`.
//! * **A refusal of Graph**: such a file, and its line in `graph/classify/tests.rs`.
//! * **An activity**: its variant in `schema/kind.rs` (an invoke's in `schema/invoke.rs`), a fixture in
//!   `fixtures/microsoft/activities`, its line in `tests/it/kinds.rs`.
//! * **A field of an activity**: the field in `schema.rs`; until then it is kept in `extra`, nothing is lost.
//! * **Another credential** that Entra's token endpoint takes: a variant of [`token::Credential`] and its proof in
//!   `token/credential.rs`. Another place that tokens come from: another [`token::Grantor`] beside `token/entra.rs` and
//!   `token/managed_identity.rs`.

#![warn(missing_docs)]

pub mod classify;
pub mod clock;
pub mod cloud;
pub mod connector;
pub mod graph;
pub mod http;
pub mod inbound;
pub mod retry_after;
pub mod schema;
pub mod token;

mod text;
