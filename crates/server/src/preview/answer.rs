//! What was counted, as it is answered, with when it would be done.

use std::collections::BTreeMap;

use nuncio_api as api;
use nuncio_domain::lane::pace::Pace;
use nuncio_domain::outcome::LaneCauseKind;
use nuncio_domain::ports::StoreError;
use nuncio_domain::preview::estimate::{self, Ahead, Calls, Waits};
use nuncio_domain::preview::{Count, Example};
use nuncio_domain::{Class, NewMessage};

use super::{Counted, Reader};
use crate::times::{parse, text};
use crate::views;

pub(super) async fn answer(
    reader: &Reader<'_>,
    message: &NewMessage,
    counted: Counted,
) -> Result<api::Preview, StoreError> {
    let Counted { count, pages, read_for, unread } = counted;
    let now = reader.access.app().now();
    let calls =
        Calls { create: count.first_contact, send: count.would_send(), install: count.installs, pages };
    let lane = reader.lane.clone().map(|view| views::lane(view, None, now));
    // What its owner says of it, else what it will begin with.
    let rate = lane.as_ref().and_then(|lane| lane.allowed_per_s).or_else(|| {
        let app = reader.access.apps().into_iter().find(|app| app.name == reader.asker.app);
        app.and_then(|app| app.calls_per_s).map(|limit| Pace::new(Some(limit), now).rate())
    });
    let begins = estimate::begins(now, read_for, message.send_at, lane.as_ref().map_or(Waits::Not, waits));
    let begins = begins.filter(|_| unread.is_empty());
    let ahead = match reader.lane_no() {
        Some(lane_no) => {
            let at = begins.or(message.send_at).unwrap_or(now);
            reader.access.preview().ahead(reader.access.scope(), lane_no, at, calls.paced()).await?
        }
        None => Vec::new(),
    };
    let takes = estimate::takes(message.class, calls, &ahead, rate).filter(|_| unread.is_empty());
    let end = begins.zip(takes).map(|(begins, takes)| begins + takes);
    let audience = count.audience;
    Ok(api::Preview {
        app: reader.asker.app.to_owned(),
        tenant: reader.asker.tenant.to_owned(),
        complete: unread.is_empty(),
        incomplete: unread,
        audience,
        duplicates_removed: count.duplicates,
        would_send: api::preview::WouldSend {
            total: count.would_send(),
            known: count.known,
            first_contact: count.first_contact,
        },
        would_wait: count.waits,
        would_fail: words(&count.failed),
        would_skip: words(&count.skipped),
        needs_install: count.needs_install,
        removed: count.removed,
        by_state: words(&count.by_state),
        calls: api::preview::Calls {
            create: calls.create,
            send: calls.send,
            install: calls.install,
            graph_pages: calls.pages,
        },
        max_recipients: message.max_recipients,
        needs_confirmation: audience > message.max_recipients,
        rate_per_s: rate,
        ahead: before(&ahead),
        begins_at: begins.map(text),
        duration_s: takes.map(|takes| takes.as_secs_f64()),
        estimated_end: end.map(text),
        expires_at: text(message.expires_at),
        expires_before_end: end.map(|end| end > message.expires_at),
        paused_since: lane.as_ref().and_then(|lane| lane.paused_since.clone()),
        cause: lane.as_ref().and_then(|lane| lane.cause.clone()),
        cause_text: lane.as_ref().and_then(|lane| lane.cause_text.clone()),
        cooling_until: lane.and_then(|lane| lane.cooling_until),
        sample: sample(count),
    })
}

/// A time that Microsoft named passes by itself; of anything else nobody knows when.
fn waits(lane: &api::Lane) -> Waits {
    let throttled = LaneCauseKind::Throttled.as_str();
    match (lane.cause.as_deref(), lane.cooling_until.as_deref().and_then(parse)) {
        (Some(cause), _) if cause != throttled => Waits::ForSomebody,
        (_, Some(until)) => Waits::Until(until),
        (_, None) => Waits::Not,
    }
}

pub(super) fn words<T: ToString>(counted: &BTreeMap<T, i64>) -> BTreeMap<String, i64> {
    counted.iter().map(|(word, n)| (word.to_string(), *n)).collect()
}

fn before(ahead: &[Ahead]) -> api::preview::Ahead {
    let of = |class| ahead.iter().find(|one| one.class == class).map_or(0, |one| one.deliveries);
    api::preview::Ahead { urgent: of(Class::Urgent), normal: of(Class::Normal), bulk: of(Class::Bulk) }
}

pub(super) fn sample(count: Count) -> BTreeMap<String, Vec<api::preview::Sampled>> {
    let sampled = |one: Example| api::preview::Sampled {
        id: one.key,
        kind: one.kind.to_string(),
        name: one.name,
        upn: one.upn,
    };
    let of =
        |(of, examples): (&str, Vec<Example>)| (of.to_owned(), examples.into_iter().map(sampled).collect());
    count.examples.into_iter().map(of).collect()
}
