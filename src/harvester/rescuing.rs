//! Removed files of which not all is settled: they stay open, and after a while what is left of them is rescued, so that
//! they give their space back and no end of the process can lose it.

use super::file::{Harvester, Obstacle, overlap};
use super::{Turn, Worker};
use crate::advice;
use crate::disk::{Disk, ReadFile};
use crate::follow::{FileKey, Report};
use crate::identity::prefix_matches;
use crate::position::{PREFIX_BYTES, TAIL_BYTES, tail_hash};
use crate::rescue::{Draft, Rescue, RescueError, Rescued};
use crate::settings::OnFull;
use crate::unpacked::Content;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info};

/// Time without anything settled after which a removed file is rescued.
const RESCUE_AFTER: Duration = Duration::from_secs(5);

/// Pause between two looks at a removed file that is read to its end: its writer may still have it open.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a rescue that has failed is tried again; doubled each time, for all of it is written once more.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Bound of that doubling.
const RETRY_PAUSE_MAX: Duration = Duration::from_mins(8);

/// What becomes of a file for which there is no room, where the operator wants that.
const GIVEN_UP: &str = "is given up, as `rescue.on_full: drop` says";

/// A removed file that is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    key: FileKey,
    /// How much of it was settled at the last look, and since when.
    settled_bytes: u64,
    since: Instant,
    /// When to look again, and when to rescue it at the earliest.
    look_at: Instant,
    rescue_at: Instant,
    /// The pause before the next try, should one fail.
    pause: Duration,
    /// Whether it was told that it cannot be rescued.
    told: bool,
}

/// A removed file that is being rescued, step by step; it is not read meanwhile.
pub(super) struct Spooling<D: Disk> {
    key: FileKey,
    from: u64,
    draft: Draft<D>,
}

/// How a rescue has ended.
enum Ended {
    /// Up to there.
    Saved(u64),
    /// The file is not what it was, or was let go of.
    Gone,
    Refused(RescueError),
}

impl<D: Disk> Worker<D> {
    /// Watches a file that has no name any more.
    pub(super) fn watch_removed(&mut self, key: FileKey, now: Instant) {
        if self.settings.rescue.is_none() || self.removed.iter().any(|watch| watch.key == key) {
            return;
        }
        let Some(file) = self.files.get(&key) else { return };
        let settled_bytes = file.assignment.progress.settled_bytes();
        let look_at = now + LOOK_PAUSE;
        let (since, rescue_at, pause) = (now, now, RETRY_PAUSE);
        let watch = Watch { key, settled_bytes, since, look_at, rescue_at, pause, told: false };
        self.removed.push(watch);
    }

    /// Tells whether a removed file that is read to its end must stay open, because not all of it is settled.
    pub(super) fn lingers(&self, key: FileKey) -> bool {
        self.removed.iter().any(|watch| watch.key == key)
            && self.files.get(&key).is_some_and(|file| {
                file.removed && file.assignment.rescued.is_none() && !file.is_settled()
            })
    }

    /// Tells whether a file is being rescued, so that it has no turns; it has one when that is over.
    pub(super) fn is_spooled(&mut self, key: FileKey) -> bool {
        let is_spooled = self.spooling.as_ref().is_some_and(|spooling| spooling.key == key);
        if is_spooled && let Some(file) = self.files.get_mut(&key) {
            file.queued = super::Queued::No;
        }
        is_spooled
    }

    /// Goes on with the rescue that has begun. Else looks after removed files: those are read again that may have grown, and
    /// one begins to be rescued of which nothing was settled for a while.
    pub(super) fn tend_removed(&mut self, now: Instant) {
        if let Some(spooling) = self.spooling.take() {
            self.spool_on(spooling, now);
            return;
        }
        if self.removed.iter().all(|watch| now < watch.look_at) {
            return;
        }
        let mut removed = std::mem::take(&mut self.removed);
        removed.retain_mut(|watch| {
            if now < watch.look_at {
                return true;
            }
            watch.look_at = now + LOOK_PAUSE;
            let file = self.files.get(&watch.key);
            let Some(file) = file.filter(|file| file.assignment.rescued.is_none()) else {
                self.note_kept(watch, false);
                return false;
            };
            let settled_bytes = file.assignment.progress.settled_bytes();
            if watch.settled_bytes != settled_bytes {
                (watch.settled_bytes, watch.since) = (settled_bytes, now);
            }
            let is_due = watch.since + RESCUE_AFTER <= now && watch.rescue_at <= now;
            if is_due && self.spooling.is_none() {
                match self.begin_rescue(watch.key, false) {
                    None => {}
                    Some(Ok(spooling)) => self.spooling = Some(spooling),
                    Some(Err(error)) => self.refused_rescue(watch, &error, now),
                }
            }
            self.mark_ready(watch.key);
            true
        });
        removed.append(&mut self.removed);
        self.removed = removed;
    }

