//! Bots of the government and China: their tenants, scopes, audiences and issuers (protocol section 1).

use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};

use crate::{
    credentials::unpack,
    harness::{BotServer, World, read, text},
};

const GOV: &str = "8a4d2c60-17be-4f39-9e05-d3b6a1f7c842";

/// (cloud, its login tenant, audience)
const CLOUDS: [(&str, &str, &str); 5] = [
    ("public", "botframework.com", "https://api.botframework.com"),
    ("gcc", "botframework.com", "https://api.botframework.com"),
    ("gcc_high", "MicrosoftServices.onmicrosoft.us", "https://api.botframework.us"),
    ("dod", "MicrosoftServices.onmicrosoft.us", "https://api.botframework.us"),
    ("china", "microsoftservices.partner.onmschina.cn", "https://api.botframework.azure.cn"),
];

async fn metadata(world: &World) -> Value {
    let url = format!("{}/v1/.well-known/openidconfiguration", world.sim.base());
    read(world.http.get(url).send().await.unwrap()).await.1
}

#[tokio::test]
async fn each_cloud_has_its_own_names() {
    let (received, url) = BotServer::start().await;
    for (cloud, login, audience) in CLOUDS {
        let mut world = World::start().await;
        let service_url = "https://smba.infra.gov.teams.microsoft.us/teams";
        let bot = json!({"app_id": GOV, "secret": "s", "cloud": cloud, "endpoint": url, "service_url": service_url});
        world.post("bots", bot).await;
        let scope = format!("{audience}/.default");
        for tenant in [world.sim.tenant_id(), login] {
            let (status, body) = world.token(tenant, GOV, "s", &scope).await;
            assert_eq!(status, 200, "{cloud} {tenant}: {body}");
            let claims = unpack(text(&body["access_token"]).split('.').nth(1).unwrap());
            assert_eq!(claims["aud"], audience, "{cloud}");
            text(&body["access_token"]).clone_into(&mut world.token);
            let person = world.person("installed").await;
            assert_eq!(world.create(text(&person["id"])).await.0, 201, "{cloud} {tenant}");
        }
        // Names of another cloud are nothing here.
        for (_, other_login, other) in CLOUDS.iter().filter(|(_, _, other)| *other != audience) {
            let (_, body) = world.token(world.sim.tenant_id(), GOV, "s", &format!("{other}/.default")).await;
            assert_eq!(body["error_codes"], json!([70011]), "{cloud}: {other}");
            let (_, body) = world.token(other_login, GOV, "s", &scope).await;
            assert_eq!(body["error_codes"], json!([700_016]), "{cloud}: {other_login}");
        }
        // What it is sent is signed by its own issuer, for the service URL that it is told.
        let person = world.person("installed").await;
        world.post(&format!("people/{}/says", text(&person["id"])), json!({"text": "hello"})).await;
        let said = received.received().pop().unwrap();
        let token = said.headers["authorization"].to_str().unwrap();
        let claims = unpack(token.split('.').nth(1).unwrap());
        assert_eq!(
            (&claims["iss"], &claims["serviceurl"]),
            (&json!(audience), &json!(service_url)),
            "{cloud}"
        );
        assert_eq!(said.body["serviceUrl"], service_url);
        // There is a bot of the public cloud too: whoever asks without a name of Microsoft's gets that.
        assert_eq!(metadata(&world).await["issuer"], "https://api.botframework.com");
        world.control(Method::DELETE, &format!("bots/{}", crate::harness::APP), None).await;
        assert_eq!(metadata(&world).await["issuer"], audience, "{cloud}");
    }
}

#[tokio::test]
async fn a_token_of_one_cloud_is_nothing_in_another() {
    let world = World::start().await;
    let person = world.person("installed").await;
    assert_eq!(world.create(text(&person["id"])).await.0, 201);
    // The bot moves to another cloud; its old token is for the old one.
    let bot = json!({"app_id": crate::harness::APP, "secret": crate::harness::SECRET, "cloud": "gcc_high"});
    world.post("bots", bot).await;
    assert_eq!(world.create(text(&person["id"])).await.0, 401);
    let bad = json!({"app_id": "b", "secret": "s", "cloud": "germany"});
    assert_eq!(world.control(Method::POST, "bots", Some(bad)).await.0, 400);
}

#[tokio::test]
async fn the_host_says_the_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let sim = crate::tls::start(folder.path()).await;
    let ca = Certificate::from_pem(&std::fs::read(sim.ca_path().unwrap()).unwrap()).unwrap();
    let proxy = reqwest::Proxy::all(sim.base()).unwrap();
    let http = Client::builder().proxy(proxy).tls_certs_only([ca]).build().unwrap();
    for (host, issuer) in [
        ("login.botframework.com", "https://api.botframework.com"),
        ("login.botframework.azure.us", "https://api.botframework.us"),
        ("login.botframework.azure.cn", "https://api.botframework.azure.cn"),
    ] {
        let url = format!("https://{host}/v1/.well-known/openidconfiguration");
        let (status, metadata) = read(http.get(url).send().await.unwrap()).await;
        assert_eq!((status, &metadata["issuer"]), (200, &json!(issuer)));
        assert_eq!(metadata["jwks_uri"], format!("https://{host}/v1/.well-known/keys"));
    }
    // The bot is one of the public cloud, so the government's sign-in does not know its tenant.
    for (host, code) in [("login.microsoftonline.com", None), ("login.microsoftonline.us", Some(90_002))] {
        let url = format!("https://{host}/{}/oauth2/v2.0/token", sim.tenant_id());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", crate::harness::APP),
            ("client_secret", crate::harness::SECRET),
            ("scope", crate::harness::SCOPE),
        ];
        let (_, body) = read(http.post(url).form(&form).send().await.unwrap()).await;
        assert_eq!(body["error_codes"].as_array().map(|codes| codes[0].as_u64().unwrap()), code, "{body}");
    }
}
