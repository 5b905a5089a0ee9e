//! What is inside a message: cards, images, entities, channel data (protocol sections 6 and 9).
//!
//! Microsoft documents the rules but hardly a refusal. `content_checks` = `lenient` leaves all of this out but the rows of
//! section 6's table: unknown attachments and AI entities.

use serde_json::Value;

use super::{activity::decoded_size, create::guid};
use crate::{
    refusal::Refusal,
    settings::Settings,
    switches::{ContentChecks, UnmatchedMention},
};

const CARD: &str = "application/vnd.microsoft.card.adaptive";
/// Of `refresh.userIds` in a card.
const REFRESHED: usize = 60;
const CITATIONS: usize = 20;
/// Bytes of an embedded image.
const IMAGE: u64 = 1024 * 1024;

fn bad(text: &'static str) -> Refusal {
    Refusal::BadArgument(text)
}

/// Checks a message whose outer shape is right. `known`: whether an id of a mention is somebody's whom the bot can know.
pub(super) fn check(
    activity: &Value,
    settings: &Settings,
    known: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let attachments = list(&activity["attachments"])?;
    for attachment in attachments {
        let kind = attachment["contentType"].as_str().ok_or(Refusal::BadSyntax)?.to_ascii_lowercase();
        if !known_attachment(&kind) {
            return Err(bad("Unknown attachment type"));
        }
        if settings.content_checks == ContentChecks::Strict {
            if kind == CARD {
                card(&attachment["content"], settings, known)?;
            } else if kind.starts_with("image/") {
                image(attachment["contentUrl"].as_str().ok_or(bad("An image needs a contentUrl"))?, true)?;
            }
        }
    }
    let entities = list(&activity["entities"])?;
    root_message(entities)?;
    if settings.content_checks == ContentChecks::Lenient {
        return Ok(());
    }
    one_of(&activity["attachmentLayout"], &["list", "carousel", "grid"], "Unknown attachment layout")?;
    one_of(
        &activity["textFormat"],
        &["plain", "markdown", "xml", "extendedmarkdown"],
        "Unknown text format",
    )?;
    text_or_nothing(&activity["summary"])?;
    let text = activity["text"].as_str().unwrap_or_default();
    mentions(entities, text, settings, known)?;
    suggested_actions(&activity["suggestedActions"])?;
    channel_data(&activity["channelData"])
}

/// Cards of Bot Framework that Teams has (Microsoft page "Types of cards"), and the one for signing in silently; those for
/// media are none of them.
const CARDS: [&str; 6] = ["adaptive", "hero", "thumbnail", "receipt", "signin", "oauth"];

fn known_attachment(kind: &str) -> bool {
    if let Some(card) = kind.strip_prefix("application/vnd.microsoft.card.") {
        return CARDS.contains(&card);
    }
    kind.starts_with("application/vnd.microsoft.teams.") || kind.starts_with("image/") || kind == "text/html"
}

/// The items of a list; nothing is an empty one.
fn list(value: &Value) -> Result<&[Value], Refusal> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        _ => Err(Refusal::BadSyntax),
    }
}

fn one_of(value: &Value, choices: &[&str], otherwise: &'static str) -> Result<(), Refusal> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) if choices.iter().any(|choice| text.eq_ignore_ascii_case(choice)) => Ok(()),
        _ => Err(bad(otherwise)),
    }
}

fn text_or_nothing(value: &Value) -> Result<(), Refusal> {
    if value.is_null() || value.is_string() { Ok(()) } else { Err(Refusal::BadSyntax) }
}

fn card(card: &Value, settings: &Settings, known: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let wrong = bad("Invalid Adaptive Card");
    if card["type"] != "AdaptiveCard" {
        return Err(wrong);
    }
    let version = card["version"].as_str().and_then(|version| version.split_once('.')).ok_or(wrong)?;
    if version.0.parse::<u8>().is_err() || version.1.parse::<u8>().is_err() {
        return Err(wrong);
    }
    for part in ["body", "actions"] {
        list(&card[part]).map_err(|_| wrong)?;
    }
    if card["refresh"]["userIds"].as_array().is_some_and(|people| people.len() > REFRESHED) {
        return Err(bad("A card refreshes for at most 60 people"));
    }
    images(card, settings)?;
    let entities = list(&card["msteams"]["entities"]).map_err(|_| wrong)?;
    // The marks are somewhere in the texts of the card.
    let texts = if entities.is_empty() { String::new() } else { card["body"].to_string() };
    mentions(entities, &texts, settings, known)
}

