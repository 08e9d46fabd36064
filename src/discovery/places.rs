//! The directories that matches lie in: whether events come from there, whether they are there at all.
//!
//! Three things may be wrong with a directory, and none of them says anything about its files: it gives no events (they
//! are polled), it is unmounted or gone (its files are not taken for removed), or it is another one than before (the
//! watch belongs to the old one and is asked for again).

use super::claim::look;
use super::listing::{Found, Listing};
use super::rescued::NO_DEVICE;
use super::{FileKey, Prospector, Stage, keep_unclaimed};
use crate::disk::{Disk, Kind, Stat};
use crate::follow::Order;
use crate::identity::{prefix_matches, same_inode};
use crate::ledger::{Entry, Note};
use crate::position::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Pause between two looks at files from whose file system no events come. A line is as late as that, which is
/// Filebeat's first pause too; a look is one `stat`, and NFS, whose server it might load, answers it from its own memory
/// (for 3 s at least, so that there looking more often would see no more).
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// Least pause between two such looks for each of these files: keeps them under 1 % of a core.
const POLL_PER_FILE: Duration = Duration::from_micros(300);

/// Time for which the files of a directory that is gone are taken for away, not for removed: longer than a restore, a
/// deployment or a night takes.
const AWAY_FOR: Duration = Duration::from_hours(24);

const OVERLAY: &str = "overlayfs";

/// A directory.
#[derive(Debug, Default)]
struct Place {
    /// What it was at the last scan; none while it is not there.
    inode: Option<Inode>,
    /// What it was at first: the directory in which its files were seen.
    home: Option<Inode>,
    /// Last change of its names.
    modified: i64,
    /// Its file system, when no events come from there.
    silent: Option<&'static str>,
    /// Since when its files are taken for away.
    away_since: Option<Instant>,
    /// The last scan in which it was looked for.
    round: u64,
}

/// All directories, and when those without events are looked at next.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: BTreeMap<PathBuf, Place>,
    /// Devices of which it was told that no events come from there.
    told: BTreeSet<u64>,
    pub(super) poll_at: Option<Instant>,
}

impl Places {
    /// Tells whether logs are, or may come to be, in a directory.
    pub(super) fn is_known(&self, directory: &Path) -> bool {
        self.known.contains_key(directory)
    }
}

impl<D: Disk> Prospector<D> {
    /// Asks for events of every directory that may come to hold matches.
    pub(super) fn tend_places(&mut self, listing: &Listing<'_, D>, now: Instant) {
        let mut events = true;
        for directory in &listing.watched {
            match self.disk.stat(directory) {
                Ok(stat) => {
                    events &= self.tend_place(directory, stat.inode, stat.modified, now);
                }
                Err(error) if is_absent(&error) => {
                    self.forget_place(directory);
                    // To hear of its return.
                    let above = directory.ancestors().skip(1);
                    let above = above.into_iter().find(|above| self.disk.stat(above).is_ok());
                    events &= above.is_some_and(|above| self.links.watch.watch(above));
                }
                Err(_) => events = false,
            }
        }
        self.events = events;
        let round = self.round;
        let unwatched = self.places.known.iter().filter(|(_, place)| place.round != round);
        let unwatched = unwatched.filter(|(_, place)| place.inode.is_some());
        let unwatched: Vec<PathBuf> = unwatched.map(|(path, _)| path.clone()).collect();
        for directory in unwatched {
            if self.disk.stat(&directory).is_err_and(|error| is_absent(&error)) {
                self.forget_place(&directory);
            }
        }
        let old = |place: &Place| {
            place.away_since.is_some_and(|since| since + 2 * AWAY_FOR <= now)
                || (place.away_since.is_none() && place.inode.is_none() && place.round + 2 < round)
        };
        self.places.known.retain(|_, place| !old(place));
        if self.places.known.values().any(|place| place.silent.is_some()) {
            self.places.poll_at.get_or_insert(now + POLL_PAUSE);
        } else {
            self.places.poll_at = None;
        }
    }

