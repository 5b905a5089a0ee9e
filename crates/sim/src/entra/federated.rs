//! Tokens of other issuers as client assertions: a managed identity, or a workload identity's file (protocol section 2.5).
//!
//! The issuer's keys are given with the registration; Entra's own are known. 700211, 700212 and 700213 are what Entra is
//! reported to say; that it compares before it verifies, and 700027 for a bad signature, are guesses. A token may be used
//! again until it expires: a file is read many times.

use aws_lc_rs::{rsa::PublicKeyComponents, signature::RSA_PKCS1_2048_8192_SHA256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Failure,
    assertion::{SKEW, malformed, refused},
};
use crate::signing::{Key, unb64};

/// As it is registered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// This simulator's Entra for the bot's tenant when absent
    issuer: Option<String>,
    /// The bot's managed identity when absent
    subject: Option<String>,
    /// `api://AzureADTokenExchange` (of the bot's cloud) when absent
    audience: Option<String>,
    /// The issuer's keys, `{"keys": [{"kty": "RSA", "kid", "n", "e"}]}`; absent for this simulator's Entra
    jwks: Option<Jwks>,
}

#[derive(Clone, Debug, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// Real documents have more fields.
#[derive(Clone, Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

pub(crate) struct Federated {
    issuer: String,
    subject: String,
    audience: String,
    /// `None`: Entra's own key
    keys: Option<Vec<IssuerKey>>,
}

struct IssuerKey {
    kid: Option<String>,
    public: PublicKeyComponents<Vec<u8>>,
}

/// What the absent parts of an order mean.
pub(crate) struct Defaults {
    pub(crate) issuer: String,
    pub(crate) subject: Option<String>,
    pub(crate) audience: &'static str,
}

impl Federated {
    pub(crate) fn new(order: Order, defaults: &Defaults) -> Result<Self, String> {
        let issuer = order.issuer.unwrap_or_else(|| defaults.issuer.clone());
        let keys = match order.jwks {
            Some(jwks) => Some(read_keys(jwks)?),
            None if issuer == defaults.issuer => None,
            None => return Err("federated: an issuer other than this simulator needs its jwks".into()),
        };
        let subject = order.subject.or_else(|| defaults.subject.clone());
        let subject = subject
            .ok_or("federated: without a subject the bot needs a managed_identity, which is then meant")?;
        let audience = order.audience.unwrap_or_else(|| defaults.audience.to_owned());
        if [&issuer, &subject, &audience].iter().any(|text| text.trim() != text.as_str() || text.is_empty()) {
            return Err(
                "federated: issuer, subject and audience must not be empty or begin or end with spaces"
                    .into(),
            );
        }
        Ok(Self { issuer, subject, audience, keys })
    }

    pub(crate) fn show(&self) -> Value {
        json!({"issuer": self.issuer, "subject": self.subject, "audience": self.audience})
    }

    fn verifies(&self, entra: &Key, kid: Option<&str>, input: &[u8], signature: &[u8]) -> bool {
        match &self.keys {
            None => kid == Some(entra.kid.as_str()) && entra.verifies(input, signature),
            Some(keys) => keys.iter().any(|key| {
                key.kid.as_deref().is_none_or(|name| Some(name) == kid)
                    && key.public.verify(&RSA_PKCS1_2048_8192_SHA256, input, signature).is_ok()
            }),
        }
    }
}

fn read_keys(jwks: Jwks) -> Result<Vec<IssuerKey>, String> {
    let keys: Option<Vec<IssuerKey>> = jwks
        .keys
        .into_iter()
        .filter(|key| key.kty == "RSA")
        .map(|key| {
            let public = PublicKeyComponents { n: unb64(key.n.as_deref()?)?, e: unb64(key.e.as_deref()?)? };
            Some(IssuerKey { kid: key.kid, public })
        })
        .collect();
    keys.filter(|keys| !keys.is_empty())
        .ok_or_else(|| "federated: jwks needs at least one RSA key with n and e in base64url".into())
}

/// Takes a token of another issuer for a bot that has these registrations.
pub(super) fn check(federated: &[Federated], entra: &Key, assertion: &str, now: i64) -> Result<(), Failure> {
    let unreadable = || malformed("The token cannot be read.");
    let (input, signature) = assertion.rsplit_once('.').ok_or_else(unreadable)?;
    let (header, claims) = input.split_once('.').ok_or_else(unreadable)?;
    let json = |part: &str| unb64(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (header, claims) = (json(header).ok_or_else(unreadable)?, json(claims).ok_or_else(unreadable)?);
    let signature = unb64(signature).ok_or_else(unreadable)?;
    if header["alg"] != "RS256" {
        return Err(malformed("The algorithm must be RS256."));
    }
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    let audience = match &claims["aud"] {
        Value::Array(several) => several.first().and_then(Value::as_str).unwrap_or_default(),
        one => one.as_str().unwrap_or_default(),
    };
    let mut left: Vec<&Federated> = federated.iter().collect();
    let mut narrow = |code: u32, what: &str, given: &str, of: fn(&Federated) -> &str| {
        // Case counts.
        left.retain(|federated| of(federated) == given);
        if left.is_empty() { Err(no_match(code, what, given)) } else { Ok(()) }
    };
    narrow(700_211, "issuer", text("iss"), |federated| &federated.issuer)?;
    narrow(700_213, "subject", text("sub"), |federated| &federated.subject)?;
    narrow(700_212, "audience", audience, |federated| &federated.audience)?;
    let kid = header["kid"].as_str();
    if !left.iter().any(|federated| federated.verifies(entra, kid, input.as_bytes(), &signature)) {
        return Err(refused(
            700_027,
            "Client assertion contains an invalid signature. [Reason - The key was not found.]",
        ));
    }
    let Some(exp) = claims["exp"].as_i64() else {
        return Err(malformed("The claim 'exp' is required."));
    };
    let nbf = claims["nbf"].as_i64().unwrap_or(i64::MIN);
    if now >= exp.saturating_add(SKEW) || now < nbf.saturating_sub(SKEW) {
        return Err(refused(700_024, "Client assertion is not within its valid time range."));
    }
    Ok(())
}

fn no_match(code: u32, what: &str, given: &str) -> Failure {
    refused(
        code,
        &format!(
            "No matching federated identity record found for presented assertion {what} '{}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
            super::printable(given)
        ),
    )
}
