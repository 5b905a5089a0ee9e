//! What a story asks of its world: messages, deliveries, and whether the ledger adds up.

use std::collections::BTreeMap;

use nuncio_domain::delivery::Counts;
use nuncio_domain::ports::Ledger;
use nuncio_domain::views::{DeliveryFilter, DeliveryView, MessageView};
use nuncio_domain::{DeliveryState, MessageId};

use crate::world::World;

impl World {
    pub(crate) async fn message(&self, id: MessageId) -> MessageView {
        self.ledger.message(&self.scope, id).await.unwrap().unwrap()
    }

    pub(crate) async fn deliveries(&self, id: MessageId) -> Vec<DeliveryView> {
        let all = DeliveryFilter::default();
        let page = self.ledger.deliveries(&self.scope, id, &all, None, 1_000_000).await.unwrap();
        page.unwrap().items
    }

    pub(crate) async fn states(&self, id: MessageId) -> BTreeMap<String, DeliveryState> {
        self.deliveries(id).await.into_iter().map(|delivery| (delivery.address, delivery.state)).collect()
    }

    /// The counts must be what the rows are, and their sum the audience.
    pub(crate) async fn check_ledger(&self, id: MessageId, audience: i64) -> Counts {
        let mut counted = Counts::default();
        for delivery in self.deliveries(id).await {
            *counted.of(delivery.state) += 1;
        }
        let message = self.message(id).await;
        assert_eq!(message.counts, counted, "counts and rows");
        assert_eq!(counted.audience(), audience, "the audience");
        counted
    }
}
