//! What a lane makes of Microsoft's limit, in virtual time: against a limit that falls and comes back, and over hours.

use nuncio_domain::Class;
use nuncio_domain::lane::LaneConfig;

use crate::service::{SECOND, Weather};
use crate::world::{World, people};

/// Calls taken by the service between two moments.
fn taken(world: &World, from: i64, until: i64) -> i64 {
    let times = world.service.taken.values().flatten();
    times.filter(|at| (from..until).contains(*at)).count() as i64
}

/// The true limit is 20 a second for ten minutes, then 50; the lane was told 50 all along. Latency 150 ms, Retry-After
/// 1 s. Gives the share of what those ten minutes allow, the share of refusals, and the seconds until it was back at full pace.
async fn limit_falls(seed: u64) -> (f64, f64, i64) {
    let start = 10_000 * SECOND;
    let back = start + 600 * SECOND;
    let weather = Weather { storm: Some((start, back, 20)), ..Weather::default() };
    let mut world = World::new(seed, weather, |config: &mut LaneConfig| config.limit_per_s = Some(50.0));
    world.latency = (140_000, 160_000);
    let to = people(25_000);
    world.met(&to);
    world.submit(&to, |message| message.class = Class::Bulk).await;
    world.run_for(720).await;
    let share = taken(&world, start, back) as f64 / (20.0 * 600.0);
    let refused = world.service.throttled as f64 / world.service.calls as f64;
    let full = (0..120).find(|n| {
        let second = back + n * SECOND;
        taken(&world, second, second + SECOND) >= 49
    });
    (share, refused, full.unwrap_or(i64::MAX))
}

#[tokio::test]
async fn a_limit_that_falls_is_followed_and_found_again() {
    for seed in 0..6 {
        let (share, refused, back) = limit_falls(seed).await;
        println!("seed {seed}: {share:.3} of ideal, {:.2} % refused, back in {back} s", refused * 100.0);
        assert!(share >= 0.88, "seed {seed}: {share:.3} of what was possible");
        assert!(refused <= 0.005, "seed {seed}: {:.2} % refused", refused * 100.0);
        assert!(back <= 60, "seed {seed}: back at full pace after {back} s");
    }
}

/// `NUNCIO_RECIPIENTS=300000` shows what that many people at 50 a second take: 1 h 40 min if nothing is lost on the way.
#[tokio::test]
async fn a_broadcast_takes_what_the_limit_takes() {
    let asked = std::env::var("NUNCIO_RECIPIENTS").ok();
    let recipients: usize = asked.map_or(30_000, |text| text.parse().expect("a number of recipients"));
    let ideal = (recipients / 50) as i64;
    let mut world = World::new(1, Weather::default(), |_| ());
    let to = people(recipients);
    world.met(&to);
    let began = world.now;
    let id = world.submit(&to, |message| message.class = Class::Bulk).await;
    world.run_for(ideal).await;
    let message = world.finish(id, 3_600).await;
    let took = (message.completed_at.expect("it is completed").0 - began) as f64 / SECOND as f64;
    let share = ideal as f64 / took;
    println!("{recipients} recipients took {took:.0} s, {share:.3} of the ideal {ideal} s");
    assert_eq!(message.counts.delivered, recipients as i64);
    assert_eq!(world.service.throttled, 0);
    assert!(share >= 0.97, "{share:.3} of the limit");
}
