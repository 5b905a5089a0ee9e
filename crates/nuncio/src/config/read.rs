//! One value at a time, typed. A value that cannot be used is complained of and read as if it were not there, so that
//! all complaints come together.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use secrecy::SecretString;
use toml_edit::Value;

use super::error::{ConfigError, Place, Problem};
use super::settings::{Said, Settings};

/// Longer secrets do not occur; the bound keeps a wrong file from being read whole.
const LONGEST_SECRET: u64 = 64 * 1024;

pub(super) struct Reader<'a> {
    settings: Settings,
    problems: Vec<Problem>,
    file: Option<&'a Path>,
    env: &'a [(String, String)],
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        settings: Settings,
        problems: Vec<Problem>,
        file: Option<&'a Path>,
        env: &'a [(String, String)],
    ) -> Self {
        Self { settings, problems, file, env }
    }

    /// A variable that is not ours: what the platform says. An empty one is not set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let (_, value) = self.env.iter().find(|(known, value)| known == name && !value.is_empty())?;
        Some(value.clone())
    }

    /// All complaints, in the order of the file.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(ConfigError::Problems(self.problems))
    }

    pub(super) fn apps(&self) -> Vec<String> {
        self.settings.apps()
    }

    /// A relative path begins at the directory of the configuration file, wherever it was written.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        let directory =
            self.file.and_then(Path::parent).filter(|directory| !directory.as_os_str().is_empty());
        directory.map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// Complains of the value of a key; `text` goes on after the key's name.
    pub(super) fn complain(&mut self, path: &[&str], text: &str) {
        let place = match self.settings.values.get(&owned(path)) {
            Some((_, place)) => place.clone(),
            None => self.table_place(path),
        };
        self.problems.push(Problem { place, text: format!("{} {text}", path.join(".")) });
    }

    /// Complains of something as a whole.
    pub(super) fn complain_of_all(&mut self, text: &str) {
        let place = self.file.map_or(Place::Environment, |file| Place::File(file.to_owned()));
        self.problems.push(Problem { place, text: text.to_owned() });
    }

    pub(super) fn is_said(&self, path: &[&str]) -> bool {
        self.settings.values.contains_key(&owned(path))
    }

    /// Whether a key that takes something else too has this word.
    pub(super) fn says(&self, path: &[&str], word: &str) -> bool {
        match self.said(path) {
            Some(Said::Toml(value)) => value.as_str() == Some(word),
            Some(Said::Text(text)) => text == word,
            _ => false,
        }
    }

    pub(super) fn text(&mut self, path: &[&str]) -> Option<String> {
        let text = match self.said(path)? {
            Said::Toml(Value::String(text)) => Some(text.value().clone()),
            Said::Text(text) => Some(text),
            _ => None,
        };
        match text {
            Some(text) if text.trim().is_empty() => {
                self.complain(path, "is empty");
                None
            }
            Some(text) => Some(text),
            None => {
                self.complain(path, "must be a text in quotes");
                None
            }
        }
    }

    /// A text that `parse` understands; `what` says what it should be.
    pub(super) fn parsed<T>(
        &mut self,
        path: &[&str],
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(path)?;
        let value = parse(&text);
        if value.is_none() {
            self.complain(path, &format!("must be {what}, not {text:?}"));
        }
        value
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&mut self, path: &[&str], words: &[(&str, T)]) -> Option<T> {
        let text = self.text(path)?;
        let value = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if value.is_none() {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.complain(path, &format!("must be {}, not {text:?}", all.join(" or ")));
        }
        value
    }

    pub(super) fn integer(&mut self, path: &[&str], range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.said(path)? {
            Said::Toml(Value::Integer(number)) => Some(*number.value()),
            Said::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.complain(path, &format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub(super) fn boolean(&mut self, path: &[&str]) -> Option<bool> {
        let value = match self.said(path)? {
            Said::Toml(Value::Boolean(value)) => Some(*value.value()),
            Said::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.complain(path, "must be true or false");
        }
        value
    }

    /// A day, which is over at its end (UTC), or a time with its offset.
    pub(super) fn end(&mut self, path: &[&str]) -> Option<Timestamp> {
        let text = match self.said(path)? {
            Said::Toml(Value::Datetime(date)) => date.value().to_string(),
            Said::Toml(Value::String(text)) => text.value().clone(),
            Said::Text(text) => text,
            _ => String::new(),
        };
        let text = text.trim();
        let day = || {
            let end = text.parse::<Date>().ok().filter(|_| text.len() == 10)?.tomorrow().ok()?;
            TimeZone::UTC.to_timestamp(end.to_datetime(Time::midnight())).ok()
        };
        let end = text.parse().ok().or_else(day);
        if end.is_none() {
            self.complain(path, "must be a day like 2026-12-31, or a time like 2026-12-31T12:00:00Z");
        }
        end
    }

    /// A list of texts; in the environment with commas between them.
    pub(super) fn list(&mut self, path: &[&str]) -> Option<Vec<String>> {
        let list: Option<Vec<String>> = match self.said(path)? {
            Said::Toml(Value::Array(array)) => {
                array.iter().map(|value| value.as_str().map(str::to_owned)).collect()
            }
            Said::Text(text) => Some(text.split(',').map(|part| part.trim().to_owned()).collect()),
            _ => None,
        };
        if list.is_none() {
            self.complain(path, "must be a list of texts, like [\"…\", \"…\"]");
        }
        list
    }

    pub(super) fn path(&mut self, path: &[&str]) -> Option<PathBuf> {
        self.text(path).map(|text| self.beside(Path::new(&text)))
    }

    /// `name`, or the content of the file that `name_file` names.
    pub(super) fn secret(&mut self, table: &[&str], name: &str) -> Option<SecretString> {
        let in_file = format!("{name}_file");
        let direct = [table, &[name]].concat();
        let in_file = [table, &[in_file.as_str()]].concat();
        match (self.is_said(&direct), self.is_said(&in_file)) {
            (true, true) => {
                let other = direct.join(".");
                self.complain(&in_file, &format!("and {other} are both given: keep one of them"));
                None
            }
            (false, true) => self.secret_file(&in_file),
            _ => self.text(&direct).map(SecretString::from),
        }
    }

    fn secret_file(&mut self, path: &[&str]) -> Option<SecretString> {
        use std::io::Read as _;
        let file = self.path(path)?;
        let mut text = String::new();
        let read =
            std::fs::File::open(&file).and_then(|open| open.take(LONGEST_SECRET).read_to_string(&mut text));
        // Editors and `echo` end a file with a line break that is not part of the secret.
        match read {
            Err(error) => self.complain(path, &format!("{} cannot be read: {error}", file.display())),
            Ok(_) if text.trim().is_empty() => self.complain(path, &format!("{} is empty", file.display())),
            Ok(_) => return Some(SecretString::from(text.trim())),
        }
        None
    }

    fn said(&self, path: &[&str]) -> Option<Said> {
        self.settings.values.get(&owned(path)).map(|(said, _)| said.clone())
    }

    /// Where the innermost table of `path` begins, or the file.
    fn table_place(&self, path: &[&str]) -> Place {
        (1..=path.len())
            .rev()
            .find_map(|length| self.settings.tables.get(&owned(&path[..length])))
            .cloned()
            .or_else(|| self.file.map(|file| Place::File(file.to_owned())))
            .unwrap_or(Place::Environment)
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}
