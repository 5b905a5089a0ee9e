//! Token grants without a secret: certificates and managed identities.

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    harness::{APP, SCOPE, SECRET, World, read, text},
};

const CERTIFIED: &str = "5d0c1b6e-7a43-4c5e-9a10-6f2b8e3d4c21";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key with a certificate put together by hand: no more of X.509 than what comes before the key.
struct Signer {
    pair: KeyPair,
    der: Vec<u8>,
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x82];
    out.extend((content.len() as u16).to_be_bytes());
    out.extend(content);
    out
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let key = pair.public_key().as_der().unwrap();
        let empty = element(0x30, &[]);
        let mut tbs = element(0xa0, &[2, 1, 2]);
        tbs.extend([2, 1, 1]);
        for _ in 0..4 {
            tbs.extend(&empty);
        }
        tbs.extend(key.as_ref());
        let der = element(0x30, &[element(0x30, &tbs), empty, vec![3, 1, 0]].concat());
        Self { pair, der }
    }

    fn sha256(&self) -> String {
        b64(digest::digest(&digest::SHA256, &self.der))
    }

    fn sha1(&self) -> String {
        b64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der))
    }

    /// An assertion signed by the algorithm that its header names.
    fn assertion(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let encoding = if header["alg"] == "RS256" { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
        self.pair.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", b64(signature))
    }
}

/// A part of a token.
pub(crate) fn unpack(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// When the simulator gave out its first token: near enough to now.
fn now(world: &World) -> i64 {
    unpack(world.token.split('.').nth(1).unwrap())["nbf"].as_i64().unwrap()
}

fn endpoint(world: &World) -> String {
    format!("{}/{}/oauth2/v2.0/token", world.sim.base(), world.sim.tenant_id())
}

fn good_claims(world: &World, jti: &str) -> Value {
    let now = now(world);
    json!({
        "aud": endpoint(world), "iss": CERTIFIED, "sub": CERTIFIED, "jti": jti,
        "nbf": now, "iat": now, "exp": now + 600,
    })
}

async fn ask(world: &World, assertion: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CERTIFIED),
        ("scope", SCOPE),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    read(world.http.post(endpoint(world)).form(&form).send().await.unwrap()).await
}

async fn certified() -> (World, Signer) {
    let (world, signer) = (World::start().await, Signer::new());
    let pem =
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&signer.der));
    let bot = world.post("bots", json!({"app_id": CERTIFIED, "certificates": [pem]})).await;
    assert_eq!(bot["certificates"], json!([signer.sha256()]));
    (world, signer)
}

#[tokio::test]
async fn assertions_of_both_forms_get_a_token() {
    let (mut world, signer) = certified().await;
    let headers = [
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": signer.sha256()}),
        json!({"alg": "RS256", "typ": "JWT", "x5t": signer.sha1()}),
        json!({"alg": "PS256", "typ": "JWT", "x5t": signer.sha1(), "x5t#S256": signer.sha256()}),
    ];
    for (at, header) in headers.iter().enumerate() {
        let assertion = signer.assertion(header, &good_claims(&world, &at.to_string()));
        let (status, body) = ask(&world, &assertion).await;
        assert_eq!(status, 200, "{body}");
        text(&body["access_token"]).clone_into(&mut world.token);
        let chat =
            world.get(&format!("people?state=installed&limit=1&bot={CERTIFIED}")).await["items"][0].clone();
        assert_eq!(world.send(text(&chat["conversation_id"]), "x").await.0, 201);
    }
    // Neither the assertion nor its parts are kept.
    let journal = world.get("journal").await.to_string();
    assert!(!journal.contains("assertion") && !journal.contains("eyJ"));
}

