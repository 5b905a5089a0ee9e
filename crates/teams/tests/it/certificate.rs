//! Assertions signed by a certificate: the other side checks them as Entra does.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nuncio_teams::cloud::Endpoints;
use nuncio_teams::token::{
    AssertionAlgorithm, Certificate, CertificateError, Credential, EntraTokens, TokenError, TokenSource as _,
};
use serde_json::{Value, json};

use crate::stand_in::{HandClock, Scripted, StandIn, client};

/// 2026-11-22T14:05:12Z
const NOW: u64 = 1_795_356_312;

/// A key with its certificate, good through 2026.
struct Identity {
    pair: KeyPair,
    pkcs8: Vec<u8>,
    der: Vec<u8>,
}

impl Identity {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<Pkcs8V1Der>::as_der(&pair).unwrap().as_ref().to_vec();
        let signer = rcgen::KeyPair::try_from(pkcs8.as_slice()).unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let der = params.self_signed(&signer).unwrap().der().to_vec();
        Self { pair, pkcs8, der }
    }

    fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// The same key as PKCS#1: what PKCS#8 wraps, from the inner sequence on.
    fn pkcs1_pem(&self) -> String {
        // SEQUENCE { version, algorithm, OCTET STRING { PKCS#1 } }, each long length in two bytes.
        let at = self.pkcs8.windows(2).skip(4).position(|bytes| bytes == [0x30, 0x82]).unwrap() + 4;
        pem("RSA PRIVATE KEY", &self.pkcs8[at..])
    }

    fn read(&self) -> Certificate {
        Certificate::from_pem(self.certificate_pem().as_bytes(), self.key_pem().as_bytes()).unwrap()
    }

    /// The header and the claims of an assertion with a good signature.
    fn verified(&self, assertion: &str, algorithm: &'static dyn VerificationAlgorithm) -> (Value, Value) {
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(algorithm, self.pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (read(header), read(claims))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Two of them, made once: making a key takes a while.
fn identities() -> &'static [Identity; 2] {
    static IDENTITIES: OnceLock<[Identity; 2]> = OnceLock::new();
    IDENTITIES.get_or_init(|| [Identity::new(), Identity::new()])
}

fn tokens(stand_in: &StandIn, clock: &HandClock, certificate: Certificate) -> EntraTokens {
    let endpoints = Endpoints::simulator(&stand_in.base());
    EntraTokens::new(client(), &endpoints, Some("tenant"), "app", Credential::Certificate(certificate))
        .with_clock(clock.clock())
}

fn granted(token: &str) -> Scripted {
    Scripted::json(200, &json!({"expires_in": 3599, "access_token": token}))
}

/// The assertion of the last request, whose form has nothing else but what belongs there.
fn assertion(stand_in: &StandIn) -> String {
    let body = String::from_utf8(stand_in.seen().last().unwrap().body.clone()).unwrap();
    let rest = body
        .strip_prefix(
            "grant_type=client_credentials&client_id=app&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=",
        )
        .unwrap();
    rest.strip_suffix("&scope=https%3A%2F%2Fapi.botframework.com%2F.default").unwrap().to_owned()
}

fn check_claims(stand_in: &StandIn, claims: &Value) {
    assert_eq!(claims["aud"], format!("{}/tenant/oauth2/v2.0/token", stand_in.base()));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("app")));
    assert_eq!((&claims["nbf"], &claims["iat"]), (&json!(NOW), &json!(NOW)));
    let life = claims["exp"].as_u64().unwrap() - NOW;
    assert!((300..=600).contains(&life), "{life}");
}

#[tokio::test]
async fn ps256_is_the_default() {
    let [identity, _] = identities();
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(NOW), identity.read());
    stand_in.script([granted("one"), granted("two")]);
    let one = tokens.token().await.unwrap();
    let (header, claims) = identity.verified(&assertion(&stand_in), &RSA_PSS_2048_8192_SHA256);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &identity.der));
    assert_eq!(header, json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
    check_claims(&stand_in, &claims);

    // Each request has an assertion of its own; the cached token needs none.
    tokens.token().await.unwrap();
    tokens.refused(&one).await;
    tokens.token().await.unwrap();
    assert_eq!(stand_in.seen().len(), 2);
    let (_, again) = identity.verified(&assertion(&stand_in), &RSA_PSS_2048_8192_SHA256);
    assert_ne!(claims["jti"], again["jti"]);
}

