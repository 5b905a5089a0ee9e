//! The Connector's calls end to end: token, call, answer.

use std::sync::Arc;

use nuncio_teams::classify::Refusal;
use nuncio_teams::cloud::{Endpoints, ServiceUrl};
use nuncio_teams::connector::{CallError, Connector, CreatePersonal, CreateThread};
use nuncio_teams::schema::{MessageContent, OutboundActivity};
use nuncio_teams::token::{Credential, EntraTokens, NoToken, TokenError};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stand_in::{HandClock, Scripted, StandIn, client};

/// Entra and the Connector on two ports, so that each has its own script.
struct World {
    entra: StandIn,
    teams: StandIn,
    service_url: ServiceUrl,
    connector: Connector,
}

impl World {
    async fn new() -> Self {
        let (entra, teams) = (StandIn::start().await, StandIn::start().await);
        let endpoints = Endpoints::simulator(&entra.base());
        let service_url = endpoints.check_service_url(&format!("{}/teams/", teams.base())).unwrap();
        let clock = HandClock::at(1_000_000);
        entra.script((1..=5).map(|n| {
            Scripted::json(200, &json!({"access_token": format!("token-{n}"), "expires_in": 3599}))
        }));
        let secret = Credential::Secret(SecretString::from("s"));
        let tokens = EntraTokens::new(client(), &endpoints, None, "app", secret).with_clock(clock.clock());
        let connector = Connector::new(client(), Arc::new(tokens)).with_clock(clock.clock());
        Self { entra, teams, service_url, connector }
    }

    async fn send(&self) -> Result<nuncio_teams::connector::Reply, CallError> {
        let activity = OutboundActivity::new(MessageContent::text("hello", None)).in_conversation("a:1", "t");
        self.connector.send(&self.service_url, "19:c@thread.tacv2;messageid=1", &activity).await
    }

    fn authorizations(&self) -> Vec<String> {
        self.teams.seen().into_iter().map(|seen| seen.authorization.unwrap_or_default()).collect()
    }
}

fn denied() -> Scripted {
    Scripted::json(401, &json!({"message": "Authorization has been denied for this request."}))
}

