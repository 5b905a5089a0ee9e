//! What a preview reads: the rows that the owner loads once the message is there, and what stands before it.

use nuncio_domain::batch::{NewReference, ReachChange, Row};
use nuncio_domain::directory::{DirectoryPerson, Include};
use nuncio_domain::message::{Body, ControlRequest, Named, Submitted, WhenUnreachable};
use nuncio_domain::people::{Origin, SeenPerson};
use nuncio_domain::ports::{Ledger, Preview};
use nuncio_domain::preview::estimate::Ahead;
use nuncio_domain::preview::{NameOf, stranger};
use nuncio_domain::{
    Batch, Class, Content, Control, Key, MessageId, NewMessage, ReachState, RecipientKind, Role, Scope, Time,
};
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use uuid::Uuid;

use crate::conform::{Database, Table};

fn other_app() -> Scope {
    Scope { key_no: 2, role: Role::Admin, app: Some("other".to_owned()), may_install: false }
}

fn person(key: &str) -> Named {
    Named { kind: RecipientKind::Person, key: key.to_owned() }
}

fn message(lane_no: i64, number: u128, named: Vec<Named>) -> NewMessage {
    NewMessage {
        id: MessageId(Uuid::from_u128(number)),
        lane_no,
        class: Class::Normal,
        content: Content { body: Body::Text("hello".to_owned()), summary: None },
        label: None,
        named,
        installed: false,
        lists: Vec::new(),
        directory: Vec::new(),
        exclude_groups: Vec::new(),
        purpose: nuncio_domain::own_words::Purpose::Asked,
        install: nuncio_domain::InstallPolicy::Never,
        resolved: Vec::new(),
        include: Include::default(),
        retries: None,
        exclude: Vec::new(),
        on_ambiguous: None,
        when_unreachable: WhenUnreachable::Fail,
        max_recipients: 1_000,
        send_at: None,
        expires_at: Time(i64::MAX / 2),
        created_at: Time(1_000),
        idempotency: None,
    }
}