/// MSAL for Python pads thumbprints, gives no `nbf`, and its times have fractions.
#[tokio::test]
async fn assertions_as_python_writes_them() {
    let (world, signer) = certified().await;
    let mut claims = good_claims(&world, "python");
    claims.as_object_mut().unwrap().remove("nbf");
    for time in ["iat", "exp"] {
        claims[time] = (claims[time].as_f64().unwrap() + 0.75).into();
    }
    let header = json!({"alg": "RS256", "typ": "JWT", "x5t": signer.sha1() + "="});
    let (status, body) = ask(&world, &signer.assertion(&header, &claims)).await;
    assert_eq!(status, 200, "{body}");
    claims.as_object_mut().unwrap().remove("iat");
    claims["jti"] = "no time of its beginning".into();
    assert_eq!(ask(&world, &signer.assertion(&header, &claims)).await.1["error_codes"], json!([50027]));
}

#[tokio::test]
async fn wrong_assertions_are_refused() {
    let (world, signer) = certified().await;
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": signer.sha256()});
    let good = good_claims(&world, "good");
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signer.assertion(&header, &claims)
    };
    let other = Signer::new();
    let with_header = |header: Value| signer.assertion(&header, &good);
    let whole = signer.assertion(&header, &good);
    let (input, _) = whole.rsplit_once('.').unwrap();
    let now = now(&world);
    let times = |nbf: i64, exp: i64| {
        let mut claims = good.clone();
        (claims["nbf"], claims["exp"]) = (nbf.into(), exp.into());
        signer.assertion(&header, &claims)
    };
    for (what, assertion, code) in [
        ("another key", other.assertion(&header, &good), 700_027),
        ("an unknown certificate", with_header(json!({"alg": "PS256", "x5t#S256": other.sha256()})), 700_027),
        ("no certificate named", with_header(json!({"alg": "PS256"})), 700_027),
        (
            "two names",
            with_header(json!({"alg": "PS256", "x5t": other.sha1(), "x5t#S256": signer.sha256()})),
            700_027,
        ),
        ("no signature", format!("{input}."), 700_027),
        ("none", with_header(json!({"alg": "none", "x5t#S256": signer.sha256()})), 50_027),
        ("no token", "x".to_owned(), 50_027),
        ("another app", changed("iss", json!(APP)), 700_021),
        ("another subject", changed("sub", json!(APP)), 700_021),
        ("another audience", changed("aud", json!("https://login.microsoftonline.com/")), 700_023),
        ("two audiences", changed("aud", json!([endpoint(&world)])), 700_023),
        ("too old", times(now - 1000, now - 400), 700_024),
        ("too early", times(now + 400, now + 900), 700_024),
        ("too long", times(now, now + 601), 700_024),
        ("backwards", times(now, now - 1), 700_024),
        ("no times", changed("exp", Value::Null), 50_027),
        ("no jti", changed("jti", Value::Null), 50_027),
    ] {
        let (status, body) = ask(&world, &assertion).await;
        assert_eq!((status, &body["error_codes"]), (401, &json!([code])), "{what}: {body}");
        assert_eq!(body["error"], "invalid_client", "{what}");
    }
    // None of these used the assertion up, and it can be used once.
    assert_eq!(ask(&world, &whole).await.0, 200);
    let (status, body) = ask(&world, &whole).await;
    assert_eq!((status, &body["error_codes"]), (401, &json!([50_027])));
    // Taken off the registration, and put back.
    let fresh = signer.assertion(&header, &good_claims(&world, "fresh"));
    for (removed, status) in [(true, 401), (false, 200)] {
        let patch = json!({"certificates_removed": removed});
        assert_eq!(world.control(Method::PATCH, &format!("bots/{CERTIFIED}"), Some(patch)).await.0, 200);
        assert_eq!(ask(&world, &fresh).await.0, status);
    }
    let golden = fixture("entra/wrong_assertion.json");
    let (status, body) = ask(&world, &other.assertion(&header, &good)).await;
    assert_eq!(json!(status), golden["status"]);
    for field in ["error", "error_codes", "error_uri"] {
        assert_eq!(body[field], golden["body"][field]);
    }
}

