//! What only the directory knows of an audience: whom names stand for, before the message is taken; who is in groups and
//! teams is read when it is expanded (`docs/adr/0023`).

use std::time::Duration;

use nuncio_api::Code;
use nuncio_domain::RecipientKind;
use nuncio_domain::directory::{Asker, DirectoryError, DirectorySource, Resolved};
use nuncio_domain::message::Named;
use nuncio_domain::places::TeamFilter;

use super::Findings;
use super::audience::Checked;
use crate::access::Access;
use crate::problem::Refusal;

/// A caller waits for it.
const WITHIN: Duration = Duration::from_secs(20);

/// Puts people for names and groups for teams.
pub(super) async fn look_up(
    findings: &mut Findings,
    access: &Access,
    (app, tenant): &(String, String),
    checked: &mut Checked,
) -> Result<(), Refusal> {
    let asker = Asker { app, tenant };
    teams(findings, access, asker, checked).await?;
    let place = if !checked.names.is_empty() {
        checked.names[0].pointer.clone()
    } else if !checked.directory.is_empty() {
        "/audience".to_owned()
    } else {
        return Ok(());
    };
    if let Err(error) = access.directory().ready(asker) {
        findings.add(code(&error), place, error.to_string());
        return Ok(());
    }
    names(findings, access, asker, checked).await
}

/// Teams that the app has met, by the group that each has in Entra.
async fn teams(
    findings: &mut Findings,
    access: &Access,
    asker: Asker<'_>,
    checked: &mut Checked,
) -> Result<(), Refusal> {
    for (id, pointer) in std::mem::take(&mut checked.teams) {
        let lane = (asker.app.to_owned(), asker.tenant.to_owned());
        match group_of(access, &lane, &id).await? {
            Ok(group) => {
                let source = DirectorySource::Team(group);
                if !checked.directory.contains(&source) {
                    checked.directory.push(source);
                }
            }
            Err(why) => findings.add(Code::RecipientInvalid, pointer, why),
        }
    }
    Ok(())
}

/// The group in Entra of a team that the app has met, or why there is none.
pub(super) async fn group_of(
    access: &Access,
    (app, tenant): &(String, String),
    id: &str,
) -> Result<Result<String, &'static str>, Refusal> {
    let filter = TeamFilter { app: Some(app.clone()), tenant: Some(tenant.clone()), ..TeamFilter::default() };
    let known = access.registry().team(access.scope(), id, &filter).await?;
    Ok(match known.first() {
        Some(team) => match &team.group_id {
            Some(group) => Ok(group.to_ascii_lowercase()),
            None => Err(
                "the app has not learned which Entra group belongs to this team: give the group's object id",
            ),
        },
        None => Err("the app knows no such team: give the Entra object id of its group"),
    })
}

async fn names(
    findings: &mut Findings,
    access: &Access,
    asker: Asker<'_>,
    checked: &mut Checked,
) -> Result<(), Refusal> {
    let names = std::mem::take(&mut checked.names);
    if names.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = names.iter().map(|name| name.text.clone()).collect();
    let asked = tokio::time::timeout(WITHIN, access.directory().resolve(asker, &texts)).await;
    let resolved = match asked {
        Ok(Ok(resolved)) => resolved,
        // What else is wrong has to be put right in any case.
        Ok(Err(_)) | Err(_) if !findings.items.is_empty() => return Ok(()),
        Ok(Err(error)) if error.passes() => {
            tracing::warn!(app = asker.app, %error, "names could not be looked up");
            let text = format!("{error}; {} names were to be looked up", names.len());
            return Err(Refusal::new(Code::DirectoryUnavailable, text));
        }
        Ok(Err(error)) => return Err(Refusal::at(code(&error), names[0].pointer.clone(), error.to_string())),
        Err(_) => {
            let text = format!(
                "Microsoft Graph did not find {} names within {} s: name fewer people in one message, or give \
                 Entra object ids, which need no look-up",
                names.len(),
                WITHIN.as_secs()
            );
            return Err(Refusal::new(Code::DirectoryUnavailable, text));
        }
    };
    for (name, resolved) in names.into_iter().zip(resolved) {
        let knows = match resolved {
            Resolved::One(person) if name.excluded => {
                checked.exclude.push(person.object_id);
                continue;
            }
            Resolved::One(person) => {
                let (kind, key) = (RecipientKind::Person, person.object_id.clone());
                checked.named.push(Named { kind, key });
                checked.resolved.push(*person);
                continue;
            }
            Resolved::None => "nobody",
            Resolved::Several => "several people",
        };
        let text = format!(
            "Teams itself takes neither sign-in names nor mail addresses, and Microsoft Graph knows {knows} by this one: \
             correct it, or give the Entra object id"
        );
        findings.add(Code::UpnNotResolvable, name.pointer, text);
    }
    Ok(())
}

pub(super) fn code(error: &DirectoryError) -> Code {
    match error {
        DirectoryError::NotConfigured(_) => Code::DirectoryNotConfigured,
        error if error.passes() => Code::DirectoryUnavailable,
        _ => Code::DirectoryRefused,
    }
}
