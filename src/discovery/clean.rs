//! Files that are done with: what is forgotten of them, and which are removed.

use super::claim::Look;
use super::listing::{Found, Listing};
use super::orphan::{FORGOTTEN_AFTER, HIDDEN_FOR, Orphan, Rest, SCANS_UNTIL_FORGOTTEN};
use super::orphans::OrphanKey;
use super::rescued::NO_DEVICE;
use super::{File, FileKey, Prospector, Stage};
use crate::disk::Disk;
use crate::follow::{Order, Reached};
use crate::identity::same_inode;
use crate::ledger::Note;
use crate::position::Settled;
use crate::settings::CleanSettings;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tracing::{debug, error, info, warn};

impl<D: Disk> Prospector<D> {
    /// A touched file was let go of: the next scan takes it for a new one.
    pub(super) fn let_go_touched(&mut self, file: File, reached: Reached) {
        let read_to = reached.offset;
        info!(file = %file.name.display(), read_to, "file was touched; it is sent again from its start");
        self.links.ledger.tell(Note::Ended(file.epoch));
        self.touched.push(Orphan::parted(file, reached, true));
    }

    /// A file that has not changed for long was let go of: it is passed over until it changes.
    pub(super) fn let_go_cleaned(&mut self, file: File, reached: Reached) {
        let is_whole = reached.offset == file.size
            && reached.beyond.is_empty()
            && file.progress.committed() == file.size;
        let (input, size) = (file.input, file.size);
        let orphan = Orphan::parted(file, reached, false);
        let entry = &orphan.entry;
        let stat =
            self.disk.stat(&entry.name).ok().filter(|stat| {
                is_whole && same_inode(stat.inode, entry.inode) && stat.size == size
            });
        let Some(stat) = stat else {
            self.orphans.push(orphan);
            return;
        };
        debug!(file = %entry.name.display(), size, "file is done with and forgotten");
        let key = (input, entry.inode.device, entry.inode.number);
        self.cleaned.insert(key, (entry.committed, entry.proof.tail));
        self.links.ledger.tell_quietly(Note::Forget(entry.epoch));
        self.pass_over(input, &Found::at(Arc::clone(&entry.name), stat), &stat, None);
    }

    /// Returns where a file was read to that was forgotten; 0 when it was not, or is another one.
    pub(super) fn cleaned_to(&self, input: u16, looked: &Look<D>) -> u64 {
        let inode = looked.stat.inode;
        let cleaned = self.cleaned.get(&(input, inode.device, inode.number));
        let same =
            |(offset, tail): &&(u64, u64)| looked.tail(*offset).is_ok_and(|now| now == Some(*tail));
        cleaned.filter(same).map_or(0, |(offset, _)| *offset)
    }

