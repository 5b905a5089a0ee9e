//! Keys and JSON Web Tokens, put together by hand (protocol sections 2.2, 3 and 11).

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    hmac,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{self, KeyPair as _},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm, SigningKey};
use serde_json::{Value, json};

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// One RSA key with the name under which it is published: `kid` and `x5t` are the SHA-1 thumbprint of a certificate that
/// it signed for itself (protocol section 11).
pub(crate) struct Key {
    pub(crate) kid: String,
    /// DER
    certificate: Vec<u8>,
    pair: KeyPair,
    public: PublicKeyComponents<Vec<u8>>,
    public_der: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("an RSA key could not be made")]
pub struct KeyError;

impl Key {
    /// Takes a good part of a second in a small machine.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
        let public = PublicKeyComponents::from(pair.public_key());
        let der = pair.public_key().as_der().map_err(|_| KeyError)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Nuncio simulator, token signing");
        let certificate = params.self_signed(&Signer(&pair)).map_err(|_| KeyError)?.der().to_vec();
        let kid = b64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate));
        let public_der = der.as_ref().to_vec();
        Ok(Self { kid, certificate, pair, public, public_der })
    }

    pub(crate) fn jwk(&self, endorsements: Option<&[String]>) -> Value {
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": b64(&self.public.n), "e": b64(&self.public.e), "x5c": [STANDARD.encode(&self.certificate)],
        });
        if let Some(endorsements) = endorsements {
            jwk["endorsements"] = json!(endorsements);
        }
        jwk
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        sign(&self.pair, input)
            .expect("a 2048 bit key signs a SHA-256 digest into a buffer of its own length")
    }

    /// A token signed RS256.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with_header(
            &json!({"alg": "RS256", "kid": self.kid, "typ": "JWT", "x5t": self.kid}),
            claims,
        )
    }

    /// A token signed RS256 whatever its header says.
    pub(crate) fn token_with_header(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let signature = b64(self.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// The old attack: HS256 with the public key, which everybody has, as the shared secret.
    pub(crate) fn hs256_token(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.public_der);
        let tag = hmac::sign(&key, input.as_bytes());
        format!("{input}.{}", b64(tag))
    }

    pub(crate) fn verifies(&self, input: &[u8], sig: &[u8]) -> bool {
        self.public.verify(&signature::RSA_PKCS1_2048_8192_SHA256, input, sig).is_ok()
    }

    /// The claims of a token if it is RS256, names this key and its signature is right. Times are the caller's check.
    pub(crate) fn open(&self, token: &str) -> Option<Value> {
        let (input, sig) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let header: Value = serde_json::from_slice(&unb64(header)?).ok()?;
        if header["alg"] != "RS256" || header["kid"] != self.kid.as_str() {
            return None;
        }
        if !self.verifies(input.as_bytes(), &unb64(sig)?) {
            return None;
        }
        serde_json::from_slice(&unb64(claims)?).ok()
    }
}

fn sign(pair: &KeyPair, input: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
    let mut out = vec![0; pair.public_modulus_len()];
    pair.sign(&signature::RSA_PKCS1_SHA256, &aws_lc_rs::rand::SystemRandom::new(), input, &mut out)?;
    Ok(out)
}

/// An RSA key in the form in which certificates are signed.
struct Signer<'a>(&'a KeyPair);

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        sign(self.0, input).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(header.to_string()), b64(claims.to_string()))
}

/// A token without a signature (`alg: none`).
pub(crate) fn unsigned_token(header: &Value, claims: &Value) -> String {
    format!("{}.", signing_input(header, claims))
}

/// Every key that the simulator has. They live as long as the process and never leave it.
pub(crate) struct Keys {
    /// Signs tokens for bots; Entra's key, published in Entra's own document.
    pub(crate) entra: Key,
    /// Both published with endorsements: Microsoft has several live at once.
    pub(crate) first: Arc<Key>,
    pub(crate) second: Arc<Key>,
    /// Published without endorsements: a token signed with it must be refused.
    pub(crate) unendorsed: Arc<Key>,
    /// Published nowhere.
    pub(crate) foreign: Arc<Key>,
}

impl Keys {
    fn generate() -> Result<Self, KeyError> {
        std::thread::scope(|scope| {
            let making: Vec<_> = (0..5).map(|_| scope.spawn(Key::generate)).collect();
            let mut made = making.into_iter().map(|key| key.join().unwrap_or(Err(KeyError)));
            let mut next = || made.next().unwrap_or(Err(KeyError));
            Ok(Self {
                entra: next()?,
                first: Arc::new(next()?),
                second: Arc::new(next()?),
                unendorsed: Arc::new(next()?),
                foreign: Arc::new(next()?),
            })
        })
    }

    /// Making five keys costs a second or two of a small machine, so one process makes them once, side by side.
    pub(crate) fn shared() -> Result<Arc<Self>, KeyError> {
        static KEYS: OnceLock<Arc<Keys>> = OnceLock::new();
        if let Some(keys) = KEYS.get() {
            return Ok(Arc::clone(keys));
        }
        let made = Arc::new(Self::generate()?);
        Ok(Arc::clone(KEYS.get_or_init(|| made)))
    }
}
