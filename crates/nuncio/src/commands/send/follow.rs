//! Following a message: progress, the question at `max_recipients`, and why it is not going on.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nuncio_api::Message;
use nuncio_client::{Client, ClientError, MessageControl};

use crate::commands::{Failure, asked, output, pause};

/// How often the server is asked: often at first, since most messages are short.
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(1);
const OFTEN_FOR: Duration = Duration::from_secs(15);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Without `--wait`: how long it may take until it is known how many recipients there are.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
/// A server that is restarted in the meantime is waited for this long.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is done, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) struct Words {
    /// How the question begins whether to go on.
    asks: &'static str,
    /// What the state `sending` is called.
    doing: &'static str,
    /// What was done to nobody of what was cancelled.
    done: &'static str,
}

impl Words {
    pub(in crate::commands) const SEND: Self = Self { asks: "Send to", doing: "sending", done: "sent" };
    pub(in crate::commands) const INSTALL: Self =
        Self { asks: "Install for", doing: "installing", done: "installed" };
    pub(in crate::commands) const SURVEY: Self = Self { asks: "Ask about", doing: "asking", done: "asked" };
}

/// How the caller wants it.
pub(super) struct Policy {
    /// To its end; otherwise until it is clear that it will be sent.
    pub(super) wait: bool,
    /// Confirm without a question.
    pub(super) yes: bool,
    /// Whether there is someone to be asked.
    pub(super) asks: bool,
    pub(super) words: Words,
}

/// What following came to.
#[derive(Debug)]
pub(super) enum End {
    /// It will be sent, and nobody waits for it.
    Accepted,
    Over(Box<Message>),
    /// It waits for a confirmation that was not given.
    Unconfirmed(Box<Message>),
}

pub(super) async fn follow(client: &Client, id: &str, policy: &Policy) -> anyhow::Result<End> {
    let started = Instant::now();
    let mut answered = Instant::now();
    let mut progress = Progress::new(policy.wait);
    let mut confirmed = false;
    loop {
        let message = match client.message(id).await {
            Ok(message) => message,
            // It is accepted; that it cannot be looked at is no failure to send it.
            Err(error) if !policy.wait => {
                eprintln!("warning: the message is accepted, but cannot be looked at: {error}");
                return Ok(End::Accepted);
            }
            Err(error) if passes(&error) && answered.elapsed() < PATIENCE => {
                pause(SELDOM).await;
                continue;
            }
            Err(error) => {
                let lost = Failure::not_done(format!("{id} cannot be followed any more"))
                    .hint(format!("It goes on by itself: nuncio messages show {id}"));
                return Err(anyhow::Error::new(error).context(lost));
            }
        };
        answered = Instant::now();
        progress.show(&message, policy.words);
        if message.is_final() {
            progress.end();
            return Ok(if policy.wait { End::Over(Box::new(message)) } else { End::Accepted });
        }
        if needs_confirmation(&message) && !confirmed {
            progress.end();
            match answer(policy, &message).await? {
                Answer::Confirm => {
                    client.control(id, MessageControl::Confirm).await?;
                    confirmed = true;
                    progress = Progress::new(policy.wait);
                }
                Answer::Cancel => {
                    client.control(id, MessageControl::Cancel).await?;
                    eprintln!("{id} is cancelled; nothing was {}", policy.words.done);
                    return Ok(End::Unconfirmed(Box::new(message)));
                }
                Answer::Nobody => {
                    eprintln!(
                        "{} recipients are more than was allowed for; nothing is {} yet",
                        recipients(&message),
                        policy.words.done
                    );
                    eprintln!("  hint: let it go on with `nuncio messages confirm {id}`,");
                    eprintln!("        or drop it with `nuncio messages cancel {id}`; --yes does not ask");
                    return Ok(End::Unconfirmed(Box::new(message)));
                }
            }
        } else if !policy.wait && (is_under_way(&message) || started.elapsed() > COUNTED_WITHIN) {
            if let Some(why) = why_waiting(&message).filter(|_| !confirmed) {
                eprintln!("{id} is accepted, but waits: {why}");
            }
            return Ok(End::Accepted);
        }
        pause(if started.elapsed() < OFTEN_FOR { OFTEN } else { SELDOM }).await;
    }
}

/// A server that is being restarted, or a proxy that says so.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Problem(problem) => problem.status >= 500,
        ClientError::Unexpected { status, .. } => *status >= 500,
        ClientError::Setup(_) | ClientError::Write(_) => false,
    }
}

fn needs_confirmation(message: &Message) -> bool {
    message.state == "waiting"
        && message.cause.as_deref() == Some("confirm")
        && message.requested.as_deref() != Some("confirm")
}

/// Whether it will be sent without anybody's doing.
fn is_under_way(message: &Message) -> bool {
    message.state != "expanding"
}

