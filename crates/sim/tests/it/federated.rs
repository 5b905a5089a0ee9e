//! Tokens of other issuers instead of a secret, the old token endpoint, and registrations that change.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    credentials::unpack,
    fixtures::fixture,
    harness::{APP, SCOPE, SECRET, World, read, text},
};

const IDENTITY: &str = "2f6b1d38-90c4-4e57-9d21-4b7c3a5e8f10";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const CLUSTER: &str = "https://oidc.cluster.example/1/";
const SUBJECT: &str = "system:serviceaccount:bots:dispatch";

struct Issuer(KeyPair);

impl Issuer {
    fn new() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn jwks(&self) -> Value {
        assert!(!self.0.public_key().as_der().unwrap().as_ref().is_empty());
        let public = PublicKeyComponents::<Vec<u8>>::from(self.0.public_key());
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [
            {"kty": "EC", "kid": "other", "crv": "P-256"},
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": b64(&public.n), "e": b64(&public.e)},
        ]})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let b64 = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", b64(header), b64(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Real time at the simulator.
fn now(world: &World) -> i64 {
    unpack(world.token.split('.').nth(1).unwrap())["nbf"].as_i64().unwrap()
}

async fn ask(world: &World, assertion: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("scope", SCOPE),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    let url = format!("{}/{}/oauth2/v2.0/token", world.sim.base(), world.sim.tenant_id());
    read(world.http.post(url).form(&form).send().await.unwrap()).await
}

/// Uses a token for something that needs one.
async fn works(world: &mut World, answer: &Value) {
    text(&answer["access_token"]).clone_into(&mut world.token);
    let person = world.person("installed").await;
    assert_eq!(world.create(text(&person["id"])).await.0, 201);
}

#[tokio::test]
async fn a_managed_identity_stands_for_the_secret() {
    let mut world = World::start().await;
    let bot = json!({"app_id": APP, "managed_identity": IDENTITY, "federated": [{}]});
    let bot = world.post("bots", bot).await;
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", world.sim.tenant_id());
    assert_eq!(
        bot["federated"],
        json!([{"issuer": issuer, "subject": bot["managed_identity_principal"], "audience": EXCHANGE}])
    );
    let info = world.get("info").await;
    let resource = "resource=api%3A%2F%2FAzureADTokenExchange";
    let imds =
        format!("{}/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}", world.sim.base());
    let hosted = format!(
        "{}?api-version=2019-08-01&{resource}&client_id={IDENTITY}",
        text(&info["identity_endpoint"])
    );
    for (url, header, value) in [
        (imds.as_str(), "Metadata", "true"),
        (hosted.as_str(), "X-IDENTITY-HEADER", text(&info["identity_header"])),
    ] {
        let (status, answer) = read(world.http.get(url).header(header, value).send().await.unwrap()).await;
        assert_eq!((status, &answer["resource"]), (200, &json!(EXCHANGE)), "{answer}");
        let assertion = text(&answer["access_token"]).to_owned();
        // The assertion itself is no token for the Connector.
        let mut bare = World { sim: world.sim, http: world.http, token: assertion.clone() };
        assert_eq!(bare.create("x").await.0, 401);
        // It may be used again.
        for _ in 0..2 {
            let (status, token) = ask(&bare, &assertion).await;
            assert_eq!(status, 200, "{token}");
            works(&mut bare, &token).await;
        }
        world = bare;
    }
    // A token for the Connector is no assertion.
    let (status, body) = ask(&world, &world.token).await;
    assert_eq!((status, &body["error_codes"]), (401, &json!([700_211])), "{body}");
}

