//! Inputs that come and go while everything runs.
//!
//! The files of one that goes are let go of as at a stop: what was read of each is kept like what the registry says at a
//! start, and whichever input wants the file goes on there. So one that has changed is one that goes and one that comes,
//! which is looked for when all files of those that go are let go of: until then nobody knows how far they were read.

use super::orphan::Orphan;
use super::{File, FileKey, Prospector, Stage, Watched, keep_unclaimed};
use crate::disk::Disk;
use crate::follow::{Order, Reached};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tracing::debug;

/// Inputs that come and go.
#[derive(Debug)]
pub struct Exchange {
    /// Numbers of those that go; they are not given again.
    pub retired: Vec<u16>,
    /// Number of the first that comes: no number from here on was ever given to an input of files.
    pub first: u16,
    /// Those that come.
    pub added: Vec<Watched>,
}

/// What is known of exchanges so far.
#[derive(Default)]
pub(super) struct Exchanged {
    /// Inputs that are no more; and those of which the workers do not know that yet.
    pub(super) retired: BTreeSet<u16>,
    leaving: Vec<u16>,
    /// What comes when the files of these are let go of.
    coming: VecDeque<Exchange>,
    /// The round of the first look of inputs that came later than the start.
    first_rounds: BTreeMap<u16, u64>,
    /// What earlier runs have rescued, and no input wants.
    pub(super) unwanted: Vec<Orphan>,
}

impl Exchanged {
    /// Lets any input go on with what one read that is no more.
    pub(super) fn pass_on(&self, orphan: &mut Orphan) {
        orphan.input = orphan.input.filter(|input| !self.retired.contains(input));
    }
}

impl<D: Disk> Prospector<D> {
    /// Takes over inputs that come and go, and asks for a scan when those are there; until then there is none.
    pub(super) fn take_exchanges(&mut self, now: Instant) {
        while let Ok(mut exchange) = self.links.exchanges.try_recv() {
            for number in exchange.retired.drain(..) {
                self.exchanged.retired.insert(number);
                self.exchanged.leaving.push(number);
                if let Some(watched) = self.inputs.get_mut(usize::from(number)) {
                    *watched = Watched::default();
                }
            }
            self.exchanged.coming.push_back(exchange);
        }
        if !self.is_exchanging() {
            return;
        }
        self.part_with_retired();
        if self.has_retired_files() {
            return;
        }
        self.tell_retired();
        while let Some(Exchange { first, added, .. }) = self.exchanged.coming.pop_front() {
            let first = usize::from(first).max(self.inputs.len());
            self.inputs.resize_with(first, Watched::default);
            for (number, watched) in (first..).zip(added) {
                let number = u16::try_from(number).expect("inputs are counted in 16 bits");
                self.exchanged.first_rounds.insert(number, self.round + 1);
                let is_retired = self.exchanged.retired.contains(&number);
                self.inputs.push(if is_retired { Watched::default() } else { watched });
            }
        }
        self.know_names();
        self.pass_on();
        self.to_read.append(&mut self.exchanged.unwanted);
        self.ask_scan(now);
    }

    /// Tells whether inputs come as soon as the files of others are let go of.
    pub(super) fn is_exchanging(&self) -> bool {
        !self.exchanged.coming.is_empty()
    }

    /// Returns the input that goes on with a log, which `input` has read: another one where that is no more, if one wants it.
    pub(super) fn input_now(&self, input: u16, log: &Path) -> Option<u16> {
        if self.exchanged.retired.contains(&input) { self.input_of(log) } else { Some(input) }
    }

    /// Tells whether what an input finds may belong to a file: to its own ones, and to those that were removed and are read
    /// to their end though their input is no more.
    pub(super) fn concerns(&self, file: &File, input: u16) -> bool {
        file.input == input || self.exchanged.retired.contains(&file.input)
    }

    /// Tells whether an input is looked for the first time.
    pub(super) fn is_first_look(&self, input: u16) -> bool {
        self.round == self.exchanged.first_rounds.get(&input).copied().unwrap_or(1)
    }

