//! The copy of a directory: rounds page by page, what is gone, and what is read from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nuncio_domain::batch::Row;
use nuncio_domain::directory::{Asker, DirectoryPerson, DirectorySource, Fill, Next, Standing};
use nuncio_domain::directory_copy::{
    Compared, CopyCounts, CopyGroup, CopyMove, CopyNext, CopyPace, CopyPage, CopyState, CopyWord,
    DirectoryCopy,
};
use nuncio_domain::message::Named;
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::ports::{DirectoryCopies, Ledger, Registry};
use nuncio_domain::{MessageId, MessageState, NewMessage, RecipientKind, Scope, Time};
use nuncio_testkit::conformance::{Fixture, OPERATOR};

use crate::conform::{Database, Table, both};
use crate::files::message;

both!(
    a_round_is_kept_page_by_page,
    who_is_not_named_any_more_goes_at_the_end,
    groups_in_groups_and_circles_end,
    an_audience_is_expanded_from_the_copy,
    what_the_copy_says_skips_as_the_directory_does,
    names_are_found_and_only_while_it_is_fresh,
    words_of_operators_are_kept_for_the_task,
);

const PACE: CopyPace = CopyPace { interval: Duration::from_mins(10), max_age: Duration::from_hours(24) };
const NOW: Time = Time(1_000_000_000);
const LATER: Time = Time(2_000_000_000);

fn person(id: &str) -> DirectoryPerson {
    DirectoryPerson {
        object_id: id.to_owned(),
        upn: Some(format!("{id}@contoso.com")),
        name: Some(id.to_uppercase()),
        mail: Some(format!("Mail.{id}@contoso.com")),
        guest: Some(false),
        external: Some(false),
        enabled: Some(true),
        licensed: Some(true),
    }
}

/// People that are there, and those in a minus that are gone.
fn people(ids: &[&str]) -> CopyPage {
    let gone = |id: &&&str| id.starts_with('-');
    let mut page = empty();
    page.people = ids.iter().filter(|id| !gone(id)).map(|id| person(id)).collect();
    page.gone_people = ids.iter().filter(gone).map(|id| id[1..].to_owned()).collect();
    page
}

/// A group with its members; those with a plus are groups, those with a minus have left.
fn group(id: &str, members: &[&str]) -> CopyGroup {
    let mut group = CopyGroup { id: id.to_owned(), name: Some(id.to_uppercase()), ..CopyGroup::default() };
    for member in members {
        let there = !member.starts_with('-');
        let member = member.trim_start_matches('-');
        match member.strip_prefix('+') {
            Some(member) => group.groups.push((member.to_owned(), there)),
            None => group.people.push((member.to_owned(), there)),
        }
    }
    group
}

fn groups(groups: Vec<CopyGroup>) -> CopyPage {
    CopyPage { groups, ..empty() }
}

fn empty() -> CopyPage {
    CopyPage {
        people: Vec::new(),
        gone_people: Vec::new(),
        groups: Vec::new(),
        gone_groups: Vec::new(),
        next: CopyNext::At(String::new()),
    }
}

/// One lane and its copy.
struct Copied<D: Database> {
    table: Table<D>,
    lane_no: i64,
    links: AtomicU64,
}

impl<D: Database> Copied<D> {
    async fn new() -> Self {
        let table = Table::<D>::make().await;
        let lane_no = table.lane("app", "tenant").await;
        Self { table, lane_no, links: AtomicU64::new(0) }
    }

    fn store(&self) -> &D::Store {
        self.table.store()
    }

    async fn begin(&self, full: bool, now: Time) {
        let mut copy = self.store().copy(self.lane_no).await.unwrap();
        copy.begin(full, now);
        assert!(self.store().keep_copy(&copy).await.unwrap());
    }

    /// A page of the step that is due, the last one of it or not.
    async fn page(&self, mut page: CopyPage, last: bool, now: Time) {
        let number = self.links.fetch_add(1, Ordering::Relaxed);
        let link = format!("link {number}");
        page.next = if last { CopyNext::End { changes: link } } else { CopyNext::At(link) };
        let mut copy = self.store().copy(self.lane_no).await.unwrap();
        let round = copy.status.round.as_ref().unwrap().no;
        copy.read(&page, now).unwrap();
        assert!(self.store().keep_page(&copy, round, &page, now).await.unwrap());
        // It comes once: whoever read before this one changes nothing.
        assert!(!self.store().keep_page(&copy, round, &people(&["nobody"]), now).await.unwrap());
    }

