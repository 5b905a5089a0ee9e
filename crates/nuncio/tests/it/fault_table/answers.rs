//! The rows for answers to one call: each that `fixtures/microsoft/refusals` has, and each way of getting none.

use serde_json::{Value, json};

use super::row::{EVER, Fate, Row, Took, delivered, ends, refusal, status};

const PROXY: &str = "<html><body><h1>Access denied by proxy</h1></body></html>";
const TAKEN: &str = "{\"id\":\"1795356500001\",\"activityId\":\"1795356500001\"}";

/// The same action, its call taken first.
fn taken(mut action: Value) -> Value {
    action["accept"] = "before".into();
    action
}

/// A refusal of the message, of the person or of the app, which ends it with the first answer, whatever the call.
const REFUSED: [(&str, &str); 26] = [
    ("conversation_blocked_by_user", "blocked_by_user"),
    ("bot_disabled_by_user", "blocked_by_user"),
    ("message_writes_blocked", "blocked_or_removed"),
    ("message_writes_blocked_2026", "blocked_or_removed"),
    ("forbidden_operation", "not_installed"),
    ("bad_pairwise_id", "not_installed"),
    ("bot_not_in_conversation_roster", "not_installed"),
    ("bot_disabled_by_admin", "disabled_by_admin"),
    ("capability_override", "blocked_by_policy"),
    ("not_enough_permissions", "not_permitted"),
    ("batch_forbidden", "not_permitted"),
    ("forbidden_without_body", "not_permitted"),
    ("error_code_without_sub_code", "not_permitted"),
    ("other_region", "not_permitted"),
    ("activity_not_found", "conversation_gone"),
    ("message_size_too_big", "message_too_big"),
    ("request_entity_too_large", "message_too_big"),
    ("bad_argument", "message_invalid"),
    ("bad_syntax", "message_invalid"),
    ("missing_property", "message_invalid"),
    ("conversation_id_format", "message_invalid"),
    ("creation_parameters", "message_invalid"),
    ("message_entities", "message_invalid"),
    ("message_citations", "message_invalid"),
    ("message_appearance", "message_invalid"),
    ("mention_entity", "message_invalid"),
];

fn refused(op: &str) -> Vec<Row> {
    let fixtures = REFUSED.map(|(fixture, reason)| {
        let (words, action) = refusal(fixture);
        (words, action, reason)
    });
    let others = [
        ("403, HTML of a proxy", json!({"status": 403, "body": PROXY}), "not_permitted"),
        ("407, HTML of a proxy", json!({"status": 407, "body": PROXY}), "message_invalid"),
        ("400, 1.5 MiB of text", json!({"status": 400, "body": "x".repeat(3 << 19)}), "message_invalid"),
        ("422", json!({"status": 422}), "message_invalid"),
        ("302", json!({"status": 302}), "upstream_error"),
    ];
    fixtures
        .into_iter()
        .chain(others.map(|(words, action, reason)| (words.to_owned(), action, reason)))
        .map(|(words, action, reason)| {
            let fate = ends(&format!("failed `{reason}`"), op, &status(&action), 0);
            Row { common: true, ..Row::new(words, action, EVER, fate, Took::AtOnce) }
        })
        .collect()
}

/// What passes by itself, whatever the call.
fn passing(op: &str) -> Vec<Row> {
    let nothing = Row::new("nothing", json!({"delay_ms": 1}), EVER, delivered(op, &[], 1), Took::AtOnce);
    let again = [
        ("precondition_failed", 2, Took::Within(6)),
        ("service_unavailable", 2, Took::Within(10)),
        ("gateway_html", 1, Took::Within(2)),
        // Not a call of its own: the same one with a new token.
        ("authorization_denied", 1, Took::AtOnce),
        ("authorization_error", 1, Took::AtOnce),
    ];
    let again = again.map(|(fixture, times, took)| {
        let (words, action) = refusal(fixture);
        let status = status(&action);
        let answers = if status == "401" { vec![] } else { vec![status.as_str(); times as usize] };
        Row::new(words, action, times, delivered(op, &answers, 1), took)
    });
    let told = Row::new(
        "503 with Retry-After 2",
        json!({"status": 503, "retry_after": 2}),
        1,
        delivered(op, &["503"], 1),
        Took::After(2),
    );
    [nothing].into_iter().chain(again).chain([told]).collect()
}

