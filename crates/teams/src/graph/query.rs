//! What is asked for of a list, and how it is written in a URL (OData query options).

use std::fmt::Write as _;

use crate::http::encoded;

/// How many objects a page may have. Microsoft takes 1 to 999 (protocol section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageSize(u16);

impl PageSize {
    /// As many as there may be. An answer is read to 1 MiB: with `assignedPlans` ask for fewer.
    pub const MOST: PageSize = PageSize(999);

    /// `None` for what Microsoft refuses.
    pub fn new(size: u16) -> Option<Self> {
        (1..=Self::MOST.0).contains(&size).then_some(Self(size))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Which properties of which page size. Without properties Graph gives those that it thinks right.
#[derive(Debug, Clone, Copy, Default)]
pub struct List<'a> {
    /// Names of properties.
    pub select: &'a [&'a str],
    /// How many a page; without, 100.
    pub top: Option<PageSize>,
}

/// A path and its query.
pub(super) struct Query(String, char);

impl Query {
    pub(super) fn of(path: String) -> Self {
        Self(path, '?')
    }

    /// `name` is written as it is.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{}{name}={}", self.1, encoded(value));
        self.1 = '&';
        self
    }

    pub(super) fn select(mut self, names: &[&str]) -> Self {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| encoded(name)).collect();
            let _ = write!(self.0, "{}$select={}", self.1, names.join(","));
            self.1 = '&';
        }
        self
    }

    pub(super) fn list(self, list: &List<'_>) -> Self {
        let query = self.select(list.select);
        match list.top {
            Some(top) => query.with("$top", &top.get().to_string()),
            None => query,
        }
    }

    pub(super) fn done(self) -> String {
        self.0
    }
}

/// A string of an OData expression: in quotes, with those inside doubled.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn page_sizes_that_microsoft_takes() {
        assert_eq!(PageSize::new(0), None);
        assert_eq!(PageSize::new(1000), None);
        assert_eq!(PageSize::new(999), Some(PageSize::MOST));
        assert_eq!(PageSize::new(1).unwrap().get(), 1);
    }

    #[test]
    fn queries() {
        let list = List { select: &["id", "a&b"], top: PageSize::new(5) };
        assert_eq!(Query::of("/users".into()).list(&list).done(), "/users?$select=id,a%26b&$top=5");
        assert_eq!(Query::of("/users".into()).list(&List::default()).done(), "/users");
        let query = Query::of("/x".into()).with("$filter", &format!("mail eq {}", quoted("o'neil@x")));
        assert_eq!(query.done(), "/x?$filter=mail%20eq%20%27o%27%27neil%40x%27");
    }

    proptest! {
        #[test]
        fn a_string_stays_one_string(text in ".{0,30}") {
            let quoted = quoted(&text);
            let inside = quoted.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap();
            prop_assert!(!inside.replace("''", "").contains('\''));
            prop_assert_eq!(inside.replace("''", "'"), text);
        }
    }
}
