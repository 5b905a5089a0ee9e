//! What the API and owners read.

use std::collections::BTreeMap;

use nuncio_domain::batch::Row;
use nuncio_domain::message::{OpenMessage, WHENEVER};
use nuncio_domain::people::RecipientKind;
use nuncio_domain::views::{DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page};
use nuncio_domain::{DeliveryState, MessageId, Scope, Time};

use super::commit::key;
use super::{Delivery, Message, State};

impl State {
    /// The message, if this caller may see it.
    pub(super) fn seen(&self, scope: &Scope, id: MessageId) -> Option<(i64, &Message)> {
        let (message_no, message) = self.messages.iter().find(|(_, message)| message.new.id == id)?;
        self.sees(scope, message).then_some((*message_no, message))
    }

    pub(super) fn sees(&self, scope: &Scope, message: &Message) -> bool {
        scope.sees_app(&self.lanes[&message.new.lane_no].app)
    }

    pub(super) fn message_view(&self, message_no: i64, message: &Message) -> MessageView {
        let lane = &self.lanes[&message.new.lane_no];
        let by_reason = |state| {
            let mut reasons = BTreeMap::new();
            for row in message.rows.values().filter(|row| row.state == state) {
                if let Some(reason) = &row.reason {
                    *reasons.entry(reason.clone()).or_default() += 1;
                }
            }
            reasons
        };
        let of_lane = || {
            let status: serde_json::Value = serde_json::from_str(lane.status.as_deref()?).ok()?;
            let cause = status["cause"].as_str()?.to_owned();
            (!message.state.is_final()).then_some(cause)
        };
        MessageView {
            message_no,
            id: message.new.id,
            app: lane.app.clone(),
            tenant: lane.tenant.clone(),
            lane_no: message.new.lane_no,
            class: message.new.class,
            state: message.state,
            cause: message.cause.clone().or_else(of_lane),
            control: message.control,
            label: message.new.label.clone(),
            content: message.new.content.clone(),
            purpose: message.new.purpose,
            install: message.new.install,
            on_ambiguous: message.new.on_ambiguous,
            when_unreachable: message.new.when_unreachable,
            counts: message.counts(),
            duplicates_removed: message.duplicates,
            audience_final: message.audience_final,
            failed_by_reason: by_reason(DeliveryState::Failed),
            skipped_by_reason: by_reason(DeliveryState::Skipped),
            send_at: message.new.send_at,
            expires_at: message.new.expires_at,
            created_at: message.new.created_at,
            completed_at: message.completed_at,
            lane_status: lane.status.clone(),
            retries: message.new.retries.as_ref().map(|retries| retries.of),
        }
    }

