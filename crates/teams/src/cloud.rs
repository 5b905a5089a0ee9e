//! Microsoft's clouds: where tokens come from, who signs what comes in, and which hosts may ever be given a token.
//! The values are those of protocol section 1.

mod graph_root;
mod moved;
mod service_url;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use graph_root::{GraphLink, GraphRoot, LinkError};
pub(crate) use service_url::is_loopback;
pub use service_url::{ServiceUrl, ServiceUrlError};

/// The metadata service of machines in Azure, the same in every cloud. Only a managed identity's call goes there.
const IMDS: &str = "http://169.254.169.254";

/// Where the simulator listens unless told otherwise.
const SIMULATOR_BASE: &str = "http://127.0.0.1:4100";

/// One of Microsoft's clouds, or the simulator on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    /// Everyone without another one.
    Public,
    /// United States government community: the public cloud with another default service URL.
    Gcc,
    /// GCC High.
    GccHigh,
    /// United States Department of Defense.
    Dod,
    /// China, run by 21Vianet. It has no documented proactive service URL: one is learnt from what comes in.
    China,
    /// Nuncio's simulator: only addresses of this computer are spoken to.
    Simulator,
}

impl Cloud {
    /// All of them, for configuration and documentation.
    pub const ALL: [Cloud; 6] =
        [Cloud::Public, Cloud::Gcc, Cloud::GccHigh, Cloud::Dod, Cloud::China, Cloud::Simulator];

    /// The name that configuration uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Cloud::Public => "public",
            Cloud::Gcc => "gcc",
            Cloud::GccHigh => "gcc_high",
            Cloud::Dod => "dod",
            Cloud::China => "china",
            Cloud::Simulator => "simulator",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which hosts may be service URLs, and so be given a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// Exactly these names, over https on port 443.
    Named(BTreeSet<String>),
    /// Addresses of this computer, http or https, any port.
    Loopback,
}

impl Hosts {
    fn named(names: &[&str]) -> Self {
        Hosts::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// The addresses and names of one cloud. Read with its getters, changed with its setters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    cloud: Cloud,
    authority: String,
    login_tenant: String,
    bot_scope: String,
    issuer: String,
    openid_metadata: String,
    service_url: Option<String>,
    graph: String,
    graph_resource: String,
    imds: String,
    hosts: Hosts,
}

/// Why an overriding endpoint was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A secret or a key would travel unprotected.
    #[error("it must be an https URL without user name and query (http only for this computer)")]
    NotSafe,
    /// The service URL is outside this cloud's hosts.
    #[error(transparent)]
    ServiceUrl(#[from] ServiceUrlError),
    /// The simulator's hosts are this computer, nothing can be added to them.
    #[error("the simulator takes only addresses of this computer")]
    HostsFixed,
}

const PUBLIC_HOSTS: [&str; 3] = [
    "smba.trafficmanager.net",
    "smba.onyx.prod.teams.trafficmanager.net",
    // A tenant's service URL may legitimately be on the other of public and GCC (protocol section 1).
    "smba.infra.gcc.teams.microsoft.com",
];

impl Endpoints {
    /// The endpoints of a cloud as Microsoft documents them; the simulator's at `http://127.0.0.1:4100`.
    pub fn of(cloud: Cloud) -> Self {
        let public = |service_url: &str| Self {
            cloud,
            authority: "https://login.microsoftonline.com".into(),
            login_tenant: "botframework.com".into(),
            bot_scope: "https://api.botframework.com/.default".into(),
            issuer: "https://api.botframework.com".into(),
            openid_metadata: "https://login.botframework.com/v1/.well-known/openidconfiguration".into(),
            service_url: Some(service_url.into()),
            graph: "https://graph.microsoft.com".into(),
            graph_resource: "https://graph.microsoft.com".into(),
            imds: IMDS.into(),
            hosts: Hosts::named(&PUBLIC_HOSTS),
        };
        let us_government = |service_url: &str, host: &str, graph: &str| Self {
            cloud,
            authority: "https://login.microsoftonline.us".into(),
            login_tenant: "MicrosoftServices.onmicrosoft.us".into(),
            bot_scope: "https://api.botframework.us/.default".into(),
            issuer: "https://api.botframework.us".into(),
            openid_metadata: "https://login.botframework.azure.us/v1/.well-known/openidconfiguration".into(),
            service_url: Some(service_url.into()),
            graph: graph.into(),
            graph_resource: graph.into(),
            imds: IMDS.into(),
            hosts: Hosts::named(&[host]),
        };
        match cloud {
            Cloud::Public => public("https://smba.trafficmanager.net/teams/"),
            Cloud::Gcc => public("https://smba.infra.gcc.teams.microsoft.com/teams"),
            Cloud::GccHigh => us_government(
                "https://smba.infra.gov.teams.microsoft.us/teams",
                "smba.infra.gov.teams.microsoft.us",
                "https://graph.microsoft.us",
            ),
            Cloud::Dod => us_government(
                "https://smba.infra.dod.teams.microsoft.us/teams",
                "smba.infra.dod.teams.microsoft.us",
                "https://dod-graph.microsoft.us",
            ),
            Cloud::China => Self {
                cloud,
                authority: "https://login.partner.microsoftonline.cn".into(),
                login_tenant: "microsoftservices.partner.onmschina.cn".into(),
                bot_scope: "https://api.botframework.azure.cn/.default".into(),
                issuer: "https://api.botframework.azure.cn".into(),
                openid_metadata: "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration"
                    .into(),
                service_url: None,
                graph: "https://microsoftgraph.chinacloudapi.cn".into(),
                graph_resource: "https://microsoftgraph.chinacloudapi.cn".into(),
                imds: IMDS.into(),
                hosts: Hosts::named(&["frontend.botapi.msg.infra.teams.microsoftonline.cn"]),
            },
            Cloud::Simulator => Self::simulator(SIMULATOR_BASE),
        }
    }

