//! One look at the directories: which files match, and where nothing could be seen.

use super::glob::{Part, Pattern};
use super::hints::LOOKS_BETWEEN;
use crate::disk::{Disk, Kind, Listed, Stat};
use crate::identity::same_inode;
use crate::position::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Looks at a directory whose names keep changing, at most.
const STEADY_LOOKS: usize = 3;

/// A regular file that matches a pattern.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its name.
    pub(super) path: Arc<Path>,
    /// What it is.
    pub(super) stat: Stat,
    /// Whether the name is a symbolic link.
    pub(super) is_link: bool,
    /// Its place among those found at once; by default the time of its change.
    pub(super) turn: i64,
    /// The log of which it is a generation, when that is why it is looked at.
    pub(super) of: Option<Arc<Path>>,
}

impl Found {
    /// A file found by its name alone.
    pub(super) fn at(path: Arc<Path>, stat: Stat) -> Self {
        Self { path, stat, is_link: false, turn: stat.modified, of: None }
    }
}

/// What a walk along a pattern gathers.
pub(super) struct Walk<'a> {
    /// Whether symbolic links are followed.
    pub(super) symlinks: bool,
    /// The regular files that match.
    pub(super) found: Vec<Found>,
    /// What is done between looks, because others wait.
    pub(super) meanwhile: &'a mut dyn FnMut(),
    looks: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(symlinks: bool, meanwhile: &'a mut dyn FnMut()) -> Self {
        Self { symlinks, found: Vec::new(), meanwhile, looks: 0 }
    }
}

/// The regular files of a directory by device and inode number.
pub(super) type Inodes = BTreeMap<(u64, u64), Found>;

/// One look; every directory is listed at most once in it.
pub(super) struct Listing<'a, D: Disk> {
    disk: &'a D,
    directories: BTreeMap<PathBuf, Option<Rc<Vec<Listed>>>>,
    inodes: BTreeMap<PathBuf, Rc<Inodes>>,
    nearby: BTreeMap<PathBuf, Rc<Vec<PathBuf>>>,
    /// Directories whose names kept changing, so that a file may have slipped through.
    unsteady: BTreeSet<PathBuf>,
    /// When names changed last in the directories of which the inodes were looked at.
    modified: BTreeMap<PathBuf, Option<i64>>,
    /// Directories that hold matches or may come to hold them.
    pub(super) watched: BTreeSet<PathBuf>,
    /// What could not be listed or looked at although it is there, and why.
    pub(super) blind: Vec<(PathBuf, io::Error)>,
    /// Symbolic links that matched and were passed over.
    pub(super) links: Vec<PathBuf>,
}

impl<'a, D: Disk> Listing<'a, D> {
    pub(super) fn new(disk: &'a D) -> Self {
        Self {
            disk,
            directories: BTreeMap::new(),
            inodes: BTreeMap::new(),
            nearby: BTreeMap::new(),
            unsteady: BTreeSet::new(),
            modified: BTreeMap::new(),
            watched: BTreeSet::new(),
            blind: Vec::new(),
            links: Vec::new(),
        }
    }

    /// Finds the regular files that match `pattern`.
    pub(super) fn expand(&mut self, pattern: &Pattern, walk: &mut Walk<'_>) {
        self.descend(Path::new("/"), pattern.parts(), walk);
    }

    /// Tells whether nothing can be concluded from not seeing a file that was at `path`.
    pub(super) fn is_blind(&self, path: &Path) -> bool {
        self.is_unseen(path)
            || path.parent().is_some_and(|directory| self.unsteady.contains(directory))
    }

    /// Tells whether `path` itself, or what it lies in, could not be looked at.
    pub(super) fn is_unseen(&self, path: &Path) -> bool {
        self.blind.iter().any(|(blind, _)| path.starts_with(blind))
    }

    /// Tells whether a directory of which the inodes were looked at holds now what it held then.
    pub(super) fn is_as_looked_at(&self, directory: &Path) -> bool {
        let now = self.disk.stat(directory).map(|stat| stat.modified).ok();
        !self.unsteady.contains(directory) && self.modified.get(directory) == Some(&now)
    }

    /// Returns the names in a directory; `None` when it cannot be listed.
    pub(super) fn list(&mut self, directory: &Path) -> Option<Rc<Vec<Listed>>> {
        if let Some(listed) = self.directories.get(directory) {
            return listed.clone();
        }
        let listed = match self.disk.list(directory) {
            Ok(names) => Some(Rc::new(names)),
            Err(error) => {
                self.note_error(directory, error);
                None
            }
        };
        self.directories.insert(directory.to_path_buf(), listed.clone());
        listed
    }

    /// Returns the regular files of a directory by inode; looked at once in this look. What is to be done `meanwhile` is
    /// done between looks.
    pub(super) fn inodes(&mut self, directory: &Path, meanwhile: &mut dyn FnMut()) -> Rc<Inodes> {
        if let Some(inodes) = self.inodes.get(directory) {
            return Rc::clone(inodes);
        }
        let mut inodes = Inodes::new();
        let mut is_steady = false;
        for _ in 0..STEADY_LOOKS {
            // When names change between the listing and the looks, an inode may slip through; the listing that a pattern
            // was compared with is older still.
            self.directories.remove(directory);
            self.nearby.remove(directory);
            let before = self.disk.stat(directory).map(|stat| stat.modified).ok();
            inodes = self.look_at_inodes(directory, meanwhile);
            self.modified.insert(directory.to_path_buf(), before);
            is_steady = before == self.disk.stat(directory).map(|stat| stat.modified).ok();
            if is_steady {
                break;
            }
        }
        if !is_steady {
            self.unsteady.insert(directory.to_path_buf());
        }
        let inodes = Rc::new(inodes);
        self.inodes.insert(directory.to_path_buf(), Rc::clone(&inodes));
        inodes
    }

