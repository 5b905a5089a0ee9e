//! What bots were told lately and what they answered: for the page, and for whoever looks for the reason of something.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::clock::{Micros, rfc3339};

const KEPT: usize = 500;
/// Bytes of an activity or an answer that are kept.
const BEGINNING: usize = 16 * 1024;

/// One post to a bot's endpoint.
pub(crate) struct Post<'a> {
    pub(crate) app_id: &'a str,
    pub(crate) activity: &'a Value,
    /// The activity as it was sent
    pub(crate) body: &'a str,
    /// 1 for the first
    pub(crate) attempt: u8,
    /// `None`: no connection, or no answer in time.
    pub(crate) status: Option<u16>,
    pub(crate) answer: &'a str,
    /// Why there is no answer, or half of one
    pub(crate) problem: Option<&'a str>,
    pub(crate) took_ms: i64,
}

struct Entry {
    n: u64,
    at: Micros,
    app_id: Box<str>,
    /// The type of the activity with what distinguishes it: `invoke adaptiveCard/action`, `installationUpdate add`.
    event: Box<str>,
    /// Entra object id
    person: Option<Box<str>>,
    conversation: Option<Box<str>>,
    attempt: u8,
    status: Option<u16>,
    problem: Option<Box<str>>,
    took_ms: i64,
    activity: Box<str>,
    answer: Box<str>,
}

#[derive(Default)]
pub(crate) struct Told {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Told {
    pub(crate) fn push(&mut self, now: Micros, post: &Post<'_>) {
        self.last += 1;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        let activity = post.activity;
        let text = |value: &Value| value.as_str().map(Box::from);
        let detail = ["name", "action"].iter().find_map(|field| activity[*field].as_str());
        let kind = activity["type"].as_str().unwrap_or_default();
        self.entries.push_back(Entry {
            n: self.last,
            at: now,
            app_id: post.app_id.into(),
            event: detail.map_or_else(|| kind.into(), |detail| format!("{kind} {detail}").into()),
            person: text(&activity["from"]["aadObjectId"]),
            conversation: text(&activity["conversation"]["id"]),
            attempt: post.attempt,
            status: post.status,
            problem: post.problem.map(Into::into),
            took_ms: post.took_ms,
            activity: beginning(post.body),
            answer: beginning(post.answer),
        });
    }

    /// The last `limit` of those after `n`, oldest first, which concern this person or conversation (all without either).
    pub(crate) fn after(&self, n: u64, limit: usize, about: &[&str]) -> Vec<Value> {
        // What is said in a thread of a channel is said in the channel.
        let concerns = |entry: &&Entry| {
            let ids = [&entry.person, &entry.conversation].into_iter().flatten();
            let with_bases = ids.flat_map(|id| [&**id, id.split(";messageid=").next().unwrap_or_default()]);
            about.is_empty() || with_bases.into_iter().any(|id| about.contains(&id))
        };
        let mut found: Vec<Value> = self
            .entries
            .iter()
            .rev()
            .take_while(|entry| entry.n > n)
            .filter(concerns)
            .take(limit)
            .map(Entry::show)
            .collect();
        found.reverse();
        found
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}

impl Entry {
    fn show(&self) -> Value {
        // The beginning of a text that is no JSON any more is shown as a text.
        let parsed =
            |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        json!({
            "n": self.n, "at": rfc3339(self.at), "app_id": self.app_id, "event": self.event, "person": self.person,
            "conversation": self.conversation, "attempt": self.attempt, "status": self.status,
            "problem": self.problem, "took_ms": self.took_ms,
            "activity": parsed(&self.activity),
            "answer": if self.answer.is_empty() { Value::Null } else { parsed(&self.answer) },
        })
    }
}

fn beginning(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(BEGINNING)].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post<'a>(activity: &'a Value, answer: &'a str) -> Post<'a> {
        let (status, problem) = (Some(200), None);
        Post { app_id: "app", activity, body: "{}", attempt: 1, status, answer, problem, took_ms: 3 }
    }

    fn push(told: &mut Told, person: &str) {
        let activity = json!({
            "type": "invoke", "name": "adaptiveCard/action", "from": {"aadObjectId": person}, "conversation": {"id": "a:1"},
        });
        told.push(1_795_356_312_044_000, &post(&activity, "{\"a\":1}"));
    }

    #[test]
    fn keeps_the_last_ones_and_finds_those_of_a_person() {
        let mut told = Told::default();
        push(&mut told, "ines");
        for _ in 0..KEPT - 1 {
            push(&mut told, "jonas");
        }
        assert_eq!(told.after(0, 10, &["ines"]).len(), 1);
        assert_eq!(told.after(0, 10, &["a:1"]).len(), 10);
        let last = told.after(told.last() - 1, 10, &[]);
        assert_eq!((last.len(), &last[0]["n"]), (1, &json!(KEPT)));
        assert_eq!(
            (&last[0]["event"], &last[0]["answer"]["a"]),
            (&json!("invoke adaptiveCard/action"), &json!(1))
        );
        push(&mut told, "jonas");
        assert!(told.after(0, 10, &["ines"]).is_empty());
    }

    #[test]
    fn a_thread_of_a_channel_is_part_of_it() {
        let mut told = Told::default();
        let activity = json!({"conversation": {"id": "19:x@thread.tacv2;messageid=7"}});
        told.push(0, &post(&activity, ""));
        for (id, found) in [("19:x@thread.tacv2", 1), ("19:x@thread.tacv2;messageid=7", 1), ("19:x", 0)] {
            assert_eq!(told.after(0, 10, &[id]).len(), found, "{id}");
        }
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        let mut told = Told::default();
        let answer = "é".repeat(BEGINNING);
        told.push(0, &post(&json!({}), &answer));
        let shown = told.after(0, 1, &[]);
        assert_eq!(shown[0]["answer"].as_str().unwrap().len(), BEGINNING);
    }
}
