//! The channels that were picked when the app was installed in a team: where its people chose to read it
//! (`docs/protocol.md` section 4.2, `settings.selectedChannel`). As of now, as the id of a channel would be.

use nuncio_api::Code;
use nuncio_domain::RecipientKind;
use nuncio_domain::message::Named;
use nuncio_domain::places::TeamFilter;

use super::Findings;
use super::audience::Checked;
use crate::access::Access;
use crate::problem::Refusal;

/// Puts channels for teams.
pub(super) async fn find(
    findings: &mut Findings,
    access: &Access,
    (app, tenant): &(String, String),
    checked: &mut Checked,
) -> Result<(), Refusal> {
    let filter = TeamFilter { app: Some(app.clone()), tenant: Some(tenant.clone()), ..TeamFilter::default() };
    for (id, pointer) in std::mem::take(&mut checked.picked) {
        let known = access.registry().team(access.scope(), &id, &filter).await?;
        if let Some(team) = known.into_iter().next() {
            // A team's id is that of its General channel.
            let key = team.picked_channel.unwrap_or(team.team_id);
            checked.named.push(Named { kind: RecipientKind::Channel, key });
        } else {
            let text = "the app knows no such team, so nothing was picked there: `nuncio teams` lists those it knows; \
                        name a channel in `channels` instead";
            findings.add(Code::RecipientInvalid, pointer, text);
        }
    }
    Ok(())
}