#[tokio::test]
async fn a_message_is_sent() {
    let world = World::new().await;
    world.teams.script([Scripted::json(201, &json!({"id": "1795356500001"})).with("ms-cv", "cv.1")]);
    let reply = world.send().await.unwrap();
    assert_eq!((reply.status, reply.id.as_deref(), reply.readable), (201, Some("1795356500001"), true));
    assert_eq!(reply.correlation.as_deref(), Some("cv.1"));
    let seen = &world.teams.seen()[0];
    assert_eq!(seen.path, "/teams/v3/conversations/19%3Ac%40thread.tacv2%3Bmessageid%3D1/activities");
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        body,
        json!({"type": "message", "textFormat": "markdown", "text": "hello", "conversation": {"id": "a:1", "tenantId": "t"}})
    );
    assert_eq!(world.authorizations(), ["Bearer token-1"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let world = World::new().await;
    world.teams.script([denied(), Scripted::json(201, &json!({"id": "1"}))]);
    assert_eq!(world.send().await.unwrap().id.as_deref(), Some("1"));
    assert_eq!(world.authorizations(), ["Bearer token-1", "Bearer token-2"]);

    // A second 401 is the answer.
    world.teams.script([denied()]);
    let Err(CallError::Refused(refused)) = world.send().await else { panic!() };
    assert_eq!((refused.status, refused.refusal), (401, Refusal::AuthorizationDenied));
    assert_eq!(world.authorizations()[2..], ["Bearer token-2", "Bearer token-3"]);
    assert_eq!(world.entra.seen().len(), 3);
}

#[tokio::test]
async fn without_tokens_there_is_no_header_and_no_second_call() {
    let world = World::new().await;
    let connector = Connector::new(client(), Arc::new(NoToken));
    world.teams.script([denied()]);
    let result = connector.send_bytes(&world.service_url, "a:1", "{}".into()).await;
    assert!(matches!(result, Err(CallError::Refused(_))));
    assert_eq!(world.authorizations(), [""]);
}

#[tokio::test]
async fn redirects_are_refusals_and_carry_no_token() {
    let world = World::new().await;
    let elsewhere = StandIn::start().await;
    world.teams.script([Scripted { status: 307, headers: Vec::new(), body: String::new() }
        .with("location", &elsewhere.base())]);
    let Err(CallError::Refused(refused)) = world.send().await else { panic!() };
    assert_eq!((refused.status, refused.refusal), (307, Refusal::Unknown));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn refusals_are_named_and_kept() {
    let world = World::new().await;
    world.teams.script([Scripted::json(
        429,
        &json!({"error": {"code": "Throttled", "message": "Too many\r\nrequests."}}),
    )
    .with("retry-after", "Mon, 12 Jan 1970 13:46:47 GMT")
    .with("contextid", "tcid=0,server=x,cv=y")]);
    let Err(CallError::Refused(refused)) = world.send().await else { panic!() };
    assert_eq!(refused.refusal, Refusal::Throttled);
    assert_eq!(refused.code.as_deref(), Some("Throttled"));
    assert_eq!(refused.text, "Too many requests.");
    assert_eq!(refused.correlation.as_deref(), Some("tcid=0,server=x,cv=y"));
    assert_eq!(refused.retry_after.unwrap().wait().as_secs(), 7);
    assert_eq!(world.teams.seen().len(), 1, "nothing is retried here");
}

#[tokio::test]
async fn accepted_without_an_id() {
    let world = World::new().await;
    for body in ["", "<html>", "{\"id\":"] {
        world.teams.script([Scripted { status: 202, headers: Vec::new(), body: body.into() }]);
        let reply = world.send().await.unwrap();
        assert_eq!((reply.status, reply.id, reply.readable), (202, None, false), "{body}");
    }
}

#[tokio::test]
async fn no_token_no_call() {
    let world = World::new().await;
    world.entra.script([Scripted::json(401, &json!({"error_codes": [7_000_222]}))]);
    let Err(CallError::Token(error)) = world.send().await else { panic!() };
    assert!(matches!(error, TokenError::Refused { .. }));
    assert_eq!(world.teams.connections(), 0);
}

#[tokio::test]
async fn conversations_and_members() {
    let world = World::new().await;
    world.teams.script([Scripted::json(201, &json!({"id": "a:1"}))]);
    let create = CreatePersonal {
        bot_id: "app".into(),
        bot_name: None,
        member_id: "29:x".into(),
        tenant_id: "t".into(),
    };
    let reply = world.connector.create_personal(&world.service_url, &create).await.unwrap();
    assert_eq!(reply.id.as_deref(), Some("a:1"));

    world.teams.script([Scripted::json(201, &json!({"id": "19:c;messageid=7", "activityId": "7"}))]);
    let create = CreateThread {
        bot_id: "app".into(),
        channel_id: "19:c".into(),
        team_id: None,
        tenant_id: "t".into(),
        activity: OutboundActivity::new(MessageContent::text("x", None)),
    };
    let reply = world.connector.create_thread(&world.service_url, &create).await.unwrap();
    assert_eq!(reply.activity_id.as_deref(), Some("7"));

    world.teams.script([Scripted::json(200, &json!({"id": "29:x", "objectId": "o", "name": "Ines"}))]);
    let member = world.connector.member(&world.service_url, "19:c", "o").await.unwrap();
    assert_eq!((member.object_id(), member.name.as_deref()), (Some("o"), Some("Ines")));

    world.teams.script([
        Scripted::json(200, &json!({"members": [{"id": "29:x"}], "continuationToken": "m"})),
        Scripted::json(200, &json!({"members": []})),
        Scripted { status: 200, headers: Vec::new(), body: "<html>".into() },
    ]);
    let page = world.connector.paged_members(&world.service_url, "19:c", 500, None).await.unwrap();
    assert_eq!(page.members.len(), 1);
    let more = page.continuation_token.unwrap();
    let page = world.connector.paged_members(&world.service_url, "19:c", 500, Some(&more)).await.unwrap();
    assert_eq!(page.continuation_token, None);
    let unreadable = world.connector.paged_members(&world.service_url, "19:c", 500, None).await;
    assert!(matches!(unreadable, Err(CallError::MaybeSent { .. })));
    assert_eq!(world.entra.seen().len(), 1, "one token for all");
}
