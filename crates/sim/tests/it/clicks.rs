//! Cards: what a click sends, and what the bot's answer makes a person see.

use serde_json::{Value, json};

use crate::{
    acting::{acts, does},
    events::like_fixture,
    fixtures::fixture,
    harness::{BotServer, Reply, World, text},
};

const ADAPTIVE: &str = "application/vnd.microsoft.card.adaptive";

fn card() -> Value {
    json!({"type": "AdaptiveCard", "version": "1.4",
    "body": [{"type": "TextBlock", "text": "A drill"}, {"type": "Input.Text", "id": "note"}],
    "actions": [
        {"type": "Action.Execute", "id": "ack", "verb": "ack", "title": "Seen", "data": {"delivery": "invented"}},
        {"type": "Action.Submit", "id": "old", "title": "Send", "data": {"delivery": "invented"}},
        {"type": "Action.Submit", "title": "More", "data": {"msteams": {"type": "task/fetch"}, "ask": "details"}},
    ]})
}

fn answer(status: u16, kind: &str, value: Value) -> Reply {
    let mut body = json!({"statusCode": status, "type": kind});
    body["value"] = value;
    Reply::Json(body)
}

struct Stage {
    bot: BotServer,
    world: World,
    person: Value,
    message: Value,
}

impl Stage {
    async fn start() -> Self {
        let (bot, url) = BotServer::start().await;
        let world = World::with(100, Some(&url)).await;
        let person = world.person("installed").await;
        let message = send_card(&world, text(&person["conversation_id"])).await;
        Self { bot, world, person, message }
    }

    async fn click(&self, mut order: Value) -> Value {
        order["message"] = self.message.clone();
        does(&self.world, &self.person, "acts", order).await
    }

    async fn execute(&self) -> Value {
        self.click(json!({"action": {"type": "Action.Execute", "verb": "ack"}})).await
    }

    async fn shown(&self) -> Value {
        let chat = format!("conversations/{}/messages", text(&self.person["id"]));
        self.world.get(&chat).await["items"][0]["people"].clone()
    }
}

pub(crate) async fn send_card(world: &World, conversation: &str) -> Value {
    let path = format!("v3/conversations/{conversation}/activities");
    let body = json!({"type": "message", "attachments": [{"contentType": ADAPTIVE, "content": card()}]});
    let (status, answer) = world.call(reqwest::Method::POST, &path, Some(body)).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].clone()
}

#[tokio::test]
async fn a_click_is_an_invoke_and_the_answer_replaces_the_card() {
    let stage = Stage::start().await;
    let next =
        json!({"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Seen"}]});
    stage.bot.replies(answer(200, ADAPTIVE, next.clone()));
    let shown = stage.execute().await;
    assert_eq!(
        (&shown["status"], &shown["shown"], &shown["problem"]),
        (&json!(200), &json!("card"), &Value::Null)
    );
    assert_eq!(shown["body"]["value"], next);
    let [invoke] = &stage.bot.received()[..] else { panic!("one invoke") };
    like_fixture(invoke, "card_action");
    assert_eq!(invoke.body["replyToId"], stage.message);
    let people = stage.shown().await;
    assert_eq!(people["seen"][text(&stage.person["id"])], next);
    assert_eq!(
        (&people["clicks"][0]["person"], &people["clicks"][0]["shown"]),
        (&stage.person["id"], &json!("card"))
    );
    // The card that is shown now has no such action; an update of the message brings the old one back.
    let again = json!({"message": stage.message, "action": {"type": "Action.Execute", "verb": "ack"}});
    assert_eq!(acts(&stage.world, &stage.person, "acts", again).await.0, 409);
    let chat = text(&stage.person["conversation_id"]);
    let path = format!("v3/conversations/{chat}/activities/{}", text(&stage.message));
    let body = json!({"type": "message", "attachments": [{"contentType": ADAPTIVE, "content": card()}]});
    assert_eq!(stage.world.call(reqwest::Method::PUT, &path, Some(body)).await.0, 200);
    assert_eq!(stage.shown().await["seen"], json!({}));
    stage.bot.replies(answer(200, "application/vnd.microsoft.activity.message", json!("Thanks")));
    let shown = stage.execute().await;
    assert_eq!((&shown["shown"], &shown["text"]), (&json!("message"), &json!("Thanks")));
}

