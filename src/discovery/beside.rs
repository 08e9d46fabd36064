//! Directories beside a log's own, where rotations may put it away, and what is mounted there.

use super::places::is_absent;
use crate::disk::{Disk, Kind};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Most directories beside one in which a log is sought.
const BESIDE_MAX: usize = 64;

/// Most names of the directory above that are looked at for them.
const NAMES_MAX: usize = 4096;

/// What is mounted where, and most that is read of it, in bytes.
const MOUNTS: &str = "/proc/self/mountinfo";
const MOUNTS_BYTES_MAX: u64 = 4 << 20;

/// File systems whose answers wait for no other machine and no other process.
const LOCAL: [&str; 15] = [
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs",
    "reiserfs", "tmpfs", "ufs", "xfs", "zfs",
];

/// What is mounted, read once, when it is asked for first: a directory is not to be touched where a server may not answer.
#[derive(Debug, Default)]
pub(super) struct Mounts(Option<io::Result<BTreeMap<PathBuf, bool>>>);

impl Mounts {
    /// Tells whether it cannot be learnt now, for want of descriptors perhaps: then nothing is to be touched.
    pub(super) fn are_unknown(&mut self, disk: &impl Disk) -> bool {
        let points = self.0.get_or_insert_with(|| {
            match disk.read_all(Path::new(MOUNTS), MOUNTS_BYTES_MAX) {
                Err(error) if is_absent(&error) => Ok(BTreeMap::new()),
                text => text.map(|text| mount_points(&text)),
            }
        });
        points.is_err()
    }

    /// Tells whether something is mounted at a directory.
    pub(super) fn is_mount(&mut self, disk: &impl Disk, directory: &Path) -> bool {
        self.at(disk, directory).is_some()
    }

    /// Tells whether something is mounted at a directory that may wait for another machine.
    pub(super) fn may_hang(&mut self, disk: &impl Disk, directory: &Path) -> bool {
        self.at(disk, directory) == Some(false)
    }

    /// Tells whether what is mounted there is local.
    fn at(&mut self, disk: &impl Disk, directory: &Path) -> Option<bool> {
        let is_unknown = self.are_unknown(disk);
        let points = self.0.as_ref().and_then(|points| points.as_ref().ok());
        let is_local = points.and_then(|points| points.get(directory)).copied();
        is_local.or(is_unknown.then_some(false))
    }
}

/// Returns the directories in the one above a log's own, those that come first by `order`, which leaves some out.
pub(super) fn directories_in<O: Ord>(
    disk: &impl Disk,
    above: &Path,
    order: impl Fn(&Path) -> Option<O>,
) -> Vec<PathBuf> {
    let names = disk.list_some(above, NAMES_MAX).unwrap_or_default();
    let directories = names.iter().filter(|listed| listed.kind == Kind::Directory);
    let mut directories: Vec<(O, PathBuf)> = directories
        .map(|listed| above.join(&listed.name))
        .filter_map(|directory| order(&directory).map(|order| (order, directory)))
        .collect();
    directories.sort();
    directories.into_iter().take(BESIDE_MAX).map(|(_, directory)| directory).collect()
}

/// Returns where something is mounted, and whether all of it is local: the fifth field of each line, with three octal digits for
/// blanks, line ends and backslashes, and the first one behind a lone hyphen (proc_pid_mountinfo(5)).
fn mount_points(text: &[u8]) -> BTreeMap<PathBuf, bool> {
    let mut points = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4) else { continue };
        let kind = fields.skip_while(|field| *field != b"-").nth(1).unwrap_or_default();
        let is_local = LOCAL.iter().any(|local| local.as_bytes() == kind);
        let point = PathBuf::from(OsString::from_vec(unescaped(point)));
        *points.entry(point).or_insert(true) &= is_local;
    }
    points
}

fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        let digits = rest.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(*first));
        text = if escaped.is_some() { &rest[3..] } else { rest };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_known_by_their_lines() {
        let text = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            40 22 0:35 / /srv/nfs\\040data\\134 rw shared:9 - nfs4 host:/x rw\n\
            41 22 0:36 / /srv/\\9 rw - tmpfs tmpfs rw\n\
            42 22 0:37 / /srv/auto rw - xfs /dev/sdb rw\n\
            43 22 0:38 / /srv/auto rw - autofs x rw\n\
            torn";
        let expected =
            [("/", true), ("/srv/\\9", true), ("/srv/auto", false), ("/srv/nfs data\\", false)];
        let expected = expected.map(|(point, is_local)| (PathBuf::from(point), is_local));
        assert_eq!(mount_points(text).into_iter().collect::<Vec<_>>(), expected);
    }
}
