//! NDJSON: a JSON string a line, or an object with one of the members that hold people.

use serde_json::Value;

use super::columns::best;
use super::entries::Entries;
use super::{lines, within};
use crate::problem::Refusal;

const NOBODY: &str = "this names nobody: it must be an Entra object id, a sign-in name or a mail address, as a JSON string or as the member \
     `id`, `user`, `upn` or `mail` of an object";

pub(super) fn read(text: &str, entries: &mut Entries) -> Result<(), Refusal> {
    for (line, json) in lines(text) {
        within(line)?;
        if json.trim().is_empty() {
            entries.blank();
            continue;
        }
        let entry = match serde_json::from_str(json) {
            Ok(Value::String(text)) => Some(text),
            Ok(Value::Object(members)) => {
                // A member that says nothing is not the one that counts.
                let said = members.into_iter().filter(|(_, value)| !value.is_null());
                best(said).and_then(|value| if let Value::String(text) = value { Some(text) } else { None })
            }
            Ok(_) => None,
            Err(_) => {
                entries.bad(line, "this is not JSON: each line must be one JSON value");
                continue;
            }
        };
        if !entry.is_some_and(|entry| entries.take(line, &entry)) {
            entries.bad(line, NOBODY);
        }
    }
    Ok(())
}