    /// Returns when the next removed file is to be looked at.
    pub(super) fn next_removed(&self) -> Option<Instant> {
        self.removed.iter().map(|watch| watch.look_at).min()
    }

    /// Begins to keep what is left of a removed file; `None` when it is not to be. `is_last` when nobody will hold it any more.
    fn begin_rescue(
        &self,
        key: FileKey,
        is_last: bool,
    ) -> Option<Result<Spooling<D>, RescueError>> {
        let rescue = self.settings.rescue.as_ref()?;
        let assignment = &self.files.get(&key)?.assignment;
        let open = self.files.get(&key)?.file.as_ref()?;
        // What has a name elsewhere keeps its space anyway, and may come back, as long as it is held.
        let is_held = !open.is_unlinked().unwrap_or(false) && !is_last;
        if assignment.rescued.is_some() || is_held {
            return None;
        }
        // From what is saved on: what is settled beyond that would be read again after a kill.
        let from = assignment.progress.saved().min(assignment.offset);
        let draft = rescue.begin(&self.disk, assignment.epoch, from);
        Some(draft.map(|draft| Spooling { key, from, draft }).map_err(RescueError::from))
    }

    /// Writes the next step of a rescue.
    fn spool_on(&mut self, mut spooling: Spooling<D>, now: Instant) {
        let key = spooling.key;
        let Some(ended) = self.spool_step(&mut spooling) else {
            self.spooling = Some(spooling);
            return;
        };
        let ended = self.end_rescue(spooling, ended);
        let position = self.removed.iter().position(|watch| watch.key == key);
        let mut watch = position.map(|position| self.removed.swap_remove(position));
        match (ended, &mut watch) {
            (Ended::Saved(end), watch) => {
                if let Some(watch) = watch {
                    self.note_kept(watch, false);
                }
                self.report(Report::Rescued { key, end });
            }
            (Ended::Refused(error), Some(watch)) => self.refused_rescue(watch, &error, now),
            (Ended::Refused(_) | Ended::Gone, _) => {}
        }
        self.removed.extend(watch);
        self.mark_ready(key);
    }

    /// Writes as much as is written at once; tells how it has ended, if it has.
    fn spool_step(&mut self, spooling: &mut Spooling<D>) -> Option<Ended> {
        let Some(file) = self.files.get_mut(&spooling.key) else { return Some(Ended::Gone) };
        file.unhold();
        let Some(open) = &file.file else { return Some(Ended::Gone) };
        match spooling.draft.step(open) {
            Ok(false) => None,
            // A file that is not what it was is the reader's to find out, who may wait for a buffer for long.
            Ok(true) => match file.is_what_it_was() {
                Ok(true) => Some(Ended::Saved(spooling.draft.at())),
                Ok(false) => {
                    self.finish(spooling.key);
                    Some(Ended::Gone)
                }
                // It stays open, for it may be all that is left of it.
                Err(error) => Some(Ended::Refused(error.into())),
            },
            Err(error) => Some(Ended::Refused(error)),
        }
    }

