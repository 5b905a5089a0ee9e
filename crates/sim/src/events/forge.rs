//! Tokens that are wrong in exactly the way that is asked for, to try how a bot's endpoint defends itself
//! (protocol section 3).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::TOKEN_SECONDS;
use super::post::Authorisation;
use crate::{
    clock::{millis, rfc3339, seconds},
    signing::{Key, unsigned_token},
    world::{Bot, Shared, World},
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TokenOrder {
    /// `RS256`, `HS256` (signed with the public key) or `none`
    alg: Option<String>,
    /// The name of a key of `GET /sim/keys`, or `first` (the one that signs), `second` (another one), `unendorsed`, `foreign` (published nowhere), or `mismatch`: the name of the good key over the
    /// signature of another
    kid: Option<String>,
    iss: Option<String>,
    aud: Option<String>,
    serviceurl: Option<String>,
    /// Seconds from now
    exp_s: Option<i64>,
    nbf_s: Option<i64>,
    /// `[]` signs with the published key that has none
    endorsements: Option<Vec<String>>,
    /// Claims to leave out; `kid` leaves it out of the header, `authorization` the whole header
    omit: Vec<String>,
}

impl TokenOrder {
    pub(crate) fn authorisation(&self, shared: &Shared, bot: &Bot) -> Result<Authorisation, String> {
        const KNOWN: [&str; 7] = ["authorization", "kid", "iss", "aud", "serviceurl", "exp", "nbf"];
        if let Some(unknown) = self.omit.iter().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(format!("token.omit: unknown `{unknown}`, expected one of {}", KNOWN.join(", ")));
        }
        let omits = |name: &str| self.omit.iter().any(|omitted| omitted == name);
        if omits("authorization") {
            return Ok(Authorisation::Nothing);
        }
        let keys = &shared.keys;
        let endorsed =
            self.endorsements.as_ref().is_none_or(|list| list.iter().any(|channel| channel == "msteams"));
        let time = shared.clock.now();
        let alone = |key: Arc<Key>| (Arc::clone(&key), key);
        let (named, signing) = match self.kid.as_deref() {
            None if !endorsed => alone(Arc::clone(&keys.unendorsed)),
            None | Some("first") => alone(shared.rotation.signer(time)),
            Some("second") => {
                alone(shared.rotation.other(time).ok_or("token.kid: there is no second key now")?)
            }
            Some("unendorsed") => alone(Arc::clone(&keys.unendorsed)),
            Some("foreign") => alone(Arc::clone(&keys.foreign)),
            Some("mismatch") => (shared.rotation.signer(time), Arc::clone(&keys.foreign)),
            Some(kid) => alone(shared.rotation.by_kid(kid).ok_or(
                "token.kid must be first, second, unendorsed, foreign, mismatch or one of GET /sim/keys",
            )?),
        };
        let now = seconds(shared.clock.real());
        let mut claims = json!({
            "serviceurl": self.serviceurl.as_deref().unwrap_or_else(|| bot.service_url(shared)),
            "nbf": now + self.nbf_s.unwrap_or(0),
            "exp": now + self.exp_s.unwrap_or(TOKEN_SECONDS),
            "iss": self.iss.as_deref().unwrap_or_else(|| bot.cloud.audience()),
            "aud": self.aud.as_deref().unwrap_or(&bot.app_id),
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|name, _| !omits(name));
        }
        let alg = self.alg.as_deref().unwrap_or("RS256");
        let mut header = json!({"alg": alg, "kid": named.kid, "typ": "JWT", "x5t": named.kid});
        if omits("kid")
            && let Some(header) = header.as_object_mut()
        {
            header.remove("kid");
            header.remove("x5t");
        }
        Ok(Authorisation::Token(match alg {
            "RS256" => signing.token_with_header(&header, &claims),
            "HS256" => signing.hs256_token(&header, &claims),
            "none" => unsigned_token(&header, &claims),
            _ => return Err("token.alg must be RS256, HS256 or none".into()),
        }))
    }
}

/// Fills in what an activity lacks of its envelope. A field that is given as null is left out.
pub(crate) fn complete(shared: &Shared, world: &World, app: u16, activity: &Value) -> Result<Value, String> {
    let Some(given) = activity.as_object() else {
        return Err("activity must be an object".into());
    };
    let now = shared.clock.now();
    let bot = &world.bots[usize::from(app)];
    let person = (0..world.org.len())
        .find(|person| world.org.person(*person).is_some_and(|person| person.state.ever_installed()))
        .unwrap_or(0);
    let mut complete = json!({
        "type": "message", "id": millis(now).to_string(), "timestamp": rfc3339(now), "channelId": "msteams",
        "serviceUrl": bot.service_url(shared),
        "recipient": {"id": format!("28:{}", bot.app_id), "name": bot.name},
        "conversation": {
            "conversationType": "personal", "tenantId": shared.tenant_id, "id": world.chat_id(app, person),
        },
        "channelData": {"tenant": {"id": shared.tenant_id}},
    });
    if world.org.len() > 0 {
        complete["from"] = super::envelope::account(world, app, person);
    }
    if given.get("type").is_some_and(|kind| kind != "message") {
        complete["id"] = format!("f:{}", uuid::Uuid::new_v4()).into();
    }
    for (name, value) in given {
        complete[name] = value.clone();
    }
    // A conversation given by its id alone gets the tenant, as all have it.
    if let Some(conversation) = complete["conversation"].as_object_mut() {
        conversation.entry("tenantId").or_insert_with(|| shared.tenant_id.clone().into());
    }
    if let Some(fields) = complete.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(complete)
}
