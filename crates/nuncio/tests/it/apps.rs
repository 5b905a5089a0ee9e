//! Two apps in one server: each has its own bot, conversations, keys, messages and troubles.

use nuncio_api::{NewKey, NewMessage};
use nuncio_client::{Client, ClientError, MessageControl, MessageFilter, PageOf, PeopleFilter};
use serde_json::json;

use crate::counts;
use crate::world::{APP_ID, Plan, World, to_installed};

const OTHER_APP: &str = "9a1d2b3c-5566-4777-8888-99aabbccddee";
const OTHER_SECRET: &str = "An0ther~secret";

/// Four people, who have both apps: `main` and `alerts`.
async fn two_apps() -> World {
    let table = format!(
        "[app.alerts]\napp_id = \"{OTHER_APP}\"\ntenant_id = \"{{tenant}}\"\nclient_secret = \"{OTHER_SECRET}\"\n\
         cloud = \"simulator\"\nendpoints = {{ base = \"{{base}}\" }}"
    );
    let world = Plan::people(4).app(&table).start_unmet().await;
    other_bot(&world, OTHER_SECRET).await;
    world.everyone_installs().await;
    world
}

async fn other_bot(world: &World, secret: &str) {
    let bot =
        json!({"app_id": OTHER_APP, "secret": secret, "endpoint": format!("{}/api/messages", world.url)});
    world.sim.post("bots", &bot).await;
}

fn by(app: &str, text: &str) -> NewMessage {
    NewMessage { app: Some(app.to_owned()), ..to_installed(text) }
}

#[track_caller]
fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Problem(problem)) => problem.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_app_speaks_for_itself() {
    let world = two_apps().await;
    assert_eq!(code(world.client.send(&to_installed("who?"), None).await), "one_lane");
    assert_eq!(code(world.client.send(&by("nobody", "who?"), None).await), "unknown_app");
    assert_eq!(world.sent(&by("main", "from main")).await.counts, counts! { audience: 4, delivered: 4 });
    assert_eq!(world.sent(&by("alerts", "from alerts")).await.counts, counts! { audience: 4, delivered: 4 });
    for person in world.sim.people("installed").await {
        let said = world.sim.get(&format!("conversations/{person}/messages")).await;
        let said: Vec<(&str, &str)> = said["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                (message["app_id"].as_str().unwrap(), message["activity"]["text"].as_str().unwrap())
            })
            .collect();
        assert_eq!(said, [(APP_ID, "from main"), (OTHER_APP, "from alerts")]);
    }

    // One in trouble does not hold up the other.
    world.kill_tokens_of_alerts().await;
    let waiting = world.send(&by("alerts", "later")).await;
    world.until(&waiting, "waiting", |message| message.cause.as_deref() == Some("credential")).await;
    assert_eq!(world.sent(&by("main", "undisturbed")).await.counts, counts! { audience: 4, delivered: 4 });
    other_bot(&world, OTHER_SECRET).await;
    assert_eq!(world.over(&waiting).await.counts, counts! { audience: 4, delivered: 4 });

    // What is signed for one app is not for the other.
    let activity = json!({"text": "hello", "recipient": {"id": format!("28:{OTHER_APP}")}});
    let answer = world.sim.post("activities", &json!({"activity": activity})).await;
    assert_eq!(answer["status"], 403, "{answer}");
    assert!(!world.log().contains(OTHER_SECRET));
    world.end().await;
}

impl World {
    /// From now on the secret of `alerts` is wrong, also for a server that has a token already.
    async fn kill_tokens_of_alerts(&self) {
        other_bot(self, "changed").await;
        let gone = json!({"match": {"op": "send", "nth": [1]}, "do": {"status": 401}});
        self.sim.fault(gone).await;
    }
}

#[tokio::test]
async fn a_key_of_one_app_sees_nothing_of_the_other() {
    let world = two_apps().await;
    let theirs = world.sent(&by("alerts", "for alerts only")).await;
    let delivery = world.deliveries(&theirs.id).await[0].id.clone();
    let key = NewKey {
        name: "main only".to_owned(),
        role: "admin".to_owned(),
        app: Some("main".to_owned()),
        may_install: false,
    };
    let key = world.client.create_key(&key).await.unwrap();
    let client = Client::new(&world.url, &key.secret).unwrap();

    // It need not say which app; there is one for it.
    let sent = client.send(&to_installed("from main"), None).await.unwrap();
    assert_eq!(world.over(&sent.id).await.app, "main");
    let listed = client.messages(&MessageFilter::default(), PageOf::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|message| &message.id).collect::<Vec<_>>(), [&sent.id]);
    let known = client.people(&PeopleFilter::default(), PageOf::default()).await.unwrap().items;
    assert_eq!(known.len(), 4);
    assert!(known.iter().all(|person| person.app == "main"));
    assert_eq!(client.reachability(None, None).await.unwrap().total, 4);
    assert_eq!(client.reachability(Some("alerts"), None).await.unwrap().total, 0);
    assert_eq!(world.client.reachability(None, None).await.unwrap().total, 8);

    assert_eq!(code(client.send(&by("alerts", "sneaky"), None).await), "unknown_app");
    assert_eq!(code(client.message(&theirs.id).await), "not_found");
    assert_eq!(code(client.control(&theirs.id, MessageControl::Cancel).await), "not_found");
    assert_eq!(code(client.delivery(&delivery).await), "not_found");
    let all = nuncio_client::DeliveryFilter::default();
    assert_eq!(code(client.deliveries(&theirs.id, &all, PageOf::default()).await), "not_found");
    assert_eq!(code(client.report_csv(&theirs.id, &mut Vec::new()).await), "not_found");

    // Nor can it make itself a key that does.
    let wider = NewKey {
        name: "wider".to_owned(),
        role: "read".to_owned(),
        app: Some("alerts".to_owned()),
        may_install: false,
    };
    assert!(client.create_key(&wider).await.is_err());
    let same = NewKey { name: "same".to_owned(), role: "read".to_owned(), app: None, may_install: false };
    let made = client.create_key(&same).await.unwrap();
    assert_eq!(made.key.app.as_deref(), Some("main"));
    let keys = client.keys().await.unwrap().items;
    assert!(keys.iter().all(|key| key.app.as_deref() == Some("main")), "{keys:?}");
    world.end().await;
}
