//! References and reachability.

use nuncio_domain::batch::NewReference;
use nuncio_domain::message::WhenUnreachable;
use nuncio_domain::people::{Origin, SeenPerson};
use nuncio_domain::{Batch, NewMessage, ReachEvidence, ReachState, Time};

use super::{Fixture, Table, batch, reach};

fn reference(
    table: &Table<'_>,
    recipient_no: i64,
    conversation: &str,
    origin: Origin,
    at: i64,
) -> NewReference {
    NewReference {
        lane_no: table.lane_no,
        recipient_no,
        conversation_id: conversation.to_owned(),
        service_url: format!("https://smba/{at}/"),
        origin,
        at: Time(at),
    }
}

async fn conversations(fixture: &dyn Fixture, recipient_no: i64) -> Vec<String> {
    fixture.references(recipient_no).await.into_iter().map(|reference| reference.conversation_id).collect()
}

pub async fn references_are_ranked(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let ann = table.person("ann", 100).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let references = vec![
        reference(&table, ann, "graph", Origin::Graph, 900),
        reference(&table, ann, "created old", Origin::Created, 500),
        reference(&table, ann, "created new", Origin::Created, 600),
    ];
    table.settle(Batch { references, ..batch(900) }).await;
    assert_eq!(conversations(fixture, ann).await, ["a:ann", "created new", "created old", "graph"]);
    let row = &table.page(message_no).await[0];
    assert_eq!((row.reference.as_ref().unwrap().conversation_id.as_str(), row.others), ("a:ann", 3));
    // Seen again: newer address, trust as before. Heard of in an activity: trusted more.
    let again = vec![reference(&table, ann, "created old", Origin::Created, 950)];
    table.settle(Batch { references: again, ..batch(950) }).await;
    assert_eq!(conversations(fixture, ann).await, ["a:ann", "created old", "created new", "graph"]);
    let seen = SeenPerson {
        object_id: "ANN".to_owned(),
        conversation_id: Some("graph".to_owned()),
        mri: Some("29:x".to_owned()),
        ..SeenPerson::default()
    };
    assert_eq!(fixture.hear(table.lane_no, seen, "https://smba/in/", Time(960)).await, ann);
    assert_eq!(conversations(fixture, ann).await, ["graph", "a:ann", "created old", "created new"]);
    let row = &table.page(message_no).await[0];
    assert_eq!(row.reference.as_ref().unwrap().service_url, "https://smba/in/");
    assert_eq!(row.mri.as_deref(), Some("29:x"));
    // A creation without an address keeps the known one; an activity's trust is not lost to a later call.
    let mut bare = reference(&table, ann, "graph", Origin::Created, 970);
    bare.service_url = String::new();
    table.settle(Batch { references: vec![bare], ..batch(970) }).await;
    let best = fixture.references(ann).await.remove(0);
    assert_eq!((best.conversation_id.as_str(), best.service_url.as_str()), ("graph", "https://smba/in/"));
}

pub async fn suspects_come_back(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let ann = table.person("ann", 100).await;
    let message_no = table.send(table.message(1, &["ann"])).await;
    let created = vec![reference(&table, ann, "created", Origin::Created, 200)];
    table.settle(Batch { references: created, ..batch(200) }).await;
    let all = fixture.references(ann).await;
    table.settle(Batch { suspects: vec![all[0].reference_no], ..batch(300) }).await;
    let row = &table.page(message_no).await[0];
    assert_eq!((row.reference.as_ref().unwrap().conversation_id.as_str(), row.others), ("created", 0));
    assert_eq!(conversations(fixture, ann).await, ["created", "a:ann"]);
    table.settle(Batch { suspects: vec![all[1].reference_no], ..batch(300) }).await;
    let row = &table.page(message_no).await[0];
    assert_eq!((row.reference.as_ref(), row.others), (None, 0));
    // None is ever deleted, and each word from there makes it good again.
    assert_eq!(fixture.references(ann).await.len(), 2);
    table.person("ann", 400).await;
    let row = &table.page(message_no).await[0];
    assert_eq!((row.reference.as_ref().unwrap().conversation_id.as_str(), row.others), ("a:ann", 0));
    let renewed = vec![reference(&table, ann, "created", Origin::Created, 500)];
    table.settle(Batch { references: renewed, ..batch(500) }).await;
    assert_eq!(table.page(message_no).await[0].others, 1);
}

pub async fn reach_is_kept_with_its_history(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let seen = SeenPerson { object_id: "ann".to_owned(), ..SeenPerson::default() };
    let ann = fixture.hear(table.lane_no, seen, "", Time(100)).await;
    assert_eq!(fixture.reach(ann).await, (ReachState::Unknown, None, None));
    table.settle(reach(ann, ReachState::Blocked, 200)).await;
    // The same refusal again is young again, yet nothing new.
    table.settle(reach(ann, ReachState::Blocked, 300)).await;
    let now = (ReachState::Blocked, Some(Time(300)), Some("at 300".to_owned()));
    assert_eq!(fixture.reach(ann).await, now);
    // A refusal learned from a call is wiped by a call; several in one batch are taken in their order.
    let mut both = reach(ann, ReachState::Reachable, 400);
    both.append(reach(ann, ReachState::PolicyBlocked, 500));
    table.settle(both).await;
    table.settle(reach(ann, ReachState::Reachable, 600)).await;
    table.settle(reach(ann, ReachState::Reachable, 700)).await;
    let now = (ReachState::Reachable, Some(Time(600)), Some("at 600".to_owned()));
    assert_eq!(fixture.reach(ann).await, now);
    let history = [
        (Time(200), ReachState::Blocked),
        (Time(400), ReachState::Reachable),
        (Time(500), ReachState::PolicyBlocked),
        (Time(600), ReachState::Reachable),
    ];
    assert_eq!(fixture.history(ann).await, history);
    // A recipient that nobody knows is no error.
    table.settle(reach(999_999, ReachState::Blocked, 800)).await;
}