/// Of which nobody can know what it left behind; and how many messages it did leave.
fn lost() -> Vec<(String, Value, usize)> {
    let fixture = |name: &str| refusal(name);
    let ((timeout, t), (error, e), (gateway, g)) =
        (fixture("request_timeout"), fixture("service_error"), fixture("gateway_timeout"));
    let (bad, b) = fixture("bad_gateway");
    let said = |words: &str| words.to_owned();
    let raw = |raw: &str| taken(json!({ "raw": raw }));
    vec![
        (timeout + "; taken", taken(t), 1),
        (error + "; taken", taken(e), 1),
        (bad + "; not taken", b, 0),
        (gateway + "; taken", taken(g), 1),
        (said("502, HTML of a proxy; taken"), taken(json!({"status": 502, "body": PROXY})), 1),
        (said("599; taken"), taken(json!({"status": 599})), 1),
        (said("connection closed before the status; taken"), taken(json!({"cut": "before_status"})), 1),
        (said("connection closed before the status; not taken"), json!({"cut": "before_status"}), 0),
        (said("half a head, then closed; taken"), raw("HTTP/1.1 201 Created\r\nContent-Le"), 1),
        (said("no HTTP at all; taken"), raw("SSH-2.0-OpenSSH_9.6\r\n"), 1),
    ]
}

/// The status came, and it is 2xx.
fn accepted() -> Vec<(&'static str, Value, bool)> {
    let raw = |head: &str, body: &str| {
        taken(
            json!({ "raw": format!("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n{head}\r\n{body}") }),
        )
    };
    let ok = |status: u16, body: Value| taken(json!({"status": status, "body": body}));
    vec![
        ("201 without a body", ok(201, Value::Null), false),
        ("201 without an id", ok(201, json!({})), false),
        ("201, garbage", ok(201, json!("<html>")), false),
        ("200, HTML of a proxy", ok(200, json!(PROXY)), false),
        ("201, 1.5 MiB of text", ok(201, json!("x".repeat(3 << 19))), false),
        ("201, half of the body, then closed", taken(json!({"cut": "mid_body"})), false),
        ("201, `Content-Length` too small", raw("Content-Length: 5\r\n", TAKEN), false),
        ("201, `Content-Length` too large, then closed", raw("Content-Length: 500\r\n", TAKEN), true),
        ("201 without `Content-Length`, then closed", raw("", TAKEN), true),
        ("201, broken chunks", raw("Transfer-Encoding: chunked\r\n", "zz\r\n{\"id\""), false),
    ]
}

fn accepted_fate(op: &str, known: bool) -> Fate {
    ends(if known { "delivered" } else { "delivered, id not known" }, op, "201", 1)
}

fn unknown(op: &str) -> Vec<Row> {
    let lost = lost().into_iter().map(|(words, action, arrived)| {
        let answer = action.get("status").map_or_else(|| "no answer".to_owned(), Value::to_string);
        Row::new(words, action, EVER, ends("ambiguous", op, &answer, arrived), Took::AtOnce)
    });
    let accepted = accepted().into_iter().map(|(words, action, known)| {
        let mut fate = accepted_fate(op, known);
        if action["status"] == 200 {
            fate.calls = format!("{op} 200");
        }
        Row::new(words, action, EVER, fate, Took::AtOnce)
    });
    lost.chain(accepted).collect()
}