/// Every image of a card, wherever it is.
fn images(value: &Value, settings: &Settings) -> Result<(), Refusal> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| images(item, settings)),
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|kind| kind == "Image")
                && let Some(Value::String(url)) = fields.get("url")
            {
                image(url, settings.image_urls)?;
            }
            fields.values().try_for_each(|field| images(field, settings))
        }
        _ => Ok(()),
    }
}

/// A URL or an embedded PNG, JPEG or GIF. `by_url`: GCC High and `DoD` show only embedded ones in cards.
fn image(url: &str, by_url: bool) -> Result<(), Refusal> {
    let Some(data) = url.strip_prefix("data:") else {
        return match url.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() && by_url => Ok(()),
            Some(("http" | "https", rest)) if !rest.is_empty() => Err(bad("Image URLs are not supported")),
            _ => Err(bad("Invalid image URL")),
        };
    };
    let (kind, data) = data.split_once(";base64,").ok_or(bad("Invalid image URL"))?;
    if !matches!(kind, "image/png" | "image/jpeg" | "image/jpg" | "image/gif") {
        return Err(bad("Unknown image type"));
    }
    match decoded_size(data) {
        None => Err(bad("Invalid image data")),
        Some(size) if size > IMAGE => Err(bad("An image has at most 1 MB")),
        Some(_) => Ok(()),
    }
}

fn mentions(
    entities: &[Value],
    text: &str,
    settings: &Settings,
    known: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    for mention in entities.iter().filter(|entity| is(entity, "mention")) {
        let id = mention["mentioned"]["id"].as_str().unwrap_or_default();
        if id.is_empty() || !known(id) {
            return Err(bad("Invalid mention entity"));
        }
        let mark = mention["text"].as_str().unwrap_or_default();
        if !(mark.starts_with("<at") && mark.ends_with("</at>")) {
            return Err(bad("Mention entity text is not valid."));
        }
        // A mark that the text has not is passed over (protocol section 9), or so it is documented.
        let escaped = Value::from(mark).to_string();
        let there = text.contains(mark) || text.contains(escaped.trim_matches('"'));
        if !there && settings.unmatched_mention == UnmatchedMention::Refused {
            return Err(bad("Mention entity text is not valid."));
        }
    }
    Ok(())
}

fn is(entity: &Value, kind: &str) -> bool {
    entity["type"].as_str().is_some_and(|is| is.eq_ignore_ascii_case(kind))
}

/// The AI label and its citations (section 6, third row of the table).
fn root_message(entities: &[Value]) -> Result<(), Refusal> {
    let mut roots = entities.iter().filter(|entity| is(entity, "https://schema.org/Message"));
    let Some(root) = roots.next() else {
        return Ok(());
    };
    if roots.next().is_some() {
        return Err(bad("Multiple root message entities are not allowed"));
    }
    let wrong = bad("The citations of the root message entity cannot be read");
    let citations = list(&root["citation"]).map_err(|_| wrong)?;
    if citations.len() > CITATIONS {
        return Err(bad("A message has at most 20 citations"));
    }
    for citation in citations {
        let appearance = &citation["appearance"];
        let fields = match appearance {
            Value::Null => return Err(bad("The appearance of a citation is empty")),
            Value::Object(fields) => fields,
            _ => return Err(wrong),
        };
        if fields.is_empty() {
            return Err(bad("The appearance of a citation is empty"));
        }
        let keywords = match &appearance["keywords"] {
            Value::Null => &[][..],
            Value::Array(words) => words,
            _ => return Err(wrong),
        };
        if citation["@type"] != "Claim"
            || !citation["position"].is_u64()
            || appearance["@type"] != "DigitalDocument"
            || !short(&appearance["name"], 80)
            || !(appearance["abstract"].is_null() || short(&appearance["abstract"], 160))
            || keywords.len() > 3
            || !keywords.iter().all(|word| short(word, 28))
        {
            return Err(wrong);
        }
    }
    Ok(())
}

fn short(value: &Value, most: usize) -> bool {
    value.as_str().is_some_and(|text| text.chars().count() <= most)
}

fn suggested_actions(suggested: &Value) -> Result<(), Refusal> {
    if suggested.is_null() {
        return Ok(());
    }
    let actions = list(&suggested["actions"])?;
    let shaped = |action: &Value| action["type"].is_string() && action["title"].is_string();
    if suggested.is_object() && actions.iter().all(shaped) {
        Ok(())
    } else {
        Err(bad("Invalid suggested actions"))
    }
}