pub async fn a_call_does_not_wipe_what_an_activity_told(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let ann = table.person("ann", 100).await;
    let told = |state, at| {
        let reach = Some((state, ReachEvidence::event("activity")));
        let seen = SeenPerson { object_id: "ann".to_owned(), reach, ..SeenPerson::default() };
        async move { fixture.hear(table.lane_no, seen, "", Time(at)).await }
    };
    told(ReachState::Removed, 200).await;
    table.settle(reach(ann, ReachState::Reachable, 300)).await;
    table.settle(reach(ann, ReachState::Reachable, 400)).await;
    // It stands, and what contradicts it stands beside it, once.
    assert_eq!(fixture.reach(ann).await.0, ReachState::Removed);
    assert_eq!(fixture.reach(ann).await.1, Some(Time(200)));
    // Another refusal by a call is newer knowledge, and a word from the person ends any.
    table.settle(reach(ann, ReachState::Blocked, 500)).await;
    assert_eq!(fixture.reach(ann).await.0, ReachState::Blocked);
    told(ReachState::Reachable, 600).await;
    assert_eq!(fixture.reach(ann).await.0, ReachState::Reachable);
    let history: Vec<_> = fixture.history(ann).await.into_iter().map(|(at, state)| (at.0, state)).collect();
    assert_eq!(
        history,
        [
            (100, ReachState::Reachable),
            (200, ReachState::Removed),
            (300, ReachState::Reachable),
            (500, ReachState::Blocked),
            (600, ReachState::Reachable)
        ]
    );
}

pub async fn what_was_overtaken_changes_nothing(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table
        .send(NewMessage { when_unreachable: WhenUnreachable::Wait, ..table.message(1, &["ann"]) })
        .await;
    let ann = table.page(message_no).await[0].key.recipient_no;
    // Microsoft's clock is its own: here it is far ahead of ours.
    let told = |state, sent_at: Option<i64>, at| {
        let reach = Some((state, ReachEvidence::event(format!("at {at}"))));
        let sent_at = sent_at.map(|sent_at| Time(9_000 + sent_at));
        let seen = SeenPerson { object_id: "ann".to_owned(), reach, sent_at, ..SeenPerson::default() };
        async move {
            fixture.hear(table.lane_no, seen, "", Time(at)).await;
            fixture.reach(ann).await.0
        }
    };
    assert_eq!(told(ReachState::Removed, Some(20), 100).await, ReachState::Removed);
    // The install that it came after; it is not taken for one that ends the waiting either.
    assert_eq!(told(ReachState::Reachable, Some(10), 200).await, ReachState::Removed);
    assert!(!table.ledger().open(table.lane_no, 0).await.unwrap().reached);
    // A call that is taken contradicts the removal, whatever came late before it.
    table.settle(reach(ann, ReachState::Reachable, 300)).await;
    assert_eq!(fixture.reach(ann).await.0, ReachState::Removed);
    // What calls tell goes by our clock and counts as it comes; among activities it changes nothing.
    table.settle(reach(ann, ReachState::Blocked, 400)).await;
    assert_eq!(fixture.reach(ann).await.0, ReachState::Blocked);
    assert_eq!(told(ReachState::Reachable, Some(19), 500).await, ReachState::Blocked);
    // Sent at the same time, later, or nobody knows when: it counts as it comes.
    assert_eq!(told(ReachState::Reachable, Some(20), 600).await, ReachState::Reachable);
    assert_eq!(told(ReachState::Removed, None, 700).await, ReachState::Removed);
    assert_eq!(told(ReachState::Reachable, Some(30), 800).await, ReachState::Reachable);
    // Good news that was known already is the newest all the same.
    assert_eq!(told(ReachState::Reachable, Some(40), 900).await, ReachState::Reachable);
    assert_eq!(told(ReachState::Removed, Some(35), 1_000).await, ReachState::Reachable);
    assert_eq!(fixture.reach(ann).await.1, Some(Time(800)));
    let history: Vec<_> = fixture.history(ann).await.into_iter().map(|(at, state)| (at.0, state)).collect();
    assert_eq!(
        history,
        [
            (100, ReachState::Removed),
            (200, ReachState::Reachable),
            (300, ReachState::Reachable),
            (400, ReachState::Blocked),
            (500, ReachState::Reachable),
            (600, ReachState::Reachable),
            (700, ReachState::Removed),
            (800, ReachState::Reachable),
            (1_000, ReachState::Removed),
        ]
    );
}
