//! Which logs of a server are those that an input's `paths` lead to, where there may be patterns on either side: `*` and
//! the like in `paths`, and what differs from request to request or from day to day in the server's configuration.

use super::Log;

/// What rotations append to the name of a log.
const ROTATED: [&str; 4] = ["", ".1", "-20260101", ".1.gz"];

/// Stands for what a server puts in place of a variable.
const EXAMPLE: &str = "x";

/// Returns the logs that any of the paths leads to, in their order, also after a rotation.
///
/// A path leads to the logs whose names are written out rather than to those whose names may happen to be the same: of
/// `access_log /var/log/nginx/access.log` and `access_log /var/log/nginx/$host.log`, `access.log*` is the first alone.
#[must_use]
pub fn chosen<'a>(logs: &'a [Log], paths: &[String]) -> Vec<&'a Log> {
    let mut is_chosen = vec![false; logs.len()];
    for path in paths {
        let pattern = Pattern::read(path);
        let named = |log: &&Log| !log.path.contains('*') && pattern.leads_to(&log.path);
        let has_named = logs.iter().any(|log| named(&log));
        for (log, is_chosen) in logs.iter().zip(&mut is_chosen) {
            *is_chosen |= if log.path.contains('*') && has_named {
                pattern.leads_to(&log.path.replace('*', EXAMPLE))
            } else {
                pattern.leads_to(&log.path)
            };
        }
    }
    logs.iter().zip(is_chosen).filter(|(_, is_chosen)| *is_chosen).map(|(log, _)| log).collect()
}

/// One name of a path, or `**`.
type Part = Vec<Sign>;

/// A pattern of paths.
struct Pattern(Vec<Part>);

/// What stands for characters of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    /// This one.
    One(char),
    /// Any one.
    Any,
    /// Any number of any.
    Many,
    /// Any number of names; alone in its part.
    Deep,
    /// One of these ranges, or of all others.
    Class { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    fn read(text: &str) -> Self {
        let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
        let mut parts: Vec<Part> = parts.map(signs).collect();
        // At the end it means files at any depth.
        if parts.last().is_some_and(|part| *part == [Sign::Deep]) {
            parts.push(vec![Sign::Many]);
        }
        Self(parts)
    }

    /// Tells whether a log, or what a rotation makes of it, may have a name that matches.
    fn leads_to(&self, log: &str) -> bool {
        ROTATED.iter().any(|end| {
            let log_parts = of_log(&format!("{log}{end}"));
            if log.starts_with('/') {
                return meet(&self.0, &log_parts);
            }
            // Of a relative path nobody knows where it begins.
            let Some(at) = self.0.len().checked_sub(log_parts.len()) else { return false };
            !self.0[at..].contains(&vec![Sign::Deep]) && meet(&self.0[at..], &log_parts)
        })
    }
}

/// Reads the path of a log, in which a star alone means more than itself.
fn of_log(path: &str) -> Vec<Part> {
    let sign = |c| if c == '*' { Sign::Many } else { Sign::One(c) };
    let names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    names.map(|name| name.chars().map(sign).collect()).collect()
}

/// Reads a part as Go's `filepath.Match` does.
fn signs(part: &str) -> Part {
    if part == "**" {
        return vec![Sign::Deep];
    }
    let mut signs = Vec::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        let rest = chars.as_str();
        signs.push(match c {
            '*' => Sign::Many,
            '?' => Sign::Any,
            '\\' => Sign::One(chars.next().unwrap_or('\\')),
            '[' => {
                if let Some((class, length)) = class(rest) {
                    chars = rest[length..].chars();
                    class
                } else {
                    Sign::One('[')
                }
            }
            c => Sign::One(c),
        });
    }
    signs
}

/// Reads what stands behind `[`; returns its length as well.
fn class(text: &str) -> Option<(Sign, usize)> {
    let is_negated = text.starts_with(['^', '!']);
    let inner = &text[usize::from(is_negated)..];
    let end = inner.char_indices().skip(1).find(|(_, c)| *c == ']')?.0;
    let mut ranges = Vec::new();
    let mut chars = inner[..end].chars().peekable();
    while let Some(from) = chars.next() {
        let mut behind = chars.clone();
        let to = if behind.next() == Some('-') { behind.next() } else { None };
        if to.is_some() {
            chars = behind;
        }
        ranges.push((from, to.unwrap_or(from)));
    }
    let length = usize::from(is_negated) + end + 1;
    Some((Sign::Class { is_negated, ranges }, length))
}

/// Tells whether there is a path that two patterns match, of which only the first has `**`.
fn meet(one: &[Part], other: &[Part]) -> bool {
    match (one.split_first(), other.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if *first == [Sign::Deep] => {
            meet(rest, other) || (!other.is_empty() && meet(one, &other[1..]))
        }
        (Some((first, rest)), Some((second, others))) => {
            names_meet(first, second) && meet(rest, others)
        }
        _ => false,
    }
}

/// Tells whether there is a name that two parts match: places in both that can be reached together, one row after another.
fn names_meet(one: &[Sign], other: &[Sign]) -> bool {
    let mut reached = vec![vec![false; other.len() + 1]; one.len() + 1];
    reached[0][0] = true;
    for at in 0..=one.len() {
        for at_other in 0..=other.len() {
            if !reached[at][at_other] {
                continue;
            }
            let (sign, second) = (one.get(at), other.get(at_other));
            let is_many = sign == Some(&Sign::Many);
            let is_second_many = second == Some(&Sign::Many);
            // A star may be nothing, or take what the other has.
            if is_many || (is_second_many && sign.is_some()) {
                reached[at + 1][at_other] = true;
            }
            if is_second_many || (is_many && second.is_some()) {
                reached[at][at_other + 1] = true;
            }
            if let (Some(sign), Some(second)) = (sign, second)
                && sign.meets(second)
            {
                reached[at + 1][at_other + 1] = true;
            }
        }
    }
    reached[one.len()][other.len()]
}

impl Sign {
    /// Tells whether there is a character that both stand for; of two classes that is taken for granted.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => one == other,
            (Self::One(c), Self::Class { is_negated, ranges })
            | (Self::Class { is_negated, ranges }, Self::One(c)) => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&c)) != *is_negated
            }
            _ => true,
        }
    }
}
