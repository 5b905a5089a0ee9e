//! Who can be reached, how it is known, what was known before, and what changed.

use std::time::Duration;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::directory::DirectoryPerson;
use nuncio_domain::message::Submitted;
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::{Learned, PeopleFilter, Person, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::reach::{ChangeFilter, Position, Share, said_by_directory};
use nuncio_domain::{Batch, How, ReachEvidence, ReachState, RecipientKind, Scope, Time};
use nuncio_testkit::conformance::OPERATOR;
use nuncio_testkit::wait_until;

use crate::conform::{Database, Table, both};
use crate::files::message;

both!(
    each_is_listed_with_how_it_is_known,
    what_contradicts_stands_beside,
    what_came_late_is_no_contradiction,
    the_directory_counts_until_something_newer_is_seen,
    an_audience_is_listed_once_each,
    changes_come_in_order_and_none_twice,
    a_recipient_of_an_id_and_its_history_stay_within_scope,
    long_lists_are_looked_through_in_parts,
);

/// A lane in a database of its own.
struct Ground<D> {
    table: Table<D>,
    lane_no: i64,
    events: u64,
}

impl<D: Database> Ground<D> {
    async fn lay() -> Self {
        let table = Table::<D>::make().await;
        let lane_no = table.store().lane("app", "tenant").await.unwrap().lane_no;
        Self { table, lane_no, events: 0 }
    }

    fn store(&self) -> &D::Store {
        self.table.store()
    }

    /// An activity of a person.
    async fn hears(&mut self, key: &str, state: ReachState, evidence: ReachEvidence, at: i64) {
        self.hears_sent(key, (state, evidence), None, at).await;
    }

    /// The same, sent at a time of Microsoft's clock.
    async fn hears_sent(
        &mut self,
        key: &str,
        told: (ReachState, ReachEvidence),
        sent_at: Option<i64>,
        at: i64,
    ) {
        self.events += 1;
        let learned = Learned {
            app: "app".to_owned(),
            tenant: "tenant".to_owned(),
            at: Time(at),
            event: ("a:1".to_owned(), self.events.to_string()),
            people: vec![SeenPerson {
                object_id: key.to_owned(),
                reach: Some(told),
                sent_at: sent_at.map(Time),
                ..SeenPerson::default()
            }],
            ..Learned::default()
        };
        self.store().learn(learned).await.unwrap();
    }

    async fn installs(&mut self, key: &str, at: i64) {
        self.hears(key, ReachState::Reachable, ReachEvidence::event("the app was installed"), at).await;
    }

    async fn removes(&mut self, key: &str, at: i64) {
        self.hears(key, ReachState::Removed, ReachEvidence::event("the app was removed"), at).await;
    }

    async fn writes(&mut self, key: &str, at: i64) {
        self.hears(key, ReachState::Reachable, ReachEvidence::person("they wrote to the app"), at).await;
    }

    /// A call for somebody who is known comes to this.
    async fn calls(&self, key: &str, state: ReachState, status: u16, code: Option<&str>, at: i64) {
        let recipient_no = self.person(key).await.recipient_no;
        let evidence = ReachEvidence::answer(state, Operation::Send, Some(status), code);
        let reach = vec![ReachChange { recipient_no, state, evidence, at: Time(at) }];
        self.store().commit(Batch { at: Time(at), reach, ..Batch::default() }.into()).await.unwrap();
    }

    /// The directory is asked about people, for a message to them.
    async fn directory(&mut self, people: Vec<DirectoryPerson>, at: i64) {
        self.events += 1;
        let mut new = message(self.lane_no, u128::from(self.events) << 32);
        new.named.clear();
        for person in &people {
            let key = person.object_id.clone();
            new.named.push(nuncio_domain::message::Named { kind: RecipientKind::Person, key });
        }
        new.resolved = people;
        new.created_at = Time(at);
        assert_eq!(self.store().submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
    }

    async fn listed(&self, filter: PeopleFilter) -> Vec<Person> {
        self.store().people(&OPERATOR, &filter, None, 100).await.unwrap().items
    }

    async fn person(&self, key: &str) -> Person {
        let found = self.store().person(&OPERATOR, key, &PeopleFilter::default()).await.unwrap();
        assert_eq!(found.len(), 1, "{key}: {found:?}");
        found.into_iter().next().unwrap()
    }

    /// So many changes are shown. A server shows them when whatever began to write before them has ended, in any of its
    /// databases.
    async fn shows(&self, filter: &ChangeFilter, after: Option<Position>, count: usize) {
        let shown = async || {
            let page = self.store().reach_changes(&OPERATOR, filter, after, 1_000).await.unwrap();
            page.items.len() == count
        };
        assert!(wait_until(shown, Duration::from_mins(1)).await, "not {count} of {filter:?}");
    }

    /// State, how, and whether it contradicts, oldest first.
    async fn history(&self, key: &str) -> Vec<(i64, ReachState, How, bool)> {
        let recipient_no = self.person(key).await.recipient_no;
        let mut past = self.store().reach_history(&OPERATOR, recipient_no).await.unwrap();
        past.reverse();
        past.into_iter()
            .map(|past| (past.known.at.0, past.state, past.known.evidence.how, past.contradicts))
            .collect()
    }
}

fn keys(people: &[Person]) -> Vec<&str> {
    people.iter().map(|person| person.key.as_str()).collect()
}

fn said(key: &str) -> DirectoryPerson {
    DirectoryPerson {
        object_id: key.to_owned(),
        guest: Some(false),
        external: Some(false),
        enabled: Some(true),
        licensed: Some(true),
        ..DirectoryPerson::default()
    }
}

/// One of each kind: ann installed, bob removed it, cid refused, dan wrote, eve took a call, and of fay, gus and hal
/// the directory knows something.
async fn everybody<D: Database>() -> Ground<D> {
    let mut lane = Ground::<D>::lay().await;
    for key in ["ann", "bob", "cid"] {
        lane.installs(key, 10).await;
    }
    lane.removes("bob", 20).await;
    lane.calls("cid", ReachState::Blocked, 403, Some("ConversationBlockedByUser"), 30).await;
    lane.writes("dan", 40).await;
    let all = ["eve", "fay", "gus", "hal"].map(said);
    lane.directory(all.to_vec(), 50).await;
    lane.calls("eve", ReachState::Reachable, 201, None, 60).await;
    let [_, mut fay, mut gus, mut hal] = all;
    (fay.enabled, gus.licensed, hal.external) = (Some(false), Some(false), Some(true));
    lane.directory(vec![fay, gus, hal], 70).await;
    lane
}

async fn each_is_listed_with_how_it_is_known<D: Database>() {
    let lane = everybody::<D>().await;
    let people = lane.listed(PeopleFilter::default()).await;
    let short: Vec<(&str, ReachState, Option<How>, Option<i64>)> = people
        .iter()
        .map(|person| {
            let how = person.known().map(|known| known.evidence.how);
            (person.key.as_str(), person.state(), how, person.since.map(|since| since.0))
        })
        .collect();
    assert_eq!(
        short,
        [
            ("ann", ReachState::Reachable, Some(How::Event), Some(10)),
            ("bob", ReachState::Removed, Some(How::Event), Some(20)),
            ("cid", ReachState::Blocked, Some(How::Refusal), Some(30)),
            ("dan", ReachState::Reachable, Some(How::Person), Some(40)),
            ("eve", ReachState::Reachable, Some(How::Call), Some(60)),
            ("fay", ReachState::AccountDisabled, Some(How::Graph), Some(70)),
            ("gus", ReachState::Unlicensed, Some(How::Graph), Some(70)),
            ("hal", ReachState::External, Some(How::Graph), Some(70)),
        ]
    );
    let cid = &people[2].evidence.clone().unwrap();
    assert_eq!((cid.status, cid.code.as_deref()), (Some(403), Some("ConversationBlockedByUser")));

    // What the statements choose is what the rows say.
    for state in ReachState::ALL {
        let filter = PeopleFilter { reach: Some(*state), ..PeopleFilter::default() };
        let expected: Vec<&str> =
            people.iter().filter(|one| one.state() == *state).map(|one| one.key.as_str()).collect();
        assert_eq!(keys(&lane.listed(filter).await), expected, "{state}");
    }
    for how in How::ALL {
        let filter = PeopleFilter { how: Some(*how), ..PeopleFilter::default() };
        let is = |one: &&Person| one.known().is_some_and(|known| known.evidence.how == *how);
        let expected: Vec<&str> = people.iter().filter(is).map(|one| one.key.as_str()).collect();
        assert_eq!(keys(&lane.listed(filter).await), expected, "{how}");
    }
    for since in [0, 10, 11, 30, 31, 60, 70, 71] {
        let filter = PeopleFilter { since: Some(Time(since)), ..PeopleFilter::default() };
        let expected: Vec<&str> =
            people.iter().filter(|one| one.since >= Some(Time(since))).map(|one| one.key.as_str()).collect();
        assert_eq!(keys(&lane.listed(filter).await), expected, "{since}");
    }
    let shares = lane.store().reachability(&OPERATOR, &PeopleFilter::default()).await.unwrap();
    let share = |state, how, count| Share { state, how: Some(how), count };
    assert_eq!(
        shares,
        [
            share(ReachState::Reachable, How::Event, 1),
            share(ReachState::Reachable, How::Person, 1),
            share(ReachState::Reachable, How::Call, 1),
            share(ReachState::Blocked, How::Refusal, 1),
            share(ReachState::Removed, How::Event, 1),
            share(ReachState::Unlicensed, How::Graph, 1),
            share(ReachState::AccountDisabled, How::Graph, 1),
            share(ReachState::External, How::Graph, 1),
        ]
    );
}

async fn what_contradicts_stands_beside<D: Database>() {
    let mut lane = Ground::<D>::lay().await;
    lane.installs("ann", 10).await;
    lane.removes("ann", 20).await;
    assert_eq!(lane.person("ann").await.contradicted_by, None);
    lane.calls("ann", ReachState::Reachable, 201, None, 30).await;
    lane.calls("ann", ReachState::Reachable, 201, None, 35).await;
    let ann = lane.person("ann").await;
    assert_eq!((ann.state(), ann.since), (ReachState::Removed, Some(Time(20))));
    let beside = ann.contradicted_by.unwrap();
    assert_eq!((beside.at.0, beside.evidence.how, beside.evidence.status), (30, How::Call, Some(201)));
    // Heard again, the removal is what is newest, and it began when it began.
    lane.removes("ann", 40).await;
    let ann = lane.person("ann").await;
    assert_eq!((ann.since, ann.reach_at), (Some(Time(20)), Some(Time(40))));
    assert_eq!(ann.contradicted_by, None);
    lane.writes("ann", 50).await;
    assert_eq!(lane.person("ann").await.state(), ReachState::Reachable);
    assert_eq!(
        lane.history("ann").await,
        [
            (10, ReachState::Reachable, How::Event, false),
            (20, ReachState::Removed, How::Event, false),
            (30, ReachState::Reachable, How::Call, true),
            (50, ReachState::Reachable, How::Person, false),
        ]
    );
}

async fn what_came_late_is_no_contradiction<D: Database>() {
    let mut ground = Ground::<D>::lay().await;
    let installed = || (ReachState::Reachable, ReachEvidence::event("the app was installed"));
    let removed = || (ReachState::Removed, ReachEvidence::event("the app was removed"));
    ground.hears_sent("ann", removed(), Some(2_000), 10).await;
    ground.hears_sent("ann", installed(), Some(1_000), 20).await;
    let ann = ground.person("ann").await;
    assert_eq!(
        (ann.state(), ann.since, ann.contradicted_by.clone()),
        (ReachState::Removed, Some(Time(10)), None)
    );
    // A call that is taken afterwards is one.
    ground.calls("ann", ReachState::Reachable, 201, None, 30).await;
    ground.hears_sent("ann", installed(), Some(1_500), 40).await;
    let ann = ground.person("ann").await;
    assert_eq!(ann.contradicted_by.as_ref().map(|known| known.at), Some(Time(30)));
    let history = ground.store().reach_history(&OPERATOR, ann.recipient_no).await.unwrap();
    let history: Vec<_> =
        history.iter().map(|past| (past.known.at.0, past.contradicts, past.sent_at)).collect();
    assert_eq!(
        history,
        [(40, true, Some(Time(1_500))), (30, true, None), (20, true, Some(Time(1_000))), (10, false, None)]
    );
    // Nobody is told of a change that was none.
    ground.shows(&ChangeFilter::default(), None, 1).await;
}

async fn the_directory_counts_until_something_newer_is_seen<D: Database>() {
    let mut lane = Ground::<D>::lay().await;
    lane.installs("ann", 10).await;
    let disabled = DirectoryPerson { enabled: Some(false), ..said("ann") };
    lane.directory(vec![disabled.clone(), disabled.clone()], 20).await;
    lane.directory(vec![disabled.clone()], 30).await;
    let ann = lane.person("ann").await;
    assert_eq!((ann.state(), ann.since), (ReachState::AccountDisabled, Some(Time(20))));
    assert_eq!((ann.reach, ann.known().unwrap().at), (ReachState::Reachable, Time(30)));
    // A call that is taken all the same changes nothing, and is not forgotten.
    lane.calls("ann", ReachState::Reachable, 201, None, 40).await;
    let ann = lane.person("ann").await;
    assert_eq!(ann.state(), ReachState::AccountDisabled);
    assert_eq!(ann.contradicted_by.unwrap().evidence.how, How::Call);
    // A word of theirs does, and the directory's next one does again.
    lane.writes("ann", 50).await;
    assert_eq!(lane.person("ann").await.state(), ReachState::Reachable);
    lane.directory(vec![disabled], 60).await;
    assert_eq!(lane.person("ann").await.state(), ReachState::AccountDisabled);
    lane.directory(vec![said("ann")], 70).await;
    lane.directory(vec![said("ann")], 80).await;
    let ann = lane.person("ann").await;
    assert_eq!((ann.state(), ann.reach_at), (ReachState::Reachable, Some(Time(50))));
    assert_eq!(
        lane.history("ann").await,
        [
            (10, ReachState::Reachable, How::Event, false),
            (20, ReachState::AccountDisabled, How::Graph, false),
            (40, ReachState::Reachable, How::Call, true),
            (50, ReachState::Reachable, How::Person, false),
            (60, ReachState::AccountDisabled, How::Graph, false),
            (70, ReachState::Reachable, How::Graph, false),
        ]
    );
    let recipient_no = ann.recipient_no;
    for past in lane.store().reach_history(&OPERATOR, recipient_no).await.unwrap() {
        if past.known.evidence.how == How::Graph {
            assert_eq!(past.known.evidence.text, said_by_directory(past.state));
        }
    }
    // What only the directory knows of somebody is a change too.
    let guest = DirectoryPerson { guest: Some(true), licensed: Some(false), ..said("bob") };
    lane.directory(vec![guest, DirectoryPerson { licensed: Some(false), ..said("cid") }], 90).await;
    assert_eq!(lane.person("bob").await.state(), ReachState::Unknown);
    assert_eq!(lane.history("bob").await, []);
    assert_eq!(lane.history("cid").await, [(90, ReachState::Unlicensed, How::Graph, false)]);
}

async fn an_audience_is_listed_once_each<D: Database>() {
    let lane = everybody::<D>().await;
    let new = message(lane.lane_no, 7);
    let id = new.id;
    let named = ["hal", "bob", "ann", "bob", "new"];
    let named =
        named.map(|key| nuncio_domain::message::Named { kind: RecipientKind::Person, key: key.into() });
    let new = nuncio_domain::NewMessage { named: named.to_vec(), ..new };
    assert_eq!(lane.store().submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
    let message_no = lane.store().message(&OPERATOR, id).await.unwrap().unwrap().message_no;
    lane.store().expand(message_no, 100, Time(100)).await.unwrap();
    let of = PeopleFilter { message_no: Some(message_no), ..PeopleFilter::default() };
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = lane.store().people(&OPERATOR, &of, after, 1).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut named = keys(&all);
    named.sort_unstable();
    assert_eq!(named, ["ann", "bob", "hal", "new"]);
    let removed = PeopleFilter { reach: Some(ReachState::Removed), ..of.clone() };
    assert_eq!(keys(&lane.listed(removed).await), ["bob"]);
    let shares = lane.store().reachability(&OPERATOR, &of).await.unwrap();
    assert_eq!(shares.iter().map(|share| share.count).sum::<i64>(), 4);
    assert_eq!(shares[0], Share { state: ReachState::Unknown, how: None, count: 1 });
    // Of another app nothing is there.
    let stranger = Scope { app: Some("other".to_owned()), ..OPERATOR };
    assert_eq!(lane.store().people(&stranger, &of, None, 9).await.unwrap().items, []);
    assert_eq!(lane.store().reachability(&stranger, &of).await.unwrap(), []);
}

async fn changes_come_in_order_and_none_twice<D: Database>() {
    let mut lane = everybody::<D>().await;
    let all = ChangeFilter::default();
    lane.shows(&all, None, 10).await;
    let store = lane.store();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.reach_changes(&OPERATOR, &all, after, 2).await.unwrap();
        seen.extend(page.items);
        after = Some(page.reached);
        if !page.more {
            break;
        }
    }
    let short: Vec<(&str, Option<ReachState>, ReachState)> =
        seen.iter().map(|one| (one.key.as_str(), one.was, one.state)).collect();
    assert_eq!(
        short[..6],
        [
            ("ann", None, ReachState::Reachable),
            ("bob", None, ReachState::Reachable),
            ("cid", None, ReachState::Reachable),
            ("bob", Some(ReachState::Reachable), ReachState::Removed),
            ("cid", Some(ReachState::Reachable), ReachState::Blocked),
            ("dan", None, ReachState::Reachable),
        ]
    );
    assert_eq!(short.len(), 10, "{short:?}");
    assert!(seen.is_sorted_by_key(|one| one.position), "{seen:?}");
    // The end is a place to come back to.
    let end = after.unwrap();
    let nothing = store.reach_changes(&OPERATOR, &all, Some(end), 9).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.reached, nothing.more), (0, end, false));
    lane.removes("dan", 80).await;
    // A 2xx beside it is no change.
    lane.calls("dan", ReachState::Reachable, 201, None, 90).await;
    lane.shows(&all, Some(end), 1).await;
    let store = lane.store();
    let later = store.reach_changes(&OPERATOR, &all, Some(end), 9).await.unwrap();
    assert_eq!((later.items[0].was, later.items[0].known.at), (Some(ReachState::Reachable), Time(80)));

    for (filter, count) in [
        (ChangeFilter { since: Some(Time(30)), ..all.clone() }, 7),
        (ChangeFilter { since: Some(Time(1_000_000_000_000)), ..all.clone() }, 0),
        (ChangeFilter { state: Some(ReachState::Removed), ..all.clone() }, 2),
        (ChangeFilter { how: Some(How::Graph), ..all.clone() }, 3),
        (ChangeFilter { kind: Some(RecipientKind::Chat), ..all.clone() }, 0),
        (ChangeFilter { app: Some("other".to_owned()), ..all.clone() }, 0),
    ] {
        let page = store.reach_changes(&OPERATOR, &filter, None, 100).await.unwrap();
        assert_eq!((page.items.len(), page.more), (count, false), "{filter:?}: {page:?}");
        assert!(page.reached > end, "what is left out is passed too");
    }
    let stranger = Scope { app: Some("other".to_owned()), ..OPERATOR };
    assert_eq!(store.reach_changes(&stranger, &all, None, 100).await.unwrap().items, []);
    let empty = Ground::<D>::lay().await;
    let none = empty.store().reach_changes(&OPERATOR, &all, None, 100).await.unwrap();
    assert_eq!((none.items.len(), none.reached, none.more), (0, Position::default(), false));
}

