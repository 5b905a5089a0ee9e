//! Batch sends (protocol section 5.8), whichever of Microsoft's spellings comes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The operation's id in the answer to a batch send: a bare text, or a member `operationId`.
pub(crate) fn operation_id(body: &Value) -> Option<&str> {
    body.as_str().or_else(|| body["operationId"].as_str()).filter(|id| !id.is_empty())
}

/// How far a batch send has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchState {
    /// A word that Microsoft does not list.
    pub state: Option<String>,
    /// How many entries came to which HTTP status.
    #[serde(alias = "stateMap", alias = "StatusMap")]
    pub status_map: BTreeMap<String, u64>,
    /// When to ask again, as a time.
    pub retry_after: Option<String>,
    /// How many entries there are.
    pub total_entries_count: Option<u64>,
}

/// A page of those whom it failed for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedEntries {
    /// There is more, to be asked for with this.
    pub continuation_token: Option<String>,
    /// The entries.
    #[serde(alias = "failedEntries", alias = "FailedEntryResponses")]
    pub failed_entry_responses: Vec<FailedEntry>,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedEntry {
    /// Whom.
    #[serde(alias = "id", alias = "Id", alias = "EntryId")]
    pub entry_id: Option<String>,
    /// Why.
    #[serde(alias = "Error")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings() {
        assert_eq!(operation_id(&json!("op")), Some("op"));
        assert_eq!(operation_id(&json!({"operationId": "op"})), Some("op"));
        for wrong in [json!({}), json!(""), json!(7), json!(null)] {
            assert_eq!(operation_id(&wrong), None, "{wrong}");
        }
        for name in ["statusMap", "stateMap"] {
            let state: BatchState =
                serde_json::from_value(json!({"state": "Completed", name: {"201": 40, "403": 2}})).unwrap();
            assert_eq!(state.status_map, [("201".to_owned(), 40), ("403".to_owned(), 2)].into());
        }
        for name in ["entryId", "Id", "id"] {
            let body =
                json!({"continuationToken": "c", "failedEntryResponses": [{name: "29:x", "error": "e"}]});
            let page: FailedEntries = serde_json::from_value(body).unwrap();
            assert_eq!(page.failed_entry_responses[0].entry_id.as_deref(), Some("29:x"));
        }
    }
}
