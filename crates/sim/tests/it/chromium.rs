//! The page at `/sim` as a person uses it: Chromium, driven by `page/test/page.mjs`, against two simulators.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_sim::{Sim, SimConfig};
use tokio::process::Command;

/// Far more than it takes, even on a busy machine.
const LONG: Duration = Duration::from_mins(4);
const KEY: &str = "a key of the test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_uses_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    let get_it = "run `tools/prepare.sh test`, which gets it";
    assert!(page.join("node_modules/playwright-core").is_dir(), "playwright-core is missing: {get_it}");
    assert!(Path::new("/usr/bin/chromium").exists(), "Chromium is missing: {get_it}");
    let open = Sim::start(SimConfig { people: 0, ..SimConfig::default() }).await.unwrap();
    let locked = SimConfig { people: 5, control_key: Some(KEY.to_owned()), ..SimConfig::default() };
    let locked = Sim::start(locked).await.unwrap();
    let mut node = Command::new("node");
    node.arg(page.join("test/page.mjs")).args([open.base(), locked.base(), KEY]).arg(pictures());
    let run = tokio::time::timeout(LONG, node.kill_on_drop(true).output()).await.expect("done in time");
    let run = run.expect("node starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}\n{}", said(&run.stdout), said(&run.stderr));
    assert_eq!(said(&run.stdout).lines().filter(|line| line.starts_with("ok: ")).count(), 12);
}

/// The build's own folder, which nobody commits: `target/sim-light.png`, `target/sim-dark.png`.
fn pictures() -> PathBuf {
    let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    folder.pop();
    folder
}