    /// Looks whether a directory is the one that it was; tells whether its files need no scan to be seen growing.
    fn tend_place(&mut self, directory: &Path, inode: Inode, modified: i64, now: Instant) -> bool {
        if !self.places.known.contains_key(directory) {
            self.places.known.insert(directory.to_path_buf(), Place::default());
        }
        let place = self.places.known.get_mut(directory).expect("it was put in just above");
        place.round = self.round;
        let is_same = place.inode.is_some_and(|before| same_inode(before, inode));
        let is_steady = place.modified == modified;
        place.modified = modified;
        if !is_same {
            place.inode = Some(inode);
            let home = *place.home.get_or_insert(inode);
            if same_inode(home, inode) && place.away_since.take().is_some() {
                info!("directory `{}` is there again; its files go on", directory.display());
            }
            let magic = self.disk.file_system(directory).unwrap_or_default();
            place.silent = without_events(magic);
            self.links.watch.forget(directory);
        }
        let silent = place.silent;
        if !is_same && let Some(name) = silent {
            self.tell_silent(directory, inode, name);
        }
        // What was made between the listing and the watch, or between the listing and this look, had no event.
        if 1 < self.round && (!is_same || (silent.is_some() && !is_steady)) {
            self.ask_scan_soon(now);
        }
        self.links.watch.watch(directory) || silent.is_some()
    }

    fn tell_silent(&mut self, directory: &Path, inode: Inode, name: &str) {
        if !self.places.told.insert(inode.device) {
            return;
        }
        let on_it = |above: &&Path| {
            self.disk.stat(above).is_ok_and(|stat| stat.inode.device == inode.device)
        };
        let mount = directory.ancestors().take_while(on_it).last().unwrap_or(directory);
        info!(
            "`{}` is on {name}, which does not tell of every change: its files are looked at every second",
            mount.display()
        );
    }

    /// A directory is not there: its watch has gone with it.
    fn forget_place(&mut self, directory: &Path) {
        if let Some(place) = self.places.known.get_mut(directory)
            && place.inode.take().is_some()
        {
            self.links.watch.forget(directory);
        }
    }

    /// Tells whether nothing is to be concluded from not seeing a file: its directory is gone, or something else is
    /// mounted in its place.
    pub(super) fn is_away(&mut self, name: &Path, inode: Inode, now: Instant) -> bool {
        let Some(directory) = name.parent().filter(|_| inode.device != NO_DEVICE) else {
            return false;
        };
        let there = match self.disk.stat(directory) {
            Ok(stat) => Some(stat).filter(|stat| stat.kind == Kind::Directory),
            Err(error) if is_absent(&error) => None,
            Err(_) => return true,
        };
        let place = self.places.known.get(directory);
        let (home, silent) =
            (place.and_then(|place| place.home), place.and_then(|place| place.silent));
        let Some(there) = there else {
            let above = directory.ancestors().skip(1);
            let above = above.into_iter().find_map(|above| self.disk.stat(above).ok());
            let device = home.unwrap_or(inode).device;
            if above.is_some_and(|above| above.inode.device != device) {
                self.note_away(directory, "is not mounted", now);
                return true;
            }
            return now < self.note_away(directory, "is gone", now) + AWAY_FOR;
        };
        let is_home = home.is_some_and(|home| same_inode(home, there.inode));
        if there.inode.device != inode.device {
            // Files of an overlay have the devices of its layers.
            let is_layered = is_home && silent == Some(OVERLAY);
            if !is_layered {
                self.note_away(directory, "is not mounted", now);
            }
            return !is_layered;
        }
        if is_home || home.is_none_or(|home| home.device != there.inode.device) {
            return false;
        }
        // A mount of the same device that was taken away, or a directory moved aside.
        now < self.note_away(directory, "is another one now", now) + AWAY_FOR
    }

