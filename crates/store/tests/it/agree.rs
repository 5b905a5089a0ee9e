//! Each database and the model, told the same at random, say the same: the same 60 scripts each time, which are about
//! 2,400 writes. Others by `NUNCIO_SEED=n`, more by `PROPTEST_CASES=n`.

use nuncio_testkit::MemoryLedger;
use nuncio_testkit::conformance::random::{Step, agree};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::conform::{Database, OnDisk, OnServer, Table};

fn follow<D: Database>(script: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let table = Table::<D>::make().await;
        agree(&table, &MemoryLedger::default(), script).await;
        table.0.close().await;
    });
}

fn config() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    ProptestConfig {
        cases: number("PROPTEST_CASES").map_or(60, |cases| u32::try_from(cases).expect("fewer cases")),
        rng_seed: RngSeed::Fixed(number("NUNCIO_SEED").unwrap_or(1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sqlite_and_the_model_agree(script in prop::collection::vec(any::<Step>(), 20..60)) {
        follow::<OnDisk>(&script);
    }

    #[test]
    fn postgres_and_the_model_agree(script in prop::collection::vec(any::<Step>(), 20..60)) {
        follow::<OnServer>(&script);
    }
}
