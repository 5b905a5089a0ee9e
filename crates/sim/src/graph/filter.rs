//! `$filter`, as far as people, groups and apps are found by it.

use serde_json::Value;

use super::envelope::{Problem, printable};

/// Most comparisons that the directory takes in one filter.
const MOST: usize = 15;
/// Deeper than any filter that is meant.
const DEEPEST: usize = 20;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Is(String, Value),
    IsNot(String, Value),
    In(String, Vec<Value>),
    StartsWith(String, String),
    /// `resourceProvisioningOptions/Any(x:x eq 'Team')`
    HasTeam,
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

/// What can be filtered by: names of properties, and of those only for the advanced form of a query.
#[derive(Clone, Copy)]
pub(super) struct Filterable<'a> {
    /// `User`
    pub(super) kind: &'a str,
    pub(super) properties: &'a [&'a str],
    /// `ConsistencyLevel: eventual` and `$count=true` were sent
    pub(super) advanced: bool,
}

impl Filter {
    pub(super) fn read(text: &str, may: Filterable<'_>) -> Result<Self, Problem> {
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if may.kind == "Group"
            && squeezed.eq_ignore_ascii_case("resourceProvisioningOptions/Any(x:xeq'Team')")
        {
            return Ok(Self::HasTeam);
        }
        let tokens = tokens(text).ok_or_else(|| syntax(text))?;
        let mut parser = Parser { text, tokens: &tokens, at: 0, comparisons: 0, may };
        let filter = parser.either(0)?;
        if parser.at < tokens.len() {
            return Err(syntax(text));
        }
        if parser.comparisons > MOST { Err(too_many(parser.comparisons)) } else { Ok(filter) }
    }

    /// `property`: what something has under a name.
    pub(super) fn matches(&self, property: &dyn Fn(&str) -> Value) -> bool {
        match self {
            Self::Is(name, value) => same(&property(name), value),
            Self::IsNot(name, value) => !same(&property(name), value),
            Self::In(name, values) => {
                let has = property(name);
                values.iter().any(|value| same(&has, value))
            }
            Self::StartsWith(name, start) => property(name)
                .as_str()
                .is_some_and(|has| has.to_lowercase().starts_with(&start.to_lowercase())),
            Self::HasTeam => {
                let has = property("resourceProvisioningOptions");
                has.as_array().is_some_and(|options| options.contains(&Value::from("Team")))
            }
            Self::Both(one, other) => one.matches(property) && other.matches(property),
            Self::Either(one, other) => one.matches(property) || other.matches(property),
        }
    }

    /// The few that can match, if the filter names them; so that not everybody is looked at.
    ///
    /// `find`: who has that value under that name; `None` where only looking at everybody can tell.
    pub(super) fn candidates(&self, find: &dyn Fn(&str, &str) -> Option<Vec<u32>>) -> Option<Vec<u32>> {
        let found = |name: &str, value: &Value| find(name, value.as_str()?);
        match self {
            Self::Is(name, value) => found(name, value),
            Self::In(name, values) => {
                let each = values.iter().map(|value| found(name, value)).collect::<Option<Vec<_>>>()?;
                Some(each.concat())
            }
            Self::Both(one, other) => one.candidates(find).or_else(|| other.candidates(find)),
            Self::Either(one, other) => Some([one.candidates(find)?, other.candidates(find)?].concat()),
            Self::IsNot(..) | Self::StartsWith(..) | Self::HasTeam => None,
        }
    }
}

