//! Audiences that the directory names, page by page.

use nuncio_domain::batch::MessageChange;
use nuncio_domain::directory::{DirectoryPerson, DirectorySource, Fill, Include, Next, Standing, Wanted};
use nuncio_domain::message::{Expanded, Retries};
use nuncio_domain::people::SeenPerson;
use nuncio_domain::{DeliveryState, MessageState, NewMessage, Time};

use super::{Fixture, Table, change, changes, id};

const LATER: Time = Time(2_000);

fn group(name: &str) -> DirectorySource {
    DirectorySource::Group(name.to_owned())
}

fn member(name: &str) -> DirectoryPerson {
    DirectoryPerson {
        object_id: name.to_owned(),
        upn: Some(format!("{name}@contoso.com")),
        name: Some(name.to_uppercase()),
        guest: Some(false),
        enabled: Some(true),
        ..DirectoryPerson::default()
    }
}

fn page(message_no: i64, source_no: usize, cursor: Option<&str>, people: &[&str], next: Next) -> Fill {
    let people = people.iter().map(|name| member(name)).collect();
    Fill { message_no, source_no, cursor: cursor.map(str::to_owned), people, next }
}

fn at(cursor: &str) -> Next {
    Next::At(cursor.to_owned())
}

async fn take(table: &Table<'_>, fill: Fill) -> bool {
    let taken = table.ledger().fill(fill, LATER).await.unwrap();
    table.check().await;
    taken
}

async fn expand(table: &Table<'_>, message_no: i64, limit: i64) -> Expanded {
    let expanded = table.ledger().expand(message_no, limit, LATER).await.unwrap();
    table.check().await;
    expanded
}

/// Expands until a page is wanted or all is done: what came last, and how many were added and met before.
async fn run(table: &Table<'_>, message_no: i64) -> (Expanded, i64, i64) {
    let (mut added, mut duplicates) = (0, 0);
    loop {
        let expanded = expand(table, message_no, 2).await;
        added += expanded.added;
        duplicates += expanded.duplicates;
        if expanded.done || expanded.wants.is_some() {
            return (expanded, added, duplicates);
        }
    }
}

async fn addresses(table: &Table<'_>, message_no: i64) -> Vec<String> {
    table.page(message_no).await.into_iter().map(|row| row.address).collect()
}

pub async fn pages_of_the_directory_become_an_audience(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage { directory: vec![group("g")], ..table.message(1, &["zoe"]) };
    let message_no = table.submit(new).await;
    // Somebody who comes after the message and whom the directory names is new to us, and meant.
    let (expanded, added, _) = run(&table, message_no).await;
    let wanted =
        |cursor: Option<&str>| Wanted { source_no: 1, from: group("g"), cursor: cursor.map(str::to_owned) };
    assert_eq!((expanded.wants, expanded.done, added), (Some(wanted(None)), false, 1));
    assert!(take(&table, page(message_no, 1, None, &["ann", "bob", "cid"], at("2"))).await);
    let (expanded, added, _) = run(&table, message_no).await;
    assert_eq!((expanded.wants, added), (Some(wanted(Some("2"))), 0));
    assert_eq!(table.view(id(1)).await.state, MessageState::Expanding);
    assert!(take(&table, page(message_no, 1, Some("2"), &["dan"], Next::End)).await);
    let (expanded, added, duplicates) = run(&table, message_no).await;
    assert_eq!((expanded.done, expanded.wants, added, duplicates), (true, None, 4, 0));
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.counts.audience(), view.audience_final), (MessageState::Sending, 5, true));
    assert_eq!(addresses(&table, message_no).await, ["zoe", "ann", "bob", "cid", "dan"]);
    // What it said of them is kept.
    let row = &table.page(message_no).await[1];
    let standing =
        Standing { guest: Some(false), enabled: Some(true), at: Some(LATER), ..Standing::default() };
    assert_eq!(row.standing, standing);
    assert_eq!(table.page(message_no).await[0].standing, Standing::default());
}

pub async fn a_page_is_taken_once(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let everyone = vec![DirectorySource::Everyone];
    let message_no = table.submit(NewMessage { directory: everyone, ..table.message(1, &[]) }).await;
    assert!(take(&table, page(message_no, 0, None, &["ann", "ann"], at("2"))).await);
    assert!(!take(&table, page(message_no, 0, None, &["bob"], at("other"))).await);
    let wants = expand(&table, message_no, 10).await.wants.unwrap();
    assert_eq!(wants.cursor.as_deref(), Some("2"));
    // From the beginning, and who was read stays.
    assert!(take(&table, page(message_no, 0, Some("2"), &[], Next::Anew)).await);
    assert_eq!(expand(&table, message_no, 10).await.wants.unwrap().cursor, None);
    assert!(take(&table, page(message_no, 0, None, &["ann", "cid"], Next::End)).await);
    assert!(!take(&table, page(message_no, 0, None, &["dan"], Next::End)).await);
    let expanded = expand(&table, message_no, 10).await;
    assert_eq!(expanded, Expanded { added: 2, done: true, ..Expanded::default() });
    assert_eq!(addresses(&table, message_no).await, ["ann", "cid"]);
}

