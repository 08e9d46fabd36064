//! The table of followed files, and the ways to find one: by inode, by name, by what a rotation makes of a name.

use super::File;
use super::orphans::{hashes, hashes_near};
use crate::follow::FileKey;
use crate::identity::{originals, related};
use crate::position::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The followed files.
///
/// Invariant: every key in an index has its file in `by_key`, under the inode or the name that it stands for there.
#[derive(Default)]
pub(super) struct Files {
    by_key: BTreeMap<FileKey, Box<File>>,
    next_key: u32,
    by_inode: BTreeMap<(u16, u64, u64), FileKey>,
    /// By the hash of the name; names are compared when one is looked up.
    by_name: BTreeSet<(u64, FileKey)>,
    /// By the hashes of the name without its directory, as it is and without what rotations put behind it: of the present one
    /// and of the first.
    by_base: BTreeSet<(u64, FileKey)>,
}

impl Files {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: FileKey) -> Option<&File> {
        self.by_key.get(&key).map(|file| &**file)
    }

    pub(super) fn get_mut(&mut self, key: FileKey) -> Option<&mut File> {
        self.by_key.get_mut(&key).map(|file| &mut **file)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = FileKey> {
        self.by_key.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (FileKey, &File)> {
        self.by_key.iter().map(|(key, file)| (*key, &**file))
    }

    /// Takes a file in and gives it a key.
    pub(super) fn insert(&mut self, file: File) -> FileKey {
        let key = FileKey(self.next_key);
        self.next_key += 1;
        self.by_inode.insert((file.input, file.inode.device, file.inode.number), key);
        self.index_name(&file.name, key);
        self.index_base(&file.path, key);
        self.by_key.insert(key, Box::new(file));
        key
    }

    /// Takes a file out of all tables.
    pub(super) fn take(&mut self, key: FileKey) -> Option<File> {
        let file = *self.by_key.remove(&key)?;
        let inode = (file.input, file.inode.device, file.inode.number);
        if self.by_inode.get(&inode) == Some(&key) {
            self.by_inode.remove(&inode);
        }
        self.forget_name(&file.name, key);
        self.forget_base(&file.path, key);
        Some(file)
    }

    /// Gives a file another name and returns the one that it had.
    pub(super) fn rename(&mut self, key: FileKey, name: Arc<Path>) -> Option<Arc<Path>> {
        self.index_name(&name, key);
        let file = self.by_key.get_mut(&key)?;
        let old = std::mem::replace(&mut file.name, name);
        if old != file.name {
            let (kept, name) = (Arc::clone(&file.path), Arc::clone(&file.name));
            self.forget_name(&old, key);
            self.index_base(&kept, key);
            self.index_base(&name, key);
        }
        Some(old)
    }

    /// Returns the file of an input that has the inode of that number, if one has.
    pub(super) fn with_inode(&self, inode: (u16, u64, u64)) -> Option<FileKey> {
        self.by_inode.get(&inode).copied()
    }

    /// Notes that a file's inode is known by another device or number now.
    pub(super) fn set_inode(&mut self, key: FileKey, inode: Inode) {
        let Some(file) = self.by_key.get_mut(&key) else { return };
        let before = (file.input, file.inode.device, file.inode.number);
        file.inode = inode;
        let input = file.input;
        if self.by_inode.get(&before) == Some(&key) {
            self.by_inode.remove(&before);
        }
        self.by_inode.insert((input, inode.device, inode.number), key);
    }

    /// Forgets which file had an inode: its number was given to another one.
    pub(super) fn forget_inode(&mut self, input: u16, inode: Inode) {
        self.by_inode.remove(&(input, inode.device, inode.number));
    }

    /// Returns the files of that name, one for each input that follows it.
    pub(super) fn named(&self, name: &Path) -> impl Iterator<Item = FileKey> {
        let hash = hash(name.as_os_str().as_encoded_bytes());
        let same = self.by_name.range((hash, FileKey(0))..=(hash, FileKey(u32::MAX)));
        same.map(|(_, key)| *key).filter(move |key| &*self.by_key[key].name == name)
    }

    /// Returns the files of whose name, the present or the first one, a rotation may have made `name`.
    pub(super) fn originals_of(&self, name: &Path) -> impl Iterator<Item = &File> {
        originals(name).into_iter().flat_map(|original| {
            let hash = xxh3_64(&original);
            let same = self.by_base.range((hash, FileKey(0))..=(hash, FileKey(u32::MAX)));
            same.map(|(_, key)| &*self.by_key[key]).filter(move |file| {
                let names = [&file.name, &file.path];
                names.into_iter().any(|name| base(name).as_encoded_bytes() == original)
            })
        })
    }

    /// Returns, each once, the files of which the present or the first name is related to `name`.
    pub(super) fn related_to(&self, name: &Path) -> impl Iterator<Item = &File> {
        let mut near = BTreeSet::new();
        for hash in hashes_near(name) {
            let same = self.by_base.range((hash, FileKey(0))..=(hash, FileKey(u32::MAX)));
            near.extend(same.map(|(_, key)| *key));
        }
        let files = near.into_iter().map(|key| &*self.by_key[&key]);
        files.filter(|file| related(&file.path, name) || related(&file.name, name))
    }

    fn index_name(&mut self, name: &Path, key: FileKey) {
        self.by_name.insert((hash(name.as_os_str().as_encoded_bytes()), key));
        self.index_base(name, key);
    }

    fn index_base(&mut self, name: &Path, key: FileKey) {
        self.by_base.extend(hashes(name).map(|hash| (hash, key)));
    }

    fn forget_name(&mut self, name: &Path, key: FileKey) {
        self.by_name.remove(&(hash(name.as_os_str().as_encoded_bytes()), key));
        self.forget_base(name, key);
    }

    fn forget_base(&mut self, name: &Path, key: FileKey) {
        for hash in hashes(name) {
            self.by_base.remove(&(hash, key));
        }
    }
}

/// Returns the hash of a name for an index: names are compared when one is looked up.
pub(super) fn hash(name: &[u8]) -> u64 {
    xxh3_64(name)
}

fn base(name: &Path) -> &OsStr {
    name.file_name().unwrap_or(name.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{Prefix, Stage};
    use crate::ledger::Progress;
    use crate::position::Epoch;

    const NAMES: [&str; 12] = [
        "/logs/access.log",
        "/logs/access.log.1",
        "/logs/access.log.2.gz",
        "/logs/access.log-20261121",
        "/logs/access-20261121.log",
        "/logs/old/access.log",
        "/logs/access.1.log",
        "/logs/access",
        "/logs/error.log",
        "/logs/error.log.1.gz",
        "/logs/error.log.bak",
        "/logs/other",
    ];

    fn file(number: u64, path: &str, name: &str) -> File {
        File {
            input: 0,
            reader: 0,
            owner: 0,
            path: Path::new(path).into(),
            name: Path::new(name).into(),
            inode: Inode { device: 1, number, birth: 0 },
            prefix: Prefix::default(),
            epoch: Epoch::from_random([0; 12]),
            progress: Progress::at(0),
            base: 0,
            size: 0,
            modified: 0,
            cut_from: 0,
            touched: 0,
            done_since: None,
            is_packed: false,
            is_damaged: false,
            seen: 0,
            at_home: 0,
            stage: Stage::Assigned,
        }
    }

    /// Compares what is found by the indexes with what is found by looking at all.
    fn check(files: &Files) {
        for name in NAMES.map(Path::new) {
            let found: Vec<_> = files.related_to(name).map(|file| file.inode.number).collect();
            let all = files.iter().map(|(_, file)| file);
            let expected =
                all.filter(|file| related(&file.path, name) || related(&file.name, name));
            let expected: Vec<_> = expected.map(|file| file.inode.number).collect();
            assert_eq!(found, expected, "{}", name.display());
        }
    }

    #[test]
    fn related_files_are_found_through_renames_and_are_gone_when_taken() {
        let mut files = Files::default();
        for (number, path) in (0..).zip(NAMES) {
            files.insert(file(number, path, path));
        }
        check(&files);
        let keys: Vec<FileKey> = files.keys().collect();
        for (key, name) in keys.iter().zip(NAMES.iter().cycle().skip(5)) {
            files.rename(*key, Path::new(name).into());
            check(&files);
        }
        files.rename(keys[0], Path::new(NAMES[0]).into());
        for key in keys {
            files.take(key);
            check(&files);
        }
        assert!(files.by_name.is_empty() && files.by_base.is_empty());
    }
}
