use std::path::Path;

use nuncio_sim::{OrgFile, Sim, SimConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{APP, SCOPE, World, client, text};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/org.toml");

async fn start(org: OrgFile) -> World {
    let sim = Sim::start(SimConfig { org: Some(org), ..SimConfig::default() }).await.unwrap();
    World { sim, http: client(), token: String::new() }
}

#[tokio::test]
async fn the_example_is_there_as_described() {
    let mut world = start(OrgFile::read(Path::new(EXAMPLE)).unwrap()).await;
    world.settings(json!({"latency": {"kind": "fixed", "ms": 0}})).await;
    let info = world.get("info").await;
    assert_eq!(info["tenant_id"], "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913");
    assert_eq!(info["tenant_name"], "Contoso");
    assert_eq!(world.get("settings").await["limits_per_s"], 40);
    assert_eq!(world.get("counts").await["people_total"], 23);

    let (status, answer) = world.token(world.sim.tenant_id(), APP, "simulated-secret", SCOPE).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer["access_token"]).clone_into(&mut world.token);
    let ines = world.get("people/ines.moreau@contoso.example").await;
    assert_eq!(ines["id"], "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b");
    assert_eq!((&ines["name"], &ines["language"]), (&json!("Ines Moreau"), &json!("fr-FR")));
    let chat = text(&ines["conversation_id"]);
    assert_eq!(world.send(chat, "x").await.0, 503, "the fault of the file");
    assert_eq!(world.send(chat, "x").await.0, 201);
    let jonas = world.get("people/JONAS.weber@contoso.example").await;
    assert_eq!(world.send(text(&jonas["conversation_id"]), "x").await.0, 403);

    let teams = world.get("teams").await;
    let teams = teams["items"].as_array().unwrap();
    let channels = teams[0]["channels"].as_array().unwrap();
    let send = async |id: &Value| world.send(text(id), "x").await.0;
    assert_eq!(channels[0]["id"], "19:qT7wZc2General@thread.tacv2");
    assert_eq!(send(&channels[1]["id"]).await, 201);
    assert_eq!((&channels[2]["kind"], &channels[2]["members"]), (&json!("private"), &json!(1)));
    assert_eq!(send(&channels[2]["id"]).await, 403, "installed in the team but not added to the channel");
    assert_eq!(channels[3]["shared_with"], json!([teams[1]["id"]]));
    assert_eq!(send(&channels[3]["id"]).await, 201);
    assert_eq!((&teams[2]["state"], send(&teams[2]["id"]).await), (&json!("archived"), 403));
    assert_eq!((&teams[3]["members"], &teams[0]["members"]), (&json!(20), &json!(2)));
    let chats = world.get("chats").await;
    assert_eq!(chats["items"][0]["members"].as_array().unwrap().len(), 3);
    assert_eq!(send(&chats["items"][0]["id"]).await, 201);
    assert_eq!((&chats["items"][1]["kind"], &chats["items"][1]["apps"]), (&json!("meeting"), &json!([])));
}

