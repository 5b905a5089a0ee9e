//! What is kept for installing: who is not welcomed for it, which messages it is for, and whose key may have it done.

use nuncio_domain::batch::{Greeted, MessageChange};
use nuncio_domain::message::{Body, Named};
use nuncio_domain::own_words::{Occasion, Purpose, Say, Welcome};
use nuncio_domain::people::{Learned, LearnedDone, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::views::MessageFilter;
use nuncio_domain::{
    Batch, Content, InstallPolicy, KeyId, MessageId, MessageState, NewMessage, RecipientKind, Role, Time,
};
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use uuid::Uuid;

use crate::conform::{Database, Table, both};
use crate::files::message;

both!(
    who_is_installed_for_a_message_is_not_welcomed,
    runs_are_listed_by_themselves_and_open_with_their_cause,
    a_key_may_install_or_not,
);

const SECOND: i64 = 1_000_000;

/// An install event with a welcome; whether one was made.
async fn welcomed<D: Database>(table: &Table<D>, person: &str, number: u128, at: i64) -> bool {
    let content = Content { body: Body::Text("Welcome".to_owned()), summary: None };
    let to = Named { kind: RecipientKind::Person, key: person.to_owned() };
    let occasion = Occasion::Install(Welcome { place: person.to_owned(), content, installed_by: None });
    let learned = Learned {
        app: "app".to_owned(),
        tenant: "tenant".to_owned(),
        at: Time(at),
        event: (format!("a:{person}"), format!("event {number}")),
        what: "install".to_owned(),
        people: vec![SeenPerson { object_id: person.to_owned(), ..SeenPerson::default() }],
        say: Some(Say { id: MessageId(Uuid::from_u128(number)), to, occasion }),
        ..Learned::default()
    };
    matches!(table.store().learn(learned).await.unwrap(), LearnedDone::New { said: true, .. })
}

async fn greet<D: Database>(table: &Table<D>, lane_no: i64, words: &[(&str, bool)], at: i64) {
    let greeted = words.iter().map(|(person, taken_back)| Greeted {
        lane_no,
        place: (*person).to_owned(),
        at: Time(at),
        taken_back: *taken_back,
    });
    let batch = Batch { at: Time(at), greeted: greeted.collect(), ..Batch::default() };
    table.store().commit(batch.into()).await.unwrap();
}

async fn who_is_installed_for_a_message_is_not_welcomed<D: Database>() {
    let table = Table::<D>::make().await;
    let lane_no = table.lane("app", "tenant").await;
    greet(&table, lane_no, &[("ann", false), ("bob", false)], SECOND).await;
    assert!(!welcomed(&table, "ann", 1, 2 * SECOND).await);
    assert!(welcomed(&table, "cid", 2, 2 * SECOND).await);
    // It came to nothing, and may in the same batch that says it again.
    greet(&table, lane_no, &[("bob", false), ("bob", true)], 3 * SECOND).await;
    assert!(welcomed(&table, "bob", 3, 4 * SECOND).await);
    // Who was welcomed before and is installed again is not welcomed again.
    greet(&table, lane_no, &[("cid", false)], 5 * SECOND).await;
    assert!(!welcomed(&table, "cid", 4, 6 * SECOND).await);
}

async fn runs_are_listed_by_themselves_and_open_with_their_cause<D: Database>() {
    let table = Table::<D>::make().await;
    let lane_no = table.lane("app", "tenant").await;
    let store = table.store();
    let team = Named { kind: RecipientKind::Team, key: "group".to_owned() };
    let run = NewMessage {
        purpose: Purpose::Install,
        install: InstallPolicy::AlsoIfRemoved,
        named: vec![team],
        ..message(lane_no, 2)
    };
    store.submit(&OPERATOR, message(lane_no, 1)).await.unwrap();
    store.submit(&OPERATOR, run).await.unwrap();
    let listed = async |purpose| {
        let filter = MessageFilter { purpose, ..MessageFilter::default() };
        let page = store.messages(&OPERATOR, &filter, None, 10).await.unwrap();
        page.items.iter().map(|view| (view.id.0.as_u128(), view.install)).collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, [(1, InstallPolicy::Never)]);
    assert_eq!(listed(Some(Purpose::Install)).await, [(2, InstallPolicy::AlsoIfRemoved)]);

    let opened = store.open(lane_no, 0).await.unwrap().messages;
    let run = opened.iter().find(|open| open.purpose == Purpose::Install).unwrap();
    assert_eq!((run.install, run.cause.as_deref()), (InstallPolicy::AlsoIfRemoved, None));
    let message_no = run.message_no;
    while !store.expand(message_no, 10, Time(SECOND)).await.unwrap().done {}
    let rows = store.page(message_no, 0, 10).await.unwrap();
    assert_eq!((rows[0].kind, rows[0].address.as_str()), (RecipientKind::Team, "group"));
    let cause = Some("install: grant a role".to_owned());
    let state = MessageChange::State { message_no, state: MessageState::Waiting, cause: cause.clone() };
    let batch = Batch { at: Time(SECOND), messages: vec![state], ..Batch::default() };
    store.commit(batch.into()).await.unwrap();
    let opened = store.open(lane_no, 0).await.unwrap().messages;
    assert_eq!(opened.iter().find(|open| open.message_no == message_no).unwrap().cause, cause);
}

async fn a_key_may_install_or_not<D: Database>() {
    let table = Table::<D>::make().await;
    for (number, may_install) in [(1, true), (2, false)] {
        let key = ApiKey {
            id: KeyId(Uuid::from_u128(number)),
            name: "key".to_owned(),
            role: Role::Send,
            app: None,
            may_install,
            created_at: Time(5),
            revoked_at: None,
        };
        table.store().add_key(&key, [number as u8; 32]).await.unwrap();
        assert_eq!(table.store().caller([number as u8; 32]).await.unwrap().unwrap().may_install, may_install);
    }
    let keys = table.store().keys(&OPERATOR).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.may_install).collect::<Vec<_>>(), [false, true]);
}
