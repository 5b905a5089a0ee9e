//! `Ledger`: which of our functions serves which method, and which writer does it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nuncio_domain::batch::{Inherited, Late, Row};
use nuncio_domain::directory::Fill;
use nuncio_domain::lists::{Found, Names};
use nuncio_domain::message::{
    ControlRequest, Controlled, Expanded, Idempotency, LaneControl, Opened, SettleRequest, Settled, Submitted,
};
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{Batch, Committed, Key, MessageId, NewMessage, Scope, Time};

use super::submit::Submission;
use super::{
    PostgresStore, commit, control, expand, fill, inherited, lanes, names, node, reached, recover, rows,
    settle, submit, testify, views,
};
use crate::error::unavailable;

#[async_trait]
impl Ledger for PostgresStore {
    #[tracing::instrument(name = "store.submit", level = "debug", skip_all, fields(message = %new.id))]
    async fn submit(&self, scope: &Scope, new: NewMessage) -> Result<Submitted, StoreError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.submissions.push(Submission::new(scope.clone(), new, answer));
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }

    async fn repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Submitted>, StoreError> {
        submit::repeated(&mut self.readers.reading().await?.db(), scope, idempotency, now).await
    }

    #[tracing::instrument(name = "store.control", level = "debug", skip_all, fields(message = %request.id))]
    async fn control(&self, request: ControlRequest<'_>, _now: Time) -> Result<Controlled, StoreError> {
        let asked = (request.scope.clone(), request.id, request.control);
        self.word(asked, |db, (scope, id, control)| Box::pin(control::control(db, scope, *id, *control)))
            .await
    }

    #[tracing::instrument(name = "store.settle", level = "debug", skip_all, fields(message = %request.id))]
    async fn settle(&self, request: SettleRequest<'_>, now: Time) -> Result<Settled, StoreError> {
        let SettleRequest { scope, id, verdict, recipients } = request;
        self.word(
            (scope.clone(), id, verdict, recipients, now),
            |db, (scope, id, verdict, recipients, now)| {
                Box::pin(settle::settle(db, scope, (*id, *verdict), recipients.as_deref(), *now))
            },
        )
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
        self.word((scope.clone(), lane_no, control, now), |db, (scope, lane_no, control, now)| {
            Box::pin(lanes::control(db, scope, *lane_no, *control, *now))
        })
        .await
    }

    #[tracing::instrument(name = "store.message", level = "debug", skip_all, fields(message = %id))]
    async fn message(&self, scope: &Scope, id: MessageId) -> Result<Option<MessageView>, StoreError> {
        views::message(&mut self.readers.reading().await?.db(), scope, id).await
    }

    #[tracing::instrument(name = "store.messages", level = "debug", skip_all)]
    async fn messages(
        &self,
        scope: &Scope,
        filter: &MessageFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<MessageView>, StoreError> {
        views::messages(&mut self.readers.reading().await?.db(), scope, filter, after, limit).await
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
        views::deliveries(&mut self.readers.reading().await?.db(), scope, id, filter, after, limit).await
    }

    #[tracing::instrument(name = "store.delivery", level = "debug", skip_all)]
    async fn delivery(
        &self,
        scope: &Scope,
        key: Key,
    ) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
        views::delivery(&mut self.readers.reading().await?.db(), scope, key).await
    }

    #[tracing::instrument(name = "store.recover", level = "debug", skip(self, now))]
    async fn recover(&self, lane_no: i64, now: Time) -> Result<(i64, i64), StoreError> {
        self.batch((lane_no, now), |db, (lane_no, now)| Box::pin(recover::recover(db, *lane_no, *now))).await
    }

    #[tracing::instrument(name = "store.open", level = "debug", skip(self))]
    async fn open(&self, lane_no: i64, after: i64) -> Result<Opened, StoreError> {
        rows::open(&mut self.readers.reading().await?.db(), lane_no, after).await
    }

    #[tracing::instrument(name = "store.expand", level = "debug", skip(self, now))]
    async fn expand(&self, message_no: i64, limit: i64, now: Time) -> Result<Expanded, StoreError> {
        let gathers = expand::gathers(&mut self.readers.reading().await?.db(), message_no).await?;
        if gathers {
            self.batch(message_no, |db, message_no| Box::pin(expand::stop_gathering(db, *message_no)))
                .await?;
        }
        let (link, fence) = (Arc::clone(&self.expansion), Arc::clone(&self.fence));
        let (batches, closures) = (Arc::clone(&self.batches), Arc::clone(&self.closures));
        // A task of its own: whoever asked may be gone in the middle of the transaction.
        let chunk = tokio::spawn(async move {
            expand::expand(&link, &fence, &closures, (message_no, limit, now), || batches.is_closed()).await
        });
        chunk.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }

    #[tracing::instrument(name = "store.fill", level = "debug", skip_all, fields(message_no = fill.message_no))]
    async fn fill(&self, fill: Fill, now: Time) -> Result<bool, StoreError> {
        self.batch((fill, now), |db, (fill, now)| Box::pin(fill::fill(db, fill, *now))).await
    }

    #[tracing::instrument(name = "store.names", level = "debug", skip(self))]
    async fn names(&self, list_no: i64, limit: i64) -> Result<Option<Names>, StoreError> {
        names::next(&mut self.readers.reading().await?.db(), list_no, limit).await
    }

    #[tracing::instrument(name = "store.found", level = "debug", skip_all, fields(list_no = found.list_no))]
    async fn found(&self, found: Found, now: Time) -> Result<bool, StoreError> {
        self.batch((found, now), |db, (found, now)| Box::pin(names::found(db, found, *now))).await
    }

    #[tracing::instrument(name = "store.page", level = "debug", skip(self))]
    async fn page(&self, message_no: i64, after: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        rows::page(&mut self.readers.reading().await?.db(), &self.tids, message_no, after, limit).await
    }

    #[tracing::instrument(name = "store.due", level = "debug", skip(self, until))]
    async fn due(&self, lane_no: i64, until: Time, limit: i64) -> Result<Vec<Row>, StoreError> {
        rows::due(&mut self.readers.reading().await?.db(), &self.tids, lane_no, until, limit).await
    }

    #[tracing::instrument(name = "store.inherited", level = "debug", skip(self, since))]
    async fn inherited(&self, lane_no: i64, since: Time) -> Result<Inherited, StoreError> {
        inherited::inherited(&mut self.readers.reading().await?.db(), lane_no, since).await
    }

    #[tracing::instrument(name = "store.reached", level = "debug", skip(self, now))]
    async fn reached(&self, lane_no: i64, now: Time) -> Result<i64, StoreError> {
        if !reached::is_any(&mut self.readers.reading().await?.db(), lane_no).await? {
            return Ok(0);
        }
        self.batch((lane_no, now), |db, (lane_no, now)| Box::pin(reached::make_due(db, *lane_no, *now))).await
    }

    #[tracing::instrument(
        name = "store.commit", level = "debug", skip_all,
        fields(intents = batch.intents.len(), changes = batch.changes.len())
    )]
    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        self.batch((Arc::clone(&self.tids), batch), |db, (tids, batch)| {
            Box::pin(commit::commit(db, tids, batch))
        })
        .await
    }

    #[tracing::instrument(name = "store.testify", level = "debug", skip_all)]
    async fn testify(&self, accepted: Vec<Late>, now: Time) -> Result<i64, StoreError> {
        self.word((accepted, now), |db, (accepted, now)| Box::pin(testify::testify(db, accepted, *now))).await
    }

    #[tracing::instrument(name = "store.renew", level = "debug", skip_all)]
    async fn renew(&self) -> Result<Duration, StoreError> {
        node::renew(&mut self.readers.reading().await?.db(), self.fence.incarnation).await
    }
}