    /// What would go.
    async fn compare(&self, now: Time) -> CopyCounts {
        let mut copy = self.store().copy(self.lane_no).await.unwrap();
        let CopyMove::Compare { full } = copy.next(now) else { panic!("{:?}", copy.next(now)) };
        let mut from = full.then(Compared::default);
        while let Some(at) = from {
            from = self.store().compare(&copy, at).await.unwrap();
        }
        let (_, gone) = self.store().count_copy(self.lane_no).await.unwrap();
        copy.compared(gone, now);
        assert!(self.store().keep_copy(&copy).await.unwrap());
        gone
    }

    async fn apply(&self, now: Time) -> CopyCounts {
        let mut copy = self.store().copy(self.lane_no).await.unwrap();
        // A process that was taken over takes nothing away, and marks nothing.
        let old = DirectoryCopy { rev: copy.rev - 1, ..copy.clone() };
        assert!(!self.store().take_away(&old, now).await.unwrap());
        assert_eq!(self.store().compare(&old, Compared::default()).await.unwrap(), None);
        while self.store().take_away(&copy, now).await.unwrap() {}
        let (counts, gone) = self.store().count_copy(self.lane_no).await.unwrap();
        assert_eq!(gone, CopyCounts::default());
        copy.apply(now);
        copy.complete(counts, now, PACE);
        assert!(self.store().keep_copy(&copy).await.unwrap());
        counts
    }

    /// A whole round: what went, and what is there after it.
    async fn round(
        &self,
        full: bool,
        now: Time,
        all: CopyPage,
        of: Vec<CopyGroup>,
    ) -> (CopyCounts, CopyCounts) {
        self.begin(full, now).await;
        self.page(all, true, now).await;
        self.page(groups(of), true, now).await;
        let gone = self.compare(now).await;
        (gone, self.apply(now).await)
    }

    /// Keys of people of a part, in pages of `limit` people of the lane.
    async fn members(&self, from: &DirectorySource, limit: i64) -> Option<Vec<String>> {
        let (mut keys, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store().copied_people(self.lane_no, from, after, limit, NOW).await.unwrap()?;
            for recipient_no in page.recipients {
                assert!(recipient_no > after);
                keys.push(self.key(recipient_no).await);
            }
            match page.next {
                Some(next) => after = next,
                None => return Some(keys),
            }
        }
    }

    async fn key(&self, recipient_no: i64) -> String {
        let page = self.store().people(&OPERATOR, &PeopleFilter::default(), None, 1_000).await.unwrap();
        page.items.into_iter().find(|person| person.recipient_no == recipient_no).unwrap().key
    }

    async fn everyone(&self) -> Vec<String> {
        self.members(&DirectorySource::Everyone, 100).await.unwrap()
    }

    async fn group(&self, id: &str) -> Option<Vec<String>> {
        self.members(&in_group(id), 100).await
    }

    async fn submit(&self, number: u128, directory: Vec<DirectorySource>, now: Time) -> i64 {
        let new = NewMessage {
            directory,
            created_at: now,
            expires_at: Time(i64::MAX),
            max_recipients: 1_000,
            named: Vec::new(),
            ..message(self.lane_no, number)
        };
        self.store().submit(&OPERATOR, new).await.unwrap();
        let open = self.store().open(self.lane_no, 0).await.unwrap().messages;
        open.iter().map(|message| message.message_no).max().unwrap()
    }

    async fn rows(&self, message_no: i64) -> Vec<Row> {
        self.store().page(message_no, 0, 1_000).await.unwrap()
    }
}

