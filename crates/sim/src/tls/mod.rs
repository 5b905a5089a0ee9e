//! The TLS port: Microsoft's host names, answered under a certificate authority of our own (product.md, Simulator).

pub(crate) mod authority;

use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore, ServerConfig,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    },
};

/// Every name that the authority may vouch for, and that its server certificate has (protocol sections 1 and 14).
pub(crate) const HOSTS: &[&str] = &[
    "localhost",
    "127.0.0.1",
    "::1",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.windows.net",
    "sts.windows.net",
    "login.botframework.com",
    "login.botframework.azure.us",
    "login.botframework.azure.cn",
    "smba.trafficmanager.net",
    "smba.onyx.prod.teams.trafficmanager.net",
    "smba.infra.gcc.teams.microsoft.com",
    "smba.infra.gov.teams.microsoft.us",
    "smba.infra.dod.teams.microsoft.us",
    "frontend.botapi.msg.infra.teams.microsoftonline.cn",
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
];

/// Whether a server certificate is right for every host, at a time in seconds since 1970, as a client would judge it.
fn good_for_all_hosts(authority: &[u8], leaf: &[u8], at: i64) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(CertificateDer::from(authority.to_vec())).is_err() {
        return false;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let leaf = CertificateDer::from(leaf.to_vec());
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.max(0) as u64));
    HOSTS.iter().all(|host| {
        ServerName::try_from(*host)
            .is_ok_and(|name| verifier.verify_server_cert(&leaf, &[], &name, &[], at).is_ok())
    })
}

/// HTTP/1.1 over TLS 1.2 and 1.3 with this certificate.
pub(crate) fn acceptor(leaf: authority::Leaf) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(leaf.key.into());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.certificate.into()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
