//! What a control means to a message, whatever database it is in.

use nuncio_domain::ports::StoreError;
use nuncio_domain::{Control, MessageState};

use crate::words::{AnyRow, get, word, word_or_null};

/// What a message waits for when its audience is larger than it may be.
pub(crate) const CONFIRM: &str = "confirm";

/// `Err` with the state in which this control means nothing.
pub(crate) fn may(row: &impl AnyRow, control: Control) -> Result<Result<(), MessageState>, StoreError> {
    let state = word(row, "state", MessageState::of_word)?;
    let closing = get::<Option<&str>>(row, "closed_to")?.is_some();
    if closing && !state.is_final() {
        // Expired; only calls in flight keep it from being completed.
        return Ok(Err(MessageState::Completed));
    }
    let confirming = state == MessageState::Waiting && get::<Option<&str>>(row, "cause")? == Some(CONFIRM);
    let left = word_or_null(row, "control", Control::of_word)?;
    Ok(if makes_sense(control, state, left, confirming) { Ok(()) } else { Err(state) })
}

/// `left` is what was said before and is not obeyed yet: the last word counts, save that a cancel is never taken back.
fn makes_sense(control: Control, state: MessageState, left: Option<Control>, confirming: bool) -> bool {
    if state.is_final() || (left == Some(Control::Cancel) && control != Control::Cancel) {
        return false;
    }
    match control {
        Control::Cancel => true,
        // It waits already, and resuming must not stand in for confirming.
        Control::Pause => !confirming,
        Control::Resume => state == MessageState::Paused || left == Some(Control::Pause),
        Control::Confirm => confirming,
    }
}
