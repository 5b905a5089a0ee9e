//! Graph's address and the links that it gives: the only addresses that Graph's token is sent to.

use std::fmt;

use reqwest::Url;

use super::{EndpointError, Endpoints, Hosts, check_own_endpoint, is_loopback};

/// The version of Graph that is asked.
const VERSION: &str = "v1.0";

/// Links with state tokens of some thousand characters occur; the bound keeps junk out of storage.
const LONGEST: usize = 16 * 1024;

/// Graph's address, checked. Made only by [`Endpoints::graph_root`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphRoot {
    url: Url,
    resource: String,
}

impl Endpoints {
    /// Graph's address, if a token may be sent there: https, or http on this computer; the simulator is on this computer
    /// and nowhere else. Nothing else makes a [`GraphRoot`], and the Graph client takes nothing else.
    pub fn graph_root(&self) -> Result<GraphRoot, EndpointError> {
        check_own_endpoint(self.graph())?;
        let url = Url::parse(self.graph()).map_err(|_| EndpointError::NotSafe)?;
        if *self.hosts() == Hosts::Loopback && !is_loopback(&url) {
            return Err(EndpointError::HostsFixed);
        }
        Ok(GraphRoot { url, resource: self.graph_resource().to_owned() })
    }
}

impl GraphRoot {
    /// The URL of `path`, which is relative to the version: `/users/…`.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{VERSION}/{}", self.url.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
    }

    /// The name of an object as a link in a body (`…@odata.bind`): that of the cloud's own Graph, wherever it is reached
    /// (protocol section 15).
    pub fn bind(&self, path: &str) -> String {
        format!("{}/{VERSION}/{}", self.resource, path.trim_start_matches('/'))
    }

    /// A link that Graph gave, or that was stored. It is followed only where Graph itself is: a token must not go along
    /// to a stranger.
    pub fn check_link(&self, link: &str) -> Result<GraphLink, LinkError> {
        if link.len() > LONGEST {
            return Err(LinkError::NotAUrl);
        }
        let url = Url::parse(link).map_err(|_| LinkError::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LinkError::UserInfo);
        }
        if url.origin() != self.url.origin() {
            return Err(LinkError::Elsewhere);
        }
        Ok(GraphLink(link.to_owned()))
    }
}

/// A link whose origin is Graph's own. Kept as it was given: what is after the origin is Graph's and opaque.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GraphLink(String);

impl GraphLink {
    /// As text, for storing; it must be checked again when it is read back.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Without the link: its filter may name a person.
impl fmt::Debug for GraphLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GraphLink")
    }
}

/// Why a link is not followed. The text names no part of it: it may come from anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It cannot be read as an absolute URL.
    #[error("the link is not a URL")]
    NotAUrl,
    /// `user:password@`.
    #[error("the link holds a user name or password")]
    UserInfo,
    /// Another scheme, host or port than Graph's.
    #[error("the link leads away from Graph")]
    Elsewhere,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloud::Cloud;

    fn root(cloud: Cloud) -> GraphRoot {
        Endpoints::of(cloud).graph_root().unwrap()
    }

    #[test]
    fn addresses_and_names() {
        let public = root(Cloud::Public);
        assert_eq!(public.join("/users"), "https://graph.microsoft.com/v1.0/users");
        assert_eq!(
            root(Cloud::Dod).bind("/appCatalogs/teamsApps/x"),
            "https://dod-graph.microsoft.us/v1.0/appCatalogs/teamsApps/x"
        );
        // The simulator is asked where it is, and told what Microsoft would be told.
        let simulator = Endpoints::simulator("http://127.0.0.1:4999/").graph_root().unwrap();
        assert_eq!(simulator.join("users"), "http://127.0.0.1:4999/v1.0/users");
        assert_eq!(simulator.bind("users"), "https://graph.microsoft.com/v1.0/users");
        let mut moved = Endpoints::of(Cloud::Public);
        moved.set_graph("https://gateway.example/graph/").unwrap();
        assert_eq!(moved.graph_root().unwrap().join("/users"), "https://gateway.example/graph/v1.0/users");
    }

    #[test]
    fn no_token_leaves_this_computer_unprotected() {
        assert_eq!(Endpoints::simulator("http://192.0.2.1:4100").graph_root(), Err(EndpointError::NotSafe));
        assert_eq!(
            Endpoints::simulator("https://graph.example").graph_root(),
            Err(EndpointError::HostsFixed)
        );
        assert_eq!(Endpoints::simulator("garbage").graph_root(), Err(EndpointError::NotSafe));
    }

    #[test]
    fn links_stay_with_graph() {
        let root = root(Cloud::Public);
        for link in [
            "https://graph.microsoft.com/v1.0/users?$skiptoken=RFNwdAIAAQ'x y",
            "https://graph.microsoft.com:443/v1.0/users/delta?$deltatoken=a",
            "HTTPS://Graph.Microsoft.com/v1.0/users",
        ] {
            assert_eq!(root.check_link(link).unwrap().as_str(), link, "verbatim");
        }
        for (link, error) in [
            ("https://evil.example/v1.0/users", LinkError::Elsewhere),
            ("https://graph.microsoft.com.evil.example/v1.0/users", LinkError::Elsewhere),
            ("https://graph.microsoft.us/v1.0/users", LinkError::Elsewhere),
            ("http://graph.microsoft.com/v1.0/users", LinkError::Elsewhere),
            ("https://graph.microsoft.com:8443/v1.0/users", LinkError::Elsewhere),
            ("https://graph.microsoft.com@evil.example/", LinkError::UserInfo),
            ("https://evil@graph.microsoft.com/v1.0/users", LinkError::UserInfo),
            ("https://evil.example\\@graph.microsoft.com/", LinkError::Elsewhere),
            ("/v1.0/users?$skiptoken=x", LinkError::NotAUrl),
            ("", LinkError::NotAUrl),
        ] {
            assert_eq!(root.check_link(link), Err(error), "{link}");
        }
        let long = format!("https://graph.microsoft.com/v1.0/users?$skiptoken={}", "x".repeat(LONGEST));
        assert_eq!(root.check_link(&long), Err(LinkError::NotAUrl));
        assert!(
            !format!("{:?}", root.check_link("https://graph.microsoft.com/ines").unwrap()).contains("ines")
        );
    }

    proptest! {
        #[test]
        fn no_link_leaves_the_host(text in ".{0,80}") {
            let root = root(Cloud::Public);
            for link in [text.clone(), format!("https://graph.microsoft.com{text}")] {
                if root.check_link(&link).is_ok() {
                    let url = Url::parse(&link).unwrap();
                    prop_assert_eq!(url.host_str(), Some("graph.microsoft.com"));
                    prop_assert_eq!(url.scheme(), "https");
                }
            }
        }
    }
}
