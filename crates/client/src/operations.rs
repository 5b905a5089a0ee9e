//! One method for each operation of the API.

use std::io::Write;

use nuncio_api::{
    Accepted, Conversation, CreatedKey, Delivery, DeliveryWithAttempts, IDEMPOTENCY_KEY, Key, Lane, List,
    Message, NewKey, NewMessage, NewOptOuts, OptOut, OptOutsNoted, Person, Reachability, Retry, Settle,
    Settled, Team,
};
use reqwest::{Method, RequestBuilder};

use crate::{Client, ClientError};

/// Which page of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct PageOf<'a> {
    /// `next` of the page before.
    pub cursor: Option<&'a str>,
    /// How many items at most.
    pub limit: Option<u32>,
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those with this label.
    pub label: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those with this reason.
    pub reason: Option<String>,
}

/// Which recipients.
#[derive(Debug, Clone, Default)]
pub struct PeopleFilter {
    /// `person`, `channel` or `chat`.
    pub kind: Option<String>,
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those known to this app.
    pub app: Option<String>,
    /// Only those of this tenant.
    pub tenant: Option<String>,
}

/// Which conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// `personal`, `group_chat`, `meeting_chat` or `channel`.
    pub kind: Option<String>,
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those that this app knows.
    pub app: Option<String>,
    /// Only those of this tenant.
    pub tenant: Option<String>,
}

/// Which teams.
#[derive(Debug, Clone, Default)]
pub struct TeamFilter {
    /// `active`, `archived`, `deleted` or `removed`.
    pub state: Option<String>,
    /// Only those that this app knows.
    pub app: Option<String>,
    /// Only those of this tenant.
    pub tenant: Option<String>,
}

/// What a running message can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageControl {
    /// Start nothing more, for good.
    Cancel,
    /// Start nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// Send although the audience is larger than `max_recipients`.
    Confirm,
}

impl MessageControl {
    /// The last part of its path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Confirm => "confirm",
        }
    }
}

impl Client {
    /// Hands in a message. With an idempotency key (1 to 255 visible characters) it can be sent again after any
    /// error without making a second message.
    pub async fn send(
        &self,
        message: &NewMessage,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, ClientError> {
        let mut request = self.request(Method::POST, &["v1", "messages"]).json(message);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.json(request).await
    }

    /// Messages, newest first.
    pub async fn messages(
        &self,
        filter: &MessageFilter,
        page: PageOf<'_>,
    ) -> Result<List<Message>, ClientError> {
        let request = self.request(Method::GET, &["v1", "messages"]);
        self.json(paged(request, &[("state", &filter.state), ("label", &filter.label)], page)).await
    }

    /// A message and what became of it so far.
    pub async fn message(&self, id: &str) -> Result<Message, ClientError> {
        self.json(self.request(Method::GET, &["v1", "messages", id])).await
    }

    /// Tells a message what to do. Its owner obeys a moment later; the answer has the state of now.
    pub async fn control(&self, id: &str, control: MessageControl) -> Result<Accepted, ClientError> {
        self.json(self.request(Method::POST, &["v1", "messages", id, control.as_str()])).await
    }

    /// Says what ambiguous deliveries came to, or has them sent once more.
    pub async fn settle(&self, id: &str, words: &Settle) -> Result<Settled, ClientError> {
        self.json(self.request(Method::POST, &["v1", "messages", id, "settle"]).json(words)).await
    }

    /// Hands in a new message to those whom this one did not reach. The idempotency key as for [`Client::send`].
    pub async fn retry(
        &self,
        id: &str,
        retry: &Retry,
        idempotency_key: Option<&str>,
    ) -> Result<Accepted, ClientError> {
        let mut request = self.request(Method::POST, &["v1", "messages", id, "retry"]).json(retry);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        self.json(request).await
    }

    /// The deliveries of a message; up to 1,000 a page.
    pub async fn deliveries(
        &self,
        id: &str,
        filter: &DeliveryFilter,
        page: PageOf<'_>,
    ) -> Result<List<Delivery>, ClientError> {
        let request = self.request(Method::GET, &["v1", "messages", id, "deliveries"]);
        self.json(paged(request, &[("state", &filter.state), ("reason", &filter.reason)], page)).await
    }

    /// The report of a message, as CSV into `writer`; returns its length. After an error what was written is not the
    /// whole report.
    pub async fn report_csv(&self, id: &str, writer: &mut (dyn Write + Send)) -> Result<u64, ClientError> {
        let mut response =
            self.open(self.request(Method::GET, &["v1", "messages", id, "report.csv"])).await?;
        let mut length = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            writer.write_all(&chunk).map_err(ClientError::Write)?;
            length += chunk.len() as u64;
        }
        writer.flush().map_err(ClientError::Write)?;
        Ok(length)
    }

    /// A delivery with every call that was made for it.
    pub async fn delivery(&self, id: &str) -> Result<DeliveryWithAttempts, ClientError> {
        self.json(self.request(Method::GET, &["v1", "deliveries", id])).await
    }

    /// People, channels and chats that are known.
    pub async fn people(&self, filter: &PeopleFilter, page: PageOf<'_>) -> Result<List<Person>, ClientError> {
        let request = self.request(Method::GET, &["v1", "people"]);
        let filters = [
            ("kind", &filter.kind),
            ("state", &filter.state),
            ("app", &filter.app),
            ("tenant", &filter.tenant),
        ];
        self.json(paged(request, &filters, page)).await
    }

