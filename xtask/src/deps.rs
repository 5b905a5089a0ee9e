//! Who may use whom: the table "Crates" of `docs/construction.md`, as code.
//!
//! Each package says in `[package.metadata.walls] ours = […]` which packages of this workspace it may use (`"*"`: all),
//! and in `tests = […]` which others its tests may.
//! Only direct edges count: a type that reaches a crate through another one's interface is that interface's business.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// May have anything among its dev-dependencies: its tests look at the whole from outside.
const BINARY: &str = "nuncio";
/// May stand among anyone's dev-dependencies, and nowhere else.
const TESTKIT: &str = "nuncio-testkit";
/// Shares no code with us, so that it cannot agree with our mistakes.
const SIMULATOR: &str = "nuncio-sim";

/// A crate from outside and who may use it.
struct Wall {
    external: &'static str,
    users: Users,
    /// Whether tests have to keep to it as well.
    tests_too: bool,
    why: &'static str,
}

enum Users {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

const WALLS: &[Wall] = &[
    Wall {
        external: "sqlx",
        users: Users::Only(&["nuncio-store"]),
        tests_too: true,
        why: "SQL lives in one crate; others go through its ports",
    },
    Wall {
        external: "reqwest",
        users: Users::Only(&["nuncio-teams", "nuncio-client", "nuncio-sim", "nuncio-testkit", "nuncio"]),
        tests_too: false,
        why: "an HTTP client is built in one place per side: no redirects, no hidden retries, time-outs",
    },
    Wall {
        external: "axum",
        users: Users::Only(&["nuncio-server", "nuncio-sim"]),
        tests_too: false,
        why: "HTTP is served by our server and by the simulator only",
    },
    Wall {
        external: "tokio",
        users: Users::AllBut(&["nuncio-domain"]),
        tests_too: true,
        why: "the domain does no I/O and starts no task, so that a run can be replayed",
    },
    Wall {
        external: "anyhow",
        users: Users::Only(&["nuncio", "xtask"]),
        tests_too: true,
        why: "libraries have one error enum each",
    },
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Ends up in what is shipped; build scripts count as this.
    Normal,
    Dev,
}

pub(crate) struct Package {
    pub name: String,
    /// `ours` of its walls table; `None`: there is no such table, or it is not a list of names.
    pub walls: Option<Vec<String>>,
    /// `tests` of the same table.
    pub tests: Vec<String>,
    /// Direct dependencies, ours and others, by package name.
    pub uses: Vec<(String, Kind)>,
}

/// Everything that breaks a wall, in the order of the packages.
pub(crate) fn violations(packages: &[Package]) -> Vec<String> {
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(walls) = &package.walls else {
            found.push(format!(
                "{name}: no `[package.metadata.walls] ours = [\"…\"]`: say which of ours it may use"
            ));
            continue;
        };
        for listed in walls.iter().chain(&package.tests) {
            if listed != "*" && !ours.contains(listed.as_str()) {
                found.push(format!("{name}: its walls list {listed}, which is no package of this workspace"));
            }
        }
        for (to, kind) in &package.uses {
            let problem = if ours.contains(to.as_str()) {
                inside(package, walls, to, *kind)
            } else {
                outside(name, to, *kind)
            };
            if let Some(problem) = problem {
                let section = match kind {
                    Kind::Normal => "dependencies",
                    Kind::Dev => "dev-dependencies",
                };
                found.push(format!("{name} -> {to} ({section}): {problem}"));
            }
        }
    }
    found
}

/// What is wrong with an edge between two packages of the workspace.
fn inside(package: &Package, walls: &[String], to: &str, kind: Kind) -> Option<String> {
    let from = package.name.as_str();
    if from == SIMULATOR {
        return Some("the simulator shares no code with us".into());
    }
    if to == SIMULATOR && from != BINARY {
        return Some(format!("only {BINARY} may use the simulator; tests start it as a process"));
    }
    if to == TESTKIT {
        return (kind == Kind::Normal).then(|| "it is for tests: move it to dev-dependencies".into());
    }
    if kind == Kind::Dev && from == BINARY {
        return None;
    }
    let listed = walls.iter().any(|wall| wall == "*" || wall == to)
        || (kind == Kind::Dev && package.tests.iter().any(|wall| wall == to));
    (!listed).then(|| "not in its walls".into())
}

/// What is wrong with an edge to a crate from elsewhere.
fn outside(from: &str, to: &str, kind: Kind) -> Option<String> {
    let wall = WALLS.iter().find(|wall| wall.external == to)?;
    if kind == Kind::Dev && (!wall.tests_too || from == BINARY) {
        return None;
    }
    let allowed = match wall.users {
        Users::Only(users) => users.contains(&from),
        Users::AllBut(users) => !users.contains(&from),
    };
    (!allowed).then(|| wall.why.into())
}

/// The workspace as cargo sees it.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata")?;
    let packages = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        walls: walls(&package.metadata, "ours"),
        tests: walls(&package.metadata, "tests").unwrap_or_default(),
        uses: package
            .dependencies
            .iter()
            .map(|dependency| {
                let kind = match dependency.kind {
                    DependencyKind::Development => Kind::Dev,
                    _ => Kind::Normal,
                };
                (dependency.name.clone(), kind)
            })
            .collect(),
    });
    Ok(packages.collect())
}