async fn a_recipient_of_an_id_and_its_history_stay_within_scope<D: Database>() {
    let lane = everybody::<D>().await;
    let store = lane.store();
    let elsewhere = Learned {
        app: "other".to_owned(),
        tenant: "tenant".to_owned(),
        at: Time(5),
        people: vec![SeenPerson { object_id: "ann".to_owned(), ..SeenPerson::default() }],
        ..Learned::default()
    };
    store.learn(elsewhere).await.unwrap();
    let all = PeopleFilter::default();
    assert_eq!(store.person(&OPERATOR, "ann", &all).await.unwrap().len(), 2);
    let own = PeopleFilter { app: Some("app".to_owned()), ..all.clone() };
    assert_eq!(store.person(&OPERATOR, "ann", &own).await.unwrap().len(), 1);
    assert_eq!(store.person(&OPERATOR, "nobody", &all).await.unwrap(), []);
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    let found = store.person(&other, "ann", &all).await.unwrap();
    assert_eq!((found.len(), found[0].app.as_str()), (1, "other"));
    let recipient_no = store.person(&OPERATOR, "ann", &own).await.unwrap()[0].recipient_no;
    assert_eq!(store.reach_history(&OPERATOR, recipient_no).await.unwrap().len(), 1);
    assert_eq!(store.reach_history(&other, recipient_no).await.unwrap(), []);
}

async fn long_lists_are_looked_through_in_parts<D: Database>() {
    let mut lane = Ground::<D>::lay().await;
    let people = (0..12_000)
        .map(|n| nuncio_domain::message::Named { kind: RecipientKind::Person, key: format!("person {n}") });
    let new = nuncio_domain::NewMessage { named: people.collect(), ..message(lane.lane_no, 7) };
    assert_eq!(lane.store().submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
    lane.installs("person 11999", 10).await;
    let filter = PeopleFilter { reach: Some(ReachState::Reachable), ..PeopleFilter::default() };
    let (mut found, mut after, mut looks) = (Vec::new(), None, 0);
    loop {
        let page = lane.store().people(&OPERATOR, &filter, after, 10).await.unwrap();
        found.extend(page.items);
        (after, looks) = (page.next, looks + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((keys(&found), looks), (vec!["person 11999"], 3));
    let shares = lane.store().reachability(&OPERATOR, &PeopleFilter::default()).await.unwrap();
    assert_eq!(
        shares,
        [
            Share { state: ReachState::Unknown, how: None, count: 11_999 },
            Share { state: ReachState::Reachable, how: Some(How::Event), count: 1 },
        ]
    );
}
