//! Guesses what a person meant whose text is no YAML.

use crate::config::keys;
use crate::config::mask;
use crate::config::problems::Place;

/// Lines before the reported one that are looked at: a parser often notices a mistake one line
/// late.
const LINES_BACK: usize = 2;

/// Characters that a word processor puts in place of quotes.
pub const TYPOGRAPHIC_QUOTES: [char; 8] = ['“', '”', '„', '‘', '’', '‚', '«', '»'];

/// What is likely wrong with a text that is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Where.
    pub place: Place,
    /// What, to follow `this is not YAML: `.
    pub what: &'static str,
    /// What to do.
    pub hint: String,
}

/// A likely mistake in one line: its column, what it is, and what to do about it.
type Found = (usize, &'static str, String);

const TAB: &str = "a tab stands where lines are indented";
const NO_SPACE: &str = "no space follows the colon";
const NO_SPACE_AFTER_DASH: &str = "no space follows the dash";
const NO_COLON: &str = "no colon follows the key";
const EQUALS: &str = "a key and its value are parted by `=`";
const NEEDS_QUOTES: &str = "this character begins no plain value";
const TYPOGRAPHIC: &str = "typographic quotes are none in YAML";
const UNCLOSED_QUOTE: &str = "a quote is not closed";
const UNCLOSED_BRACKET: &str = "a bracket is not closed";
const INDENTATION: &str = "this line is not indented like the one above it";

/// Guesses the mistake at or just before a place.
#[must_use]
pub fn advice(text: &str, at: Place) -> Option<Advice> {
    let lines: Vec<&str> = text.lines().collect();
    let last = at.line.min(lines.len());
    let back = || (last.saturating_sub(LINES_BACK).max(1)..=last).rev();
    let tab_below =
        || lines.get(last).filter(|line| line.trim_start_matches(' ').starts_with('\t'));
    // A tab below the last line that could be read is noticed while that line is read.
    let below = tab_below().map(|_| last + 1);
    let found = back()
        .chain(below)
        .find_map(|number| Some((number, line_advice(lines[number - 1])?)))
        .or_else(|| back().find_map(|number| Some((number, unclosed(lines[number - 1])?))))
        .or_else(|| Some((last, misaligned(&lines[..last])?)));
    let (line, (column, what, mut hint)) = found?;
    // An example would repeat the secret.
    if mask::line(&lines[..line - 1], lines[line - 1]).1.is_some()
        && let Some(general) = hint.find(": ")
    {
        hint.truncate(general);
    }
    Some(Advice { place: Place { line, column, length: 1, ..at }, what, hint })
}

/// Says what is wrong with a text that stands where keys were expected.
#[must_use]
pub fn no_keys_advice(text: &str) -> Option<String> {
    line_advice(text.lines().next()?).map(|(_, _, hint)| hint)
}

/// Says what is wrong with a text without quotes that YAML takes as it stands, and nobody means.
#[must_use]
pub fn plain_text_advice(text: &str, lines: usize) -> Option<(&'static str, &'static str)> {
    if text.starts_with(TYPOGRAPHIC_QUOTES) {
        return Some((
            "this begins with a typographic quote, which is none in YAML",
            "write plain quotes: `\"` or `'`",
        ));
    }
    if text.starts_with('\u{a0}') || text.ends_with('\u{a0}') {
        return Some((
            "a no-break space (U+00A0) stands at this text, which is none in YAML",
            "write plain spaces: pages and word processors put others in their place",
        ));
    }
    if 1 < lines && text.contains(" - ") {
        return Some((
            "this runs on over items of a list",
            "begin every `- ` of a list in the same column, or quote the text",
        ));
    }
    if 1 < lines && text.contains(" -") && text.starts_with('-') {
        return Some(("no space follows the dashes", "put a space after each dash: `- item`"));
    }
    None
}

/// Compares the last line with the one above it, when both are a key with its value.
fn misaligned(lines: &[&str]) -> Option<Found> {
    let (line, above) = lines.split_last()?;
    let number = above.iter().rposition(|line| {
        let content = line.trim();
        !content.is_empty() && !content.starts_with('#')
    })?;
    let (key, key_at, value) = key_of(above[number])?;
    let (_, at, _) = key_of(line)?;
    if at == key_at || value.trim().is_empty() {
        return None;
    }
    let column = column_of(above[number], key_at);
    let hint = format!("let it begin in column {column}, below `{key}` of line {}", number + 1);
    Some((column_of(line, at), INDENTATION, hint))
}

/// Returns the key of a line, the byte at which it stands, and what follows the colon.
fn key_of(line: &str) -> Option<(&str, usize, &str)> {
    let (item, at) = item_of(line);
    let length = item.bytes().take_while(|&b| is_key_byte(b)).count();
    let (key, after) = item.split_at(length);
    let value = after.strip_prefix(':')?;
    (!key.is_empty()).then_some((key, at, value))
}

/// Returns a line behind its indentation and the `- ` of an item, and where that begins.
fn item_of(line: &str) -> (&str, usize) {
    let content = line.trim_start_matches(' ');
    let item = match content.strip_prefix('-') {
        Some(rest) if rest.starts_with(' ') => rest.trim_start_matches(' '),
        _ => content,
    };
    (item, line.len() - item.len())
}

/// Finds a quote or a bracket that its line opens and does not close.
fn unclosed(line: &str) -> Option<Found> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut quote: Option<(usize, char)> = None;
    let mut before = ' ';
    for (index, c) in line.chars().enumerate() {
        let begins = matches!(before, ' ' | '[' | '{' | ',' | ':');
        match (quote, c) {
            (Some((_, mark)), c) if c == mark && before != '\\' => quote = None,
            (None, '#') if before == ' ' => break,
            (None, '"' | '\'') if begins => quote = Some((index, c)),
            (None, '[' | '{') if begins => open.push((index, c)),
            (None, ']' | '}') => drop(open.pop()),
            _ => {}
        }
        before = c;
    }
    let (index, mark) = quote.or_else(|| open.pop())?;
    let (what, closing) = match mark {
        '[' => (UNCLOSED_BRACKET, ']'),
        '{' => (UNCLOSED_BRACKET, '}'),
        quote => (UNCLOSED_QUOTE, quote),
    };
    Some((index + 1, what, format!("close this `{mark}` with `{closing}`")))
}

