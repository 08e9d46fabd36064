//! The parsers of an input, one behind the other: each takes what leaves the one before it.

use super::container;
use super::lines::{Behind, Lines, Message, Pulled, Text};
use super::multiline::{Joined, Line, Multiline};
use super::ndjson::{self, Merge, Ndjson};
use crate::parsers::syslog::Syslog;
use crate::settings::reading::ContainerSettings;
use regex::bytes::RegexSet;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Multiline { rule: Multiline, join: Join<Joined> },
    Include(RegexSet),
    Ndjson { parser: Box<Ndjson>, text: Vec<u8> },
    Container { settings: ContainerSettings, merges: bool, join: Join<()> },
    Syslog(Box<Syslog>),
}

/// What a step that joins lines has beside its rule.
#[derive(Debug, Clone)]
pub(super) struct Join<S> {
    next: Message,
    has_next: bool,
    /// What is not complete, where it is kept, and what is known of it.
    open: Message,
    state: Option<S>,
}

impl<S> Default for Join<S> {
    fn default() -> Self {
        let (next, open) = (Message::default(), Message::default());
        Self { next, has_next: false, open, state: None }
    }
}

impl<S> Join<S> {
    /// Forgets all.
    pub(super) fn begin(&mut self) {
        self.has_next = false;
        self.state = None;
    }

    /// Tells whether something is kept that is not complete.
    pub(super) fn is_open(&self) -> bool {
        self.state.is_some()
    }

    /// Ends with what is not complete: it is kept, or stays where it is.
    fn leave(&mut self, out: &mut Message, state: S, lines: &Lines<'_>) -> Pulled {
        if lines.behind == Behind::Later {
            out.keep(lines.bytes);
            std::mem::swap(&mut self.open, out);
            self.state = Some(state);
            return Pulled::End(lines.position);
        }
        Pulled::End(out.start)
    }
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
        Step::Container { settings, merges, join } => {
            let pulled = pull_container(below, (*settings, join), lines, out, filtered);
            if *merges && pulled == Pulled::Message && !out.members.is_empty() {
                out.members.merge = Some(Merge { overwrites: false, expands: false });
            }
            pulled
        }
        Step::Multiline { rule, join } => pull_multiline(below, (rule, join), lines, out, filtered),
        Step::Syslog(parser) => {
            let pulled = pull(below, lines, out, filtered);
            if pulled == Pulled::Message
                && let Some(header) = parser.read(out.text(lines.bytes))
            {
                out.take_head(header.message.start(), lines.bytes);
            }
            pulled
        }
    }
}

/// Puts the next lines that belong together into `out`.
fn pull_multiline(
    below: &mut [Step],
    (rule, join): (&Multiline, &mut Join<Joined>),
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    let mut joined = if let Some(joined) = join.state.take() {
        std::mem::swap(&mut join.open, out);
        joined
    } else {
        if std::mem::take(&mut join.has_next) {
            std::mem::swap(&mut join.next, out);
        } else {
            match pull(below, lines, out, filtered) {
                Pulled::Message => {}
                other => return other,
            }
        }
        let (joined, is_complete) = rule.begin(out.text(lines.bytes));
        if is_complete {
            return Pulled::Message;
        }
        joined
    };
    loop {
        let next = &mut join.next;
        match pull(below, lines, next, filtered) {
            Pulled::Message => {}
            Pulled::End(end) if !lines.ends_at(out.end, end) => {
                return join.leave(out, joined, lines);
            }
            Pulled::End(_) | Pulled::Hole(_) => return Pulled::Message,
        }
        let verdict = if lines.is_cut(out.end, next.start) {
            Line::BeginsNext
        } else {
            rule.next(&mut joined, next.text(lines.bytes))
        };
        if verdict == Line::BeginsNext {
            join.has_next = true;
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
    (settings, join): (ContainerSettings, &mut Join<()>),
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    let mut is_begun = join.state.take().is_some();
    if is_begun {
        std::mem::swap(&mut join.open, out);
    }
    loop {
        let next = &mut join.next;
        if !std::mem::take(&mut join.has_next) {
            match pull(below, lines, next, filtered) {
                Pulled::Message => {}
                Pulled::End(end) if is_begun && !lines.ends_at(out.end, end) => {
                    return join.leave(out, (), lines);
                }
                other if !is_begun => return other,
                Pulled::End(_) | Pulled::Hole(_) => return Pulled::Message,
            }
        }
        if is_begun && lines.is_cut(out.end, next.start) {
            join.has_next = true;
            return Pulled::Message;
        }
        let Some(line) = container::read(next.text(lines.bytes), settings.format) else {
            // It is sent as it is, and what was begun before it.
            if is_begun {
                join.has_next = true;
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
            out.head.clear();
            out.head.extend_from_slice(&next.head);
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
