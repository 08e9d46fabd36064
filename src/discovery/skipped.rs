//! Files that are there already and of which an option leaves out what stands in them: reading begins at their end.

use super::claim::{end_of_last_line, look, same_place};
use super::listing::Found;
use super::{From, Prospector, Watched};
use crate::disk::{Disk, Stat};
use crate::ledger::Known;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// What of the files that nobody has read an input leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skip {
    /// What was changed longer ago than this.
    pub older: Option<Duration>,
    /// What was not changed since, in nanoseconds since 1970.
    pub unchanged_since: Option<i64>,
    /// What is there at the first look.
    pub tail: bool,
}

/// What is known for it.
#[derive(Default)]
pub(super) struct Skipped {
    /// Names that the registry knew: what is found there goes on with a log that is read.
    names: BTreeSet<Arc<Path>>,
    /// Files of this scan that are left out unless they turn out to be a generation of a log that is read.
    found: Vec<(u16, Found)>,
}

impl Skipped {
    /// Keeps the names that the registry knew where an input leaves anything out.
    pub(super) fn new(inputs: &[Watched], known: &[Known]) -> Self {
        if inputs.iter().all(|input| input.skip == Skip::default()) {
            return Self::default();
        }
        let names = known.iter().flat_map(|known| [&known.entry.path, &known.entry.name]);
        Self { names: names.map(Arc::clone).collect(), found: Vec::new() }
    }

    /// Keeps more names where an input leaves anything out.
    pub(super) fn know(&mut self, inputs: &[Watched], names: Vec<Arc<Path>>) {
        if inputs.iter().any(|input| input.skip != Skip::default()) {
            self.names.extend(names);
        }
    }
}

impl<D: Disk> Prospector<D> {
    /// Tells whether what stands in a file is left out, as far as its input's options go. A log that was read before goes
    /// on: after a rotation while nothing ran, its next generation is not a file to be left out.
    pub(super) fn skips(&self, input: u16, found: &Found, stat: &Stat) -> bool {
        if found.of.is_some() {
            return false;
        }
        let is_first = self.is_first_look(input);
        if is_first && self.from == From::Now {
            return true;
        }
        let skip = &self.inputs[usize::from(input)].skip;
        let older = skip.older.map(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            (self.links.wall)().saturating_sub(age)
        });
        let is_older = older.is_some_and(|since| stat.modified < since);
        let is_unchanged = skip.unchanged_since.is_some_and(|since| stat.modified <= since);
        (is_older || is_unchanged || (skip.tail && is_first))
            && !self.skipped.names.contains(&found.path)
    }

    /// Leaves a file out at the end of the scan.
    pub(super) fn skip(&mut self, input: u16, found: &Found) {
        self.skipped.found.push((input, found.clone()));
    }

    /// Begins the epochs of the files that are left out, at their end.
    pub(super) fn begin_skipped(&mut self) {
        let skipped = std::mem::take(&mut self.skipped.found);
        let mut registered = Vec::new();
        let (mut files, mut bytes) = (0_u64, 0_u64);
        for (looks, (input, found)) in skipped.into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            if self.is_dealt_with(input, found.stat.inode) {
                continue;
            }
            if let Ok(looked) = look(&self.disk, &found.path)
                && same_place(&looked, &found)
                && let Ok(end) = end_of_last_line(
                    &looked.file,
                    looked.size,
                    &self.inputs[usize::from(input)].terminators,
                )
                && let Some(known) = self.begin_epoch_at(input, &found, &looked, end)
            {
                files += 1;
                bytes += known.entry.base;
                registered.push((found.turn, known));
            }
        }
        self.register(&mut registered);
        if 0 < files {
            info!(files, bytes, "what stood in these files before is left out, as asked for");
        }
    }
}