    /// Looks after files of which nothing is left to be done: those that are to be removed, and to be forgotten.
    pub(super) fn tend_done(&mut self, now: Instant) {
        let is_asked_for =
            |input: &super::Watched| input.delete_after.is_some() || input.clean.inactive.is_some();
        if !self.inputs.iter().any(is_asked_for) {
            return;
        }
        let wall = (self.links.wall)();
        let mut orders = Vec::new();
        let keys: Vec<FileKey> = self.files.keys().collect();
        for key in keys {
            let Some(file) = self.files.get_mut(key) else { continue };
            let is_done = matches!(file.stage, Stage::Assigned)
                && file.at_home == self.round
                && !file.is_packed
                && file.progress.committed() == file.size;
            let since = is_done.then(|| *file.done_since.get_or_insert(now));
            file.done_since = since;
            let (input, modified, inode) =
                (&self.inputs[usize::from(file.input)], file.modified, file.inode);
            let Some(since) = since else { continue };
            if input.delete_after.is_some_and(|after| since + after <= now) {
                if self.is_done_for_all(inode.device, inode.number) {
                    orders.push((key, Order::Delete(key)));
                }
            } else if input.clean.inactive.is_some_and(|after| {
                modified.saturating_add(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)) < wall
            }) && let Some(file) = self.files.get_mut(key)
            {
                file.stage = Stage::Cleaned;
                orders.push((key, Order::Leave(key)));
            }
        }
        for (key, order) in orders {
            self.order(key, order);
        }
    }

    /// Tells whether each input that follows an inode has all of it settled.
    fn is_done_for_all(&self, device: u64, number: u64) -> bool {
        (0..).take(self.inputs.len()).all(|input| {
            let key = self.files.with_inode((input, device, number));
            let file = key.and_then(|key| self.files.get(key));
            file.is_none_or(|file| file.progress.committed() == file.size)
        })
    }

    /// Forgets which forgotten files had been read that are no more what they were.
    pub(super) fn tend_cleaned(&mut self) {
        let (passed_over, waiting) = (&self.passed_over, &self.waiting);
        self.cleaned.retain(|key, _| {
            passed_over.contains_key(key) || waiting.contains_key(&(key.1, key.2))
        });
    }

    /// Forgets the epochs of touched files that are settled.
    pub(super) fn tend_touched(&mut self) {
        for orphan in self.touched.extract_if(.., |orphan| orphan.is_settled()) {
            self.links.ledger.tell_quietly(Note::Forget(orphan.entry.epoch));
        }
    }

    /// Tells which files are read again from their start, for the end: there is no next scan that might find a copy.
    pub(super) fn tell_all_untold(&mut self) {
        for key in self.orphans.keys() {
            tell_untold(&mut self.orphans[key]);
        }
    }

    /// Says that bytes are gone that were never read.
    fn tell_lost(&self, orphan: &Orphan) {
        let entry = &orphan.entry;
        for Range { start, end } in orphan.lost() {
            self.links.stats.reading.lost_bytes.add(end - start);
            let settled = Settled::lost(entry.epoch, &(start..end), entry.proof);
            self.links.ledger.tell_quietly(Note::Settled(settled));
            error!(
                file = entry.name.display().to_string(),
                from = start,
                to = end,
                "file went away before it was read to its end: bytes are lost"
            );
        }
    }

    /// Tells whether a directory in that of a log cannot be looked into: a copy may be there.
    fn is_hidden_below(&self, key: OrphanKey, listing: &Listing<'_, D>) -> bool {
        let Some(home) = self.orphans[key].entry.path.parent() else { return false };
        let is_in = |(blind, _): &(PathBuf, io::Error)| blind.parent() == Some(home);
        listing.blind.iter().any(is_in)
    }

    /// Forgets orphans of which two complete scans found nothing and that are settled.
    pub(super) fn tend_orphans(&mut self, listing: &mut Listing<'_, D>, now: Instant) {
        for (looks, key) in self.orphans.keys().into_iter().enumerate() {
            self.pass_hints_on_at(looks);
            let orphan = &mut self.orphans[key];
            // A copy of it that the next scan finds is told in the same line.
            if 0 < orphan.waited {
                tell_untold(orphan);
            }
            let (name, inode) = (Arc::clone(&orphan.entry.name), orphan.entry.inode);
            if listing.is_blind(&name) || self.is_away(&name, inode, now) {
                continue;
            }
            let is_hidden = self.is_hidden_below(key, listing);
            let orphan = &mut self.orphans[key];
            let gone_since = *orphan.gone_since.get_or_insert(now);
            let may_be_hidden = is_hidden && now < gone_since + HIDDEN_FOR;
            if std::mem::take(&mut orphan.is_put_off) || may_be_hidden {
                continue;
            }
            orphan.waited += 1;
            let since = *orphan.since.get_or_insert(now);
            let sought = SCANS_UNTIL_FORGOTTEN <= orphan.waited && since + FORGOTTEN_AFTER <= now;
            let reader = orphan.input.or_else(|| self.input_for(&self.orphans[key].entry));
            let clean = reader.map(|input| self.inputs[usize::from(input)].clean);
            let orphan = &self.orphans[key];
            if sought && orphan.rest == Rest::GivenUp {
                self.tell_lost(orphan);
                self.orphans[key].rest = Rest::Told;
            }
            let orphan = &self.orphans[key];
            if !sought
                || !orphan.is_settled()
                || clean.is_some_and(|clean| keeps(clean, orphan, now))
            {
                continue;
            }
            if self.rescued.contains(&orphan.entry.epoch) {
                if inode.device != NO_DEVICE && !orphan.lost().is_empty() {
                    // It went on in a copy that is gone as well.
                    let orphan = self.orphans.take(key);
                    self.to_read.push(orphan);
                    continue;
                }
                // Not before what was rescued of it is removed, for which all of it must be settled and saved.
                self.tell_lost(orphan);
                self.orphans[key].rest = Rest::Told;
                continue;
            }
            let orphan = self.orphans.take(key);
            self.tell_lost(&orphan);
            self.links.ledger.tell_quietly(Note::Forget(orphan.entry.epoch));
        }
    }
}

fn tell_untold(orphan: &mut Orphan) {
    let Some(what) = orphan.untold.take() else { return };
    let (file, read_to) = (orphan.entry.name.display(), orphan.entry.committed);
    if orphan.input.is_none() {
        warn!(
            %file,
            read_to,
            hint = "lines behind that which no copy has are lost: let `paths` lead to where copies are put",
            "file was {what} while nothing read it; it is read again from its start"
        );
    } else {
        info!(%file, read_to, "file was {what}; it is read again from its start");
    }
}

/// Tells whether an epoch without a file is kept although nothing of it was found: its file may come back.
fn keeps(clean: CleanSettings, orphan: &Orphan, now: Instant) -> bool {
    let is_over = clean
        .inactive
        .zip(orphan.since)
        .is_some_and(|(after, since)| since.checked_add(after).is_some_and(|end| end <= now));
    !clean.removed && !orphan.entry.ended && !is_over
}
