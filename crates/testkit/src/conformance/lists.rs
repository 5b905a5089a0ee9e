//! Uploaded lists, the names in them, and groups that are left out.

use nuncio_domain::directory::{DirectoryPerson, DirectorySource, Fill, Next, Resolved, Standing};
use nuncio_domain::lists::{Deleted, Found, Knows, ListedName, NewList, UploadedList};
use nuncio_domain::message::Retries;
use nuncio_domain::{AudienceId, DeliveryState, NewMessage, Role, Scope, Time};

use super::{Fixture, OPERATOR, Table, change, changes, id};

const LATER: Time = Time(2_000);
const ANN: &str = "a0000000-0000-4000-8000-000000000001";
const BOB: &str = "b0000000-0000-4000-8000-000000000002";
const CID: &str = "c0000000-0000-4000-8000-000000000003";
const DAN: &str = "d0000000-0000-4000-8000-000000000004";

fn list_id(number: u128) -> AudienceId {
    AudienceId(id(number).0)
}

fn listed(line: i64, name: &str) -> ListedName {
    ListedName { line, name: name.to_owned() }
}

/// A list of so many people and names, with a blank line and somebody twice.
fn list(table: &Table<'_>, number: u128, people: &[&str], names: &[(i64, &str)]) -> NewList {
    NewList {
        id: list_id(number),
        lane_no: table.lane_no,
        name: Some(format!("list {number}")),
        lines: (people.len() + names.len()) as i64 + 2,
        blanks: 1,
        duplicates: 1,
        people: people.iter().map(|key| (*key).to_owned()).collect(),
        names: names.iter().map(|(line, name)| listed(*line, name)).collect(),
        created_at: Time(1_000),
        idempotency: None,
    }
}

fn one(key: &str) -> Resolved {
    Resolved::One(Box::new(DirectoryPerson {
        object_id: key.to_ascii_uppercase(),
        enabled: Some(true),
        ..DirectoryPerson::default()
    }))
}

async fn seen(table: &Table<'_>, number: u128) -> UploadedList {
    table.fixture.list(&OPERATOR, list_id(number)).await.expect("the list is there")
}

async fn found(table: &Table<'_>, list_no: i64, after: Option<i64>, names: &[(i64, &str, Resolved)]) -> bool {
    let names = names.iter().map(|(line, name, resolved)| (listed(*line, name), resolved.clone())).collect();
    let found = Found { list_no, after, names: Ok(names) };
    let taken = table.ledger().found(found, LATER).await.unwrap();
    table.check().await;
    taken
}

/// Expands to the end; whom it is pending for.
async fn addresses(table: &Table<'_>, message_no: i64) -> Vec<String> {
    loop {
        let expanded = table.ledger().expand(message_no, 2, LATER).await.unwrap();
        table.check().await;
        assert_eq!((&expanded.wants, expanded.names_of), (&None, None));
        if expanded.done {
            return table.page(message_no).await.into_iter().map(|row| row.address).collect();
        }
    }
}

pub async fn uploaded_lists_are_expanded_however_new_they_are(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let first = fixture.upload(list(&table, 1, &[ANN, BOB, CID], &[])).await;
    let second = fixture.upload(list(&table, 2, &[CID, DAN], &[])).await;
    let view = seen(&table, 1).await;
    assert_eq!((view.lines, view.blanks, view.duplicates, view.people), (5, 1, 1, 3));
    assert!(view.ready() && view.list_no == first && view.name.as_deref() == Some("list 1"));
    let new = NewMessage { lists: vec![first, second], ..table.message(1, &[BOB]) };
    let message_no = table.submit(new).await;
    // Named ones first, then by list.
    assert_eq!(addresses(&table, message_no).await, [ANN, BOB, CID, DAN]);
    let view = table.view(id(1)).await;
    assert_eq!((view.counts.audience(), view.duplicates_removed), (4, 2));
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().names_of.is_empty());
}

