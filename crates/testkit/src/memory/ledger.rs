//! The port, and the fixture of the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use nuncio_domain::batch::{Inherited, Late, Row};
use nuncio_domain::directory::Fill;
use nuncio_domain::lists::{Deleted, Found, Names, NewList, Unresolved, UploadedList};
use nuncio_domain::message::{
    ControlRequest, Controlled, Expanded, Idempotency, LaneControl, Opened, SettleRequest, Settled, Submitted,
};
use nuncio_domain::people::{RecipientKind, Reference, SeenPerson};
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::views::{AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{
    AudienceId, Batch, Committed, Counts, Key, MessageId, NewMessage, ReachState, Scope, Time,
};

use super::MemoryLedger;
use crate::conformance::Fixture;

#[async_trait]
impl Ledger for MemoryLedger {
    async fn submit(&self, scope: &Scope, new: NewMessage) -> Result<Submitted, StoreError> {
        self.state().submit(scope, new)
    }

    async fn repeated(
        &self,
        scope: &Scope,
        idempotency: &Idempotency,
        now: Time,
    ) -> Result<Option<Submitted>, StoreError> {
        Ok(self.state().repeated(scope, idempotency, now))
    }

    async fn control(&self, request: ControlRequest<'_>, _now: Time) -> Result<Controlled, StoreError> {
        Ok(self.state().control(request.scope, request.id, request.control))
    }

    async fn message(&self, scope: &Scope, id: MessageId) -> Result<Option<MessageView>, StoreError> {
        let state = self.state();
        Ok(state.seen(scope, id).map(|(message_no, message)| state.message_view(message_no, message)))
    }

    async fn messages(
        &self,
        scope: &Scope,
        filter: &MessageFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Page<MessageView>, StoreError> {
        Ok(self.state().message_page(scope, filter, after, limit))
    }

    async fn deliveries(
        &self,
        scope: &Scope,
        id: MessageId,
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Result<Option<Page<DeliveryView>>, StoreError> {
        let state = self.state();
        Ok(state.seen(scope, id).map(|seen| state.delivery_page(seen, filter, after, limit)))
    }

    async fn delivery(
        &self,
        scope: &Scope,
        key: Key,
    ) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
        let state = self.state();
        let Some(message) = state.messages.get(&key.message_no) else { return Ok(None) };
        let Some(row) = message.rows.get(&key.recipient_no) else { return Ok(None) };
        if !state.sees(scope, message) {
            return Ok(None);
        }
        let view = state.delivery_view(key.message_no, message, key.recipient_no);
        Ok(Some((message.new.id, view, row.attempts.clone())))
    }

    async fn recover(&self, lane_no: i64, now: Time) -> Result<(i64, i64), StoreError> {
        Ok(self.state().recover(lane_no, now))
    }

    async fn settle(&self, request: SettleRequest<'_>, now: Time) -> Result<Settled, StoreError> {
        Ok(self.state().settle(&request, now))
    }

    async fn control_lane(
        &self,
        scope: &Scope,
        lane_no: i64,
        control: LaneControl,
        now: Time,
    ) -> Result<bool, StoreError> {
        Ok(self.state().control_lane(scope, lane_no, control, now))
    }

    async fn open(&self, lane_no: i64, after: i64) -> Result<Opened, StoreError> {
        Ok(self.state().look(lane_no, after))
    }

    async fn expand(&self, message_no: i64, limit: i64, now: Time) -> Result<Expanded, StoreError> {
        self.state().expand(message_no, limit, now)
    }

    async fn fill(&self, fill: Fill, now: Time) -> Result<bool, StoreError> {
        self.state().fill(fill, now)
    }

    async fn names(&self, list_no: i64, limit: i64) -> Result<Option<Names>, StoreError> {
        Ok(self.state().names(list_no, limit))
    }

    async fn found(&self, found: Found, now: Time) -> Result<bool, StoreError> {
        Ok(self.state().found(found, now))
    }

    async fn page(&self, message_no: i64, after: i64, limit: i64) -> Result<Vec<Row>, StoreError> {
        Ok(self.state().page(message_no, after, limit))
    }

    async fn due(&self, lane_no: i64, until: Time, limit: i64) -> Result<Vec<Row>, StoreError> {
        Ok(self.state().due(lane_no, until, limit))
    }

    async fn inherited(&self, lane_no: i64, since: Time) -> Result<Inherited, StoreError> {
        let state = self.state();
        let mut retries = state.due(lane_no, Time::MAX, i64::MAX);
        retries.retain(|row| row.kind != RecipientKind::Person);
        Ok(Inherited { retries, calls: state.calls_of_places(lane_no, since) })
    }

    async fn reached(&self, lane_no: i64, now: Time) -> Result<i64, StoreError> {
        Ok(self.state().make_due(lane_no, now))
    }

    async fn testify(&self, accepted: Vec<Late>, now: Time) -> Result<i64, StoreError> {
        Ok(self.state().testify(accepted, now))
    }

    async fn commit(&self, batch: Arc<Batch>) -> Result<Committed, StoreError> {
        Ok(self.state().commit(&batch))
    }
}

#[async_trait]
impl Fixture for MemoryLedger {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    async fn lane(&self, app: &str, tenant: &str) -> i64 {
        Self::lane(self, app, tenant)
    }

    async fn hear(&self, lane_no: i64, seen: SeenPerson, service_url: &str, at: Time) -> i64 {
        Self::hear(self, lane_no, &seen, service_url, at)
    }

    async fn opt_out(&self, lane_no: i64, person: &str, out: bool, at: Time) {
        let seen = SeenPerson { object_id: person.to_owned(), ..SeenPerson::default() };
        let recipient_no = Self::hear(self, lane_no, &seen, "", at);
        Self::opt_out(self, recipient_no, out);
    }

    async fn upload(&self, list: NewList) -> i64 {
        self.state().upload(list)
    }

    async fn list(&self, scope: &Scope, id: AudienceId) -> Option<UploadedList> {
        self.state().list(scope, id)
    }

    async fn unresolved(&self, list_no: i64) -> Vec<Unresolved> {
        self.state().unresolved(list_no)
    }

    async fn delete_list(&self, scope: &Scope, id: AudienceId) -> Deleted {
        self.state().delete_list(scope, id)
    }

    async fn references(&self, recipient_no: i64) -> Vec<Reference> {
        Self::references(self, recipient_no)
    }

    async fn reach(&self, recipient_no: i64) -> (ReachState, Option<Time>, Option<String>) {
        Self::reach(self, recipient_no).expect("a recipient that the test has made")
    }

    async fn history(&self, recipient_no: i64) -> Vec<(Time, ReachState)> {
        Self::history(self, recipient_no)
    }

    async fn count_rows(&self, message_no: i64) -> Counts {
        Self::count_rows(self, message_no)
    }
}
