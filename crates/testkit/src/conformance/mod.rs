//! What every ledger must do. A case is an async function over a [`Fixture`]; [`conformance!`] makes a test of each.
//! After every step of every case the ledger of every message must add up ([`Table::check`]).

mod audience;
mod closing;
mod directory;
mod lists;
mod outcomes;
pub mod random;
mod reach;
mod reached;
mod recover;
mod settling;
mod views;

use std::time::Duration;

use async_trait::async_trait;
use nuncio_domain::batch::{Attempt, Change, Intent, MessageChange, ReachChange, Row};
use nuncio_domain::directory::Include;
use nuncio_domain::lists::{Deleted, NewList, Unresolved, UploadedList};
use nuncio_domain::message::{Body, ControlRequest, Controlled, Named, Submitted, WhenUnreachable};
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::{Reference, SeenPerson};
use nuncio_domain::ports::Ledger;
use nuncio_domain::views::{DeliveryFilter, MessageFilter, MessageView};
use nuncio_domain::{
    AudienceId, Batch, Class, Committed, Content, Control, Counts, DeliveryState, Key, MessageId, NewMessage,
    ReachEvidence, ReachState, RecipientKind, Role, Scope, Time,
};

pub use audience::*;
pub use closing::*;
pub use directory::*;
pub use lists::*;
pub use outcomes::*;
pub use reach::*;
pub use reached::*;
pub use recover::*;
pub use settling::*;
pub use views::*;

/// A ledger, and what a test must be able to put in and look at beside it.
#[async_trait]
pub trait Fixture: Send + Sync {
    fn ledger(&self) -> &dyn Ledger;
    /// The lane of an app in a tenant, made if it is new.
    async fn lane(&self, app: &str, tenant: &str) -> i64;
    /// Learns from an activity of this lane, and tells whose number it was.
    async fn hear(&self, lane_no: i64, seen: SeenPerson, service_url: &str, at: Time) -> i64;
    /// Has a person of this lane say `stop`, or `start`.
    async fn opt_out(&self, lane_no: i64, person: &str, out: bool, at: Time);
    /// Stores an uploaded list, and tells its number.
    async fn upload(&self, list: NewList) -> i64;
    async fn list(&self, scope: &Scope, id: AudienceId) -> Option<UploadedList>;
    async fn unresolved(&self, list_no: i64) -> Vec<Unresolved>;
    async fn delete_list(&self, scope: &Scope, id: AudienceId) -> Deleted;
    /// Best first.
    async fn references(&self, recipient_no: i64) -> Vec<Reference>;
    async fn reach(&self, recipient_no: i64) -> (ReachState, Option<Time>, Option<String>);
    async fn history(&self, recipient_no: i64) -> Vec<(Time, ReachState)>;
    /// The counts of a message as its rows have them; pending ones of a closed message as what it made of them.
    async fn count_rows(&self, message_no: i64) -> Counts;
}

