//! What operators see of lanes and note of people.

use nuncio_domain::message::{LaneControl, Verdict};
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{KeyId, MessageId, Role, Scope, Time};
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use uuid::Uuid;

use crate::conform::{Database, Table, both};
use crate::files::message;

both!(
    lanes_are_seen_with_what_is_open_in_them,
    opt_outs_are_noted_and_listed_within_scope,
    who_settled_something_is_shown_by_name,
);

fn of(app: &str) -> Scope {
    Scope { app: Some(app.to_owned()), ..OPERATOR }
}

async fn lanes_are_seen_with_what_is_open_in_them<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    let (one, other) = (table.lane("app", "tenant").await, table.lane("other", "tenant").await);
    for number in 1..=2 {
        store.submit(&OPERATOR, message(one, number)).await.unwrap();
    }
    assert!(store.control_lane(&OPERATOR, one, LaneControl::Pause, Time(50)).await.unwrap());
    // Held is held since when it was.
    assert!(store.control_lane(&OPERATOR, one, LaneControl::Pause, Time(60)).await.unwrap());
    let lanes = store.lane_views(&OPERATOR).await.unwrap();
    let short: Vec<_> =
        lanes.iter().map(|view| (view.lane.lane_no, view.open_messages, view.paused_at)).collect();
    assert_eq!(short, [(one, 2, Some(Time(50))), (other, 0, None)]);
    let own = store.lane_views(&of("other")).await.unwrap();
    assert_eq!((own.len(), own[0].lane.app.as_str()), (1, "other"));
    assert!(store.control_lane(&OPERATOR, one, LaneControl::Resume, Time(70)).await.unwrap());
    assert_eq!(store.lane_views(&OPERATOR).await.unwrap()[0].paused_at, None);
}

async fn opt_outs_are_noted_and_listed_within_scope<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    let (one, other) = (table.lane("app", "tenant").await, table.lane("other", "tenant").await);
    let key = ApiKey {
        id: KeyId(Uuid::from_u128(1)),
        name: "hr".to_owned(),
        role: Role::Admin,
        app: Some("app".to_owned()),
        may_install: false,
        created_at: Time(5),
        revoked_at: None,
    };
    store.add_key(&key, [1; 32]).await.unwrap();
    let hr = store.caller([1; 32]).await.unwrap().unwrap();
    let set = async |scope: &Scope, lane_no, person: &str, out, at| {
        store.set_opt_out(scope, lane_no, person, out, Time(at)).await.unwrap()
    };
    // By their own word, and by somebody's.
    table.opt_out(one, "ann", true, Time(10)).await;
    assert!(set(&hr, one, "bob", true, 20).await);
    assert!(!set(&hr, one, "bob", true, 30).await);
    assert!(!set(&hr, one, "ann", true, 30).await);
    assert!(!set(&hr, other, "bob", true, 30).await);
    let nobody = Scope { key_no: 99, ..OPERATOR };
    assert!(set(&nobody, other, "cid", true, 40).await);
    let list = async |scope: &Scope, filter: &PeopleFilter, after, limit| {
        store.opt_outs(scope, filter, after, limit).await.unwrap()
    };
    let all = PeopleFilter::default();
    let page = list(&OPERATOR, &all, None, 2).await;
    let short: Vec<_> =
        page.items.iter().map(|one| (one.person.as_str(), one.since, one.how.as_str())).collect();
    let how = ["they wrote to the app that they want no messages", "the API key `hr` noted it"];
    assert_eq!(short, [("ann", Time(10), how[0]), ("bob", Time(20), how[1])]);
    let rest = list(&OPERATOR, &all, page.next, 2).await;
    assert_eq!((rest.items.len(), rest.items[0].person.as_str(), rest.next), (1, "cid", None));
    assert_eq!(rest.items[0].how, "an operator noted it");
    assert_eq!(list(&hr, &all, None, 9).await.items.len(), 2);
    let filter = PeopleFilter { app: Some("other".to_owned()), ..all.clone() };
    assert_eq!(list(&OPERATOR, &filter, None, 9).await.items.len(), 1);
    assert!(list(&hr, &filter, None, 9).await.items.is_empty());
    // Taken back, once, and nothing is known of others.
    assert!(set(&hr, one, "ann", false, 50).await);
    assert!(!set(&hr, one, "ann", false, 50).await);
    assert!(!set(&hr, one, "nobody", false, 50).await);
    assert_eq!(list(&hr, &all, None, 9).await.items[0].person, "bob");
}

async fn who_settled_something_is_shown_by_name<D: Database>() {
    let table = Table::<D>::make().await;
    let store = table.store();
    let lane_no = table.lane("app", "tenant").await;
    store.submit(&OPERATOR, message(lane_no, 1)).await.unwrap();
    store.expand(1, 10, Time(2)).await.unwrap();
    let key = store.page(1, 0, 10).await.unwrap()[0].key;
    let api_key = ApiKey {
        id: KeyId(Uuid::from_u128(1)),
        name: "service desk".to_owned(),
        role: Role::Send,
        app: None,
        may_install: false,
        created_at: Time(5),
        revoked_at: None,
    };
    store.add_key(&api_key, [1; 32]).await.unwrap();
    let scope = store.caller([1; 32]).await.unwrap().unwrap();
    let intent = nuncio_domain::batch::Intent { key, reference_no: None, at: Time(3) };
    let start = nuncio_domain::Batch { intents: vec![intent], ..nuncio_domain::Batch::default() };
    store.commit(start.into()).await.unwrap();
    assert_eq!(store.recover(lane_no, Time(4)).await.unwrap(), (1, 0));
    let id = MessageId(Uuid::from_u128(1));
    let verdict = Verdict::Delivered;
    let request = nuncio_domain::message::SettleRequest { scope: &scope, id, verdict, recipients: None };
    store.settle(request, Time(5)).await.unwrap();
    let word = store.open(lane_no, 0).await.unwrap().settlements.remove(0);
    let change = nuncio_domain::batch::Change {
        key,
        from: nuncio_domain::DeliveryState::Ambiguous,
        to: verdict.becomes(),
        why: None,
        attempt: None,
        activity_id: None,
        due_at: None,
        tries: word.tries,
        resent: false,
        at: Time(6),
    };
    let obeyed = nuncio_domain::Batch {
        changes: vec![change],
        settled: vec![word.settlement_no],
        ..nuncio_domain::Batch::default()
    };
    store.commit(obeyed.into()).await.unwrap();
    let (_, view, _) = store.delivery(&OPERATOR, key).await.unwrap().unwrap();
    assert_eq!(view.settled.unwrap().evidence, "the API key `service desk` said so");
}