pub async fn the_directory_never_wipes_what_is_known(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let seen = SeenPerson {
        object_id: "ann".to_owned(),
        mri: Some("29:ann".to_owned()),
        name: Some("Ann".to_owned()),
        upn: Some("ann@old".to_owned()),
        conversation_id: Some("a:ann".to_owned()),
        ..SeenPerson::default()
    };
    let ann = fixture.hear(table.lane_no, seen, "https://smba/", Time(10)).await;
    // Named people have what was found of them when they were looked up; ids come in any case.
    let resolved = vec![DirectoryPerson {
        object_id: "ANN".to_owned(),
        licensed: Some(true),
        ..DirectoryPerson::default()
    }];
    let new = NewMessage { resolved, directory: vec![group("g")], ..table.message(1, &["ann"]) };
    let message_no = table.submit(new).await;
    expand(&table, message_no, 10).await;
    let row = table.page(message_no).await.remove(0);
    assert_eq!((row.key.recipient_no, row.mri.as_deref()), (ann, Some("29:ann")));
    let at = Some(Time(1_000));
    assert_eq!(row.standing, Standing { licensed: Some(true), at, ..Standing::default() });
    let said = DirectoryPerson {
        object_id: "ann".to_owned(),
        upn: Some("ann@new".to_owned()),
        guest: Some(true),
        external: Some(false),
        enabled: Some(false),
        ..DirectoryPerson::default()
    };
    let fill = Fill { people: vec![said], ..page(message_no, 1, None, &[], Next::End) };
    assert!(take(&table, fill).await);
    let expanded = expand(&table, message_no, 10).await;
    assert_eq!(expanded, Expanded { duplicates: 1, done: true, ..Expanded::default() });
    let row = table.page(message_no).await.remove(0);
    let standing = Standing {
        guest: Some(true),
        external: Some(false),
        enabled: Some(false),
        licensed: Some(true),
        at: Some(LATER),
    };
    assert_eq!((row.standing, row.mri.as_deref()), (standing, Some("29:ann")));
    assert!(row.reference.is_some());
    let all = nuncio_domain::views::DeliveryFilter::default();
    let shown = table.ledger().deliveries(&super::OPERATOR, id(1), &all, None, 9).await.unwrap().unwrap();
    let shown = &shown.items[0];
    assert_eq!((shown.name.as_deref(), shown.upn.as_deref()), (Some("Ann"), Some("ann@new")));
}

pub async fn a_message_is_for_whom_it_includes(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let include = Include { guests: true, disabled: false };
    let message_no = table.submit(NewMessage { include, ..table.message(1, &["ann"]) }).await;
    let open = table.ledger().open(table.lane_no, 0).await.unwrap().messages;
    assert_eq!((open[0].include, open[0].created_at), (include, Time(1_000)));
    expand(&table, message_no, 10).await;
    let row = table.page(message_no).await.remove(0);
    table.settle(changes(vec![change(row.key, DeliveryState::Pending, DeliveryState::Failed, 3)], 3)).await;
    // Who was meant is meant still when it is tried again.
    let retries = Some(Retries { of: id(1), states: vec![DeliveryState::Failed], reasons: Vec::new() });
    let again = table.submit(NewMessage { retries, ..table.message(2, &[]) }).await;
    let plain = table.submit(table.message(3, &["ann"])).await;
    let open = table.ledger().open(table.lane_no, 0).await.unwrap().messages;
    let of = |message_no| open.iter().find(|one| one.message_no == message_no).unwrap().include;
    assert_eq!((of(again), of(plain)), (include, Include::default()));
}

pub async fn a_closed_message_takes_no_page(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let message_no = table.submit(NewMessage { directory: vec![group("g")], ..table.message(1, &[]) }).await;
    assert!(take(&table, page(message_no, 0, None, &["ann"], at("2"))).await);
    let to = DeliveryState::Cancelled;
    table.message_change(MessageChange::Close { message_no, to, at: Time(3_000) }, 3_000).await;
    assert!(!take(&table, page(message_no, 0, Some("2"), &["bob"], Next::End)).await);
    assert_eq!(expand(&table, message_no, 10).await, Expanded { done: true, ..Expanded::default() });
    assert_eq!(table.counts(1).await.audience(), 0);
}

pub async fn parts_of_the_directory_overlap_without_doubling(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    table.person("old", 10).await;
    let directory = vec![group("a"), DirectorySource::Team("b".to_owned())];
    let new = NewMessage { directory, installed: true, max_recipients: 3, ..table.message(1, &["bob"]) };
    let message_no = table.submit(new).await;
    // While it waits for the directory, its owner says why; that goes when the audience is there.
    let (expanded, ..) = run(&table, message_no).await;
    assert_eq!(expanded.wants.unwrap().from, group("a"));
    let cause = Some("somebody has to consent".to_owned());
    let state = MessageState::Waiting;
    table.message_change(MessageChange::State { message_no, state, cause }, 2_100).await;
    assert!(take(&table, page(message_no, 1, None, &["ann", "bob"], Next::End)).await);
    let (expanded, added, duplicates) = run(&table, message_no).await;
    assert_eq!(expanded.wants.unwrap().from, DirectorySource::Team("b".to_owned()));
    assert_eq!((added, duplicates), (1, 1));
    let view = table.view(id(1)).await;
    assert_eq!((view.state, view.cause.as_deref()), (state, Some("somebody has to consent")));
    assert!(take(&table, page(message_no, 2, None, &["cid", "ann", "old"], Next::End)).await);
    let (expanded, added, duplicates) = run(&table, message_no).await;
    // `cid` came after the message, so that nobody means them by "installed".
    assert_eq!((expanded.done, expanded.confirm, added, duplicates), (true, true, 2, 2));
    let view = table.view(id(1)).await;
    assert_eq!((view.counts.audience(), view.duplicates_removed), (4, 3));
    assert_eq!((view.state, view.cause.as_deref()), (state, Some("confirm")));
}