/// Makes a test of each case. The expression makes a future of a [`Fixture`], anew for each test.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!($make;
            named_twice_is_counted_not_sent_twice, sources_overlap_without_doubling, installed_means_as_of_now,
            replies_share_the_thread_of_their_channel, exclusions_are_marked, who_opted_out_is_marked, idempotency_same_other_and_expired,
            too_large_waits_for_a_word, empty_audiences_end_at_once, scheduled_ones_stay_scheduled,
            a_delivery_goes_its_way, lost_intents_and_changes_are_told, finals_stay_final,
            several_changes_of_one_delivery_in_a_batch, retries_come_back_soonest_first, retries_of_channels_are_read_by_themselves,
            calls_that_make_no_message_leave_it_pending, reasons_are_counted,
            completing_holds_only_when_nothing_is_left, controls_are_left_for_the_owner,
            cancel_settles_counts_at_once_and_rows_later, in_flight_ones_of_a_cancelled_message_record_their_end,
            a_retry_of_a_closed_message_is_closed, expiry_closes_and_completes, closing_during_expansion_ends_it,
            a_dead_owners_calls_are_held, a_dead_owners_calls_are_resent_once, a_dead_owners_calls_of_closed_messages,
            references_are_ranked, suspects_come_back, reach_is_kept_with_its_history,
            a_call_does_not_wipe_what_an_activity_told, what_was_overtaken_changes_nothing, other_apps_see_nothing, lists_have_cursors,
            deliveries_can_be_filtered, attempts_are_kept, lane_causes_are_shown,
            words_wait_in_a_mailbox, a_resend_opens_the_message_again, nothing_of_a_closed_message_is_resent,
            pages_of_the_directory_become_an_audience, a_page_is_taken_once, the_directory_never_wipes_what_is_known,
            a_message_is_for_whom_it_includes, a_closed_message_takes_no_page, parts_of_the_directory_overlap_without_doubling,
            who_is_in_a_group_is_left_out, exclusions_of_groups_hold_for_a_retry,
            uploaded_lists_are_expanded_however_new_they_are, names_of_a_list_are_looked_up_in_order,
            a_name_that_nobody_has_stays_in_the_ledger, lists_are_of_their_own_lane_and_scope,
            a_list_is_deleted_when_no_message_needs_it,
            lanes_are_held_and_go_on, a_look_begins_behind_what_is_known, retries_take_what_was_not_delivered,
            retries_read_what_closing_made_of_the_rest, retries_are_of_their_own_lane,
            deliveries_wait_for_their_recipients, threads_wait_for_their_channel, who_is_reached_just_before_is_not_forgotten);
    };
    ($make:expr; $($case:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            let fixture = $make.await;
            $crate::conformance::$case(&fixture).await;
        })+
    };
}

/// Whoever may see everything.
pub const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };
/// Large enough for all that cases list.
const ALL: i64 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// A fixture with a lane, and the words that cases are written in.
pub(crate) struct Table<'f> {
    pub(crate) fixture: &'f dyn Fixture,
    pub(crate) lane_no: i64,
}

impl<'f> Table<'f> {
    pub(crate) async fn lay(fixture: &'f dyn Fixture) -> Self {
        let lane_no = fixture.lane("app", "tenant").await;
        Self { fixture, lane_no }
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        self.fixture.ledger()
    }

    /// A person with a personal conversation.
    pub(crate) async fn person(&self, name: &str, at: i64) -> i64 {
        let seen = SeenPerson {
            object_id: name.to_owned(),
            conversation_id: Some(format!("a:{name}")),
            reach: Some((ReachState::Reachable, ReachEvidence::event("installed"))),
            ..SeenPerson::default()
        };
        self.fixture.hear(self.lane_no, seen, "https://smba/teams/", Time(at)).await
    }

    pub(crate) fn message(&self, number: u128, named: &[&str]) -> NewMessage {
        NewMessage {
            id: id(number),
            lane_no: self.lane_no,
            class: Class::Normal,
            content: Content { body: Body::Text(format!("text {number}")), summary: None },
            label: None,
            named: named.iter().map(|key| person(key)).collect(),
            installed: false,
            lists: Vec::new(),
            directory: Vec::new(),
            resolved: Vec::new(),
            include: Include::default(),
            retries: None,
            exclude: Vec::new(),
            purpose: nuncio_domain::own_words::Purpose::Asked,
            install: nuncio_domain::InstallPolicy::Never,
            exclude_groups: Vec::new(),
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            max_recipients: 1_000,
            send_at: None,
            expires_at: Time(i64::MAX / 2),
            created_at: Time(1_000),
            idempotency: None,
        }
    }

