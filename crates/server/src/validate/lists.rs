//! Uploaded lists that a message names: those of its own app and tenant that its caller may see.

use nuncio_api::Code;

use super::Findings;
use super::audience::Checked;
use crate::access::Access;
use crate::problem::Refusal;

/// Puts lists for their ids.
pub(super) async fn find(
    findings: &mut Findings,
    access: &Access,
    (app, tenant): &(String, String),
    checked: &mut Checked,
) -> Result<(), Refusal> {
    for (id, pointer) in std::mem::take(&mut checked.list_ids) {
        match access.registry().list(access.scope(), id).await? {
            Some(list) if list.app == *app && list.tenant == *tenant => {
                if !checked.lists.contains(&list.list_no) {
                    checked.lists.push(list.list_no);
                }
            }
            Some(_) => {
                let text = "this list is of another app or tenant than the message: upload it for this one";
                findings.add(Code::UnknownList, pointer, text);
            }
            None => findings.add(Code::UnknownList, pointer, "there is no such list"),
        }
    }
    Ok(())
}