    pub(super) fn message_page(
        &self,
        scope: &Scope,
        filter: &MessageFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Page<MessageView> {
        let wanted = self
            .messages
            .range(..after.unwrap_or(i64::MAX))
            .rev()
            .filter(|(_, message)| self.sees(scope, message))
            .filter(|(_, message)| match filter.purpose {
                Some(purpose) => message.new.purpose == purpose,
                None => message.new.purpose.speaks(),
            })
            .filter(|(_, message)| filter.state.is_none_or(|state| state == message.state))
            .filter(|(_, message)| filter.label.is_none() || filter.label == message.new.label)
            .map(|(message_no, message)| self.message_view(*message_no, message));
        cut(wanted.collect(), limit, |view| view.message_no)
    }

    pub(super) fn delivery_view(
        &self,
        message_no: i64,
        message: &Message,
        recipient_no: i64,
    ) -> DeliveryView {
        let row = &message.rows[&recipient_no];
        let recipient = &self.recipients[&recipient_no];
        let last = row.attempts.last();
        DeliveryView {
            key: key(message_no, recipient_no),
            kind: recipient.kind,
            address: recipient.key.clone(),
            name: recipient.name.clone(),
            upn: recipient.upn.clone(),
            state: message.shown(row),
            reason: row.reason.clone(),
            activity_id: row.activity_id.clone(),
            attempts: row.attempts.len() as i64,
            due_at: row.due_at.filter(|at| message.closed_to.is_none() && *at != WHENEVER),
            first_at: row.attempts.first().map(|attempt| attempt.started_at),
            last_at: last.map(|attempt| attempt.ended_at),
            status: last.and_then(|attempt| attempt.status),
            code: last.and_then(|attempt| attempt.code.clone()),
            text: last.and_then(|attempt| attempt.text.clone()),
            correlation: last.and_then(|attempt| attempt.correlation.clone()),
            settled: self.settled(key(message_no, recipient_no)),
        }
    }

    pub(super) fn delivery_page(
        &self,
        (message_no, message): (i64, &Message),
        filter: &DeliveryFilter,
        after: Option<i64>,
        limit: i64,
    ) -> Page<DeliveryView> {
        let wanted = message
            .rows
            .range(after.unwrap_or(0) + 1..)
            .map(|(recipient_no, _)| self.delivery_view(message_no, message, *recipient_no))
            .filter(|view| filter.state.is_none_or(|state| state == view.state))
            .filter(|view| filter.reason.is_none() || filter.reason == view.reason);
        cut(wanted.collect(), limit, |view| view.key.recipient_no)
    }

    pub(super) fn open(&self, lane_no: i64, after: i64) -> Vec<OpenMessage> {
        self.messages
            .iter()
            .filter(|(_, message)| message.new.lane_no == lane_no)
            .filter(|(_, message)| !message.state.is_final() || !message.swept)
            .filter(|(message_no, message)| **message_no > after || message.control.is_some())
            .map(|(message_no, message)| OpenMessage {
                message_no: *message_no,
                id: message.new.id,
                class: message.new.class,
                state: message.state,
                control: message.control,
                content: message.new.content.clone(),
                purpose: message.new.purpose,
                install: message.new.install,
                // The model learns of no installs and no words.
                gathers: false,
                on_ambiguous: message.new.on_ambiguous,
                when_unreachable: message.new.when_unreachable,
                cause: message.cause.clone(),
                audience_final: message.audience_final,
                include: message.new.include,
                send_at: message.new.send_at,
                expires_at: message.new.expires_at,
                created_at: message.new.created_at,
                retries: message.new.retries.is_some(),
            })
            .collect()
    }

    pub(super) fn page(&self, message_no: i64, after: i64, limit: i64) -> Vec<Row> {
        let Some(message) = self.messages.get(&message_no) else { return Vec::new() };
        message
            .rows
            .range(after + 1..)
            .filter(|(_, row)| message.shown(row) == DeliveryState::Pending && row.due_at.is_none())
            .take(limit as usize)
            .map(|(recipient_no, row)| self.row(message_no, message, *recipient_no, row))
            .collect()
    }

    pub(super) fn due(&self, lane_no: i64, until: Time, limit: i64) -> Vec<Row> {
        let mut rows = Vec::new();
        for (message_no, message) in &self.messages {
            for (recipient_no, row) in &message.rows {
                let due = row.due_at.is_some_and(|at| at <= until && at != WHENEVER);
                if message.new.lane_no == lane_no && due && message.shown(row) == DeliveryState::Pending {
                    rows.push(self.row(*message_no, message, *recipient_no, row));
                }
            }
        }
        rows.sort_by_key(|row| (row.due_at, row.key));
        rows.truncate(limit as usize);
        rows
    }

    /// (thread, when it ended) of calls to channels and chats.
    pub(super) fn calls_of_places(&self, lane_no: i64, since: Time) -> Vec<(i64, Time)> {
        let mut calls = Vec::new();
        for message in self.messages.values().filter(|message| message.new.lane_no == lane_no) {
            for (recipient_no, row) in &message.rows {
                if self.recipients[recipient_no].kind != RecipientKind::Person {
                    let ended = row.attempts.iter().map(|attempt| attempt.ended_at);
                    calls.extend(ended.filter(|at| *at > since).map(|at| (row.thread_no, at)));
                }
            }
        }
        calls.sort_by_key(|(thread_no, at)| (*at, *thread_no));
        calls
    }

    fn row(&self, message_no: i64, message: &Message, recipient_no: i64, row: &Delivery) -> Row {
        let recipient = &self.recipients[&recipient_no];
        // A thread of a channel has the channel's references and reachability.
        let place = &self.recipients[&row.thread_no];
        let best = place.best_first();
        let mut usable = best.iter().filter(|known| !known.reference.suspect);
        Row {
            key: key(message_no, recipient_no),
            thread_no: row.thread_no,
            kind: recipient.kind,
            address: recipient.key.clone(),
            mri: recipient.mri.clone(),
            reference: usable.next().map(|known| known.reference.clone()),
            others: usable.count() as u32,
            reach: place.reach,
            reach_at: place.reach_at,
            standing: recipient.standing,
            excluded: message.new.exclude.contains(&recipient.key),
            opted_out: recipient.opted_out,
            attempts: row.attempts.len() as u32,
            tries: row.tries,
            resent: row.resent,
            due_at: row.due_at,
        }
    }
}

/// The first `limit` of all, and where to go on.
fn cut<T>(mut items: Vec<T>, limit: i64, number: fn(&T) -> i64) -> Page<T> {
    let more = items.len() as i64 > limit;
    items.truncate(limit as usize);
    let next = if more { items.last().map(number) } else { None };
    Page { items, next }
}
