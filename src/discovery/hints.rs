//! Hints: who has more to read, and whether names are to be looked at.
//!
//! A scan of many files takes longer than a line may be late, so hints are taken between its looks as well: what a
//! followed file has to read goes to its worker at once, everything else is kept until the scan is over.

use super::files::Files;
use super::watch::Hint;
use super::{File, Prospector, WorkerLink};
use crate::disk::Disk;
use crate::follow::{FileKey, Order};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing::warn;

/// Pause between two lines of the log about events that were lost.
pub(super) const TELL_OVERFLOW_EVERY: Duration = Duration::from_mins(10);

/// Looks of a scan between which hints are taken: some tenths of a millisecond.
pub(super) const LOOKS_BETWEEN: usize = 128;

/// What was hinted at during a scan and is not done yet.
#[derive(Default)]
pub(super) struct Held {
    /// Files whose worker knows already.
    changed: BTreeSet<FileKey>,
    others: Vec<Hint>,
}

/// What is needed to pass hints on while a scan has the rest.
pub(super) struct Passing<'a> {
    pub(super) hints: &'a mpsc::Receiver<Hint>,
    pub(super) files: &'a Files,
    pub(super) workers: &'a [WorkerLink],
    pub(super) held: &'a mut Held,
}

impl Passing<'_> {
    /// Tells the workers about the followed files that have changed, and keeps the other hints.
    pub(super) fn pass_on(&mut self) {
        let mut dirty = BTreeSet::new();
        while let Ok(hint) = self.hints.try_recv() {
            let before = dirty.len();
            if let Hint::Changed(path) = &hint {
                dirty.extend(self.files.named(path));
            }
            if before == dirty.len() {
                self.held.others.push(hint);
            }
        }
        for key in dirty {
            send(self.workers, key, Order::Dirty(key));
            self.held.changed.insert(key);
        }
    }
}

/// Sends an order to the worker of a file.
pub(super) fn send(workers: &[WorkerLink], key: FileKey, order: Order) {
    let worker = &workers[key.0 as usize % workers.len()];
    // A worker that has gone means that the process is ending.
    let _ = worker.orders.send(order);
    worker.wake.ring();
}

impl<D: Disk> Prospector<D> {
    /// Passes hints on in the middle of a scan, behind so many looks of it: not behind each.
    pub(super) fn pass_hints_on_at(&mut self, looks: usize) {
        if looks.is_multiple_of(LOOKS_BETWEEN) {
            self.pass_hints_on();
        }
    }

    /// Passes hints on in the middle of a scan.
    pub(super) fn pass_hints_on(&mut self) {
        let (hints, workers) = (&self.links.hints, &*self.links.workers);
        Passing { hints, files: &self.files, workers, held: &mut self.held }.pass_on();
    }

    pub(super) fn take_hints(&mut self, now: Instant) {
        let held = std::mem::take(&mut self.held);
        let mut changed: BTreeSet<FileKey> = BTreeSet::new();
        let mut has_lost = false;
        for hint in held.others {
            has_lost |= self.take_hint(hint, &mut changed, now);
        }
        while let Ok(hint) = self.links.hints.try_recv() {
            has_lost |= self.take_hint(hint, &mut changed, now);
        }
        if has_lost {
            self.look_at_all(now);
        }
        for key in held.changed.difference(&changed) {
            self.may_have_grown(*key);
        }
        for key in changed {
            self.may_have_grown(key);
            self.order(key, Order::Dirty(key));
        }
    }

    /// Takes a hint; tells whether others were lost.
    fn take_hint(&mut self, hint: Hint, changed: &mut BTreeSet<FileKey>, now: Instant) -> bool {
        match hint {
            Hint::Changed(path) => {
                let before = changed.len();
                changed.extend(self.files.named(&path));
                // A file that is not known yet is found by its name's hint, unless too little of it was there.
                if changed.len() == before && !self.waiting.is_empty() && self.leads_to(&path) {
                    self.ask_scan_soon(now);
                }
            }
            Hint::Names(path) => {
                if self.files.named(&path).next().is_some() || self.leads_to(&path) {
                    self.ask_scan_soon(now);
                }
            }
            Hint::Renamed(from, to) => self.renames.note(from, to, now),
            Hint::Overflow => return true,
        }
        false
    }

    /// Has every file looked at, because nobody knows which have changed.
    fn look_at_all(&mut self, now: Instant) {
        for (looks, key) in self.files.keys().collect::<Vec<_>>().into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            self.may_have_grown(key);
            self.order(key, Order::Look(key));
        }
        self.ask_scan_soon(now);
        if let Some(suppressed) = self.overflows.admit(now) {
            warn!(
                hint = "raise the limit if it happens often: `sysctl fs.inotify.max_queued_events=65536`",
                "inotify lost events, its queue was full: every file is looked at; nothing is lost{suppressed}"
            );
        }
    }

    fn may_have_grown(&mut self, key: FileKey) {
        if self.files.get(key).is_some_and(File::prefix_may_grow) {
            self.grow_prefix(key);
        }
    }

    fn leads_to(&self, path: &Path) -> bool {
        self.inputs.iter().flat_map(|input| &input.patterns).any(|pattern| pattern.leads_to(path))
    }
}