#[tokio::test]
async fn wrong_answers_are_told() {
    let stage = Stage::start().await;
    stage.world.settings(json!({"invoke_timeout_s": 0.2, "event_again_after_s": 0})).await;
    for (reply, shown, problem) in [
        (Reply::Status(500), "error", "HTTP 500"),
        (Reply::Status(501), "error", "HTTP 501"),
        (Reply::Status(403), "error", "HTTP 403"),
        (Reply::Status(202), "invalid", "HTTP 202"),
        (Reply::Html(200), "invalid", "not JSON (text/html)"),
        (Reply::Json(Value::Null), "invalid", "empty"),
        (Reply::Never, "error", "no answer within 0.2 s"),
        (answer(200, ADAPTIVE, json!({"type": "AdaptiveCard", "version": "1.6"})), "invalid", "1.5"),
        (answer(400, "application/vnd.microsoft.activity.message", json!("x")), "invalid", "statusCode 400"),
    ] {
        stage.bot.replies(reply);
        let answer = stage.execute().await;
        assert_eq!(answer["shown"], shown, "{answer}");
        assert!(text(&answer["problem"]).contains(problem), "{answer}");
    }
    // Never sent again.
    let events = stage.world.until("events", |events| events["pending"] == 0).await;
    assert_eq!((&events["attempts"], &events["sent_again"]), (&json!(9), &json!(0)));
    let told = stage.world.get("told").await;
    assert_eq!(told["items"][8]["activity"]["name"], "adaptiveCard/action");
    assert_eq!((&told["items"][0]["status"], &told["items"][0]["answer"]), (&json!(500), &json!("seen")));
    assert!(text(&told["items"][6]["problem"]).contains("no answer"));
    assert!(!told.to_string().contains("Bearer"));
    assert_eq!(stage.shown().await["seen"], json!({}));
}

#[tokio::test]
async fn a_bot_that_hangs_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::start().await;
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let bot = json!({"app_id": crate::harness::APP, "secret": "correct horse", "endpoint": endpoint});
    stage.world.post("bots", bot).await;
    let hangs_up = tokio::spawn(async move {
        for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"statusCode\""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut start = [0; 64];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut start).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
        }
    });
    for status in [Value::Null, json!(200)] {
        let answer = stage.execute().await;
        assert_eq!((&answer["status"], &answer["shown"]), (&status, &json!("error")), "{answer}");
        assert!(text(&answer["problem"]).contains("closed"), "{answer}");
    }
    hangs_up.await.unwrap();
}

#[tokio::test]
async fn a_submit_is_a_message_with_the_inputs() {
    let stage = Stage::start().await;
    let shown = stage.click(json!({"action": {"type": "Action.Submit", "id": "old"}})).await;
    assert_eq!((&shown["shown"], &shown["status"]), (&json!("nothing"), &json!(200)));
    let order = json!({"action": {"type": "Action.Submit", "id": "old"}, "inputs": {"note": "on my way"}});
    let second = stage.click(order).await;
    assert_ne!(shown["activity"], second["activity"]);
    let received = stage.bot.received();
    like_fixture(&received[0], "card_submit");
    assert_eq!(received[1].body["value"], json!({"delivery": "invented", "note": "on my way"}));
    assert_eq!(received[1].body["id"], second["activity"]);
    // Unlike an invoke it is sent again.
    stage.world.settings(json!({"event_again_after_s": 0})).await;
    stage.bot.answers(&[500]);
    let shown = stage.click(json!({"action": {"type": "Action.Submit", "id": "old"}})).await;
    assert_eq!((&shown["shown"], &shown["status"]), (&json!("error"), &json!(500)));
    stage.world.until("events", |events| events["pending"] == 0).await;
    let received = stage.bot.received();
    assert_eq!((received.len(), &received[0].body), (2, &received[1].body));
}

#[tokio::test]
async fn dialogs_and_other_invokes() {
    let stage = Stage::start().await;
    let task = json!({"task": {"type": "message", "value": "Saved"}});
    stage.bot.replies(Reply::Json(task.clone()));
    let shown = stage.click(json!({"action": {"type": "Action.Submit", "title": "More"}})).await;
    assert_eq!((&shown["shown"], &shown["text"]), (&json!("message"), &json!("Saved")));
    assert_eq!(stage.bot.received()[0].body["value"]["data"]["ask"], "details");
    for (name, reply, shown) in [
        ("task_fetch", Reply::Json(task.clone()), "message"),
        ("task_submit", Reply::Json(Value::Null), "nothing"),
        ("message_fetch_task", Reply::Json(task), "message"),
        ("message_submit_action", Reply::Json(json!({})), "nothing"),
        ("file_consent_accept", Reply::Json(Value::Null), "nothing"),
        ("file_consent_decline", Reply::Status(200), "invalid"),
        ("connector_card_action", Reply::Status(500), "error"),
        ("config_fetch", Reply::Status(501), "error"),
        ("sign_in_token_exchange", Reply::Status(412), "login"),
        ("sign_in_verify_state", Reply::Json(json!({})), "nothing"),
        ("sign_in_failure", Reply::Json(json!({})), "nothing"),
    ] {
        stage.bot.replies(reply);
        let body = fixture(&format!("activities/{name}.json"))["body"].clone();
        let mut order = json!({"name": body["name"], "value": body["value"]});
        if !body["replyToId"].is_null() {
            order["message"] = stage.message.clone();
        }
        assert_eq!(does(&stage.world, &stage.person, "invokes", order).await["shown"], shown, "{name}");
        like_fixture(&stage.bot.received()[0], name);
    }
}

