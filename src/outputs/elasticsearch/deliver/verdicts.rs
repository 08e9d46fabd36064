//! What becomes of each item of a request, by the server's answer.

use super::{Delivery, Kept};
use crate::disk::Disk;
use crate::outputs::elasticsearch::bulk::{Fault, Verdict};
use crate::outputs::elasticsearch::hosts::Turn;
use crate::position::Outcome;
use crate::stats::retries::Reason;
use std::ops::Range;
use std::time::{Duration, Instant};
use tracing::debug;

/// Answers of 5xx (other than 503) to one item, while its neighbours pass, after which it is a dead letter.
const STRIKES_MAX: u8 = 10;

/// Answers of 503 to one item, while its neighbours pass, after which its target counts as blocked.
const BLOCKED_FROM: u8 = 4;

/// A request of which one item in so many is answered 429 was one too many.
const BUSY_FROM_ONE_OF: usize = 10;

/// What becomes of the items of a request.
#[derive(Default)]
pub(super) struct Sorted {
    stored: u64,
    duplicates: u64,
    /// How many of `again` the server had no time for.
    retries: usize,
    /// What the server says of the first item that is to be repeated, with what stands before it; empty: nothing but
    /// that it has no time.
    why: String,
    dead: Vec<(usize, Fault)>,
    /// Items whose target takes nothing before a person has mended something.
    pub(super) blocked: Vec<(usize, Fault)>,
    pub(super) again: Vec<(usize, Reason)>,
}

impl<D: Disk + Sync> Delivery<D> {
    /// Gives every item its end, or puts it with those to be sent again.
    pub(super) fn take_verdicts(
        &mut self,
        range: Range<usize>,
        turn: Turn,
        verdicts: Vec<Verdict>,
        retry_after: Option<Duration>,
    ) {
        let mut sorted = self.sort(range.clone(), verdicts);
        let pause = self.hold_back(&mut sorted);
        let Sorted { stored, duplicates, retries, why, mut dead, mut again, .. } = sorted;
        let kept = if dead.is_empty() { Kept::Yes } else { self.keep_dead(&dead) };
        let retry_after = retry_after.max(kept.retry_after());
        if kept != Kept::Yes {
            again.extend(dead.iter().map(|(item, _)| (*item, Reason::DeadLetters)));
            dead.clear();
        }
        let nothing_taken = again.len() == range.len() && !range.is_empty();
        if nothing_taken && !self.repeating {
            self.cluster.note_refused(self.begun);
        }
        let bytes = self.bytes(&range).len();
        self.cluster.hosts.body_limit(self.host, |limit| {
            if nothing_taken { limit.answered(bytes) } else { limit.passed(bytes) }
        });
        if 0 < retries && range.len() <= retries * BUSY_FROM_ONE_OF {
            let refused = nothing_taken.then_some(bytes);
            self.cluster.hosts.busy(turn, refused, self.schedule.failures(), Instant::now());
        }
        self.count(stored, duplicates, dead.len() as u64);
        self.open.pop_front();
        let reason = format!("{} of {} items are to be repeated{why}", again.len(), range.len());
        if let Some(fault) = &pause {
            self.pause(fault);
        } else if nothing_taken && kept == Kept::Yes && !self.repeating {
            // Other batches would fare no better.
            self.busy(&reason, retry_after);
        } else {
            // What is repeated in vain, or waits for room for its dead letters, proves nothing of the host.
            if kept != Kept::NoRoom && !nothing_taken {
                self.taken();
            }
            if !again.is_empty() {
                debug!("{reason}");
                self.rest(retry_after);
            }
        }
        let stats = &self.cluster.stats.sending;
        for (item, reason) in again {
            stats.retries.add(reason, 1);
            stats.toomany.add(u64::from(reason == Reason::TooMany));
            self.again.push(item);
        }
    }

    /// Sorts items by what becomes of them.
    fn sort(&mut self, range: Range<usize>, verdicts: Vec<Verdict>) -> Sorted {
        let mut sorted = Sorted::default();
        let (mut strikes, mut unavailable) = (Vec::new(), Vec::new());
        for (item, verdict) in range.zip(verdicts) {
            match verdict {
                Verdict::Stored => sorted.stored += 1,
                Verdict::Duplicate(_) => {
                    sorted.duplicates += 1;
                    self.except(item, Outcome::AlreadyStored);
                }
                Verdict::Retry => {
                    sorted.retries += 1;
                    sorted.again.push((item, Reason::TooMany));
                }
                Verdict::Strike(fault) => strikes.push((item, fault)),
                Verdict::Dead(fault) => sorted.dead.push((item, fault)),
                Verdict::Pause(fault) => sorted.blocked.push((item, fault)),
                Verdict::Unavailable(fault) => unavailable.push((item, fault)),
            }
        }
        sorted.why = match unavailable.first().or(strikes.first()) {
            Some((_, fault)) => format!("; the first one's answer: {fault}"),
            None => String::new(),
        };
        let has_taken = sorted.stored + sorted.duplicates != 0;
        if has_taken {
            self.cluster.note_taken(self.begun);
        }
        let is_struck = !(strikes.is_empty() && unavailable.is_empty());
        let others_pass = is_struck && self.strike(has_taken);
        for (item, fault) in strikes {
            let failed = &mut self.strikes[item].failed;
            *failed = failed.saturating_add(u8::from(others_pass));
            if STRIKES_MAX <= *failed && others_pass {
                sorted.dead.push((item, fault));
            } else {
                sorted.again.push((item, Reason::Item));
            }
        }
        for (item, fault) in unavailable {
            let unavailable = &mut self.strikes[item].unavailable;
            *unavailable = unavailable.saturating_add(u8::from(others_pass));
            if BLOCKED_FROM <= *unavailable && others_pass {
                sorted.blocked.push((item, fault));
            } else {
                sorted.again.push((item, Reason::Busy));
            }
        }
        sorted
    }
    /// Notes that items of a request were answered 5xx; tells whether others pass, so that it is the items' fault, or their target's:
    /// in the same request; in one that was begun since the last such answer; or, as nothing else may be there to be sent, in one
    /// before, as long as no other is refused.
    fn strike(&mut self, has_taken: bool) -> bool {
        let before = self.struck_at.replace(Instant::now());
        self.has_passed |= has_taken;
        has_taken
            || before.is_some_and(|then| self.cluster.takes_since(then))
            || (self.has_passed && !self.cluster.is_refusing())
    }
}
