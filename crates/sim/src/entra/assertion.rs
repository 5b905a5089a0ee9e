//! Client assertions signed with the key of a certificate (protocol section 2.3). Only 700027 is in the table of section
//! 2.7; the other codes are what Entra is reported to say, and a second use of a `jti` has no code that is known.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256};
use serde_json::Value;

use super::{Failure, credentials::Credentials};
use crate::signing::unb64;

/// How far the clocks may be apart.
pub(super) const SKEW: i64 = 300;
/// Between `nbf` and `exp`.
const LONGEST: i64 = 600;

/// Takes an assertion for this bot, once. `audiences`: the URLs under which the token endpoint may have been asked.
pub(super) fn check(
    app_id: &str,
    credentials: &mut Credentials,
    assertion: &str,
    audiences: &[String],
    now: i64,
) -> Result<(), Failure> {
    let claims = signed(credentials, assertion)?;
    let is_app = |claim: &Value| claim.as_str().is_some_and(|id| id.eq_ignore_ascii_case(app_id));
    if !is_app(&claims["iss"]) || !is_app(&claims["sub"]) {
        return Err(refused(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    if !claims["aud"].as_str().is_some_and(|aud| audiences.iter().any(|asked| asked == aud)) {
        return Err(refused(700_023, "Client assertion audience claim does not match Realm issuer."));
    }
    // MSAL for Python leaves `nbf` out and writes fractions of seconds.
    let time = |name: &str| claims[name].as_f64().map(|seconds| seconds as i64);
    let (Some(nbf), Some(exp)) = (time("nbf").or_else(|| time("iat")), time("exp")) else {
        return Err(malformed("The claims 'exp' and one of 'nbf' and 'iat' are required."));
    };
    let lifetime = exp.saturating_sub(nbf);
    if now >= exp.saturating_add(SKEW) || now < nbf.saturating_sub(SKEW) || !(1..=LONGEST).contains(&lifetime)
    {
        return Err(refused(700_024, "Client assertion is not within its valid time range."));
    }
    let Some(jti) = claims["jti"].as_str().filter(|jti| !jti.is_empty()) else {
        return Err(malformed("The claim 'jti' is required."));
    };
    credentials.assertions_used.retain(|_, exp| now < *exp + SKEW);
    if credentials.assertions_used.contains_key(jti) {
        return Err(malformed("The assertion was used before."));
    }
    credentials.assertions_used.insert(jti.to_owned(), exp);
    Ok(())
}

/// Whether its issuer is somebody else than an app.
pub(super) fn is_foreign(assertion: &str) -> bool {
    let claims = assertion.split('.').nth(1).and_then(unb64);
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    claims.is_some_and(|claims| claims["iss"].as_str().is_some_and(|issuer| issuer.contains("://")))
}

/// The claims, if a registered certificate is named and its key signed them.
fn signed(credentials: &Credentials, assertion: &str) -> Result<Value, Failure> {
    let unreadable = || malformed("The token cannot be read.");
    let (input, signature) = assertion.rsplit_once('.').ok_or_else(unreadable)?;
    let (header, claims) = input.split_once('.').ok_or_else(unreadable)?;
    let json = |part: &str| unb64(part).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let (header, claims) = (json(header).ok_or_else(unreadable)?, json(claims).ok_or_else(unreadable)?);
    let signature = unb64(signature).ok_or_else(unreadable)?;
    let algorithm = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(malformed("The algorithm must be PS256 or RS256.")),
    };
    // MSAL for Python writes them with padding.
    let thumbprint = |name: &str| header[name].as_str().map(|thumbprint| thumbprint.trim_end_matches('='));
    let (sha1, sha256) = (thumbprint("x5t"), thumbprint("x5t#S256"));
    // Both may be given; then both must name the same certificate.
    let registered = if credentials.certificates_removed { &[] } else { credentials.certificates.as_slice() };
    let named = registered.iter().find(|certificate| {
        (sha1.is_some() || sha256.is_some())
            && sha1.is_none_or(|sha1| sha1 == certificate.sha1)
            && sha256.is_none_or(|sha256| sha256 == certificate.sha256)
    });
    let reason = match named {
        Some(certificate) if certificate.verifies(algorithm, input.as_bytes(), &signature) => {
            return Ok(claims);
        }
        Some(_) => "The key was found, but use of the key to verify the signature failed.",
        None => "The key was not found.",
    };
    Err(refused(700_027, &format!("Client assertion contains an invalid signature. [Reason - {reason}]")))
}

pub(super) fn refused(code: u32, text: &str) -> Failure {
    Failure { status: 401, error: "invalid_client", code, text: text.to_owned() }
}

pub(super) fn malformed(text: &str) -> Failure {
    refused(50_027, &format!("JWT token is invalid or malformed. {text}"))
}
