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

use super::writer::Queue;
use super::{
    SqliteStore, conversations, keys, lanes, learn, list_keys, lists, names, opt_outs, people, reach_history,
    rows, teams, wipe,
};
use crate::error::of_sqlx;
use crate::views::lane_of;

#[async_trait]
impl Registry for SqliteStore {
    #[tracing::instrument(name = "store.lanes", level = "debug", skip_all)]
    async fn lanes(&self) -> Result<Vec<Lane>, StoreError> {
        sqlx::query("SELECT lane_no, app, tenant, service_url FROM lanes ORDER BY lane_no")
            .fetch_all(&self.readers)
            .await
            .map_err(of_sqlx)?
            .iter()
            .map(lane_of)
            .collect()
    }

    #[tracing::instrument(name = "store.lane", level = "debug", skip(self))]
    async fn lane(&self, app: &str, tenant: &str) -> Result<Lane, StoreError> {
        let known =
            sqlx::query("SELECT lane_no, app, tenant, service_url FROM lanes WHERE app = ? AND tenant = ?")
                .bind(app)
                .bind(tenant)
                .fetch_optional(&self.readers)
                .await
                .map_err(of_sqlx)?;
        if let Some(row) = known {
            return lane_of(&row);
        }
        let (app, tenant) = (app.to_owned(), tenant.to_owned());
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { learn::lane(connection, &app, &tenant).await })
        })
        .await
    }

    #[tracing::instrument(name = "store.learn", level = "debug", skip_all)]
    async fn learn(&self, learned: Learned) -> Result<LearnedDone, StoreError> {
        self.learns.write(learned).await
    }

    #[tracing::instrument(name = "store.references", level = "debug", skip(self))]
    async fn references(&self, recipient_no: i64) -> Result<Vec<Reference>, StoreError> {
        rows::references(&self.readers, recipient_no).await
    }

    #[tracing::instrument(name = "store.people", level = "debug", skip_all)]
    async fn people(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Person>, StoreError> {
        people::people(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.people_between", level = "debug", skip(self, scope, filter))]
    async fn people_between(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        numbers: (i64, i64),
    ) -> Result<Vec<Person>, StoreError> {
        people::between(&self.readers, scope, filter, numbers).await
    }

    #[tracing::instrument(name = "store.last_recipient", level = "debug", skip_all)]
    async fn last_recipient(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar(people::LAST).fetch_one(&self.readers).await.map_err(of_sqlx)
    }

    #[tracing::instrument(name = "store.reachability", level = "debug", skip_all)]
    async fn reachability(&self, scope: &Scope, filter: &PeopleFilter) -> Result<Vec<Share>, StoreError> {
        people::shares(&self.readers, scope, filter).await
    }

    #[tracing::instrument(name = "store.person", level = "debug", skip_all)]
    async fn person(
        &self,
        scope: &Scope,
        key: &str,
        filter: &PeopleFilter,
    ) -> Result<Vec<Person>, StoreError> {
        people::one(&self.readers, scope, key, filter).await
    }

    #[tracing::instrument(name = "store.reach_history", level = "debug", skip(self, scope))]
    async fn reach_history(&self, scope: &Scope, recipient_no: i64) -> Result<Vec<Past>, StoreError> {
        reach_history::of_one(&self.readers, scope, recipient_no).await
    }

    #[tracing::instrument(name = "store.reach_changes", level = "debug", skip_all)]
    async fn reach_changes(
        &self,
        scope: &Scope,
        filter: &ChangeFilter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<StateChanges, StoreError> {
        reach_history::changes(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.conversations", level = "debug", skip_all)]
    async fn conversations(
        &self,
        scope: &Scope,
        filter: &ConversationFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Conversation>, StoreError> {
        conversations::list(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.conversation", level = "debug", skip_all)]
    async fn conversation(
        &self,
        scope: &Scope,
        conversation_id: &str,
        filter: &ConversationFilter,
    ) -> Result<Vec<Conversation>, StoreError> {
        conversations::one(&self.readers, scope, conversation_id, filter).await
    }

    #[tracing::instrument(name = "store.teams", level = "debug", skip_all)]
    async fn teams(
        &self,
        scope: &Scope,
        filter: &TeamFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<Team>, StoreError> {
        teams::list(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.team", level = "debug", skip_all)]
    async fn team(&self, scope: &Scope, id: &str, filter: &TeamFilter) -> Result<Vec<Team>, StoreError> {
        teams::one(&self.readers, scope, id, filter).await
    }

    #[tracing::instrument(name = "store.add_key", level = "debug", skip_all)]
    async fn add_key(&self, key: &ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { keys::add(connection, &key, hash).await })
        })
        .await
    }

    #[tracing::instrument(name = "store.keys", level = "debug", skip_all)]
    async fn keys(&self, scope: &Scope) -> Result<Vec<ApiKey>, StoreError> {
        keys::keys(&self.readers, scope).await
    }

    #[tracing::instrument(name = "store.revoke_key", level = "debug", skip_all, fields(key = %id))]
    async fn revoke_key(&self, scope: &Scope, id: KeyId, now: Time) -> Result<bool, StoreError> {
        let scope = scope.clone();
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { keys::revoke(connection, &scope, id, now).await })
        })
        .await
    }

    #[tracing::instrument(name = "store.caller", level = "debug", skip_all)]
    async fn caller(&self, hash: [u8; 32]) -> Result<Option<Scope>, StoreError> {
        keys::caller(&self.readers, hash).await
    }

    #[tracing::instrument(name = "store.has_keys", level = "debug", skip_all)]
    async fn has_keys(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM api_keys)")
            .fetch_one(&self.readers)
            .await
            .map_err(of_sqlx)
    }

    #[tracing::instrument(name = "store.lane_views", level = "debug", skip_all)]
    async fn lane_views(&self, scope: &Scope) -> Result<Vec<LaneView>, StoreError> {
        lanes::views(&self.readers, scope).await
    }

    #[tracing::instrument(name = "store.opt_outs", level = "debug", skip_all)]
    async fn opt_outs(
        &self,
        scope: &Scope,
        filter: &PeopleFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<OptOut>, StoreError> {
        opt_outs::list(&self.readers, scope, filter, after, limit).await
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
        let (scope, person) = (scope.clone(), person.to_owned());
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { opt_outs::set(connection, &scope, (lane_no, &person), out, now).await })
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
        list_keys::used(&self.readers, scope.key_no, idempotency, now).await
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
        lists::list(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.list", level = "debug", skip_all, fields(list = %id))]
    async fn list(&self, scope: &Scope, id: AudienceId) -> Result<Option<UploadedList>, StoreError> {
        lists::one(&self.readers, scope, id).await
    }

    #[tracing::instrument(name = "store.unresolved", level = "debug", skip(self))]
    async fn unresolved(&self, list_no: i64, limit: i64) -> Result<Vec<Unresolved>, StoreError> {
        names::unresolved(&self.readers, list_no, limit).await
    }

    #[tracing::instrument(name = "store.delete_list", level = "debug", skip_all, fields(list = %id))]
    async fn delete_list(&self, scope: &Scope, id: AudienceId, now: Time) -> Result<Deleted, StoreError> {
        lists::delete(self, scope, id, now).await
    }

    #[tracing::instrument(name = "store.ready", level = "debug", skip_all)]
    async fn ready(&self) -> Result<(), StoreError> {
        let _: i64 = sqlx::query_scalar("SELECT n FROM readiness WHERE one = 1")
            .fetch_one(&self.readers)
            .await
            .map_err(of_sqlx)?;
        self.write(Queue::Api, |connection| {
            Box::pin(async move {
                sqlx::query("UPDATE readiness SET n = n + 1 WHERE one = 1")
                    .execute(connection)
                    .await
                    .map_err(of_sqlx)?;
                Ok(())
            })
        })
        .await
    }
}
