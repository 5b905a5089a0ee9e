//! What a new message is before it is a row: those that callers ask for, and those that the server makes by itself.

use std::collections::BTreeSet;

use nuncio_domain::directory::Include;
use nuncio_domain::message::{Body, WhenUnreachable};
use nuncio_domain::own_words::{Purpose, Say};
use nuncio_domain::{Class, Content, MessageState, NewMessage, OnAmbiguous, RecipientKind, Source, Time};

/// How long an idempotency key is remembered.
pub(crate) const KEEP_KEYS: i64 = 24 * 3_600 * 1_000_000;

/// Before the message id of a reply within a channel's conversation id.
pub(crate) const REPLY: &str = ";messageid=";

/// Named recipients of a lane, each once and in order.
pub(crate) type Distinct<'n> = BTreeSet<(i64, RecipientKind, &'n str)>;

/// What makes a message one of our own that others with the same words can still join.
pub(crate) struct Gathering {
    pub(crate) purpose: Purpose,
    pub(crate) until: Time,
    /// Why it waits longer than it would.
    pub(crate) cause: Option<&'static str>,
}

/// What a message begins as.
pub(crate) struct Begin {
    pub(crate) state: MessageState,
    pub(crate) send_at: Option<Time>,
    pub(crate) purpose: Purpose,
    pub(crate) cause: Option<&'static str>,
    pub(crate) gathers: bool,
}

pub(crate) fn begin(new: &NewMessage, gathering: Option<&Gathering>) -> Begin {
    let send_at = gathering.map(|gathering| gathering.until).or(new.send_at);
    let cause = gathering.and_then(|gathering| gathering.cause);
    let state = match send_at {
        _ if cause.is_some() => MessageState::Waiting,
        Some(at) if at > new.created_at => MessageState::Scheduled,
        _ => MessageState::Expanding,
    };
    let purpose = gathering.map_or(Purpose::Asked, |gathering| gathering.purpose);
    Begin { state, send_at, purpose, cause, gathers: gathering.is_some() }
}

pub(crate) fn distinct(new: &NewMessage) -> Distinct<'_> {
    new.named.iter().map(|named| (new.lane_no, named.kind, named.key.as_str())).collect()
}

/// Something that the server says by itself; class, label and expiry are still to be set.
pub(crate) fn own(say: &Say, lane_no: i64, content: Content, now: Time) -> NewMessage {
    NewMessage {
        id: say.id,
        lane_no,
        class: Class::Normal,
        content,
        label: None,
        named: vec![say.to.clone()],
        installed: false,
        directory: Vec::new(),
        resolved: Vec::new(),
        include: Include::default(),
        retries: None,
        exclude: Vec::new(),
        // Twice the same of these is worse than not at all.
        on_ambiguous: Some(OnAmbiguous::Hold),
        when_unreachable: WhenUnreachable::Fail,
        max_recipients: i64::MAX,
        send_at: None,
        expires_at: now,
        created_at: now,
        idempotency: None,
    }
}

/// The sources of a message, in the order in which they are read: who is named, whom the directory knows, who has the app.
pub(crate) fn sources(new: &NewMessage, list: Option<i64>, directory: &[i64]) -> Vec<Source> {
    let mut sources: Vec<Source> = list.map(Source::List).into_iter().collect();
    let known = directory.iter().zip(&new.directory);
    sources.extend(known.map(|(list_no, from)| Source::Directory { list_no: *list_no, from: from.clone() }));
    sources.extend(new.installed.then_some(Source::Installed));
    sources
}

/// A text with who installed the app.
pub(crate) fn with_name(content: &mut Content, sentence: &str, name: &str) {
    if let Body::Text(text) = &mut content.body {
        // A name is no markdown.
        let plain: String = name.chars().filter(|c| !"<>[]()*_~`#\\|".contains(*c)).collect();
        text.push(' ');
        text.push_str(&sentence.replace("{name}", plain.trim()));
    }
}
