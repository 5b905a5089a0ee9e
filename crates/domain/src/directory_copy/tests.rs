use super::*;

const SECOND: i64 = 1_000_000;
const PACE: CopyPace = CopyPace { interval: Duration::from_mins(10), max_age: Duration::from_hours(24) };
const KNOWN: CopyCounts = CopyCounts { people: 100, groups: 40, members: 200 };

fn at(second: i64) -> Time {
    Time(second * SECOND)
}

fn page(next: CopyNext) -> CopyPage {
    let people = vec![DirectoryPerson::default(); 2];
    CopyPage { people, gone_people: Vec::new(), groups: Vec::new(), gone_groups: Vec::new(), next }
}

fn more(link: &str) -> CopyPage {
    page(CopyNext::At(link.to_owned()))
}

fn end(changes: &str) -> CopyPage {
    page(CopyNext::End { changes: changes.to_owned() })
}

fn read(step: CopyStep, link: Option<&str>) -> CopyMove {
    CopyMove::Read { step, link: link.map(str::to_owned) }
}

/// One that was read whole at that second.
fn whole(second: i64) -> DirectoryCopy {
    let mut copy = DirectoryCopy::default();
    copy.begin(true, at(0));
    copy.read(&end("people-1"), at(0)).unwrap();
    copy.read(&end("groups-1"), at(0)).unwrap();
    copy.compared(CopyCounts::default(), at(0));
    copy.complete(KNOWN, at(second), PACE);
    copy
}

#[test]
fn the_first_round_reads_everything_and_the_next_what_changed() {
    let mut copy = DirectoryCopy::default();
    assert_eq!((copy.status.state, copy.next(at(1))), (CopyState::Never, CopyMove::Begin { full: true }));
    copy.begin(true, at(1));
    assert_eq!(copy.next(at(1)), read(CopyStep::People, None));
    copy.read(&more("p2"), at(1)).unwrap();
    assert_eq!(copy.next(at(1)), read(CopyStep::People, Some("p2")));
    copy.read(&end("people-1"), at(1)).unwrap();
    assert_eq!(copy.next(at(1)), read(CopyStep::Groups, None));
    copy.read(&end("groups-1"), at(1)).unwrap();
    assert_eq!(copy.next(at(1)), CopyMove::Compare { full: true });
    assert_eq!(copy.status.round.as_ref().unwrap().read, 6);
    // Of the first nothing is asked, however little it has.
    copy.compared(KNOWN, at(1));
    assert_eq!((copy.status.state, copy.next(at(1))), (CopyState::Running, CopyMove::Apply));
    assert_eq!(copy.fresh_until, None);
    copy.complete(KNOWN, at(5), PACE);
    assert_eq!((copy.status.state, copy.fresh_until), (CopyState::Current, Some(at(5 + 24 * 3_600))));

    assert_eq!(copy.next(at(6)), CopyMove::Wait(Some(at(605))));
    assert_eq!(copy.next(at(605)), CopyMove::Begin { full: false });
    copy.begin(false, at(605));
    assert_eq!(copy.next(at(605)), read(CopyStep::People, Some("people-1")));
    copy.read(&end("people-2"), at(605)).unwrap();
    assert_eq!(copy.next(at(605)), read(CopyStep::Groups, Some("groups-1")));
    copy.read(&end("groups-2"), at(605)).unwrap();
    assert_eq!(copy.next(at(605)), CopyMove::Compare { full: false });
    copy.compared(CopyCounts { people: 10, ..CopyCounts::default() }, at(606));
    copy.complete(KNOWN, at(606), PACE);
    // A week later all of it again.
    assert_eq!(copy.next(at(6 * 24 * 3_600)), CopyMove::Begin { full: false });
    assert_eq!(copy.next(at(8 * 24 * 3_600)), CopyMove::Begin { full: true });
}

#[test]
fn over_a_tenth_is_asked_for() {
    let gone = |people, groups, members| CopyCounts { people, groups, members };
    for (gone, asks) in [
        (gone(10, 4, 20), false),
        (gone(11, 0, 0), true),
        (gone(0, 10, 0), false),
        (gone(0, 11, 0), true),
        (gone(0, 0, 21), true),
    ] {
        let mut copy = whole(0);
        copy.begin(false, at(700));
        copy.compared(gone, at(700));
        assert_eq!(copy.status.state == CopyState::Asks, asks, "{gone:?}");
    }
    let mut asked = whole(0);
    asked.begin(false, at(700));
    asked.read(&end("people-2"), at(700)).unwrap();
    asked.read(&end("groups-2"), at(700)).unwrap();
    asked.compared(gone(50, 0, 0), at(700));
    assert_eq!(asked.next(at(100_000)), CopyMove::Wait(None));
    // What is known stays in use for as long as it counts.
    assert_eq!(asked.fresh_until, Some(at(24 * 3_600)));
    let told = |word| DirectoryCopy { word: Some(word), ..asked.clone() };
    assert_eq!(told(CopyWord::Changes).next(at(800)), CopyMove::Drop);
    assert_eq!(told(CopyWord::Reject).next(at(800)), CopyMove::Begin { full: true });
    let mut yes = told(CopyWord::Confirm);
    assert_eq!(yes.next(at(800)), CopyMove::Confirmed);
    yes.apply(at(800));
    assert_eq!((yes.next(at(800)), yes.obeyed), (CopyMove::Drop, Some(CopyWord::Confirm)));
    yes.word = None;
    assert_eq!(yes.next(at(800)), CopyMove::Apply);
    yes.complete(KNOWN, at(801), PACE);
    assert_eq!((yes.status.state, yes.status.asks), (CopyState::Current, None));
}

