//! Installs and chats: what is asked, and what each answer comes to.

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::batch::{Key, Row};
use nuncio_domain::directory::Standing;
use nuncio_domain::install::{InstallAnswer, InstallCall, InstallOutcome, Installer as _};
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::Lane;
use nuncio_domain::{FailReason, ReachState, RecipientKind};
use serde_json::{Value, json};

use crate::stand_in::{Answer, StandIn};
use crate::{MANIFEST, TENANT, directory, refusal};

fn call(operation: Operation, kind: RecipientKind) -> InstallCall {
    let lane = Lane { lane_no: 1, app: "main".to_owned(), tenant: TENANT.to_owned(), service_url: None };
    let row = Row {
        key: Key { message_no: 1, recipient_no: 1 },
        thread_no: 1,
        kind,
        address: "ann".to_owned(),
        mri: None,
        reference: None,
        others: 0,
        reach: ReachState::Unknown,
        reach_at: None,
        standing: Standing::default(),
        excluded: false,
        opted_out: false,
        attempts: 0,
        tries: 0,
        resent: false,
        due_at: None,
    };
    InstallCall { lane: Arc::new(lane), operation, row: Arc::new(row) }
}

fn catalogue(id: &str) -> Answer {
    Answer::ok(json!({"value": [{"id": id, "externalId": MANIFEST, "distributionMethod": "organization"}]}))
}

fn nothing() -> Answer {
    Answer::ok(json!({"value": []}))
}

fn refuses(status: u16, message: &str) -> Answer {
    Answer::new(status, refusal("Forbidden", message))
}

const GONE: &str = "App with id 'cat-1' was not found in the catalog.";

struct Table {
    stand_in: StandIn,
    directory: nuncio_directory::GraphDirectory,
}

impl Table {
    async fn new() -> Self {
        let stand_in = StandIn::start().await;
        let directory = directory(&stand_in);
        Self { stand_in, directory }
    }

    async fn install(&self, answers: impl IntoIterator<Item = Answer>) -> InstallAnswer {
        self.stand_in.answers(answers);
        self.directory.call(call(Operation::Install, RecipientKind::Person)).await
    }

    fn asked(&self) -> usize {
        self.stand_in.asked().len()
    }
}

#[tokio::test]
async fn the_catalogue_is_asked_once_and_409_is_a_success() {
    let table = Table::new().await;
    let first = table.install([catalogue("cat-1"), Answer::new(201, Value::Null)]).await;
    assert_eq!((first.outcome, first.status), (InstallOutcome::Installed, Some(201)));
    let second =
        table.install([Answer::new(409, refusal("Conflict", "The app is already installed."))]).await;
    assert_eq!((second.outcome, second.status), (InstallOutcome::AlreadyThere, Some(409)));
    let asked = table.stand_in.asked();
    assert!(asked[0].contains("/appCatalogs/teamsApps?$filter=externalId%20eq"), "{asked:?}");
    assert_eq!(asked[1..], ["POST /v1.0/users/ann/teamwork/installedApps"; 2]);
    let bound = table.stand_in.bodies()[1]["teamsApp@odata.bind"].as_str().unwrap().to_owned();
    assert!(bound.ends_with("/appCatalogs/teamsApps/cat-1"), "{bound}");
}

#[tokio::test]
async fn an_app_of_the_store_is_found_by_its_id() {
    let table = Table::new().await;
    let answer = table.install([nothing(), catalogue(MANIFEST), Answer::new(201, Value::Null)]).await;
    assert_eq!(answer.outcome, InstallOutcome::Installed);
    assert!(table.stand_in.asked()[1].contains("$filter=id%20eq"), "{:?}", table.stand_in.asked());
}

#[tokio::test]
async fn an_app_that_leaves_the_catalogue_and_comes_back() {
    let table = Table::new().await;
    table.install([catalogue("cat-1"), Answer::new(201, Value::Null)]).await;
    let gone = table.install([refuses(404, GONE), nothing(), nothing()]).await;
    assert_eq!(gone.outcome, InstallOutcome::Waits { retry_after: None });
    assert!(gone.text.unwrap().contains(MANIFEST));
    // It has another id now, which is found out by the same call.
    let back = table.install([catalogue("cat-2"), Answer::new(201, Value::Null)]).await;
    assert_eq!(back.outcome, InstallOutcome::Installed);
    let moved = table.install([refuses(404, GONE), catalogue("cat-3"), Answer::new(201, Value::Null)]).await;
    assert_eq!(moved.outcome, InstallOutcome::Installed);
    // Graph's own parts do not agree yet.
    let unsure = table.install([refuses(404, GONE), catalogue("cat-3")]).await;
    assert_eq!(unsure.outcome, InstallOutcome::Unavailable { retry_after: None });
}