pub async fn names_of_a_list_are_looked_up_in_order(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let names = [(3, "Ann@Contoso.com"), (5, "dan@contoso.com"), (9, "bob@contoso.com")];
    let list_no = fixture.upload(list(&table, 1, &[ANN], &names)).await;
    assert_eq!(table.ledger().open(table.lane_no, 0).await.unwrap().names_of, [list_no]);
    let message_no = table.submit(NewMessage { lists: vec![list_no], ..table.message(1, &[CID]) }).await;
    let mut added = 0;
    let expanded = loop {
        let expanded = table.ledger().expand(message_no, 1, LATER).await.unwrap();
        added += expanded.added;
        if expanded.names_of.is_some() {
            break expanded;
        }
    };
    assert_eq!((expanded.names_of, expanded.done, added), (Some(list_no), false, 1));
    let next = table.ledger().names(list_no, 2).await.unwrap().unwrap();
    assert_eq!((next.after, next.names), (None, vec![listed(3, names[0].1), listed(5, names[1].1)]));
    // The first is somebody whom the list has by id.
    let said = [(3, names[0].1, one(ANN)), (5, names[1].1, one(DAN))];
    assert!(found(&table, list_no, None, &said).await);
    assert!(!found(&table, list_no, None, &said).await);
    let view = seen(&table, 1).await;
    assert_eq!((view.people, view.duplicates, view.looked_up, view.ready()), (3, 2, 2, false));
    // What refuses is told, and forgotten when it does not any more.
    let refused = Found { list_no, after: Some(5), names: Err("no consent".to_owned()) };
    assert!(table.ledger().found(refused, LATER).await.unwrap());
    assert_eq!(seen(&table, 1).await.cause.as_deref(), Some("no consent"));
    let next = table.ledger().names(list_no, 2).await.unwrap().unwrap();
    assert_eq!((next.after, next.names), (Some(5), vec![listed(9, names[2].1)]));
    assert!(found(&table, list_no, Some(5), &[(9, names[2].1, one(BOB))]).await);
    assert_eq!(table.ledger().names(list_no, 2).await.unwrap(), None);
    let view = seen(&table, 1).await;
    assert_eq!((view.people, view.unresolved, view.cause.as_deref(), view.ready()), (3, 0, None, true));
    assert_eq!(addresses(&table, message_no).await, [ANN, CID, DAN, BOB]);
    let row = table.page(message_no).await.pop().unwrap();
    assert_eq!(row.standing, Standing { enabled: Some(true), at: Some(LATER), ..Standing::default() });
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().names_of.is_empty());
}

pub async fn a_name_that_nobody_has_stays_in_the_ledger(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let names = [(2, "Gone@contoso.com"), (4, "desk@contoso.com")];
    let list_no = fixture.upload(list(&table, 1, &[ANN], &names)).await;
    let said = [(2, names[0].1, Resolved::None), (4, names[1].1, Resolved::Several)];
    assert!(found(&table, list_no, None, &said).await);
    let view = seen(&table, 1).await;
    assert_eq!((view.people, view.names, view.looked_up, view.unresolved), (3, 2, 2, 2));
    let unresolved = fixture.unresolved(list_no).await;
    let told: Vec<_> =
        unresolved.iter().map(|one| (one.listed.line, one.listed.name.as_str(), one.knows)).collect();
    assert_eq!(told, [(2, names[0].1, Knows::Nobody), (4, names[1].1, Knows::Several)]);
    let message_no = table.submit(NewMessage { lists: vec![list_no], ..table.message(1, &[]) }).await;
    let mut meant = addresses(&table, message_no).await;
    meant.sort_unstable();
    assert_eq!(meant, [ANN, "desk@contoso.com", "gone@contoso.com"]);
    let all = nuncio_domain::views::DeliveryFilter::default();
    let shown = table.ledger().deliveries(&OPERATOR, id(1), &all, None, 9).await.unwrap().unwrap();
    let gone = shown.items.iter().find(|view| view.address == "gone@contoso.com").unwrap();
    assert_eq!(gone.upn.as_deref(), Some("Gone@contoso.com"));
    // Nobody means them by "installed", and another list may have the same name.
    let other = fixture.upload(list(&table, 2, &[], &[(1, "gone@contoso.com")])).await;
    assert!(found(&table, other, None, &[(1, "gone@contoso.com", Resolved::None)]).await);
    let new = NewMessage { lists: vec![list_no, other], installed: true, ..table.message(2, &[]) };
    let message_no = table.submit(new).await;
    assert_eq!(addresses(&table, message_no).await.len(), 3);
    assert_eq!(table.view(id(2)).await.duplicates_removed, 1);
}

pub async fn lists_are_of_their_own_lane_and_scope(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let list_no = fixture.upload(list(&table, 1, &[ANN], &[])).await;
    let own = Scope { key_no: 2, role: Role::Send, app: Some("app".to_owned()), may_install: false };
    let other = Scope { app: Some("other".to_owned()), ..own.clone() };
    assert_eq!(fixture.list(&own, list_id(1)).await, Some(seen(&table, 1).await));
    assert_eq!(fixture.list(&other, list_id(1)).await, None);
    assert_eq!(fixture.delete_list(&other, list_id(1)).await, Deleted::NotFound);
    assert_eq!(fixture.list(&OPERATOR, list_id(2)).await, None);
    // A message of another lane does not get at it.
    let elsewhere = fixture.lane("app", "elsewhere").await;
    let new = NewMessage { lane_no: elsewhere, lists: vec![list_no], ..table.message(1, &[]) };
    assert!(table.ledger().submit(&OPERATOR, new).await.is_err());
    assert_eq!(table.ledger().message(&OPERATOR, id(1)).await.unwrap(), None);
}

