//! Audiences that the directory knows (`docs/adr/0023`): an expansion that wants a page waits for it here, and not in the
//! way of other expansions. What passes by itself is waited for in silence; what somebody has to put right is said as the
//! cause of the message, and asked again meanwhile.

use std::time::Duration;

use crate::directory::{DirectoryError, Wanted};
use crate::lane::core::{Action, LaneCore};
use crate::lane::messages::Phase;
use crate::message::MessageState;
use crate::time::Time;

/// The longest wait between two questions, unless Microsoft names a longer one.
const MOST: Duration = Duration::from_mins(5);

/// What a message knows of its page.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    /// The page is being asked for.
    asked: bool,
    /// Failures in a row.
    failures: u32,
    /// When to ask again.
    again_at: Option<Time>,
    /// What was last said of it.
    cause: Option<String>,
}

impl Fetching {
    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.again_at = self.again_at.map(|at| at.moved(by_us));
    }

    /// Until when it is not asked again.
    pub(super) fn due(&self, now: Time) -> Option<Time> {
        self.again_at.filter(|at| *at > now)
    }

    /// Whether it is to be asked again now; only once.
    pub(super) fn again(&mut self) -> bool {
        self.again_at.take().is_some()
    }
}

impl LaneCore {
    pub(super) fn fetch_page(&mut self, message_no: i64, wanted: Wanted) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        open.fetching.again_at = None;
        // One that was paused and goes on may ask twice.
        if !std::mem::replace(&mut open.fetching.asked, true) {
            self.actions.push(Action::Fetch { message_no, wanted });
        }
    }

    pub(super) fn fetched(&mut self, now: Time, message_no: i64, fetched: Result<(), DirectoryError>) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        self.tending.touched.insert(message_no);
        open.fetching.asked = false;
        let error = match fetched {
            Ok(()) => {
                open.fetching.failures = 0;
                open.fetching.cause = None;
                match open.phase {
                    // It goes on once that is durable.
                    Phase::Expanding if open.state == MessageState::Waiting => {
                        self.set_state(message_no, MessageState::Expanding, None);
                    }
                    Phase::Expanding => self.expand(message_no),
                    _ => {}
                }
                return;
            }
            Err(error) => error,
        };
        open.fetching.failures = open.fetching.failures.saturating_add(1);
        let cap = Duration::from_secs(1_u64 << open.fetching.failures.min(9)).min(MOST);
        let wait = cap / 2 + self.dice.up_to(cap / 2);
        open.fetching.again_at = Some(now + error.retry_after().map_or(wait, |told| told.max(wait)));
        if open.phase == Phase::Expanding && !error.passes() {
            let cause = Some(error.cause());
            if open.fetching.cause != cause || open.state != MessageState::Waiting {
                open.fetching.cause.clone_from(&cause);
                self.set_state(message_no, MessageState::Waiting, cause.as_deref());
            }
        }
    }

    /// That a message is expanding is durable: what the expansion makes of it will not be overwritten.
    pub(super) fn expands_again(&mut self, message_no: i64) {
        if self.messages.get(&message_no).is_some_and(|open| open.phase == Phase::Expanding) {
            self.expand(message_no);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Committed, MessageChange};
    use crate::directory::{DirectorySource, Include};
    use crate::ids::MessageId;
    use crate::lane::{Input, LaneConfig};
    use crate::message::{Body, Class, Content, Control, Expanded, OpenMessage, Opened, WhenUnreachable};
    use crate::own_words::Purpose;

    const SECOND: i64 = 1_000_000;

    fn message(state: MessageState, control: Option<Control>) -> Input {
        let message = OpenMessage {
            message_no: 1,
            id: MessageId(uuid::Uuid::nil()),
            class: Class::Normal,
            state,
            control,
            content: Content { body: Body::Text("hello".to_owned()), summary: None },
            purpose: Purpose::Asked,
            gathers: false,
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            cause: None,
            audience_final: false,
            include: Include::default(),
            send_at: None,
            expires_at: Time(3_600 * SECOND),
            created_at: Time::ZERO,
            retries: false,
        };
        Input::Opened(Opened { messages: vec![message], ..Opened::default() })
    }

    fn wants() -> Input {
        let wanted = Wanted { source_no: 0, from: DirectorySource::Everyone, cursor: None };
        Input::Expanded { message_no: 1, expanded: Expanded { wants: Some(wanted), ..Expanded::default() } }
    }

    fn refused() -> Input {
        let error = DirectoryError::NotPermitted { role: "User.Read.All".to_owned() };
        Input::Fetched { message_no: 1, fetched: Err(error) }
    }

    /// A core, with what it does told apart: what it expands, what it asks for, which states it sets.
    struct Told(LaneCore);

    impl Told {
        fn new(state: MessageState) -> (Self, Vec<String>) {
            let mut told = Self(LaneCore::new(LaneConfig::new(1, Some(50.0), 1), Time::ZERO));
            let first = told.step(0, message(state, None));
            (told, first)
        }

        fn step(&mut self, at: i64, input: Input) -> Vec<String> {
            let mut said = Vec::new();
            let mut actions = self.0.step(Time(at), input);
            while !actions.is_empty() {
                for action in std::mem::take(&mut actions) {
                    match action {
                        Action::Expand { .. } => said.push("expand".to_owned()),
                        Action::Fetch { .. } => said.push("fetch".to_owned()),
                        Action::Commit { ticket, batch } => {
                            for change in batch.messages {
                                match change {
                                    MessageChange::State { state, cause, .. } => {
                                        said.push(format!(
                                            "{state}{}",
                                            cause.map_or("", |_| " with a cause")
                                        ));
                                    }
                                    change => said.push(format!("{change:?}").chars().take(5).collect()),
                                }
                            }
                            let committed = Committed::default();
                            actions.extend(self.0.step(Time(at), Input::Committed { ticket, committed }));
                        }
                        _ => {}
                    }
                }
            }
            said
        }

        /// Lets time pass until something is said.
        fn wait(&mut self, from: i64) -> (i64, Vec<String>) {
            let mut at = from;
            loop {
                at = self.0.wake_at().map_or(at + SECOND, |wake| wake.0.max(at + 1));
                assert!(at < from + 400 * SECOND, "nothing happens");
                let said = self.step(at, Input::Tick);
                if !said.is_empty() {
                    return (at, said);
                }
            }
        }
    }

    #[test]
    fn a_page_is_asked_for_and_the_expansion_goes_on() {
        let (mut core, first) = Told::new(MessageState::Expanding);
        assert_eq!(first, ["expand"]);
        assert_eq!(core.step(1, wants()), ["fetch"]);
        assert_eq!(core.step(2, Input::Fetched { message_no: 1, fetched: Ok(()) }), ["expand"]);
        assert_eq!(core.step(3, wants()), ["fetch"]);
    }

    #[test]
    fn a_refusal_is_the_cause_until_it_is_put_right() {
        let (mut core, _) = Told::new(MessageState::Expanding);
        core.step(1, wants());
        assert_eq!(core.step(2, refused()), ["waiting with a cause"]);
        let (mut at, mut waits) = (2, Vec::new());
        for _ in 0..12 {
            let (later, said) = core.wait(at);
            assert_eq!(said, ["expand"]);
            waits.push((later - at) / SECOND);
            assert_eq!(core.step(later, wants()), ["fetch"]);
            // Said once.
            assert!(core.step(later, refused()).is_empty());
            at = later;
        }
        assert!(waits[0] <= 2 && *waits.last().unwrap() >= 150, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 300), "{waits:?}");
        let (later, _) = core.wait(at);
        core.step(later, wants());
        let done = core.step(later, Input::Fetched { message_no: 1, fetched: Ok(()) });
        assert_eq!(done, ["expanding", "expand"]);
    }

    #[test]
    fn what_passes_is_waited_for_in_silence() {
        let (mut core, _) = Told::new(MessageState::Expanding);
        core.step(1, wants());
        let retry_after = Some(Duration::from_secs(90));
        let throttled = Err(DirectoryError::Throttled { retry_after });
        assert!(core.step(2, Input::Fetched { message_no: 1, fetched: throttled }).is_empty());
        let (at, said) = core.wait(2);
        assert_eq!(said, ["expand"]);
        assert!(at >= 90 * SECOND, "{at}");
    }

    #[test]
    fn it_can_be_cancelled_held_and_expires_meanwhile() {
        for (control, says) in [(Some(Control::Cancel), "Close"), (Some(Control::Pause), "paused")] {
            let (mut core, _) = Told::new(MessageState::Expanding);
            core.step(1, wants());
            core.step(2, refused());
            let said = core.step(3, message(MessageState::Waiting, control));
            assert_eq!(said.first().map(String::as_str), Some(says));
            // Nothing more is asked for.
            let still = core.step(300 * SECOND, Input::Tick);
            assert!(!still.iter().any(|said| said == "expand"), "{still:?}");
        }
        let (mut core, _) = Told::new(MessageState::Expanding);
        core.step(1, wants());
        core.step(2, refused());
        let said = core.step(3_601 * SECOND, Input::Tick);
        assert_eq!(said.first().map(String::as_str), Some("Close"));
    }

    #[test]
    fn a_new_owner_goes_on_with_what_waits() {
        let (mut core, first) = Told::new(MessageState::Waiting);
        assert_eq!(first, ["expand"]);
        assert_eq!(core.step(1, wants()), ["fetch"]);
        let done = core.step(2, Input::Fetched { message_no: 1, fetched: Ok(()) });
        assert_eq!(done, ["expanding", "expand"]);
    }

    #[test]
    fn going_on_after_a_pause_asks_once() {
        let (mut core, _) = Told::new(MessageState::Expanding);
        assert_eq!(core.step(1, wants()), ["fetch"]);
        assert_eq!(core.step(2, message(MessageState::Expanding, Some(Control::Pause))), ["paused"]);
        let resumed = core.step(3, message(MessageState::Paused, Some(Control::Resume)));
        assert_eq!(resumed, ["expanding", "expand"]);
        // The first page is still on its way.
        assert!(core.step(4, wants()).is_empty());
        assert_eq!(core.step(5, Input::Fetched { message_no: 1, fetched: Ok(()) }), ["expand"]);
    }
}
