//! Removed files whose rest is in the rescue: their inode is free, and their bytes are read from there.

use super::orphan::Orphan;
use super::{File, Prospector, Stage, Start};
use crate::disk::Disk;
use crate::follow::{FileKey, Order};
use crate::ledger::Entry;
use crate::position::{Epoch, Inode};
use crate::rescue::Rescue;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tracing::{error, info, warn};

/// The device of inodes that no file has: of files that were removed and rescued.
pub(super) const NO_DEVICE: u64 = u64::MAX;

impl<D: Disk> Prospector<D> {
    /// Gives it the rescue, and what of the registry's epochs earlier runs have rescued.
    #[must_use]
    pub fn with_rescue(mut self, rescue: Rescue, rescued: &[Epoch]) -> Self {
        for orphans in self.unclaimed.values_mut() {
            let is_rescued = |orphan: &mut Orphan| rescued.contains(&orphan.entry.epoch);
            self.to_read.extend(orphans.extract_if(.., is_rescued));
        }
        self.unclaimed.retain(|_, orphans| !orphans.is_empty());
        let found: BTreeSet<Epoch> = self.to_read.iter().map(|known| known.entry.epoch).collect();
        for epoch in rescued.iter().filter(|epoch| !found.contains(epoch)) {
            match rescue.set_aside(&self.disk, *epoch) {
                Ok(path) => warn!(
                    hint = "remove it if the registry was reset, or if its lines are stored",
                    "the registry does not know what was rescued as `{}`: it is not sent",
                    path.display()
                ),
                Err(error) => {
                    let path = rescue.path_of(*epoch);
                    error!("cannot put `{}` aside: {error}", path.display());
                }
            }
        }
        self.links.stats.reading.rescue_bytes.set(rescue.used_bytes());
        self.rescue = Some(rescue);
        self
    }

    /// Returns where a file's bytes are when it was rescued.
    pub(super) fn rescued_place(&self, file: &File) -> Option<Arc<Path>> {
        let rescue = self.rescue.as_ref().filter(|_| file.inode.device == NO_DEVICE)?;
        Some(Arc::from(rescue.path_of(file.epoch)))
    }

    /// Tells whether a file was rescued, and begins otherwise than `first`: its first bytes are in the rescue, not where its name
    /// leads.
    pub(super) fn is_rescued_of_other(&self, file: &File, first: &[u8]) -> bool {
        let rescue = self.rescue.as_ref().filter(|_| file.inode.device == NO_DEVICE);
        let own = rescue.and_then(|rescue| rescue.first_bytes(&self.disk, file.epoch).ok());
        own.is_some_and(|own| !own.starts_with(first) && !first.starts_with(&own))
    }

    /// Tells whether something that was rescued is being read: when that is done, a copy of it may lead to generations that nobody
    /// saw.
    pub(super) fn reads_rescued(&self) -> bool {
        let is_read = |(key, file): (FileKey, &File)| {
            file.inode.device == NO_DEVICE && !self.refused_rescues.contains(&key)
        };
        !self.rescued.is_empty() && self.files.iter().any(is_read)
    }

