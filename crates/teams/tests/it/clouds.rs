//! The contract of each cloud: which hosts are spoken to, and that there are no others. Everything an app can ask for is
//! asked through a proxy that records where it was asked to connect and connects nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use nuncio_teams::clock::Clock;
use nuncio_teams::cloud::{Cloud, Endpoints, ServiceUrl};
use nuncio_teams::connector::request::{BatchAudience, MeetingNotification, Upload};
use nuncio_teams::connector::{CallError, Connector, CreatePersonal, CreateThread};
use nuncio_teams::graph::{self, AppIs, Graph, List, Scope};
use nuncio_teams::http::{CallFailure, HttpClient};
use nuncio_teams::inbound::{AllowedTenants, Authenticator, InboundError};
use nuncio_teams::schema::{MessageContent, OutboundActivity};
use nuncio_teams::token::{Credential, EntraTokens, GraphIdentity, GraphTokens, NoToken, TokenSource as _};
use secrecy::SecretString;

use crate::inbound::{activity, apps, claims, header};
use crate::stand_in::{StandIn, keys};

/// What section 1 of the protocol says of a cloud.
struct Sheet {
    cloud: Cloud,
    authority: &'static str,
    login_tenant: &'static str,
    scope: &'static str,
    issuer: &'static str,
    metadata: &'static str,
    service_url: Option<&'static str>,
    graph: &'static str,
    /// What the audience of exchanged tokens ends with.
    exchange: &'static str,
    /// Where its tenants' service URLs may be.
    hosts: &'static [&'static str],
}

const COMMERCIAL: [&str; 3] = [
    "smba.trafficmanager.net",
    "smba.onyx.prod.teams.trafficmanager.net",
    "smba.infra.gcc.teams.microsoft.com",
];

const PUBLIC: Sheet = Sheet {
    cloud: Cloud::Public,
    authority: "https://login.microsoftonline.com",
    login_tenant: "botframework.com",
    scope: "https://api.botframework.com/.default",
    issuer: "https://api.botframework.com",
    metadata: "https://login.botframework.com/v1/.well-known/openidconfiguration",
    service_url: Some("https://smba.trafficmanager.net/teams/"),
    graph: "https://graph.microsoft.com",
    exchange: "",
    hosts: &COMMERCIAL,
};

const GCC_HIGH: Sheet = Sheet {
    cloud: Cloud::GccHigh,
    authority: "https://login.microsoftonline.us",
    login_tenant: "MicrosoftServices.onmicrosoft.us",
    scope: "https://api.botframework.us/.default",
    issuer: "https://api.botframework.us",
    metadata: "https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
    service_url: Some("https://smba.infra.gov.teams.microsoft.us/teams"),
    graph: "https://graph.microsoft.us",
    exchange: "USGov",
    hosts: &["smba.infra.gov.teams.microsoft.us"],
};

const SHEETS: [Sheet; 5] = [
    PUBLIC,
    Sheet {
        cloud: Cloud::Gcc,
        service_url: Some("https://smba.infra.gcc.teams.microsoft.com/teams"),
        ..PUBLIC
    },
    GCC_HIGH,
    Sheet {
        cloud: Cloud::Dod,
        service_url: Some("https://smba.infra.dod.teams.microsoft.us/teams"),
        graph: "https://dod-graph.microsoft.us",
        hosts: &["smba.infra.dod.teams.microsoft.us"],
        ..GCC_HIGH
    },
    Sheet {
        cloud: Cloud::China,
        authority: "https://login.partner.microsoftonline.cn",
        login_tenant: "microsoftservices.partner.onmschina.cn",
        scope: "https://api.botframework.azure.cn/.default",
        issuer: "https://api.botframework.azure.cn",
        metadata: "https://login.botframework.azure.cn/v1/.well-known/openidconfiguration",
        service_url: None,
        graph: "https://microsoftgraph.chinacloudapi.cn",
        exchange: "China",
        hosts: &["frontend.botapi.msg.infra.teams.microsoftonline.cn"],
    },
];

fn host(url: &str) -> &str {
    url.strip_prefix("https://").unwrap().split('/').next().unwrap()
}

#[test]
fn every_value_is_that_of_the_sheet() {
    for sheet in SHEETS {
        let endpoints = Endpoints::of(sheet.cloud);
        assert_eq!(endpoints.authority(), sheet.authority, "{}", sheet.cloud);
        assert_eq!(endpoints.login_tenant(), sheet.login_tenant, "{}", sheet.cloud);
        assert_eq!(endpoints.bot_scope(), sheet.scope, "{}", sheet.cloud);
        assert_eq!(endpoints.issuer(), sheet.issuer, "{}", sheet.cloud);
        assert_eq!(endpoints.openid_metadata(), sheet.metadata, "{}", sheet.cloud);
        assert_eq!(endpoints.service_url(), sheet.service_url, "{}", sheet.cloud);
        assert_eq!(endpoints.graph(), sheet.graph, "{}", sheet.cloud);
        assert_eq!(endpoints.graph_scope(), format!("{}/.default", sheet.graph), "{}", sheet.cloud);
        assert_eq!(endpoints.installs_through_graph(), sheet.cloud != Cloud::China, "{}", sheet.cloud);
        assert_eq!(endpoints.imds(), "http://169.254.169.254", "{}", sheet.cloud);
        assert_eq!(endpoints.token_exchange(), format!("api://AzureADTokenExchange{}", sheet.exchange));
    }
}