/// Stores it, expands it, and reads all of its rows as its owner does.
async fn loaded<D: Database>(table: &Table<D>, new: NewMessage) -> Vec<Row> {
    let id = new.id;
    assert_eq!(table.store().submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
    let message_no = table.store().message(&OPERATOR, id).await.unwrap().unwrap().message_no;
    while !table.store().expand(message_no, 100, Time(2_000)).await.unwrap().done {}
    let rows = table.store().page(message_no, 0, 1_000).await.unwrap();
    rows.into_iter().map(|row| Row { key: Key { message_no: 0, ..row.key }, ..row }).collect()
}

/// People of whom all sorts of things are known, and one of another lane.
async fn people<D: Database>(table: &Table<D>) -> i64 {
    let lane_no = table.lane("app", "tenant").await;
    let other = table.lane("app", "tenant 2").await;
    let reach = |state| Some((state, nuncio_domain::ReachEvidence::event("seen")));
    for (key, conversation, state) in [
        ("ann", true, ReachState::Reachable),
        ("ben", true, ReachState::Blocked),
        ("cas", true, ReachState::Removed),
        ("dora", false, ReachState::NeverInstalled),
        ("eve", true, ReachState::Reachable),
        ("finn", true, ReachState::Reachable),
    ] {
        let seen = SeenPerson {
            object_id: key.to_owned(),
            mri: Some(format!("29:{key}")),
            name: Some(format!("Name of {key}")),
            upn: Some(format!("{key}@contoso.example")),
            conversation_id: conversation.then(|| format!("a:{key}")),
            reach: reach(state),
            sent_at: None,
        };
        table.hear(lane_no, seen, "https://smba/teams/", Time(100)).await;
    }
    let seen = SeenPerson {
        object_id: "ann".to_owned(),
        conversation_id: Some("a:other".to_owned()),
        ..SeenPerson::default()
    };
    table.hear(other, seen, "https://smba/other/", Time(100)).await;
    table.opt_out(lane_no, "eve", true, Time(150)).await;
    // Two references more, one of them suspect, a refusal that a call told, and what the directory says.
    let rows = table.store().known(&OPERATOR, lane_no, &[person("ann"), person("finn")]).await.unwrap();
    let new = |row: &Row, n: i64| NewReference {
        lane_no,
        recipient_no: row.key.recipient_no,
        conversation_id: format!("a:{n}"),
        service_url: "https://smba/more/".to_owned(),
        origin: Origin::Created,
        at: Time(200),
    };
    let finn = rows.iter().find(|row| row.address == "finn").unwrap();
    let ann = rows.iter().find(|row| row.address == "ann").unwrap();
    let batch = Batch {
        at: Time(200),
        references: vec![new(ann, 1), new(ann, 2)],
        suspects: vec![finn.reference.as_ref().unwrap().reference_no],
        reach: vec![ReachChange {
            recipient_no: finn.key.recipient_no,
            state: ReachState::ChatGone,
            evidence: nuncio_domain::ReachEvidence::event("404"),
            at: Time(200),
        }],
        ..Batch::default()
    };
    table.store().commit(batch.into()).await.unwrap();
    let says = DirectoryPerson {
        object_id: "gus".to_owned(),
        guest: Some(true),
        enabled: Some(true),
        ..DirectoryPerson::default()
    };
    let resolved = NewMessage { resolved: vec![says], ..message(lane_no, 1, vec![person("gus")]) };
    loaded(table, resolved).await;
    lane_no
}

async fn rows_are_those_of_the_owner<D: Database>() {
    let table = Table::<D>::make().await;
    let lane_no = people(&table).await;
    let mut installed = Vec::new();
    let mut after = 0;
    loop {
        let page = table.store().installed(&OPERATOR, lane_no, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2 && page.is_sorted_by_key(|row| row.key));
        after = last.key.recipient_no;
        installed.extend(page);
    }
    let to_installed = NewMessage { installed: true, ..message(lane_no, 2, Vec::new()) };
    assert_eq!(installed, loaded(&table, to_installed).await);
    let names: Vec<&str> = installed.iter().map(|row| row.address.as_str()).collect();
    assert_eq!(names, ["ann", "ben", "eve", "finn"]);
    assert_eq!(
        (installed[0].others, installed[2].opted_out, installed[3].reference.is_none()),
        (2, true, true)
    );

    let channel = Named { kind: RecipientKind::Channel, key: "19:c@thread.tacv2".to_owned() };
    let mut named: Vec<Named> = ["ann", "cas", "dora", "gus", "new"].map(person).into();
    named.push(channel.clone());
    let mut known = table.store().known(&OPERATOR, lane_no, &named).await.unwrap();
    known.sort_by_key(|row| row.key);
    // Who is not known is loaded as a stranger, who has a number then.
    let mut rows = loaded(&table, message(lane_no, 3, named)).await;
    let strangers = rows.extract_if(.., |row| row.address == "new" || row.kind == RecipientKind::Channel);
    for row in strangers.collect::<Vec<_>>() {
        let named = Named { kind: row.kind, key: row.address.clone() };
        assert_eq!(Row { key: row.key, thread_no: row.thread_no, ..stranger(&named) }, row);
    }
    assert_eq!(known, rows);
    assert_eq!((known.len(), known[3].standing.guest), (4, Some(true)));

    let numbers: Vec<i64> = installed.iter().map(|row| row.key.recipient_no).take(1).collect();
    assert_eq!(table.store().numbered(&OPERATOR, lane_no, &numbers).await.unwrap(), installed[..1]);
    let name = |recipient_no| NameOf {
        recipient_no,
        name: Some("Name of ann".to_owned()),
        upn: Some("ann@contoso.example".to_owned()),
    };
    assert_eq!(
        Preview::names(table.store(), &OPERATOR, lane_no, &numbers).await.unwrap(),
        [name(numbers[0])]
    );

    // Of another app's lane nothing is there.
    let scope = other_app();
    assert_eq!(table.store().installed(&scope, lane_no, 0, 9).await.unwrap(), []);
    assert_eq!(table.store().known(&scope, lane_no, &[person("ann")]).await.unwrap(), []);
    assert_eq!(table.store().numbered(&scope, lane_no, &numbers).await.unwrap(), []);
    assert_eq!(Preview::names(table.store(), &scope, lane_no, &numbers).await.unwrap(), []);
    assert_eq!(table.store().ahead(&scope, lane_no, Time(9), 9).await.unwrap(), []);
    table.0.close().await;
}

async fn what_stands_before_is_counted_by_class<D: Database>() {
    let table = Table::<D>::make().await;
    let lane_no = table.lane("app", "tenant").await;
    let people = |n: usize| (0..n).map(|n| person(&format!("p{n}"))).collect::<Vec<_>>();
    let urgent = NewMessage { class: Class::Urgent, ..message(lane_no, 1, people(1)) };
    let bulk = NewMessage { class: Class::Bulk, ..message(lane_no, 4, people(40)) };
    let later = NewMessage { send_at: Some(Time(5_000)), ..message(lane_no, 5, people(9)) };
    let larger = NewMessage { max_recipients: 1, ..message(lane_no, 6, people(9)) };
    for new in [urgent, message(lane_no, 2, people(30)), message(lane_no, 3, people(4)), bulk, later, larger]
    {
        loaded(&table, new).await;
    }
    // One is paused.
    let held = message(lane_no, 7, people(9));
    let id = held.id;
    loaded(&table, held).await;
    table
        .store()
        .control(ControlRequest { scope: &OPERATOR, id, control: Control::Pause }, Time(2_000))
        .await
        .unwrap();
    let message_no = table.store().message(&OPERATOR, id).await.unwrap().unwrap().message_no;
    let paused = nuncio_domain::batch::MessageChange::State {
        message_no,
        state: nuncio_domain::MessageState::Paused,
        cause: None,
    };
    table.store().commit(Batch { messages: vec![paused], ..Batch::default() }.into()).await.unwrap();

    let of = |class, deliveries, between| Ahead { class, deliveries, between };
    let mut ahead = table.store().ahead(&OPERATOR, lane_no, Time(4_000), 10).await.unwrap();
    ahead.sort_by_key(|ahead| ahead.class);
    let (urgent, bulk) = (of(Class::Urgent, 1, 1), of(Class::Bulk, 40, 10));
    assert_eq!(ahead, [urgent, of(Class::Normal, 34, 14), bulk]);
    let mut ahead = table.store().ahead(&OPERATOR, lane_no, Time(5_000), 10).await.unwrap();
    ahead.sort_by_key(|ahead| ahead.class);
    assert_eq!(ahead, [urgent, of(Class::Normal, 43, 23), bulk]);
    table.0.close().await;
}

crate::conform::both!(rows_are_those_of_the_owner, what_stands_before_is_counted_by_class);