/// Moves a place that lies behind the end of a text (an unclosed bracket) to its last line.
#[must_use]
pub fn within(text: &str, at: Place) -> Place {
    let lines: Vec<&str> = text.lines().collect();
    let Some(last) = lines.iter().rposition(|line| !line.trim().is_empty()) else { return at };
    if last + 1 < at.line {
        let column = lines[last].trim_end().chars().count() + 1;
        return Place { line: last + 1, column, length: 1, ..at };
    }
    at
}

fn line_advice(line: &str) -> Option<Found> {
    let content = line.trim_start_matches(' ');
    if content.starts_with('#') || content.trim().is_empty() {
        return None;
    }
    let indent = line.len() - content.len();
    if content.starts_with('\t') {
        let hint = "indent with spaces: YAML allows no tabs there".to_owned();
        return Some((indent + 1, TAB, hint));
    }
    if let Some(rest) = content.strip_prefix('-')
        && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
    {
        let hint = format!("put a space after the dash: `- {}`", rest.trim_end());
        return Some((indent + 2, NO_SPACE_AFTER_DASH, hint));
    }
    let (item, item_at) = item_of(line);
    if let Some(found) = needs_quotes(line, item, item_at) {
        return Some(found);
    }
    let key_length = item.bytes().take_while(|&b| is_key_byte(b)).count();
    let (key, after) = item.split_at(key_length);
    if let Some(value) = after.trim_start_matches(' ').strip_prefix('=')
        && !key.is_empty()
    {
        let at = line.len() - value.len() - 1;
        let hint = format!("write a colon and a space: `{key}: {}`", value.trim());
        return Some((column_of(line, at), EQUALS, hint));
    }
    let value = after.trim_start_matches(' ');
    let has_value =
        value.len() < after.len() && !value.trim().is_empty() && !value.starts_with(':');
    if has_value && is_last_part_of_a_key(key) {
        // The value stays unsaid: it may be a secret.
        let hint = format!("write a colon and a space behind the key: `{key}: …`");
        return Some((column_of(line, item_at + key_length), NO_COLON, hint));
    }
    let rest = after.strip_prefix(':')?;
    if !key.is_empty() && !rest.is_empty() && !rest.starts_with([' ', '\t', '/']) {
        let column = column_of(line, item_at + key_length + 1);
        let hint = format!("put a space after the colon: `{key}: {}`", rest.trim_end());
        return Some((column, NO_SPACE, hint));
    }
    let value = rest.trim_start_matches(' ');
    needs_quotes(line, value, line.len() - value.len())
        .or_else(|| list_needs_quotes(line, value, line.len() - value.len()))
}

