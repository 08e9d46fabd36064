//! Which of several inputs that read one file goes on where.

use super::claim::Look;
use super::orphan::Orphan;
use super::{Prospector, Watched};
use crate::disk::{Disk, Stat};
use crate::identity::same_inode;
use crate::ledger::Entry;

impl<D: Disk> Prospector<D> {
    /// Takes an epoch that the registry held for this inode: the one that was read last, before those that had ended.
    pub(super) fn take_unclaimed(&mut self, input: u16, looked: &Look<D>) -> Option<Orphan> {
        let reader = self.reader_of(input, looked.stat);
        let key = (looked.stat.inode.device, looked.stat.inode.number);
        let ranked =
            self.unclaimed.get(&key)?.iter().enumerate().filter_map(|(position, orphan)| {
                let entry = &orphan.entry;
                let is_same = same_inode(entry.inode, looked.stat.inode);
                let rank = self.rank(input, reader, entry).filter(|_| is_same)?;
                Some(((rank, entry.ended), position))
            });
        let (_, position) = ranked.min()?;
        let candidates = self.unclaimed.get_mut(&key)?;
        let orphan = candidates.swap_remove(position);
        if candidates.is_empty() {
            self.unclaimed.remove(&key);
        }
        Some(orphan)
    }

    /// Tells how well an epoch fits an input, 0 best; `None` where another one reads it.
    ///
    /// Where several inputs read one file, each goes on where it was, whichever of them are there now.
    pub(super) fn rank(&self, input: u16, reader: u8, entry: &Entry) -> Option<u8> {
        let own = self.inputs[usize::from(input)].owner;
        let is_own = own != 0 && entry.owner == own;
        match (is_own, entry.reader == reader) {
            (true, true) => Some(0),
            (true, false) => Some(1),
            (false, true) if !self.is_read_by_another(entry) => Some(2),
            (false, _) => None,
        }
    }

    /// Returns the input that is to go on with an epoch: the one that read it last, if it reads a file of its name, or else the first
    /// that may.
    pub(super) fn input_for(&self, entry: &Entry) -> Option<u16> {
        let is_its = |input: &Watched| {
            entry.owner != 0 && input.owner == entry.owner && input.reads(&entry.path)
        };
        let own = self.inputs.iter().position(is_its);
        own.and_then(|own| u16::try_from(own).ok()).or_else(|| self.input_of(&entry.path))
    }

    /// Tells whether the input that read an epoch last still reads a file of its name.
    fn is_read_by_another(&self, entry: &Entry) -> bool {
        let reads = |other: &Watched| other.reads(&entry.path) || other.reads(&entry.name);
        entry.owner != 0
            && self.inputs.iter().any(|other| other.owner == entry.owner && reads(other))
    }

    /// Returns the number that an input has among those which follow the same inode, or else the first that none of them
    /// has.
    pub(super) fn reader_of(&self, input: u16, stat: Stat) -> u8 {
        let own = self.files.with_inode((input, stat.inode.device, stat.inode.number));
        if let Some(own) = own.and_then(|key| self.files.get(key)) {
            return own.reader;
        }
        let inputs = (0..).take(self.inputs.len()).filter(|other| *other != input);
        let keys = inputs.filter_map(|other| {
            self.files.with_inode((other, stat.inode.device, stat.inode.number))
        });
        let mut taken: Vec<u8> =
            keys.filter_map(|key| self.files.get(key)).map(|file| file.reader).collect();
        taken.sort_unstable();
        taken
            .into_iter()
            .fold(0, |free, reader| if reader == free { free.saturating_add(1) } else { free })
    }
}
