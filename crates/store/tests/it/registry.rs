//! Lanes, people, channels, keys.

use nuncio_domain::people::{Learned, LearnedDone, PeopleFilter, SeenPerson};
use nuncio_domain::places::{PlaceKind, SeenPlace};
use nuncio_domain::ports::Registry;
use nuncio_domain::reach::Share;
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{How, KeyId, ReachEvidence, ReachState, RecipientKind, Role, Scope, Time};
use nuncio_testkit::conformance::OPERATOR;
use uuid::Uuid;

use crate::conform::{Database, Table, both};

both!(
    an_activity_makes_its_lane_and_is_known_the_second_time,
    people_and_channels_are_listed_within_scope,
    keys_are_found_by_their_hash_until_revoked,
);

fn learned(activity: &str, at: i64) -> Learned {
    Learned {
        app: "app".to_owned(),
        tenant: "tenant".to_owned(),
        service_url: "https://smba/emea/".to_owned(),
        at: Time(at),
        event: ("a:1".to_owned(), activity.to_owned()),
        what: "install".to_owned(),
        ..Learned::default()
    }
}

fn seen(name: &str) -> SeenPerson {
    SeenPerson {
        object_id: name.to_owned(),
        name: Some(format!("The {name}")),
        conversation_id: Some(format!("a:{name}")),
        reach: Some((ReachState::Reachable, ReachEvidence::event("installed"))),
        ..SeenPerson::default()
    }
}

async fn an_activity_makes_its_lane_and_is_known_the_second_time<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    let first = Learned { people: vec![seen("Ann")], ..learned("1", 10) };
    let lane_no = store.lane("app", "tenant").await.unwrap().lane_no;
    assert_eq!(store.learn(first.clone()).await.unwrap(), LearnedDone::New { lane_no, said: false });
    assert_eq!(store.learn(first).await.unwrap(), LearnedDone::Duplicate);
    let lanes = store.lanes().await.unwrap();
    assert_eq!((lanes.len(), lanes[0].service_url.as_deref()), (1, Some("https://smba/emea/")));

    let moved = Learned { service_url: "https://smba/amer/".to_owned(), ..learned("2", 20) };
    store.learn(moved).await.unwrap();
    assert_eq!(store.lane("app", "tenant").await.unwrap().service_url.as_deref(), Some("https://smba/amer/"));
    // Without an id nothing tells two activities apart, so none is dropped.
    for _ in 0..2 {
        assert_eq!(store.learn(learned("", 30)).await.unwrap(), LearnedDone::New { lane_no, said: false });
    }
}

async fn people_and_channels_are_listed_within_scope<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    for (number, name) in ["Ann", "Bob", "Cid"].into_iter().enumerate() {
        store.learn(Learned { people: vec![seen(name)], ..learned(&number.to_string(), 10) }).await.unwrap();
    }
    let gone =
        SeenPerson { reach: Some((ReachState::Removed, ReachEvidence::event("removed"))), ..seen("bob") };
    let channel = SeenPlace {
        kind: PlaceKind::Channel,
        conversation_id: "19:x@thread.tacv2".to_owned(),
        name: Some("General".to_owned()),
        team_id: Some("19:t".to_owned()),
        channel_kind: None,
        reach: None,
    };
    let news = Learned { people: vec![gone], places: vec![channel], ..learned("9", 20) };
    store.learn(news).await.unwrap();
    let elsewhere = Learned { app: "other".to_owned(), people: vec![seen("Eve")], ..learned("1", 10) };
    store.learn(elsewhere).await.unwrap();

    let own = Scope { app: Some("app".to_owned()), ..OPERATOR };
    let all = PeopleFilter::default();
    let page = store.people(&own, &all, None, 3).await.unwrap();
    let keys: Vec<&str> = page.items.iter().map(|person| person.key.as_str()).collect();
    assert_eq!(keys, ["ann", "bob", "cid"]);
    assert!(page.items.iter().all(|person| person.has_reference));
    assert_eq!(page.items[0].name.as_deref(), Some("The Ann"));
    let rest = store.people(&own, &all, page.next, 3).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].kind, rest.next), (1, RecipientKind::Channel, None));
    let other = PeopleFilter { app: Some("other".to_owned()), ..all.clone() };
    assert!(store.people(&own, &other, None, 3).await.unwrap().items.is_empty());
    assert_eq!(store.people(&OPERATOR, &other, None, 3).await.unwrap().items.len(), 1);
    let removed = PeopleFilter { reach: Some(ReachState::Removed), ..all.clone() };
    assert_eq!(store.people(&OPERATOR, &removed, None, 3).await.unwrap().items[0].key, "bob");

    let states = store.reachability(&own, &all).await.unwrap();
    let share = |state, count| Share { state, how: Some(How::Event), count };
    let unknown = Share { state: ReachState::Unknown, how: None, count: 1 };
    assert_eq!(states, [unknown, share(ReachState::Reachable, 2), share(ReachState::Removed, 1)]);
    let people = PeopleFilter { kind: Some(RecipientKind::Person), ..all };
    assert_eq!(store.reachability(&own, &people).await.unwrap(), states[1..]);
}

async fn keys_are_found_by_their_hash_until_revoked<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    assert!(!store.has_keys().await.unwrap());
    let key = |number: u128, app: Option<&str>| ApiKey {
        id: KeyId(Uuid::from_u128(number)),
        name: format!("key {number}"),
        role: Role::Send,
        app: app.map(str::to_owned),
        may_install: false,
        created_at: Time(5),
        revoked_at: None,
    };
    let (wide, narrow) = (key(1, None), key(2, Some("app")));
    store.add_key(&wide, [1; 32]).await.unwrap();
    store.add_key(&narrow, [2; 32]).await.unwrap();
    assert!(store.has_keys().await.unwrap());
    assert!(store.add_key(&key(3, None), [1; 32]).await.is_err());
    let caller = store.caller([2; 32]).await.unwrap().unwrap();
    assert_eq!((caller.role, caller.app.as_deref()), (Role::Send, Some("app")));
    assert_eq!(store.caller([9; 32]).await.unwrap(), None);

    let own = Scope { app: Some("app".to_owned()), ..OPERATOR };
    assert_eq!(store.keys(&OPERATOR).await.unwrap(), [narrow.clone(), wide.clone()]);
    assert_eq!(store.keys(&own).await.unwrap(), std::slice::from_ref(&narrow));
    assert!(!store.revoke_key(&own, wide.id, Time(9)).await.unwrap());
    assert!(store.revoke_key(&own, narrow.id, Time(9)).await.unwrap());
    assert!(!store.revoke_key(&own, narrow.id, Time(10)).await.unwrap());
    assert_eq!(store.caller([2; 32]).await.unwrap(), None);
    assert!(store.caller([1; 32]).await.unwrap().is_some());
    store.ready().await.unwrap();
}
