//! What the demo shows: everything but the result goes to stderr.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nuncio_api::Message;

use super::Args;
use super::account::Account;
use super::stage::Stage;
use crate::commands::output;

pub(super) fn title(args: &Args) {
    eprintln!("Nuncio demo: a simulated organisation of {} people (seed {})", args.people, args.seed);
}

pub(super) fn stage(stage: &Stage) {
    eprintln!("  simulator  {}", stage.sim);
    eprintln!("  server     {}", stage.server);
    eprintln!("  folder     {}", stage.folder.display());
}

/// A progress bar on a terminal, else a line for each quarter.
pub(super) struct Bar {
    drawn: Option<ProgressBar>,
    name: &'static str,
    quarter: Cell<u64>,
}

pub(super) fn bar(name: &'static str) -> Bar {
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{prefix:24} [{bar:32}] {pos}/{len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(1);
        bar.set_style(style);
        bar.set_prefix(name);
        bar
    });
    Bar { drawn: bar, name, quarter: Cell::new(0) }
}

impl Bar {
    pub(super) fn at(&self, done: u64, all: u64, note: &str) {
        if let Some(bar) = &self.drawn {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(note.to_owned());
            return;
        }
        let quarter = (done * 4).checked_div(all).unwrap_or(0);
        if quarter > self.quarter.get() {
            self.quarter.set(quarter);
            eprintln!("{:24} {done}/{all} {note}", self.name);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.drawn {
            bar.finish();
        }
    }
}

pub(super) fn progress(bar: &Bar, message: &Message) {
    let counts = message.counts;
    let done = counts.audience - counts.pending - counts.in_flight;
    let rate = message.rate_per_s.map(|rate| format!("{rate:.0}/s")).unwrap_or_default();
    let note = match (message.is_final(), message.eta.as_deref().and_then(left)) {
        (false, Some(left)) => format!("{rate}, {left} left"),
        _ => rate,
    };
    bar.at(done.unsigned_abs(), counts.audience.unsigned_abs(), &note);
}

/// How long until a moment, in words.
fn left(eta: &str) -> Option<String> {
    let eta: jiff::Timestamp = eta.parse().ok()?;
    let seconds = eta.duration_since(crate::commands::now()).as_secs().max(0);
    Some(if seconds >= 90 { format!("{} min", (seconds + 30) / 60) } else { format!("{seconds} s") })
}

pub(super) fn account(
    broadcast: &Message,
    thread: &Message,
    account: &Account,
    wall: Duration,
    memory_mib: Option<f64>,
) {
    println!("\nThe broadcast, {}", broadcast.id);
    println!("{}", output::ledger_table(broadcast));
    println!("\nThe thread in a channel, {}: {} delivered", thread.id, thread.counts.delivered);

    println!(
        "\nWho can be reached, as learned from events and answers (muted: {})",
        account.reachability.muted
    );
    for (state, n) in &account.reachability.states {
        println!("  {state:24} {n:>8}");
    }

    println!("\nNuncio's numbers against the simulator's own");
    for line in &account.lines {
        let mark = if line.agrees() { "agrees" } else { "DIFFERS" };
        println!("  {:38} {:>8} {:>8}  {mark}", line.what, line.nuncio, line.simulator);
    }
    let share =
        if account.requests > 0 { account.throttled as f64 * 100.0 / account.requests as f64 } else { 0.0 };
    println!(
        "\n{:.1} recipients/s; {} of {} requests answered 429 ({share:.2} %); {:.1} s in all{}",
        account.rate_per_s,
        account.throttled,
        account.requests,
        wall.as_secs_f64(),
        memory_mib.map(|mib| format!("; the server's peak memory {mib:.0} MiB")).unwrap_or_default(),
    );
    if account.agrees() {
        println!("Every recipient is accounted for.");
    } else {
        println!("The numbers DIFFER: please report this with the seed.");
    }
}

pub(super) fn next_steps(stage: &Stage, broadcast: &Message) {
    let Stage { server, sim, key, .. } = stage;
    println!("\nIt all stays up until Ctrl-C. In another terminal:\n");
    println!("  export NUNCIO_URL={server} NUNCIO_KEY={key}");
    println!("  nuncio messages show {}", broadcast.id);
    println!("  nuncio messages report {} -o report.csv", broadcast.id);
    println!("  nuncio people --state blocked");
    println!("  nuncio send \"Hello again\" --installed --yes --wait");
    println!("  curl {sim}/sim/counts");
    println!("  curl {sim}/sim/people?state=installed\\&limit=3");
    println!("\nIn a browser, what arrived: {sim}/sim");
}
