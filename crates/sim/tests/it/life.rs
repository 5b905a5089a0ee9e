//! Teams, channels, group chats and meetings change, and the bots that are there hear of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    acting::{acts, does, permit},
    harness::{APP, BotServer, World, text},
};

struct Town {
    bot: BotServer,
    world: World,
    teams: Value,
    people: Value,
}

impl Town {
    async fn start() -> Self {
        let (bot, url) = BotServer::start().await;
        let world = World::with(20, Some(&url)).await;
        let teams = world.get("teams").await["items"].clone();
        let people = world.get("people?limit=20").await["items"].clone();
        Self { bot, world, teams, people }
    }

    /// Tells the bot's part of what came of it.
    async fn team(&self, what: &str, body: Value) -> Vec<Value> {
        self.world.post(&format!("teams/{}/{what}", text(&self.teams[0]["id"])), body).await;
        self.heard().await
    }

    async fn refused(&self, path: &str, body: Value) -> u16 {
        self.world.control(Method::POST, path, Some(body)).await.0
    }

    async fn heard(&self) -> Vec<Value> {
        self.world.until("events", |events| events["pending"] == 0).await;
        self.bot.received().into_iter().map(|event| event.body).collect()
    }
}

#[tokio::test]
async fn a_team_lives_and_dies() {
    let town = Town::start().await;
    let id = text(&town.teams[0]["id"]);
    assert_eq!(town.team("rename", json!({"name": "Before"})).await, [] as [Value; 0], "no app is in it");
    assert_eq!(town.team("install", json!({})).await.len(), 2);
    let renamed = town.team("rename", json!({"name": "After"})).await;
    assert_eq!(renamed[0]["channelData"]["team"]["name"], "After");
    assert_eq!(town.world.send(id, "x").await.0, 201);
    town.team("archive", json!({})).await;
    assert_eq!(town.world.send(id, "x").await.0, 403);
    let path = |what: &str| format!("teams/{id}/{what}");
    assert_eq!(town.refused(&path("archive"), json!({})).await, 409);
    town.team("delete", json!({})).await;
    assert_eq!(town.world.send(id, "x").await.0, 404);
    assert_eq!(town.refused(&path("unarchive"), json!({})).await, 409);
    assert_eq!(town.team("restore", json!({})).await[0]["channelData"]["eventType"], "teamRestored");
    assert_eq!(town.world.send(id, "x").await.0, 201);
    let gone = town.team("remove", json!({})).await;
    assert_eq!(gone[0]["membersRemoved"], json!([{"id": format!("28:{APP}")}]));
    assert_eq!((gone.len(), &gone[1]["action"]), (2, &json!("remove")));
    assert_eq!(town.world.send(id, "x").await.0, 403);
    assert_eq!(town.refused(&path("remove"), json!({})).await, 409);
    town.team("delete", json!({})).await;
    town.team("hard-delete", json!({})).await;
    for what in ["restore", "install"] {
        assert_eq!(town.refused(&path(what), json!({})).await, 409, "{what}");
    }
    assert_eq!(town.refused(&path("explode"), json!({})).await, 404);
    assert_eq!(town.refused(&path("rename"), json!({"name": ""})).await, 400);
    assert_eq!(town.refused(&path("rename"), json!({"title": "x"})).await, 400);
    assert_eq!(town.refused("teams/19:nothing@thread.tacv2/archive", json!({})).await, 404);
}

#[tokio::test]
async fn people_join_and_leave() {
    let town = Town::start().await;
    town.team("install", json!({})).await;
    let (one, two) = (&town.people[1]["id"], &town.people[3]["id"]);
    let joined = town.team("members", json!({"add": [one, two], "by": town.people[2]["id"]})).await;
    assert_eq!(joined.len(), 1, "several in one event");
    assert_eq!(joined[0]["membersAdded"][1]["aadObjectId"], *two);
    assert_eq!(joined[0]["from"]["aadObjectId"], town.people[2]["id"]);
    let says = json!({"text": "x", "conversation": town.teams[0]["id"]});
    does(&town.world, &town.people[1], "says", says.clone()).await;
    town.team("members", json!({"remove": [one]})).await;
    assert_eq!(acts(&town.world, &town.people[1], "says", says).await.0, 409, "not in the team");
    let path = format!("teams/{}/members", text(&town.teams[0]["id"]));
    for bad in [json!({"remove": [one]}), json!({"add": [two]}), json!({"add": [one, one]})] {
        assert_eq!(town.refused(&path, bad).await, 409);
    }
    assert_eq!(town.refused(&path, json!({})).await, 400);
    assert_eq!(town.refused(&path, json!({"add": ["nobody"]})).await, 404);
}

