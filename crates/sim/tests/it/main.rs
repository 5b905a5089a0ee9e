//! The simulator over real sockets, as a bot and as a test driver see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod acting;
mod batch;
mod changes;
mod chromium;
mod clicks;
mod clouds;
mod connector;
mod control;
mod credentials;
mod delivery;
mod events;
mod faults;
mod federated;
mod fixtures;
mod foreign_tokens;
mod forged;
mod harness;
mod life;
mod limits;
mod meetings;
mod org;
mod org_file;
mod outage;
mod page;
mod paths;
mod places;
mod refusal_table;
mod rosters;
mod rotation;
mod sessions;
mod shapes;
mod states;
mod swagger;
mod targeted;
mod time;
mod tls;
mod token;
mod tokens;
