//! When messages are expanded and read.

use super::*;
use crate::batch::Committed;
use crate::directory::Include;
use crate::ids::MessageId;
use crate::lane::core::LEAST_ROWS;
use crate::lane::{Input, LaneConfig};
use crate::message::{Body, Content, Control, Opened};

fn at(ms: i64) -> Time {
    Time(ms * 1_000)
}

fn gathering(until: i64, control: Option<Control>) -> OpenMessage {
    OpenMessage {
        message_no: 1,
        id: MessageId(uuid::Uuid::nil()),
        class: Class::Bulk,
        state: MessageState::Scheduled,
        control,
        content: Content { body: Body::Text("welcome".to_owned()), summary: None },
        install: crate::InstallPolicy::Never,
        purpose: Purpose::Welcome,
        gathers: true,
        on_ambiguous: None,
        when_unreachable: WhenUnreachable::Fail,
        cause: None,
        audience_final: false,
        include: Include::default(),
        created_at: at(0),
        send_at: Some(at(until)),
        expires_at: at(3_600_000),
        retries: false,
    }
}

fn looks(messages: Vec<OpenMessage>) -> Input {
    Input::Opened(Opened { messages, ..Opened::default() })
}

/// Whether a step asks for the audience.
fn expands(core: &mut LaneCore, now: i64, input: Input) -> bool {
    let mut actions = core.step(at(now), input);
    let mut next = 0;
    while let Some(action) = actions.get(next) {
        if let Action::Commit { ticket, .. } = action {
            let committed = Input::Committed { ticket: *ticket, committed: Committed::default() };
            actions.extend(core.step(at(now), committed));
        }
        next += 1;
    }
    actions.iter().any(|action| matches!(action, Action::Expand { .. }))
}

#[test]
fn an_audience_that_grows_is_read_when_its_time_has_come() {
    let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
    assert!(!expands(&mut core, 0, looks(vec![gathering(2_000, None)])));
    assert_eq!(core.wake_at(), Some(at(2_000)));
    // A wave has put it off.
    assert!(!expands(&mut core, 1_000, looks(vec![gathering(60_000, None)])));
    assert!(!expands(&mut core, 2_000, Input::Tick));
    assert!(expands(&mut core, 60_000, Input::Tick));
    // Once begun it stays begun.
    assert!(!expands(&mut core, 60_001, looks(vec![gathering(90_000, None)])));
}

#[test]
fn it_can_be_cancelled_and_held_like_any_other() {
    let config = || LaneConfig::new(1, Some(50.0), 1);
    let mut core = LaneCore::new(config(), at(0));
    expands(&mut core, 0, looks(vec![gathering(2_000, Some(Control::Cancel))]));
    assert!(!expands(&mut core, 3_000, Input::Tick));
    let mut core = LaneCore::new(config(), at(0));
    expands(&mut core, 0, looks(vec![gathering(2_000, Some(Control::Pause))]));
    assert!(!expands(&mut core, 3_000, Input::Tick));
    assert!(expands(&mut core, 4_000, looks(vec![gathering(2_000, Some(Control::Resume))])));
}

#[test]
fn a_lane_reads_less_where_others_hold_much() {
    let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
    let message = OpenMessage { gathers: false, audience_final: true, send_at: None, ..gathering(0, None) };
    let limit = |actions: Vec<Action>| {
        actions.iter().find_map(|action| match action {
            Action::LoadPage { limit, .. } => Some(*limit),
            _ => None,
        })
    };
    core.hold_at_most(300);
    assert_eq!(limit(core.step(at(0), looks(vec![message.clone()]))), Some(150));
    let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
    core.hold_at_most(0);
    assert_eq!(limit(core.step(at(0), looks(vec![message]))), Some(LEAST_ROWS as i64 / 2));
}
