//! Events that are sent because nothing came for a while: the end of a multi-line event, a line without its end.
//!
//! Such a boundary lies in no byte of the file, so it is saved in the registry before the event leaves, and whoever reads
//! the file again cuts there again: the event keeps its `_id`.

use super::Worker;
use super::file::Harvester;
use crate::assembly::charset::Charset;
use crate::disk::{Disk, ReadFile};
use crate::follow::FileKey;
use crate::ledger::{Ledger, Note};
use crate::settings::reading::Pauses;
use crate::wake::Wake;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tracing::warn;

/// More bytes than a character has, and two units of UTF-16.
const CHARACTER_BYTES_MAX: usize = 8;

/// What waits for time to pass, or for a cut to be saved.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// When to look at which file.
    due: BTreeSet<(Instant, FileKey)>,
    /// Cuts that are to be saved.
    cutting: Vec<(FileKey, u64)>,
}

/// Most files of a worker that are told of for a last line without an end.
const UNFINISHED_TOLD_MAX: usize = 100;

impl<D: Disk> Worker<D> {
    /// Tells, when all is read, what is not sent because its line has no end yet.
    pub(super) fn tell_unfinished(&self) {
        let rests = self.files.values().filter_map(|file| {
            let own = &file.assignment;
            let is_plain = !own.is_packed && own.rescued.is_none() && !file.is_refused;
            let rest = file.size.saturating_sub(own.offset);
            (is_plain && rest != 0).then(|| (own.name.display(), rest))
        });
        for (file, bytes) in rests.take(UNFINISHED_TOLD_MAX) {
            warn!(
                %file, bytes,
                hint = "its writer has to end it; or set `flush_partial_after` on the input, and it is sent after that time",
                "the last line has no end and is not sent"
            );
        }
    }

    /// Asks for a cut at the end of a file that was read to its end just now, or notes when to look at it again.
    pub(super) fn plan_pause(&mut self, key: FileKey, now: Instant) {
        let Some(file) = self.files.get_mut(&key) else { return };
        let pipeline = &self.pipelines[usize::from(file.assignment.input)];
        match file.next_pause(pipeline.pauses()) {
            Some((at, end)) if at <= now => {
                let source = file.source.as_ref().and_then(|source| source.charset());
                let charset = pipeline.assembly().rules(source).charset;
                let Some(end) = file.whole_end(end, charset) else { return };
                let asked = file.ask_cut(end, &self.links.ledger, &self.links.wake);
                self.waits.cutting.extend(asked.then_some((key, end)));
            }
            Some((at, _)) => drop(self.waits.due.insert((at, key))),
            None => {}
        }
    }

    /// Has files read whose pause is over, because more may have come of which nobody has told, and those whose cuts are
    /// saved.
    pub(super) fn tend_pauses(&mut self, now: Instant) {
        while let Some((at, key)) = self.waits.due.first().copied()
            && at <= now
        {
            self.waits.due.pop_first();
            let Some(file) = self.files.get(&key) else { continue };
            let pauses = self.pipelines[usize::from(file.assignment.input)].pauses();
            match file.next_pause(pauses) {
                Some((at, _)) if at <= now => self.mark_ready(key),
                Some((at, _)) => drop(self.waits.due.insert((at, key))),
                None => {}
            }
        }
        let saved: Vec<_> = self
            .waits
            .cutting
            .extract_if(.., |(key, at)| {
                let file = self.files.get(key);
                file.is_none_or(|file| *at <= file.assignment.progress.last_cut())
            })
            .collect();
        for (key, _) in saved {
            self.mark_ready(key);
        }
    }

    /// Has the rest of a file sent that will not grow any more; tells whether that has still to be waited for.
    pub(super) fn cut_at_end(&mut self, key: FileKey) -> bool {
        let Some(file) = self.files.get_mut(&key) else { return false };
        if file.assignment.progress.pending_cut().is_some() {
            return true;
        }
        let pauses = self.pipelines[usize::from(file.assignment.input)].pauses();
        let Some(end) = file.rest_end(pauses) else { return false };
        let asked = file.ask_cut(end, &self.links.ledger, &self.links.wake);
        self.waits.cutting.extend(asked.then_some((key, end)));
        true
    }

    /// Tells whether a cut is on its way to the registry: what comes behind it must not be read before it is known to be
    /// saved, or the event would go on beyond it in this life and end there in the next one.
    pub(super) fn waits_for_cut(&mut self, file: &Harvester<D>) -> bool {
        let Some(at) = file.assignment.progress.pending_cut() else { return false };
        let key = file.assignment.key;
        if !self.waits.cutting.contains(&(key, at)) {
            // Whoever followed the file before asked for it.
            let (epoch, wake) = (file.assignment.epoch, Arc::clone(&self.links.wake));
            self.links.ledger.tell(Note::Cut { epoch, at, wake });
            self.waits.cutting.push((key, at));
        }
        true
    }

    /// Returns when the next file is to be looked at.
    pub(super) fn next_pause(&self) -> Option<Instant> {
        self.waits.due.first().map(|(at, _)| *at)
    }
}

impl<D: Disk> Harvester<D> {
    /// Returns when a cut is to be made, and where.
    fn next_pause(&self, pauses: Pauses) -> Option<(Instant, u64)> {
        let waiting = self.waiting.as_ref().filter(|waiting| waiting.cut.is_none())?;
        let event = pauses.event.filter(|_| self.assignment.offset < waiting.lines);
        let event = event.map(|pause| (waiting.since + pause, waiting.lines));
        let rest = self.assignment.offset.max(waiting.lines);
        let partial = pauses.partial.filter(|_| rest < waiting.bytes);
        let partial = partial.map(|pause| (waiting.since + pause, waiting.bytes));
        event.into_iter().chain(partial).min()
    }

    /// Returns where the last whole character before `end` ends, if there is one: the rest of another may still come.
    fn whole_end(&self, end: u64, charset: Charset) -> Option<u64> {
        let waiting = self.waiting.as_ref()?;
        let from = self.assignment.offset.max(waiting.lines);
        if end <= from {
            return Some(end);
        }
        let mut last = [0; CHARACTER_BYTES_MAX];
        let start = from.max(end.saturating_sub(last.len() as u64));
        let last = &mut last[..usize::try_from(end - start).expect("at most a few")];
        // Without them nothing is cut: it is tried again when more comes.
        let length = self.file.as_ref()?.read_fully(last, start).ok()?;
        let whole = start + charset.whole_length(&last[..length], start) as u64;
        (from < whole).then_some(whole)
    }

    /// Returns the end of what would be sent of a file that does not grow any more.
    fn rest_end(&self, pauses: Pauses) -> Option<u64> {
        let waiting = self.waiting.as_ref()?;
        let end = if pauses.partial.is_some() { waiting.bytes } else { waiting.lines };
        (self.assignment.offset < end).then_some(end)
    }

    /// Asks for a cut to be saved, unless that was done.
    fn ask_cut(&mut self, at: u64, ledger: &Ledger, wake: &Arc<Wake>) -> bool {
        let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.cut != Some(at)) else {
            return false;
        };
        waiting.cut = Some(at);
        let epoch = self.assignment.epoch;
        self.assignment.progress.ask_cut(at);
        ledger.tell(Note::Cut { epoch, at, wake: Arc::clone(wake) });
        true
    }
}
