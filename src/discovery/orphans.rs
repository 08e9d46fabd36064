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
        let mut near = self.named_near(name);
        near.extend(self.with_inode(inode));
        near
    }

    /// The same by the name alone.
    fn named_near(&self, name: &Path) -> BTreeSet<OrphanKey> {
        let mut near = BTreeSet::new();
        if self.by_name.is_empty() {
            return near;
        }
        for hash in hashes_near(name) {
            let same = self.by_name.range((hash, OrphanKey(0))..=(hash, OrphanKey(u32::MAX)));
            near.extend(same.map(|(_, key)| *key));
        }
        near
    }
}

/// Returns the hashes by which a name is found: as it is, and without what rotations put behind it.
pub(super) fn hashes(name: &Path) -> [u64; 2] {
    let base = name.file_name().map_or(&b""[..], OsStr::as_encoded_bytes);
    [hash(base), hash(unrotated(name))]
}

/// Returns the hashes by which names are found that are related to this one; and others may be.
pub(super) fn hashes_near(name: &Path) -> impl Iterator<Item = u64> {
    let originals = originals(name).into_iter().map(|original| hash(&original));
    originals.chain([hash(unrotated(name))])
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

    pub(super) fn get(&self, key: OrphanKey) -> Option<&Orphan> {
        self.by_key.get(&key).map(|orphan| &**orphan)
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

    /// The same by the name alone.
    pub(super) fn named_near(&self, name: &Path) -> BTreeSet<OrphanKey> {
        self.names.named_near(name)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::ledger::{Known, Prefix, Progress};
    use crate::position::{Epoch, Proof};
    use crate::trail::Trail;
    use thin_vec::ThinVec;

    const fn inode(number: u64) -> Inode {
        Inode { device: 1, number, birth: 0 }
    }

    fn orphan(epoch: u8, number: u64, path: &str, name: &str) -> Orphan {
        let entry = Entry {
            epoch: Epoch::from_random([epoch; 12]),
            path: Path::new(path).into(),
            name: Path::new(name).into(),
            reader: 0,
            owner: 0,
            inode: inode(number),
            prefix: Prefix::default(),
            base: 0,
            committed: 0,
            proof: Proof::EMPTY,
            earlier: Trail::default(),
            beyond: ThinVec::new(),
            ended: false,
            left: 0,
            cuts: ThinVec::new(),
            account: Account::default(),
        };
        Orphan::from_registry(Known { entry, progress: Progress::at(0) })
    }

    /// Two logs of which one was rotated, and one whose inode is that of the first.
    fn three() -> Orphans {
        let mut orphans = Orphans::default();
        orphans.extend([
            orphan(1, 10, "/logs/access.log", "/logs/access.log"),
            orphan(2, 20, "/logs/error.log", "/logs/error.log.1"),
            orphan(3, 10, "/logs/other.log", "/logs/other.log"),
        ]);
        orphans
    }

    /// Returns which of the orphans are near, by the byte that their epochs are made of.
    fn near(orphans: &Orphans, number: u64, name: &str) -> Vec<u8> {
        let near = orphans.near(inode(number), Path::new(name)).into_iter();
        let epoch = |key| orphans[key].entry.epoch;
        let number = |epoch| (1..4).find(|byte| Epoch::from_random([*byte; 12]) == epoch).unwrap();
        near.map(epoch).map(number).collect()
    }

    #[test]
    fn orphans_are_near_by_what_a_rotation_makes_of_their_names() {
        let orphans = three();
        for (name, expected) in [
            ("/logs/access.log", &[1][..]),
            ("/logs/access.log.1", &[1]),
            ("/logs/old/access.log-20261121.gz", &[1]),
            ("/logs/error.log.2.gz", &[2]),
            ("/logs/error.log.1.gz", &[2]),
            ("/logs/elsewhere.log.1", &[]),
        ] {
            assert_eq!(near(&orphans, 99, name), expected, "{name}");
        }
    }

    #[test]
    fn orphans_are_near_by_their_inode_whatever_the_name() {
        let orphans = three();
        assert_eq!(near(&orphans, 10, "/logs/elsewhere"), [1, 3]);
        assert_eq!(near(&orphans, 20, "/logs/access.log.1"), [1, 2], "by inode and by name");
        let other = Inode { device: 2, ..inode(10) };
        assert_eq!(orphans.with_inode(other).count(), 0, "a number counts on its device alone");
    }

    #[test]
    fn one_that_is_taken_is_found_no_more_and_its_neighbours_are() {
        let mut orphans = three();
        let key = orphans.with_inode(inode(10)).next().unwrap();
        assert_eq!(orphans.take(key).entry.path.as_ref(), Path::new("/logs/access.log"));
        assert!(orphans.get_mut(key).is_none());
        assert_eq!(near(&orphans, 10, "/logs/access.log.1"), [3]);
        for key in orphans.keys() {
            orphans.take(key);
        }
        assert_eq!(orphans.iter().count(), 0);
        assert!(orphans.names.by_inode.is_empty() && orphans.names.by_name.is_empty());
    }

    #[test]
    fn keys_are_not_given_again() {
        let mut orphans = three();
        let before = orphans.keys();
        let last = orphans.take(before[2]);
        orphans.push(last);
        assert!(!before.contains(orphans.keys().last().unwrap()));
    }
}
