//! Copies the two libraries of the page and their licences from `page/node_modules` to where `src/page.rs` embeds them.
//!
//! Without them (nobody ran `tools/prepare.sh`) empty files are embedded: the simulator builds all the same, and its page
//! shows cards as JSON and says what to run.

use std::{env, error::Error, fs, path::Path};

const MODULES: &str = "page/node_modules";
/// (in `node_modules`, as it is called here)
const LIBRARIES: [(&str, &str); 2] = [
    ("adaptivecards/dist/adaptivecards.min.js", "adaptivecards.js"),
    ("markdown-it/dist/browser/markdown-it.esm.min.mjs", "markdown-it.mjs"),
];
/// The libraries and what is bundled in them.
const LICENCES: [&str; 9] = [
    "adaptivecards/LICENSE",
    "adaptivecards/dist/adaptivecards.min.js.LICENSE.txt",
    "swiper/LICENSE",
    "markdown-it/LICENSE",
    "linkify-it/LICENSE",
    "mdurl/LICENSE",
    "uc.micro/LICENSE.txt",
    "entities/LICENSE",
    "punycode.js/LICENSE-MIT.txt",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let (modules, out) = (Path::new(MODULES), Path::new(&out));
    let complete =
        LIBRARIES.iter().map(|(from, _)| from).chain(&LICENCES).all(|file| modules.join(file).is_file());
    if complete {
        for file in LIBRARIES.iter().map(|(from, _)| from).chain(&LICENCES) {
            println!("cargo::rerun-if-changed={MODULES}/{file}");
        }
    } else {
        // A file that is not there would make cargo build this crate anew each time; the folder changes when they come.
        println!("cargo::rerun-if-changed=page");
    }
    println!("cargo::rerun-if-changed=build.rs");
    for (from, to) in LIBRARIES {
        let text = if complete { fs::read_to_string(modules.join(from))? } else { String::new() };
        fs::write(out.join(to), without_source_map(&text))?;
    }
    let mut licences = String::new();
    for file in LICENCES.iter().filter(|_| complete) {
        let package = file.split('/').next().unwrap_or_default();
        let text = fs::read_to_string(modules.join(file))?;
        licences.extend(["== ", package, " ==\n\n", text.trim(), "\n\n"]);
    }
    fs::write(out.join("licences.txt"), licences)?;
    Ok(())
}

/// A browser with its tools open would ask for the map, which is not served.
fn without_source_map(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("//# sourceMappingURL=")).collect::<Vec<_>>().join("\n")
}