#[test]
fn a_service_url_of_another_cloud_is_refused() {
    let all: BTreeSet<&str> = SHEETS.iter().flat_map(|sheet| sheet.hosts).copied().collect();
    assert_eq!(all.len(), 6);
    for sheet in SHEETS {
        let endpoints = Endpoints::of(sheet.cloud);
        for host in &all {
            let url = format!("https://{host}/emea/");
            // Public and GCC are one cloud; a tenant may be on either host.
            assert_eq!(
                endpoints.check_service_url(&url).is_ok(),
                sheet.hosts.contains(host),
                "{} {host}",
                sheet.cloud
            );
        }
    }
}

/// Tokens with each credential that Entra's endpoint takes, for an app of either kind.
async fn tokens(http: &HttpClient, endpoints: &Endpoints) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "eyJh.eyJz.c2ln").unwrap();
    for tenant in [None, Some("6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913")] {
        for credential in
            [Credential::Secret(SecretString::from("s")), Credential::FederatedTokenFile(file.clone())]
        {
            let tokens = EntraTokens::new(http.clone(), endpoints, tenant, "app", credential);
            assert!(tokens.token().await.unwrap_err().is_transient());
        }
    }
}

/// The issuer's keys, which an activity that comes in asks for.
async fn inbound(http: &HttpClient, endpoints: &Endpoints) {
    let now = 1_795_356_312;
    let authenticator = Authenticator::new(
        endpoints.clone(),
        apps(AllowedTenants::Any),
        http.clone(),
        Clock::new(move || std::time::UNIX_EPOCH + std::time::Duration::from_secs(now)),
    );
    let mut claims = claims(now);
    claims["iss"] = endpoints.issuer().into();
    let bearer = keys()[0].bearer(&header("first-key"), &claims);
    let body = activity().to_string();
    let answer = authenticator.authenticate(Some(&bearer), body.as_bytes()).await;
    assert!(matches!(answer, Err(InboundError::KeysUnavailable)), "{answer:?}");
}

/// Every call there is.
async fn calls(http: &HttpClient, at: &ServiceUrl) -> usize {
    let connector = Connector::new(http.clone(), Arc::new(NoToken));
    let activity = OutboundActivity::new(MessageContent::text("hello", None));
    let create = CreatePersonal {
        bot_id: "app".into(),
        bot_name: None,
        member_id: "29:x".into(),
        tenant_id: "t".into(),
    };
    let thread = CreateThread {
        bot_id: "app".into(),
        channel_id: "19:c".into(),
        team_id: None,
        tenant_id: "t".into(),
        activity: activity.clone(),
    };
    let upload = Upload { content_type: "image/png", name: "a", content: b"a", thumbnail: None };
    let notification = MeetingNotification { recipients: Vec::new(), surfaces: Vec::new() };
    let mut made = 0;
    // Nothing is ever connected: none of them can have been sent.
    macro_rules! each {
        ($($call:expr,)*) => {
            $(
                let error = $call.await.map(drop).unwrap_err();
                assert!(matches!(error, CallError::NotSent { .. }), "{}: {error}", stringify!($call));
                made += 1;
            )*
        };
    }
    each! {
        connector.create_personal(at, &create),
        connector.create_thread(at, &thread),
        connector.send(at, "a:1", &activity),
        connector.send_bytes(at, "a:1", "{}".into()),
        connector.reply(at, "a:1", "1", &activity),
        connector.update(at, "a:1", "1", &activity),
        connector.delete(at, "a:1", "1"),
        connector.react(at, "a:1", "1", "like", true),
        connector.react(at, "a:1", "1", "like", false),
        connector.send_targeted(at, "a:1", &activity),
        connector.update_targeted(at, "a:1", "1", &activity),
        connector.delete_targeted(at, "a:1", "1"),
        connector.member(at, "a:1", "29:x"),
        connector.members(at, "a:1"),
        connector.paged_members(at, "a:1", 100, Some("token")),
        async { connector.all_members(at, "a:1", 100).next().await.unwrap() },
        connector.activity_members(at, "a:1", "1"),
        connector.team(at, "19:t"),
        connector.team_channels(at, "19:t"),
        connector.batch_send(at, "t", BatchAudience::Tenant, &activity),
        connector.batch_state(at, "o"),
        connector.batch_failed_entries(at, "o", None),
        connector.batch_cancel(at, "o"),
        connector.upload(at, "a:1", &upload),
        connector.attachment(at, "f"),
        connector.attachment_view(at, "f", "original"),
        connector.meeting(at, "m"),
        connector.meeting_participant(at, "m", "p", "t"),
        connector.notify_meeting(at, "m", &notification),
    }
    made
}

