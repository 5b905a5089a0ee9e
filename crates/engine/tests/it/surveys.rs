//! Surveys: Graph is asked who has the app, and what it refuses of that is not what it refuses of installing.

use nuncio_domain::MessageState;
use nuncio_domain::install::InstallPolicy;
use nuncio_domain::message::NewMessage;
use nuncio_domain::own_words::Purpose;
use nuncio_domain::people::{ReachState, SeenPerson};

use crate::installs::waits;
use crate::service::{SECOND, Weather};
use crate::world::{LANE, World, people};

fn world(seed: u64, strangers: &[String]) -> World {
    let weather = Weather { strangers: strangers.iter().cloned().collect(), ..Weather::default() };
    World::new(seed, weather, |_| ())
}

fn survey(new: &mut NewMessage) {
    new.purpose = Purpose::Survey;
}

fn install(new: &mut NewMessage) {
    (new.purpose, new.install) = (Purpose::Install, InstallPolicy::IfNeverInstalled);
}

#[tokio::test]
async fn a_survey_asks_everybody_and_disturbs_nobody() {
    let to = people(90);
    let mut world = world(14, &to);
    world.installer.has = to[..30].iter().cloned().collect();
    let blocked = SeenPerson {
        object_id: to[0].clone(),
        reach: Some((ReachState::Blocked, nuncio_domain::ReachEvidence::event("blocked"))),
        ..SeenPerson::default()
    };
    let blocked = world.ledger.hear(LANE, &blocked, "", world.wall());
    let id = world.submit(&to, |new| new.purpose = Purpose::Survey).await;
    let message = world.finish(id, 30).await;
    assert_eq!(message.counts.delivered, 90);
    assert_eq!((world.installer.installs.len(), world.service.calls), (0, 0));
    let mut states = [0; 2];
    for delivery in world.deliveries(id).await {
        let (state, _, evidence) = world.ledger.reach(delivery.key.recipient_no).unwrap();
        match state {
            ReachState::Reachable => states[0] += 1,
            ReachState::NeverInstalled => states[1] += 1,
            state => assert_eq!((delivery.key.recipient_no, state), (blocked, ReachState::Blocked)),
        }
        assert!(delivery.key.recipient_no == blocked || evidence.unwrap().contains("survey"));
    }
    assert_eq!(states, [29, 60]);
}

#[tokio::test]
async fn what_is_refused_of_a_survey_holds_up_no_install_and_the_other_way_round() {
    let to = people(60);
    let mut world = world(16, &to);
    let start = world.now;
    let (question, role) = ("grant the role that reads", "grant the role that installs");
    world.installer.refuses_questions = vec![(start, start + 20 * SECOND, waits(question))];
    world.installer.refuses = vec![(start + 20 * SECOND, start + 40 * SECOND, waits(role))];
    let asking = world.submit(&to, survey).await;
    world.run_for(5).await;
    let held = world.message(asking).await;
    assert_eq!((held.state, held.cause), (MessageState::Waiting, Some(format!("survey: {question}"))));
    // Whoever is to be given the app is, and a message that does so says nothing of the survey.
    let run = world.submit(&to[..30], install).await;
    assert_eq!(world.finish(run, 10).await.counts.delivered, 30);
    world.run_until(60, async |world: &World| world.now >= start + 25 * SECOND).await;
    let other = world.submit(&to[30..], install).await;
    world.run_for(5).await;
    let held = world.message(other).await;
    assert_eq!((held.state, held.cause), (MessageState::Waiting, Some(format!("install: {role}"))));
    // Allowed meanwhile, and not held up by what is wrong with installing.
    let message = world.finish(asking, 200).await;
    assert_eq!(message.counts.delivered, 60);
    assert_eq!(world.finish(other, 200).await.counts.delivered, 30);
    assert!(message.completed_at.unwrap() < world.message(other).await.completed_at.unwrap());
}

#[tokio::test]
async fn a_survey_that_waits_is_taken_over() {
    let to = people(3);
    let mut world = world(17, &to);
    let start = world.now;
    world.installer.refuses_questions = vec![(start, start + 60 * SECOND, waits("grant it"))];
    let id = world.submit(&to, survey).await;
    world.run_for(10).await;
    world.die_after(0, SECOND);
    world.run_for(5).await;
    let held = world.message(id).await;
    assert_eq!((held.state, held.cause.as_deref()), (MessageState::Waiting, Some("survey: grant it")));
    assert_eq!(world.finish(id, 200).await.counts.delivered, 3);
}