    /// The simulator at `base`: issuer and scopes as in the public cloud, everything else below `base`.
    pub fn simulator(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        Self {
            cloud: Cloud::Simulator,
            authority: base.to_owned(),
            openid_metadata: format!("{base}/v1/.well-known/openidconfiguration"),
            service_url: Some(format!("{base}/teams/")),
            graph: base.to_owned(),
            imds: base.to_owned(),
            hosts: Hosts::Loopback,
            ..Self::of(Cloud::Public)
        }
    }

    /// Whose endpoints these are.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// Where tokens are asked for, without a final slash: `https://login.microsoftonline.com`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The tenant that a multi-tenant bot's token comes from (protocol section 2.1).
    pub fn login_tenant(&self) -> &str {
        &self.login_tenant
    }

    /// The scope of a token for the Connector.
    pub fn bot_scope(&self) -> &str {
        &self.bot_scope
    }

    /// Who must have issued a token that comes in.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the keys of that issuer are described.
    pub fn openid_metadata(&self) -> &str {
        &self.openid_metadata
    }

    /// The service URL for a first word to someone of whom none is known yet. It may still be refused by
    /// [`Endpoints::check_service_url`], see [`Endpoints::default_service_url`].
    pub fn service_url(&self) -> Option<&str> {
        self.service_url.as_deref()
    }

    /// Where Graph is, without a final slash and without `/v1.0`. It may still be refused, see
    /// [`Endpoints::graph_root`].
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// What Graph is called in tokens and in links between its objects, wherever it is reached:
    /// `https://graph.microsoft.com`.
    pub fn graph_resource(&self) -> &str {
        &self.graph_resource
    }

    /// The scope of a token for Graph.
    pub fn graph_scope(&self) -> String {
        format!("{}/.default", self.graph_resource)
    }

    /// Whether apps can be installed through Graph at all: not in China (protocol section 1).
    pub fn installs_through_graph(&self) -> bool {
        self.cloud != Cloud::China
    }

    /// Where the metadata service of the machine is, without a final slash (protocol section 2.4).
    pub fn imds(&self) -> &str {
        &self.imds
    }

    /// What another issuer's token must be for, to be exchanged for one of the app (Microsoft, "Configure an application
    /// to trust a managed identity").
    pub fn token_exchange(&self) -> &'static str {
        match self.cloud {
            Cloud::Public | Cloud::Gcc | Cloud::Simulator => "api://AzureADTokenExchange",
            Cloud::GccHigh | Cloud::Dod => "api://AzureADTokenExchangeUSGov",
            Cloud::China => "api://AzureADTokenExchangeChina",
        }
    }

    /// Which hosts may be given a token.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Another authority: https, or http on this computer.
    pub fn set_authority(&mut self, url: &str) -> Result<(), EndpointError> {
        check_own_endpoint(url)?;
        url.trim_end_matches('/').clone_into(&mut self.authority);
        Ok(())
    }

    /// Another login tenant for multi-tenant bots.
    pub fn set_login_tenant(&mut self, tenant: &str) {
        tenant.clone_into(&mut self.login_tenant);
    }

    /// Another scope.
    pub fn set_bot_scope(&mut self, scope: &str) {
        scope.clone_into(&mut self.bot_scope);
    }

    /// Another issuer of what comes in.
    pub fn set_issuer(&mut self, issuer: &str) {
        issuer.clone_into(&mut self.issuer);
    }

    /// Another metadata document: https, or http on this computer.
    pub fn set_openid_metadata(&mut self, url: &str) -> Result<(), EndpointError> {
        check_own_endpoint(url)?;
        url.clone_into(&mut self.openid_metadata);
        Ok(())
    }

    /// Another address of Graph: https, or http on this computer. What it is called in tokens stays.
    pub fn set_graph(&mut self, url: &str) -> Result<(), EndpointError> {
        check_own_endpoint(url)?;
        url.trim_end_matches('/').clone_into(&mut self.graph);
        Ok(())
    }