    fn look_at_inodes(&mut self, directory: &Path, meanwhile: &mut dyn FnMut()) -> Inodes {
        let mut inodes = Inodes::new();
        let names = self.list(directory).unwrap_or_default();
        for (looks, listed) in names.iter().filter(|listed| listed.kind == Kind::File).enumerate() {
            if looks.is_multiple_of(LOOKS_BETWEEN) {
                meanwhile();
            }
            let path = directory.join(&listed.name);
            if let Ok(stat) = self.disk.link_stat(&path) {
                let key = (stat.inode.device, stat.inode.number);
                inodes.insert(key, Found::at(path.into(), stat));
            }
        }
        inodes
    }

    /// Seeks an inode in the directory where it was last, and in the directories right below it.
    pub(super) fn seek(&mut self, inode: Inode, name: &Path) -> Option<Found> {
        let directory = name.parent()?;
        let key = (inode.device, inode.number);
        for directory in self.nearby(directory).iter() {
            if let Some(found) = self.inodes(directory, &mut || ()).get(&key)
                && same_inode(found.stat.inode, inode)
            {
                return Some(found.clone());
            }
        }
        None
    }

    /// Returns a directory and those right below it: where a rotation puts files.
    pub(super) fn nearby(&mut self, directory: &Path) -> Rc<Vec<PathBuf>> {
        if let Some(nearby) = self.nearby.get(directory) {
            return Rc::clone(nearby);
        }
        let names = self.list(directory).unwrap_or_default();
        let below = names.iter().filter(|listed| listed.kind == Kind::Directory);
        let below = below.map(|listed| directory.join(&listed.name));
        let nearby = std::iter::once(directory.to_path_buf()).chain(below).collect();
        let nearby = Rc::new(nearby);
        self.nearby.insert(directory.to_path_buf(), Rc::clone(&nearby));
        nearby
    }

    fn descend(&mut self, directory: &Path, parts: &[Part], walk: &mut Walk<'_>) {
        let Some((part, rest)) = parts.split_first() else { return };
        match part {
            Part::Name(name) => {
                let path = directory.join(name);
                if rest.is_empty() {
                    self.watched.insert(directory.to_path_buf());
                    self.look_at(path, None, walk);
                } else {
                    self.descend(&path, rest, walk);
                }
            }
            Part::Matching(glob) => {
                self.watched.insert(directory.to_path_buf());
                let Some(names) = self.list(directory) else { return };
                for listed in names.iter().filter(|listed| glob.is_match(&listed.name)) {
                    let path = directory.join(&listed.name);
                    if rest.is_empty() {
                        self.look_at(path, Some(listed.kind), walk);
                    } else if matches!(listed.kind, Kind::Directory | Kind::Link) {
                        self.descend(&path, rest, walk);
                    }
                }
            }
            Part::AnyDepth => {
                self.descend_any(directory, rest, super::glob::DEPTH_MAX, walk);
            }
        }
    }

    fn descend_any(&mut self, directory: &Path, rest: &[Part], depth: usize, walk: &mut Walk<'_>) {
        self.watched.insert(directory.to_path_buf());
        self.descend(directory, rest, walk);
        if depth == 0 {
            return;
        }
        let Some(names) = self.list(directory) else { return };
        for listed in names.iter().filter(|listed| listed.kind == Kind::Directory) {
            self.descend_any(&directory.join(&listed.name), rest, depth - 1, walk);
        }
    }

    fn look_at(&mut self, path: PathBuf, kind: Option<Kind>, walk: &mut Walk<'_>) {
        if kind.is_some_and(|kind| !matches!(kind, Kind::File | Kind::Link)) {
            return;
        }
        walk.looks += 1;
        if walk.looks.is_multiple_of(LOOKS_BETWEEN) {
            (walk.meanwhile)();
        }
        let (stat, is_link) = match self.disk.link_stat(&path) {
            // It is the directory that may not be searched.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return self.note_error(path.parent().unwrap_or(&path), error);
            }
            Ok(stat) if stat.kind == Kind::Link && walk.symlinks => (self.disk.stat(&path), true),
            other => (other, false),
        };
        match stat {
            Ok(stat) if stat.kind == Kind::File => {
                walk.found.push(Found { is_link, ..Found::at(path.into(), stat) });
            }
            Ok(stat) if stat.kind == Kind::Link => self.links.push(path),
            Ok(_) => {}
            Err(error) => self.note_error(&path, error),
        }
    }

    fn note_error(&mut self, path: &Path, error: io::Error) {
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            && !self.blind.iter().any(|(known, _)| known == path)
        {
            self.blind.push((path.to_path_buf(), error));
        }
    }
}
