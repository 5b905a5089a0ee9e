//! Holding on to what this process owns (`docs/delivery.md`, Intents, leases, time-outs).

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;

use crate::clock::pause;
use crate::engine::Shared;

/// A lease of 9 s is renewed so often …
const EVERY: Duration = Duration::from_secs(3);
/// … and after a failure sooner.
const AGAIN: Duration = Duration::from_millis(500);

/// Until when the lanes of this process are its own; asked once before they start.
pub(crate) async fn renew(shared: &Shared) -> Result<Time, StoreError> {
    let before = shared.ports.clock.now();
    let lasts = shared.ports.ledger.renew().await?;
    Ok(if lasts == Duration::MAX { Time::MAX } else { before + lasts })
}

/// Renews the lease and tells the lanes, until there is no need or another process has taken over.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut wait = EVERY;
    while shared.lease() != Time::MAX {
        pause(wait).await;
        match renew(&shared).await {
            Ok(until) => {
                shared.leased(until);
                wait = EVERY;
            }
            Err(StoreError::Fenced) => return shared.lost(),
            Err(error) => {
                tracing::warn!(%error, "the lease could not be renewed and is tried again");
                wait = AGAIN;
            }
        }
    }
}
