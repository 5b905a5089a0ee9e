//! Whether this caller may have the app installed (`docs/delivery.md`, Installing and welcoming).

use nuncio_api::Code;
use nuncio_domain::InstallPolicy;
use nuncio_domain::directory::Asker;

use super::Findings;
use super::directory::code;
use crate::access::Access;

/// The configuration allows it to the app, and its maker to the key.
pub(super) fn check(
    findings: &mut Findings,
    access: &Access,
    (app, tenant): &(String, String),
    install: InstallPolicy,
) {
    if install == InstallPolicy::Never {
        return;
    }
    let allowed = access.apps().iter().any(|known| known.name == *app && known.may_install);
    if !allowed {
        let text = format!(
            "the configuration does not allow it: set may_install = true in [app.{app}] and grant the app the roles that \
             docs/installing.md names"
        );
        findings.add(Code::InstallNotAllowed, "/install", text);
    }
    if !access.scope().may_install {
        let text = "this API key may not install: an administrator makes one that may with `nuncio keys create \
                    --may-install`";
        findings.add(Code::InstallNotAllowed, "/install", text);
    }
    if allowed && let Err(error) = access.directory().ready(Asker { app, tenant }) {
        findings.add(code(&error), "/install", error.to_string());
    }
}