#[tokio::test]
async fn a_submit_can_mean_something_else() {
    let stage = Stage::start().await;
    let action = |special: Value| json!({"type": "Action.Submit", "data": {"msteams": special}});
    let actions = [
        action(json!({"type": "imBack", "value": "status"})),
        action(json!({"type": "messageBack", "text": "status", "value": {"a": 1}, "displayText": "Status"})),
        action(json!({"type": "invoke", "value": {"a": 1}})),
        json!({"type": "Action.Execute", "verb": "ask", "data": {}}),
    ];
    let refresh = json!({"action": {"type": "Action.Execute", "verb": "refresh"}, "userIds": []});
    let content = json!({"type": "AdaptiveCard", "version": "1.4", "actions": actions, "refresh": refresh});
    let chat = text(&stage.person["conversation_id"]);
    let path = format!("v3/conversations/{chat}/activities");
    let body = json!({"type": "message", "attachments": [{"contentType": ADAPTIVE, "content": content}]});
    let (status, sent) = stage.world.call(reqwest::Method::POST, &path, Some(body)).await;
    assert_eq!(status, 201, "{sent}");
    for action in &actions[..3] {
        does(&stage.world, &stage.person, "acts", json!({"message": sent["id"], "action": action})).await;
    }
    let refresh = json!({"message": sent["id"], "trigger": "automatic", "action": refresh["action"]});
    does(&stage.world, &stage.person, "acts", refresh).await;
    let heard: Vec<Value> = stage.bot.received().into_iter().map(|event| event.body).collect();
    assert_eq!((&heard[0]["type"], &heard[0]["text"]), (&json!("message"), &json!("status")));
    assert_eq!((&heard[1]["text"], &heard[1]["value"]), (&json!("status"), &json!({"a": 1})));
    assert_eq!((&heard[2]["type"], &heard[2]["value"]), (&json!("invoke"), &json!({"a": 1})));
    assert!(heard[2].get("name").is_none());
    assert_eq!(heard[3]["value"]["trigger"], "automatic");
    assert_eq!(heard[3]["value"]["action"], json!({"type": "Action.Execute", "verb": "refresh"}));
}

#[tokio::test]
async fn a_card_is_replaced_for_one_person_only() {
    let stage = Stage::start().await;
    let people = stage.world.get("people?limit=2").await["items"].clone();
    let (one, two) = (&people[0], &people[1]);
    let members = json!({"members": [one["id"], two["id"]], "apps": [crate::harness::APP]});
    let chat = stage.world.post("chats", members).await;
    let message = send_card(&stage.world, text(&chat["id"])).await;
    let order = json!({"message": message, "conversation": chat["id"],
        "action": {"type": "Action.Execute", "verb": "ack"}});
    let next =
        json!({"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Seen"}]});
    stage.bot.replies(answer(200, ADAPTIVE, next.clone()));
    assert_eq!(does(&stage.world, one, "acts", order.clone()).await["shown"], "card");
    assert_eq!(acts(&stage.world, one, "acts", order.clone()).await.0, 409);
    stage.bot.replies(answer(200, ADAPTIVE, next));
    assert_eq!(does(&stage.world, two, "acts", order).await["shown"], "card");
    let people = stage.bot.received();
    assert_eq!(people[1].body["from"]["aadObjectId"], two["id"]);
    assert_eq!(people[1].body["conversation"]["conversationType"], "groupChat");
}

#[tokio::test]
async fn clicks_that_cannot_be() {
    let stage = Stage::start().await;
    let people = stage.world.get("people?state=installed&limit=2").await;
    let action = json!({"type": "Action.Execute", "verb": "ack"});
    for (who, order, status) in [
        (0, json!({"message": "5", "action": action}), 404),
        (0, json!({"message": stage.message, "action": {"type": "Action.Execute", "verb": "other"}}), 409),
        (
            0,
            json!({"message": stage.message, "action": {"type": "Action.Execute", "verb": "ack", "data": {}}}),
            409,
        ),
        (0, json!({"message": stage.message, "action": action, "inputs": {"unknown": "x"}}), 409),
        (0, json!({"message": stage.message, "action": action, "trigger": "automatic"}), 409),
        (0, json!({"message": stage.message, "action": {"type": "Action.OpenUrl"}}), 400),
        (0, json!({"message": stage.message, "action": {}}), 400),
        (0, json!({"message": stage.message, "action": action, "extra": 1}), 400),
        (1, json!({"message": stage.message, "action": action}), 404),
    ] {
        let answer = acts(&stage.world, &people["items"][who], "acts", order.clone()).await;
        assert_eq!(answer.0, status, "{order}: {}", answer.1);
    }
    let said = does(&stage.world, &stage.person, "says", json!({"text": "x"})).await;
    let order = json!({"message": said["activity"], "action": action});
    assert_eq!(acts(&stage.world, &stage.person, "acts", order).await.0, 409, "not a bot's");
    stage.bot.received();
    let order = json!({"message": stage.message, "strict": false, "inputs": {"more": 1},
        "action": {"type": "Action.Execute", "verb": "made up", "data": {"a": 1}}});
    does(&stage.world, &stage.person, "acts", order).await;
    let sent = json!({"type": "Action.Execute", "verb": "made up", "data": {"a": 1, "more": "1"}});
    assert_eq!(stage.bot.received()[0].body["value"]["action"], sent);
}
