//! One page of the directory for an expansion that wants it: asked for, and stored before the lane hears of it.

use nuncio_domain::directory::{Asker, Directory, DirectoryError, DirectoryPage, Fill, Next, Wanted};
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::{Clock, Time};

/// What came of asking. The store's trouble is for the caller to insist on.
pub(crate) async fn ask(
    directory: &dyn Directory,
    lane: &Lane,
    message_no: i64,
    wanted: &Wanted,
) -> (Option<Fill>, Result<(), DirectoryError>) {
    let asker = Asker { app: &lane.app, tenant: &lane.tenant };
    let fill = |people, next| {
        let (source_no, cursor) = (wanted.source_no, wanted.cursor.clone());
        Some(Fill { message_no, source_no, cursor, people, next })
    };
    match directory.page(asker, &wanted.from, wanted.cursor.as_deref()).await {
        Ok(DirectoryPage { people, next }) => (fill(people, next.map_or(Next::End, Next::At)), Ok(())),
        Err(error) => {
            tracing::warn!(lane = lane.lane_no, message_no, %error, "the directory gave no page");
            // What was read stays, only the place is lost.
            let anew = matches!(error, DirectoryError::Anew(_)) && wanted.cursor.is_some();
            (if anew { fill(Vec::new(), Next::Anew) } else { None }, Err(error))
        }
    }
}

/// Stores it. One that comes too late for its message changes nothing, which the next look at the expansion shows.
pub(crate) async fn keep(ledger: &dyn Ledger, fill: &Fill, clock: &dyn Clock) -> Result<(), StoreError> {
    let now: Time = clock.now();
    ledger.fill(fill.clone(), now).await.map(|_| ())
}