    /// Stores it and returns its number.
    pub(crate) async fn submit(&self, new: NewMessage) -> i64 {
        let id = new.id;
        assert_eq!(self.ledger().submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
        self.check().await;
        self.view(id).await.message_no
    }

    /// Stores it and expands it to its end.
    pub(crate) async fn send(&self, new: NewMessage) -> i64 {
        let message_no = self.submit(new).await;
        while !self.ledger().expand(message_no, 2, Time(2_000)).await.unwrap().done {
            self.check().await;
        }
        self.check().await;
        message_no
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Committed {
        let committed = self.ledger().commit(batch.into()).await.unwrap();
        self.check().await;
        committed
    }

    /// Commits what must not be lost.
    pub(crate) async fn settle(&self, batch: Batch) {
        assert_eq!(self.commit(batch).await, Committed::default());
    }

    pub(crate) async fn start(&self, rows: &[Row], at: i64) {
        self.settle(Batch { intents: rows.iter().map(|row| intent(row.key, at)).collect(), ..batch(at) })
            .await;
    }

    pub(crate) async fn message_change(&self, change: MessageChange, at: i64) -> Committed {
        self.commit(Batch { messages: vec![change], ..batch(at) }).await
    }

    pub(crate) async fn page(&self, message_no: i64) -> Vec<Row> {
        self.ledger().page(message_no, 0, ALL).await.unwrap()
    }

    pub(crate) async fn view(&self, id: MessageId) -> MessageView {
        self.ledger().message(&OPERATOR, id).await.unwrap().expect("the message is there")
    }

    pub(crate) async fn counts(&self, number: u128) -> Counts {
        self.view(id(number)).await.counts
    }

    pub(crate) async fn control(&self, number: u128, control: Control) -> Controlled {
        let request = ControlRequest { scope: &OPERATOR, id: id(number), control };
        self.ledger().control(request, Time(5_000)).await.unwrap()
    }

    /// The states of all deliveries, in order.
    pub(crate) async fn states(&self, number: u128) -> Vec<DeliveryState> {
        let all = DeliveryFilter::default();
        let page = self.ledger().deliveries(&OPERATOR, id(number), &all, None, ALL).await.unwrap();
        page.expect("the message is there").items.iter().map(|view| view.state).collect()
    }

    /// Every ledger adds up: the counts are what the rows are, and the reasons are those of the counts.
    pub(crate) async fn check(&self) {
        let all = MessageFilter::default();
        for view in self.ledger().messages(&OPERATOR, &all, None, ALL).await.unwrap().items {
            assert_eq!(view.counts, self.fixture.count_rows(view.message_no).await, "{}", view.id);
            assert!(view.failed_by_reason.values().sum::<i64>() <= view.counts.failed);
            assert!(view.skipped_by_reason.values().sum::<i64>() <= view.counts.skipped);
        }
    }
}

pub(crate) fn id(number: u128) -> MessageId {
    // The number of a UUID, by way of its text: there is no dependency on uuid here.
    let digits = b"0123456789abcdefghjkmnpqrstvwxyz";
    let text: String =
        (0..26).rev().map(|place| char::from(digits[((number >> (5 * place)) & 31) as usize])).collect();
    format!("msg_{text}").parse().expect("26 digits of base 32")
}

pub(crate) fn person(key: &str) -> Named {
    Named { kind: RecipientKind::Person, key: key.to_owned() }
}

pub(crate) fn batch(at: i64) -> Batch {
    Batch { at: Time(at), ..Batch::default() }
}

pub(crate) fn intent(key: Key, at: i64) -> Intent {
    Intent { key, reference_no: None, at: Time(at) }
}

pub(crate) fn change(key: Key, from: DeliveryState, to: DeliveryState, at: i64) -> Change {
    Change {
        key,
        from,
        to,
        why: None,
        attempt: None,
        activity_id: None,
        due_at: None,
        tries: 0,
        resent: false,
        at: Time(at),
    }
}

pub(crate) fn attempt(outcome: &'static str, at: i64) -> Attempt {
    Attempt {
        call: Operation::Send,
        started_at: Time(at - 10),
        ended_at: Time(at),
        outcome,
        status: Some(201),
        code: None,
        text: None,
        correlation: Some(format!("c{at}")),
    }
}

pub(crate) fn changes(all: Vec<Change>, at: i64) -> Batch {
    Batch { changes: all, ..batch(at) }
}

pub(crate) fn reach(recipient_no: i64, state: ReachState, at: i64) -> Batch {
    let change =
        ReachChange { recipient_no, state, evidence: ReachEvidence::event(format!("at {at}")), at: Time(at) };
    Batch { reach: vec![change], ..batch(at) }
}
