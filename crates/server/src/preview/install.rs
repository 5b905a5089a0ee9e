//! What was counted of an install run, as it is answered, with when it would be done.

use std::time::Duration;

use nuncio_api as api;
use nuncio_domain::NewMessage;
use nuncio_domain::outcome::LaneCauseKind;
use nuncio_domain::preview::estimate::{self, INSTALLS_PER_S, Waits};

use super::answer::{sample, words};
use super::{Counted, Reader};
use crate::times::text;
use crate::views;

pub(super) fn answer(reader: &Reader<'_>, message: &NewMessage, counted: Counted) -> api::InstallPreview {
    let Counted { count, pages, read_for, unread } = counted;
    let now = reader.access.app().now();
    // Of its lane only an operator's hold is its business: it makes no calls of the lane.
    let held = reader.lane.clone().map(|view| views::lane(view, None, now));
    let held = held.filter(|lane| lane.cause.as_deref() == Some(LaneCauseKind::Paused.as_str()));
    let waits = if held.is_some() { Waits::ForSomebody } else { Waits::Not };
    let begins = estimate::begins(now, read_for, message.send_at, waits).filter(|_| unread.is_empty());
    let takes = Duration::from_secs_f64(count.installs as f64 / INSTALLS_PER_S);
    let takes = Some(takes).filter(|_| unread.is_empty());
    let end = begins.zip(takes).map(|(begins, takes)| begins + takes);
    api::InstallPreview {
        app: reader.asker.app.to_owned(),
        tenant: reader.asker.tenant.to_owned(),
        complete: unread.is_empty(),
        incomplete: unread,
        audience: count.audience,
        duplicates_removed: count.duplicates,
        have_it: count.have_it,
        would_install: count.installs,
        would_fail: words(&count.failed),
        would_skip: words(&count.skipped),
        by_state: words(&count.by_state),
        calls: api::InstallCalls { install: count.installs, graph_pages: pages },
        max_recipients: message.max_recipients,
        needs_confirmation: count.audience > message.max_recipients,
        rate_per_s: INSTALLS_PER_S,
        begins_at: begins.map(text),
        duration_s: takes.map(|takes| takes.as_secs_f64()),
        estimated_end: end.map(text),
        expires_at: text(message.expires_at),
        expires_before_end: end.map(|end| end > message.expires_at),
        paused_since: held.as_ref().and_then(|lane| lane.paused_since.clone()),
        cause: held.as_ref().and_then(|lane| lane.cause.clone()),
        cause_text: held.and_then(|lane| lane.cause_text),
        sample: sample(count),
    }
}
