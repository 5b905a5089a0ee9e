//! Those that send: what is in the chats afterwards.

use nuncio_examples::simulator::Simulator;
use serde_json::{Value, json};

use crate::run;

/// The people in a state, by id.
async fn people(simulator: &Simulator, state: &str) -> Vec<Value> {
    let page = simulator.get(&format!("people?state={state}&limit=1000")).await.unwrap();
    page["items"].as_array().unwrap().clone()
}

/// What the bot put into a conversation, the deleted too.
async fn by_bot(simulator: &Simulator, conversation: &str) -> Vec<Value> {
    let path = format!("conversations/{}/messages", conversation.replace(';', "%3B"));
    let messages = simulator.get(&path).await.unwrap();
    let items = messages["items"].as_array().unwrap();
    items.iter().filter(|message| message["from"] == "bot").cloned().collect()
}

async fn general(simulator: &Simulator) -> Value {
    simulator.get("teams").await.unwrap()["items"][0].clone()
}

fn text(message: &Value) -> &str {
    message["activity"]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn conversation_basics() {
    let simulator =
        Simulator::start(&json!({"people": 10, "teams": 1, "states": {"blocked": 0.2}})).await.unwrap();
    let printed = run("conversation_basics", &simulator).await;

    let (mut greeted, mut with_cards) = (Vec::new(), Vec::new());
    for person in people(&simulator, "installed").await {
        let said = by_bot(&simulator, person["id"].as_str().unwrap()).await;
        assert!(text(&said[0]).starts_with("Hello "), "{said:?}");
        match &said[1..] {
            [] => greeted.push(person),
            cards => with_cards.push((person, cards.to_vec())),
        }
    }
    assert_eq!((greeted.len(), with_cards.len()), (7, 1), "eight have the app, one of them the cards");
    let blocked = people(&simulator, "blocked").await;
    assert_eq!(blocked.len(), 2);
    for person in &blocked {
        assert_eq!(by_bot(&simulator, person["id"].as_str().unwrap()).await, [] as [Value; 0]);
        let name = person["name"].as_str().unwrap();
        assert!(printed.contains(&format!("{name}: not reached")), "{printed}");
    }
    assert!(printed.contains("ConversationBlockedByUser"), "{printed}");

    let (person, cards) = with_cards.pop().unwrap();
    let [card, mistake] = &cards[..] else { panic!("{cards:?}") };
    let body = &card["activity"]["attachments"][0]["content"]["body"][0]["text"];
    assert_eq!(
        (body, &card["edits"], &card["deleted"]),
        (&json!("Deploy finished"), &json!(1), &json!(false))
    );
    assert_eq!(mistake["deleted"], true);

    let team = general(&simulator).await;
    let [mention] = &by_bot(&simulator, team["id"].as_str().unwrap()).await[..] else {
        panic!("one mention")
    };
    let entity = &mention["activity"]["entities"][0];
    assert_eq!((&entity["type"], &entity["mentioned"]["id"]), (&json!("mention"), &person["mri"]));
    assert!(text(mention).contains(entity["text"].as_str().unwrap()), "{mention}");
}

#[tokio::test]
async fn new_thread_in_channel() {
    let simulator = Simulator::start(&json!({"people": 4, "teams": 1})).await.unwrap();
    run("new_thread_in_channel", &simulator).await;
    let team = general(&simulator).await;
    let channels = team["channels"].as_array().unwrap();
    let mut threads = Vec::new();
    for channel in channels {
        let said = by_bot(&simulator, channel["id"].as_str().unwrap()).await;
        if !said.is_empty() {
            threads.push((channel["id"].as_str().unwrap(), said));
        }
    }
    let [(channel, said)] = &threads[..] else { panic!("one channel has it: {threads:?}") };
    let [begun, reply] = &said[..] else { panic!("{said:?}") };
    assert!(text(begun).starts_with("**Incident 4711**") && text(reply) == "Incident 4711 is over");
    let root = begun["id"].as_str().unwrap();
    let thread = by_bot(&simulator, &format!("{channel};messageid={root}")).await;
    assert_eq!(thread.len(), 2, "the second one is a reply in the thread of the first");
    let counts = simulator.get("counts").await.unwrap();
    assert_eq!(counts["requests"]["create_thread"], json!({"201": 1}));
}

#[tokio::test]
async fn proactive_install() {
    let simulator = Simulator::start(&json!({"people": 6, "teams": 1, "states": {"never_installed": 0.5}}))
        .await
        .unwrap();
    let before = people(&simulator, "never_installed").await;
    let printed = run("proactive_install", &simulator).await;
    assert!(printed.contains("Installed the app for"), "{printed}");
    let person = before[0]["id"].as_str().unwrap();
    let now = simulator.get(&format!("people/{person}")).await.unwrap();
    assert_eq!(now["state"], "installed");
    let [word] = &by_bot(&simulator, person).await[..] else { panic!("one word") };
    assert!(text(word).starts_with("Hello! Your organisation"), "{word}");
    assert_eq!(people(&simulator, "never_installed").await.len(), before.len() - 1);
    let counts = simulator.get("counts").await.unwrap();
    assert_eq!(counts["requests"]["graph.install"], json!({"201": 1}));
    let journal = simulator.get("journal?limit=1000").await.unwrap();
    let sent =
        journal["items"].as_array().unwrap().iter().find(|entry| entry["op"] == "send").unwrap().clone();
    assert!(sent["path"].as_str().unwrap().contains("unq.gbl.spaces"), "{sent}");
}

#[tokio::test]
async fn who_blocked_us() {
    let states = json!({"blocked": 0.1, "uninstalled": 0.2, "never_installed": 0.1});
    let simulator = Simulator::start(&json!({"people": 20, "teams": 1, "states": states})).await.unwrap();
    let printed = run("who_blocked_us", &simulator).await;
    assert!(printed.contains("A message to 20: 12 have it, 8 refused it"), "{printed}");
    assert!(printed.contains("20 people are known, 12 can be reached"), "{printed}");
    for (state, reported, count) in
        [("blocked", "blocked", 2), ("uninstalled", "removed", 4), ("never_installed", "never_installed", 2)]
    {
        let (_, section) = printed.split_once(&format!("out: {reported}: {count}\n")).expect(&printed);
        let listed: Vec<&str> = section.lines().take(count).collect();
        let there = people(&simulator, state).await;
        assert_eq!(there.len(), count);
        for person in there {
            let id = person["id"].as_str().unwrap();
            assert!(listed.iter().any(|line| line.contains(id)), "{state}: {id} is not in {listed:?}");
            // Everybody was sent to, and the refused have nothing.
            assert_eq!(by_bot(&simulator, id).await.len(), 0);
        }
    }
    for person in people(&simulator, "installed").await {
        assert_eq!(by_bot(&simulator, person["id"].as_str().unwrap()).await.len(), 1);
    }
}
