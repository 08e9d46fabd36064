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

/// Longest reason that is shown in the table, in characters.
const REASON_CHARACTERS: usize = 100;

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
    let headings = ["LETTERS", "STATUS", "TYPE", "TARGET", "FIRST", "LAST", "REASON"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(groups.iter().map(|(key, group)| row(key, group)));
    let count: u64 = groups.iter().map(|(_, group)| group.letters).sum();
    report::out(&format!(
        "{}\n{count} letters in `{}`, {bytes} of at most {} bytes\n",
        table::text(rows, &[0, 1], 6, table::terminal_width()),
        letters.spool.directory.display(),
        letters.spool.bytes_max
    ));
    Ok(ExitCode::SUCCESS)
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
    let mut reason: String = one_line(&key.reason);
    if let Some((at, _)) = reason.char_indices().nth(REASON_CHARACTERS) {
        reason.truncate(at);
        reason.push('…');
    }
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { one_line(text) };
    vec![
        group.letters.to_string(),
        key.status.to_string(),
        or_dash(&key.kind),
        or_dash(&key.target),
        time(group.first),
        time(group.last),
        reason,
    ]
}

#[cfg(test)]
mod tests {
    use super::general;

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
            ("an open [bracket", "an open [bracket"),
            ("", ""),
        ] {
            assert_eq!(general(reason), expected);
        }
    }
}
