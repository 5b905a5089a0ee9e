//! What is tidied up beside everything else: what is left of uploaded lists whose upload, or deletion, ended in the middle
//! (`docs/adr/0033`).

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::Clock;
use nuncio_domain::ports::Registry;

use crate::commands::pause;

const EVERY: Duration = Duration::from_mins(10);
/// Nobody stores a list for as long as that: a million lines take seconds.
const UNFINISHED: Duration = Duration::from_hours(1);

/// At start, and from time to time.
pub async fn lists(registry: Arc<dyn Registry>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        match registry.wipe_lists(now - UNFINISHED, now).await {
            Ok(0) => {}
            Ok(lists) => tracing::info!(
                lists,
                "took away what was left of lists that were not stored or deleted to their end"
            ),
            Err(error) => tracing::warn!(%error, "what is left of unfinished lists stays for now"),
        }
        pause(EVERY).await;
    }
}