/// Up to where it is refused: reading, or starting.
async fn refused(org: &str) -> String {
    let file = match OrgFile::parse("org.toml", org.to_owned()) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    Sim::start(SimConfig { org: Some(file), ..SimConfig::default() }).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_line() {
    let people = "[[person]]\nname = \"A B\"\nupn = \"a@x.example\"\n\n[[person]]\nname = \"C D\"\nupn = \"A@x.example\"\n";
    let one = "[[person]]\nname = \"A B\"\nupn = \"a@x.example\"\n";
    for (org, expected) in [
        ("seed = 1\npeeple = 3\n", "org.toml:2: peeple: unknown field `peeple`"),
        ("seed = \n", "org.toml:1:"),
        (
            "[[team]]\nname = \"T\"\n\n[[team.channel]]\nname = \"C\"\nkinds = \"x\"\n",
            "org.toml:6: team[0].channel[0].kinds: unknown field `kinds`",
        ),
        ("[[person]]\nname = \"A\"\n", "org.toml:1: person[0]: missing field `upn`"),
        (
            "[[chat]]\nmembers = [\"a\"]\nkind = \"channel\"\n",
            "org.toml:3: chat[0].kind: unknown variant `channel`",
        ),
        (people, "org.toml:7: person[1].upn: person[0] has this upn too"),
        (
            &format!("{one}\n[[chat]]\nmembers = [\n  \"a@x.example\",\n  \"b@x.example\",\n]\n"),
            "org.toml:8: chat[0].members[1]: nobody has the upn or id \"b@x.example\"",
        ),
        (
            &format!("{one}\n[[chat]]\nmembers = [\"a@x.example\", \"a@x.example\"]\n"),
            "org.toml:6: chat[0].members[1]: named twice",
        ),
        ("[[team]]\nname = \"T\"\n[[team]]\nname = \"T\"\n", "org.toml:4: team[1].name: another team"),
        (
            "[[team]]\nname = \"T\"\napps = [\"x\"]\n",
            "org.toml:3: team[0].apps[0]: no bot has the app id \"x\"",
        ),
        (
            "[[team]]\nname = \"T\"\n[[team.channel]]\nname = \"C\"\nkind = \"shared\"\nshared_with = [\"U\"]\n",
            "org.toml:6: team[0].channel[0].shared_with[0]: no team is called \"U\"",
        ),
        (
            "[[bot]]\napp_id = \"a\"\nsecret = \"s\"\n[[bot]]\napp_id = \"A\"\nsecret = \"s\"\n",
            "org.toml:5: bot[1].app_id: another bot",
        ),
        ("[[bot]]\napp_id = \"a\"\n", "org.toml:1: bot[0]: a bot needs a secret"),
        ("[[group]]\nname = \"G\"\n[[group]]\nname = \"G\"\n", "org.toml:4: group[1].name: another group"),
        (
            "[[group]]\nname = \"G\"\ngroups = [\"H\"]\n",
            "org.toml:3: group[0].groups[0]: no group is called \"H\"",
        ),
        (
            &format!(
                "{one}mail = \"m@x.example\"\n\n[[person]]\nname = \"C D\"\nupn = \"c@x.example\"\nmail = \"M@x.example\"\n"
            ),
            "org.toml:9: person[1].mail: person[0] has this address too",
        ),
        ("[settings]\nscale = 0\n", "org.toml:1: settings: scale must be above 0"),
        ("[tenant]\nid = \"x\"\n", "org.toml:2: tenant.id: must be a GUID"),
        (
            "[[fault]]\nmatch = { op = \"send\" }\ndo = { statuss = 500 }\n",
            "org.toml:3: fault[0].do.statuss: unknown field",
        ),
        ("[[fault]]\ndo = { status = 99 }\n", "org.toml:1: fault[0]: do.status must be"),
    ] {
        let error = refused(org).await;
        assert!(error.starts_with(expected), "{org}\n{error}\n{expected}");
    }
    let missing = OrgFile::read(Path::new("/nowhere/org.toml")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/org.toml"), "{missing}");
}

#[tokio::test]
async fn a_reset_takes_the_same_as_json_or_changes_nothing() {
    let world = World::start().await;
    let before = world.get("people?limit=1").await;
    let order = json!({
        "person": [{"name": "Ines Moreau", "upn": "ines@contoso.example", "state": "uninstalled"}], "people": 2,
        "chat": [{"members": ["ines@contoso.example"], "apps": [APP, "second"]}],
        "bot": [{"app_id": "second", "secret": "x"}], "settings": {"limits_per_s": 7},
    });
    let mut wrong = order.clone();
    wrong["chat"][0]["members"] = json!(["nobody@contoso.example"]);
    let (status, answer) = world.control(Method::POST, "reset", Some(wrong)).await;
    assert_eq!(status, 400);
    assert!(text(&answer["error"]).starts_with("chat[0].members[0]: nobody"), "{answer}");
    assert_eq!(world.get("people?limit=1").await, before);
    assert_eq!(world.get("settings").await["limits_per_s"], 50);

    let made = world.post("reset", order).await;
    assert_eq!((&made["people"], &made["teams"], &made["chats"]), (&json!(3), &json!(0), &json!(1)));
    assert_eq!(made["states"]["uninstalled"], 1);
    assert_eq!(world.get("chats").await["items"][0]["apps"], json!([APP, "second"]));
    assert_eq!(world.get("bots").await["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.get("settings").await["limits_per_s"], 7);
    let other = json!({"tenant": {"id": "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913"}});
    assert_eq!(world.control(Method::POST, "reset", Some(other)).await.0, 400);
}
