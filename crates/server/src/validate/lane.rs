//! Which app in which tenant. A message goes to exactly one lane; neither has to be named where there is one only.

use nuncio_api::Code;
use uuid::Uuid;

use super::Findings;
use crate::access::Access;
use crate::problem::Refusal;
use crate::state::AppInfo;

/// What a request says of it, and how it points there: `/` into a body, `?` into the query.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) app: Option<&'a str>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) mark: char,
}

impl Asked<'_> {
    fn at(self, name: &str) -> String {
        format!("{}{name}", self.mark)
    }
}

/// The app's name and the tenant, or nothing and a finding.
pub(crate) async fn find(
    findings: &mut Findings,
    access: &Access,
    asked: Asked<'_>,
) -> Result<Option<(String, String)>, Refusal> {
    let apps = access.apps();
    let app = match (asked.app, apps.as_slice()) {
        (Some(name), apps) => {
            let app = apps.iter().find(|app| app.name == name);
            if app.is_none() {
                findings.add(
                    Code::UnknownApp,
                    asked.at("app"),
                    "there is no app of this name that this key may use",
                );
            }
            app.copied()
        }
        (None, [app]) => Some(*app),
        (None, []) => {
            findings.add(Code::UnknownApp, asked.at("app"), "there is no app that this key may use");
            None
        }
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|app| app.name.as_str()).collect();
            findings.add(Code::OneLane, asked.at("app"), format!("say which app: {}", names.join(", ")));
            None
        }
    };
    let Some(app) = app else { return Ok(None) };
    let pointer = asked.at("tenant");
    let tenant = match asked.tenant {
        Some(text) => named(findings, pointer, app, text),
        None => only_one(findings, pointer, access, app).await?,
    };
    Ok(tenant.map(|tenant| (app.name.clone(), tenant)))
}

fn named(findings: &mut Findings, pointer: String, app: &AppInfo, text: &str) -> Option<String> {
    let tenant = guid(text).filter(|tenant| app.allows(tenant));
    if tenant.is_none() {
        findings.add(Code::UnknownTenant, pointer, "this is none of the app's allowed tenants");
    }
    tenant
}

/// Without a name: the only tenant that the app is known in, else its only or its own allowed one.
async fn only_one(
    findings: &mut Findings,
    pointer: String,
    access: &Access,
    app: &AppInfo,
) -> Result<Option<String>, Refusal> {
    let lanes = access.registry().lanes().await?;
    let known: Vec<String> = lanes
        .into_iter()
        .filter(|lane| lane.app == app.name && app.allows(&lane.tenant))
        .map(|lane| lane.tenant)
        .collect();
    Ok(match (known.as_slice(), app.allowed_tenants.as_slice()) {
        ([tenant], _) => Some(tenant.clone()),
        ([], [tenant]) if tenant != "*" => Some(tenant.to_ascii_lowercase()),
        ([], _) if app.allows(&app.tenant_id) => Some(app.tenant_id.to_ascii_lowercase()),
        _ => {
            findings.add(Code::OneLane, pointer, "this app is known in several tenants: say which one");
            None
        }
    })
}

/// A GUID with its hyphens, in lower case.
pub(crate) fn guid(text: &str) -> Option<String> {
    // Others of its forms (braces, no hyphens, `urn:uuid:`) are not Microsoft's.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?.map(|id| id.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids() {
        assert_eq!(
            guid("B7C41E0A-9d25-4f6e-8a37-52e1f08c6d9b").as_deref(),
            Some("b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b")
        );
        for text in ["", "b7c41e0a9d254f6e8a3752e1f08c6d9b", "{b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b}", "ines"]
        {
            assert_eq!(guid(text), None, "{text}");
        }
    }
}