fn in_group(id: &str) -> DirectorySource {
    DirectorySource::Group(id.to_owned())
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

async fn a_round_is_kept_page_by_page<D: Database>() {
    let lane = Copied::<D>::new().await;
    let never = lane.store().copy(lane.lane_no).await.unwrap();
    assert_eq!((never.rev, never.status.state), (0, CopyState::Never));
    lane.begin(true, NOW).await;
    lane.page(people(&["ann", "bob"]), false, NOW).await;
    // Whoever goes on after a kill finds the next page and what was read.
    let copy = lane.store().copy(lane.lane_no).await.unwrap();
    assert_eq!(copy.status.round.as_ref().unwrap().read, 2);
    let CopyMove::Read { link, .. } = copy.next(NOW) else { panic!("{copy:?}") };
    assert_eq!(link.as_deref(), Some("link 0"));
    // Of a first round that is not whole nothing is used.
    assert_eq!(lane.members(&DirectorySource::Everyone, 100).await, None);
    // One who is gone and was never known is nobody; the same person twice is one.
    lane.page(people(&["ann", "cid", "-zoe"]), true, NOW).await;
    lane.page(groups(vec![group("g", &["ann", "bob"]), group("g", &["cid"])]), true, NOW).await;
    assert_eq!(lane.compare(NOW).await, CopyCounts::default());
    assert_eq!(lane.apply(NOW).await, CopyCounts { people: 3, groups: 1, members: 3 });
    assert_eq!(lane.everyone().await, ["ann", "bob", "cid"]);
    assert_eq!(lane.group("g").await.unwrap(), ["ann", "bob", "cid"]);
    assert_eq!(lane.group("unknown").await, None);
    let seen = lane.store().copies(&OPERATOR).await.unwrap();
    assert_eq!((seen.len(), seen[0].1.status.state), (1, CopyState::Current));
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    assert_eq!(lane.store().copies(&other).await.unwrap(), []);
}

async fn who_is_not_named_any_more_goes_at_the_end<D: Database>() {
    let lane = Copied::<D>::new().await;
    let all = ["ann", "bob", "cid", "dan"];
    let of = || vec![group("g", &["ann", "bob"]), group("h", &["cid", "+g"])];
    lane.round(true, NOW, people(&all), of()).await;

    // Changes: somebody leaves the directory, somebody a group, and a group is gone; until the end they are there.
    lane.begin(false, NOW).await;
    lane.page(people(&["-ann", "eve"]), true, NOW).await;
    let mut changed = groups(vec![group("g", &["-bob", "dan"])]);
    changed.gone_groups = vec!["h".to_owned()];
    lane.page(changed, true, NOW).await;
    assert_eq!(sorted(lane.everyone().await), ["ann", "bob", "cid", "dan", "eve"]);
    assert_eq!(sorted(lane.group("g").await.unwrap()), ["ann", "bob", "dan"]);
    assert_eq!(lane.compare(NOW).await, CopyCounts { people: 1, groups: 1, members: 1 });
    // A quarter of the people: an operator is asked, and nothing is taken away by itself.
    let copy = lane.store().copy(lane.lane_no).await.unwrap();
    assert_eq!((copy.status.state, copy.next(LATER)), (CopyState::Asks, CopyMove::Wait(None)));
    assert_eq!(lane.apply(NOW).await, CopyCounts { people: 4, groups: 1, members: 4 });
    assert_eq!(sorted(lane.everyone().await), ["bob", "cid", "dan", "eve"]);
    assert_eq!(lane.group("g").await.unwrap(), ["dan"]);
    assert_eq!(lane.group("h").await, None);

    // Deleted and restored: they are back, and in the group that was never told to be without them.
    let (gone, _) = lane.round(false, NOW, people(&["ann"]), vec![group("h", &[])]).await;
    assert_eq!(gone, CopyCounts::default());
    assert_eq!(sorted(lane.group("g").await.unwrap()), ["ann", "dan"]);
    assert_eq!(sorted(lane.group("h").await.unwrap()), ["ann", "cid", "dan"]);

    // Everything anew: who is not named is gone, also one who was marked by a round that came to nothing.
    lane.begin(false, NOW).await;
    lane.page(people(&["-bob", "-cid"]), true, NOW).await;
    let (gone, left) =
        lane.round(true, NOW, people(&["ann", "bob", "eve"]), vec![group("g", &["ann"])]).await;
    assert_eq!(gone, CopyCounts { people: 2, groups: 1, members: 3 });
    assert_eq!(left, CopyCounts { people: 3, groups: 1, members: 1 });
    assert_eq!(sorted(lane.everyone().await), ["ann", "bob", "eve"]);
    // Named and told to be gone in one round: the last word counts.
    lane.begin(true, NOW).await;
    lane.page(people(&["ann", "bob", "eve"]), false, NOW).await;
    lane.page(people(&["-eve"]), true, NOW).await;
    lane.page(groups(vec![group("g", &["ann"])]), true, NOW).await;
    assert_eq!(lane.compare(NOW).await.people, 1);
    lane.apply(NOW).await;
    assert_eq!(sorted(lane.everyone().await), ["ann", "bob"]);
}

async fn groups_in_groups_and_circles_end<D: Database>() {
    let lane = Copied::<D>::new().await;
    let of = vec![
        // The inner ones are met as members before they are told.
        group("a", &["ann", "+b"]),
        group("b", &["bob", "+c"]),
        group("c", &["cid", "ann", "+a"]),
        group("alone", &["dan", "stranger", "+unknown"]),
    ];
    let (_, counts) = lane.round(true, NOW, people(&["ann", "bob", "cid", "dan", "eve"]), of).await;
    assert_eq!(counts, CopyCounts { people: 5, groups: 4, members: 10 });
    for id in ["a", "b", "c", "C"] {
        for limit in [1, 2, 100] {
            let keys = lane.members(&in_group(id), limit).await.unwrap();
            assert_eq!(sorted(keys), ["ann", "bob", "cid"], "{id} {limit}");
        }
    }
    // Neither somebody whom the directory does not have nor a group that it does not tell.
    assert_eq!(lane.group("alone").await.unwrap(), ["dan"]);
    assert_eq!(lane.group("unknown").await, None);
    lane.round(false, NOW, people(&[]), vec![group("b", &["-+c"])]).await;
    assert_eq!(sorted(lane.group("a").await.unwrap()), ["ann", "bob"]);
    assert_eq!(sorted(lane.group("c").await.unwrap()), ["ann", "bob", "cid"]);
    // What is taken away is not read any more from then on, and not only when the round is over.
    lane.begin(false, NOW).await;
    lane.page(empty(), true, NOW).await;
    lane.page(CopyPage { gone_groups: vec!["b".to_owned()], ..empty() }, true, NOW).await;
    lane.compare(NOW).await;
    assert_eq!(sorted(lane.group("a").await.unwrap()), ["ann", "bob"]);
    let copy = lane.store().copy(lane.lane_no).await.unwrap();
    assert!(!lane.store().take_away(&copy, NOW).await.unwrap());
    assert_eq!(lane.group("a").await.unwrap(), ["ann"]);
}

async fn an_audience_is_expanded_from_the_copy<D: Database>() {
    let lane = Copied::<D>::new().await;
    let all: Vec<String> = (0..25).map(|n| format!("p{n:02}")).collect();
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    let of = vec![group("g", &ids[..10]), group("h", &["p09", "p20", "+g"])];
    // Before it is whole, and when it is too old, the directory is asked.
    let before = lane.submit(1, vec![DirectorySource::Everyone], NOW).await;
    let wants = lane.store().expand(before, 10, NOW).await.unwrap().wants;
    assert!(wants.is_some_and(|wants| wants.cursor.is_none()));
    lane.round(true, NOW, people(&ids), of).await;
    let old = lane.submit(2, vec![DirectorySource::Everyone], NOW).await;
    let late = NOW + PACE.max_age;
    assert!(lane.store().expand(old, 10, late).await.unwrap().wants.is_some());

    let message_no = lane.submit(3, vec![in_group("h"), DirectorySource::Everyone], NOW).await;
    let (mut added, mut duplicates, mut chunks) = (0, 0, 0);
    loop {
        // A source that began with the copy goes on with it.
        let at = if chunks == 1 { late } else { NOW };
        let expanded = lane.store().expand(message_no, 7, at).await.unwrap();
        assert_eq!(expanded.wants, None);
        (added, duplicates, chunks) = (added + expanded.added, duplicates + expanded.duplicates, chunks + 1);
        if expanded.done {
            break;
        }
    }
    assert_eq!((added, duplicates), (25, 11));
    assert_eq!(lane.rows(message_no).await.len(), 25);
    assert_eq!(lane.store().message(&OPERATOR, view(3)).await.unwrap().unwrap().state, MessageState::Sending);
    // A page that was asked of Graph before comes too late for a list that is read from the copy.
    let everyone = lane.submit(4, vec![DirectorySource::Everyone], NOW).await;
    lane.store().expand(everyone, 7, NOW).await.unwrap();
    let fill = Fill {
        message_no: everyone,
        source_no: 0,
        cursor: None,
        people: vec![person("zoe")],
        next: Next::At("2".to_owned()),
    };
    assert!(!lane.store().fill(fill, NOW).await.unwrap());
    // A group that the copy does not know may be new.
    let unknown = lane.submit(5, vec![in_group("new")], NOW).await;
    assert!(lane.store().expand(unknown, 7, NOW).await.unwrap().wants.is_some());
}

fn view(number: u128) -> MessageId {
    message(1, number).id
}

async fn what_the_copy_says_skips_as_the_directory_does<D: Database>() {
    let lane = Copied::<D>::new().await;
    let mut page = people(&["ann", "bob"]);
    page.people[0].guest = Some(true);
    page.people[1].enabled = Some(false);
    lane.round(true, NOW, page, Vec::new()).await;
    // What has not changed is not told again, and is said again all the same by each round.
    let later = NOW + Duration::from_hours(10 * 24);
    lane.round(false, later, people(&[]), Vec::new()).await;
    let created = later + Duration::from_hours(1);
    let message_no = lane.submit(1, vec![DirectorySource::Everyone], created).await;
    lane.store().expand(message_no, 100, created).await.unwrap();
    let standings: Vec<Standing> = lane.rows(message_no).await.iter().map(|row| row.standing).collect();
    assert_eq!((standings[0].guest, standings[1].enabled), (Some(true), Some(false)));
    // For the message, as if it had been asked.
    assert_eq!(standings[0].at, Some(created));
    // By a message that came when it was too old, it is known since the last round.
    let old = later + Duration::from_hours(30);
    let ann = Named { kind: RecipientKind::Person, key: "ann".to_owned() };
    let named = NewMessage { named: vec![ann], created_at: old, ..message(lane.lane_no, 2) };
    lane.store().submit(&OPERATOR, named).await.unwrap();
    let open = lane.store().open(lane.lane_no, 0).await.unwrap().messages;
    let named = open.iter().map(|message| message.message_no).max().unwrap();
    lane.store().expand(named, 100, old).await.unwrap();
    assert_eq!(lane.rows(named).await[0].standing.at, Some(later));
    // Whoever has left is not said anything of any more.
    lane.round(false, old, people(&["-ann"]), Vec::new()).await;
    assert_eq!(lane.rows(named).await[0].standing.at, Some(NOW));
}

async fn names_are_found_and_only_while_it_is_fresh<D: Database>() {
    let lane = Copied::<D>::new().await;
    let mut page = people(&["ann", "bob", "cid", "dan"]);
    page.people[2].mail = Some("team@contoso.com".to_owned());
    page.people[3].mail = Some("team@contoso.com".to_owned());
    lane.round(true, NOW, page, Vec::new()).await;
    let names: Vec<String> = [
        "ANN@contoso.com",
        "mail.bob@contoso.com",
        "team@contoso.com",
        "gone@contoso.com",
        "cid@contoso.com ",
    ]
    .map(str::to_owned)
    .into();
    let find = async |asker, now| {
        let found = lane.store().find_people(asker, &names, now).await.unwrap();
        found.into_iter().map(|person| person.map(|person| person.object_id)).collect::<Vec<_>>()
    };
    let asker = Asker { app: "app", tenant: "tenant" };
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(find(asker, NOW).await, [id("ann"), id("bob"), None, None, id("cid")]);
    assert_eq!(find(asker, NOW + PACE.max_age).await, [const { None }; 5]);
    assert_eq!(find(Asker { app: "other", tenant: "tenant" }, NOW).await, [const { None }; 5]);
    // Who was renamed is not found by the old name, and who has no address any more not by that.
    let mut page = people(&["ann", "bob"]);
    page.people[0].upn = Some("ann.lee@contoso.com".to_owned());
    page.people[1].mail = Some(String::new());
    lane.round(false, NOW, page, Vec::new()).await;
    assert_eq!(find(asker, NOW).await, [None, None, None, None, id("cid")]);
    let found = lane.store().find_people(asker, &["ann.lee@contoso.com".to_owned()], NOW).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().name.as_deref(), Some("ANN"));
}

