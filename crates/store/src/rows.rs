//! What an owner reads: its open messages, pending deliveries with all that a call needs, and what a dead one left.

use std::time::Duration;

use nuncio_domain::batch::{Attempt, Change};
use nuncio_domain::directory::Include;
use nuncio_domain::message::{OpenMessage, Settlement, Verdict, WhenUnreachable};
use nuncio_domain::outcome::{Operation, Outcome};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::people::{Origin, Reference};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{
    Class, Content, Control, DeliveryState, InstallPolicy, Key, MessageId, MessageState, OnAmbiguous,
    ReachState, RecipientKind, Time,
};

use crate::reach::Known;
use crate::words::{AnyRow, from_json, get, id, small, time, time_or_null, word, word_or_null};

pub(crate) fn open_message(row: &impl AnyRow) -> Result<OpenMessage, StoreError> {
    Ok(OpenMessage {
        message_no: get(row, "message_no")?,
        id: id(row, "id", MessageId)?,
        class: word(row, "class", Class::of_word)?,
        state: word(row, "state", MessageState::of_word)?,
        control: word_or_null(row, "control", Control::of_word)?,
        content: from_json::<Content>(get(row, "content")?)?,
        on_ambiguous: word_or_null(row, "on_ambiguous", OnAmbiguous::of_word)?,
        when_unreachable: word(row, "when_unreachable", WhenUnreachable::of_word)?,
        cause: get(row, "cause")?,
        purpose: word(row, "purpose", Purpose::of_word)?,
        install: install(row)?,
        gathers: get(row, "gathers")?,
        audience_final: get(row, "audience_final")?,
        include: Include::of_word(get(row, "include")?),
        send_at: time_or_null(row, "send_at")?,
        expires_at: time(row, "expires_at")?,
        created_at: time(row, "created_at")?,
        retries: get(row, "retries")?,
    })
}

/// Who is given the app first.
pub(crate) fn install(row: &impl AnyRow) -> Result<InstallPolicy, StoreError> {
    Ok(word_or_null(row, "install", InstallPolicy::of_word)?.unwrap_or(InstallPolicy::Never))
}

pub(crate) fn key(row: &impl AnyRow) -> Result<Key, StoreError> {
    Ok(Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? })
}

/// A reference with what its rank depends on.
pub(crate) struct Seen {
    pub(crate) reference: Reference,
    pub(crate) origin: Origin,
    pub(crate) at: i64,
}

pub(crate) fn seen(row: &impl AnyRow) -> Result<Option<Seen>, StoreError> {
    let Some(reference_no) = get(row, "reference_no")? else { return Ok(None) };
    Ok(Some(Seen {
        reference: Reference {
            reference_no,
            conversation_id: get(row, "conversation_id")?,
            service_url: get(row, "service_url")?,
            suspect: get::<Option<i64>>(row, "suspect_at")?.is_some(),
        },
        origin: word(row, "origin", Origin::of_word)?,
        at: get(row, "seen_at")?,
    }))
}

/// Not suspect, then by trust in where it came from, then the newest (`docs/delivery.md`, Reachability).
pub(crate) fn best_first(known: &mut [Seen]) {
    known.sort_by_key(|seen| {
        (seen.reference.suspect, seen.origin, std::cmp::Reverse((seen.at, seen.reference.reference_no)))
    });
}

/// By when the call of a dead owner has ended for certain.
const CALL: Duration = Duration::from_secs(30);

pub(crate) fn change(row: &impl AnyRow, now: Time) -> Result<Change, StoreError> {
    let kind = word(row, "kind", RecipientKind::of_word)?;
    let policy = word_or_null(row, "on_ambiguous", OnAmbiguous::of_word)?.unwrap_or_else(|| {
        // A lost alert is worse than one twice.
        let urgent = word(row, "class", Class::of_word).is_ok_and(|class| class == Class::Urgent);
        if urgent || kind != RecipientKind::Person { OnAmbiguous::Resend } else { OnAmbiguous::Hold }
    });
    let once: bool = get(row, "resent")?;
    // What belongs to a closed message is not sent again, and whether it arrived is not known either.
    let closed = get::<Option<&str>>(row, "closed_to")?.is_some();
    let resend = policy == OnAmbiguous::Resend && !once && !closed;
    let started_at = time_or_null(row, "started_at")?.unwrap_or(now);
    let thread = kind == RecipientKind::Channel && !get::<&str>(row, "key")?.contains(";messageid=");
    Ok(Change {
        key: Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? },
        from: DeliveryState::InFlight,
        to: if resend { DeliveryState::Pending } else { DeliveryState::Ambiguous },
        why: None,
        attempt: Some(Attempt {
            call: if thread { Operation::NewThread } else { Operation::Send },
            started_at,
            ended_at: now,
            outcome: Outcome::Ambiguous.word(),
            status: None,
            code: None,
            text: Some("the process ended while the call was under way".to_owned()),
            correlation: None,
        }),
        activity_id: None,
        due_at: resend.then(|| started_at + CALL),
        tries: small(row, "tries")?,
        resent: once || resend,
        at: now,
    })
}

/// What is known of whether a recipient can be reached.
pub(crate) fn known(row: &impl AnyRow) -> Result<(i64, Known), StoreError> {
    let known = Known {
        state: word(row, "reach", ReachState::of_word)?,
        seen: get(row, "reach_seen")?,
        last: word_or_null(row, "last", ReachState::of_word)?,
    };
    Ok((get(row, "recipient_no")?, known))
}

/// A word about an ambiguous delivery.
pub(crate) fn settlement(row: &impl AnyRow) -> Result<Settlement, StoreError> {
    Ok(Settlement {
        settlement_no: get(row, "settlement_no")?,
        key: key(row)?,
        verdict: word(row, "verdict", Verdict::of_word)?,
        activity_id: get(row, "activity_id")?,
        tries: small(row, "tries")?,
    })
}
