//! The options of a query: `$select`, `$top`, `$filter` and the like, and links that go on with it.

use serde_json::Value;

use super::envelope::{Problem, printable};
use crate::connector::path::decode;

/// Most of a page of the directory, and what it has when nothing is said (protocol section 7.2).
pub(super) const MOST: usize = 999;
pub(super) const USUAL: usize = 100;

#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) select: Option<Vec<String>>,
    pub(super) expand: Vec<String>,
    pub(super) filter: Option<String>,
    pub(super) top: Option<usize>,
    pub(super) count: bool,
    pub(super) skip_token: Option<String>,
    pub(super) delta_token: Option<String>,
    /// As they were sent, without tokens: what a link repeats.
    kept: Vec<String>,
    /// The same decoded: what a token is bound to.
    meaning: String,
}

impl Options {
    /// `taken`: the options that the operation knows.
    pub(super) fn read(query: &str, taken: &[&str]) -> Result<Self, Problem> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).to_lowercase();
            let value = decode(&value.replace('+', " "));
            // What is no option of OData's is left alone.
            if name.starts_with('$') && !taken.contains(&name.as_str()) {
                return Err(if name == "$skip" {
                    Problem::unsupported("'$skip' is not supported by the service.")
                } else {
                    Problem::bad(format!("The query option '{}' is not supported here.", printable(&name)))
                });
            }
            match name.as_str() {
                "$select" => options.select = Some(names(&value)),
                "$expand" => options.expand = names(&value),
                "$filter" => options.filter = Some(value.clone()),
                "$top" => options.top = Some(top(&value)?),
                "$count" => options.count = value.eq_ignore_ascii_case("true"),
                "$skiptoken" => options.skip_token = Some(value.clone()),
                "$deltatoken" => options.delta_token = Some(value.clone()),
                _ => {}
            }
            if !matches!(name.as_str(), "$skiptoken" | "$deltatoken") {
                options.kept.push(pair.to_owned());
                options.meaning.extend([name.as_str(), "=", value.as_str(), "&"]);
            }
        }
        Ok(options)
    }

    /// The page size of the directory. Beyond 999 it is refused, not cut.
    pub(super) fn page_size(&self) -> Result<usize, Problem> {
        let size = self.top.unwrap_or(USUAL);
        if (1..=MOST).contains(&size) {
            return Ok(size);
        }
        let text = format!("Invalid page size specified: '{size}'. Must be between 1 and {MOST} inclusive.");
        Err(Problem::new(400, "Request_BadRequest", text))
    }

    pub(super) fn meaning(&self) -> &str {
        &self.meaning
    }

    /// `path`: whole, without a query
    pub(super) fn link(&self, path: &str, token_name: &str, token: &str) -> String {
        let token = format!("{token_name}={token}");
        let pairs = self.kept.iter().map(String::as_str).chain([token.as_str()]);
        format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
    }

    /// Refuses what is selected but not there. `known`: of the type, with its name.
    pub(super) fn check_select(&self, known: &[&str], kind: &str) -> Result<(), Problem> {
        let selected = self.select.as_deref().unwrap_or_default();
        match selected.iter().find(|name| !known.iter().any(|it| it.eq_ignore_ascii_case(name))) {
            Some(unknown) => Err(Problem::bad(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{}' on type 'microsoft.graph.{kind}'.",
                printable(unknown)
            ))),
            None => Ok(()),
        }
    }

    /// The names as they are spelt, of what is selected or else usual.
    pub(super) fn properties(&self, known: &[&'static str], usual: &[&'static str]) -> Vec<&'static str> {
        match &self.select {
            None => usual.to_vec(),
            Some(selected) => selected
                .iter()
                .filter_map(|name| known.iter().find(|it| it.eq_ignore_ascii_case(name)).copied())
                .collect(),
        }
    }

    /// Leaves only what is selected, and what OData adds.
    pub(super) fn keep_selected(&self, shown: &mut Value) {
        let (Some(selected), Some(shown)) = (&self.select, shown.as_object_mut()) else { return };
        shown.retain(|name, _| {
            name.starts_with('@') || selected.iter().any(|selected| selected.eq_ignore_ascii_case(name))
        });
    }

    /// `(id,displayName)` after the name of the set in `@odata.context`.
    pub(super) fn selection(&self) -> String {
        self.select.as_ref().map_or_else(String::new, |names| format!("({})", names.join(",")))
    }
}

fn names(value: &str) -> Vec<String> {
    value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn top(value: &str) -> Result<usize, Problem> {
    value.trim().parse().map_err(|_| {
        Problem::bad(format!(
            "Invalid value '{}' for $top query option found. The $top query option requires a non-negative integer value.",
            printable(value)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 5] = ["$select", "$top", "$filter", "$count", "$skiptoken"];

    #[test]
    fn options_and_links() {
        let query = "$select=id,%20mail&%24top=5&$filter=mail%20eq%20'a+b'&$skiptoken=x";
        let options = Options::read(query, &ALL).unwrap();
        assert_eq!(options.select.as_deref(), Some(&["id".to_owned(), "mail".to_owned()][..]));
        assert_eq!((options.top, options.filter.as_deref()), (Some(5), Some("mail eq 'a b'")));
        assert_eq!(
            options.link("http://h/v1.0/users", "$skiptoken", "y"),
            "http://h/v1.0/users?$select=id,%20mail&%24top=5&$filter=mail%20eq%20'a+b'&$skiptoken=y"
        );
    }

    #[test]
    fn pages_of_the_directory_have_at_most_999() {
        let size = |query: &str| Options::read(query, &ALL).and_then(|options| options.page_size());
        assert_eq!(size(""), Ok(100));
        assert_eq!(size("$top=999"), Ok(999));
        let refused = size("$top=1000").unwrap_err();
        assert_eq!(
            refused.message,
            "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive."
        );
        assert!(size("$top=0").is_err() && size("$top=x").is_err() && size("$skip=5").is_err());
        assert!(Options::read("$orderby=id", &ALL).is_err());
    }
}