async fn words_of_operators_are_kept_for_the_task<D: Database>() {
    let lane = Copied::<D>::new().await;
    let (store, lane_no) = (lane.store(), lane.lane_no);
    let other = Scope { app: Some("other".to_owned()), ..OPERATOR };
    assert!(!store.tell_copy(&other, lane_no, CopyWord::Changes).await.unwrap());
    assert!(!store.tell_copy(&OPERATOR, lane_no + 1, CopyWord::Changes).await.unwrap());
    assert!(store.tell_copy(&OPERATOR, lane_no, CopyWord::Everything).await.unwrap());
    let mut copy = store.copy(lane_no).await.unwrap();
    assert_eq!((copy.word, copy.status.state), (Some(CopyWord::Everything), CopyState::Never));
    // One that comes meanwhile stays.
    copy.begin(true, NOW);
    assert!(store.tell_copy(&OPERATOR, lane_no, CopyWord::Changes).await.unwrap());
    assert!(store.keep_copy(&copy).await.unwrap());
    assert!(!store.keep_copy(&copy).await.unwrap());
    let mut copy = store.copy(lane_no).await.unwrap();
    assert_eq!((copy.word, copy.status.state), (Some(CopyWord::Changes), CopyState::Running));
    copy.drop_word();
    assert!(store.keep_copy(&copy).await.unwrap());
    assert_eq!(store.copy(lane_no).await.unwrap().word, None);
}
