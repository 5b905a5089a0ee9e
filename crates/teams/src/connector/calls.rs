//! The calls that a message in a conversation does not need: changing it, rosters, teams, batches, meetings, files.

use bytes::Bytes;
use serde_json::Value;

use super::request::{BatchAudience, MeetingNotification, Upload};
use super::{
    BatchState, CallError, Connector, FailedEntries, MeetingInfo, MeetingParticipant, MembersPage, Pages,
    Reply, TeamDetails, Unnotified, reply, request,
};
use crate::cloud::ServiceUrl;
use crate::schema::{ChannelAccount, ChannelInfo, OutboundActivity};

impl Connector {
    /// An answer to a message (protocol section 5.3).
    pub async fn reply(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
        activity: &OutboundActivity,
    ) -> Result<Reply, CallError> {
        self.write(request::reply(service_url, conversation_id, activity_id, activity.to_bytes())).await
    }

    /// A message of the bot anew.
    pub async fn update(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
        activity: &OutboundActivity,
    ) -> Result<Reply, CallError> {
        self.write(request::update(service_url, conversation_id, activity_id, activity.to_bytes())).await
    }

    /// Takes a message of the bot away.
    pub async fn delete(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
    ) -> Result<Reply, CallError> {
        self.write(request::delete(service_url, conversation_id, activity_id)).await
    }

    /// Puts a reaction of the bot on a message, or takes it away.
    pub async fn react(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
        reaction: &str,
        there: bool,
    ) -> Result<Reply, CallError> {
        self.write(request::reaction(service_url, conversation_id, activity_id, reaction, there)).await
    }

    /// A message that one member alone sees (protocol section 5.4); the activity names them.
    pub async fn send_targeted(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity: &OutboundActivity,
    ) -> Result<Reply, CallError> {
        self.write(request::targeted(request::send(service_url, conversation_id, activity.to_bytes()))).await
    }

    /// Such a message anew; the activity names nobody.
    pub async fn update_targeted(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
        activity: &OutboundActivity,
    ) -> Result<Reply, CallError> {
        let request = request::update(service_url, conversation_id, activity_id, activity.to_bytes());
        self.write(request::targeted(request)).await
    }

    /// Takes such a message away.
    pub async fn delete_targeted(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
    ) -> Result<Reply, CallError> {
        self.write(request::targeted(request::delete(service_url, conversation_id, activity_id))).await
    }

    /// All members at once (protocol section 5.5). For small chats; see [`Connector::all_members`].
    pub async fn members(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
    ) -> Result<Vec<ChannelAccount>, CallError> {
        self.read(request::members(service_url, conversation_id)).await
    }

