//! What a message would come to, asked before it is sent: then it is sent, and comes to that.

use nuncio_api::preview::Preview;
use nuncio_api::{Audience, Exclude, Message, NewMessage};
use nuncio_client::{MessageFilter, PageOf};
use nuncio_testkit::Postgres;
use serde_json::json;

use crate::directory::people;
use crate::world::{Plan, World, message, to_installed};

/// How many messages there are.
async fn messages(world: &World) -> usize {
    let page = PageOf { limit: Some(200), ..PageOf::default() };
    world.client.messages(&MessageFilter::default(), page).await.unwrap().items.len()
}

/// Sends it, and compares; what was counted before, and what it came to.
pub(crate) async fn compared(world: &World, message: &NewMessage) -> (Preview, Message) {
    let told = world.client.preview(message).await.unwrap();
    assert!(told.complete, "{told:#?}");
    let sent = world.sent(message).await;
    assert_eq!(sent.counts.audience, told.audience, "{told:#?}");
    assert_eq!(sent.duplicates_removed, told.duplicates_removed);
    assert_eq!(sent.skipped_by_reason, told.would_skip);
    let would_fail: i64 = told.would_fail.values().sum();
    assert_eq!(sent.counts.delivered + sent.counts.failed, told.would_send.total + would_fail, "{sent:#?}");
    (told, sent)
}

async fn comes_to_that(world: &World, message: &NewMessage) -> Preview {
    compared(world, message).await.0
}

async fn preview_and_message_agree(plan: Plan) {
    let states = json!({"blocked": 0.1, "never_installed": 0.1, "uninstalled": 0.05});
    let world = plan.states(states).start().await;
    let team = world.team_installs().await;
    let all = people(&world).await;
    // What Microsoft answers to this one is known from then on.
    let first = comes_to_that(&world, &to_installed("first")).await;
    assert_eq!((first.would_send.first_contact, first.would_skip.len()), (0, 0));
    let installed = world.sim.people("installed").await;
    for (n, change) in [
        (0, json!({"user_type": "guest"})),
        (1, json!({"account_enabled": false})),
        (2, json!({"licensed": false})),
    ] {
        world.sim.patch(&format!("people/{}", installed[n]), &change).await;
    }
    world.run(&["opt-outs", "add", &installed[3]]).await.exits(0);
    let excluded = &installed[4];
    let upn = |id: &str| all.iter().find(|(of, _)| of == id).unwrap().1.clone();
    let audience = Audience {
        everyone: true,
        installed: true,
        users: vec![upn(&installed[5]), installed[6].clone(), installed[6].clone()],
        teams: vec![team.clone()],
        channels: vec![team],
        exclude: Exclude { users: vec![upn(excluded)], ..Exclude::default() },
        ..Audience::default()
    };
    world.sim.patch("settings", &json!({"graph_page_max": 7})).await;
    let pages = world.sim.calls("graph.users").await + world.sim.calls("graph.members").await;
    let listed = messages(&world).await;

    // The command asks the same, and nothing comes of it.
    let args = ["send", "--dry-run", "--everyone", "--include", "guests"];
    let shown = world.run(&args).await.exits(0).stdout;
    for word in ["audience", "would get it", "first contact", "unlicensed", "may lack the app", "done"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    assert!(!shown.contains("guest "), "{shown}");
    assert_eq!(messages(&world).await, listed);
    assert_eq!(world.sim.times(&installed[7]).await, 1);

    let before = world.sim.calls("graph.users").await + world.sim.calls("graph.members").await;
    assert!(before > pages);
    let told = world.client.preview(&message(audience.clone(), "second")).await.unwrap();
    let read = world.sim.calls("graph.users").await + world.sim.calls("graph.members").await - before;
    assert_eq!(told.calls.graph_pages, read as i64);
    let create = world.sim.calls("create").await;
    let told = comes_to_that(&world, &message(audience, "second")).await;
    assert_eq!(told.audience, 61);
    let expected =
        [("account_disabled", 1), ("excluded", 1), ("guest", 1), ("opted_out", 1), ("unlicensed", 1)];
    for (reason, n) in expected {
        assert_eq!(told.would_skip.get(reason), Some(&n), "{told:#?}");
    }
    assert!(told.would_skip["unreachable"] > 0 && told.would_send.first_contact > 0, "{told:#?}");
    assert_eq!(world.sim.calls("create").await - create, told.calls.create as u64);
    assert_eq!(told.sample["excluded"][0].id, *excluded);

    // Once more: who was refused this time is left alone, as it says.
    let again = Audience { everyone: true, ..Audience::default() };
    let told = comes_to_that(&world, &message(again, "third")).await;
    assert_eq!((told.would_send.first_contact, told.needs_install), (0, told.by_state["never_installed"]));

    // Or waited for, if that is asked for.
    let waits = NewMessage { when_unreachable: Some("wait".to_owned()), ..to_installed("fourth") };
    let waits = NewMessage { audience: Audience { everyone: true, ..Audience::default() }, ..waits };
    let waited = world.client.preview(&waits).await.unwrap();
    assert_eq!(Some(&waited.would_wait), told.would_skip.get("unreachable"));
    let id = world.send(&waits).await;
    let waiting = |message: &nuncio_api::Message| message.cause.as_deref() == Some("recipients_unreachable");
    let sent = world.until(&id, "it waits", waiting).await;
    assert_eq!((sent.counts.pending, sent.counts.delivered), (waited.would_wait, waited.would_send.total));
    world.run(&["messages", "cancel", &id]).await.exits(0);
    world.over(&id).await;
    world.end().await;
}

#[tokio::test]
async fn preview_and_message_agree_on_sqlite() {
    preview_and_message_agree(Plan::people(60)).await;
}

#[tokio::test]
async fn preview_and_message_agree_on_postgresql() {
    preview_and_message_agree(Plan::people(60).database(&Postgres::shared().database(None))).await;
}

#[tokio::test]
async fn what_the_command_says() {
    let world = Plan::people(3).start().await;
    let all = world.sim.people("installed").await;
    let to_one = ["send", "--dry-run", "--user", &all[0]];
    let told = world.run(&[&to_one[..], &["--json"]].concat()).await.exits(0).json();
    assert_eq!((&told["audience"], &told["would_send"]["known"]), (&json!(1), &json!(1)));
    let nobody = [&to_one[..], &["--exclude", &all[0], "Hello"]].concat();
    let shown = world.run(&nobody).await.exits(1).stdout;
    assert!(shown.contains("excluded") && shown.contains("none"), "{shown}");
    let larger = ["send", "Hello", "--dry-run", "--installed", "--max-recipients", "2"];
    let shown = world.run(&larger).await.exits(0).stdout;
    assert!(shown.contains("more than 2 recipients"), "{shown}");
    let unknown = ["send", "--dry-run", "--user", "nobody@contoso.example"];
    let refused = world.run(&unknown).await.exits(2);
    assert!(refused.stderr.contains("upn_not_resolvable"), "{}", refused.stderr);
    let missing = ["send", "--dry-run", "--group", "00000000-1111-4222-8333-444444444444"];
    let shown = world.run(&missing).await.exits(3).stdout;
    assert!(shown.contains("Not complete") && shown.contains("no such group"), "{shown}");
    world.run(&["send", "--dry-run", "--wait", "--installed"]).await.exits(2);
    world.run(&["send", "--installed"]).await.exits(2);
    assert_eq!(world.sim.calls("send").await, 0);
    world.end().await;
}