    /// Lets go of the files of inputs that are no more, but those that were removed.
    fn part_with_retired(&mut self) {
        let keys: Vec<FileKey> = self.files.keys().collect();
        for key in keys {
            let Some(file) = self.files.get_mut(key) else { continue };
            if !self.exchanged.retired.contains(&file.input) {
                continue;
            }
            if file.stage == Stage::Assigned {
                file.stage = Stage::Left;
                self.order(key, Order::Leave(key));
            } else if file.stage == Stage::Registering {
                let epoch = file.epoch;
                if let Some((_, start)) = self.registering.get_mut(&epoch).and_then(Option::take)
                    && let Some(file) = self.take_file(key)
                {
                    self.keep_left(file, start.reached());
                }
            }
        }
    }

    /// Tells the workers of inputs of which they get no more files.
    fn tell_retired(&mut self) {
        let leaving = std::mem::take(&mut self.exchanged.leaving);
        if leaving.is_empty() {
            return;
        }
        for worker in &self.links.workers {
            // One that has gone is ending.
            let _ = worker.orders.send(Order::Retire(leaving.clone()));
            worker.wake.ring();
        }
    }

    /// Tells whether files are still to be let go of.
    fn has_retired_files(&self) -> bool {
        let retired = &self.exchanged.retired;
        let mut files = self.files.iter();
        files.any(|(_, file)| retired.contains(&file.input) && file.stage != Stage::Removed)
    }

    /// Keeps the names of what is known: a log that is read is not one to be left out when it is rotated.
    fn know_names(&mut self) {
        let files = self.files.iter().flat_map(|(_, file)| [&file.path, &file.name]);
        let entries = self.unclaimed.values().flatten().map(|orphan| &orphan.entry);
        let entries = entries.flat_map(|entry| [&entry.path, &entry.name]);
        let names: Vec<Arc<Path>> = files.chain(entries).map(Arc::clone).collect();
        self.skipped.know(&self.inputs, names);
    }

    /// Passes on what is known of no file, or of files that are not read.
    fn pass_on(&mut self) {
        for key in self.orphans.keys() {
            self.exchanged.pass_on(&mut self.orphans[key]);
        }
        self.pass_on_passed_over();
        for mut rotated in std::mem::take(&mut self.rotated) {
            let Some(input) = self.input_now(rotated.input, &rotated.log) else { continue };
            rotated.input = input;
            self.rotated.insert(rotated);
        }
        for (key, mut waiting) in std::mem::take(&mut self.waiting) {
            if let Some((input, log, inode)) = waiting.unripe.take() {
                let input = self.input_now(input, &log);
                waiting.unripe = input.map(|input| (input, log, inode));
            }
            self.waiting.insert(key, waiting);
        }
    }

    /// Files that were passed over are looked at again by whoever wants them, but for those that are done with and forgotten.
    fn pass_on_passed_over(&mut self) {
        let retired = &self.exchanged.retired;
        let all = self.passed_over.extract_if(.., |(input, ..), _| retired.contains(input));
        for ((before, device, number), mut passed) in all.collect::<Vec<_>>() {
            if let Some(mut copy_of) = passed.copy_of.take() {
                // As the registry has it.
                (copy_of.input, copy_of.entry.ended) = (None, true);
                keep_unclaimed(&mut self.unclaimed, copy_of);
            } else if let Some(end) = self.cleaned.remove(&(before, device, number))
                && let Some(input) = self.input_of(&passed.name)
            {
                self.cleaned.insert((input, device, number), end);
                self.passed_over.insert((input, device, number), passed);
            }
        }
    }

    /// Keeps what is known of a file whose input is no more, for whichever wants it.
    pub(super) fn keep_left(&mut self, file: File, reached: Reached) {
        debug!(file = %file.name.display(), read_to = reached.offset, "the input of this file is no more");
        let mut orphan = Orphan::parted(file, reached, false);
        orphan.input = None;
        keep_unclaimed(&mut self.unclaimed, orphan);
    }
}
