//! The typed client of the HTTP API, used by the command line and by tests.
//!
//! ```no_run
//! # async fn demo() -> Result<(), nuncio_client::ClientError> {
//! use nuncio_api::{Audience, ContentRequest, NewMessage};
//!
//! let client = nuncio_client::Client::new("http://127.0.0.1:3978", "nnc_…")?;
//! let message = NewMessage {
//!     audience: Audience { installed: true, ..Audience::default() },
//!     content: ContentRequest { text: Some("Deploy finished".into()), ..ContentRequest::default() },
//!     ..NewMessage::default()
//! };
//! let accepted = client.send(&message, Some("deploy-4711")).await?;
//! println!("{}", client.message(&accepted.id).await?.state);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing in here repeats a request by itself: whoever wants to, sends the same body with the same idempotency key.
//! Lists come as pages; [`List::next`](nuncio_api::List) is the cursor of the next one.
//!
//! # How to add an operation
//!
//! A method in `operations.rs`, or in a file of its own beside it, that builds the request and calls [`Client`]'s `json`. Types are those of `nuncio-api`.

#![warn(missing_docs)]

mod error;
mod installs;
mod lists;
mod operations;
mod surveys;
mod transport;

pub use error::ClientError;
pub use lists::{ListFormat, ListOf};
pub use operations::{
    ConversationFilter, DeliveryFilter, MessageControl, MessageFilter, PageOf, PeopleFilter, TeamFilter,
};
pub use transport::Client;