    /// Goes on with a file that is under its name as it was, but whose file system has another device number now, as NFS
    /// has after it was mounted again; `false` when it is not the same.
    pub(super) fn is_remounted(&mut self, key: FileKey, stat: &Stat) -> bool {
        let Some(file) = self.files.get(key) else { return false };
        let inode = Inode { device: stat.inode.device, ..file.inode };
        if inode == file.inode || inode != stat.inode || file.prefix.length == 0 {
            return false;
        }
        let (name, prefix, epoch) = (Arc::clone(&file.name), file.prefix, file.epoch);
        let is_same = look(&self.disk, &name).is_ok_and(|looked| {
            looked.stat.inode == inode && prefix_matches(prefix, looked.first())
        });
        if !is_same || self.files.with_inode((file.input, inode.device, inode.number)).is_some() {
            return false;
        }
        info!(file = %name.display(), "file is there again, on another device; reading goes on where it was");
        self.files.set_inode(key, inode);
        if let Some(directory) = name.parent()
            && let Some(place) = self.places.known.get_mut(directory)
        {
            (place.home, place.away_since) = (place.inode, None);
        }
        self.links.ledger.tell_quietly(Note::Seen { epoch, name, inode, prefix, ended: false });
        // Its worker lets go of what it has open and begins again at the same offset.
        self.order(key, Order::Dirty(key));
        true
    }

    /// Gives epochs of the registry the device number that their file system has now, where it has another one than before the
    /// restart: as LVM, NFS and restored machines have. That it is the same one is proved by one file at least, whose inode
    /// and content are as they were.
    pub(super) fn renumber(&mut self, found: &[(u16, Found)], listing: &mut Listing<'_, D>) {
        let there: BTreeSet<u64> = found.iter().map(|(_, one)| one.stat.inode.device).collect();
        let lost = self.unclaimed.iter().filter(|((device, _), _)| !there.contains(device));
        let lost: Vec<_> = lost
            .flat_map(|(key, all)| all.iter().map(|one| (*key, Arc::clone(&one.entry.name))))
            .collect();
        let mut directories: BTreeMap<PathBuf, Option<u64>> = BTreeMap::new();
        let mut renumbered = BTreeSet::new();
        let mut moved = BTreeSet::new();
        for (looks, ((device, number), name)) in lost.iter().enumerate() {
            self.pass_hints_on_at(looks);
            let Some(directory) = name.parent() else { continue };
            let now = *directories
                .entry(directory.to_path_buf())
                .or_insert_with(|| self.disk.stat(directory).ok().map(|stat| stat.inode.device));
            let Some(now) = now.filter(|now| now != device) else { continue };
            moved.insert((*device, *number, now));
            if !renumbered.contains(&(*device, now)) {
                self.look_around(name, listing);
                let known = self.unclaimed.get(&(*device, *number)).into_iter().flatten();
                let is_proved = known.map(|one| &one.entry).any(|entry| {
                    entry.name == *name && is_on_device(&self.disk, entry, now, listing)
                });
                if is_proved {
                    info!(
                        directory = %directory.display(),
                        "a file system has another device number than before; its files go on where they were"
                    );
                    renumbered.insert((*device, now));
                }
            }
        }
        for (device, number, now) in moved {
            if renumbered.contains(&(device, now)) {
                self.set_device((device, number), now);
            }
        }
    }

    /// Tells whether the directory of a file was away at the last look.
    pub(super) fn is_known_away(&self, name: &Path) -> bool {
        let place = name.parent().and_then(|directory| self.places.known.get(directory));
        place.is_some_and(|place| place.away_since.is_some())
    }

    fn set_device(&mut self, key: (u64, u64), device: u64) {
        for mut orphan in self.unclaimed.remove(&key).into_iter().flatten() {
            orphan.entry.inode.device = device;
            let entry = &orphan.entry;
            self.links.ledger.tell_quietly(Note::Seen {
                epoch: entry.epoch,
                name: Arc::clone(&entry.name),
                inode: entry.inode,
                prefix: entry.prefix,
                ended: entry.ended,
            });
            keep_unclaimed(&mut self.unclaimed, orphan);
        }
    }

