//! What no single install can help: a role that nobody has granted, an app that is not in the catalogue, Graph that does
//! not answer (`docs/adr/0027`). It holds up installs alone, and what Graph is asked by surveys has its own. One call at a
//! time finds out whether it is over, and a message of which nothing else can be sent says what it waits for.

use std::time::Duration;

use crate::batch::Key;
use crate::install::{InstallAnswer, InstallOutcome, cause};
use crate::lane::core::LaneCore;
use crate::lane::messages::{Open, Phase};
use crate::message::MessageState;
use crate::outcome::Operation;
use crate::own_words::Purpose;
use crate::time::Time;

/// The longest wait between two calls that find out whether it is over, unless Microsoft names a longer one.
const MOST: Duration = Duration::from_mins(5);
/// So many failures in a row are not those of single people.
const FAILING: u32 = 10;
/// After a 429 that names no time.
const COOL: Duration = Duration::from_secs(1);

/// What is wrong with all installs of a lane, or with all that its surveys ask.
#[derive(Debug, Default)]
pub(super) struct InstallTrouble {
    /// In words, with what to do.
    text: Option<String>,
    /// How often in a row it was found out that it is not over.
    probes: u32,
    again_at: Time,
    /// Failures in a row.
    failing: u32,
    /// Graph asked to be left alone until then.
    cool_until: Time,
}

impl InstallTrouble {
    pub(super) fn is_on(&self) -> bool {
        self.text.is_some()
    }

    /// `None` if a call may start; else until when not, `Some(None)` while one finds out.
    #[expect(clippy::option_option, reason = "blocked, and whether time alone ends it, are two questions")]
    pub(super) fn blocks(&self, now: Time, under_way: usize) -> Option<Option<Time>> {
        if self.cool_until > now {
            return Some(Some(self.cool_until));
        }
        self.text.as_ref()?;
        if under_way > 0 {
            Some(None)
        } else if self.again_at > now {
            Some(Some(self.again_at))
        } else {
            None
        }
    }

    /// No call is to start before this.
    pub(super) fn cool(&mut self, until: Time) {
        self.cool_until = self.cool_until.max(until);
    }

    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.again_at = self.again_at.moved(by_us);
        self.cool_until = self.cool_until.moved(by_us);
    }
}

impl Open {
    /// Whether it sends by its state, although installs may be all that is left of it.
    fn is_sending(&self) -> bool {
        self.phase == Phase::Sending && matches!(self.state, MessageState::Sending | MessageState::Waiting)
    }
}

impl LaneCore {
    /// Looks at an answer for what it says of all installs.
    pub(super) fn watch_installs(&mut self, now: Time, operation: Operation, answer: &InstallAnswer) {
        let asks = operation == Operation::AskInstalled;
        let purpose = if asks { Purpose::Survey } else { Purpose::Install };
        let trouble = &mut self.installs.of_mut(purpose).trouble;
        let failed = matches!(answer.outcome, InstallOutcome::Unavailable { .. });
        let (text, retry_after) = match &answer.outcome {
            InstallOutcome::Throttled { retry_after } => {
                trouble.cool(now + retry_after.unwrap_or(COOL));
                return;
            }
            // The conversation can be had without Graph.
            _ if operation == Operation::FindChat => return,
            InstallOutcome::Waits { retry_after } => (answer.text.clone().unwrap_or_default(), *retry_after),
            InstallOutcome::Unavailable { retry_after } if trouble.failing + 1 >= FAILING => {
                let why = answer.text.as_deref().unwrap_or("no answer");
                let what = if asks { "does not say who has the app" } else { "does not install the app" };
                let text = format!("Microsoft Graph {what}, call after call: {why}");
                (text, *retry_after)
            }
            InstallOutcome::Unavailable { .. } => {
                trouble.failing += 1;
                return;
            }
            _ => {
                *trouble = InstallTrouble { cool_until: trouble.cool_until, ..InstallTrouble::default() };
                return;
            }
        };
        if failed {
            trouble.failing += 1;
        }
        // Answers of calls that were under way together are one sign, not many.
        if trouble.text.is_none() || trouble.again_at <= now {
            trouble.probes = trouble.probes.saturating_add(1);
            let cap = Duration::from_secs(1_u64 << trouble.probes.min(9)).min(MOST);
            let wait = cap / 2 + self.dice.up_to(cap / 2);
            trouble.again_at = now + retry_after.map_or(wait, |told| told.max(wait));
        }
        trouble.text = Some(text);
    }

    /// Writes down for which messages installing is all that they wait for, and for which it is not any more.
    pub(super) fn tell_installs(&mut self) {
        let [installing, asking] = [Purpose::Install, Purpose::Survey].map(|purpose| {
            self.installs.of(purpose).trouble.text.as_deref().map(|text| cause(purpose, text))
        });
        let mut concerned = self.installs.told.clone();
        if installing.is_some() || asking.is_some() {
            concerned.extend(self.installs.messages());
        }
        for message_no in concerned {
            let Some(open) = self.messages.get(&message_no).filter(|open| open.is_sending()) else {
                self.installs.told.remove(&message_no);
                continue;
            };
            let told = open.to_install.told.as_ref().filter(|_| open.state == MessageState::Waiting);
            let waits =
                if told.is_some() { open.queue.is_empty() } else { self.only_installs(message_no, open) };
            let trouble = if open.purpose == Purpose::Survey { &asking } else { &installing };
            let wanted = trouble.as_ref().filter(|_| waits);
            if wanted != told {
                self.tell_install(message_no, wanted.cloned());
            }
        }
    }

    fn tell_install(&mut self, message_no: i64, told: Option<String>) {
        let state = if told.is_some() { MessageState::Waiting } else { MessageState::Sending };
        self.set_state(message_no, state, told.as_deref());
        if told.is_some() {
            self.installs.told.insert(message_no);
        } else {
            self.installs.told.remove(&message_no);
        }
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.to_install.told = told;
        }
    }

    /// Whether all that is left of a message waits to be installed.
    fn only_installs(&self, message_no: i64, open: &Open) -> bool {
        let installs = open.to_install.len() + self.installs.under_way_of(message_no);
        let all = Key { message_no, recipient_no: i64::MIN }..=Key { message_no, recipient_no: i64::MAX };
        installs > 0
            && open.queue.is_empty()
            && open.was_read_to_its_end()
            && self.known.range(all).take(installs + 1).count() == installs
    }
}
