//! The search for the end of an event that is longer than what is read at once. It keeps no bytes.

use super::chain::{Step, pull};
use super::container;
use super::lines::{Lines, Message, Pulled};
use super::multiline::{Joined, Line, Multiline};
use super::{Assembly, OpenEvent, Sought};
use crate::settings::reading::ContainerSettings;

/// What joins lines: the last step that does.
#[derive(Clone, Copy)]
enum Joining<'a> {
    None,
    Multiline(&'a Multiline),
    Container(ContainerSettings),
}

impl Joining<'_> {
    /// Decides about the next line; `None` when it is not sent and changes nothing.
    fn decide(self, joined: &mut Option<Joined>, text: &[u8]) -> Option<Line> {
        match (self, joined.as_mut()) {
            (Joining::None, None) => Some(Line::Ends),
            (Joining::None, Some(_)) => Some(Line::BeginsNext),
            (Joining::Multiline(rule), Some(joined)) => Some(rule.next(joined, text)),
            (Joining::Multiline(rule), None) => {
                let (begun, is_complete) = rule.begin(text);
                *joined = Some(begun);
                Some(if is_complete { Line::Ends } else { Line::Belongs })
            }
            (Joining::Container(settings), begun) => {
                let Some(line) = container::read(text, settings.format) else {
                    return Some(if begun.is_some() { Line::BeginsNext } else { Line::Ends });
                };
                if !container::is_sent(&settings, &line.stream) {
                    return None;
                }
                *joined = Some(Joined::begun());
                Some(if line.is_partial { Line::Belongs } else { Line::Ends })
            }
        }
    }

    /// Tells whether the event's last line is sent.
    fn keeps(self, joined: Option<Joined>) -> bool {
        match (self, joined) {
            (Joining::Multiline(rule), Some(joined)) => rule.is_kept(&joined),
            _ => true,
        }
    }
}

impl Assembly {
    /// Looks on for the end of a large event; `lines` begin at `open.scanned`.
    pub fn seek_end(&mut self, lines: &mut Lines<'_>, open: &mut OpenEvent) -> Sought {
        self.begin();
        let joins = |step: &Step| matches!(step, Step::Multiline { .. } | Step::Container { .. });
        let last = self.steps.iter().rposition(joins);
        let (below, above) = self.steps.split_at_mut(last.unwrap_or(0));
        let joining = match above.first() {
            Some(Step::Multiline { rule, .. }) => Joining::Multiline(rule),
            Some(Step::Container { settings, .. }) => Joining::Container(*settings),
            _ => Joining::None,
        };
        let (mut line, mut dropped) = (Message::default(), 0);
        let (base, mut upto) = (lines.at, 0);
        loop {
            match pull(below, lines, &mut line, &mut dropped) {
                Pulled::Message => {}
                Pulled::Hole(_) if open.joined.is_some() => return Sought::Complete,
                Pulled::Hole(end) | Pulled::End(end) => {
                    if open.joined.is_some() && lines.is_cut(upto, end) {
                        return Sought::Complete;
                    }
                    open.scanned = open.scanned.max(base + end as u64);
                    return Sought::Open;
                }
            }
            let is_cut = open.joined.is_some() && lines.is_cut(upto, line.start);
            let verdict = if is_cut {
                Some(Line::BeginsNext)
            } else {
                joining.decide(&mut open.joined, line.text(lines.bytes))
            };
            if verdict == Some(Line::BeginsNext) {
                return Sought::Complete;
            }
            upto = line.end;
            open.scanned = base + line.end as u64;
            if verdict.is_none() {
                continue;
            }
            open.end = open.scanned;
            if joining.keeps(open.joined) {
                open.kept = open.scanned;
            }
            if verdict == Some(Line::Ends) {
                return Sought::Complete;
            }
        }
    }
}