#[tokio::test]
async fn a_workload_identity_stands_for_the_secret() {
    let mut world = World::start().await;
    let issuer = Issuer::new();
    let registered =
        json!({"issuer": CLUSTER, "subject": SUBJECT, "audience": EXCHANGE, "jwks": issuer.jwks()});
    let bot = world.post("bots", json!({"app_id": APP, "federated": [registered]})).await;
    assert_eq!(bot["federated"].as_array().unwrap().len(), 1);
    let now = now(&world);
    let header = json!({"alg": "RS256", "kid": "k1"});
    let good = json!({"iss": CLUSTER, "sub": SUBJECT, "aud": [EXCHANGE], "iat": now, "nbf": now, "exp": now + 86_400});
    let whole = issuer.token(&header, &good);
    for _ in 0..2 {
        let (status, body) = ask(&world, &whole).await;
        assert_eq!(status, 200, "{body}");
        works(&mut world, &body).await;
    }
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.token(&header, &claims)
    };
    for (what, assertion, code) in [
        ("another issuer", changed("iss", json!("https://oidc.cluster.example/1")), 700_211),
        ("another subject", changed("sub", json!("system:serviceaccount:bots:Dispatch")), 700_213),
        ("another audience", changed("aud", json!("api://azureadtokenexchange")), 700_212),
        ("no audience", changed("aud", Value::Null), 700_212),
        ("expired", changed("exp", json!(now - 301)), 700_024),
        ("too early", changed("nbf", json!(now + 400)), 700_024),
        ("for ever", changed("exp", Value::Null), 50_027),
        ("another key", Issuer::new().token(&header, &good), 700_027),
        ("a key of another name", issuer.token(&json!({"alg": "RS256", "kid": "k2"}), &good), 700_027),
        ("no key named", issuer.token(&json!({"alg": "RS256"}), &good), 700_027),
        ("no signature", format!("{}.", whole.rsplit_once('.').unwrap().0), 700_027),
        ("none", issuer.token(&json!({"alg": "none", "kid": "k1"}), &good), 50_027),
        ("HS256", issuer.token(&json!({"alg": "HS256", "kid": "k1"}), &good), 50_027),
    ] {
        let (status, body) = ask(&world, &assertion).await;
        assert_eq!((status, &body["error_codes"]), (401, &json!([code])), "{what}: {body}");
        assert_eq!(body["error"], "invalid_client", "{what}");
    }
    let golden = fixture("entra/federated_subject.json");
    let (status, body) = ask(&world, &changed("sub", json!("somebody"))).await;
    let said = |body: &Value| text(&body["error_description"]).split(" Trace ID").next().unwrap().to_owned();
    assert_eq!((json!(status), said(&body)), (golden["status"].clone(), said(&golden["body"])));
    assert!(!world.get("journal").await.to_string().contains("eyJ"));
    // It is a bot without a secret.
    let (_, body) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    assert_eq!(body["error_codes"], json!([7_000_215]));
}

#[tokio::test]
async fn registrations_that_cannot_be() {
    let world = World::start().await;
    let jwks = Issuer::new().jwks();
    for (bad, word) in [
        (json!([{}]), "managed_identity"),
        (json!([{"issuer": CLUSTER, "subject": "s"}]), "jwks"),
        (json!([{"issuer": CLUSTER, "jwks": jwks}]), "managed_identity"),
        (json!([{"issuer": CLUSTER, "subject": "s ", "jwks": jwks}]), "spaces"),
        (json!([{"issuer": CLUSTER, "subject": "", "jwks": jwks}]), "empty"),
        (json!([{"issuer": CLUSTER, "subject": "s", "jwks": {"keys": []}}]), "RSA key"),
        (
            json!([{"issuer": CLUSTER, "subject": "s", "jwks": {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}}]),
            "RSA key",
        ),
        (json!([{"isuer": CLUSTER}]), "isuer"),
    ] {
        let bot = json!({"app_id": "b", "secret": "s", "federated": bad});
        let (status, body) = world.control(Method::POST, "bots", Some(bot.clone())).await;
        assert_eq!(status, 400, "{bot}");
        assert!(text(&body["error"]).contains(word), "{bot}: {body}");
    }
}