    /// All members, page by page.
    pub fn all_members(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        page_size: u32,
    ) -> MemberPages<'_> {
        MemberPages {
            connector: self,
            service_url: service_url.clone(),
            conversation_id: conversation_id.to_owned(),
            page_size,
            pages: Pages::default(),
        }
    }

    /// Who sees a message.
    pub async fn activity_members(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        activity_id: &str,
    ) -> Result<Vec<ChannelAccount>, CallError> {
        self.read(request::activity_members(service_url, conversation_id, activity_id)).await
    }

    /// A team.
    pub async fn team(&self, service_url: &ServiceUrl, team_id: &str) -> Result<TeamDetails, CallError> {
        self.read(request::team(service_url, team_id)).await
    }

    /// A team's channels.
    pub async fn team_channels(
        &self,
        service_url: &ServiceUrl,
        team_id: &str,
    ) -> Result<Vec<ChannelInfo>, CallError> {
        let body: Value = self.read(request::team_channels(service_url, team_id)).await?;
        reply::channels(&body).ok_or_else(|| unreadable("names no channels"))
    }

    /// Hands a message to the service, which sends it to all of them (protocol section 5.8); the operation's id. Like
    /// any post: a lost answer may have been a taken one.
    pub async fn batch_send(
        &self,
        service_url: &ServiceUrl,
        tenant_id: &str,
        audience: BatchAudience<'_>,
        activity: &OutboundActivity,
    ) -> Result<String, CallError> {
        let body: Value = self.read(request::batch_send(service_url, tenant_id, audience, activity)).await?;
        reply::operation_id(&body).map(str::to_owned).ok_or_else(|| unreadable("names no operation"))
    }

    /// How far a batch has come.
    pub async fn batch_state(
        &self,
        service_url: &ServiceUrl,
        operation_id: &str,
    ) -> Result<BatchState, CallError> {
        self.read(request::batch_state(service_url, operation_id)).await
    }

    /// A page of those whom a batch failed for; [`Pages`] goes through them.
    pub async fn batch_failed_entries(
        &self,
        service_url: &ServiceUrl,
        operation_id: &str,
        continuation_token: Option<&str>,
    ) -> Result<FailedEntries, CallError> {
        self.read(request::batch_failed_entries(service_url, operation_id, continuation_token)).await
    }

    /// Stops what a batch has not sent yet.
    pub async fn batch_cancel(
        &self,
        service_url: &ServiceUrl,
        operation_id: &str,
    ) -> Result<Reply, CallError> {
        self.write(request::batch_cancel(service_url, operation_id)).await
    }

    /// Hands a file over (protocol section 5.6); its id is the reply's.
    pub async fn upload(
        &self,
        service_url: &ServiceUrl,
        conversation_id: &str,
        upload: &Upload<'_>,
    ) -> Result<Reply, CallError> {
        self.write(request::upload(service_url, conversation_id, upload)).await
    }

    /// What is in a view of a file, such as `original`.
    pub async fn attachment_view(
        &self,
        service_url: &ServiceUrl,
        attachment_id: &str,
        view_id: &str,
    ) -> Result<Bytes, CallError> {
        let answer = self.call(&request::attachment_view(service_url, attachment_id, view_id)).await?;
        match answer.cut {
            Some(cut) => Err(unreadable(&cut)),
            None => Ok(answer.body),
        }
    }

    /// A file's name, type and views, as Microsoft writes them.
    pub async fn attachment(
        &self,
        service_url: &ServiceUrl,
        attachment_id: &str,
    ) -> Result<Value, CallError> {
        self.read(request::attachment(service_url, attachment_id)).await
    }

    /// A meeting (protocol section 5.7).
    pub async fn meeting(
        &self,
        service_url: &ServiceUrl,
        meeting_id: &str,
    ) -> Result<MeetingInfo, CallError> {
        self.read(request::meeting(service_url, meeting_id)).await
    }

    /// Someone in a meeting, by their Entra object id.
    pub async fn meeting_participant(
        &self,
        service_url: &ServiceUrl,
        meeting_id: &str,
        object_id: &str,
        tenant_id: &str,
    ) -> Result<MeetingParticipant, CallError> {
        self.read(request::meeting_participant(service_url, meeting_id, object_id, tenant_id)).await
    }

    /// Shows something in a meeting; whom it did not reach.
    pub async fn notify_meeting(
        &self,
        service_url: &ServiceUrl,
        meeting_id: &str,
        notification: &MeetingNotification,
    ) -> Result<Vec<Unnotified>, CallError> {
        let answer = self.call(&request::notify_meeting(service_url, meeting_id, notification)).await?;
        // 202 has no body that anything is said in.
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok(reply::unnotified(&body))
    }
}

fn unreadable(what: &str) -> CallError {
    CallError::MaybeSent { cause: format!("the answer cannot be read: {what}") }
}

/// A roster, page by page.
#[derive(Debug)]
pub struct MemberPages<'a> {
    connector: &'a Connector,
    service_url: ServiceUrl,
    conversation_id: String,
    page_size: u32,
    pages: Pages,
}

impl MemberPages<'_> {
    /// The next members; `None` after the last page, also where a page names a token again that was used before. After
    /// an error the same page can be asked for once more.
    pub async fn next(&mut self) -> Option<Result<Vec<ChannelAccount>, CallError>> {
        let token = self.pages.next()?;
        let asked =
            self.connector.paged_members(&self.service_url, &self.conversation_id, self.page_size, token);
        match asked.await {
            Ok(MembersPage { members, continuation_token }) => {
                self.pages.read(continuation_token);
                Some(Ok(members))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