    /// Gives what was written its name, or removes it.
    fn end_rescue(&mut self, spooling: Spooling<D>, ended: Ended) -> Ended {
        let Spooling { key, from, draft } = spooling;
        let (Ended::Saved(_), Some(rescue), Some(file)) =
            (&ended, &self.settings.rescue, self.files.get_mut(&key))
        else {
            draft.discard();
            return ended;
        };
        let saved = match draft.finish() {
            Ok(saved) => saved,
            Err(error) => return Ended::Refused(error),
        };
        file.assignment.rescued = Some(Arc::from(rescue.path_of(file.assignment.epoch)));
        file.size = file.size.max(saved.end);
        self.links.stats.reading.rescued.add(1);
        self.links.stats.reading.rescue_bytes.set(rescue.used_bytes());
        info!(
            file = file.assignment.name.display().to_string(),
            from,
            to = saved.end,
            bytes = saved.bytes,
            "what is left of the removed file is kept in `{}`: its space is given back",
            rescue.directory().display()
        );
        ended
    }

    /// There is no room for a removed file: it is kept as it is, or given up.
    fn refused_rescue(&mut self, watch: &mut Watch, error: &RescueError, now: Instant) {
        let Some(rescue) = self.settings.rescue.clone() else { return };
        watch.rescue_at = now + watch.pause;
        watch.pause = (watch.pause * 2).min(RETRY_PAUSE_MAX);
        let Some(file) = self.files.get(&watch.key) else { return };
        if rescue.on_full() == OnFull::Drop && matches!(error, RescueError::Full { .. }) {
            self.give_up(watch.key, &format!("{GIVEN_UP}: {error}"));
            self.note_kept(watch, false);
            return;
        }
        if !watch.told {
            tell_kept(&file.assignment.name, &rescue, error);
        }
        self.note_kept(watch, true);
    }

    /// Keeps what is left of a removed file at once, or lets go of it; for the stop.
    pub(super) fn rescue_now(&mut self, key: FileKey) {
        let Some(rescue) = self.settings.rescue.clone() else {
            self.give_up(key, "is not rescued, as `rescue.max_size: 0` says");
            return;
        };
        let begun = self.spooling.take_if(|spooling| spooling.key == key);
        let refused = match begun.map(Ok).or_else(|| self.begin_rescue(key, true)) {
            None => return,
            Some(Err(error)) => error,
            Some(Ok(mut spooling)) => {
                let ended = loop {
                    if let Some(ended) = self.spool_step(&mut spooling) {
                        break ended;
                    }
                };
                let Ended::Refused(error) = self.end_rescue(spooling, ended) else { return };
                error
            }
        };
        let is_full = matches!(refused, RescueError::Full { .. });
        if is_full && rescue.on_full() == OnFull::Drop {
            self.give_up(key, &format!("{GIVEN_UP}: {refused}"));
        } else {
            self.give_up(key, &format!("cannot be rescued before the stop: {refused}"));
        }
    }

    /// Lets go of a removed file that is not rescued: what was not read of it is lost, unless there is a copy.
    fn give_up(&mut self, key: FileKey, why: &str) {
        let Some(file) = self.files.get(&key) else { return };
        let unread = file.unread();
        let bytes: u64 = unread.iter().map(|range| range.end - range.start).sum();
        let ranges: Vec<String> =
            unread.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
        let size = unread.last().map_or(file.assignment.offset, |range| range.end);
        let unsettled = size.saturating_sub(bytes + file.assignment.progress.settled_bytes());
        error!(
            file = file.assignment.name.display().to_string(),
            bytes,
            ranges = ranges.join(" "),
            unsettled,
            hint = "mend the output, or have more room for `rescue.path` and in `rescue.max_size`",
            "removed file {why}; unless a copy of it is found, the bytes that were not read are lost, and those that were read \
             and are not settled yet, if the process ends before they are delivered"
        );
        if let Some(file) = self.files.remove(&key) {
            self.finish_file(file, true);
        }
    }

    /// Counts a file that keeps its space, or does not any more.
    fn note_kept(&self, watch: &mut Watch, is_kept: bool) {
        if watch.told != is_kept {
            watch.told = is_kept;
            self.links.stats.reading.unrescued.add(if is_kept { 1 } else { -1 });
        }
    }

