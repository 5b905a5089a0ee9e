//! The calls: each asks one request of [`request`](super::request) and reads its answer.

use super::batch::{self, Answered};
use super::request::{self, BatchError};
use super::{
    AppIs, CallError, ChangedUser, Channel, Chat, ConversationMember, DirectoryObject, Graph, GraphRequest,
    Group, Install, Installation, List, Pages, ResourcePermission, Scope, Team, TeamsApp, User, reply,
};

/// Why a batch brought nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BatchCallError {
    /// It is none.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The call of the whole batch failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Graph {
    /// Everyone in the directory (protocol section 7.2, Paging).
    pub fn users(&self, list: &List<'_>) -> Pages<User> {
        Pages::of(self.clone(), request::users(list))
    }

    /// A person, by object id or user principal name.
    pub async fn user(&self, id: &str, select: &[&str]) -> Result<User, CallError> {
        reply::object(&self.send(&request::user(id, select)).await?)
    }

    /// The people with this mail address: none, one, or several.
    pub async fn users_by_mail(&self, mail: &str, select: &[&str]) -> Result<Vec<User>, CallError> {
        Pages::of(self.clone(), request::users_by_mail(mail, select)).all().await
    }

    /// Everyone, then what changes: when the pages end, [`Pages::delta_link`] is where the next round starts
    /// ([`Graph::resume`]).
    pub fn users_delta(&self, select: &[&str]) -> Pages<ChangedUser> {
        Pages::of(self.clone(), request::users_delta(select))
    }

    /// All groups.
    pub fn groups(&self, list: &List<'_>) -> Pages<Group> {
        Pages::of(self.clone(), request::groups(list))
    }

    /// A group.
    pub async fn group(&self, id: &str, select: &[&str]) -> Result<Group, CallError> {
        reply::object(&self.send(&request::group(id, select)).await?)
    }

    /// All groups, then what changes, as for [`Graph::users_delta`].
    pub fn groups_delta(&self, select: &[&str]) -> Pages<Group> {
        Pages::of(self.clone(), request::groups_delta(select))
    }

    /// Who and what is in a group itself.
    pub fn group_members(&self, id: &str, list: &List<'_>) -> Pages<DirectoryObject> {
        Pages::of(self.clone(), request::group_members(id, list))
    }

    /// The people in a group and in all groups in it.
    pub fn transitive_users(&self, id: &str, list: &List<'_>) -> Pages<User> {
        Pages::of(self.clone(), request::transitive_users(id, list))
    }

    /// A team, by the id of its group.
    pub async fn team(&self, id: &str) -> Result<Team, CallError> {
        reply::object(&self.send(&request::team(id)).await?)
    }

    /// The members of a team.
    pub fn team_members(&self, id: &str) -> Pages<ConversationMember> {
        Pages::of(self.clone(), request::team_members(id))
    }

    /// The channels of a team.
    pub fn channels(&self, team_id: &str) -> Pages<Channel> {
        Pages::of(self.clone(), request::channels(team_id))
    }

    /// The members of a channel itself.
    pub fn channel_members(&self, team_id: &str, channel_id: &str) -> Pages<ConversationMember> {
        Pages::of(self.clone(), request::channel_members(team_id, channel_id))
    }

    /// Everyone who has a channel.
    pub fn all_channel_members(&self, team_id: &str, channel_id: &str) -> Pages<ConversationMember> {
        Pages::of(self.clone(), request::all_channel_members(team_id, channel_id))
    }

    /// The apps of the tenant's catalogue with this id: none or one.
    pub async fn catalogue(&self, app: AppIs<'_>) -> Result<Vec<TeamsApp>, CallError> {
        Pages::of(self.clone(), request::catalogue(app)).all().await
    }

    /// Which apps are installed, or whether one is. An empty list is "no"; an error is no answer.
    pub async fn installed_apps(
        &self,
        scope: Scope<'_>,
        app: Option<AppIs<'_>>,
    ) -> Result<Vec<Installation>, CallError> {
        Pages::of(self.clone(), request::installed_apps(scope, app)).all().await
    }

    /// Installs an app of the catalogue (protocol section 8).
    pub async fn install(
        &self,
        scope: Scope<'_>,
        catalogue_id: &str,
        consents: &[ResourcePermission],
    ) -> Result<Install, CallError> {
        reply::install(self.send(&request::install(&self.root, scope, catalogue_id, consents)).await)
    }

    /// The 1:1 chat of a person with an app that is installed for them.
    pub async fn installation_chat(&self, user_id: &str, installation_id: &str) -> Result<Chat, CallError> {
        reply::object(&self.send(&request::installation_chat(user_id, installation_id)).await?)
    }

    /// Brings an installed app to its newest version.
    pub async fn upgrade(
        &self,
        scope: Scope<'_>,
        installation_id: &str,
        consents: &[ResourcePermission],
    ) -> Result<(), CallError> {
        self.send(&request::upgrade(scope, installation_id, consents)).await.map(drop)
    }

    /// Takes an app away.
    pub async fn remove(&self, scope: Scope<'_>, installation_id: &str) -> Result<(), CallError> {
        self.send(&request::remove(scope, installation_id)).await.map(drop)
    }

    /// Several requests in one call, side by side. What each came to, in the order of the requests; `None` where the
    /// answer leaves one out. A batch that succeeds says nothing of its items.
    pub async fn batch(&self, requests: &[GraphRequest]) -> Result<Vec<Option<Answered>>, BatchCallError> {
        let answer = self.send(&request::batch(requests)?).await?;
        Ok(batch::read(&answer, requests, self.clock.now())?)
    }
}