pub async fn a_list_is_deleted_when_no_message_needs_it(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let list_no = fixture.upload(list(&table, 1, &[ANN, BOB], &[(7, "x@contoso.com")])).await;
    let new = || NewMessage { lists: vec![list_no], installed: true, ..table.message(1, &[]) };
    let message_no = table.submit(new()).await;
    assert_eq!(fixture.delete_list(&OPERATOR, list_id(1)).await, Deleted::InUse);
    assert!(found(&table, list_no, None, &[(7, "x@contoso.com", Resolved::None)]).await);
    assert_eq!(addresses(&table, message_no).await.len(), 3);
    assert_eq!(fixture.delete_list(&OPERATOR, list_id(1)).await, Deleted::Done);
    assert_eq!(fixture.delete_list(&OPERATOR, list_id(1)).await, Deleted::NotFound);
    assert_eq!(fixture.list(&OPERATOR, list_id(1)).await, None);
    assert_eq!(fixture.unresolved(list_no).await, []);
    // The message has whom it has, another cannot have them, and no other list gets the number.
    assert_eq!(table.counts(1).await.audience(), 3);
    let again = NewMessage { id: id(2), ..new() };
    assert!(table.ledger().submit(&OPERATOR, again).await.is_err());
    let next = fixture.upload(list(&table, 2, &[CID], &[(7, "y@contoso.com")])).await;
    assert_ne!(next, list_no);
    // One that is deleted before its names are looked up wants none.
    assert_eq!(fixture.delete_list(&OPERATOR, list_id(2)).await, Deleted::Done);
    assert!(table.ledger().open(table.lane_no, 0).await.unwrap().names_of.is_empty());
    assert_eq!(table.ledger().names(next, 9).await.unwrap(), None);
    assert!(!found(&table, next, None, &[(7, "y@contoso.com", one(DAN))]).await);
}

fn group(name: &str) -> DirectorySource {
    DirectorySource::Group(name.to_owned())
}

async fn fill(table: &Table<'_>, message_no: i64, source_no: usize, people: &[&str], next: Next) -> bool {
    let cursor = table.ledger().expand(message_no, 9, LATER).await.unwrap().wants.unwrap().cursor;
    let people = people
        .iter()
        .map(|key| DirectoryPerson { object_id: (*key).to_ascii_uppercase(), ..DirectoryPerson::default() });
    let fill = Fill { message_no, source_no, cursor, people: people.collect(), next };
    let taken = table.ledger().fill(fill, LATER).await.unwrap();
    table.check().await;
    taken
}

pub async fn who_is_in_a_group_is_left_out(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage {
        directory: vec![group("in")],
        exclude_groups: vec![group("out"), group("far out")],
        exclude: vec![DAN.to_owned()],
        ..table.message(1, &[ANN, BOB])
    };
    let message_no = table.submit(new).await;
    let expanded = table.ledger().expand(message_no, 9, LATER).await.unwrap();
    // Nobody has a delivery before it is known who is left out.
    let wants = expanded.wants.unwrap();
    assert_eq!((expanded.added, wants.source_no, wants.from), (0, 0, group("out")));
    assert!(fill(&table, message_no, 0, &[ANN], Next::At("2".to_owned())).await);
    assert!(fill(&table, message_no, 0, &[ANN, DAN], Next::End).await);
    assert_eq!(table.counts(1).await.audience(), 0);
    assert!(fill(&table, message_no, 1, &[], Next::End).await);
    assert!(fill(&table, message_no, 3, &[ANN, CID, DAN], Next::End).await);
    let addresses = addresses(&table, message_no).await;
    assert_eq!(addresses, [ANN, BOB, CID, DAN]);
    let rows = table.page(message_no).await;
    assert_eq!(rows.iter().map(|row| row.excluded).collect::<Vec<_>>(), [true, false, false, true]);
    // One that is left out twice is one; who was named and met again is a duplicate.
    assert_eq!(table.view(id(1)).await.duplicates_removed, 1);
}

pub async fn exclusions_of_groups_hold_for_a_retry(fixture: &dyn Fixture) {
    let table = Table::lay(fixture).await;
    let new = NewMessage { exclude_groups: vec![group("out")], ..table.message(1, &[ANN, BOB]) };
    let message_no = table.submit(new).await;
    assert!(fill(&table, message_no, 0, &[BOB], Next::End).await);
    addresses(&table, message_no).await;
    let rows = table.page(message_no).await;
    let failed = |key| change(key, DeliveryState::Pending, DeliveryState::Failed, 3);
    table.settle(changes(rows.iter().map(|row| failed(row.key)).collect(), 3)).await;
    let retries = Some(Retries { of: id(1), states: vec![DeliveryState::Failed], reasons: Vec::new() });
    let again = table.submit(NewMessage { retries, ..table.message(2, &[]) }).await;
    addresses(&table, again).await;
    let rows = table.page(again).await;
    assert_eq!(rows.iter().map(|row| row.excluded).collect::<Vec<_>>(), [false, true]);
}