/// Texts of the directory are compared in any case.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => one == other,
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut inside = String::new();
                loop {
                    match chars.next()? {
                        // Two of them are one of the text.
                        '\'' if chars.peek() == Some(&'\'') => {
                            chars.next();
                            inside.push('\'');
                        }
                        '\'' => break,
                        c => inside.push(c),
                    }
                }
                tokens.push(Token::Text(inside));
            }
            c if c.is_alphanumeric() => {
                let mut word = String::from(c);
                while let Some(c) =
                    chars.next_if(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'))
                {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

fn too_many(comparisons: usize) -> Problem {
    Problem::unsupported(format!(
        "Too many child clauses specified in search filter expression containing 'OR' operators: {comparisons}. Max allowed: {MOST}."
    ))
}

fn syntax(text: &str) -> Problem {
    Problem::bad(format!("Invalid filter clause: Syntax error in '{}'.", printable(text)))
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    comparisons: usize,
    may: Filterable<'a>,
}

impl Parser<'_> {
    fn either(&mut self, depth: usize) -> Result<Filter, Problem> {
        let mut left = self.both(depth)?;
        while self.word("or") {
            left = Filter::Either(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, Problem> {
        let mut left = self.one(depth)?;
        while self.word("and") {
            left = Filter::Both(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, Problem> {
        if depth > DEEPEST {
            return Err(syntax(self.text));
        }
        // Far beyond what is taken, no tree is built.
        if self.comparisons > 10 * MOST {
            return Err(too_many(self.comparisons));
        }
        if self.token(&Token::Open) {
            let inner = self.either(depth + 1)?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        if self.word("startswith") {
            self.expect(&Token::Open)?;
            let name = self.property()?;
            self.expect(&Token::Comma)?;
            let Some(Token::Text(start)) = self.next() else { return Err(syntax(self.text)) };
            self.expect(&Token::Close)?;
            self.comparisons += 1;
            return Ok(Filter::StartsWith(name, start));
        }
        let name = self.property()?;
        if self.word("eq") {
            self.comparisons += 1;
            return Ok(Filter::Is(name, self.literal()?));
        }
        if self.word("ne") {
            if !self.may.advanced {
                return Err(self.unsupported(&name));
            }
            self.comparisons += 1;
            return Ok(Filter::IsNot(name, self.literal()?));
        }
        if !self.word("in") {
            return Err(syntax(self.text));
        }
        self.expect(&Token::Open)?;
        let mut values = vec![self.literal()?];
        while self.token(&Token::Comma) {
            values.push(self.literal()?);
        }
        self.expect(&Token::Close)?;
        self.comparisons += values.len();
        Ok(Filter::In(name, values))
    }

    fn property(&mut self) -> Result<String, Problem> {
        let Some(Token::Word(name)) = self.next() else { return Err(syntax(self.text)) };
        let known = self.may.properties.iter().find(|known| known.eq_ignore_ascii_case(&name));
        known.map(|known| (*known).to_owned()).ok_or_else(|| self.unsupported(&name))
    }

    fn unsupported(&self, name: &str) -> Problem {
        Problem::unsupported(format!(
            "Unsupported or invalid query filter clause specified for property '{}' of resource '{}'.",
            printable(name),
            self.may.kind
        ))
    }

    fn literal(&mut self) -> Result<Value, Problem> {
        match self.next() {
            Some(Token::Text(text)) => Ok(text.into()),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                "null" => Ok(Value::Null),
                _ => Err(syntax(self.text)),
            },
            _ => Err(syntax(self.text)),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn token(&mut self, wanted: &Token) -> bool {
        let there = self.tokens.get(self.at) == Some(wanted);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, wanted: &str) -> bool {
        let there =
            matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), Problem> {
        if self.token(wanted) { Ok(()) } else { Err(syntax(self.text)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAY: Filterable<'static> =
        Filterable { kind: "User", properties: &["id", "mail", "accountEnabled"], advanced: false };

    fn matches(filter: &str, one: &Value) -> bool {
        Filter::read(filter, MAY).unwrap().matches(&|name| one[name].clone())
    }

    #[test]
    fn comparisons_and_how_they_are_joined() {
        let one = json!({"id": "A1", "mail": "o'brien@x", "accountEnabled": true});
        assert!(matches("id eq 'a1'", &one));
        assert!(matches("mail eq 'O''Brien@x'", &one));
        assert!(matches("id in ('b', 'a1') and accountEnabled eq true", &one));
        assert!(matches("id eq 'b' or startswith(mail,'O')", &one));
        assert!(!matches("id eq 'a1' and (mail eq null or accountEnabled eq false)", &one));
    }

    #[test]
    fn what_is_not_taken() {
        let refused = |filter: &str| Filter::read(filter, MAY).unwrap_err();
        for bad in ["", "id", "id eq", "id eq 'a", "id eq 'a') ", "id gt 'a'", "id in ()", "(id eq 'a'"] {
            assert_eq!(refused(bad).code, "BadRequest", "{bad}");
        }
        assert_eq!(refused("city eq 'a'").code, "Request_UnsupportedQuery");
        assert_eq!(refused("mail ne null").code, "Request_UnsupportedQuery");
        let ids = vec!["'a'"; 16].join(",");
        assert!(refused(&format!("id in ({ids})")).message.contains("16. Max allowed: 15."));
        assert!(refused(&"(".repeat(5000)).message.starts_with("Invalid filter clause"));
    }

    #[test]
    fn those_who_are_named_are_found_without_looking_at_everybody() {
        let find = |name: &str, value: &str| (name == "id").then(|| value.parse().into_iter().collect());
        let candidates = |filter: &str| Filter::read(filter, MAY).unwrap().candidates(&find);
        assert_eq!(candidates("id in ('1','x','3')"), Some(vec![1, 3]));
        assert_eq!(candidates("accountEnabled eq true and id eq '4'"), Some(vec![4]));
        assert_eq!(candidates("accountEnabled eq true"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z'(), ]{0,60}|(id|mail|eq|in|and|or|\\(|\\)|,|'a'| ){0,25}|.{0,40}") {
            if let Err(problem) = Filter::read(&text, MAY) {
                proptest::prop_assert_eq!(problem.status, 400);
            }
        }
    }
}