/// Every kind of call to Graph.
async fn graph_calls(http: &HttpClient, endpoints: &Endpoints) -> usize {
    let root = endpoints.graph_root().unwrap();
    let graph = Graph::new(http.clone(), root, Arc::new(NoToken));
    let list = List::default();
    let user = Scope::User("u");
    let never = |error: graph::CallError| {
        assert!(matches!(error, graph::CallError::Failed(CallFailure::NotSent { .. })), "{error}");
    };
    let mut made = 0;
    macro_rules! each {
        ($($call:expr,)*) => {
            $(
                never($call.await.map(drop).unwrap_err());
                made += 1;
            )*
        };
    }
    each! {
        graph.users(&list).all(),
        graph.user("u", &[]),
        graph.users_by_mail("u", &[]),
        graph.users_delta(&[]).all(),
        graph.groups(&list).all(),
        graph.group("g", &[]),
        graph.groups_delta(&[]).all(),
        graph.group_members("g", &list).all(),
        graph.transitive_users("g", &list).all(),
        graph.team("t"),
        graph.team_members("t").all(),
        graph.channels("t").all(),
        graph.channel_members("t", "c").all(),
        graph.all_channel_members("t", "c").all(),
        graph.catalogue(AppIs::ExternalId("a")),
        graph.installed_apps(user, None),
        graph.install(user, "a", &[]),
        graph.installation_chat("u", "i"),
        graph.upgrade(user, "i", &[]),
        graph.remove(user, "i"),
        async {
            match graph.batch(&[graph::request::user("u", &[])]).await {
                Err(graph::BatchCallError::Call(error)) => Err::<(), _>(error),
                other => panic!("{other:?}"),
            }
        },
    }
    made
}

/// Everything that an app of this cloud asks for goes to these hosts, and to no other.
async fn contract(sheet: &Sheet) {
    let proxy = StandIn::start().await;
    let http = HttpClient::builder().proxy(Some(proxy.base().into())).build().unwrap();
    let endpoints = Endpoints::of(sheet.cloud);
    let connected = |before: usize| -> Vec<String> {
        let seen = proxy.seen();
        assert!(seen.iter().all(|seen| seen.method == "CONNECT"), "all of it is encrypted");
        seen[before..].iter().map(|seen| seen.authority.clone().unwrap()).collect()
    };
    let only = |before: usize, host: &str| -> usize {
        let connected = connected(before);
        let expected = format!("{host}:443");
        assert!(connected.iter().all(|to| *to == expected), "{}: {connected:?}", sheet.cloud);
        connected.len()
    };
    tokens(&http, &endpoints).await;
    let mut count = only(0, host(sheet.authority));
    assert_eq!(count, 4);
    inbound(&http, &endpoints).await;
    assert_eq!(only(count, host(sheet.metadata)), 1);
    count += 1;
    // China's comes in with an activity.
    let service_url = match endpoints.default_service_url().unwrap() {
        Some(service_url) => service_url,
        None => endpoints.check_service_url(&format!("https://{}/cn/", sheet.hosts[0])).unwrap(),
    };
    let made = calls(&http, &service_url).await;
    assert_eq!(only(count, host(service_url.as_str())), made);
    count += made;
    let made = graph_calls(&http, &endpoints).await;
    assert_eq!(only(count, host(sheet.graph)), made);
    count += made;
    // Its tokens come from the cloud's own authority too.
    let identity = GraphIdentity::App {
        client_id: "app".into(),
        credential: Credential::Secret(SecretString::from("s")),
    };
    let tokens = GraphTokens::new(http.clone(), &endpoints, identity).of_tenant("contoso.example").unwrap();
    assert!(tokens.token().await.unwrap_err().is_transient());
    assert_eq!(only(count, host(sheet.authority)), 1);
}

#[tokio::test]
async fn public_speaks_to_its_own_hosts() {
    contract(&SHEETS[0]).await;
}

#[tokio::test]
async fn gcc_speaks_to_its_own_hosts() {
    contract(&SHEETS[1]).await;
}

#[tokio::test]
async fn gcc_high_speaks_to_no_commercial_host() {
    contract(&SHEETS[2]).await;
}

#[tokio::test]
async fn dod_speaks_to_no_commercial_host() {
    contract(&SHEETS[3]).await;
}

#[tokio::test]
async fn china_speaks_to_no_commercial_host() {
    contract(&SHEETS[4]).await;
}
