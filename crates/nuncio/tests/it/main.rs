//! The built binary, end to end: `nuncio sim` and `nuncio serve` as processes of their own, driven over the
//! simulator's control API and over Nuncio's HTTP API. Every test has its own processes, ports and folder.
//!
//! | module | what |
//! | --- | --- |
//! | `world` | the two processes, and the check of the ledger that every test ends with |
//! | `way` | another way to the simulator, which can be closed |
//! | `clock` | a server whose clock a test can set |
//! | `sim` | the control API of the simulator |
//! | `sim_command` | `nuncio sim`: its ports, what it prints and refuses |
//! | `broadcast` | who gets what, who does not and why |
//! | `fault_table` | what each fault comes to, as `docs/faults.md` |
//! | `faults` | lost answers, throttling, trouble with tokens, odd refusals |
//! | `healing` | references that are stale: the chat deleted, the app installed anew, the tenant elsewhere |
//! | `kill` | `kill -9` and stops in mid-broadcast |
//! | `postgres` | the ledger in PostgreSQL: killed in mid-broadcast, stopped, owned by one process |
//! | `preview` | what a message would come to, and that it comes to that |
//! | `stop` | stops: the drain, and a second signal |
//! | `strain` | Microsoft or the disk gone for a while: bounds, and what the ledger says |
//! | `outcomes` | refusals of the app: disabled by an administrator, on another host |
//! | `lists` | uploaded lists, groups that are left out |
//! | `threads` | replies in threads of channels, and the channels that were picked at install |
//! | `reachability` | who blocks, removes and comes back, and what the report says of it |
//! | `directory`, `directory_copy` | audiences that Microsoft Graph knows, asked for each time or kept as a copy |
//! | `races` | cancel, pause and expiry while calls are under way |
//! | `control` | cancel, pause, confirm, expiry, priority, idempotency |
//! | `after` | settling what is ambiguous, trying again what was not delivered |
//! | `waiting` | messages that wait for those who cannot be reached now |
//! | `operate` | the kill switch of a lane, opt-outs |
//! | `apps` | two apps in one server |
//! | `clouds` | which hosts are called in each cloud, as `docs/clouds.md` |
//! | `credentials` | managed identities; credentials that end |
//! | `connector` | the client of the Connector against the simulator |
//! | `inbound` | the bot endpoint against forged activities |
//! | `own_words` | welcomes, answers to words and buttons, what is known of teams |
//! | `serve` | what the server refuses at start, local mode, what its log must not have |
//! | `cli` | the commands that talk to a server: exit codes, what they print |
//! | `demo` | `nuncio demo` |
//! | `judges` | Microsoft's SDKs, unmodified, against `nuncio sim` |
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod after;
mod apps;
mod broadcast;
mod cli;
mod clock;
mod clouds;
mod connector;
mod control;
mod credentials;
mod demo;
mod directory;
mod directory_copy;
mod fault_table;
mod faults;
mod healing;
mod inbound;
mod install_runs;
mod installs;
mod judges;
mod kill;
mod lists;
mod operate;
mod outcomes;
mod own_words;
mod postgres;
mod preview;
mod races;
mod reachability;
mod serve;
mod sim;
mod sim_command;
mod stop;
mod strain;
mod threads;
mod waiting;
mod way;
mod world;