fn walls(metadata: &serde_json::Value, list: &str) -> Option<Vec<String>> {
    serde_json::from_value(metadata.get("walls")?.get(list)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, walls: &[&str], uses: &[&str], tests_use: &[&str]) -> Package {
        let normal = uses.iter().map(|to| ((*to).to_owned(), Kind::Normal));
        let dev = tests_use.iter().map(|to| ((*to).to_owned(), Kind::Dev));
        Package {
            name: name.to_owned(),
            walls: Some(walls.iter().map(|wall| (*wall).to_owned()).collect()),
            tests: Vec::new(),
            uses: normal.chain(dev).collect(),
        }
    }

    /// A small workspace in which every wall is kept.
    fn kept() -> Vec<Package> {
        vec![
            package("nuncio-domain", &[], &["serde"], &["proptest"]),
            package(
                "nuncio-store",
                &["nuncio-domain"],
                &["nuncio-domain", "sqlx", "tokio"],
                &["nuncio-testkit"],
            ),
            package("nuncio-server", &["nuncio-domain"], &["nuncio-domain", "axum"], &["reqwest"]),
            package("nuncio-sim", &[], &["axum", "reqwest"], &[]),
            package("nuncio-testkit", &["nuncio-domain"], &["nuncio-domain", "reqwest"], &[]),
            package(
                "nuncio",
                &["*"],
                &["nuncio-store", "nuncio-sim", "anyhow"],
                &["nuncio-testkit", "axum", "sqlx"],
            ),
            package("xtask", &[], &["anyhow"], &[]),
        ]
    }

    /// What is found when `extra` joins the workspace above.
    fn with(extra: Package) -> Vec<String> {
        let mut packages = kept();
        packages.push(extra);
        violations(&packages)
    }

    #[test]
    fn a_workspace_inside_its_walls_passes() {
        assert_eq!(violations(&kept()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_is_not_listed_is_named_with_its_section() {
        assert_eq!(
            with(package("nuncio-engine", &["nuncio-domain"], &["nuncio-domain", "nuncio-store"], &[])),
            ["nuncio-engine -> nuncio-store (dependencies): not in its walls"]
        );
        assert_eq!(
            with(package("nuncio-engine", &["nuncio-domain"], &[], &["nuncio-testkit", "nuncio-store"])),
            ["nuncio-engine -> nuncio-store (dev-dependencies): not in its walls"]
        );
    }

    #[test]
    fn what_only_tests_may_use_stays_with_them() {
        let package = |uses: &[&str], tests_use: &[&str]| Package {
            tests: vec!["nuncio-store".to_owned()],
            ..package("nuncio-engine", &[], uses, tests_use)
        };
        assert_eq!(with(package(&[], &["nuncio-store"])), Vec::<String>::new());
        assert_eq!(with(package(&["nuncio-store"], &[])).len(), 1);
    }

    #[test]
    fn the_testkit_is_for_tests_even_where_everything_is_allowed() {
        let found = with(package("nuncio-engine", &["*"], &["nuncio-testkit"], &[]));
        assert_eq!(
            found,
            ["nuncio-engine -> nuncio-testkit (dependencies): it is for tests: move it to dev-dependencies"]
        );
    }

    #[test]
    fn the_simulator_stands_alone() {
        let used = with(package("nuncio-engine", &["nuncio-sim"], &["nuncio-sim"], &["nuncio-sim"]));
        assert_eq!(used.len(), 2, "{used:?}");

        let mut packages = kept();
        packages.retain(|package| package.name != "nuncio-sim");
        packages.push(package("nuncio-sim", &["nuncio-domain"], &["nuncio-domain"], &["nuncio-testkit"]));
        assert_eq!(violations(&packages).len(), 2);
    }

    #[test]
    fn each_external_wall_holds() {
        for external in ["sqlx", "reqwest", "axum", "anyhow"] {
            let found = with(package("nuncio-engine", &[], &[external], &[]));
            assert_eq!(found.len(), 1, "{external}: {found:?}");
        }
        let mut packages = kept();
        packages[0].uses.push(("tokio".to_owned(), Kind::Normal));
        assert_eq!(violations(&packages).len(), 1);
    }

    #[test]
    fn tests_keep_to_the_walls_that_say_so() {
        let found = with(package("nuncio-engine", &[], &[], &["sqlx", "anyhow", "axum", "reqwest"]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_package_without_walls_and_a_name_that_does_not_exist_are_found() {
        let found =
            with(Package { name: "nuncio-new".to_owned(), walls: None, tests: Vec::new(), uses: Vec::new() });
        assert!(
            found.len() == 1 && found[0].starts_with("nuncio-new: no `[package.metadata.walls]"),
            "{found:?}"
        );
        let found = with(package("nuncio-new", &["nuncio-dommain"], &[], &[]));
        assert!(found.len() == 1 && found[0].contains("nuncio-dommain"), "{found:?}");
    }

    #[test]
    fn walls_are_read_from_the_metadata_table() {
        let listed = walls(&json!({"walls": {"ours": ["nuncio-domain"]}}), "ours");
        assert_eq!(listed, Some(vec!["nuncio-domain".to_owned()]));
        assert_eq!(walls(&json!({"walls": {"ours": "nuncio-domain"}}), "ours"), None);
        assert_eq!(walls(&json!(null), "ours"), None);
    }
}