/// Into a conversation that is known.
pub(super) fn sends() -> Vec<Row> {
    let op = "send";
    let mut rows = passing(op);
    rows.extend(refused(op));
    rows.extend(unknown(op));
    let held = |at: &str, arrived| {
        let words = format!("no answer in time; {}", if arrived == 0 { "not taken" } else { "taken" });
        let fate = ends("ambiguous", op, "no answer", arrived);
        Row::new(words, json!({ "hold": at }), EVER, fate, Took::TimeOut(0))
    };
    rows.extend([held("before", 0), held("after", 1)]);
    let (conflict, action) = refusal("precondition_failed");
    let fate = Fate {
        ledger: "failed `upstream_error`".to_owned(),
        calls: "send 412, 412, 412, 412, 412".to_owned(),
        arrived: 0,
    };
    rows.push(Row::new("always: ".to_owned() + &conflict, action, EVER, fate, Took::Within(30)));
    // The reference is suspect: send, create, send.
    for (fixture, times, took) in [
        ("conversation_not_found", 1, Took::AtOnce),
        ("member_not_found", 1, Took::AtOnce),
        ("conversation_not_found", 2, Took::After(30)),
    ] {
        let (words, action) = refusal(fixture);
        let calls = ["send 404", "create 201", "send 404", "create 201", "send 201"];
        let calls = if times == 1 { calls[2..].join(", ") } else { calls.join(", ") };
        let fate = Fate { ledger: "delivered".to_owned(), calls, arrived: 1 };
        rows.push(Row::new(words, action, times, fate, took));
    }
    rows
}

/// To whom no conversation is known. Repeatable: nothing is ambiguous, and nothing is in anybody's chat twice.
pub(super) fn creates() -> Vec<Row> {
    let op = "create";
    let mut rows = passing(op);
    rows.extend(refused(op));
    rows.extend(lost().into_iter().map(|(words, action, _)| {
        let answer = action.get("status").map_or_else(|| "no answer".to_owned(), Value::to_string);
        Row::new(words, action, 1, delivered(op, &[&answer], 1), Took::Within(2))
    }));
    // Once more where no conversation was named, then it is the message's turn.
    rows.extend(accepted().into_iter().filter(|(_, _, known)| !known).map(|(words, action, _)| {
        let answer = action.get("status").map_or_else(|| "201".to_owned(), Value::to_string);
        Row::new(words, action, 1, delivered(op, &[&answer], 1), Took::Within(2))
    }));
    let held = json!({"hold": "before"});
    rows.push(Row::new(
        "no answer in time; not taken",
        held,
        1,
        delivered(op, &["no answer"], 1),
        Took::TimeOut(2),
    ));
    for fixture in ["conversation_not_found", "member_not_found"] {
        let (words, action) = refusal(fixture);
        let fate = ends("failed `recipient_not_found`", op, "404", 0);
        rows.push(Row::new(words, action, EVER, fate, Took::AtOnce));
    }
    rows
}

/// `gateway_errors = "retry"` follows Microsoft's page, which may post twice; what was cut off stays ambiguous.
pub(super) fn sends_that_follow_the_page() -> Vec<Row> {
    lost()
        .into_iter()
        .map(|(words, action, arrived)| {
            let answer = action.get("status").map_or_else(|| "no answer".to_owned(), Value::to_string);
            if matches!(answer.as_str(), "500" | "502" | "504") {
                let fate = delivered("send", &[&answer], arrived + 1);
                Row::new(words, action, 1, fate, Took::Within(2))
            } else {
                let fate = ends("ambiguous", "send", &answer, arrived);
                Row::new(words, action, EVER, fate, Took::AtOnce)
            }
        })
        .collect()
}

/// A new thread in a channel.
pub(super) fn threads() -> Vec<Row> {
    let op = "new_thread";
    let mut rows = passing(op);
    rows.extend(refused(op));
    rows.extend(unknown(op));
    rows
}

/// With `on_ambiguous: resend`, the default of channels.
pub(super) fn resends() -> Vec<Row> {
    let op = "new_thread";
    let gateway = refusal("gateway_timeout");
    let fate =
        |ledger: &str, arrived| Fate { ledger: ledger.to_owned(), calls: format!("{op} 504, 504"), arrived };
    vec![
        Row::new(
            gateway.0.clone() + "; taken",
            taken(gateway.1.clone()),
            1,
            delivered(op, &["504"], 2),
            Took::Within(2),
        ),
        Row::new(
            gateway.0.clone() + "; not taken",
            gateway.1.clone(),
            1,
            delivered(op, &["504"], 1),
            Took::Within(2),
        ),
        Row::new(
            "always: ".to_owned() + &gateway.0 + "; taken",
            taken(gateway.1),
            EVER,
            fate("ambiguous", 2),
            Took::Within(2),
        ),
    ]
}