    /// The prospector knows that a file is rescued up to `end`: it is closed, and read from where it is now. One to which its writer has
    /// appended meanwhile is kept, and rescued once more.
    pub(super) fn release(&mut self, key: FileKey, end: u64, now: Instant) {
        let Some(file) = self.files.get_mut(&key).filter(|file| file.assignment.rescued.is_some())
        else {
            return;
        };
        // What was appended may have been read already; only this file has it all the same.
        if !file.assignment.is_packed && end < file.size_now() {
            file.assignment.rescued = None;
            self.watch_removed(key, now);
        } else {
            super::closing::close(file, &self.links.stats);
        }
        self.mark_ready(key);
    }

    /// Returns what a step comes to while a file is rescued or may soon have to be.
    pub(super) fn rest_of_rescue(&mut self, turn: Turn, now: Instant) -> Option<super::Step> {
        if self.spooling.is_some() {
            return Some(super::Step::Busy);
        }
        if turn != Turn::Starved || self.settings.rescue.is_none() {
            return None;
        }
        let held = self.hold_unread(now);
        let next = self.next_removed().map_or(held, |at| at.min(held));
        Some(super::Step::Idle(Some(next)))
    }
}

impl<D: Disk> Harvester<D> {
    /// Makes a rescued file's content of the file that holds it.
    pub(super) fn open_rescued(
        &mut self,
        file: D::File,
        place: &Path,
    ) -> Result<Content<D::File>, Obstacle> {
        let rescued = Rescued::open(file)?;
        self.size = self.size.max(rescued.stat()?.size);
        if rescued.damaged_bytes() != 0 {
            error!(
                bytes = rescued.damaged_bytes(),
                "`{}` is damaged: what stands behind the damage is lost",
                place.display()
            );
        }
        Ok(Content::Rescued(Box::new(rescued)))
    }

    /// Returns how large the open file is; of one that is not read as it stands, as much as was seen.
    pub(super) fn size_now(&self) -> u64 {
        let plain = self.file.as_ref().filter(|_| !self.assignment.is_packed);
        let stat = plain.and_then(|file| file.stat().ok());
        stat.map_or(self.size, |stat| stat.size)
    }

    /// Tells whether the open file still holds what was read of it, as its first bytes and those before the offset say.
    ///
    /// # Errors
    /// When these cannot be read now.
    fn is_what_it_was(&self) -> io::Result<bool> {
        if self.assignment.is_packed {
            // Nobody writes to it: its content was complete when it was found.
            return Ok(true);
        }
        let bytes_at = |bytes: &mut [u8], offset: u64| -> io::Result<bool> {
            let Some(file) = &self.file else { return Ok(false) };
            Ok(file.read_fully(bytes, offset)? == bytes.len())
        };
        let (prefix, offset) = (self.assignment.prefix, self.assignment.offset);
        let mut first = [0; PREFIX_BYTES];
        let first = &mut first[..usize::from(prefix.length)];
        let mut tail = [0; TAIL_BYTES];
        let tail = &mut tail[..overlap(offset)];
        let start = offset - tail.len() as u64;
        Ok(bytes_at(first, 0)?
            && prefix_matches(prefix, first)
            && bytes_at(tail, start)?
            && tail_hash(tail) == self.assignment.proof.tail)
    }

    /// Returns what was not read of it: between its two places, and at its end.
    fn unread(&self) -> Vec<Range<u64>> {
        let (mut from, _, _, beyond) = self.read_so_far();
        let mut unread = Vec::new();
        for interval in beyond {
            unread.push(from..interval.start);
            from = from.max(interval.end);
        }
        unread.push(from..self.size.max(self.size_now()));
        unread.retain(|range| range.start < range.end);
        unread
    }
}

fn tell_kept(name: &Path, rescue: &Rescue, error: &RescueError) {
    let (name, directory) = (name.display(), rescue.directory().display());
    match error {
        RescueError::Full { .. } => error!(
            hint = "mend the output, or raise `rescue.max_size`; it is tried again by itself",
            "`{name}` was removed and keeps its disk space until it is delivered: {error}"
        ),
        RescueError::Disk(reason) => error!(
            hint = "make room there, or name another `rescue.path`; it is tried again by itself",
            "`{name}` was removed and keeps its disk space until it is delivered: it cannot be rescued to `{directory}`: {}",
            advice::reason(reason)
        ),
    }
}
