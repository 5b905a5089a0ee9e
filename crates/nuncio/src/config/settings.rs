//! The file and the environment as one flat list: each key with its value and the place that it comes from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, TableLike, Value};

use super::error::{ConfigError, Place, Problem};
use super::keys::{self, Known, Meaning};

/// What was said for a key.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Toml(Value),
    /// From the environment, where everything is text.
    Text(String),
    /// `[[…]]` where a value belongs.
    Tables,
}

/// All that was said. Paths are those of the file: `["app", "main", "app_id"]`.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) values: BTreeMap<Vec<String>, (Said, Place)>,
    /// Where each table begins, so that a complaint about what is missing can name a line.
    pub(super) tables: BTreeMap<Vec<String>, Place>,
}

impl Settings {
    /// Reads both. Names that do not exist are complained of here, values later; what is not TOML says nothing.
    pub(super) fn gather(
        path: Option<&Path>,
        text: &str,
        env: &[(String, String)],
    ) -> Result<(Self, Vec<Problem>), ConfigError> {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        let file = path.unwrap_or(Path::new(super::DEFAULT_FILE));
        let document = Document::parse(text).map_err(|error| {
            let place = place(file, text, error.span());
            ConfigError::Problems(vec![Problem { place, text: error.message().trim().replace('\n', "; ") }])
        })?;
        Walk { file, text, settings: &mut settings, problems: &mut problems }.table(&[], document.as_table());
        settings.overlay(env, &mut problems);
        Ok((settings, problems))
    }

    /// The names of the apps, from wherever they are.
    pub(super) fn apps(&self) -> Vec<String> {
        let paths = self.values.keys().chain(self.tables.keys());
        let mut names: Vec<String> =
            paths.filter(|path| path.len() > 1 && path[0] == "app").map(|path| path[1].clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn overlay(&mut self, env: &[(String, String)], problems: &mut Vec<Problem>) {
        let apps = self.apps();
        let mut env: Vec<_> = env.iter().collect();
        env.sort();
        for (name, value) in env {
            let place = Place::Variable(name.clone());
            match keys::variable(name, &apps) {
                Meaning::Other => {}
                Meaning::Unknown(meant) => {
                    problems.push(Problem { place, text: unknown("variable", None, meant.as_deref()) });
                }
                // What compose files and unit files make of a variable that nobody set.
                Meaning::Key(_) if value.is_empty() => {}
                Meaning::Key(path) => {
                    self.forget_other_form(&path);
                    self.values.insert(path, (Said::Text(value.clone()), place));
                }
            }
        }
    }

    /// A secret in the environment replaces one of the file in either form, `client_secret` or `client_secret_file`.
    /// Both forms in the same place stay, to be complained of.
    fn forget_other_form(&mut self, path: &[String]) {
        let Some((name, parent)) = path.split_last() else { return };
        let other = match name.strip_suffix("_file") {
            Some(bare) => bare.to_owned(),
            None => format!("{name}_file"),
        };
        let other: Vec<String> = parent.iter().cloned().chain([other]).collect();
        if self.values.get(&other).is_some_and(|(_, place)| !matches!(place, Place::Variable(_))) {
            self.values.remove(&other);
        }
    }
}

/// Goes through the tables of the file.
struct Walk<'a> {
    file: &'a Path,
    text: &'a str,
    settings: &'a mut Settings,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn table(&mut self, path: &[String], table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
            // The header of a table, else the key.
            let span = match item {
                Item::Table(table) if !table.is_implicit() && !table.is_dotted() => table.span(),
                _ => None,
            };
            let span = span.or_else(|| table.get_key_value(name).and_then(|(key, _)| key.span()));
            let place = place(self.file, self.text, span);
            match keys::look_up(&path) {
                Known::Unknown(meant) => self.complain(place, unknown("key", Some(&path), meant.as_deref())),
                Known::NotBuiltYet => self.complain(place, format!("{} is not built yet", path.join("."))),
                Known::Table => match item.as_table_like() {
                    Some(table) => {
                        self.settings.tables.insert(path.clone(), place);
                        self.table(&path, table);
                    }
                    None => self.complain(place, format!("{0} is a table: write [{0}]", path.join("."))),
                },
                Known::Key => {
                    let said = match item {
                        Item::Value(value) => Said::Toml(value.clone()),
                        _ => Said::Tables,
                    };
                    self.settings.values.insert(path, (said, place));
                }
            }
        }
    }

    fn complain(&mut self, place: Place, text: String) {
        self.problems.push(Problem { place, text });
    }
}

fn unknown(what: &str, path: Option<&[String]>, meant: Option<&str>) -> String {
    let mut text = format!("unknown {what}");
    if let Some(path) = path {
        text = format!("{text} \"{}\"", path.join("."));
    }
    match meant {
        Some(meant) => format!("{text}; did you mean \"{meant}\"?"),
        None => text,
    }
}

fn place(file: &Path, text: &str, span: Option<Range<usize>>) -> Place {
    let file = PathBuf::from(file);
    match span {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            Place::Line { file, line: before.matches('\n').count() + 1 }
        }
        None => Place::File(file),
    }
}