#[tokio::test]
async fn the_old_endpoint_speaks_in_texts() {
    let mut world = World::start().await;
    let url = format!("{}/{}/oauth2/token", world.sim.base(), world.sim.tenant_id());
    let audience = "https://api.botframework.com";
    let form = |resource: &'static str, secret: &'static str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", secret),
            ("resource", resource),
        ];
        world.http.post(&url).form(&form).send()
    };
    let (status, answer) = read(form(audience, SECRET).await.unwrap()).await;
    let golden = fixture("entra/token_v1.json");
    let names = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((status, names(&answer)), (200, names(&golden["body"])));
    assert!(answer.as_object().unwrap().values().all(Value::is_string));
    for (resource, secret, status, code) in [
        ("https://vault.azure.net", SECRET, 400, 500_011),
        ("https://graph.microsoft.us", SECRET, 400, 500_011),
        ("https://api.botframework.us", SECRET, 400, 500_011),
        (audience, "wrong", 401, 7_000_215),
    ] {
        let refused = read(form(resource, secret).await.unwrap()).await;
        assert_eq!((refused.0, &refused.1["error_codes"]), (status, &json!([code])), "{resource}");
    }
    let no_resource = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", SCOPE),
    ];
    let (_, body) = read(world.http.post(&url).form(&no_resource).send().await.unwrap()).await;
    assert_eq!(body["error_codes"], json!([900_144]));
    works(&mut world, &answer).await;
}

#[tokio::test]
async fn what_happens_to_a_registration() {
    let world = World::start().await;
    let change = async |patch: Value| {
        let (status, bot) = world.control(Method::PATCH, &format!("bots/{APP}"), Some(patch)).await;
        assert_eq!(status, 200, "{bot}");
        bot
    };
    assert_eq!(change(json!({"secret_expired": true})).await["secret_expired"], true);
    let (status, body) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    let golden = fixture("entra/secret_expired.json");
    assert_eq!(
        (json!(status), &body["error_codes"]),
        (golden["status"].clone(), &golden["body"]["error_codes"])
    );
    // A wrong one is wrong all the same; tokens that were given out stay good.
    let (_, body) = world.token(world.sim.tenant_id(), APP, "wrong", SCOPE).await;
    assert_eq!(body["error_codes"], json!([7_000_215]));
    let person = world.person("installed").await;
    assert_eq!(world.create(text(&person["id"])).await.0, 201);
    change(json!({"secret_expired": false})).await;
    assert_eq!(world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await.0, 200);
    for (patch, status) in [(json!({"secret": "x"}), 400), (json!({"endpoint": "ftp://x"}), 400)] {
        assert_eq!(world.control(Method::PATCH, &format!("bots/{APP}"), Some(patch)).await.0, status);
    }
    assert_eq!(world.control(Method::PATCH, "bots/nobody", Some(json!({}))).await.0, 404);
}

#[tokio::test]
async fn the_token_endpoint_is_throttled_in_entras_words() {
    let world = World::start().await;
    for (fault, code, retry_after) in [
        (json!({"status": 429, "retry_after": 7}), 90_055, Some("7")),
        (json!({"status": 503}), 90_033, None),
        (json!({"status": 400, "code": "AADSTS50196", "retry_after": 60}), 50_196, Some("60")),
        (json!({"status": 400, "code": "90055"}), 90_055, None),
    ] {
        let fault = json!({"match": {"op": "token"}, "do": fault, "times": 1});
        world.post("faults", fault.clone()).await;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("scope", SCOPE),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", world.sim.base(), world.sim.tenant_id());
        let answer = world.http.post(url).form(&form).send().await.unwrap();
        let told = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref(), retry_after);
        let (status, body) = read(answer).await;
        assert_eq!(
            (json!(status), &body["error_codes"]),
            (fault["do"]["status"].clone(), &json!([code])),
            "{body}"
        );
        assert!(text(&body["error_description"]).starts_with(&format!("AADSTS{code}: ")));
    }
}