#[tokio::test]
async fn who_is_deleted_leaves_the_teams() {
    let town = Town::start().await;
    town.team("install", json!({})).await;
    let person = &town.people[0];
    town.world.change(person, "deleted").await;
    let heard = town.heard().await;
    assert_eq!(heard[0]["channelData"]["eventType"], "teamMemberRemoved");
    assert_eq!((heard.len(), &heard[0]["membersRemoved"]), (1, &json!([{"id": person["mri"]}])));
    assert!(heard[0].get("from").is_none(), "nobody did it");
    let path = format!("v3/conversations/{}/members", text(&town.teams[0]["id"]));
    let members = town.world.call(Method::GET, &path, None).await.1;
    assert!(!members.to_string().contains(text(&person["id"])));
}

#[tokio::test]
async fn channels_of_three_kinds() {
    let town = Town::start().await;
    town.team("install", json!({})).await;
    let id = text(&town.teams[0]["id"]);
    let path = |channel: &Value, what: &str| format!("teams/{id}/channels/{}/{what}", text(&channel["id"]));
    let make =
        async |order: Value| town.world.post(&format!("teams/{id}/channels"), order).await["channel"].clone();
    let plain = make(json!({"name": "Reviews"})).await;
    assert_eq!(town.heard().await[0]["channelData"]["channel"]["name"], "Reviews");
    assert_eq!(town.world.send(text(&plain["id"]), "x").await.0, 201);
    town.world.post(&path(&plain, "delete"), json!({})).await;
    assert_eq!(town.world.send(text(&plain["id"]), "x").await.0, 404);
    assert_eq!(town.refused(&path(&plain, "rename"), json!({"name": "x"})).await, 409);
    town.world.post(&path(&plain, "restore"), json!({})).await;
    assert_eq!(town.refused(&path(&town.teams[0], "delete"), json!({})).await, 409, "General");
    town.heard().await;

    let secret = make(json!({"name": "Secret", "kind": "private", "members": [town.people[0]["id"]]})).await;
    assert_eq!(town.heard().await.len(), 0, "the app was not added to it");
    assert_eq!(town.world.send(text(&secret["id"]), "x").await.0, 403);
    let ours = make(json!({"name": "Ours", "kind": "private", "apps": [APP]})).await;
    let stranger = json!({"add": [town.people[1]["id"]]});
    assert_eq!(town.refused(&path(&ours, "members"), stranger).await, 409, "not of the team");
    town.heard().await;
    town.world.post(&path(&ours, "members"), json!({"add": [town.people[0]["id"]]})).await;
    let direct = town.heard().await.remove(0);
    assert_eq!(direct["channelData"]["membershipSource"]["membershipType"], "direct");
    assert_eq!(direct["conversation"]["id"], ours["id"]);

    let shared = make(json!({"name": "Suppliers", "kind": "shared", "apps": [APP]})).await;
    let other = json!({"teams": [town.teams[1]["id"]]});
    town.world.post(&path(&shared, "share"), other.clone()).await;
    town.heard().await;
    assert_eq!(town.refused(&path(&shared, "share"), other.clone()).await, 409);
    assert_eq!(town.refused(&path(&ours, "share"), other).await, 409, "only a shared one");
    let join = json!({"add": [town.people[0]["id"]]});
    town.world.post(&format!("teams/{}/members", text(&town.teams[1]["id"])), join).await;
    let through = town.heard().await;
    assert_eq!(through.len(), 1, "the app is not in the other team");
    assert_eq!(through[0]["channelData"]["membershipSource"]["id"], town.teams[1]["id"]);
    assert_eq!(through[0]["channelData"]["eventType"], "channelMemberAdded");
}

