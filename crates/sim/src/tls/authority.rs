//! The certificate authority of the TLS port: made at the first start, kept in a folder, used again while it is valid.
//!
//! Its key could sign for hosts of Microsoft's, so it is bound to our list by name constraints, lives 30 days, is readable
//! by its owner only, and is never put into a system's store: clients are told of it by environment variable.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData,
};

use super::{HOSTS, good_for_all_hosts};
use crate::{
    entra::certificate::{der_of_pem, not_after},
    signing::sha256,
};

const DAY: i64 = 86_400;
const VALID: i64 = 30 * DAY;
/// An authority with less left than this is replaced at the start.
const LEAST_LEFT: i64 = DAY;
/// Clocks of clients may be behind.
const BACKDATED: i64 = 3_600;

const CERTIFICATE: &str = "ca.pem";
/// Key and certificate in one file, so that they cannot come from two different starts.
const SECRET: &str = "ca-key.pem";

/// Why there is no TLS port.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The folder or a file in it.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Making or signing a certificate.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The server's side of TLS.
    #[error("TLS could not be set up")]
    Setup(#[from] tokio_rustls::rustls::Error),
}

pub(crate) struct Leaf {
    /// DER
    pub(crate) certificate: Vec<u8>,
    /// PKCS #8
    pub(crate) key: Vec<u8>,
}

struct Authority {
    key: KeyPair,
    pem: String,
    der: Vec<u8>,
    not_after: i64,
}

/// The authority of a folder and a server certificate by it. `now` in seconds since 1970.
pub(crate) fn open(folder: &Path, now: i64) -> Result<(PathBuf, Leaf), TlsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    // Two simulators that start at the same time must come to the same authority.
    let lock = folder.join("lock");
    let locked = fs::File::create(&lock).map_err(failed(&lock))?;
    locked.lock().map_err(failed(&lock))?;
    // Nobody wants these in a repository.
    let ignore = folder.join(".gitignore");
    fs::write(&ignore, "*\n").map_err(failed(&ignore))?;

    let secret = folder.join(SECRET);
    let kept = match fs::read_to_string(&secret) {
        Ok(text) => kept(&text, now),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&secret)(error)),
    };
    let (authority, leaf) = if let Some(kept) = kept {
        kept
    } else {
        let made = Authority::make(now)?;
        let text = format!("{}{}", made.key.serialize_pem(), made.pem);
        write_secret(&secret, &text).map_err(failed(&secret))?;
        let leaf = made.leaf(now)?;
        (made, leaf)
    };
    let certificate = folder.join(CERTIFICATE);
    if fs::read_to_string(&certificate).ok().as_ref() != Some(&authority.pem) {
        fs::write(&certificate, &authority.pem).map_err(failed(&certificate))?;
    }
    Ok((fs::canonicalize(&certificate).map_err(failed(&certificate))?, leaf))
}

/// What an earlier start left, if it is still good for every host of today's list.
fn kept(text: &str, now: i64) -> Option<(Authority, Leaf)> {
    let key = KeyPair::from_pem(text).ok()?;
    let at = text.find("-----BEGIN CERTIFICATE-----")?;
    let pem = text[at..].to_owned();
    let der = der_of_pem(&pem)?;
    let authority = Authority { key, pem, not_after: not_after(&der)?, der };
    if now + LEAST_LEFT >= authority.not_after {
        return None;
    }
    let leaf = authority.leaf(now).ok()?;
    good_for_all_hosts(&authority.der, &leaf.certificate, now).then_some((authority, leaf))
}

impl Authority {
    fn make(now: i64) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = authority_params(&key);
        valid(&mut params, now - BACKDATED, now + VALID);
        let permitted_subtrees = HOSTS
            .iter()
            .map(|host| match host.parse::<IpAddr>() {
                Ok(ip) => {
                    let whole = if ip.is_ipv4() { 32 } else { 128 };
                    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, whole))
                }
                Err(_) => GeneralSubtree::DnsName((*host).to_owned()),
            })
            .collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        let certificate = params.self_signed(&key)?;
        Ok(Self { pem: certificate.pem(), der: certificate.der().to_vec(), not_after: now + VALID, key })
    }

    /// A certificate for all hosts that ends with the authority's own; its key is never written down.
    fn leaf(&self, now: i64) -> Result<Leaf, TlsError> {
        let key = KeyPair::generate()?;
        let mut params =
            CertificateParams::new(HOSTS.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Nuncio simulator");
        valid(&mut params, now - BACKDATED, self.not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict clients (Python 3.13) want it.
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(&self.key), &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }
}

/// All that a signature by the authority depends on; the same for the same key.
fn authority_params(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    let id = sha256(&[key.der_bytes()]);
    let name =
        format!("Nuncio simulator, for tests only ({:02x}{:02x}{:02x}{:02x})", id[0], id[1], id[2], id[3]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Both in seconds since 1970.
fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    let at = |seconds: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.max(0) as u64);
    (params.not_before, params.not_after) = (at(from), at(until));
}

/// Readable by its owner from the first byte on; whole or not there.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let half = path.with_extension("new");
    if let Err(error) = fs::remove_file(&half)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(&half)?, text.as_bytes())?;
    fs::rename(&half, path)
}
