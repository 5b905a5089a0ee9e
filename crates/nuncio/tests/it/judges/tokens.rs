//! MSAL by itself: every way to a token.

use serde_json::Value;

use super::apart::inside;
use super::judge::{Judged, judge};

/// Every token that was asked for was given, but for one wrong secret in each generation of MSAL, and each one that was
/// new was good for a call, except those that only vouched for the app.
fn check(judged: &Judged, generations: usize, tokens: usize) {
    let wrong = vec![("token", 401, "AADSTS7000215"); generations];
    assert_eq!(judged.refused(), wrong);
    assert!(judged.done("token") >= tokens, "{:#?}", judged.journal);
    // One is for the cache, two vouch for the app.
    assert_eq!(judged.done("members"), tokens - 3 * generations);
    let instance = |entry: &&Value| entry["path"] == "/common/discovery/instance" && entry["status"] == 200;
    assert!(judged.journal.iter().filter(instance).count() >= generations, "{:#?}", judged.journal);
    let asked = judged.journal.iter().filter(|entry| entry["op"] == "token");
    let paths: Vec<&str> = asked.map(|entry| entry["path"].as_str().unwrap().trim_end_matches('/')).collect();
    for endpoint in ["/msi/token", "/metadata/identity/oauth2/token", "/oauth2/v2.0/token"] {
        assert!(paths.iter().any(|path| path.ends_with(endpoint)), "{endpoint} was not asked: {paths:?}");
    }
}

#[tokio::test]
async fn msal_node() {
    if !inside("judges::tokens::msal_node").await {
        return;
    }
    let judged = judge("msal.mjs", "msal-node.env").await;
    // Each generation: three authorities with a secret, two with a certificate, one for the cache, two identities and
    // what they vouch for.
    check(&judged, 3, 3 * 12);
}

#[tokio::test]
async fn msal_python() {
    if !inside("judges::tokens::msal_python").await {
        return;
    }
    let judged = judge("msal_credentials.py", "msal-python.env").await;
    // Three authorities with a secret and with a certificate, another certificate, the cache, two identities and what
    // they vouch for.
    check(&judged, 1, 14);
}
