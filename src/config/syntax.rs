//! Guesses what a person meant whose text is no YAML.

use crate::config::mask;
use crate::config::problems::Place;

/// Lines before the reported one that are looked at: a parser often notices a mistake one line
/// late.
const LINES_BACK: usize = 2;

/// Returns the place of the likely mistake at or just before a place, and what to do about it.
#[must_use]
pub fn advice(text: &str, at: Place) -> Option<(Place, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let last = at.line.min(lines.len());
    for number in (last.saturating_sub(LINES_BACK).max(1)..=last).rev() {
        let line = lines[number - 1];
        if let Some((column, mut hint)) = line_advice(line) {
            // An example would repeat the secret.
            if mask::line(&lines[..number - 1], line).1.is_some()
                && let Some(general) = hint.find(": ")
            {
                hint.truncate(general);
            }
            let length = if column == 1 && line.starts_with('\t') { 1 } else { at.length };
            return Some((Place { line: number, column, length, ..at }, hint));
        }
    }
    for number in (last.saturating_sub(LINES_BACK).max(1)..=last).rev() {
        if let Some((column, hint)) = unclosed(lines[number - 1]) {
            return Some((Place { line: number, column, length: 1, ..at }, hint));
        }
    }
    None
}

/// Finds a quote or a bracket that its line opens and does not close.
fn unclosed(line: &str) -> Option<(usize, String)> {
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
    Some((index + 1, format!("is this `{mark}` closed?")))
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

fn line_advice(line: &str) -> Option<(usize, String)> {
    let content = line.trim_start_matches(' ');
    if content.starts_with('#') || content.trim().is_empty() {
        return None;
    }
    let indent = line.len() - content.len();
    if content.starts_with('\t') {
        return Some((indent + 1, "indent with spaces: YAML allows no tabs there".to_owned()));
    }
    let (item, item_at) = match content.strip_prefix('-') {
        Some(rest) => {
            let rest = rest.trim_start_matches(' ');
            (rest, line.len() - rest.len())
        }
        None => (content, indent),
    };
    if let Some(found) = needs_quotes(line, item, item_at) {
        return Some(found);
    }
    let key_length = item.bytes().take_while(|&b| is_key_byte(b)).count();
    let (key, after) = item.split_at(key_length);
    let rest = after.strip_prefix(':')?;
    if !key.is_empty() && !rest.is_empty() && !rest.starts_with([' ', '\t', '/']) {
        let column = column_of(line, item_at + key_length + 1);
        let hint = format!("put a space after the colon: `{key}: {}`", rest.trim_end());
        return Some((column, hint));
    }
    let value = rest.trim_start_matches(' ');
    needs_quotes(line, value, line.len() - value.len())
        .or_else(|| list_needs_quotes(line, value, line.len() - value.len()))
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn needs_quotes(line: &str, value: &str, at: usize) -> Option<(usize, String)> {
    let first = value.chars().next()?;
    if !matches!(first, '%' | '@' | '`' | '*') {
        return None;
    }
    let quoted = value.trim_end().replace('\'', "''");
    let hint = format!("a value that starts with `{first}` needs quotes: '{quoted}'");
    Some((column_of(line, at), hint))
}

/// Looks at the items of a list that is written in one line.
fn list_needs_quotes(line: &str, value: &str, at: usize) -> Option<(usize, String)> {
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

    #[test]
    fn an_unclosed_quote_or_bracket_is_found() {
        for (line, expected) in [
            ("hosts: [\"a\"", Some((8, "is this `[` closed?"))),
            ("hosts: [\"a]", Some((9, "is this `\"` closed?"))),
            ("name: 'a", Some((7, "is this `'` closed?"))),
            ("name: it's", None),
            ("a: [b] # [", None),
            ("a: {b: [c]}", None),
        ] {
            let expected = expected.map(|(column, hint)| (column, hint.to_owned()));
            assert_eq!(unclosed(line), expected, "{line:?}");
        }
    }

    #[test]
    fn usual_mistakes_are_recognised() {
        for (line, expected) in [
            ("\tpaths: a", Some((1, "indent with spaces: YAML allows no tabs there"))),
            ("  \tpaths: a", Some((3, "indent with spaces: YAML allows no tabs there"))),
            ("hosts:[a]", Some((7, "put a space after the colon: `hosts: [a]`"))),
            ("  - type:log", Some((10, "put a space after the colon: `type: log`"))),
            ("index: %{[a]}", Some((8, "a value that starts with `%` needs quotes: '%{[a]}'"))),
            ("- *.log", Some((3, "a value that starts with `*` needs quotes: '*.log'"))),
            ("paths: [a, *.log]", Some((12, "a value that starts with `*` needs quotes: '*.log'"))),
            ("password: @a", Some((11, "a value that starts with `@` needs quotes: '@a'"))),
            ("# a:b", None),
            ("http://a", None),
            ("a: b", None),
        ] {
            let expected = expected.map(|(column, hint)| (column, hint.to_owned()));
            assert_eq!(line_advice(line), expected, "{line:?}");
        }
    }
}
