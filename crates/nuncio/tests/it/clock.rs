//! A clock of the server's own: its wall time is asked through a shim, which a test can set.

use std::path::Path;

use tokio::process::Command;

/// Wall time with what is in the file added; every other clock as it is.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int (*asked)(clockid_t, struct timespec *);
static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
    ahead = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, open(getenv("CLOCK_AHEAD"), O_RDONLY), 0);
    asked = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t id, struct timespec *at) {
    if (!asked) begin();
    int result = asked(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec += *ahead;
    return result;
}
"#;

/// Builds the shim in the folder of a server; what its environment needs.
pub(crate) async fn shim(folder: &Path) -> [(&'static str, String); 2] {
    std::fs::write(folder.join("clock.c"), SHIM).unwrap();
    std::fs::write(folder.join("clock"), 0_i64.to_ne_bytes()).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"]).current_dir(folder);
    assert!(cc.status().await.unwrap().success(), "the shim cannot be built");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    [("LD_PRELOAD", path("clock.so")), ("CLOCK_AHEAD", path("clock"))]
}

/// The file is mapped: it keeps its place and length.
pub(crate) fn set(folder: &Path, ahead_s: i64) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).open(folder.join("clock")).unwrap();
    file.write_all(&ahead_s.to_ne_bytes()).unwrap();
}
