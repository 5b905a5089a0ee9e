use aws_lc_rs::digest;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    harness::{APP, SCOPE, SECRET, World, client, read},
};

#[tokio::test]
async fn a_good_secret_gets_a_token() {
    let world = World::start().await;
    for tenant in [world.sim.tenant_id(), "botframework.com"] {
        let (status, body) = world.token(tenant, APP, SECRET, SCOPE).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3599)));
        assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    }
}

#[tokio::test]
async fn errors_are_those_of_entra() {
    let world = World::start().await;
    let tenant = world.sim.tenant_id().to_owned();
    let nobody = "00000000-0000-4000-8000-000000000000";
    let cases = [
        ("wrong_secret", world.token(&tenant, APP, "wrong", SCOPE).await),
        ("app_not_found", world.token(&tenant, nobody, SECRET, SCOPE).await),
        ("tenant_not_found", world.token(nobody, APP, SECRET, SCOPE).await),
        ("bad_scope", world.token(&tenant, APP, SECRET, "https://vault.azure.net/.default").await),
        // Of another cloud than the bot's.
        ("bad_scope", world.token(&tenant, APP, SECRET, "https://graph.microsoft.us/.default").await),
        ("bad_scope", world.token(&tenant, APP, SECRET, "").await),
        (
            "scope_without_default",
            world.token(&tenant, APP, SECRET, "https://api.botframework.com/user_impersonation").await,
        ),
    ];
    for (name, (status, body)) in cases {
        let expected = fixture(&format!("entra/{name}.json"));
        assert_eq!(json!(status), expected["status"], "{name}: {body}");
        for field in ["error", "error_codes", "error_uri"] {
            assert_eq!(body[field], expected["body"][field], "{name}");
        }
        let names = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&body), names(&expected["body"]), "{name}");
        assert!(!body.to_string().contains(SECRET));
    }
}

#[tokio::test]
async fn anything_but_the_form_is_refused() {
    let world = World::start().await;
    let url = format!("{}/{}/oauth2/v2.0/token", world.sim.base(), world.sim.tenant_id());
    let (status, body) = read(world.http.post(&url).json(&json!({})).send().await.unwrap()).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([900_144])));
    let form = [("grant_type", "password"), ("client_id", APP)];
    let (status, body) = read(world.http.post(&url).form(&form).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]), (400, &json!("unsupported_grant_type")));
}

#[tokio::test]
async fn a_bot_of_another_tenant_and_kinds() {
    let world = World::start().await;
    let home = "11111111-2222-4333-8444-555555555555";
    let bot = json!({"app_id": "other", "secret": "s", "tenant_id": home, "kind": "single_tenant"});
    world.post("bots", bot).await;
    assert_eq!(world.token(home, "other", "s", SCOPE).await.0, 200);
    let (status, body) = world.token(world.sim.tenant_id(), "other", "s", SCOPE).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([700_016])));
    // The wrong authority gives a token, which the Connector refuses.
    let (status, body) = world.token("botframework.com", "other", "s", SCOPE).await;
    assert_eq!(status, 200);
    let url = format!("{}/teams/v3/conversations", world.sim.base());
    let request = client().post(url).bearer_auth(body["access_token"].as_str().unwrap()).json(&json!({}));
    assert_eq!(read(request.send().await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn expired_and_deleted() {
    let world = World::start().await;
    world.settings(json!({"token_expires_in": 0})).await;
    let (_, body) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    let mut late = world;
    body["access_token"].as_str().unwrap().clone_into(&mut late.token);
    let (status, body) = late.create("x").await;
    assert_eq!((status, body), (401, fixture("refusals/authorization_denied.json")["body"].clone()));

    let world = World::start().await;
    assert_eq!(world.control(Method::DELETE, &format!("bots/{APP}"), None).await.0, 204);
    let (status, body) = world.create("x").await;
    assert_eq!((status, body), (401, fixture("refusals/bot_not_registered.json")["body"].clone()));
    assert_eq!(
        world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await.1["error_codes"],
        json!([700_016])
    );
}

#[tokio::test]
async fn metadata_and_keys() {
    let world = World::start().await;
    let url = format!("{}/v1/.well-known/openidconfiguration", world.sim.base());
    let (status, mut metadata) = read(world.http.get(url).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let keys_url = metadata["jwks_uri"].as_str().unwrap().to_owned();
    assert_eq!(keys_url, format!("{}/v1/.well-known/keys", world.sim.base()));
    metadata["jwks_uri"] = "https://login.botframework.com/v1/.well-known/keys".into();
    assert_eq!(metadata, fixture("answers/openid_configuration.json")["body"]);

    let (status, keys) = read(world.http.get(keys_url).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        assert_eq!((&key["kty"], &key["e"]), (&json!("RSA"), &json!("AQAB")));
        assert_eq!(key["kid"], key["x5t"]);
        assert_eq!(key["kid"].as_str().unwrap().len(), 27);
        // The name is the thumbprint of a certificate, which holds the key.
        let der = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        assert_eq!(key["kid"], URL_SAFE_NO_PAD.encode(thumbprint));
        let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
        assert!(der.windows(modulus.len()).any(|part| part == modulus));
        let bot = json!({"app_id": "x5c", "certificates": [key["x5c"][0]]});
        assert!((200..300).contains(&world.control(Method::POST, "bots", Some(bot)).await.0));
    }
    let endorsed = keys.iter().filter(|key| {
        key["endorsements"].as_array().is_some_and(|channels| channels.contains(&json!("msteams")))
    });
    assert_eq!(endorsed.count(), 2);
    assert!(keys.iter().any(|key| key.get("endorsements").is_none()));
}
