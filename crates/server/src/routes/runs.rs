//! What installs and surveys share: runs are messages of a purpose of their own, which say nothing (`docs/adr/0027`). Their ids
//! are ids of messages, `Idempotency-Key` is taken as for one, and `/v1/messages/{id}/pause`, `/resume`, `/confirm` and
//! `/cancel` are for runs too.

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use nuncio_api::List;
use nuncio_domain::own_words::Purpose;
use nuncio_domain::views::{MessageFilter, MessageView};
use nuncio_domain::{MessageId, MessageState, NewMessage};

use super::send::hand_in;
use crate::access::Access;
use crate::body;
use crate::problem::Refusal;
use crate::query::{Paging, Params};

const LARGEST: usize = 1024 * 1024;
const LARGEST_PAGE: i64 = 200;

/// A kind of run.
pub(super) struct Runs {
    pub(super) purpose: Purpose,
    /// What is called so in a path and a cursor, and what one of them is called.
    pub(super) name: &'static str,
    pub(super) one: &'static str,
    /// What [`MessageState::Sending`] is called of it.
    pub(super) under_way: &'static str,
}

impl Runs {
    pub(super) fn word(&self, state: MessageState) -> &'static str {
        if state == MessageState::Sending { self.under_way } else { state.as_str() }
    }

    /// Begins one. An idempotency key that was used for a message is not one for a run.
    pub(super) async fn begin(
        &self,
        access: &Access,
        request: Request<Body>,
        read: impl AsyncFnOnce(&[u8]) -> Result<NewMessage, Refusal>,
    ) -> Result<Response, Refusal> {
        let (Parts { headers, .. }, unread) = request.into_parts();
        let raw = body::read(&headers, unread, LARGEST).await?;
        hand_in(access, &headers, &[self.name.as_bytes(), &raw], async || read(&raw).await).await
    }

    pub(super) async fn list<T>(
        &self,
        access: &Access,
        params: Params,
        shown: impl Fn(MessageView) -> T,
    ) -> Result<List<T>, Refusal> {
        let params = params.only(&["state", "label", "cursor", "limit"])?;
        let words: Vec<&str> = MessageState::ALL.iter().map(|state| self.word(*state)).collect();
        let of_word = |text: &str| MessageState::ALL.iter().copied().find(|state| self.word(*state) == text);
        let filter = MessageFilter {
            purpose: Some(self.purpose),
            state: params.word("state", of_word, &words)?,
            label: params.owned("label"),
        };
        let paging = Paging::of(access, self.name, &params, LARGEST_PAGE)?;
        let page = access.ledger().messages(access.scope(), &filter, paging.after, paging.limit).await?;
        Ok(paging.list(page, shown))
    }

    pub(super) async fn find(&self, access: &Access, id: MessageId) -> Result<MessageView, Refusal> {
        let view = access.ledger().message(access.scope(), id).await?;
        view.filter(|view| view.purpose == self.purpose).ok_or_else(|| Refusal::not_found(self.one))
    }
}