#[tokio::test]
async fn in_a_channel_a_bot_hears_what_mentions_it() {
    let town = Town::start().await;
    town.team("install", json!({})).await;
    let (person, channel) = (&town.people[0], &town.teams[0]["channels"][1]["id"]);
    let says = async |order: Value| {
        let mut order = order;
        if order["conversation"].is_null() {
            order["conversation"] = channel.clone();
        }
        does(&town.world, person, "says", order).await
    };
    let silent = says(json!({"text": "just us"})).await;
    assert_eq!((&silent["delivered"], town.heard().await.len()), (&json!(false), 0));
    let root = says(json!({"text": "status", "mention": true})).await;
    let heard = town.heard().await.remove(0);
    assert_eq!(heard["text"], "<at>Dispatch Bot</at> status");
    let thread = format!("{};messageid={}", text(channel), text(&root["activity"]));
    assert_eq!(heard["conversation"]["id"], thread);
    assert_eq!(heard["entities"][1]["mentioned"]["id"], format!("28:{APP}"));
    let reply = says(
        json!({"text": "and <at>Dispatch Bot</at>?", "conversation": thread, "reply_to": root["activity"]}),
    );
    let reply = reply.await;
    let heard = town.heard().await.remove(0);
    assert_eq!((&heard["conversation"]["id"], &heard["replyToId"]), (&json!(thread), &root["activity"]));
    // An edit of what mentioned it is told, of anything else not.
    let edit = |message: &Value| json!({"message": message, "text": "never mind", "conversation": channel});
    assert_eq!(does(&town.world, person, "edits", edit(&reply["activity"])).await["delivered"], true);
    assert_eq!(town.heard().await[0]["conversation"]["id"], thread);
    assert_eq!(does(&town.world, person, "edits", edit(&silent["activity"])).await["delivered"], false);
    permit(&town.world, &town.bot, &["ChannelMessage.Read.Group"]).await;
    assert_eq!(says(json!({"text": "just us"})).await["delivered"], true);
    // The bot's answer in the thread can be reacted to.
    let (_, sent) = town.world.send(&thread, "all well").await;
    let like = json!({"message": sent["id"], "type": "like", "conversation": channel});
    town.heard().await;
    does(&town.world, person, "reacts", like).await;
    assert_eq!(town.heard().await[0]["conversation"]["id"], thread);
    town.team("archive", json!({})).await;
    assert_eq!(acts(&town.world, person, "says", json!({"text": "x", "conversation": channel})).await.0, 409);
}

#[tokio::test]
async fn group_chats_and_meetings() {
    let town = Town::start().await;
    let id = |at: usize| &town.people[at]["id"];
    let chat = town.world.post("chats", json!({"kind": "meeting", "members": [id(0), id(1)]})).await;
    let path = |what: &str| format!("chats/{}/{what}", text(&chat["id"]));
    assert_eq!(town.refused(&path("remove"), json!({})).await, 409);
    town.world.post(&path("install"), json!({})).await;
    let heard = town.heard().await;
    assert_eq!(heard.len(), 2);
    assert_eq!(
        (&heard[0]["conversation"]["id"], &heard[0]["conversation"]["conversationType"]),
        (&chat["id"], &json!("groupChat"))
    );
    town.world.post(&path("members"), json!({"add": [id(2)]})).await;
    assert_eq!(town.heard().await[0]["membersAdded"][0]["aadObjectId"], *id(2));
    assert_eq!(town.refused(&path("join"), json!({"people": [id(0)]})).await, 409, "not going on");
    town.world.post(&path("start"), json!({})).await;
    assert_eq!(town.heard().await.len(), 0, "without the permission");
    assert_eq!(town.refused(&path("start"), json!({})).await, 409);
    permit(&town.world, &town.bot, &["OnlineMeetingParticipant.Read.Chat"]).await;
    town.world.post(&path("join"), json!({"people": [id(0)]})).await;
    let joined = town.heard().await.remove(0);
    assert_eq!(joined["value"]["members"][0]["user"]["aadObjectId"], *id(0));
    assert_eq!(town.refused(&path("join"), json!({"people": [id(9)]})).await, 409, "not in the chat");
    let plain = town.world.post("chats", json!({"members": [id(0), id(1)]})).await;
    assert_eq!(town.refused(&format!("chats/{}/start", text(&plain["id"])), json!({})).await, 409);
    town.world.post(&path("remove"), json!({})).await;
    assert_eq!(town.world.send(text(&chat["id"]), "x").await.0, 403);
}

#[tokio::test]
async fn one_bot_comes_and_the_other_does_not() {
    let town = Town::start().await;
    let (second, url) = BotServer::start().await;
    town.world.post("bots", json!({"app_id": "second", "secret": "s", "endpoint": url})).await;
    town.world.post("bots", json!({"app_id": "silent", "secret": "s"})).await;
    town.team("install", json!({"app_id": "second"})).await;
    assert_eq!(second.received().len(), 2);
    town.team("rename", json!({"name": "x"})).await;
    assert_eq!(second.received().len(), 1);
    assert_eq!(town.team("install", json!({"app_id": APP})).await.len(), 2);
    assert_eq!(town.team("rename", json!({"name": "y"})).await.len(), 1);
    assert_eq!(second.received().len(), 3 - 2, "both hear it");
    assert_eq!(town.team("remove", json!({"app_id": "second"})).await.len(), 0);
    assert_eq!(second.received().len(), 2);
    // In personal scope both hear of an install; a bot without an endpoint of nothing.
    let person =
        town.people.as_array().unwrap().iter().find(|person| person["state"] == "installed").unwrap();
    does(&town.world, person, "removes", json!({})).await;
    assert_eq!(acts(&town.world, person, "removes", json!({})).await.0, 409);
    does(&town.world, person, "installs", json!({})).await;
    assert_eq!((town.heard().await.len(), second.received().len()), (2, 2));
    assert_eq!(acts(&town.world, person, "installs", json!({})).await.0, 409);
}
