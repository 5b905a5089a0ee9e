//! `Registry`: which of our functions serves which method.

use async_trait::async_trait;
use nuncio_domain::lists::{Added, Deleted, NewList, Unresolved, UploadedList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::{Lane, LaneView, Learned, LearnedDone, OptOut, PeopleFilter, Person, Reference};
use nuncio_domain::places::{Conversation, ConversationFilter, Team, TeamFilter};
use nuncio_domain::ports::{Registry, StoreError};
use nuncio_domain::reach::{ChangeFilter, Past, Position, Share, StateChanges};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::views::Page;
use nuncio_domain::{AudienceId, KeyId, Scope, Time};

use super::db::sql;
use super::{
    PostgresStore, conversations, keys, lanes, learn, list_keys, lists, names, opt_outs, people,
    reach_history, rows, teams, wipe,
};
use crate::views::lane_of;
use crate::words::get;

#[async_trait]
impl Registry for PostgresStore {
    #[tracing::instrument(name = "store.lanes", level = "debug", skip_all)]
    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let all = sql("SELECT lane_no, app, tenant, service_url FROM lanes ORDER BY lane_no");
        self.readers.reading().await?.db().rows(all).await?.iter().map(lane_of).collect()
    }

    #[tracing::instrument(name = "store.lane", level = "debug", skip(self))]
    async fn lane(&self, app: &str, tenant: &str) -> Result<Lane, StoreError> {
        let known = sql(learn::KNOWN_LANE).bind(app).bind(tenant);
        if let Some(row) = self.readers.reading().await?.db().row(known).await? {
            return lane_of(&row);
        }
        let named = (app.to_owned(), tenant.to_owned());
        self.word(named, |db, (app, tenant)| Box::pin(learn::lane(db, app, tenant))).await
    }

    #[tracing::instrument(name = "store.learn", level = "debug", skip_all)]
    async fn learn(&self, learned: Learned) -> Result<LearnedDone, StoreError> {
        self.word(learned, |db, learned| Box::pin(learn::learn(db, learned))).await
    }

    #[tracing::instrument(name = "store.references", level = "debug", skip(self))]
    async fn references(&self, recipient_no: i64) -> Result<Vec<Reference>, StoreError> {
        rows::references(&mut self.readers.reading().await?.db(), recipient_no).await
    }

    #[tracing::instrument(name = "store.people", level = "debug", skip_all)]
    async fn people(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Person>, StoreError> {
        people::people(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.people_between", level = "debug", skip(self, scope, filter))]
    async fn people_between(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        numbers: (i64, i64),
    ) -> Result<Vec<Person>, StoreError> {
        people::between(&mut self.readers.reading().await?.db(), scope, filter, numbers).await
    }

    #[tracing::instrument(name = "store.last_recipient", level = "debug", skip_all)]
    async fn last_recipient(&self) -> Result<i64, StoreError> {
        people::last(&mut self.readers.reading().await?.db()).await
    }

    #[tracing::instrument(name = "store.reachability", level = "debug", skip_all)]
    async fn reachability(&self, scope: &Scope, filter: &PeopleFilter) -> Result<Vec<Share>, StoreError> {
        people::shares(&mut self.readers.reading().await?.db(), scope, filter).await
    }

    #[tracing::instrument(name = "store.person", level = "debug", skip_all)]
    async fn person(
        &self,
        scope: &Scope,
        key: &str,
        filter: &PeopleFilter,
    ) -> Result<Vec<Person>, StoreError> {
        people::one(&mut self.readers.reading().await?.db(), scope, key, filter).await
    }

    #[tracing::instrument(name = "store.reach_history", level = "debug", skip(self, scope))]
    async fn reach_history(&self, scope: &Scope, recipient_no: i64) -> Result<Vec<Past>, StoreError> {
        reach_history::of_one(&mut self.readers.reading().await?.db(), scope, recipient_no).await
    }

    #[tracing::instrument(name = "store.reach_changes", level = "debug", skip_all)]
    async fn reach_changes(
        &self,
        scope: &Scope,
        filter: &ChangeFilter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<StateChanges, StoreError> {
        reach_history::changes(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.conversations", level = "debug", skip_all)]
    async fn conversations(
        &self,
        scope: &Scope,
        filter: &ConversationFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Conversation>, StoreError> {
        conversations::list(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.conversation", level = "debug", skip_all)]
    async fn conversation(
        &self,
        scope: &Scope,
        conversation_id: &str,
        filter: &ConversationFilter,
    ) -> Result<Vec<Conversation>, StoreError> {
        conversations::one(&mut self.readers.reading().await?.db(), scope, conversation_id, filter).await
    }

    #[tracing::instrument(name = "store.teams", level = "debug", skip_all)]
    async fn teams(
        &self,
        scope: &Scope,
        filter: &TeamFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Team>, StoreError> {
        teams::list(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.team", level = "debug", skip_all)]
    async fn team(&self, scope: &Scope, id: &str, filter: &TeamFilter) -> Result<Vec<Team>, StoreError> {
        teams::one(&mut self.readers.reading().await?.db(), scope, id, filter).await
    }

    #[tracing::instrument(name = "store.add_key", level = "debug", skip_all)]
    async fn add_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
        self.word((key.clone(), hash), |db, (key, hash)| Box::pin(keys::add(db, key, *hash))).await
    }

    #[tracing::instrument(name = "store.keys", level = "debug", skip_all)]
    async fn keys(&self, scope: &Scope) -> Result<Vec<ApiKey>, StoreError> {
        keys::keys(&mut self.readers.reading().await?.db(), scope).await
    }

    #[tracing::instrument(name = "store.revoke_key", level = "debug", skip_all, fields(key = %id))]
    async fn revoke_key(&self, scope: &Scope, id: KeyId, now: Time) -> Result<bool, StoreError> {
        self.word((scope.clone(), id, now), |db, (scope, id, now)| {
            Box::pin(keys::revoke(db, scope, *id, *now))
        })
        .await
    }

    #[tracing::instrument(name = "store.caller", level = "debug", skip_all)]
    async fn caller(&self, hash: [u8; 32]) -> Result<Option<Scope>, StoreError> {
        keys::caller(&mut self.readers.reading().await?.db(), hash).await
    }

    #[tracing::instrument(name = "store.has_keys", level = "debug", skip_all)]
    async fn has_keys(&self) -> Result<bool, StoreError> {
        let any = sql("SELECT EXISTS (SELECT 1 FROM api_keys) AS made");
        get(&self.readers.reading().await?.db().one(any).await?, "made")
    }

    #[tracing::instrument(name = "store.lane_views", level = "debug", skip_all)]
    async fn lane_views(&self, scope: &Scope) -> Result<Vec<LaneView>, StoreError> {
        lanes::views(&mut self.readers.reading().await?.db(), scope).await
    }

    #[tracing::instrument(name = "store.opt_outs", level = "debug", skip_all)]
    async fn opt_outs(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<OptOut>, StoreError> {
        opt_outs::list(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.set_opt_out", level = "debug", skip_all, fields(lane_no, out))]
    async fn set_opt_out(
        &self,
        scope: &Scope,
        lane_no: i64,
        person: &str,
        out: bool,
        now: Time,
    ) -> Result<bool, StoreError> {
        let noted = (scope.clone(), lane_no, person.to_owned(), out, now);
        self.word(noted, |db, (scope, lane_no, person, out, now)| {
            Box::pin(opt_outs::set(db, scope, (*lane_no, person), *out, *now))
        })
        .await
    }

    #[tracing::instrument(name = "store.add_list", level = "debug", skip_all, fields(list = %list.id))]
    async fn add_list(&self, scope: &Scope, list: NewList) -> Result<Added, StoreError> {
        lists::add(self, scope, list).await
    }

    #[tracing::instrument(name = "store.list_repeated", level = "debug", skip_all)]
    async fn list_repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Added>, StoreError> {
        list_keys::used(&mut self.readers.reading().await?.db(), scope.key_no, idempotency, now).await
    }

    #[tracing::instrument(name = "store.wipe_lists", level = "debug", skip(self))]
    async fn wipe_lists(&self, begun_before: Time, now: Time) -> Result<usize, StoreError> {
        wipe::left_over(self, begun_before, now).await
    }

    #[tracing::instrument(name = "store.lists", level = "debug", skip_all)]
    async fn lists(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<UploadedList>, StoreError> {
        lists::list(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.list", level = "debug", skip_all, fields(list = %id))]
    async fn list(&self, scope: &Scope, id: AudienceId) -> Result<Option<UploadedList>, StoreError> {
        lists::one(&mut self.readers.reading().await?.db(), scope, id).await
    }

    #[tracing::instrument(name = "store.unresolved", level = "debug", skip(self))]
    async fn unresolved(&self, list_no: i64, limit: i64) -> Result<Vec<Unresolved>, StoreError> {
        names::unresolved(&mut self.readers.reading().await?.db(), list_no, limit).await
    }

    #[tracing::instrument(name = "store.delete_list", level = "debug", skip_all, fields(list = %id))]
    async fn delete_list(&self, scope: &Scope, id: AudienceId, now: Time) -> Result<Deleted, StoreError> {
        lists::delete(self, scope, id, now).await
    }

    #[tracing::instrument(name = "store.ready", level = "debug", skip_all)]
    async fn ready(&self) -> Result<(), StoreError> {
        let known = sql("SELECT n FROM readiness WHERE one = 1");
        self.readers.reading().await?.db().one(known).await?;
        self.word((), |db, ()| {
            let raised = sql("UPDATE readiness SET n = n + 1 WHERE one = 1");
            Box::pin(async move { db.run(raised).await.map(|_| ()) })
        })
        .await
    }
}