#[tokio::test]
async fn what_a_refusal_means() {
    let table = Table::new().await;
    table.install([catalogue("cat-1"), Answer::new(201, Value::Null)]).await;
    let person = |reason, reach| InstallOutcome::Refused { reason, reach };
    let waits = InstallOutcome::Waits { retry_after: None };
    let passes = InstallOutcome::Unavailable { retry_after: None };
    let policy =
        "App is blocked by app permission policy. TenantId: t, UserObjectId: u, AppId: a, AppType: Private";
    let role = "Missing role permissions on the request. API requires one of 'TeamsAppInstallation.ReadWriteSelfForUser.All'. \
                Roles on the request ''.";
    let itself = "AAD App Id 'a' is not allowed to manage the Teams App 'b'";
    let consent = "The app requires resource-specific consent, which was not supplied.";
    for (status, message, outcome, says) in [
        (
            403,
            policy,
            person(FailReason::BlockedByPolicy, Some(ReachState::PolicyBlocked)),
            "permission policy",
        ),
        (403, role, waits.clone(), "TeamsAppInstallation.ReadWriteSelfForUser.All"),
        (403, itself, waits.clone(), "webApplicationInfo.id"),
        (400, consent, waits.clone(), "resource_permissions"),
        (403, "Guests cannot have it.", person(FailReason::NotInstalled, None), "Guests"),
        (404, "No user found.", person(FailReason::RecipientNotFound, Some(ReachState::Deleted)), "No user"),
        (400, "Failed to read entitlements.", passes.clone(), "entitlements"),
        (503, "", passes, ""),
        (401, "expired", waits, "expired"),
    ] {
        let mut answers = vec![refuses(status, message)];
        if status == 401 {
            answers.push(refuses(status, message));
        }
        let answer = table.install(answers).await;
        assert_eq!((&answer.outcome, answer.status), (&outcome, Some(status)), "{message}");
        assert!(answer.text.as_ref().unwrap().contains(says), "{answer:?}");
    }
    let bare = table.install([refuses(404, "Not Found"), catalogue("cat-1")]).await;
    assert_eq!(bare.outcome, person(FailReason::RecipientNotFound, Some(ReachState::Deleted)));
    let throttled = table.install([refuses(429, "wait").with("retry-after", "60")]).await;
    let minute = Duration::from_mins(1);
    assert_eq!(throttled.outcome, InstallOutcome::Throttled { retry_after: Some(minute) });
    // The next one is not made, and not waited for either.
    let before = table.asked();
    let later = table.install([]).await;
    assert!(
        matches!(later.outcome, InstallOutcome::NotMade { retry_after } if retry_after > minute / 2),
        "{later:?}"
    );
    assert_eq!(table.asked(), before);
}

#[tokio::test]
async fn the_chat_of_an_installation() {
    let table = Table::new().await;
    let find = || table.directory.call(call(Operation::FindChat, RecipientKind::Person));
    table.stand_in.answers([
        catalogue("cat-1"),
        Answer::ok(json!({"value": [{"id": "inst=="}]})),
        Answer::ok(json!({"id": "19:a_b@unq.gbl.spaces", "chatType": "oneOnOne"})),
    ]);
    assert_eq!(find().await.outcome, InstallOutcome::Chat("19:a_b@unq.gbl.spaces".to_owned()));
    let asked = table.stand_in.asked();
    assert!(
        asked[2].contains("/users/ann/teamwork/installedApps/inst") && asked[2].ends_with("/chat"),
        "{asked:?}"
    );
    table.stand_in.answers([nothing()]);
    let missing = find().await;
    table.stand_in.answers([
        nothing(),
        Answer::ok(json!({"value": [{"id": "inst=="}]})),
        refuses(404, "No user found."),
    ]);
    let ask = || table.directory.call(call(Operation::AskInstalled, RecipientKind::Person));
    assert_eq!(ask().await.outcome, InstallOutcome::NotThere);
    assert_eq!(ask().await.outcome, InstallOutcome::AlreadyThere);
    assert!(matches!(ask().await.outcome, InstallOutcome::Refused { reach: Some(ReachState::Deleted), .. }));
    assert_eq!(missing.outcome, InstallOutcome::NotThere);
}

#[tokio::test]
async fn teams_and_chats_have_paths_of_their_own_and_channels_none() {
    let table = Table::new().await;
    table.stand_in.answers([
        catalogue("cat-1"),
        Answer::new(201, Value::Null),
        Answer::new(201, Value::Null),
    ]);
    for (kind, path) in [
        (RecipientKind::Team, "POST /v1.0/teams/ann/installedApps"),
        (RecipientKind::Chat, "POST /v1.0/chats/ann/installedApps"),
    ] {
        let answer = table.directory.call(call(Operation::Install, kind)).await;
        assert_eq!(answer.outcome, InstallOutcome::Installed);
        assert_eq!(table.stand_in.asked().last().unwrap(), path);
    }
    table.stand_in.answers([refuses(403, "The team is archived.")]);
    let archived = table.directory.call(call(Operation::Install, RecipientKind::Team)).await;
    let outcome = InstallOutcome::Refused { reason: FailReason::NotPermitted, reach: None };
    assert_eq!((archived.outcome, archived.text.as_deref()), (outcome, Some("The team is archived.")));
    let before = table.asked();
    let channel = table.directory.call(call(Operation::Install, RecipientKind::Channel)).await;
    assert!(matches!(channel.outcome, InstallOutcome::Refused { .. }));
    assert_eq!(table.asked(), before);
}