/// Why it is not going on, for people.
fn why_waiting(message: &Message) -> Option<String> {
    let words = message.cause_text.as_deref().or(message.cause.as_deref())?;
    (message.state == "waiting").then(|| output::clean(words))
}

fn recipients(message: &Message) -> String {
    output::grouped(message.counts.audience)
}

enum Answer {
    Confirm,
    Cancel,
    Nobody,
}

async fn answer(policy: &Policy, message: &Message) -> anyhow::Result<Answer> {
    if policy.yes {
        return Ok(Answer::Confirm);
    }
    if !policy.asks {
        return Ok(Answer::Nobody);
    }
    let yes = asked(format!("{} {} recipients?", policy.words.asks, recipients(message))).await?;
    Ok(if yes { Answer::Confirm } else { Answer::Cancel })
}

/// On stderr: a bar on a terminal, else a line now and then. Nothing if nobody waits.
enum Progress {
    None,
    Bar(ProgressBar),
    Lines { written: Option<Instant>, state: String },
}

impl Progress {
    fn new(wait: bool) -> Self {
        if !wait {
            return Self::None;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { written: None, state: String::new() };
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len}  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    fn show(&mut self, message: &Message, words: Words) {
        let counts = message.counts;
        let settled = counts.audience - counts.pending - counts.in_flight;
        match self {
            Self::None => {}
            Self::Bar(bar) => {
                bar.set_length(counts.audience.unsigned_abs());
                bar.set_position(settled.unsigned_abs());
                bar.set_message(note(message, words));
            }
            Self::Lines { written, state } => {
                let now_state = format!("{} {:?}", message.state, message.cause);
                let due = written.is_none_or(|written| written.elapsed() >= LINE_EVERY);
                if due || *state != now_state || message.is_final() {
                    (*written, *state) = (Some(Instant::now()), now_state);
                    match counts.audience {
                        0 => eprintln!("{}", note(message, words)),
                        _ => eprintln!(
                            "{} of {}: {}",
                            output::grouped(settled),
                            recipients(message),
                            note(message, words)
                        ),
                    }
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// What is going on, in one line.
fn note(message: &Message, words: Words) -> String {
    if let Some(why) = why_waiting(message) {
        return format!("waiting: {why}");
    }
    // The lane's pace and cool-downs are those of what is sent.
    if words != Words::SEND && message.state == "sending" {
        return words.doing.to_owned();
    }
    let mut parts = vec![message.state.clone()];
    match message.state.as_str() {
        "scheduled" => parts.extend(message.send_at.as_ref().map(|at| format!("for {}", output::second(at)))),
        "sending" => {
            parts.extend(message.rate_per_s.map(|rate| format!("{rate:.0}/s")));
            parts.extend(message.eta.as_ref().map(|eta| format!("done at about {}", output::second(eta))));
        }
        _ => {}
    }
    parts.extend(
        message
            .cooling_until
            .as_ref()
            .map(|until| format!("Microsoft asks to wait until {}", output::second(until))),
    );
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::output::tests::message;

    #[test]
    fn notes() {
        let mut message = message();
        message.state = "sending".to_owned();
        message.rate_per_s = Some(49.2);
        message.eta = Some("2026-11-22T10:01:00.5Z".to_owned());
        assert_eq!(note(&message, Words::SEND), "sending, 49/s, done at about 2026-11-22T10:01:00Z");
        assert_eq!(note(&message, Words::INSTALL), "installing");
        assert_eq!(note(&message, Words::SURVEY), "asking");
        message.state = "waiting".to_owned();
        message.cause = Some("credential".to_owned());
        message.cause_text = Some("the client secret has expired: make a new one".to_owned());
        assert_eq!(note(&message, Words::SEND), "waiting: the client secret has expired: make a new one");
        message.cause_text = None;
        assert_eq!(note(&message, Words::SEND), "waiting: credential");
    }

    #[test]
    fn a_confirmation_is_asked_for_once() {
        let mut message = message();
        message.state = "waiting".to_owned();
        message.cause = Some("confirm".to_owned());
        assert!(needs_confirmation(&message));
        message.requested = Some("confirm".to_owned());
        assert!(!needs_confirmation(&message));
        message.requested = None;
        message.cause = Some("credential".to_owned());
        assert!(!needs_confirmation(&message));
    }

    #[tokio::test]
    async fn who_answers() {
        let of = |yes, asks| Policy { wait: true, yes, asks, words: Words::SEND };
        let message = message();
        assert!(matches!(answer(&of(true, true), &message).await.unwrap(), Answer::Confirm));
        assert!(matches!(answer(&of(true, false), &message).await.unwrap(), Answer::Confirm));
        assert!(matches!(answer(&of(false, false), &message).await.unwrap(), Answer::Nobody));
    }
}
