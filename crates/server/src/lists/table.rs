//! CSV, as Excel and others write it: `,`, `;` or tab between columns, quotes, a header or none.

use super::columns::best;
use super::entries::Entries;
use super::{lines, within};
use crate::problem::Refusal;

const NOBODY: &str = "this names nobody: it must be an Entra object id such as b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b, a sign-in name or a \
     mail address";
const NO_HEADER: &str = "this names nobody, and if it is a header, none of its columns is known: call the one with the people `id`, `upn` or \
     `mail`";
const NOTHING_THERE: &str = "this line has nothing in the column that names people";
const OPEN_QUOTE: &str = "a quote is opened here and not closed in the same line: close it, or take the line break out of the field";

pub(super) fn read(text: &str, entries: &mut Entries) -> Result<(), Refusal> {
    let mut lines = lines(text).peekable();
    // What Excel understands in the first line.
    let told = lines.peek().and_then(|(_, line)| line.trim().strip_prefix("sep=")?.chars().next());
    if told.is_some() {
        lines.next();
    }
    let mut separator = told;
    let mut column = None;
    for (line, row) in lines {
        within(line)?;
        let between = *separator.get_or_insert_with(|| separator_of(row));
        let Some(fields) = fields(row, between) else {
            entries.bad(line, OPEN_QUOTE);
            continue;
        };
        if fields.iter().all(|field| field.trim().is_empty()) {
            entries.blank();
            continue;
        }
        let first = column.is_none();
        if first {
            let named = fields.iter().enumerate().map(|(n, name)| (name.clone(), n));
            if let Some(named) = best(named) {
                column = Some(named);
                continue;
            }
        }
        let column = *column.get_or_insert(0);
        match fields.get(column).map(|field| field.trim()) {
            None | Some("") => entries.bad(line, NOTHING_THERE),
            Some(entry) if entries.take(line, entry) => {}
            Some(_) => entries.bad(line, if first { NO_HEADER } else { NOBODY }),
        }
    }
    Ok(())
}

/// The one that the first line has most often; no id, name or address has one of them.
fn separator_of(row: &str) -> char {
    let count = |separator: char| row.matches(separator).count();
    let most = [';', '\t', ','].into_iter().max_by_key(|separator| count(*separator));
    most.unwrap_or(',')
}

/// The fields of a row; `None` if a quote is not closed in it.
fn fields(row: &str, separator: char) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let quoted = rest.trim_start_matches([' ', '\u{a0}']).strip_prefix('"');
        let field;
        if let Some(mut inside) = quoted {
            let mut text = String::new();
            loop {
                let (before, after) = inside.split_once('"')?;
                text.push_str(before);
                if let Some(more) = after.strip_prefix('"') {
                    text.push('"');
                    inside = more;
                } else {
                    inside = after;
                    break;
                }
            }
            field = text;
            rest = inside;
        } else {
            field = String::new();
        }
        let (plain, after) = match rest.split_once(separator) {
            Some((plain, after)) => (plain, Some(after)),
            None => (rest, None),
        };
        fields.push(field + plain);
        match after {
            Some(after) => rest = after,
            None => return Some(fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{Format, parse};

    const ANN: &str = "a0000000-0000-4000-8000-000000000001";
    const BOB: &str = "b0000000-0000-4000-8000-000000000002";

    fn entries(text: &str) -> Entries {
        parse(Format::Csv, text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
    }

    /// Ids, names with their lines, and (lines, blanks, duplicates).
    type Read = (Vec<String>, Vec<(i64, String)>, (i64, i64, i64));

    fn of(text: &str) -> Read {
        let Entries { people, names, lines, blanks, duplicates, .. } = entries(text);
        let names = names.into_iter().map(|listed| (listed.line, listed.name)).collect();
        (people, names, (lines, blanks, duplicates))
    }

    #[test]
    fn fields_of_a_row() {
        let of = |row: &str| fields(row, ',').map(|fields| fields.join("|"));
        for (row, expected) in [
            ("", Some("")),
            ("a", Some("a")),
            ("a,b,", Some("a|b|")),
            ("\"a,b\",c", Some("a,b|c")),
            ("\"a \"\"b\"\"\", \"c\" ,d", Some("a \"b\"|c |d")),
            ("a \"b,c", Some("a \"b|c")),
            ("\"a", None),
            ("a,\"b\"\"", None),
        ] {
            assert_eq!(of(row).as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn the_same_list_however_it_is_written() {
        let expected = (vec![ANN.to_owned()], vec![(2, "Bob@Contoso.com".to_owned())], (2, 0, 0));
        for text in [
            format!("{ANN}\nBob@Contoso.com"),
            format!("{}\r\nBob@Contoso.com\r\n", ANN.to_uppercase()),
            format!("{ANN}\rBob@Contoso.com\r"),
            format!("\u{feff}{ANN},Ann\nBob@Contoso.com,\"Bob, the other\"\n"),
            format!("  {ANN} \n\" Bob@Contoso.com \"  \n"),
            format!("{ANN};Ann, Sales;1\nBob@Contoso.com;Bob;2"),
            format!("{ANN}\tAnn\nBob@Contoso.com\tBob\n"),
        ] {
            assert_eq!(of(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_header_names_the_column() {
        let header = |text: &str| of(text);
        let expected = (vec![ANN.to_owned(), BOB.to_owned()], Vec::new(), (2, 0, 0));
        assert_eq!(header(&format!("id\n{ANN}\n{BOB}\n")), expected);
        assert_eq!(header(&format!("Name;mail;Object Id\nAnn;a@x;{ANN}\nBob;;{BOB}\n")), expected);
        assert_eq!(header(&format!("sep=;\r\n\"Name\";\"upn\"\r\nAnn;{ANN}\r\nBob;{BOB}\r\n")), expected);
        let names = header("Display name,userPrincipalName\nAnn,ann@x\nAnn again,ANN@X\n\n,\nBob,bob@x\n");
        let found = vec![(2, "ann@x".to_owned()), (6, "bob@x".to_owned())];
        assert_eq!(names, (Vec::new(), found, (5, 2, 1)));
    }

    fn wrong(text: &str) -> Vec<(String, String)> {
        let refusal = parse(Format::Csv, text.as_bytes()).unwrap_err();
        refusal.items().map(|(code, pointer)| (code.to_owned(), pointer.to_owned())).collect()
    }

    #[test]
    fn every_line_that_names_nobody_is_told() {
        let lines = |numbers: &[i64]| -> Vec<_> {
            numbers.iter().map(|n| ("list_line_invalid".to_owned(), format!("/line/{n}"))).collect()
        };
        assert_eq!(wrong(&format!("Name,Department\n{ANN}\nAnn,Sales\n")), lines(&[1, 3]));
        assert_eq!(wrong(&format!("Name;id\nAnn;{ANN}\nBob;\nCid\n;;\nDan;7\n")), lines(&[3, 4, 6]));
        // A quote that is not closed takes nobody with it.
        assert_eq!(wrong(&format!("{ANN},\"Ann\n{BOB},\"Bob\nx\n")), lines(&[1, 2, 3]));
        assert_eq!(wrong("\n\nid\n \n"), []);
        assert_eq!(wrong(""), []);
    }
}
