//! How events are brought: in which order, twice, late. What Microsoft promises about it is nothing (protocol
//! sections 4.0 and 13.15).

use serde::{Deserialize, Serialize};

/// Of events that belong together, such as the two of an install; of a whole job only when shuffled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// As they came about; the two of an install in either order, different from person to person.
    #[default]
    Mixed,
    /// The membership first, then the install.
    Straight,
    Reversed,
    Shuffled,
}

/// What comes again although the bot answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Twice {
    #[default]
    Never,
    /// The same activity under the same id, at once.
    SameId,
    /// With a new id and time, `event_second_after_s` later, as one trace shows it (bb-net#5005).
    NewId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Manner {
    pub(crate) order: Order,
    pub(crate) twice: Twice,
    /// Seconds from when it happened until it is sent
    pub(crate) late_s: f64,
}

impl Manner {
    pub(crate) fn check(&self) -> Result<(), String> {
        if (0.0..=86_400.0).contains(&self.late_s) {
            Ok(())
        } else {
            Err("late_s must be between 0 and 86400".into())
        }
    }
}
