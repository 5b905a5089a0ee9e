//! The bots: what each one's calls came to at the simulator.

use std::collections::BTreeSet;

use super::apart::inside;
use super::judge::{Judged, judge};

/// What a bot of `judges/` is expected to have done.
struct Expected<'a> {
    /// Operations and how many of each there are at least.
    done: &'a [(&'a str, usize)],
    /// Forged events that this SDK lets in, and answers as if they were real.
    lets_in: &'a [&'a str],
    /// A send in the form of a reply to an id that was never given out (protocol section 14).
    reply_form: bool,
    /// What is refused beside the send to a person who blocked the app.
    refused: &'a [(&'a str, u64, &'a str)],
}

impl Expected<'_> {
    async fn check(self, judged: &Judged) {
        for (op, least) in self.done {
            assert!(judged.done(op) >= *least, "{op}: {} of {least}\n{:#?}", judged.done(op), judged.journal);
        }
        assert_eq!(judged.refused(), [self.refused, &[("send", 403, "ConversationBlockedByUser")]].concat());
        let answered: BTreeSet<String> = judged
            .texts()
            .await
            .iter()
            .filter_map(|text| text.strip_prefix("You said: forged: ").map(str::to_owned))
            .collect();
        assert_eq!(answered, self.lets_in.iter().map(|name| (*name).to_owned()).collect());
        let sends = judged.journal.iter().filter(|entry| entry["op"] == "send");
        let forms: Vec<bool> =
            sends.map(|entry| !entry["path"].as_str().unwrap().ends_with("/activities")).collect();
        assert!(forms.contains(&self.reply_form), "the form of sends: {forms:?}");
        let counts = judged.sim.get("counts").await;
        assert_eq!((&counts["limit_breaches"], &counts["events"]["given_up"]), (&0.into(), &0.into()));
    }
}

/// What all of them do, at least.
const ALL: [(&str, usize); 4] = [("token", 1), ("send", 6), ("members", 1), ("teams", 2)];
const CHANGES: [(&str, usize); 4] = [("update", 1), ("delete", 1), ("create", 1), ("create_thread", 1)];
const NOT_ENDORSED: &str = "a key endorsed for no channel";
const OTHER_SERVICE_URL: &str = "another service URL";

#[tokio::test]
async fn botbuilder() {
    if !inside("judges::bots::botbuilder").await {
        return;
    }
    let judged = judge("botbuilder.mjs", "botbuilder-js.env").await;
    let done = [&ALL[..], &CHANGES, &[("metadata", 1), ("keys", 1), ("batch", 3)]].concat();
    Expected { done: &done, lets_in: &[NOT_ENDORSED], reply_form: true, refused: &[] }.check(&judged).await;
}

#[tokio::test]
async fn botbuilder_python() {
    if !inside("judges::bots::botbuilder_python").await {
        return;
    }
    let judged = judge("botbuilder_aiohttp.py", "botbuilder-python.env").await;
    let done = [&ALL[..], &CHANGES, &[("metadata", 1), ("keys", 1)]].concat();
    Expected { done: &done, lets_in: &[NOT_ENDORSED], reply_form: true, refused: &[] }.check(&judged).await;
}

#[tokio::test]
async fn agents_hosting() {
    if !inside("judges::bots::agents_hosting").await {
        return;
    }
    let judged = judge("agents-hosting.mjs", "agents-hosting.env").await;
    let done = [&ALL[..], &CHANGES, &[("keys", 1), ("batch", 3)]].concat();
    Expected { done: &done, lets_in: &[NOT_ENDORSED, OTHER_SERVICE_URL], reply_form: true, refused: &[] }
        .check(&judged)
        .await;
}

#[tokio::test]
async fn teams_apps() {
    if !inside("judges::bots::teams_apps").await {
        return;
    }
    let judged = judge("teams-apps.mjs", "teams-apps.env").await;
    let done = [&ALL[..], &CHANGES, &[("keys", 1), ("reaction", 1)]].concat();
    Expected { done: &done, lets_in: &[NOT_ENDORSED], reply_form: false, refused: &[] }.check(&judged).await;
}

#[tokio::test]
async fn botframework_connector() {
    if !inside("judges::bots::botframework_connector").await {
        return;
    }
    let judged = judge("connector.mjs", "botframework-connector.env").await;
    let more = [("metadata", 1), ("keys", 1), ("batch", 2), ("token", 3)];
    let done = [&ALL[..], &CHANGES, &more].concat();
    // Batches are off until the script turns them on.
    let refused = [("batch", 403, "Forbidden")];
    Expected { done: &done, lets_in: &[NOT_ENDORSED], reply_form: true, refused: &refused }
        .check(&judged)
        .await;
}

#[tokio::test]
async fn teamsfx() {
    if !inside("judges::bots::teamsfx").await {
        return;
    }
    let judged = judge("teamsfx.mjs", "teamsfx.env").await;
    let done = [("token", 1), ("send", 6), ("members", 3), ("create", 1), ("keys", 1)];
    // It answers 401 to an event without a token and goes on with it all the same.
    let lets_in = [NOT_ENDORSED, OTHER_SERVICE_URL, "no token"];
    Expected { done: &done, lets_in: &lets_in, reply_form: true, refused: &[] }.check(&judged).await;
}
