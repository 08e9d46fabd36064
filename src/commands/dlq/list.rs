//! `shipper dlq list`: which faults there are, and how many letters of each.

use super::Letters;
use super::filter::Filter;
use crate::commands::report::{self, Failure};
use crate::commands::table;
use crate::hint::one_line;
use crate::outputs::dead_letters::letter::Letter;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Most groups that are told apart; what comes later is one more.
const GROUPS_MAX: usize = 1000;

/// Longest reason that is shown in the table, in characters; and below its row, where the terminal is narrow.
const REASON_CHARACTERS: usize = 100;
const REASON_CHARACTERS_BELOW: usize = 300;

/// Characters of a reason without which the table says nothing: where there is less room, it stands below its row.
const REASON_CHARACTERS_MIN: usize = 60;

/// The column of the reason, and those that hold numbers.
const REASON: usize = 6;
const NUMBERS: [usize; 2] = [0, 1];

/// Letters of one kind.
struct Group {
    letters: u64,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
}

/// What letters of one group have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    status: u16,
    kind: String,
    target: String,
    reason: String,
}

/// Prints the groups, the largest first.
pub(super) fn run(letters: &Letters, filter: &Filter, as_json: bool) -> Result<ExitCode, Failure> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let damage = letters.each(|letter, bytes| {
        if filter.takes(letter) {
            add(&mut groups, letter, bytes.len() as u64);
        }
        true
    })?;
    let mut groups: Vec<(Key, Group)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.letters));
    let bytes: u64 = letters.segments()?.iter().map(|segment| segment.size).sum();
    if as_json {
        let value = json!({
            "path": letters.spool.directory.to_string_lossy(),
            "bytes": bytes,
            "bytes_max": letters.spool.bytes_max,
            "letters": groups.iter().map(|(_, group)| group.letters).sum::<u64>(),
            "damaged_lines": damage.lines,
            "damaged_bytes": damage.bytes,
            "groups": groups.iter().map(|(key, group)| group_json(key, group)).collect::<Vec<_>>(),
        });
        report::out(&format!("{value}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    damage.tell("which `shipper dlq replay` and `purge` set aside");
    if groups.is_empty() {
        report::out(&format!("no dead letters in `{}`\n", letters.spool.directory.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let count: u64 = groups.iter().map(|(_, group)| group.letters).sum();
    let width = table::terminal_width();
    let sum = format!(
        "{count} letters in `{}`, {bytes} of at most {} bytes",
        letters.spool.directory.display(),
        letters.spool.bytes_max
    );
    report::out(&format!("{}\n{}", table_text(&groups, width), table::wrapped(&sum, "", width)));
    Ok(ExitCode::SUCCESS)
}

/// Returns the groups as a table; where the terminal is too narrow for it, type, target and reason stand below their row.
fn table_text(groups: &[(Key, Group)], width: Option<usize>) -> String {
    let headings = ["LETTERS", "STATUS", "TYPE", "TARGET", "FIRST", "LAST", "REASON"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(groups.iter().map(|(key, group)| row(key, group)));
    let Some(narrow) =
        width.filter(|width| !table::fits(&rows, REASON, REASON_CHARACTERS_MIN, *width))
    else {
        return table::text(rows, &NUMBERS, REASON, width);
    };
    let below = groups.iter().map(|(key, _)| {
        let names = format!("{}, {}", or_dash(&key.kind), or_dash(&key.target));
        let reason = reason(key, REASON_CHARACTERS_BELOW);
        [names, reason].map(|text| table::wrapped(&text, "  ", Some(narrow))).concat()
    });
    let above = rows.into_iter().map(|row| [0, 1, 4, 5].map(|column| row[column].clone()).to_vec());
    let above = table::text(above.collect(), &NUMBERS, 3, None);
    let below = std::iter::once(String::new()).chain(below);
    let mut text = String::new();
    for (above, below) in above.lines().zip(below) {
        text.extend([above, "\n", &below]);
    }
    text
}

fn add(groups: &mut BTreeMap<Key, Group>, letter: &Letter<'_>, bytes: u64) {
    let mut key = Key {
        status: letter.status,
        kind: letter.kind.clone().into_owned(),
        target: letter.target.as_deref().unwrap_or_default().to_owned(),
        reason: general(&letter.reason),
    };
    if GROUPS_MAX <= groups.len() && !groups.contains_key(&key) {
        key = Key {
            status: 0,
            kind: String::new(),
            target: String::new(),
            reason: "(others)".to_owned(),
        };
    }
    let time = letter.time;
    let group =
        groups.entry(key).or_insert(Group { letters: 0, bytes: 0, first: time, last: time });
    group.letters += 1;
    group.bytes += bytes;
    group.first = group.first.min(time);
    group.last = group.last.max(time);
}

/// Returns a reason without what it says of one document alone: texts between quotes, and places in the document.
fn general(reason: &str) -> String {
    without_places(&without_quoted(reason))
}

/// Leaves out lines and columns that stand without brackets: `at 1:763`, `line: 1, column: 763`.
fn without_places(reason: &str) -> String {
    let mut general = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let is_inside =
            general.ends_with(|before: char| before.is_alphanumeric() || ".:-_".contains(before));
        let is_number = |letter: &char| letter.is_ascii_digit() || *letter == ':';
        let length = rest.chars().take_while(is_number).count();
        if is_inside || length == 0 {
            general.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let number = &rest[..length];
        rest = &rest[length..];
        let is_whole = !rest.starts_with(|after: char| after.is_alphanumeric() || after == '_');
        let is_pair = number.split_once(':').is_some_and(|(line, column)| {
            !line.is_empty() && !column.is_empty() && !column.contains(':')
        });
        let is_named = ["line: ", "column: "].iter().any(|name| general.ends_with(name))
            && !number.contains(':');
        general.push_str(if is_whole && (is_pair || is_named) { "…" } else { number });
    }
    general
}

/// Leaves out texts between quotes, and places between brackets.
fn without_quoted(reason: &str) -> String {
    let mut general = String::with_capacity(reason.len());
    let mut rest = reason;
    while let Some(first) = rest.chars().next() {
        let inside_word = general.ends_with(char::is_alphanumeric);
        let close = match first {
            '\'' if !inside_word => Some('\''),
            '[' => Some(']'),
            _ => None,
        };
        let end = close.and_then(|close| rest[1..].find(close)).map(|at| at + 1);
        let Some(end) = end else {
            general.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let inside = &rest[1..end];
        let is_place = inside.contains(':')
            && inside.bytes().all(|letter| letter.is_ascii_digit() || letter == b':');
        if first == '\'' || is_place {
            general.extend([first, '…']);
            general.push_str(&rest[end..=end]);
        } else {
            general.push_str(&rest[..=end]);
        }
        rest = &rest[end + 1..];
    }
    general
}

fn group_json(key: &Key, group: &Group) -> Value {
    json!({
        "status": key.status,
        "type": key.kind,
        "target": key.target,
        "reason": key.reason,
        "letters": group.letters,
        "bytes": group.bytes,
        "first": group.first.to_string(),
        "last": group.last.to_string(),
    })
}

fn row(key: &Key, group: &Group) -> Vec<String> {
    let time = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    vec![
        group.letters.to_string(),
        key.status.to_string(),
        or_dash(&key.kind),
        or_dash(&key.target),
        time(group.first),
        time(group.last),
        reason(key, REASON_CHARACTERS),
    ]
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { one_line(text) }
}

/// Returns the first characters of a reason.
fn reason(key: &Key, most: usize) -> String {
    let mut reason = one_line(&key.reason);
    if let Some((at, _)) = reason.char_indices().nth(most) {
        reason.truncate(at);
        reason.push('…');
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_by_their_document_alone_are_one() {
        for (reason, expected) in [
            (
                "[1:234] failed to parse field [http.bytes] of type [byte] in document with id 'a.b.c'. \
                 Preview of field's value: '300'",
                "[…] failed to parse field [http.bytes] of type [byte] in document with id '…'. \
                 Preview of field's value: '…'",
            ),
            (
                "Limit of total fields [1000] has been exceeded",
                "Limit of total fields [1000] has been exceeded",
            ),
            (
                "Expected text at 1:763 but found START_OBJECT",
                "Expected text at … but found START_OBJECT",
            ),
            ("cut off at 12:829.", "cut off at …."),
            (
                "Unexpected end [Source: (byte[]); line: 1, column: 42]",
                "Unexpected end [Source: (byte[]); line: …, column: …]",
            ),
            (
                "no node 10.0.0.1:9200, a:1:2:3, x1:2, 1:2x, limit 1000, line 7",
                "no node 10.0.0.1:9200, a:1:2:3, x1:2, 1:2x, limit 1000, line 7",
            ),
            ("an open [bracket", "an open [bracket"),
            ("", ""),
        ] {
            assert_eq!(general(reason), expected);
        }
    }

    #[test]
    fn reason_stands_below_its_row_where_the_terminal_is_narrow() {
        let time = Timestamp::UNIX_EPOCH;
        let key = |kind: &str, reason: &str| Key {
            status: 400,
            kind: kind.to_owned(),
            target: "logs-apache.access-default".to_owned(),
            reason: reason.to_owned(),
        };
        let group = |letters| Group { letters, bytes: 1, first: time, last: time };
        let groups = [
            (
                key(
                    "document_parsing_exception",
                    "[…] failed to parse field [http.bytes] of type [byte]",
                ),
                group(10),
            ),
            (key("", "(others)"), group(2)),
        ];
        let narrow = "\
LETTERS  STATUS  FIRST                 LAST
     10     400  1970-01-01T00:00:00Z  1970-01-01T00:00:00Z
  document_parsing_exception, logs-apache.access-default
  […] failed to parse field [http.bytes] of type [byte]
      2     400  1970-01-01T00:00:00Z  1970-01-01T00:00:00Z
  -, logs-apache.access-default
  (others)
";
        assert_eq!(table_text(&groups, Some(60)), narrow);
        assert_eq!(table_text(&groups, Some(80)), narrow);
        for width in [None, Some(200)] {
            let wide = table_text(&groups, width);
            assert!(wide.lines().count() == 3 && wide.contains("TARGET"), "{wide}");
        }
        let broken = table_text(&groups, Some(40));
        assert!(broken.contains("[http.bytes]\n  of type [byte]\n"), "{broken}");
    }
}
