//! When a preview says that a message would be done, against when the lane is done with it, in virtual time.

use nuncio_domain::Class;
use nuncio_domain::lane::pace::Pace;
use nuncio_domain::preview::estimate::{Ahead, Calls, takes};

use crate::service::{SECOND, Weather};
use crate::world::{World, people};

/// What the lane has to do before: deliveries of each class, in messages of these sizes.
const BUSY: [(Class, &[i64]); 3] =
    [(Class::Urgent, &[100]), (Class::Normal, &[1_500, 60]), (Class::Bulk, &[2_000, 2_000])];

/// Seconds, as they were foreseen and as they were.
async fn a_message_among_others(class: Class, busy: &[(Class, &[i64])]) -> (f64, f64) {
    let mut world = World::new(7, Weather::default(), |_| ());
    let mut everybody = people(8_000).into_iter();
    let mut some = |n: i64| everybody.by_ref().take(n as usize).collect::<Vec<_>>();
    // A third of them is met for the first time: a create and a send.
    let (known, strangers) = (some(400), some(200));
    world.met(&known);
    let calls = Calls { create: 200, send: 600, ..Calls::default() };
    let ahead: Vec<Ahead> = busy
        .iter()
        .map(|(class, sizes)| Ahead {
            class: *class,
            deliveries: sizes.iter().sum(),
            between: sizes.iter().map(|size| calls.paced().min(*size)).sum(),
        })
        .collect();
    for (class, sizes) in busy {
        for size in *sizes {
            let to = some(*size);
            world.met(&to);
            world.submit(&to, |message| message.class = *class).await;
        }
    }
    // They have begun, as nothing is left in the lane's first second.
    world.run_for(1).await;
    let began = world.now;
    let id = world.submit(&[known, strangers].concat(), |message| message.class = class).await;
    let message = world.finish(id, 3_600).await;
    let took = (message.completed_at.expect("it is completed").0 - began) as f64 / SECOND as f64;
    let rate = Pace::new(Some(50.0), world.wall()).rate();
    let foreseen = takes(class, calls, &ahead, Some(rate)).expect("a lane with a limit");
    (foreseen.as_secs_f64(), took)
}

#[tokio::test]
async fn the_end_is_foreseen() {
    for class in [Class::Urgent, Class::Normal, Class::Bulk] {
        for busy in [&[][..], &BUSY] {
            let (foreseen, took) = a_message_among_others(class, busy).await;
            println!("{class} beside {} others: foreseen {foreseen:.1} s, took {took:.1} s", busy.len());
            let off = (took - foreseen).abs();
            assert!(off <= 1.5 + foreseen * 0.03, "{class}: foreseen {foreseen:.1} s, took {took:.1} s");
        }
    }
}
