//! A tenant that is on another host than its service URL says (protocol section 6, `InvalidBotApiHost`).

use reqwest::Url;

use super::{Cloud, Endpoints, Hosts, ServiceUrl};

impl Endpoints {
    /// The service URL to call instead of `used`, as the refusal's text names its host. `None` where the text names no
    /// host, the same one, or one that this cloud's token must not go to: of Microsoft's, public and GCC only.
    pub fn moved(&self, used: &ServiceUrl, text: &str) -> Option<ServiceUrl> {
        let named = Url::parse(first_url(text)?).ok()?;
        let used = Url::parse(used.as_str()).ok()?;
        let host = named.host_str()?;
        if used.host_str() == Some(host) && used.port() == named.port() {
            return None;
        }
        let moved = match self.hosts() {
            // The region in the path is the old host's; a host of Microsoft's has one that is good for all.
            Hosts::Named(_) => [Cloud::Public, Cloud::Gcc]
                .iter()
                .filter_map(|cloud| Self::of(*cloud).service_url)
                .find(|url| Url::parse(url).is_ok_and(|url| url.host_str() == Some(host)))?,
            // The simulator's hosts are one listener under several names: all but the host stays.
            Hosts::Loopback => {
                let mut moved = used;
                moved.set_host(Some(host)).ok()?;
                moved.set_port(named.port()).ok()?;
                moved.into()
            }
        };
        self.check_service_url(&moved).ok()
    }
}

/// `https://smba.infra.gcc.teams.microsoft.com` of "… please call https://smba.infra.gcc.teams.microsoft.com."
fn first_url(text: &str) -> Option<&str> {
    let url = &text[text.find("https://")?..];
    let end = url.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',' | ';' | ')'));
    Some(url[..end.unwrap_or(url.len())].trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Invalid bot api host. For GCC tenants, please call https://smba.infra.gcc.teams.microsoft.com.";

    fn moved(cloud: Cloud, used: &str, text: &str) -> Option<String> {
        let endpoints = Endpoints::of(cloud);
        let used = endpoints.check_service_url(used).unwrap();
        endpoints.moved(&used, text).map(|url| url.to_string())
    }

    #[test]
    fn to_the_other_of_public_and_gcc() {
        let public = "https://smba.trafficmanager.net/amer/";
        let gcc = "https://smba.infra.gcc.teams.microsoft.com/teams";
        assert_eq!(moved(Cloud::Public, public, TEXT).as_deref(), Some(gcc));
        assert_eq!(moved(Cloud::Gcc, public, TEXT).as_deref(), Some(gcc));
        let back = "please call https://smba.trafficmanager.net/teams/";
        assert_eq!(moved(Cloud::Gcc, gcc, back).as_deref(), Some("https://smba.trafficmanager.net/teams/"));
        for text in [
            "",
            "please call support",
            "https://",
            "https://smba.trafficmanager.net",
            "https://evil.example",
            "https://smba.infra.gcc.teams.microsoft.com.evil.example",
            "https://smba.infra.gov.teams.microsoft.us",
        ] {
            assert_eq!(moved(Cloud::Public, public, text), None, "{text}");
        }
    }

    #[test]
    fn no_other_cloud_is_left() {
        for cloud in [Cloud::GccHigh, Cloud::Dod] {
            let own = Endpoints::of(cloud).service_url.unwrap();
            assert_eq!(moved(cloud, &own, TEXT), None, "{cloud}");
        }
        let own = "https://frontend.botapi.msg.infra.teams.microsoftonline.cn/cn/";
        assert_eq!(moved(Cloud::China, own, TEXT), None);
    }

    #[test]
    fn the_simulator_under_another_name() {
        let used = "http://127.0.0.1:4100/teams/";
        assert_eq!(
            moved(Cloud::Simulator, used, "please call https://localhost:4100.").as_deref(),
            Some("http://localhost:4100/teams/")
        );
        assert_eq!(moved(Cloud::Simulator, used, TEXT), None);
        assert_eq!(moved(Cloud::Simulator, used, "please call https://127.0.0.1:4100."), None);
    }
}