fn channel_data(data: &Value) -> Result<(), Refusal> {
    if !(data.is_null() || data.is_object()) {
        return Err(Refusal::BadSyntax);
    }
    let notification = &data["notification"];
    let flag = |name: &str| notification[name].is_null() || notification[name].is_boolean();
    if !(notification.is_null() || notification.is_object()) || !flag("alert") || !flag("alertInMeeting") {
        return Err(bad("Invalid notification"));
    }
    for on_behalf in list(&data["onBehalfOf"]).map_err(|_| bad("Invalid onBehalfOf"))? {
        let named =
            on_behalf["mri"].as_str().is_some_and(|mri| mri.starts_with("29:") || guid(mri).is_some());
        if !named || on_behalf["mentionType"] != "person" || !on_behalf["displayName"].is_string() {
            return Err(bad("Invalid onBehalfOf"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Latency;

    fn settings() -> Settings {
        Settings::new(true, Latency::default())
    }

    fn with(settings: &Settings, part: &str, value: &Value) -> Result<(), Refusal> {
        let mut message = json!({"type": "message", "text": "Hello <at>Ines</at> [1]"});
        message[part] = value.clone();
        check(&message, settings, &|id| id == "29:1")
    }

    fn adaptive(content: &Value) -> Value {
        json!([{"contentType": "application/vnd.microsoft.card.Adaptive", "content": content}])
    }

    #[test]
    fn cards() {
        let settings = settings();
        let good =
            json!({"type": "AdaptiveCard", "version": "1.5", "body": [], "refresh": {"userIds": ["29:1"]}});
        assert_eq!(with(&settings, "attachments", &adaptive(&good)), Ok(()));
        for (field, value) in [
            ("type", json!("adaptivecard")),
            ("version", json!(1.5)),
            ("version", json!("latest")),
            ("version", Value::Null),
            ("body", json!({})),
            ("body", json!(["text"])),
            ("actions", json!("none")),
            ("refresh", json!({"userIds": vec!["29:1"; 61]})),
            ("backgroundImage", json!({"type": "Image", "url": "ftp://x"})),
            ("msteams", json!({"entities": [{"type": "mention", "text": "<at>x</at>"}]})),
        ] {
            let mut card = good.clone();
            card[field] = value.clone();
            let refused = with(&settings, "attachments", &adaptive(&card)).unwrap_err();
            assert_eq!(refused.code(), Some("BadArgument"), "{field}: {value}");
            let lenient = Settings { content_checks: ContentChecks::Lenient, ..settings.clone() };
            assert_eq!(with(&lenient, "attachments", &adaptive(&card)), Ok(()), "{field}: {value}");
        }
        for content in [json!("{}"), json!([]), json!(null)] {
            assert!(with(&settings, "attachments", &adaptive(&content)).is_err(), "{content}");
        }
    }

    #[test]
    fn attachments_that_teams_has() {
        let settings = settings();
        for (kind, good) in [
            ("application/vnd.microsoft.card.hero", true),
            ("application/vnd.microsoft.teams.card.list", true),
            ("application/vnd.microsoft.teams.card.o365connector", true),
            ("application/vnd.microsoft.teams.file.consent", true),
            ("text/html", true),
            ("application/vnd.microsoft.card.animation", false),
            ("application/vnd.microsoft.card.", false),
            ("application/json", false),
        ] {
            let checked = with(&settings, "attachments", &json!([{"contentType": kind, "content": {}}]));
            assert_eq!(checked.is_ok(), good, "{kind}");
        }
    }

    #[test]
    fn images_by_url_and_embedded() {
        let settings = settings();
        let gov = Settings { image_urls: false, ..settings.clone() };
        let card = |url: &str| {
            adaptive(&json!({"type": "AdaptiveCard", "version": "1.4",
                "body": [{"type": "Container", "items": [{"type": "Image", "url": url}]}]}))
        };
        let embedded = "data:image/png;base64,iVBORw0KGgo=";
        for (url, here, in_gov) in [
            ("https://contoso.example/a.png", true, false),
            (embedded, true, true),
            ("data:image/svg+xml;base64,PHN2Zz4=", false, false),
            ("data:image/png;base64,not base64", false, false),
            ("/a.png", false, false),
            ("https://", false, false),
        ] {
            assert_eq!(with(&settings, "attachments", &card(url)).is_ok(), here, "{url}");
            assert_eq!(with(&gov, "attachments", &card(url)).is_ok(), in_gov, "{url}");
        }
        let big = format!("data:image/png;base64,{}", "A".repeat(1_400_000));
        assert!(with(&settings, "attachments", &card(&big)).is_err());
        let picture = |url: &Value| json!([{"contentType": "image/png", "contentUrl": url}]);
        assert_eq!(with(&gov, "attachments", &picture(&json!("https://contoso.example/a.png"))), Ok(()));
        assert!(with(&gov, "attachments", &picture(&Value::Null)).is_err());
    }

    #[test]
    fn mentions_name_somebody_in_the_text() {
        let settings = settings();
        let mention =
            |id: &str, text: &str| json!([{"type": "mention", "text": text, "mentioned": {"id": id}}]);
        assert_eq!(with(&settings, "entities", &mention("29:1", "<at>Ines</at>")), Ok(()));
        assert_eq!(
            with(&settings, "entities", &mention("29:2", "<at>Ines</at>")),
            Err(bad("Invalid mention entity"))
        );
        assert!(with(&settings, "entities", &mention("", "<at>Ines</at>")).is_err());
        assert!(with(&settings, "entities", &mention("29:1", "Ines")).is_err());
        let strict = Settings { unmatched_mention: UnmatchedMention::Refused, ..settings.clone() };
        assert_eq!(with(&settings, "entities", &mention("29:1", "<at>Jonas</at>")), Ok(()));
        assert!(with(&strict, "entities", &mention("29:1", "<at>Jonas</at>")).is_err());
    }

    #[test]
    fn one_root_message_with_readable_citations() {
        let settings = settings();
        let citation = json!({"@type": "Claim", "position": 1,
            "appearance": {"@type": "DigitalDocument", "name": "Handbook", "abstract": "x", "keywords": ["a"]}});
        let root = |citations: Vec<Value>| json!({"type": "https://schema.org/Message", "@type": "Message", "citation": citations});
        let check = |entities: &Value| with(&settings, "entities", entities);
        assert_eq!(check(&json!([root(vec![citation.clone(); 20])])), Ok(()));
        assert!(check(&json!([root(vec![citation.clone(); 21])])).is_err());
        assert!(check(&json!([root(vec![]), root(vec![])])).is_err());
        for (path, value) in [
            ("/appearance", json!({})),
            ("/appearance", Value::Null),
            ("/appearance", json!("x")),
            ("/appearance/name", json!("x".repeat(81))),
            ("/appearance/abstract", json!("x".repeat(161))),
            ("/appearance/keywords", json!(["a", "b", "c", "d"])),
            ("/appearance/keywords", json!(["x".repeat(29)])),
            ("/position", json!("1")),
        ] {
            let mut bad = citation.clone();
            *bad.pointer_mut(path).unwrap() = value.clone();
            assert!(check(&json!([root(vec![bad])])).is_err(), "{path}: {value}");
        }
    }

    #[test]
    fn the_rest_of_a_message() {
        let settings = settings();
        let alice = json!({"itemid": 0, "mentionType": "person", "mri": "29:1", "displayName": "Alice"});
        for (part, value, good) in [
            ("attachmentLayout", json!("carousel"), true),
            ("attachmentLayout", json!("pile"), false),
            ("textFormat", json!("markdown"), true),
            ("textFormat", json!("rtf"), false),
            ("summary", json!("In short"), true),
            ("summary", json!(7), false),
            (
                "suggestedActions",
                json!({"actions": [{"type": "imBack", "title": "Yes", "value": "yes"}]}),
                true,
            ),
            ("suggestedActions", json!({"actions": [{"type": "imBack"}]}), false),
            ("suggestedActions", json!([]), false),
            ("channelData", json!({"notification": {"alert": true}}), true),
            ("channelData", json!({"notification": {"alert": "yes"}}), false),
            ("channelData", json!("x"), false),
            ("channelData", json!({"onBehalfOf": [alice]}), true),
            ("channelData", json!({"onBehalfOf": [{"mri": "29:1"}]}), false),
            ("channelData", json!({"onBehalfOf": {"mri": "29:1"}}), false),
            ("entities", json!([{"type": "clientInfo"}]), true),
            ("entities", json!({}), false),
        ] {
            assert_eq!(with(&settings, part, &value).is_ok(), good, "{part}: {value}");
        }
    }
}
