//! Names in uploaded lists, looked up some at a time (`docs/adr/0024`): for a message that waits for them, and before
//! there is one, so that whoever uploaded a list sees what is wrong with it.

use std::time::Duration;

use nuncio_domain::directory::{Asker, DirectoryError};
use nuncio_domain::lists::Found;
use nuncio_domain::people::Lane;
use tokio::sync::Mutex;

use crate::clock::pause;
use crate::engine::Ports;
use crate::lane::insist;

/// Of a lane: whoever has it looks up names. Two at once would ask for the same ones.
pub(crate) type Turn = Mutex<()>;

/// Names that are looked up together: ten calls of 20 (protocol section 7.2, Batching).
const TOGETHER: i64 = 200;
/// Between two questions that fail, unless Microsoft names a longer time.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_mins(5);

/// Looks up the next names of a list and stores whom they stand for; whether there were any.
pub(crate) async fn look_up(
    ports: &Ports,
    lane: &Lane,
    turn: &Turn,
    list_no: i64,
) -> Result<bool, DirectoryError> {
    let _turn = turn.lock().await;
    let Some(next) = insist("names", || ports.ledger.names(list_no, TOGETHER)).await else {
        return Ok(false);
    };
    let asker = Asker { app: &lane.app, tenant: &lane.tenant };
    let names: Vec<String> = next.names.iter().map(|listed| listed.name.clone()).collect();
    let resolved = ports.directory.resolve(asker, &names).await;
    let (found, done) = match resolved {
        Ok(resolved) => (Ok(next.names.into_iter().zip(resolved).collect()), Ok(true)),
        Err(error) => {
            tracing::warn!(lane = lane.lane_no, list_no, %error, "names of a list could not be looked up");
            if error.passes() {
                return Err(error);
            }
            // Whoever looks at the list sees why it is not ready.
            (Err(error.to_string()), Err(error))
        }
    };
    let found = Found { list_no, after: next.after, names: found };
    insist("found", || ports.ledger.found(found.clone(), ports.clock.now())).await;
    done
}

/// The same to the end of the list, however often the directory refuses meanwhile.
pub(crate) async fn look_up_all(ports: &Ports, lane: &Lane, turn: &Turn, list_no: i64) {
    let mut wait = FIRST;
    loop {
        match look_up(ports, lane, turn, list_no).await {
            Ok(true) => wait = FIRST,
            Ok(false) => return,
            Err(error) => {
                pause(error.retry_after().map_or(wait, |told| told.max(wait))).await;
                wait = (wait * 2).min(MOST);
            }
        }
    }
}
