//! The table of orphans, and the ways to find those that a file may continue: by inode, by name.

use super::files::hash;
use super::orphan::Orphan;
use crate::identity::{originals, unrotated};
use crate::ledger::Entry;
use crate::position::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::{Index, IndexMut};
use std::path::Path;
use std::sync::Arc;

/// An orphan, for as long as it is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OrphanKey(u32);

/// Where orphans are found by inode and by what a rotation makes of a name.
#[derive(Default)]
pub(super) struct Names {
    by_inode: BTreeSet<(u64, u64, OrphanKey)>,
    /// By the hash of its names without their directories, as they are and without what rotations put behind them.
    by_name: BTreeSet<(u64, OrphanKey)>,
}

impl Names {
    pub(super) fn add<'a>(
        &mut self,
        key: OrphanKey,
        inode: Inode,
        names: impl IntoIterator<Item = &'a Arc<Path>>,
    ) {
        self.by_inode.insert((inode.device, inode.number, key));
        self.by_name.extend(names.into_iter().flat_map(|name| hashes(name)).map(|one| (one, key)));
    }

    fn remove(&mut self, key: OrphanKey, entry: &Entry) {
        self.by_inode.remove(&(entry.inode.device, entry.inode.number, key));
        for hash in [&entry.path, &entry.name].into_iter().flat_map(|name| hashes(name)) {
            self.by_name.remove(&(hash, key));
        }
    }

    /// Returns the orphans that had an inode of that device and number.
    fn with_inode(&self, inode: Inode) -> impl Iterator<Item = OrphanKey> {
        let (device, number) = (inode.device, inode.number);
        let ends = (OrphanKey(0), OrphanKey(u32::MAX));
        let same = self.by_inode.range((device, number, ends.0)..=(device, number, ends.1));
        same.map(|(_, _, key)| *key)
    }

    /// Returns, each once, the orphans that had this inode or a name related to this one, and perhaps others.
    pub(super) fn near(&self, inode: Inode, name: &Path) -> BTreeSet<OrphanKey> {
        let mut near: BTreeSet<OrphanKey> = self.with_inode(inode).collect();
        if self.by_name.is_empty() {
            return near;
        }
        let names = originals(name);
        let names = names.iter().map(Vec::as_slice).chain([unrotated(name)]);
        for hash in names.map(hash) {
            let same = self.by_name.range((hash, OrphanKey(0))..=(hash, OrphanKey(u32::MAX)));
            near.extend(same.map(|(_, key)| *key));
        }
        near
    }
}

fn hashes(name: &Path) -> [u64; 2] {
    let base = name.file_name().map_or(&b""[..], OsStr::as_encoded_bytes);
    [hash(base), hash(unrotated(name))]
}

/// Epochs whose inode is gone or holds other content now.
///
/// Invariant: every orphan is in `names` under its inode and its names, which do not change while it is here.
#[derive(Default)]
pub(super) struct Orphans {
    by_key: BTreeMap<OrphanKey, Box<Orphan>>,
    next_key: u32,
    names: Names,
}

impl Orphans {
    pub(super) fn push(&mut self, orphan: Orphan) {
        let key = OrphanKey(self.next_key);
        self.next_key += 1;
        let entry = &orphan.entry;
        self.names.add(key, entry.inode, [&entry.path, &entry.name]);
        self.by_key.insert(key, Box::new(orphan));
    }

    pub(super) fn extend(&mut self, orphans: impl IntoIterator<Item = Orphan>) {
        orphans.into_iter().for_each(|orphan| self.push(orphan));
    }

    /// Takes one out.
    pub(super) fn take(&mut self, key: OrphanKey) -> Orphan {
        let orphan = *self.by_key.remove(&key).expect("who has the key knows that it is there");
        self.names.remove(key, &orphan.entry);
        orphan
    }

    pub(super) fn get_mut(&mut self, key: OrphanKey) -> Option<&mut Orphan> {
        self.by_key.get_mut(&key).map(|orphan| &mut **orphan)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OrphanKey, &Orphan)> {
        self.by_key.iter().map(|(key, orphan)| (*key, &**orphan))
    }

    pub(super) fn keys(&self) -> Vec<OrphanKey> {
        self.by_key.keys().copied().collect()
    }

    /// Returns the orphans that had an inode of that device and number.
    pub(super) fn with_inode(&self, inode: Inode) -> impl Iterator<Item = OrphanKey> {
        self.names.with_inode(inode)
    }

    /// Returns, each once, the orphans that had this inode or a name related to this one, and perhaps others.
    pub(super) fn near(&self, inode: Inode, name: &Path) -> BTreeSet<OrphanKey> {
        self.names.near(inode, name)
    }
}

impl Index<OrphanKey> for Orphans {
    type Output = Orphan;

    fn index(&self, key: OrphanKey) -> &Orphan {
        &self.by_key[&key]
    }
}

impl IndexMut<OrphanKey> for Orphans {
    fn index_mut(&mut self, key: OrphanKey) -> &mut Orphan {
        self.by_key.get_mut(&key).expect("who has the key knows that it is there")
    }
}
