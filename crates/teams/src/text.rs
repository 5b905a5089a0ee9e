//! Text that others wrote, made safe to store, log and show.

/// What is kept of a refusal's text.
pub(crate) const TEXT_LIMIT: usize = 500;

/// Control characters (and the invisible ones that reorder a line) become spaces, runs of white space become one
/// space, and at most `limit` characters are kept.
pub(crate) fn defuse(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut kept = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || reorders(c) {
            space = kept > 0;
            continue;
        }
        let needed = if space { 2 } else { 1 };
        if kept + needed > limit {
            break;
        }
        if space {
            out.push(' ');
            space = false;
        }
        out.push(c);
        kept += needed;
    }
    out
}

/// Direction marks, line separators, zero-width joiners of a line: they can make a log line read otherwise.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// An error and its causes on one line. An address never appears in it: a URL may name a person's conversation.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = defuse(&error.to_string(), TEXT_LIMIT);
        // Many libraries repeat the cause in their own text.
        if !part.is_empty() && !parts.iter().any(|seen| seen.contains(&part)) {
            parts.push(part);
        }
        next = error.source();
    }
    defuse(&parts.join(": "), TEXT_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_one_space_and_length_is_bounded() {
        assert_eq!(defuse("a\r\n\tb\u{1b}[31mc\u{202e}d", 500), "a b [31mc d");
        assert_eq!(defuse("  x  ", 500), "x");
        assert_eq!(defuse(&"é".repeat(900), 500).chars().count(), 500);
        assert_eq!(defuse("ab cd", 3), "ab");
        assert_eq!(defuse("", 5), "");
    }
}