#[tokio::test]
async fn secrets_and_certificates_do_not_stand_for_each_other() {
    let (world, signer) = certified().await;
    // A bot with a certificate has no secret, not even an empty one.
    for secret in ["", "x"] {
        let (status, body) = world.token(world.sim.tenant_id(), CERTIFIED, secret, SCOPE).await;
        assert_eq!((status, &body["error_codes"]), (401, &json!([7_000_215])));
    }
    // Under the name that the client used.
    let port = world.sim.addr().port();
    let elsewhere = format!("http://localhost:{port}/{}/oauth2/v2.0/token", world.sim.tenant_id());
    let mut claims = good_claims(&world, "local");
    claims["aud"] = elsewhere.into();
    let header = json!({"alg": "PS256", "x5t#S256": signer.sha256()});
    let (_, body) = ask(&world, &signer.assertion(&header, &claims)).await;
    assert_eq!(body["error_codes"], json!([700_023]));
    for bad in [
        json!({"app_id": "b"}),
        json!({"app_id": "b", "certificates": []}),
        json!({"app_id": "b", "certificates": ["x"]}),
        json!({"app_id": "b", "secret": "", "certificates": [STANDARD.encode(&signer.der)]}),
        json!({"app_id": "b", "managed_identity": ""}),
    ] {
        assert_eq!(world.control(Method::POST, "bots", Some(bad.clone())).await.0, 400, "{bad}");
    }
}

async fn identity(world: &World, path: &str, header: (&str, &str)) -> (u16, Value) {
    let request = world.http.get(format!("{}{path}", world.sim.base())).header(header.0, header.1);
    read(request.send().await.unwrap()).await
}

fn names(value: &Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn managed_identities() {
    let mut world = World::start().await;
    let resource = "resource=https%3A%2F%2Fapi.botframework.com";
    let imds = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{resource}");
    let yes = ("Metadata", "true");
    assert_eq!(identity(&world, &imds, yes).await.0, 400, "nobody has one yet");
    world.post("bots", json!({"app_id": CERTIFIED, "managed_identity": CERTIFIED})).await;
    let info = world.get("info").await;
    let hosted = text(&info["identity_endpoint"]).strip_prefix(world.sim.base()).unwrap().to_owned();
    let hosted = format!("{hosted}?api-version=2019-08-01&{resource}&client_id={CERTIFIED}");
    let key = ("X-IDENTITY-HEADER", text(&info["identity_header"]));

    for (name, answer) in [
        ("imds", identity(&world, &format!("{imds}&client_id={CERTIFIED}"), yes).await),
        ("imds", identity(&world, &imds, yes).await),
        ("imds", identity(&world, &imds.replace("token?", "token/?"), yes).await),
        ("app_service", identity(&world, &hosted, key).await),
    ] {
        let golden = fixture(&format!("entra/{name}.json"));
        assert_eq!(json!(answer.0), golden["status"], "{name}: {}", answer.1);
        assert_eq!(names(&answer.1), names(&golden["body"]), "{name}");
        assert!(answer.1.as_object().unwrap().values().all(Value::is_string), "{name}");
        text(&answer.1["access_token"]).clone_into(&mut world.token);
        let person = world.person("installed").await;
        assert_eq!(world.create(text(&person["id"])).await.0, 201, "{name}");
    }

    let wrong = [
        identity(&world, &imds, ("Metadata", "no")).await,
        identity(&world, &imds.replace("2018", "2017"), yes).await,
        identity(&world, &format!("{imds}%2F.default"), yes).await,
        identity(&world, &format!("{imds}&client_id={APP}"), yes).await,
    ];
    for (status, body) in wrong {
        assert_eq!((status, names(&body)), (400, vec!["error".to_owned(), "error_description".to_owned()]));
    }
    assert_eq!(identity(&world, &hosted, ("X-IDENTITY-HEADER", "guess")).await.0, 401);
    world.post("bots", json!({"app_id": APP, "secret": SECRET, "managed_identity": APP})).await;
    assert_eq!(identity(&world, &imds, yes).await.0, 400, "one of two must be named");
    let requests = world.get("counts").await["requests"]["token"].clone();
    assert_eq!(requests, json!({"200": 5, "400": 6, "401": 1}));
    assert!(!world.get("journal").await.to_string().contains(key.1));
}
