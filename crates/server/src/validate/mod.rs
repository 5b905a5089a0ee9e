//! A request for a message, checked against `docs/product.md`, HTTP. Everything that is wrong is found before anything
//! is answered, and nothing is stored unless all is right.

pub(crate) mod audience;
mod content;
mod directory;
mod install;
mod install_run;
mod lane;
mod lists;
mod picked;
mod policy;
mod retry;

use nuncio_api::{Code, ContentRequest};
use nuncio_domain::message::Body;
use nuncio_domain::own_words::Purpose;
use nuncio_domain::{Class, Content, MessageId, NewMessage};

pub(crate) use directory::code as directory_code;
pub(crate) use install_run::{install_preview, install_run, survey};
pub(crate) use lane::{Asked, find as find_lane, guid};
pub(crate) use retry::retry;

use crate::access::Access;
use crate::problem::Refusal;

/// More are counted, not listed.
const LISTED: usize = 100;
const LONGEST_LABEL: usize = 100;

/// What was found wrong, in the order of finding.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    items: Vec<(Code, String, String)>,
    more: usize,
}

impl Findings {
    pub(crate) fn add(&mut self, code: Code, pointer: impl Into<String>, text: impl Into<String>) {
        if self.items.len() < LISTED {
            self.items.push((code, pointer.into(), text.into()));
        } else {
            self.more += 1;
        }
    }

    /// It is part of the contract and does nothing yet.
    fn not_yet(&mut self, pointer: &str) {
        self.add(Code::NotSupportedYet, pointer, "this is not supported yet");
    }

    pub(crate) fn none(self) -> Result<(), Refusal> {
        if self.items.is_empty() { Ok(()) } else { Err(Refusal::of(self.items, self.more)) }
    }
}

/// The message that was asked for, ready to be stored.
pub(crate) async fn message(access: &Access, asked: &nuncio_api::NewMessage) -> Result<NewMessage, Refusal> {
    let (mut message, (app, tenant)) = draft(access, asked, content::check).await?;
    // Only now, so that a refused request leaves no lane behind.
    message.lane_no = access.app().lane_no(&app, &tenant).await?;
    Ok(message)
}

/// The same for one that is not going to be stored: without a lane's number, and it need not say anything.
pub(crate) async fn preview(
    access: &Access,
    asked: &nuncio_api::NewMessage,
) -> Result<(NewMessage, (String, String)), Refusal> {
    let content = |findings: &mut Findings, asked: &ContentRequest| {
        if *asked == ContentRequest::default() {
            return Some(Content { body: Body::Text(String::new()), summary: None });
        }
        content::check(findings, asked)
    };
    draft(access, asked, content).await
}

/// What was asked for, with the app and the tenant of its lane, whose number is still to be set.
async fn draft(
    access: &Access,
    asked: &nuncio_api::NewMessage,
    content: impl FnOnce(&mut Findings, &ContentRequest) -> Option<Content>,
) -> Result<(NewMessage, (String, String)), Refusal> {
    let now = access.app().now();
    let mut findings = Findings::default();
    let class =
        policy::word(&mut findings, "/priority", asked.priority.as_deref(), Class::ALL, Class::of_word)
            .unwrap_or(Class::Normal);
    let content = content(&mut findings, &asked.content);
    let mut audience = audience::check(&mut findings, &asked.audience, class);
    let policy = policy::check(&mut findings, asked, class, now);
    let label = label(&mut findings, asked.label.as_deref());
    let lane = lane::find(
        &mut findings,
        access,
        Asked { app: asked.app.as_deref(), tenant: asked.tenant.as_deref(), mark: '/' },
    )
    .await?;
    if let Some(lane) = &lane {
        lists::find(&mut findings, access, lane, &mut audience).await?;
        picked::find(&mut findings, access, lane, &mut audience).await?;
        directory::look_up(&mut findings, access, lane, &mut audience).await?;
        install::check(&mut findings, access, lane, policy.install);
    }
    findings.none()?;

    let message = NewMessage {
        id: MessageId(access.app().new_uuid()),
        lane_no: 0,
        class,
        content: content.expect("missing content was found above"),
        label,
        named: audience.named,
        installed: asked.audience.installed,
        lists: audience.lists,
        directory: audience.directory,
        resolved: audience.resolved,
        include: audience.include,
        retries: None,
        exclude: audience.exclude,
        purpose: Purpose::Asked,
        install: policy.install,
        exclude_groups: audience.exclude_groups,
        on_ambiguous: policy.on_ambiguous,
        when_unreachable: policy.when_unreachable,
        max_recipients: policy.max_recipients,
        send_at: policy.send_at,
        expires_at: policy.expires_at,
        created_at: now,
        idempotency: None,
    };
    Ok((message, lane.expect("a missing lane was found above")))
}

/// A content from elsewhere than a request, by the same rules; what is wrong with it.
pub fn content_of(text: Option<String>, card: Option<serde_json::Value>) -> Result<Content, String> {
    let mut findings = Findings::default();
    let content = content::check(&mut findings, &ContentRequest { text, card, summary: None });
    content.ok_or_else(|| findings.items.into_iter().map(|(_, _, text)| text).collect::<Vec<_>>().join("; "))
}

fn label(findings: &mut Findings, label: Option<&str>) -> Option<String> {
    let label = label?;
    if label.is_empty() || label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
        findings.add(Code::InvalidValue, "/label", "this must be 1 to 100 visible characters");
    }
    Some(label.to_owned())
}
