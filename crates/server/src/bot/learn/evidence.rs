//! What an activity shows of posts of ours that may be ambiguous (`docs/delivery.md`, Ambiguous). Whether it settles one
//! is decided where it is stored.

use nuncio_domain::message::DELIVERY_MEMBER;
use nuncio_domain::people::Evidence;
use nuncio_domain::{DeliveryId, Key};
use nuncio_teams::schema::{Activity, ActivityKind, ConversationKind, Invoke};
use serde_json::Value;

/// Between the id of a channel and that of a thread in it.
const THREAD: &str = ";messageid=";

pub(super) fn evidence(activity: &Activity, kind: &ActivityKind<'_>) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    evidence.extend(pressed(activity, kind).map(Evidence::Pressed));
    let Some(conversation_id) = activity.conversation_id() else { return evidence };
    if let Some(activity_id) = names(activity, kind) {
        let base = conversation_id.split_once(THREAD).map_or(conversation_id, |(base, _)| base);
        evidence
            .push(Evidence::Names { conversation_id: base.to_owned(), activity_id: activity_id.to_owned() });
    }
    evidence
}

/// The delivery whose id a button sent.
fn pressed(activity: &Activity, kind: &ActivityKind<'_>) -> Option<Key> {
    let member = match kind {
        ActivityKind::Message => activity.submitted()?.get(DELIVERY_MEMBER),
        ActivityKind::Invoke(Invoke::CardAction(action)) => action.data.get(DELIVERY_MEMBER),
        ActivityKind::Invoke(Invoke::TaskFetch(task)) => task.data.get(DELIVERY_MEMBER),
        _ => None,
    };
    let DeliveryId { message_no, recipient_no } = member.and_then(Value::as_str)?.parse().ok()?;
    Some(Key { message_no, recipient_no })
}

/// The post that it is about. Buttons and reactions come from posts of ours only; what somebody answers to in a channel or
/// a group may be anybody's.
fn names<'a>(activity: &'a Activity, kind: &ActivityKind<'a>) -> Option<&'a str> {
    let personal = activity.conversation_kind() == Some(ConversationKind::Personal);
    let id = match kind {
        ActivityKind::Message if personal => activity.reply_to_id.as_deref(),
        ActivityKind::Invoke(_) | ActivityKind::MessageReaction(_) => activity.reply_to_id.as_deref(),
        ActivityKind::ReadReceipt(read) if personal => *read,
        _ => None,
    };
    id.filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, change: impl FnOnce(&mut Value)) -> Vec<Evidence> {
        let path = format!("{}/../../fixtures/microsoft/activities/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let mut fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        change(&mut fixture["body"]);
        let activity: Activity = serde_json::from_value(fixture["body"].take()).unwrap();
        evidence(&activity, &activity.kind())
    }

    fn named(evidence: &[Evidence]) -> Option<(&str, &str)> {
        evidence.iter().find_map(|one| match one {
            Evidence::Names { conversation_id, activity_id } => Some((&**conversation_id, &**activity_id)),
            Evidence::Pressed(_) => None,
        })
    }

    #[test]
    fn buttons_bring_the_delivery() {
        let key = Key { message_no: 7, recipient_no: 9 };
        let id = DeliveryId { message_no: 7, recipient_no: 9 }.to_string();
        let submit = of("card_submit", |body| body["value"][DELIVERY_MEMBER] = id.clone().into());
        assert_eq!(submit[0], Evidence::Pressed(key));
        let execute = of("card_action", |body| {
            body["value"]["action"]["data"] = json!({DELIVERY_MEMBER: id});
        });
        assert_eq!(execute[0], Evidence::Pressed(key));
        for wrong in [json!(7), json!("dlv_x"), json!("msg_01h455vb4pex5vsknk084sn02q"), json!(null)] {
            let evidence = of("card_submit", |body| body["value"][DELIVERY_MEMBER] = wrong);
            assert!(!evidence.iter().any(|one| matches!(one, Evidence::Pressed(_))));
        }
    }

    #[test]
    fn posts_are_named_by_answers_reactions_and_receipts() {
        let personal = "a:1Xv9QnB3pLr";
        let reply = of("message_personal", |body| body["replyToId"] = "1795350000123".into());
        assert_eq!(named(&reply), Some((personal, "1795350000123")));
        assert!(of("message_personal", |_| {}).is_empty());
        for name in ["message_reaction", "read_receipt", "card_submit", "card_action"] {
            let evidence = of(name, |_| {});
            assert_eq!(named(&evidence).map(|(conversation, _)| conversation), Some(personal), "{name}");
        }
        // What others answer to each other shows nothing of us.
        assert!(of("message_channel", |body| body["replyToId"] = "1795350000123".into()).is_empty());
        let thread = "19:x@thread.tacv2;messageid=1795350000123";
        let reaction = of("message_reaction", |body| {
            body["conversation"] = json!({"id": thread, "conversationType": "channel", "isGroup": true});
        });
        assert_eq!(named(&reaction).map(|(conversation, _)| conversation), Some("19:x@thread.tacv2"));
    }
}
