//! Uploads of lists that are repeated, and what is left of those that ended in the middle.

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::lists::{Added, Deleted, ListedName, NewList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::ports::{Preview, Registry};
use nuncio_domain::{AudienceId, Scope, Time};
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use uuid::Uuid;

use crate::conform::{Database, Table, both};

both!(
    a_repeated_upload_is_the_first_list,
    what_is_left_of_an_upload_is_taken_away,
    an_upload_that_takes_too_long_is_refused_and_leaves_nothing,
);

const NOW: Time = Time(100 * 3_600 * 1_000_000);

fn list(lane_no: i64, number: u128, people: usize, key: Option<(&str, u8)>) -> NewList {
    let person = |n| format!("c0ffee00-0000-4000-8000-{n:012}");
    NewList {
        id: AudienceId(Uuid::from_u128(number)),
        lane_no,
        name: Some("Staff".to_owned()),
        lines: people as i64 + 1,
        blanks: 0,
        duplicates: 0,
        people: (0..people).map(person).collect(),
        names: vec![ListedName { line: 1, name: "omar@contoso.com".to_owned() }],
        created_at: NOW,
        idempotency: key.map(|(key, body)| Idempotency { key: key.to_owned(), body_hash: [body; 32] }),
    }
}

async fn a_repeated_upload_is_the_first_list<D: Database>() {
    let table = Table::<D>::make().await;
    let (store, lane_no) = (table.store(), table.lane("app", "tenant").await);
    let id = |number| AudienceId(Uuid::from_u128(number));
    let add = async |number, key, body| {
        store.add_list(&OPERATOR, list(lane_no, number, 3, Some((key, body)))).await.unwrap()
    };
    let asks = async |scope: &Scope, body: u8, now| {
        let key = Idempotency { key: "k".to_owned(), body_hash: [body; 32] };
        store.list_repeated(scope, &key, now).await.unwrap()
    };
    assert_eq!(asks(&OPERATOR, 1, NOW).await, None);
    assert_eq!(add(1, "k", 1).await, Added::Stored);
    assert_eq!(asks(&OPERATOR, 1, NOW).await, Some(Added::Repeated(id(1))));
    assert_eq!(asks(&OPERATOR, 2, NOW).await, Some(Added::KeyReused));
    // Who comes second although nobody was seen before finds out at the end, and nothing of it is kept.
    assert_eq!(add(2, "k", 1).await, Added::Repeated(id(1)));
    assert_eq!(add(3, "k", 2).await, Added::KeyReused);
    let all = PeopleFilter::default();
    let lists = store.lists(&OPERATOR, &all, None, 10).await.unwrap();
    assert_eq!(lists.items.iter().map(|list| list.id).collect::<Vec<_>>(), [id(1)]);
    for list_no in [2, 3] {
        assert!(store.listed(&OPERATOR, lane_no, list_no, 0, 10).await.unwrap().is_empty());
    }
    assert_eq!(store.wipe_lists(NOW + Duration::from_hours(1), NOW).await.unwrap(), 0);
    // Another caller's key is another key, and after a day it is forgotten.
    let other = Scope { key_no: OPERATOR.key_no + 1, ..OPERATOR };
    assert_eq!(asks(&other, 1, NOW).await, None);
    let day = NOW + Duration::from_hours(24);
    assert_eq!(asks(&OPERATOR, 1, day).await, None);
    let again = NewList { created_at: day, ..list(lane_no, 4, 3, Some(("k", 2))) };
    assert_eq!(store.add_list(&OPERATOR, again).await.unwrap(), Added::Stored);
    assert_eq!(asks(&OPERATOR, 2, day).await, Some(Added::Repeated(id(4))));
    // With a list that is deleted its key is free.
    assert_eq!(store.delete_list(&OPERATOR, id(4), day).await.unwrap(), Deleted::Done);
    assert_eq!(asks(&OPERATOR, 2, day).await, None);
    let anew = NewList { created_at: day, ..list(lane_no, 5, 3, Some(("k", 2))) };
    assert_eq!(store.add_list(&OPERATOR, anew).await.unwrap(), Added::Stored);
}

/// Waits until somebody of a list is stored.
async fn begun(store: &(impl Registry + Preview), lane_no: i64) {
    while store.listed(&OPERATOR, lane_no, 1, 0, 1).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

async fn what_is_left_of_an_upload_is_taken_away<D: Database>() {
    let table = Arc::new(Table::<D>::make().await);
    let (store, lane_no) = (table.store(), table.lane("app", "tenant").await);
    {
        let upload = std::pin::pin!(store.add_list(&OPERATOR, list(lane_no, 1, 100_000, Some(("k", 1)))));
        // The process ends in mid-upload: nobody goes on with it.
        tokio::select! {
            biased;
            () = begun(store, lane_no) => {}
            stored = upload => panic!("it was stored at once: {stored:?}"),
        }
    }
    assert!(store.list(&OPERATOR, AudienceId(Uuid::from_u128(1))).await.unwrap().is_none());
    let key = Idempotency { key: "k".to_owned(), body_hash: [1; 32] };
    assert_eq!(store.list_repeated(&OPERATOR, &key, NOW).await.unwrap(), None);
    // It may be under way still.
    assert_eq!(store.wipe_lists(NOW, NOW).await.unwrap(), 0);
    assert!(!store.listed(&OPERATOR, lane_no, 1, 0, 1).await.unwrap().is_empty());
    let later = NOW + Duration::from_hours(2);
    assert_eq!(store.wipe_lists(later - Duration::from_hours(1), later).await.unwrap(), 1);
    assert!(store.listed(&OPERATOR, lane_no, 1, 0, 1).await.unwrap().is_empty());
    assert_eq!(store.wipe_lists(later, later).await.unwrap(), 0);
    // The same again is a list of its own, and stays.
    let again = list(lane_no, 2, 10, Some(("k", 1)));
    assert_eq!(store.add_list(&OPERATOR, again).await.unwrap(), Added::Stored);
    assert_eq!(store.wipe_lists(later, later).await.unwrap(), 0);
    assert_eq!(store.listed(&OPERATOR, lane_no, 2, 0, 100).await.unwrap().len(), 10);
}

async fn an_upload_that_takes_too_long_is_refused_and_leaves_nothing<D: Database>() {
    let table = Table::<D>::make().await;
    let (store, lane_no) = (table.store(), table.lane("app", "tenant").await);
    let later = NOW + Duration::from_hours(1);
    let upload = store.add_list(&OPERATOR, list(lane_no, 1, 100_000, Some(("k", 1))));
    let taken = async {
        begun(store, lane_no).await;
        store.wipe_lists(later, later).await.unwrap()
    };
    let (stored, taken) = tokio::join!(upload, taken);
    assert_eq!(taken, 1);
    let refused = stored.unwrap_err().to_string();
    assert!(refused.contains("upload it again"), "{refused}");
    assert!(store.listed(&OPERATOR, lane_no, 1, 0, 1).await.unwrap().is_empty());
    let key = Idempotency { key: "k".to_owned(), body_hash: [1; 32] };
    assert_eq!(store.list_repeated(&OPERATOR, &key, NOW).await.unwrap(), None);
}
