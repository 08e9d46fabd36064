//! The parsers of an input, one behind the other: each takes what leaves the one before it.

use super::container;
use super::lines::{Lines, Message, Pulled, Text};
use super::multiline::{Line, Multiline};
use super::ndjson::{self, Merge, Ndjson};
use crate::settings::reading::ContainerSettings;
use regex::bytes::RegexSet;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Multiline { rule: Multiline, next: Message, has_next: bool },
    Include(RegexSet),
    Ndjson { parser: Box<Ndjson>, text: Vec<u8> },
    Container { settings: ContainerSettings, merges: bool, next: Message, has_next: bool },
}

/// Puts the next message that leaves the last step into `out`.
pub(super) fn pull(
    steps: &mut [Step],
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    let Some((step, below)) = steps.split_last_mut() else { return lines.next(out) };
    match step {
        Step::Include(patterns) => loop {
            let pulled = pull(below, lines, out, filtered);
            if pulled != Pulled::Message || patterns.is_match(out.text(lines.bytes)) {
                return pulled;
            }
            *filtered += 1;
        },
        Step::Ndjson { parser, text } => {
            let pulled = pull(below, lines, out, filtered);
            if pulled == Pulled::Message {
                let mut members = std::mem::take(&mut out.members);
                if parser.read(out.text(lines.bytes), &mut members, text) == ndjson::Text::Written {
                    std::mem::swap(&mut out.own, text);
                    out.text = Text::Own;
                }
                out.members = members;
            }
            pulled
        }
        Step::Container { settings, merges, next, has_next } => {
            let pulled = pull_container(below, (*settings, next, has_next), lines, out, filtered);
            if *merges && pulled == Pulled::Message && !out.members.is_empty() {
                out.members.merge = Some(Merge { overwrites: false, expands: false });
            }
            pulled
        }
        Step::Multiline { rule, next, has_next } => {
            pull_multiline(below, (rule, next, has_next), lines, out, filtered)
        }
    }
}

/// Puts the next lines that belong together into `out`.
fn pull_multiline(
    below: &mut [Step],
    (rule, next, has_next): (&Multiline, &mut Message, &mut bool),
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    if std::mem::take(has_next) {
        std::mem::swap(next, out);
    } else {
        match pull(below, lines, out, filtered) {
            Pulled::Message => {}
            other => return other,
        }
    }
    let (mut joined, is_complete) = rule.begin(out.text(lines.bytes));
    if is_complete {
        return Pulled::Message;
    }
    loop {
        match pull(below, lines, next, filtered) {
            Pulled::Message => {}
            Pulled::End(end) if !lines.is_cut(out.end, end) => {
                return Pulled::End(out.start);
            }
            Pulled::End(_) | Pulled::Hole(_) => return Pulled::Message,
        }
        let verdict = if lines.is_cut(out.end, next.start) {
            Line::BeginsNext
        } else {
            rule.next(&mut joined, next.text(lines.bytes))
        };
        if verdict == Line::BeginsNext {
            *has_next = true;
            return Pulled::Message;
        }
        let separator = if rule.skip_newline { "" } else { "\n" };
        if rule.is_kept(&joined) {
            out.append(next, separator, lines);
        } else {
            out.leave_out(next.text(lines.bytes).len());
            out.end = next.end;
        }
        if verdict == Line::Ends {
            return Pulled::Message;
        }
    }
}

/// Puts the next whole text of a container into `out`.
fn pull_container(
    below: &mut [Step],
    (settings, next, has_next): (ContainerSettings, &mut Message, &mut bool),
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    let mut is_begun = false;
    loop {
        if !std::mem::take(has_next) {
            match pull(below, lines, next, filtered) {
                Pulled::Message => {}
                Pulled::End(end) if is_begun && !lines.is_cut(out.end, end) => {
                    return Pulled::End(out.start);
                }
                other if !is_begun => return other,
                Pulled::End(_) | Pulled::Hole(_) => return Pulled::Message,
            }
        }
        if is_begun && lines.is_cut(out.end, next.start) {
            *has_next = true;
            return Pulled::Message;
        }
        let Some(line) = container::read(next.text(lines.bytes), settings.format) else {
            // It is sent as it is, and what was begun before it.
            if is_begun {
                *has_next = true;
            } else {
                std::mem::swap(out, next);
            }
            return Pulled::Message;
        };
        if !container::is_sent(&settings, &line.stream) {
            *filtered += 1;
            continue;
        }
        if is_begun {
            out.end = next.end;
            let room = lines.message_bytes_max.saturating_sub(out.own.len());
            let kept = line.text.len().min(room);
            out.own.extend_from_slice(&line.text[..kept]);
            if kept < line.text.len() {
                out.leave_out(line.text.len() - kept);
            }
        } else {
            (out.start, out.end) = (next.start, next.end);
            (out.is_truncated, out.is_multiline) = (next.is_truncated, false);
            out.skipped_bytes = next.skipped_bytes;
            out.text = Text::Own;
            out.own.clear();
            out.own.extend_from_slice(&line.text);
            out.members.clear();
            out.members.time = line.time;
            let stream = if line.stream == "stderr" { "\"stderr\"" } else { "\"stdout\"" };
            out.members.push("stream", stream);
            is_begun = true;
        }
        if !line.is_partial {
            return Pulled::Message;
        }
    }
}
