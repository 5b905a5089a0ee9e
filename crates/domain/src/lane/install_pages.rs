//! Reading who of a message needs the app (`docs/adr/0027`). A message holds so many of them in memory; others are left in the
//! store and read again later, so that people who have the app are read past them. And they are looked for beyond those who
//! wait to be sent: who is known already comes before who is not, and Graph would have nothing to do until they are sent.

use std::collections::VecDeque;

use crate::batch::Row;
use crate::delivery::DeliveryState;
use crate::install::{self, InstallPolicy};
use crate::lane::core::{Action, Item, LaneCore};
use crate::lane::messages::{Open, Reading};
use crate::message::OpenMessage;
use crate::own_words::Purpose;
use crate::skip::without_a_call;
use crate::time::Time;

/// A message that also speaks holds so many installs in memory; others stay in the store, so that people who have the
/// app are read past them.
const HELD: usize = 600;
/// More are read when so few are left.
const LOW: usize = HELD / 2;

/// What of one message waits to be installed.
#[derive(Debug, Default)]
pub(super) struct ToInstall {
    pub(super) queue: VecDeque<Item>,
    pub(super) in_turn: bool,
    /// The first that was read and left in the store.
    pub(super) left: Option<i64>,
    /// How far they were looked for beyond those that the message itself has read.
    looked: i64,
    /// They are being read; how far the message itself was read.
    reads: Option<Reading>,
    /// What its cause says.
    pub(super) told: Option<String>,
}

impl ToInstall {
    /// As an owner before this one left it.
    pub(super) fn of(message: &OpenMessage) -> Self {
        let cause = message.cause.as_deref().filter(|cause| install::read_cause(cause).is_some());
        Self { told: cause.map(str::to_owned), ..Self::default() }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn reads(&self) -> bool {
        self.reads.is_some()
    }

    pub(super) fn has_read_all(&self) -> bool {
        self.left.is_none() && self.reads.is_none()
    }

    fn leave(&mut self, recipient_no: i64) {
        self.left = Some(self.left.map_or(recipient_no, |left| left.min(recipient_no)));
    }

    /// All of the message is read from its beginning.
    pub(super) fn forget_place(&mut self) {
        self.left = None;
        self.looked = 0;
        self.reads = None;
    }
}

impl Open {
    /// Whether nothing of it is left to be read but what waits to be installed.
    pub(super) fn was_read_to_its_end(&self) -> bool {
        self.to_install.reads.unwrap_or(self.reading) == Reading::Ended
    }

    /// Whether this delivery is installed before, or instead of, anything else.
    pub(super) fn installs(&self, row: &Row) -> bool {
        !self.purpose.speaks() || self.policy.install.wants(row)
    }
}

impl LaneCore {
    /// Sees to a row that was read, if it need not be installed any more or has to wait in the store; whether it did.
    pub(super) fn takes_install(&mut self, now: Time, row: &Row) -> bool {
        let Some(open) = self.messages.get_mut(&row.key.message_no) else { return false };
        if open.purpose == Purpose::Install {
            let there = install::has_it(row);
            if there {
                // It is known: no call is made.
                self.end_uncalled(now, row, DeliveryState::Delivered, None);
            }
            return there;
        }
        let leave = open.to_install.len() >= HELD && open.installs(row);
        if leave {
            open.to_install.leave(row.key.recipient_no);
        }
        leave
    }

    /// A page that was read for those in it who need the app.
    pub(super) fn take_installs(&mut self, now: Time, message_no: i64, rows: Vec<Row>) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let Some(before) = open.to_install.reads.take() else { return };
        open.reading = before;
        if open.closed_to().is_some() {
            return;
        }
        let policy = open.policy;
        let read = if before == Reading::Ended { i64::MAX } else { open.cursor };
        let whole = (rows.len() as i64) < open.limit;
        let end = if whole { i64::MAX } else { rows.last().map_or(i64::MAX, |row| row.key.recipient_no) };
        // Between the end of the page and how far they were looked for, others may have been left.
        if end < read.max(open.to_install.looked) {
            open.to_install.leave(end + 1);
        }
        open.to_install.looked = open.to_install.looked.max(end);
        for row in rows {
            // Anybody else beyond is read when it is their turn.
            if row.key.recipient_no <= read || self.needs_install(now, &row) {
                self.take_row(now, row, policy);
            }
        }
    }

    fn needs_install(&self, now: Time, row: &Row) -> bool {
        let open = self.messages.get(&row.key.message_no);
        open.is_some_and(|open| open.installs(row) && without_a_call(row, open.policy, now).is_none())
    }

    /// Gives a message its turn among the installs, and reads more of those who need it when few are left: first who was
    /// left in the store, then beyond those that wait to be sent, or Graph would have nothing to do while they are.
    pub(super) fn tend_installs(&mut self, now: Time, message_no: i64, limit: i64) {
        self.take_install_turn(message_no);
        let held = self.known.len() + self.tending.loading;
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let enough = open.to_install.len() > LOW || open.queue.len() as i64 >= 2 * limit;
        if open.reading == Reading::Loading || enough || held >= self.most_rows {
            return;
        }
        let looks = open.reading == Reading::Ready
            && open.again_at <= now
            && open.policy.install != InstallPolicy::Never
            && open.purpose.speaks()
            && open.to_install.looked < i64::MAX
            && self.tending.hungry.is_empty()
            && held + open.reserves(limit) <= self.most_rows;
        let after = match open.to_install.left.take() {
            Some(left) => left - 1,
            None if looks => open.cursor.max(open.to_install.looked),
            None => return,
        };
        open.to_install.reads = Some(open.reading);
        open.reading = Reading::Loading;
        open.limit = limit;
        self.tending.loading += open.reserves(limit);
        self.tending.pages.ask(message_no);
        self.actions.push(Action::LoadPage { message_no, after, limit });
    }
}
