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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::batch::{Batch, Committed, Inherited, Key, Row, Why};
    use crate::lane::{Action, Input, LaneConfig};
    use crate::message::{Body, Class, Content, MessageState, OpenMessage, Opened, WhenUnreachable};
    use crate::outcome::{Answer, Operation, Outcome};
    use crate::own_words::Purpose;
    use crate::{DeliveryState, FailReason, InstallPolicy, MessageId, ReachState, RecipientKind};

    const CHANNEL: i64 = 7;
    const KEY: Key = Key { message_no: 1, recipient_no: 8 };
    const START: Time = Time(1_000_000_000);

    fn reply() -> Row {
        let reference = Reference {
            reference_no: 3,
            conversation_id: "19:x@thread.tacv2".to_owned(),
            service_url: "https://smba/emea/".to_owned(),
            suspect: false,
        };
        Row {
            key: KEY,
            thread_no: CHANNEL,
            kind: RecipientKind::Channel,
            address: "19:x@thread.tacv2;messageid=17".to_owned(),
            mri: None,
            reference: Some(reference),
            others: 0,
            reach: ReachState::Unknown,
            reach_at: None,
            standing: crate::directory::Standing::default(),
            excluded: false,
            opted_out: false,
            attempts: 0,
            tries: 0,
            resent: false,
            due_at: None,
        }
    }

    fn message() -> OpenMessage {
        OpenMessage {
            message_no: 1,
            id: MessageId(uuid::Uuid::nil()),
            class: Class::Normal,
            state: MessageState::Sending,
            control: None,
            content: Content { body: Body::Text("x".to_owned()), summary: None },
            install: InstallPolicy::Never,
            purpose: Purpose::Asked,
            gathers: false,
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            cause: None,
            audience_final: true,
            include: crate::directory::Include::default(),
            send_at: None,
            expires_at: START + Duration::from_hours(1),
            created_at: Time::ZERO,
            retries: false,
        }
    }

    /// A lane that has one reply to make; every call of it comes to `outcome`. What is committed until it is over, and
    /// which calls were made, where.
    fn every_call(outcome: &Outcome) -> (Batch, Vec<(Operation, Option<String>)>) {
        let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), START);
        let (mut all, mut calls, mut now) = (Batch::default(), Vec::new(), START);
        let mut inputs = vec![
            Input::Page { message_no: 1, rows: vec![reply()] },
            Input::Inherited(Inherited::default()),
            Input::Due { rows: Vec::new() },
            Input::Opened(Opened { messages: vec![message()], ..Opened::default() }),
        ];
        for _ in 0..10_000 {
            let input = inputs.pop().unwrap_or(Input::Tick);
            for action in core.step(now, input) {
                match action {
                    Action::Commit { ticket, batch } => {
                        all.append(batch);
                        inputs.push(Input::Committed { ticket, committed: Committed::default() });
                    }
                    Action::Call(order) => {
                        let at = order.row.reference.as_ref().map(|reference| reference.service_url.clone());
                        calls.push((order.operation, at));
                        let answer = Answer::bare(outcome.clone(), "");
                        inputs.push(Input::Answered { key: KEY, started_at: now, answer });
                    }
                    _ => {}
                }
            }
            if all.changes.iter().any(|change| change.to.is_final()) {
                return (all, calls);
            }
            if inputs.is_empty() {
                now = now + Duration::from_millis(100);
            }
        }
        panic!("it is never over: {all:?}");
    }

    #[test]
    fn a_thread_whose_first_message_is_gone_is_no_word_about_its_channel() {
        let (batch, calls) = every_call(&Outcome::ReferenceGone);
        // It may be a passing trouble, so it is tried again, and each time where the channel is.
        assert!(calls.len() > 1);
        assert!(calls.iter().all(|call| *call == (Operation::Send, Some("https://smba/emea/".to_owned()))));
        let last = batch.changes.last().unwrap();
        assert_eq!(
            (last.to, last.why),
            (DeliveryState::Failed, Some(Why::Failed(FailReason::ConversationGone)))
        );
        assert!(batch.suspects.is_empty() && batch.reach.is_empty(), "{batch:?}");
    }

    #[test]
    fn what_a_reply_shows_is_known_of_the_channel() {
        let (batch, _) = every_call(&Outcome::NotInRoster { reach: ReachState::Removed });
        assert_eq!(batch.reach.len(), 1);
        assert_eq!((batch.reach[0].recipient_no, batch.reach[0].state), (CHANNEL, ReachState::Removed));
        let moved = Outcome::Accepted {
            activity_id: Some("18".to_owned()),
            conversation_id: None,
            service_url: Some("https://smba/amer/".to_owned()),
        };
        let (batch, _) = every_call(&moved);
        assert_eq!((batch.reach[0].recipient_no, batch.reach[0].state), (CHANNEL, ReachState::Reachable));
        let [known] = &batch.references[..] else { panic!("{batch:?}") };
        assert_eq!((known.recipient_no, known.conversation_id.as_str()), (CHANNEL, "19:x@thread.tacv2"));
    }
}