#[test]
fn what_passes_is_waited_for_and_what_does_not_is_said() {
    let mut copy = whole(0);
    copy.begin(false, at(700));
    let throttled = DirectoryError::Throttled { retry_after: Some(Duration::from_secs(30)) };
    copy.failed(&throttled, at(700));
    assert_eq!((copy.status.state, copy.next(at(701))), (CopyState::Running, CopyMove::Wait(Some(at(730)))));
    assert_eq!(copy.next(at(730)), read(CopyStep::People, Some("people-1")));
    copy.failed(&DirectoryError::NotPermitted { role: "User.Read.All".to_owned() }, at(730));
    assert_eq!(copy.status.state, CopyState::Failing);
    assert!(copy.status.cause.as_ref().unwrap().contains("User.Read.All"));
    assert_eq!(copy.next(at(731)), CopyMove::Wait(Some(at(732))));
    // An operator need not wait.
    copy.word = Some(CopyWord::Changes);
    assert_eq!(copy.next(at(731)), read(CopyStep::People, Some("people-1")));
    copy.read(&more("p2"), at(731)).unwrap();
    assert_eq!((copy.status.state, copy.status.cause.as_ref()), (CopyState::Running, None));
    assert_eq!(copy.obeyed, Some(CopyWord::Changes));
    copy.word = None;
    for failure in 1..=12 {
        copy.failed(&DirectoryError::Unavailable("down".to_owned()), at(800));
        assert_eq!(copy.status.state == CopyState::Failing, failure >= PATIENCE, "{failure}");
    }
    assert_eq!(copy.next(at(800)), CopyMove::Wait(Some(at(1_100))));
}

#[test]
fn a_link_that_is_too_old_or_leads_nowhere_begins_everything_anew() {
    let mut copy = whole(0);
    copy.begin(false, at(700));
    copy.failed(&DirectoryError::Anew("too old".to_owned()), at(700));
    assert_eq!(copy.next(at(702)), CopyMove::Begin { full: true });
    copy.begin(true, at(702));
    // Five pages that go round in a circle are noticed before twice as many.
    let mut pages = 0;
    let circle = loop {
        pages += 1;
        if let Err(error) = copy.read(&more(&format!("p{}", pages % 5)), at(702)) {
            break error;
        }
    };
    assert!(pages <= 13, "{pages}");
    copy.failed(&circle, at(702));
    assert_eq!(copy.next(at(704)), CopyMove::Begin { full: true });
    copy.begin(true, at(704));
    copy.read(&more("same"), at(704)).unwrap();
    assert!(copy.read(&more("same"), at(704)).is_err());
}

#[test]
fn words_are_obeyed_at_any_time() {
    let mut copy = whole(0);
    copy.word = Some(CopyWord::Changes);
    assert_eq!(copy.next(at(1)), CopyMove::Begin { full: false });
    copy.begin(false, at(1));
    assert_eq!(copy.obeyed, Some(CopyWord::Changes));
    copy.word = Some(CopyWord::Everything);
    assert_eq!(copy.next(at(1)), CopyMove::Begin { full: true });
    copy.word = Some(CopyWord::Confirm);
    assert_eq!(copy.next(at(1)), CopyMove::Drop);
    assert!(copy.counts_for(None) && copy.fresh_until.is_none() && !copy.counts_for(None));
    assert!(copy.counts_for(Some(Duration::from_hours(1))));
    assert_eq!(copy.fresh_until, Some(at(3_600)));
}

#[test]
fn it_is_stored_as_it_is_and_an_empty_one_is_the_beginning() {
    let mut copy = whole(3);
    copy.begin(false, at(700));
    let text = serde_json::to_string(&copy.status).unwrap();
    assert_eq!(serde_json::from_str::<CopyStatus>(&text).unwrap(), copy.status);
    assert_eq!(serde_json::from_str::<CopyStatus>("{}").unwrap(), CopyStatus::default());
}
