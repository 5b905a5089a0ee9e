//! When to try again (`docs/delivery.md`, Retry). Full jitter everywhere; the dice are seeded.

use std::time::Duration;

/// Tries of a delivery answered 412.
pub const CONFLICT_TRIES: u32 = 5;
/// Tries of a delivery answered 503, never sent, or failing in a repeatable call: 8 over 30 min.
pub const UNAVAILABLE_TRIES: u32 = 8;
/// How often a conversation may be gone before it is: at once anew, after 30 s, after 5 min.
pub const GONE_TRIES: u32 = 3;
/// Seconds at most before each further try; they sum up to half an hour.
const UNAVAILABLE_CAPS: [u64; 7] = [2, 8, 30, 120, 300, 600, 740];

/// Small seeded dice (SplitMix64): enough for jitter, the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Anything between nothing and `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.next() % (micros + 1))
    }
}

/// Wait after the `tries`-th 412; `None` when there were enough.
pub fn after_conflict(tries: u32, dice: &mut Dice) -> Option<Duration> {
    let over_a_second = Duration::from_secs((1 << tries.min(4)) - 1);
    (tries < CONFLICT_TRIES).then(|| Duration::from_secs(1) + dice.up_to(over_a_second))
}

/// Wait after the `tries`-th failure of the kind that is worth 8 tries; `None` when there were enough.
pub fn after_unavailable(tries: u32, retry_after: Option<Duration>, dice: &mut Dice) -> Option<Duration> {
    if tries >= UNAVAILABLE_TRIES {
        return None;
    }
    let cap = UNAVAILABLE_CAPS[(tries.saturating_sub(1) as usize).min(UNAVAILABLE_CAPS.len() - 1)];
    let wait = dice.up_to(Duration::from_secs(cap));
    Some(retry_after.map_or(wait, |told| told + wait.min(Duration::from_secs(1))))
}

/// Wait after the `gone`-th 404 of a conversation; `None` when it is gone for good.
pub fn after_gone(gone: u32) -> Option<Duration> {
    match gone {
        0 | 1 => Some(Duration::ZERO),
        2 => Some(Duration::from_secs(30)),
        GONE_TRIES => Some(Duration::from_mins(5)),
        _ => None,
    }
}

/// How long a whole lane waits before it probes again, the `n`-th time.
pub fn lane_rest(n: u32, retry_after: Option<Duration>, dice: &mut Dice) -> Duration {
    let cap = Duration::from_secs((1_u64 << n.min(5)).min(30));
    retry_after.unwrap_or(cap / 2 + dice.up_to(cap / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_and_within_half_an_hour() {
        let mut dice = Dice::new(1);
        let waits: Vec<_> = (1..).map_while(|tries| after_unavailable(tries, None, &mut dice)).collect();
        assert_eq!(waits.len(), 7, "8 tries have 7 waits between them");
        assert!(waits.iter().sum::<Duration>() <= Duration::from_mins(30));
        assert_eq!((1..).map_while(|tries| after_conflict(tries, &mut dice)).count(), 4);
        assert_eq!((1..).map_while(after_gone).count(), 3);
    }

    #[test]
    fn what_microsoft_names_is_obeyed() {
        let mut dice = Dice::new(1);
        let told = Duration::from_secs(90);
        assert!(after_unavailable(1, Some(told), &mut dice).unwrap() >= told);
        assert_eq!(lane_rest(9, Some(told), &mut dice), told);
    }

    #[test]
    fn dice_replay() {
        let roll = |seed| {
            let mut dice = Dice::new(seed);
            [(); 5].map(|()| dice.up_to(Duration::from_secs(1)))
        };
        assert_eq!(roll(3), roll(3));
        assert_ne!(roll(3), roll(4));
    }
}
