//! A delivery in memory, and on its way.

use std::sync::Arc;

use crate::batch::Row;
use crate::lane::core::CallOrder;
use crate::lane::installs::Step;
use crate::outcome::Operation;
use crate::time::Time;

/// What the last call of a delivery met, where that is asked for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    Other,
    /// 429, so that its end would be `throttled_out`.
    Throttled,
    /// Nobody at the other end.
    Nobody,
}

/// Whether the references of a delivery were read once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    Not,
    /// For another one, since the bot is not in the roster of the first.
    Another,
    /// For the best as it is now, since the service URL of the first could not be reached.
    Anew,
}

/// A delivery in memory with what is remembered of it beyond its row.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Shared with the call while there is one. It moves from place to place all the time, so only a pointer does.
    pub(super) row: Arc<Row>,
    /// How often its conversation was not found.
    pub(super) gone: u32,
    pub(super) fetched: Fetched,
    pub(super) met: Met,
    pub(super) install: Step,
    /// It was tried before and holds later ones of its thread and class (channels and chats).
    pub(super) holds: bool,
}

impl Item {
    pub(super) fn new(row: Row) -> Self {
        let holds = row.due_at.is_some();
        Self {
            row: Arc::new(row),
            gone: 0,
            fetched: Fetched::Not,
            met: Met::Other,
            install: Step::Open,
            holds,
        }
    }

    /// The row to be changed. No call has it any more then.
    pub(super) fn row_mut(&mut self) -> &mut Row {
        Arc::make_mut(&mut self.row)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The intent is being committed.
    Intending,
    /// The intent or the call came too late for its slot; it takes the next one.
    Late,
    Calling,
}

#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) item: Item,
    pub(super) operation: Operation,
    pub(super) stage: Stage,
    pub(super) slot: Time,
    pub(super) missed: bool,
}

impl Flight {
    pub(super) fn order(&self) -> CallOrder {
        CallOrder {
            operation: self.operation,
            at: self.slot,
            row: Arc::clone(&self.item.row),
            may_miss: !self.missed,
        }
    }
}