    /// Has what earlier runs have rescued read on.
    pub(super) fn follow_rescued(&mut self) {
        for known in std::mem::take(&mut self.to_read) {
            let entry = &known.entry;
            // Without an input that wants it, it is kept for the day when there is one again.
            let input = self.input_that_reads(&entry.path, entry);
            let Some(input) = input.or_else(|| self.input_that_reads(&entry.name, entry)) else {
                warn!(
                    file = %entry.path.display(),
                    hint = "name it in `paths` of an input, or remove it from the directory of the rescue",
                    "no input wants what was rescued of a removed file: it is kept and not sent"
                );
                self.exchanged.unwanted.push(known);
                continue;
            };
            info!(
                file = %entry.name.display(), read_to = entry.committed,
                "what was rescued of the removed file is read on"
            );
            self.note_rescued_gone(input, entry);
            let entry = known.entry;
            let size = self.rescue.as_ref().map(|rescue| rescue.path_of(entry.epoch));
            let size = size.and_then(|path| crate::rescue::end_of(&self.disk, &path).ok());
            let start = Start {
                offset: entry.committed,
                proof: entry.proof,
                earlier: entry.earlier,
                settled: entry.beyond,
            };
            let key = self.files.insert(File {
                input,
                reader: entry.reader,
                owner: self.inputs[usize::from(input)].owner,
                path: entry.path,
                name: entry.name,
                inode: Inode { device: NO_DEVICE, number: u64::MAX, ..entry.inode },
                prefix: entry.prefix,
                epoch: entry.epoch,
                progress: known.progress,
                base: entry.base,
                size: size.unwrap_or(entry.committed),
                modified: 0,
                cut_from: 0,
                touched: 0,
                done_since: None,
                is_packed: false,
                is_damaged: false,
                seen: 0,
                at_home: 0,
                stage: Stage::Assigned,
            });
            self.free_inode(key);
            self.rescued.insert(entry.epoch);
            self.assign(key, start);
            self.order(key, Order::Removed(key));
            if let Some(file) = self.files.get_mut(key) {
                file.stage = Stage::Removed;
            }
        }
    }

    /// A worker has rescued what is left of a removed file: its inode may be given to another one from now on.
    pub(super) fn note_rescued(&mut self, key: FileKey, end: u64) {
        let Some(file) = self.files.get_mut(key) else { return };
        file.size = file.size.max(end);
        let epoch = file.epoch;
        let (input, log, name) = (file.input, Arc::clone(&file.path), Arc::clone(&file.name));
        let (inode, modified) = (file.inode, file.modified);
        self.note_removed(input, [&log, &name], inode, modified);
        self.rescued.insert(epoch);
        self.free_inode(key);
        self.order(key, Order::Release(key, end));
    }

    fn free_inode(&mut self, key: FileKey) {
        let Some(birth) = self.files.get(key).map(|file| file.inode.birth) else { return };
        let number = u64::from(key.0);
        self.files.set_inode(key, Inode { device: NO_DEVICE, number, birth });
    }

    /// Removes what was rescued of epochs of which all is settled, as the registry says. One that goes on in a copy may need it
    /// again: that copy may be removed as well.
    pub(super) fn tend_rescued(&mut self) {
        let Some(rescue) = self.rescue.as_ref().filter(|_| !self.rescued.is_empty()) else {
            return;
        };
        let files = self.files.iter().map(|(_, file)| file).filter(|file| {
            matches!(file.stage, Stage::Removed) || file.progress.saved() < file.size
        });
        let mut needed: BTreeSet<Epoch> = files.map(|file| file.epoch).collect();
        let copies = self.passed_over.values().filter_map(|passed| passed.copy_of());
        let orphans = self.orphans.iter().map(|(_, orphan)| orphan).chain(copies);
        let is_open = |orphan: &&Orphan| orphan.progress.saved() < orphan.entry.reach();
        needed.extend(orphans.filter(is_open).map(|orphan| orphan.entry.epoch));
        self.rescued.retain(|epoch| {
            if needed.contains(epoch) {
                return true;
            }
            let removed = rescue.remove(&self.disk, *epoch);
            self.links.stats.reading.rescue_bytes.set(rescue.used_bytes());
            match removed {
                Ok(()) => false,
                Err(error) => {
                    let path = rescue.path_of(*epoch);
                    error!("cannot remove `{}`, which is delivered: {error}", path.display());
                    true
                }
            }
        });
    }

    /// Returns the input that reads a path as the owner of an entry, or as the reader of its number.
    fn input_that_reads(&self, path: &Path, entry: &Entry) -> Option<u16> {
        let matches = |input: &u16| {
            let patterns = &self.inputs[usize::from(*input)].patterns;
            patterns.iter().any(|pattern| pattern.matches(path))
        };
        let inputs = u16::try_from(self.inputs.len()).unwrap_or(u16::MAX);
        let owns =
            |input: &u16| entry.owner != 0 && self.inputs[usize::from(*input)].owner == entry.owner;
        let owner = (0..inputs).filter(matches).find(owns);
        owner.or_else(|| (0..inputs).filter(matches).nth(usize::from(entry.reader)))
    }
}