    /// How many people are in each state.
    pub async fn reachability(
        &self,
        app: Option<&str>,
        tenant: Option<&str>,
    ) -> Result<Reachability, ClientError> {
        let filters = [("app", app), ("tenant", tenant)];
        let query: Vec<(&str, &str)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        self.json(self.request(Method::GET, &["v1", "reachability"]).query(&query)).await
    }

    /// Conversations that are known, oldest known first.
    pub async fn conversations(
        &self,
        filter: &ConversationFilter,
        page: PageOf<'_>,
    ) -> Result<List<Conversation>, ClientError> {
        let request = self.request(Method::GET, &["v1", "conversations"]);
        let filters = [
            ("kind", &filter.kind),
            ("state", &filter.state),
            ("app", &filter.app),
            ("tenant", &filter.tenant),
        ];
        self.json(paged(request, &filters, page)).await
    }

    /// The conversation of an id. Of the filter, app and tenant count: several may know it.
    pub async fn conversation(
        &self,
        id: &str,
        filter: &ConversationFilter,
    ) -> Result<Conversation, ClientError> {
        let request = self.request(Method::GET, &["v1", "conversations", id]);
        let filters = [("app", &filter.app), ("tenant", &filter.tenant)];
        self.json(paged(request, &filters, PageOf::default())).await
    }

    /// Teams that are known with their channels, oldest known first.
    pub async fn teams(&self, filter: &TeamFilter, page: PageOf<'_>) -> Result<List<Team>, ClientError> {
        let request = self.request(Method::GET, &["v1", "teams"]);
        let filters = [("state", &filter.state), ("app", &filter.app), ("tenant", &filter.tenant)];
        self.json(paged(request, &filters, page)).await
    }

    /// The team of an id (that of its General channel) or of a group in Entra. Of the filter, app and tenant count.
    pub async fn team(&self, id: &str, filter: &TeamFilter) -> Result<Team, ClientError> {
        let request = self.request(Method::GET, &["v1", "teams", id]);
        let filters = [("app", &filter.app), ("tenant", &filter.tenant)];
        self.json(paged(request, &filters, PageOf::default())).await
    }

    /// All lanes that this key may see, with their pace.
    pub async fn lanes(&self) -> Result<List<Lane>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "lanes"])).await
    }

    /// One lane with its pace.
    pub async fn lane(&self, id: &str) -> Result<Lane, ClientError> {
        self.json(self.request(Method::GET, &["v1", "lanes", id])).await
    }

    /// Lets nothing new start in a lane; for administrators.
    pub async fn pause_lane(&self, id: &str) -> Result<Lane, ClientError> {
        self.json(self.request(Method::POST, &["v1", "lanes", id, "pause"])).await
    }

    /// Lets a lane go on, also out of a cool-down; for administrators.
    pub async fn resume_lane(&self, id: &str) -> Result<Lane, ClientError> {
        self.json(self.request(Method::POST, &["v1", "lanes", id, "resume"])).await
    }

    /// Who wants no messages, oldest known first. Of the filter, app and tenant count.
    pub async fn opt_outs(
        &self,
        filter: &PeopleFilter,
        page: PageOf<'_>,
    ) -> Result<List<OptOut>, ClientError> {
        let request = self.request(Method::GET, &["v1", "opt-outs"]);
        let filters = [("app", &filter.app), ("tenant", &filter.tenant)];
        self.json(paged(request, &filters, page)).await
    }

    /// Notes that people want no messages.
    pub async fn add_opt_outs(&self, people: &NewOptOuts) -> Result<OptOutsNoted, ClientError> {
        self.json(self.request(Method::POST, &["v1", "opt-outs"]).json(people)).await
    }

    /// Takes back that somebody (Entra object id) wants none; for administrators. Of the filter, app and tenant count.
    pub async fn remove_opt_out(&self, user: &str, filter: &PeopleFilter) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, &["v1", "opt-outs", user]);
        let filters = [("app", &filter.app), ("tenant", &filter.tenant)];
        self.empty(paged(request, &filters, PageOf::default())).await
    }

    /// All keys that this key may see; for administrators.
    pub async fn keys(&self) -> Result<List<Key>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "keys"])).await
    }

    /// Makes a key; its secret is in the answer and nowhere else.
    pub async fn create_key(&self, key: &NewKey) -> Result<CreatedKey, ClientError> {
        self.json(self.request(Method::POST, &["v1", "keys"]).json(key)).await
    }

    /// Ends a key.
    pub async fn revoke_key(&self, id: &str) -> Result<(), ClientError> {
        self.empty(self.request(Method::DELETE, &["v1", "keys", id])).await
    }

    /// Whether the server can work, as it says itself.
    pub async fn ready(&self) -> Result<(), ClientError> {
        self.empty(self.request(Method::GET, &["readyz"])).await
    }
}

pub(crate) fn paged(
    request: RequestBuilder,
    filters: &[(&str, &Option<String>)],
    page: PageOf<'_>,
) -> RequestBuilder {
    let limit = page.limit.map(|limit| limit.to_string());
    let mut query: Vec<(&str, &str)> =
        filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    if let Some(cursor) = page.cursor {
        query.push(("cursor", cursor));
    }
    if let Some(limit) = &limit {
        query.push(("limit", limit));
    }
    request.query(&query)
}