/// Tells whether some known key ends with a word, which may be several of its parts.
fn is_last_part_of_a_key(word: &str) -> bool {
    let is_one = |key: &str| {
        key.strip_suffix(word).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    !word.is_empty() && keys::all().any(|(key, _)| is_one(&key))
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn needs_quotes(line: &str, value: &str, at: usize) -> Option<Found> {
    let first = value.chars().next()?;
    if TYPOGRAPHIC_QUOTES.contains(&first) {
        let hint = "write plain quotes: `\"` or `'`".to_owned();
        return Some((column_of(line, at), TYPOGRAPHIC, hint));
    }
    if !matches!(first, '%' | '@' | '`' | '*') {
        return None;
    }
    let quoted = value.trim_end().replace('\'', "''");
    let hint = format!("a value that starts with `{first}` needs quotes: '{quoted}'");
    Some((column_of(line, at), NEEDS_QUOTES, hint))
}

/// Looks at the items of a list that is written in one line.
fn list_needs_quotes(line: &str, value: &str, at: usize) -> Option<Found> {
    let mut offset = at + value.strip_prefix('[').map(|_| 1)?;
    for item in value[1..].split(',') {
        let trimmed = item.trim_start_matches(' ');
        let start = offset + item.len() - trimmed.len();
        let found = needs_quotes(line, trimmed.trim_end_matches([' ', ']']), start);
        if found.is_some() {
            return found;
        }
        offset += item.len() + 1;
    }
    None
}

fn column_of(line: &str, byte: usize) -> usize {
    line[..byte].chars().count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'t> = (&'t str, Option<(usize, &'static str, &'t str)>);

    fn check(find: fn(&str) -> Option<Found>, cases: &[Case<'_>]) {
        for (line, expected) in cases {
            let expected = expected.map(|(column, what, hint)| (column, what, hint.to_owned()));
            assert_eq!(find(line), expected, "{line:?}");
        }
    }

    #[test]
    fn an_unclosed_quote_or_bracket_is_found() {
        check(
            unclosed,
            &[
                ("hosts: [\"a\"", Some((8, UNCLOSED_BRACKET, "close this `[` with `]`"))),
                ("a: {b: c", Some((4, UNCLOSED_BRACKET, "close this `{` with `}`"))),
                ("hosts: [\"a]", Some((9, UNCLOSED_QUOTE, "close this `\"` with `\"`"))),
                ("name: 'a", Some((7, UNCLOSED_QUOTE, "close this `'` with `'`"))),
                ("name: it's", None),
                ("a: [b] # [", None),
                ("a: {b: [c]}", None),
            ],
        );
    }

    #[test]
    fn usual_mistakes_are_recognised() {
        let tab = "indent with spaces: YAML allows no tabs there";
        let space = "put a space after the colon";
        let star = "a value that starts with `*` needs quotes: '*.log'";
        check(
            line_advice,
            &[
                ("\tpaths: a", Some((1, TAB, tab))),
                ("  \tpaths: a", Some((3, TAB, tab))),
                ("hosts:[a]", Some((7, NO_SPACE, &format!("{space}: `hosts: [a]`")))),
                ("  - type:log", Some((10, NO_SPACE, &format!("{space}: `type: log`")))),
                (
                    "  -type: a",
                    Some((4, NO_SPACE_AFTER_DASH, "put a space after the dash: `- type: a`")),
                ),
                ("  -/a", Some((4, NO_SPACE_AFTER_DASH, "put a space after the dash: `- /a`"))),
                ("a = b", Some((3, EQUALS, "write a colon and a space: `a: b`"))),
                ("- a.b=c", Some((6, EQUALS, "write a colon and a space: `a.b: c`"))),
                (
                    "index: %{[a]}",
                    Some((8, NEEDS_QUOTES, "a value that starts with `%` needs quotes: '%{[a]}'")),
                ),
                ("a: “b: c”", Some((4, TYPOGRAPHIC, "write plain quotes: `\"` or `'`"))),
                ("- *.log", Some((3, NEEDS_QUOTES, star))),
                ("paths: [a, *.log]", Some((12, NEEDS_QUOTES, star))),
                (
                    "rescue.max_size 1GB",
                    Some((
                        16,
                        NO_COLON,
                        "write a colon and a space behind the key: `rescue.max_size: …`",
                    )),
                ),
                (
                    "  hosts [\"http://a\"]",
                    Some((8, NO_COLON, "write a colon and a space behind the key: `hosts: …`")),
                ),
                ("  hosts : a", None),
                ("nobody knows", None),
                ("hosts ", None),
                ("# a:b", None),
                ("http://a", None),
                ("a: b", None),
                ("a: b=c", None),
                ("--- a", None),
                ("- -1", None),
            ],
        );
    }

    #[test]
    fn a_key_that_is_not_below_its_neighbour_is_found() {
        let check = |text: &str, expected: Option<(usize, &str)>| {
            let lines: Vec<&str> = text.lines().collect();
            let expected = expected.map(|(column, hint)| (column, INDENTATION, hint.to_owned()));
            assert_eq!(misaligned(&lines), expected, "{text:?}");
        };
        let hint = Some("let it begin in column 5, below `type` of line 1");
        check("  - type: log\n   paths: a", hint.map(|hint| (4, hint)));
        check("  - type: log\n# x\n\n      paths: a", hint.map(|hint| (7, hint)));
        check("  - type: log\n    paths: a", None);
        check("  - type:\n      paths: a", None);
        check("paths: a", None);
    }
}