    /// Another name of Graph in tokens.
    pub fn set_graph_resource(&mut self, resource: &str) {
        resource.trim_end_matches('/').clone_into(&mut self.graph_resource);
    }

    /// One more host that may be given a token. The operator vouches for it: whoever owns it can speak as the bot.
    pub fn allow_host(&mut self, host: &str) -> Result<(), EndpointError> {
        match &mut self.hosts {
            Hosts::Named(names) => {
                names.insert(host.to_ascii_lowercase());
                Ok(())
            }
            Hosts::Loopback => Err(EndpointError::HostsFixed),
        }
    }

    /// Another default service URL; its host must be allowed already ([`Endpoints::allow_host`]).
    pub fn set_service_url(&mut self, url: &str) -> Result<(), EndpointError> {
        let checked = self.check_service_url(url)?;
        self.service_url = Some(checked.to_string());
        Ok(())
    }

    /// The outbound allow list of protocol section 1: exact hosts, https, port 443, no user name. Nothing else makes a
    /// [`ServiceUrl`], and the Connector takes nothing else, so a token cannot go to a host that was not checked.
    pub fn check_service_url(&self, url: &str) -> Result<ServiceUrl, ServiceUrlError> {
        service_url::check(&self.hosts, url)
    }

    /// The default service URL, checked. `None` where the cloud has none.
    pub fn default_service_url(&self) -> Result<Option<ServiceUrl>, ServiceUrlError> {
        self.service_url.as_deref().map(|url| self.check_service_url(url)).transpose()
    }
}

/// Is this an address that a secret may be sent to, or keys be read from?
pub(crate) fn check_own_endpoint(url: &str) -> Result<(), EndpointError> {
    let url = reqwest::Url::parse(url).map_err(|_| EndpointError::NotSafe)?;
    let scheme_ok = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if scheme_ok && plain { Ok(()) } else { Err(EndpointError::NotSafe) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_accepts_its_own_default_and_no_other_clouds() {
        for cloud in Cloud::ALL {
            let endpoints = Endpoints::of(cloud);
            assert_eq!(endpoints.default_service_url().unwrap().is_none(), cloud == Cloud::China, "{cloud}");
            for other in Cloud::ALL {
                let Some(url) = Endpoints::of(other).service_url().map(str::to_owned) else { continue };
                let same = cloud == other
                    || matches!((cloud, other), (Cloud::Public, Cloud::Gcc) | (Cloud::Gcc, Cloud::Public));
                assert_eq!(endpoints.check_service_url(&url).is_ok(), same, "{cloud} and the URL of {other}");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_configuration() {
        for cloud in Cloud::ALL {
            assert_eq!(serde_json::to_string(&cloud).unwrap(), format!("\"{cloud}\""));
            assert_eq!(serde_json::from_str::<Cloud>(&format!("\"{cloud}\"")).unwrap(), cloud);
        }
    }

    #[test]
    fn overriding() {
        let mut endpoints = Endpoints::of(Cloud::Public);
        assert_eq!(endpoints.set_authority("http://login.example.com"), Err(EndpointError::NotSafe));
        assert_eq!(endpoints.set_authority("https://user@login.example.com"), Err(EndpointError::NotSafe));
        endpoints.set_authority("https://login.example.com/").unwrap();
        assert_eq!(endpoints.authority(), "https://login.example.com");
        endpoints.set_openid_metadata("http://127.0.0.1:1/metadata").unwrap();
        assert_eq!(endpoints.set_graph("http://graph.example.com"), Err(EndpointError::NotSafe));
        endpoints.set_graph("https://graph.example.com/").unwrap();
        assert_eq!(endpoints.graph(), "https://graph.example.com");
        assert_eq!(endpoints.graph_scope(), "https://graph.microsoft.com/.default");
        assert!(endpoints.set_service_url("https://smba.example.com/x").is_err());
        endpoints.allow_host("SMBA.example.com").unwrap();
        endpoints.set_service_url("https://smba.example.com/x").unwrap();
        assert_eq!(endpoints.service_url(), Some("https://smba.example.com/x"));
        assert_eq!(Endpoints::of(Cloud::Simulator).allow_host("example.com"), Err(EndpointError::HostsFixed));
    }

    #[test]
    fn the_simulator_is_below_its_base() {
        let endpoints = Endpoints::simulator("http://127.0.0.1:9999/");
        assert_eq!(endpoints.authority(), "http://127.0.0.1:9999");
        assert_eq!(endpoints.openid_metadata(), "http://127.0.0.1:9999/v1/.well-known/openidconfiguration");
        assert_eq!(endpoints.service_url(), Some("http://127.0.0.1:9999/teams/"));
        assert_eq!(endpoints.issuer(), "https://api.botframework.com");
        assert_eq!(endpoints.graph(), "http://127.0.0.1:9999");
        assert_eq!(endpoints.graph_scope(), "https://graph.microsoft.com/.default");
    }
}
