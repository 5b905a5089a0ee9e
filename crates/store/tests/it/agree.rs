//! SQLite and the model, told the same at random, say the same.

use nuncio_testkit::MemoryLedger;
use nuncio_testkit::conformance::random::{Step, agree};
use proptest::prelude::*;

use crate::conform::OnDisk;

proptest! {
    // 60 scripts of 20 to 60 steps: about 2,400 writes.
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_the_model_agree(script in prop::collection::vec(any::<Step>(), 20..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let disk = OnDisk::new().await;
            agree(&disk, &MemoryLedger::default(), &script).await;
            disk.store().close().await;
        });
    }
}
