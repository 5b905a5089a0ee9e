//! What answers tell of where somebody is spoken to.

use crate::batch::NewReference;
use crate::lane::core::{Item, LaneCore};
use crate::people::{Origin, Reference};
use crate::time::Time;

impl LaneCore {
    /// A call gave us a conversation with them.
    pub(super) fn created(
        &mut self,
        now: Time,
        item: &mut Item,
        conversation_id: &str,
        service_url: Option<&str>,
    ) {
        let service_url = service_url.unwrap_or_default();
        self.refer(now, item, (conversation_id, service_url), Origin::Created);
    }

    /// They can be spoken to here.
    pub(super) fn refer(
        &mut self,
        now: Time,
        item: &mut Item,
        (conversation_id, service_url): (&str, &str),
        origin: Origin,
    ) {
        self.keep(now, item, conversation_id, service_url, origin);
        item.row_mut().reference = Some(Reference {
            reference_no: 0,
            conversation_id: conversation_id.to_owned(),
            service_url: service_url.to_owned(),
            suspect: false,
        });
    }

    /// A conversation that was reached under another service URL than the stored one keeps the one that works.
    pub(super) fn moved(&mut self, now: Time, item: &Item, service_url: Option<&str>) {
        let Some((reference, service_url)) = item.row.reference.as_ref().zip(service_url) else { return };
        if !reference.service_url.is_empty() && reference.service_url != service_url {
            self.keep(now, item, &reference.conversation_id, service_url, Origin::Created);
        }
    }

    fn keep(&mut self, now: Time, item: &Item, conversation_id: &str, service_url: &str, origin: Origin) {
        self.batch.references.push(NewReference {
            lane_no: self.config.lane_no,
            recipient_no: item.row.place_no(),
            conversation_id: conversation_id.to_owned(),
            service_url: service_url.to_owned(),
            origin,
            at: now,
        });
    }
}
