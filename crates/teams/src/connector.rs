//! The calls to the Connector (protocol section 5).

mod calls;
mod reply;
pub mod request;

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Clock;
use crate::cloud::ServiceUrl;
use crate::http::{Answer, CallFailure, HttpClient, Request};
use crate::schema::{ChannelAccount, OutboundActivity};
use crate::token::TokenSource;

pub use calls::MemberPages;
pub use reply::{
    BatchState, CallError, FailedEntries, FailedEntry, MeetingDetails, MeetingInfo, MeetingParticipant,
    MembersPage, Pages, Refused, Reply, TeamDetails, Unnotified,
};
pub use request::{CreatePersonal, CreateThread};

/// The Connector, for one app. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connector {
    http: HttpClient,
    tokens: Arc<dyn TokenSource>,
    clock: Clock,
}

impl Connector {
    /// Calls through `http` with tokens from `tokens`.
    pub fn new(http: HttpClient, tokens: Arc<dyn TokenSource>) -> Self {
        Self { http, tokens, clock: Clock::system() }
    }

    /// With another clock (it reads `Retry-After` when that is a date).
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The 1:1 conversation with a person; the same one each time (protocol section 5.1). Creates no message.
    pub async fn create_personal(
        &self,
        service_url: &ServiceUrl,
        create: &CreatePersonal,
    ) -> Result<Reply, CallError> {
        self.write(request::create_personal(service_url, create)).await
    }

    /// A new thread in a channel, with its first message (protocol section 5.2).
    pub async fn create_thread(
        &self,
        service_url: &ServiceUrl,
        create: &CreateThread,
    ) -> Result<Reply, CallError> {
        self.write(request::create_thread(service_url, create)).await
    }

    /// A message into a conversation (protocol section 5.3).
    pub async fn send(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity: &OutboundActivity,
    ) -> Result<Reply, CallError> {
        self.send_bytes(service_url, conversation_id, activity.to_bytes()).await
    }

    /// A message that was serialised before.
    pub async fn send_bytes(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity: Bytes,
    ) -> Result<Reply, CallError> {
        self.write(request::send(service_url, conversation_id, activity)).await
    }

    /// One member of a conversation, by `29:…` id, Entra object id or user principal name (protocol section 5.5).
    pub async fn member(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        member_id: &str,
    ) -> Result<ChannelAccount, CallError> {
        self.read(request::member(service_url, conversation_id, member_id)).await
    }

    /// A page of a conversation's members; go on with its `continuation_token` until there is none.
    pub async fn paged_members(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        page_size: u32,
        continuation_token: Option<&str>,
    ) -> Result<MembersPage, CallError> {
        self.read(request::paged_members(service_url, conversation_id, page_size, continuation_token)).await
    }

    async fn write(&self, request: Request) -> Result<Reply, CallError> {
        let answer = self.call(&request).await?;
        Ok(Reply::read(&answer))
    }

    /// A read can be repeated, so an answer that cannot be read is a failed call.
    async fn read<T: serde::de::DeserializeOwned>(&self, request: Request) -> Result<T, CallError> {
        let answer = self.call(&request).await?;
        serde_json::from_slice(&answer.body).map_err(|_| CallError::MaybeSent {
            cause: match &answer.cut {
                Some(cut) => format!("the answer {} cannot be read: {cut}", answer.status.as_u16()),
                None => format!("the answer {} cannot be read", answer.status.as_u16()),
            },
        })
    }

    /// One call; after a 401 one more with a new token, which is safe because a 401 creates nothing (protocol
    /// section 2.6).
    async fn call(&self, request: &Request) -> Result<Answer, CallError> {
        let token = self.tokens.token().await.map_err(CallError::Token)?;
        let mut answer = self.http.send(request, token.authorization()).await.map_err(CallError::from)?;
        if answer.status.as_u16() == 401 && !token.is_none() {
            self.tokens.refused(&token).await;
            let token = self.tokens.token().await.map_err(CallError::Token)?;
            answer = self.http.send(request, token.authorization()).await.map_err(CallError::from)?;
        }
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(CallError::Refused(Refused::read(&answer, self.clock.now())))
        }
    }
}

impl From<CallFailure> for CallError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::NotSent { cause } => CallError::NotSent { cause },
            CallFailure::MaybeSent { cause } => CallError::MaybeSent { cause },
        }
    }
}
