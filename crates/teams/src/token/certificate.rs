//! A certificate as the app's credential: what it signs proves that we are the app (protocol section 2.3).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::x509;

/// How long an assertion is good: Microsoft asks for five to ten minutes.
const LIFE: Duration = Duration::from_mins(10);

/// A certificate with its private key. Cheap to clone; the key shows itself nowhere.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<RsaKeyPair>,
    /// The certificate, then what it was signed by, each as DER.
    chain: Vec<Vec<u8>>,
    not_after: SystemTime,
    algorithm: AssertionAlgorithm,
    send_chain: bool,
}

/// How an assertion is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AssertionAlgorithm {
    /// RSA-PSS, the certificate named by its SHA-256: what Microsoft documents.
    #[default]
    Ps256,
    /// RSA PKCS#1 v1.5, the certificate named by its SHA-1: the older form, still taken.
    Rs256,
}

/// Why a certificate and a key cannot be used. The texts say what a file is or holds, and nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no certificate in the certificate's file.
    #[error("holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")")]
    NoCertificate,
    /// It says that it is a certificate, but is none.
    #[error("holds a certificate that cannot be read")]
    BadCertificate,
    /// There is no private key in the key's file.
    #[error(
        "holds no private key in PEM form (\"-----BEGIN PRIVATE KEY-----\" or \"-----BEGIN RSA PRIVATE KEY-----\")"
    )]
    NoKey,
    /// The key is behind a password.
    #[error("holds a private key with a password: write it without one (openssl pkey -in FILE -out FILE)")]
    EncryptedKey,
    /// Entra takes RSA only, of 2048 bits and more.
    #[error("holds a private key that is not RSA with 2048 to 8192 bits")]
    NotRsa,
    /// The key is that of another certificate.
    #[error("holds a private key that does not belong to the certificate")]
    OtherKey,
}

impl CertificateError {
    /// Is it the key's file that is wrong? Else it is the certificate's.
    pub fn is_of_key(self) -> bool {
        !matches!(self, Self::NoCertificate | Self::BadCertificate)
    }
}

impl Certificate {
    /// A certificate (or a chain of them, the app's own first) and its key (PKCS#8 or PKCS#1), both in PEM form. One
    /// file with both in it can be given twice.
    pub fn from_pem(certificate: &[u8], private_key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(certificate)
            .map(|der| der.map(|der| der.as_ref().to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::BadCertificate)?;
        let own = chain.first().ok_or(CertificateError::NoCertificate)?;
        let parts = x509::parts(own).ok_or(CertificateError::BadCertificate)?;
        let key = key(private_key)?;
        if key.public_key().as_ref() != parts.public_key {
            return Err(CertificateError::OtherKey);
        }
        let not_after = parts.not_after;
        Ok(Self {
            key: Arc::new(key),
            chain,
            not_after,
            algorithm: AssertionAlgorithm::default(),
            send_chain: false,
        })
    }

    /// Signed in another way.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: AssertionAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Whether assertions carry the chain (`x5c`), which a registration by subject name and issuer needs.
    #[must_use]
    pub fn send_chain(mut self, send: bool) -> Self {
        self.send_chain = send;
        self
    }

    /// The last second that it is good in.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// An assertion for one request to the token endpoint `url`.
    pub(super) fn assertion(&self, url: &str, client_id: &str, unix_now: i64) -> SecretString {
        let own = &self.chain[0];
        let thumbprint = |algorithm| URL_SAFE_NO_PAD.encode(digest(algorithm, own));
        let mut header = match self.algorithm {
            AssertionAlgorithm::Ps256 => {
                json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint(&SHA256)})
            }
            AssertionAlgorithm::Rs256 => {
                json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint(&SHA1_FOR_LEGACY_USE_ONLY)})
            }
        };
        if self.send_chain {
            header["x5c"] = self.chain.iter().map(|der| STANDARD.encode(der)).collect();
        }
        let claims = json!({
            "aud": url,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "nbf": unix_now,
            "iat": unix_now,
            "exp": unix_now.saturating_add(LIFE.as_secs() as i64),
        });
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let encoding: &'static dyn RsaEncoding = match self.algorithm {
            AssertionAlgorithm::Ps256 => &RSA_PSS_SHA256,
            AssertionAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a key of 2048 bits and more signs any message");
        SecretString::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn key(pem: &[u8]) -> Result<RsaKeyPair, CertificateError> {
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        Ok(_) => return Err(CertificateError::NotRsa),
        // Both forms of a password say so: "BEGIN ENCRYPTED PRIVATE KEY", and "Proc-Type: 4,ENCRYPTED".
        Err(_) if pem.windows(9).any(|word| word == b"ENCRYPTED") => {
            return Err(CertificateError::EncryptedKey);
        }
        Err(_) => return Err(CertificateError::NoKey),
    };
    key.map_err(|_| CertificateError::NotRsa)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("algorithm", &self.algorithm)
            .field("send_chain", &self.send_chain)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