    /// Notes that a directory is away; told once. Returns since when.
    fn note_away(&mut self, directory: &Path, how: &str, now: Instant) -> Instant {
        let place = self.places.known.entry(directory.to_path_buf()).or_default();
        place.round = self.round;
        *place.away_since.get_or_insert_with(|| {
            warn!(
                hint = "if it is not to come back, nothing needs to be done: its files are forgotten after a day",
                "directory `{}` {how}: how far its files were read is kept, they go on when it is back",
                directory.display()
            );
            now
        })
    }

    /// Looks at the files from whose file system no events come, when it is time.
    pub(super) fn poll(&mut self, now: Instant) {
        if self.places.poll_at.is_none_or(|at| now < at) {
            return;
        }
        let silent = |(path, place): (&PathBuf, &Place)| {
            (place.silent.is_some() && place.inode.is_some())
                .then(|| (path.clone(), place.modified))
        };
        let silent: BTreeMap<PathBuf, i64> = self.places.known.iter().filter_map(silent).collect();
        for (directory, modified) in &silent {
            if !self.disk.stat(directory).is_ok_and(|stat| stat.modified == *modified) {
                self.ask_scan_soon(now);
            }
        }
        let is_silent = |name: &Path| name.parent().is_some_and(|path| silent.contains_key(path));
        let files: Vec<(FileKey, Inode, Arc<Path>)> = self
            .files
            .iter()
            .filter(|(_, file)| is_silent(&file.name) && !matches!(file.stage, Stage::Removed))
            .map(|(key, file)| (key, file.inode, Arc::clone(&file.name)))
            .collect();
        let count = u32::try_from(files.len()).unwrap_or(u32::MAX);
        for (looks, (key, inode, path)) in files.into_iter().enumerate() {
            match self.disk.stat(&path) {
                Ok(stat) if stat.kind == Kind::File && same_inode(stat.inode, inode) => {
                    self.look_again(key, &Found::at(path, stat));
                }
                Err(error) if !is_absent(&error) => {}
                _ => self.ask_scan_soon(now),
            }
            self.pass_hints_on_at(looks);
        }
        self.places.poll_at = Some(now + POLL_PAUSE.max(POLL_PER_FILE * count));
    }
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns the name of the file system of this magic number, if changes may come to its files without an event: those
/// that others make over a network, or below a layer.
fn without_events(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => "SMB",
        0x6573_5546 => "FUSE",
        0x794C_7630 => OVERLAY,
        0x6175_6673 => "aufs",
        0x0102_1997 => "9p",
        0x786F_4256 => "vboxsf",
        0xBACB_ACBC => "vmhgfs",
        0x7C7C_6673 => "prl_fs",
        0x0BD0_0BD0 => "Lustre",
        0x00C3_6400 => "Ceph",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x2003_0528 => "OrangeFS",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0xAAD7_AAEA => "PanFS",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        _ => return None,
    })
}

/// Tells whether the file of an entry is on a device by the number that it had on another one: nothing of its content that is
/// known has changed.
fn is_on_device<D: Disk>(
    disk: &D,
    entry: &Entry,
    device: u64,
    listing: &mut Listing<'_, D>,
) -> bool {
    let inode = Inode { device, ..entry.inode };
    if entry.prefix.length == 0 || entry.committed == 0 {
        return false;
    }
    let found = listing.seek(inode, &entry.name);
    found.and_then(|found| look(disk, &found.path).ok()).is_some_and(|looked| {
        looked.stat.inode.birth == inode.birth
            && same_inode(looked.stat.inode, inode)
            && prefix_matches(entry.prefix, looked.first())
            && (looked.is_packed()
                || looked.tail(entry.committed).is_ok_and(|tail| tail == Some(entry.proof.tail)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_have_events() {
        // ext4, XFS, Btrfs, tmpfs, ZFS, F2FS.
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x2FC1_2FC1, 0xF2F5_2010] {
            assert_eq!(without_events(magic), None, "{magic:x}");
        }
        assert_eq!(without_events(0x6969), Some("NFS"));
    }
}
