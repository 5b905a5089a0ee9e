//! On what evidence an ambiguous delivery settles itself, and on what it does not.

use nuncio_domain::DeliveryState::{Ambiguous, Delivered, InFlight, Pending};
use nuncio_domain::batch::{Attempt, Change, Intent};
use nuncio_domain::message::{Named, Verdict};
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::{Evidence, Learned, LearnedDone, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{Batch, DeliveryState, Key, NewMessage, RecipientKind, Time};
use nuncio_testkit::conformance::{Fixture, OPERATOR};

use crate::conform::{Database, Table, both};
use crate::files::message;

both!(
    a_button_settles_the_delivery_that_it_came_with,
    a_button_settles_only_what_is_ambiguous_and_personal,
    the_word_is_obeyed_and_shown_as_evidence,
    a_post_settles_within_its_window,
    a_post_of_another_thread_or_without_a_time_settles_nothing,
    a_post_that_may_be_of_another_settles_nothing,
    others_that_cannot_have_made_the_post_do_no_harm,
);

/// When the calls start, in milliseconds.
const START: i64 = 1_795_350_000_000;

struct Place<D> {
    table: Table<D>,
    lane_no: i64,
    made: u128,
    events: u64,
}

impl<D: Database> Place<D> {
    async fn lay() -> Self {
        let table = Table::<D>::make().await;
        let lane_no = table.lane("app", "tenant").await;
        let mut place = Self { table, lane_no, made: 0, events: 0 };
        for person in ["ann", "bob"] {
            place.hears(person, Vec::new()).await;
        }
        place
    }

    /// An activity of a person in their personal conversation; whether somebody is to be woken for it.
    async fn hears(&mut self, person: &str, evidence: Vec<Evidence>) -> bool {
        self.events += 1;
        let learned = Learned {
            app: "app".to_owned(),
            tenant: "tenant".to_owned(),
            service_url: "https://smba/".to_owned(),
            at: Time(START * 1_000 + 9_000_000),
            event: (format!("a:{person}"), format!("event {}", self.events)),
            what: "message".to_owned(),
            people: vec![SeenPerson {
                object_id: person.to_owned(),
                conversation_id: Some(format!("a:{person}")),
                ..SeenPerson::default()
            }],
            evidence,
            ..Learned::default()
        };
        match self.table.store().learn(learned).await.unwrap() {
            LearnedDone::New { said, .. } => said,
            LearnedDone::Duplicate => panic!("every event is another one"),
        }
    }

    async fn presses(&mut self, person: &str, key: Key) -> bool {
        self.hears(person, vec![Evidence::Pressed(key)]).await
    }

    async fn names(&mut self, person: &str, post: impl ToString) -> bool {
        let conversation_id = format!("a:{person}");
        self.hears(person, vec![Evidence::Names { conversation_id, activity_id: post.to_string() }]).await
    }

    /// A message to this recipient whose call starts at this millisecond and comes to this.
    async fn sent(&mut self, to: Named, at: i64, state: DeliveryState, activity_id: Option<&str>) -> Key {
        self.made += 1;
        let new =
            NewMessage { named: vec![to], expires_at: Time(i64::MAX), ..message(self.lane_no, self.made) };
        self.table.store().submit(&OPERATOR, new).await.unwrap();
        let message_no = self.made as i64;
        self.table.store().expand(message_no, 10, Time(START)).await.unwrap();
        let key = self.table.store().page(message_no, 0, 10).await.unwrap()[0].key;
        self.calls(key, at, state, activity_id).await;
        key
    }

    async fn calls(&self, key: Key, at: i64, state: DeliveryState, activity_id: Option<&str>) {
        let at = Time(at * 1_000);
        let intents = vec![Intent { key, reference_no: None, at }];
        self.table.store().commit(Batch { intents, ..Batch::default() }.into()).await.unwrap();
        if state == InFlight {
            return;
        }
        let lost = matches!(state, Ambiguous | Pending);
        let attempt = Attempt {
            call: Operation::Send,
            started_at: at,
            ended_at: at,
            outcome: if lost { "ambiguous" } else { "accepted" },
            status: None,
            code: None,
            text: None,
            correlation: None,
        };
        let change = Change {
            key,
            from: InFlight,
            to: state,
            why: None,
            attempt: Some(attempt),
            activity_id: activity_id.map(str::to_owned),
            due_at: (state == Pending).then_some(at),
            tries: 0,
            resent: state == Pending,
            at,
        };
        self.table.store().commit(Batch { changes: vec![change], ..Batch::default() }.into()).await.unwrap();
    }

    async fn ambiguous(&mut self, person: &str, at: i64) -> Key {
        self.sent(self::person(person), at, Ambiguous, None).await
    }

    /// The words that were left: of which delivery, with which post.
    async fn words(&self) -> Vec<(Key, Option<String>)> {
        let open = self.table.store().open(self.lane_no, 0).await.unwrap();
        assert!(open.settlements.iter().all(|word| word.verdict == Verdict::Delivered));
        open.settlements.into_iter().map(|word| (word.key, word.activity_id)).collect()
    }
}

fn person(name: &str) -> Named {
    Named { kind: RecipientKind::Person, key: name.to_owned() }
}

async fn a_button_settles_the_delivery_that_it_came_with<D: Database>() {
    let mut place = Place::<D>::lay().await;
    let (ann, bob) = (place.ambiguous("ann", START).await, place.ambiguous("bob", START).await);
    // Somebody else's id, and ids of nobody.
    assert!(!place.presses("bob", ann).await);
    assert!(!place.presses("ann", Key { message_no: 99, ..ann }).await);
    assert!(place.words().await.is_empty());
    assert!(place.presses("ann", ann).await);
    assert_eq!(place.words().await, [(ann, None)]);
    // Pressed once more before the owner has obeyed.
    assert!(!place.presses("ann", ann).await);
    assert_eq!(place.words().await.len(), 1);
    // The post that the button is on comes with it, whenever it was posted.
    let names = Evidence::Names { conversation_id: "a:bob".to_owned(), activity_id: "17".to_owned() };
    assert!(place.hears("bob", vec![Evidence::Pressed(bob), names]).await);
    assert_eq!(place.words().await[1], (bob, Some("17".to_owned())));
}

async fn a_button_settles_only_what_is_ambiguous_and_personal<D: Database>() {
    let mut place = Place::<D>::lay().await;
    let delivered = place.sent(person("ann"), START, Delivered, Some("1")).await;
    let flying = place.sent(person("ann"), START, InFlight, None).await;
    let again = place.sent(person("ann"), START, Pending, None).await;
    let channel = Named { kind: RecipientKind::Channel, key: "19:x@thread.tacv2".to_owned() };
    let posted = place.sent(channel, START, Ambiguous, None).await;
    for key in [delivered, flying, again, posted] {
        assert!(!place.presses("ann", key).await, "{key:?}");
    }
    assert!(place.words().await.is_empty());
}

async fn the_word_is_obeyed_and_shown_as_evidence<D: Database>() {
    let mut place = Place::<D>::lay().await;
    let ann = place.ambiguous("ann", START).await;
    let post = (START + 400).to_string();
    assert!(place.names("ann", &post).await);
    let store = place.table.store();
    let word = store.open(place.lane_no, 0).await.unwrap().settlements.remove(0);
    let change = Change {
        key: ann,
        from: Ambiguous,
        to: Delivered,
        why: None,
        attempt: None,
        activity_id: word.activity_id,
        due_at: None,
        tries: word.tries,
        resent: false,
        at: Time(START),
    };
    let batch = Batch { changes: vec![change], settled: vec![word.settlement_no], ..Batch::default() };
    store.commit(batch.into()).await.unwrap();
    let (_, view, _) = store.delivery(&OPERATOR, ann).await.unwrap().unwrap();
    assert_eq!((view.state, view.activity_id.as_ref()), (Delivered, Some(&post)));
    assert_eq!(view.settled.unwrap().evidence, format!("Teams named a post of then: {post}"));
    // From now on it is known.
    place.ambiguous("ann", START + 1_000).await;
    assert!(!place.names("ann", &post).await);
}

async fn a_post_settles_within_its_window<D: Database>() {
    for (offset, settles) in
        [(-5_001, false), (-5_000, true), (0, true), (60_000, true), (60_001, false), (3_600_000, false)]
    {
        let mut place = Place::<D>::lay().await;
        let ann = place.ambiguous("ann", START).await;
        let post = START + offset;
        assert_eq!(place.names("ann", post).await, settles, "{offset}");
        let words = if settles { vec![(ann, Some(post.to_string()))] } else { Vec::new() };
        assert_eq!(place.words().await, words, "{offset}");
    }
}

async fn a_post_of_another_thread_or_without_a_time_settles_nothing<D: Database>() {
    let mut place = Place::<D>::lay().await;
    place.ambiguous("ann", START).await;
    assert!(!place.names("bob", START).await);
    assert!(!place.names("cid", START).await);
    for post in ["", "x", "-1", "1.5", "f:5510c2aa", "9223372036854775807"] {
        assert!(!place.names("ann", post).await, "{post}");
    }
    // What they wrote themselves is no post of ours.
    let own = Learned {
        app: "app".to_owned(),
        tenant: "tenant".to_owned(),
        at: Time(START * 1_000),
        event: ("a:ann".to_owned(), START.to_string()),
        ..Learned::default()
    };
    place.table.store().learn(own).await.unwrap();
    assert!(!place.names("ann", START).await);
    assert!(place.words().await.is_empty());
    assert!(place.names("ann", START + 1).await);
}

async fn a_post_that_may_be_of_another_settles_nothing<D: Database>() {
    let near = START + 20_000;
    for (state, post) in [(Ambiguous, None), (InFlight, None), (Delivered, None)] {
        let mut place = Place::<D>::lay().await;
        place.ambiguous("ann", START).await;
        place.sent(person("ann"), near, state, post).await;
        assert!(!place.names("ann", START + 15_000 + 1).await, "{state}");
        assert!(place.words().await.is_empty());
    }
    // A first try that was lost and sent once more counts though the second one has its id.
    let mut place = Place::<D>::lay().await;
    let lost = place.sent(person("ann"), START, Pending, None).await;
    place.calls(lost, START + 90_000, Delivered, Some("5")).await;
    let other = place.ambiguous("ann", START + 1_000).await;
    assert!(!place.names("ann", START + 500).await);
    // Where only the other can have made it, it is that one's.
    assert!(place.names("ann", START + 60_500).await);
    assert_eq!(place.words().await[0].0, other);
}

async fn others_that_cannot_have_made_the_post_do_no_harm<D: Database>() {
    let mut place = Place::<D>::lay().await;
    let ann = place.ambiguous("ann", START).await;
    // Known by its id, long before, and of another thread.
    place.sent(person("ann"), START + 1_000, Delivered, Some("1795350001000")).await;
    place.ambiguous("ann", START - 200_000).await;
    place.ambiguous("bob", START).await;
    assert!(!place.names("ann", "1795350001000").await);
    assert!(place.names("ann", START + 700).await);
    assert_eq!(place.words().await, [(ann, Some((START + 700).to_string()))]);
}