#[tokio::test]
async fn rs256_and_the_chain() {
    let [identity, issuer] = identities();
    let stand_in = StandIn::start().await;
    let chain = identity.certificate_pem() + &issuer.certificate_pem();
    let certificate = Certificate::from_pem(chain.as_bytes(), identity.pkcs1_pem().as_bytes())
        .unwrap()
        .with_algorithm(AssertionAlgorithm::Rs256)
        .send_chain(true);
    stand_in.script([granted("one")]);
    tokens(&stand_in, &HandClock::at(NOW), certificate).token().await.unwrap();
    let (header, claims) = identity.verified(&assertion(&stand_in), &RSA_PKCS1_2048_8192_SHA256);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &identity.der));
    let x5c = [&identity.der, &issuer.der].map(|der| STANDARD.encode(der));
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint, "x5c": x5c}));
    check_claims(&stand_in, &claims);
}

#[tokio::test]
async fn an_expired_certificate_is_told_and_not_sent() {
    let [identity, _] = identities();
    let stand_in = StandIn::start().await;
    // 2027-01-01T00:00:00Z is its last second.
    let clock = HandClock::at(1_798_761_600);
    let tokens = tokens(&stand_in, &clock, identity.read());
    stand_in.script([granted("one")]);
    let one = tokens.token().await.unwrap();
    tokens.refused(&one).await;
    clock.forward(1);
    let error = tokens.token().await.unwrap_err();
    assert!(error.to_string().starts_with("the certificate expired at 2027-01-01T00:00:00Z: "), "{error}");
    assert!(!error.is_transient());
    assert_eq!(stand_in.seen().len(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_registered() {
    let [identity, _] = identities();
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(NOW), identity.read());
    let body =
        json!({"error": "invalid_client", "error_codes": [700_027], "error_description": "AADSTS700027: no"});
    stand_in.script([Scripted::json(401, &body)]);
    let error = tokens.token().await.unwrap_err();
    let TokenError::Refused { code, problem, .. } = &error else { panic!("{error}") };
    assert_eq!((code.as_deref(), problem.as_str()), (Some("AADSTS700027"), "certificate not registered"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let [identity, other] = identities();
    let (certificate, key) = (identity.certificate_pem(), identity.key_pem());
    let encrypted = pem("ENCRYPTED PRIVATE KEY", b"x");
    let old_encrypted = key.replace("-----\nM", "-----\nProc-Type: 4,ENCRYPTED\n\nM");
    let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let elliptic = pem("PRIVATE KEY", &elliptic.serialize_der());
    let both = key.clone() + &certificate;
    assert!(Certificate::from_pem(both.as_bytes(), both.as_bytes()).is_ok());
    for (certificate, key, error) in [
        (key.as_str(), key.as_str(), CertificateError::NoCertificate),
        ("", key.as_str(), CertificateError::NoCertificate),
        (&pem("CERTIFICATE", b"nonsense"), key.as_str(), CertificateError::BadCertificate),
        ("-----BEGIN CERTIFICATE-----\n!\n", key.as_str(), CertificateError::BadCertificate),
        (certificate.as_str(), certificate.as_str(), CertificateError::NoKey),
        (certificate.as_str(), "", CertificateError::NoKey),
        (certificate.as_str(), encrypted.as_str(), CertificateError::EncryptedKey),
        (certificate.as_str(), old_encrypted.as_str(), CertificateError::EncryptedKey),
        (certificate.as_str(), elliptic.as_str(), CertificateError::NotRsa),
        (certificate.as_str(), &pem("PRIVATE KEY", b"nonsense"), CertificateError::NotRsa),
        (certificate.as_str(), &other.key_pem(), CertificateError::OtherKey),
    ] {
        let found = Certificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(found, error, "{found}");
    }
}

#[test]
fn nothing_shows_the_key() {
    let [identity, _] = identities();
    let shown = format!("{:?}", Credential::Certificate(identity.read()));
    assert!(shown.len() < 200 && !shown.to_lowercase().contains("key"), "{shown}");
}
