//! `Ledger`: which of our functions serves which method, and in which queue it waits.

use std::sync::Arc;

use async_trait::async_trait;
use nuncio_domain::batch::{Inherited, Row};
use nuncio_domain::directory::Fill;
use nuncio_domain::lists::{Found, Names};
use nuncio_domain::message::{
    ControlRequest, Controlled, Expanded, Idempotency, LaneControl, Opened, SettleRequest, Settled, Submitted,
};
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{Batch, Committed, Key, MessageId, NewMessage, Scope, Time};

use super::expand::Ask;
use super::rows::{AskPage, Look};
use super::writer::Queue;
use super::{
    SqliteStore, commit, control, fill, inherited, lanes, moves, names, reached, recover, rows, settle,
    submit, views,
};

#[async_trait]
impl Ledger for SqliteStore {
    #[tracing::instrument(name = "store.submit", level = "debug", skip_all, fields(message = %new.id))]
    async fn submit(&self, scope: &Scope, new: NewMessage) -> Result<Submitted, StoreError> {
        self.submits.write((scope.clone(), new)).await
    }

    async fn repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Submitted>, StoreError> {
        submit::repeated(&self.readers, scope, idempotency, now).await
    }

    #[tracing::instrument(name = "store.control", level = "debug", skip_all, fields(message = %request.id))]
    async fn control(&self, request: ControlRequest<'_>, _now: Time) -> Result<Controlled, StoreError> {
        let (scope, id, control) = (request.scope.clone(), request.id, request.control);
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { control::control(connection, &scope, id, control).await })
        })
        .await
    }

    #[tracing::instrument(name = "store.settle", level = "debug", skip_all, fields(message = %request.id))]
    async fn settle(&self, request: SettleRequest<'_>, now: Time) -> Result<Settled, StoreError> {
        let SettleRequest { scope, id, verdict, recipients } = request;
        let scope = scope.clone();
        self.write(Queue::Api, move |connection| {
            Box::pin(async move {
                settle::settle(connection, &scope, (id, verdict), recipients.as_deref(), now).await
            })
        })
        .await
    }

    #[tracing::instrument(name = "store.control_lane", level = "debug", skip(self, scope, now))]
    async fn control_lane(
        &self,
        scope: &Scope,
        lane_no: i64,
        control: LaneControl,
        now: Time,
    ) -> Result<bool, StoreError> {
        let scope = scope.clone();
        self.write(Queue::Api, move |connection| {
            Box::pin(async move { lanes::control(connection, &scope, lane_no, control, now).await })
        })
        .await
    }

    #[tracing::instrument(name = "store.message", level = "debug", skip_all, fields(message = %id))]
    async fn message(&self, scope: &Scope, id: MessageId) -> Result<Option<MessageView>, StoreError> {
        views::message(&self.readers, scope, id).await
    }

    #[tracing::instrument(name = "store.messages", level = "debug", skip_all)]
    async fn messages(
        &self,
        scope: &Scope,
        filter: &MessageFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<MessageView>, StoreError> {
        views::messages(&self.readers, scope, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.deliveries", level = "debug", skip_all, fields(message = %id))]
    async fn deliveries(
        &self,
        scope: &Scope,
        id: MessageId,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Option<Page<DeliveryView>>, StoreError> {
        views::deliveries(&self.readers, scope, id, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.delivery", level = "debug", skip_all)]
    async fn delivery(
        &self,
        scope: &Scope,
        key: Key,
    ) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
        views::delivery(&self.readers, scope, key).await
    }

    #[tracing::instrument(name = "store.recover", level = "debug", skip(self, now))]
    async fn recover(&self, lane_no: i64, now: Time) -> Result<(i64, i64), StoreError> {
        self.write(Queue::Outcomes, move |connection| Box::pin(recover::recover(connection, lane_no, now)))
            .await
    }

    #[tracing::instrument(name = "store.open", level = "debug", skip(self))]
    async fn open(&self, lane_no: i64, after: i64) -> Result<Opened, StoreError> {
        self.looks.ask(Look(lane_no, after)).await
    }

    #[tracing::instrument(name = "store.expand", level = "debug", skip(self, now))]
    async fn expand(&self, message_no: i64, limit: i64, now: Time) -> Result<Expanded, StoreError> {
        self.expansions.write(Ask { message_no, limit, now }).await
    }

    #[tracing::instrument(name = "store.fill", level = "debug", skip_all, fields(message_no = fill.message_no))]
    async fn fill(&self, fill: Fill, now: Time) -> Result<bool, StoreError> {
        self.write(Queue::Expansion, move |connection| Box::pin(fill::fill(connection, fill, now))).await
    }

    #[tracing::instrument(name = "store.names", level = "debug", skip(self))]
    async fn names(&self, list_no: i64, limit: i64) -> Result<Option<Names>, StoreError> {
        names::next(&self.readers, list_no, limit).await
    }

    #[tracing::instrument(name = "store.found", level = "debug", skip_all, fields(list_no = found.list_no))]
    async fn found(&self, found: Found, now: Time) -> Result<bool, StoreError> {
        self.write(Queue::Expansion, move |connection| Box::pin(names::found(connection, found, now))).await
    }

    #[tracing::instrument(name = "store.page", level = "debug", skip(self))]
    async fn page(&self, message_no: i64, after: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        self.pages.ask(AskPage { message_no, after, limit }).await
    }

    #[tracing::instrument(name = "store.due", level = "debug", skip(self, until))]
    async fn due(&self, lane_no: i64, until: Time, limit: i64) -> Result<Vec<Row>, StoreError> {
        rows::due(&self.readers, lane_no, until, limit).await
    }

    #[tracing::instrument(name = "store.inherited", level = "debug", skip(self, since))]
    async fn inherited(&self, lane_no: i64, since: Time) -> Result<Inherited, StoreError> {
        inherited::inherited(&self.readers, lane_no, since).await
    }

    #[tracing::instrument(name = "store.reached", level = "debug", skip(self, now))]
    async fn reached(&self, lane_no: i64, now: Time) -> Result<i64, StoreError> {
        if !reached::is_any(&self.readers, lane_no).await? {
            return Ok(0);
        }
        self.write(Queue::Outcomes, move |connection| Box::pin(reached::make_due(connection, lane_no, now)))
            .await
    }

    #[tracing::instrument(
        name = "store.commit", level = "debug", skip_all,
        fields(intents = batch.intents.len(), changes = batch.changes.len())
    )]
    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        match self.commit_with(moves::Look::AtOnce, Arc::clone(&batch)).await {
            Err(StoreError::Broken(_)) => self.commit_with(moves::Look::First, batch).await,
            done => done,
        }
    }
}

impl SqliteStore {
    async fn commit_with(&self, look: moves::Look, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        self.write(Queue::Outcomes, move |connection| {
            Box::pin(async move { commit::commit(connection, &batch, look).await })
        })
        .await
    }
}
