//! Service URLs: the only addresses that the Connector's token is sent to.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::Hosts;

/// Longer ones do not occur; the bound keeps junk out of storage.
const LONGEST: usize = 2048;

/// A service URL whose host was found on its cloud's list. Made only by
/// [`Endpoints::check_service_url`](super::Endpoints::check_service_url).
///
/// Everything after the host is Microsoft's and opaque (protocol section 1); whether it ends in a slash is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceUrl(String);

impl ServiceUrl {
    /// As text, for storing; it must be checked again when it is read back.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This URL and `path` with exactly one `/` between them.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.0.trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a service URL was refused. The text names no part of the URL: it may come from anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServiceUrlError {
    /// It cannot be read as an absolute URL.
    #[error("the service URL is not a URL")]
    NotAUrl,
    /// Not https (the simulator: neither http nor https).
    #[error("the service URL is not https")]
    NotHttps,
    /// Another port than 443.
    #[error("the service URL names a port other than 443")]
    Port,
    /// `user:password@`.
    #[error("the service URL holds a user name or password")]
    UserInfo,
    /// A query or fragment would swallow the path that is appended.
    #[error("the service URL has a query or fragment")]
    Query,
    /// The host is not one of this cloud's.
    #[error("the service URL is not on one of this cloud's hosts")]
    Host,
}

/// The check itself. What is kept is the parsed form, so that what is called is what was checked.
pub(super) fn check(hosts: &Hosts, url: &str) -> Result<ServiceUrl, ServiceUrlError> {
    if url.len() > LONGEST {
        return Err(ServiceUrlError::NotAUrl);
    }
    let url = Url::parse(url).map_err(|_| ServiceUrlError::NotAUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if *hosts == Hosts::Loopback => {}
        _ => return Err(ServiceUrlError::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ServiceUrlError::UserInfo);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ServiceUrlError::Query);
    }
    match hosts {
        Hosts::Loopback if !is_loopback(&url) => Err(ServiceUrlError::Host),
        Hosts::Loopback => Ok(ServiceUrl(url.into())),
        Hosts::Named(names) if !names.contains(url.host_str().unwrap_or_default()) => {
            Err(ServiceUrlError::Host)
        }
        Hosts::Named(_) if url.port_or_known_default() != Some(443) => Err(ServiceUrlError::Port),
        Hosts::Named(_) => Ok(ServiceUrl(url.into())),
    }
}

/// `127.0.0.0/8`, `::1` and `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ServiceUrlError as E;
    use crate::cloud::{Cloud, Endpoints};

    #[test]
    fn public_hosts_exactly() {
        let endpoints = Endpoints::of(Cloud::Public);
        for url in [
            "https://smba.trafficmanager.net/emea/",
            "https://smba.trafficmanager.net/amer/6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913/",
            "https://smba.trafficmanager.net",
            "https://smba.trafficmanager.net:443/teams",
            "HTTPS://SMBA.TrafficManager.NET/emea/",
            "https://smba.infra.gcc.teams.microsoft.com/teams",
        ] {
            assert!(endpoints.check_service_url(url).is_ok(), "{url}");
        }
        for (url, error) in [
            ("http://smba.trafficmanager.net/emea/", E::NotHttps),
            ("https://smba.trafficmanager.net:8443/emea/", E::Port),
            ("https://smba.trafficmanager.net@evil.example/", E::UserInfo),
            ("https://evil@smba.trafficmanager.net/", E::UserInfo),
            ("https://:pw@smba.trafficmanager.net/", E::UserInfo),
            ("https://evil.example/smba.trafficmanager.net/", E::Host),
            ("https://smba.trafficmanager.net.evil.example/", E::Host),
            ("https://evil.trafficmanager.net/", E::Host),
            ("https://x.smba.trafficmanager.net/", E::Host),
            ("https://smba.trafficmanager.net./", E::Host),
            ("https://webchat.botframework.com/", E::Host),
            ("https://evil.example\\@smba.trafficmanager.net/", E::Host),
            ("https://smba.trafficmanager.net/?x=", E::Query),
            ("https://smba.trafficmanager.net/#", E::Query),
            ("ftp://smba.trafficmanager.net/", E::NotHttps),
            ("smba.trafficmanager.net", E::NotAUrl),
            ("//smba.trafficmanager.net/", E::NotAUrl),
            ("", E::NotAUrl),
            ("https://127.0.0.1/", E::Host),
        ] {
            assert_eq!(endpoints.check_service_url(url), Err(error), "{url}");
        }
    }

    #[test]
    fn the_simulator_takes_this_computer_only() {
        let endpoints = Endpoints::of(Cloud::Simulator);
        for url in [
            "http://127.0.0.1:4100/teams/",
            "https://127.9.8.7:4143/",
            "http://localhost:3978/_connector",
            "http://[::1]:80/",
            "http://127.1/",
        ] {
            assert!(endpoints.check_service_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://128.0.0.1/",
            "http://10.0.0.1/",
            "http://[::2]/",
            "http://localhost.evil.example/",
            "http://0.0.0.0/",
            "https://smba.trafficmanager.net/emea/",
            "ftp://127.0.0.1/",
        ] {
            assert!(endpoints.check_service_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn joined_with_one_slash() {
        let endpoints = Endpoints::of(Cloud::Public);
        for url in [
            "https://smba.trafficmanager.net/emea",
            "https://smba.trafficmanager.net/emea/",
            "https://smba.trafficmanager.net/emea//",
        ] {
            let url = endpoints.check_service_url(url).unwrap();
            assert_eq!(url.join("v3/x"), "https://smba.trafficmanager.net/emea/v3/x");
            assert_eq!(url.join("/v3/x"), "https://smba.trafficmanager.net/emea/v3/x");
        }
        let bare = endpoints.check_service_url("https://smba.trafficmanager.net").unwrap();
        assert_eq!(bare.join("/v3"), "https://smba.trafficmanager.net/v3");
    }

    proptest! {
        #[test]
        fn never_panics_and_never_leaves_the_host(text in ".{0,80}") {
            let endpoints = Endpoints::of(Cloud::Public);
            for url in [text.clone(), format!("https://smba.trafficmanager.net{text}")] {
                if let Ok(checked) = endpoints.check_service_url(&url) {
                    let joined = reqwest::Url::parse(&checked.join("/v3/conversations")).unwrap();
                    prop_assert_eq!(joined.host_str(), Some("smba.trafficmanager.net"));
                    prop_assert_eq!(joined.scheme(), "https");
                    prop_assert!(joined.path().ends_with("/v3/conversations"));
                }
            }
        }
    }
}
