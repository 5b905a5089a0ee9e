//! A request to have the app installed: people as in a message, teams as a whole, group chats. And one to ask who has it,
//! which is the same for people.

use nuncio_api::{Audience, Code, NewInstall, NewSurvey};
use nuncio_domain::directory::Asker;
use nuncio_domain::message::{Body, Named, WhenUnreachable};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::{Class, Content, InstallPolicy, MessageId, NewMessage, RecipientKind};

use super::audience::{CHANNELS, Checked, fits, is_chat, is_thread};
use super::directory::group_of;
use super::{Asked, Findings, audience, directory, guid, install, label, lane, lists, policy};
use crate::access::Access;
use crate::problem::Refusal;

/// The run that was asked for, ready to be stored.
pub(crate) async fn install_run(access: &Access, asked: &NewInstall) -> Result<NewMessage, Refusal> {
    run(access, asked, Purpose::Install).await
}

/// The same for one that is not going to be stored: without a lane's number, and with the app and the tenant of its lane.
pub(crate) async fn install_preview(
    access: &Access,
    asked: &NewInstall,
) -> Result<(NewMessage, (String, String)), Refusal> {
    draft(access, asked, Purpose::Install).await
}

/// The survey that was asked for, ready to be stored.
pub(crate) async fn survey(access: &Access, asked: NewSurvey) -> Result<NewMessage, Refusal> {
    let NewSurvey { app, tenant, audience, label, max_recipients, expires_at } = asked;
    let install =
        NewInstall { app, tenant, audience, label, max_recipients, expires_at, ..NewInstall::default() };
    run(access, &install, Purpose::Survey).await
}

async fn run(access: &Access, asked: &NewInstall, purpose: Purpose) -> Result<NewMessage, Refusal> {
    let (mut message, (app, tenant)) = draft(access, asked, purpose).await?;
    // Only now, so that a refused request leaves no lane behind.
    message.lane_no = access.app().lane_no(&app, &tenant).await?;
    Ok(message)
}

async fn draft(
    access: &Access,
    asked: &NewInstall,
    purpose: Purpose,
) -> Result<(NewMessage, (String, String)), Refusal> {
    let now = access.app().now();
    let mut findings = Findings::default();
    let of_message = nuncio_api::NewMessage {
        max_recipients: asked.max_recipients,
        send_at: asked.send_at.clone(),
        expires_at: asked.expires_at.clone(),
        ..nuncio_api::NewMessage::default()
    };
    let policy = policy::check(&mut findings, &of_message, Class::Bulk, now);
    let given = match (asked.install.as_deref().map(InstallPolicy::of_word), purpose) {
        (None, Purpose::Survey) => InstallPolicy::Never,
        (None, _) => InstallPolicy::IfNeverInstalled,
        (Some(Some(given)), _) if given != InstallPolicy::Never => given,
        (Some(_), _) => {
            let text = "this must be one of: if_never_installed, also_if_removed";
            findings.add(Code::InvalidValue, "/install", text);
            InstallPolicy::Never
        }
    };
    let mut checked = people(&mut findings, asked);
    let met = teams_and_chats(&mut findings, asked, &mut checked);
    let label = label(&mut findings, asked.label.as_deref());
    let of = Asked { app: asked.app.as_deref(), tenant: asked.tenant.as_deref(), mark: '/' };
    let lane = lane::find(&mut findings, access, of).await?;
    if let Some(lane) = &lane {
        for (id, pointer) in met {
            match group_of(access, lane, &id).await? {
                Ok(group) => checked.named.push(Named { kind: RecipientKind::Team, key: group }),
                Err(why) => findings.add(Code::RecipientInvalid, pointer, why),
            }
        }
        lists::find(&mut findings, access, lane, &mut checked).await?;
        directory::look_up(&mut findings, access, lane, &mut checked).await?;
        install::check(&mut findings, access, lane, given);
        let asker = Asker { app: &lane.0, tenant: &lane.1 };
        if purpose == Purpose::Survey
            && let Err(error) = access.directory().ready(asker)
        {
            findings.add(directory::code(&error), "/audience", error.to_string());
        }
    }
    findings.none()?;

    let message = NewMessage {
        id: MessageId(access.app().new_uuid()),
        lane_no: 0,
        class: Class::Bulk,
        content: Content { body: Body::Text(String::new()), summary: None },
        label,
        named: checked.named,
        installed: false,
        lists: checked.lists,
        directory: checked.directory,
        exclude_groups: checked.exclude_groups,
        resolved: checked.resolved,
        include: checked.include,
        retries: None,
        exclude: checked.exclude,
        purpose,
        install: given,
        on_ambiguous: None,
        when_unreachable: WhenUnreachable::Fail,
        max_recipients: policy.max_recipients,
        send_at: policy.send_at,
        expires_at: policy.expires_at,
        created_at: now,
        idempotency: None,
    };
    Ok((message, lane.expect("a missing lane was found above")))
}

fn people(findings: &mut Findings, asked: &NewInstall) -> Checked {
    let audience = &asked.audience;
    if audience.installed {
        findings.add(Code::InvalidValue, "/audience/installed", "these have the app");
    }
    for (named, pointer, text) in [
        (
            &audience.channels,
            "/audience/channels",
            "a channel gets the app with its team: name the team in /teams",
        ),
        (
            &audience.picked_channels,
            "/audience/picked_channels",
            "a channel gets the app with its team: name the team in /teams",
        ),
        (&audience.chats, "/audience/chats", "name group chats in /chats"),
    ] {
        if !named.is_empty() {
            findings.add(Code::InvalidValue, pointer, text);
        }
    }
    let places = !asked.teams.is_empty() || !asked.chats.is_empty();
    if places && *audience == Audience::default() {
        return Checked::default();
    }
    audience::check(findings, audience, Class::Bulk)
}

/// Teams as Teams calls them are given back, with where they stand.
fn teams_and_chats(
    findings: &mut Findings,
    asked: &NewInstall,
    checked: &mut Checked,
) -> Vec<(String, String)> {
    let mut met = Vec::new();
    if fits(findings, "/teams", asked.teams.len()) {
        for (index, text) in asked.teams.iter().enumerate() {
            let pointer = format!("/teams/{index}");
            if let Some(group) = guid(text) {
                checked.named.push(Named { kind: RecipientKind::Team, key: group });
            } else if is_thread(text, &CHANNELS) {
                met.push((text.clone(), pointer));
            } else {
                let text = "this must be the Entra object id of a team's group, or the id of a team that the app has met";
                findings.add(Code::RecipientInvalid, pointer, text);
            }
        }
    }
    if fits(findings, "/chats", asked.chats.len()) {
        for (index, text) in asked.chats.iter().enumerate() {
            if is_chat(text) {
                checked.named.push(Named { kind: RecipientKind::Chat, key: text.clone() });
            } else {
                let text = "this must be a group chat's conversation id such as 19:…@thread.v2";
                findings.add(Code::RecipientInvalid, format!("/chats/{index}"), text);
            }
        }
    }
    met
}
