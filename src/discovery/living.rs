//! Followed files of which another file may be a copy: those that begin alike, and those of which nobody knows what they are now.

use super::claim::{Look, look};
use super::listing::Found;
use super::moved::is_nearby;
use super::packed::first_unpacked;
use super::places::is_absent;
use super::{File, Prospector, Stage};
use crate::disk::{Disk, ReadFile};
use crate::identity::{generation, prefix_allows, prefix_matches, same_inode};
use crate::position::PREFIX_BYTES;
use std::path::PathBuf;

/// Bytes of a packed file that are compared with those of a followed one which begins as it does.
const COMPARED_BYTES: usize = 64 << 10;

impl<D: Disk> Prospector<D> {
    /// Returns the followed files of whose names a rotation may have made this one's, and that begin as this one does, or are
    /// not what they were any more: then this may be a copy of what they are now. One that was removed is nothing else now, and
    /// one whose directory is away is what it was: else all logs of its name would wait for it, in whatever directories.
    ///
    /// Several generations of a log may be meant, of which one could not be read just now: what is concluded is asked of all.
    pub(super) fn living_originals(
        &self,
        input: u16,
        found: &Found,
        looked: &Look<D>,
    ) -> impl Iterator<Item = &File> {
        self.files.originals_of(&found.path).filter(move |file| {
            self.concerns(file, input)
                && file.path != found.path
                && !self.begins_as_any(input, file, found, looked)
                && !same_inode(file.inode, looked.stat.inode)
                && ((begins_alike(&self.disk, file, looked.first())
                    && !self.is_rescued_of_other(file, looked.first()))
                    || self.may_be_other_now(file, found))
        })
    }

    /// Tells whether a followed file may hold something else by now of which another one may be a copy.
    fn may_be_other_now(&self, file: &File, found: &Found) -> bool {
        if matches!(file.stage, Stage::Removed) || self.is_known_away(&file.name) {
            return false;
        }
        match now(&self.disk, file) {
            Now::Same => false,
            Now::Other => true,
            // It may stay so: logs of its name elsewhere do not wait for it.
            Now::Unseen => {
                let place = found.path.parent();
                let homes = [file.path.parent(), file.name.parent()].into_iter().flatten();
                let mut homes = homes.chain(self.archives.iter().map(PathBuf::as_path));
                place.is_some_and(|place| homes.any(|home| is_nearby(home, place)))
            }
        }
    }

    /// Tells whether a packed file is no copy of a followed one although both begin alike: further behind they differ.
    pub(super) fn is_unlike(&self, original: &File, found: &Found, looked: &Look<D>) -> bool {
        let Ok(now) = look(&self.disk, &original.name) else { return false };
        if !same_inode(now.stat.inode, original.inode)
            || !prefix_matches(original.prefix, now.first())
        {
            return false;
        }
        let (mut own, mut its) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
        let whole = |(length, is_whole): (usize, bool)| is_whole.then_some(length);
        let own_length = first_unpacked(&self.disk, &found.path, &looked.stat, &mut own);
        let its_length = if now.is_packed() {
            first_unpacked(&self.disk, &original.name, &now.stat, &mut its).map(whole)
        } else {
            now.file.read_fully(&mut its, 0).map(Some)
        };
        match (own_length.map(whole), its_length) {
            (Ok(Some(own_length)), Ok(Some(its_length))) => {
                !its[..its_length].starts_with(&own[..own_length])
            }
            _ => false,
        }
    }

    /// Tells whether so little is there of a log that has the name of another one that both may begin alike: while it waited, it
    /// might be rotated away.
    fn begins_as_any(&self, input: u16, original: &File, found: &Found, looked: &Look<D>) -> bool {
        looked.first().len() < PREFIX_BYTES
            && found.path.file_name() == original.path.file_name()
            && self.inputs[usize::from(input)].reads(&found.path)
    }
}

/// What stands under the name of a followed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    Same,
    Other,
    /// It cannot be looked at.
    Unseen,
}

/// Tells whether a followed file still has its inode and its first bytes.
fn now<D: Disk>(disk: &D, file: &File) -> Now {
    let is_its = |inode| same_inode(inode, file.inode);
    match look(disk, &file.name) {
        Ok(looked) if is_its(looked.stat.inode) => {
            if prefix_matches(file.prefix, looked.first()) {
                Now::Same
            } else {
                Now::Other
            }
        }
        Ok(_) => Now::Other,
        Err(error) if is_absent(&error) => Now::Other,
        // What was rotated is not truncated any more: its inode says it.
        Err(_) if generation(&file.path, &file.name).is_some() => {
            let stat = disk.stat(&file.name);
            if stat.is_ok_and(|stat| is_its(stat.inode)) { Now::Same } else { Now::Unseen }
        }
        Err(_) => Now::Unseen,
    }
}

/// Tells whether a followed file is what it was, as far as that can be seen.
pub(super) fn is_as_it_was<D: Disk>(disk: &D, file: &File) -> bool {
    now(disk, file) == Now::Same
}

/// Tells whether `first`, the first bytes of another file, may also be the first bytes of `file`.
fn begins_alike<D: Disk>(disk: &D, file: &File, first: &[u8]) -> bool {
    if file.is_packed && file.prefix.length == 0 {
        // What was packed empty stays so.
        return first.is_empty();
    }
    if usize::from(file.prefix.length) <= first.len() {
        // Nothing known of the original's beginning: it may be anything.
        return prefix_matches(file.prefix, first);
    }
    match look(disk, &file.name) {
        // One that is not what it was any more says nothing about what it was.
        Ok(original) if prefix_matches(file.prefix, original.first()) => {
            original.first().starts_with(first)
        }
        _ => prefix_allows(file.prefix, first),
    }
}
