//! What a server says by itself, out of an event and in the transaction that stores it: welcomes, and answers to people
//! who write (`docs/delivery.md`, Installing and welcoming; `docs/adr/0015`).

use std::time::Duration;

use crate::ids::MessageId;
use crate::message::{Content, Named};
use crate::words;

words! {
    /// Why there is a message.
    pub enum Purpose {
        /// A caller asked for it.
        Asked = "asked",
        Welcome = "welcome",
        /// Answers a person's own word, so that it goes to them although they opted out.
        Reply = "reply",
        /// Says nothing: its deliveries are installs of the app (`docs/adr/0027`).
        Install = "install",
        /// Says nothing: its deliveries are questions to Graph whether people have the app.
        Survey = "survey",
    }
}

impl Purpose {
    /// Whether it is listed as a message: it says something.
    pub const fn speaks(self) -> bool {
        !matches!(self, Self::Install | Self::Survey)
    }

    /// Whether a caller asked for it.
    pub const fn is_asked(self) -> bool {
        matches!(self, Self::Asked | Self::Install | Self::Survey)
    }
}

/// How long a welcome waits for others with the same words, which then are one message.
pub const GATHER_WELCOMES: Duration = Duration::from_secs(2);
/// The same for answers; somebody is looking at the screen.
pub const GATHER_REPLIES: Duration = Duration::from_millis(500);
/// More installs of a lane than these within [`WAVE_SPAN`] are a wave: welcomes wait until it has passed.
pub const WAVE: i64 = 100;
pub const WAVE_SPAN: Duration = Duration::from_mins(1);
/// No message gathers longer than this.
pub const LONGEST_WAVE: Duration = Duration::from_mins(10);
/// Who removed the app and has it again is welcomed again after this, counted from the removal.
pub const WELCOME_AGAIN: Duration = Duration::from_hours(24);
/// Nobody gets the line for other words more often.
pub const ANSWER_AGAIN: Duration = Duration::from_hours(1);
/// What `messages.cause` says of welcomes that wait.
pub const INSTALL_WAVE: &str = "install_wave";

/// What an event may make the server say. Whether it does is decided where the event is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Say {
    /// Of the message, should one be made.
    pub id: MessageId,
    pub to: Named,
    pub occasion: Occasion,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Occasion {
    Install(Welcome),
    /// The person `to` wrote in their personal conversation.
    Word(Word, Lines),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Welcome {
    /// What is welcomed once: the person's object id, or the team's id.
    pub place: String,
    pub content: Content,
    /// Said behind a text if the name of who installed the app is known; `{name}` stands for it.
    pub installed_by: Option<InstalledBy>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledBy {
    /// Entra object id.
    pub person: String,
    pub sentence: String,
}

words! {
    /// What a person's word means to us.
    pub enum Word {
        Stop = "stop",
        Start = "start",
        Other = "other",
    }
}

/// The answers to words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    pub stop: String,
    pub start: String,
    /// None is given without.
    pub other: Option<String>,
}

impl Lines {
    pub fn of(&self, word: Word) -> Option<&str> {
        match word {
            Word::Stop => Some(&self.stop),
            Word::Start => Some(&self.start),
            Word::Other => self.other.as_deref(),
        }
    }
}
