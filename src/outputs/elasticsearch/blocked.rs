//! Documents of targets that take none now: spooled by target, so that the others go on, and sent again by themselves.
//!
//! A target is an index or data stream, with its pipeline, that documents name themselves; where all of an output go to
//! one target there is nothing to go on with, and a blocked target pauses the output. What is in the spool is safe: it
//! counts as settled, and has its `_id`, so that what is sent twice is stored once.

use super::deliver::Delivery;
use super::{Cluster, Prepared};
use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk, Kind};
use crate::json_text::push_string;
use crate::logging::limiter::Limiter;
use crate::outputs::elasticsearch::bulk::Fault;
use crate::outputs::elasticsearch::hosts::TELL_EVERY;
use crate::outputs::links::Shutdown;
use crate::pool::{BUFFER_BYTES, Pool};
use crate::spool::{Cursor, Framing, Spool, SpoolError, SpoolSettings, segments};
use crate::stats::Stats;
use crate::wake::Wake;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

/// Bytes of one segment: that much room comes back at a time.
const SEGMENT_BYTES: u64 = 8 << 20;

/// Bytes that are sent again at once.
const REPLAY_BYTES: usize = 256 << 10;

/// Name of the file that says whose documents a directory has.
const NAME: &str = "target";

/// Longest name of a target, in bytes.
const NAME_BYTES_MAX: u64 = 4096;

/// Targets whose segments stay open: where a field of the events makes the index there may be thousands, and descriptors are
/// for logs.
const OPEN_MAX: usize = 32;

/// Pause after a spool that could not be read.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// All blocked targets.
pub(super) struct BlockedTargets<D: Disk> {
    disk: D,
    directory: PathBuf,
    bytes_max: u64,
    targets: Mutex<BTreeMap<String, Target<D>>>,
    /// Whether any target's documents go to its spool unasked.
    diverts: AtomicBool,
    full_told: Mutex<Limiter>,
    /// Grows when a target is blocked that was not.
    changes: watch::Sender<u64>,
    stats: Arc<Stats>,
}

struct Target<D: Disk> {
    spool: Spool<D>,
    bytes: u64,
    /// Whether it took nothing when it was last asked.
    diverts: bool,
    told: Limiter,
}

/// Returns the target that an item names in its action, pipeline included; `None` when it goes where all go.
pub(super) fn target_of(item: &[u8]) -> Option<String> {
    let action = &item[..memchr::memchr(b'\n', item)?];
    let member = |name: &str| {
        let start = memchr::memmem::find(action, name.as_bytes())? + name.len();
        let length = memchr::memchr(b'"', &action[start..])?;
        Some(String::from_utf8_lossy(&action[start..start + length]))
    };
    match (member("\"_index\":\""), member("\"pipeline\":\"")) {
        (None, None) => None,
        (index, None) => index.map(std::borrow::Cow::into_owned),
        (index, Some(pipeline)) => {
            Some(format!("{} (pipeline {pipeline})", index.unwrap_or_default()))
        }
    }
}

/// Returns an item whose action names its index.
fn with_index(item: &[u8], all_to: Option<&str>) -> Vec<u8> {
    const BEFORE: &[u8] = b"{\"create\":{";
    let end = memchr::memchr(b'\n', item).unwrap_or(item.len());
    let (Some(index), Some(rest)) = (all_to, item.strip_prefix(BEFORE)) else {
        return item.to_vec();
    };
    if memchr::memmem::find(&item[..end], b"\"_index\":").is_some() {
        return item.to_vec();
    }
    let mut out = Vec::with_capacity(item.len() + index.len() + 16);
    out.extend_from_slice(BEFORE);
    out.extend_from_slice(b"\"_index\":");
    push_string(&mut out, index.as_bytes());
    if !rest.starts_with(b"}") {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    out
}

impl<D: Disk> BlockedTargets<D> {
    /// Finds what is left of the last time.
    pub(super) fn open(disk: D, data: &Path, bytes_max: u64, stats: Arc<Stats>) -> Self {
        let blocked = Self {
            disk,
            directory: data.join("blocked"),
            bytes_max,
            targets: Mutex::default(),
            diverts: AtomicBool::new(false),
            full_told: Mutex::new(Limiter::once_per(TELL_EVERY)),
            changes: watch::Sender::new(0),
            stats,
        };
        if let Err(error) = blocked.find() {
            cannot_look(&blocked.directory, &error);
        }
        blocked
    }

    fn find(&self) -> io::Result<()> {
        let names = match self.disk.list(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        let mut targets = self.lock();
        for entry in names.into_iter().filter(|entry| entry.kind != Kind::File) {
            let directory = self.directory.join(&entry.name);
            match self.left_in(directory.clone()) {
                Ok(None) => {}
                Ok(Some((name, target))) => {
                    info!("documents of target `{name}` are left of the last time and sent now");
                    targets.insert(name, target);
                }
                // What is left of other targets is sent all the same.
                Err(error) => cannot_look(&directory, &error),
            }
        }
        self.stats.sending.blocked_targets.set(count(targets.len()));
        Ok(())
    }

    /// Returns what a directory holds; `None` where that is nothing, as when a start was killed right after it was made.
    fn left_in(&self, directory: PathBuf) -> io::Result<Option<(String, Target<D>)>> {
        let settings = self.settings(directory);
        if segments(&self.disk, &settings)?.is_empty() {
            return Ok(None);
        }
        let name = self.disk.read_all(&settings.directory.join(NAME), NAME_BYTES_MAX)?;
        let name = String::from_utf8_lossy(&name).trim_end().to_owned();
        Ok(Some((name, self.target(settings))))
    }

    fn settings(&self, directory: PathBuf) -> SpoolSettings {
        SpoolSettings {
            directory,
            framing: Framing::Blocks,
            bytes_max: self.bytes_max,
            segment_bytes: SEGMENT_BYTES,
            segment_age: None,
        }
    }

    fn target(&self, settings: SpoolSettings) -> Target<D> {
        let spool = Spool::new(self.disk.clone(), settings);
        let bytes = spool.bytes().unwrap_or_default();
        Target { spool, bytes, diverts: false, told: Limiter::once_per(TELL_EVERY) }
    }

    /// Tells whether any target is known to take nothing now.
    pub(super) fn divert(&self) -> bool {
        self.diverts.load(Ordering::Relaxed)
    }

    /// Returns the targets that are known to take nothing now.
    pub(super) fn diverting(&self) -> BTreeSet<String> {
        let targets = self.lock();
        let diverting = targets.iter().filter(|(_, target)| target.diverts);
        diverting.map(|(name, _)| name.clone()).collect()
    }

    /// Tells whether a spool that takes nothing is worth a line now, and what that is to end with.
    pub(super) fn tells_full(&self, now: Instant) -> Option<String> {
        let mut limiter = self.full_told.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(now).map(|suppressed| suppressed.to_string())
    }

    /// Spools items of a target and syncs them; `fault` is what the server has just said. Blocks until it is done.
    ///
    /// # Errors
    /// When there is no room, or the file system refuses; then none of them counts as saved.
    pub(super) fn keep(
        &self,
        name: &str,
        items: &[&[u8]],
        all_to: Option<&str>,
        fault: Option<&Fault>,
    ) -> Result<(), SpoolError> {
        let records: Vec<Vec<u8>> = items.iter().map(|item| with_index(item, all_to)).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let more: u64 = records.iter().map(|record| record.len() as u64).sum();
        let mut targets = self.lock();
        let bytes: u64 = targets.values().map(|target| target.bytes).sum();
        if self.bytes_max < bytes + more {
            return Err(SpoolError::Full { bytes, bytes_max: self.bytes_max });
        }
        if !targets.contains_key(name) {
            let settings = self.settings(self.directory_of(name));
            self.write_name(&settings.directory, name)?;
            targets.insert(name.to_owned(), self.target(settings));
            // It may have taken all a moment ago: nobody has it in hand any more.
            self.changes.send_modify(|changes| *changes += 1);
            self.stats.sending.blocked_targets.set(count(targets.len()));
        }
        if OPEN_MAX < targets.len() {
            let others = targets.iter_mut().filter(|(known, _)| *known != name);
            others.for_each(|(_, target)| target.spool.close());
        }
        let target = targets.get_mut(name).expect("it was just put there");
        target.spool.append(&records, nanoseconds_now())?;
        target.bytes = target.spool.bytes()?;
        self.stats.sending.spooled.add(items.len() as u64);
        if let Some(fault) = fault {
            self.block(target, name, fault);
        }
        drop(targets);
        Ok(())
    }

    /// Notes that a target, of which something is spooled, still takes nothing.
    pub(super) fn still(&self, name: &str, fault: &Fault) {
        if let Some(target) = self.lock().get_mut(name) {
            self.block(target, name, fault);
        }
    }

    fn block(&self, target: &mut Target<D>, name: &str, fault: &Fault) {
        if !std::mem::replace(&mut target.diverts, true) {
            self.diverts.store(true, Ordering::Relaxed);
            self.changes.send_modify(|changes| *changes += 1);
        }
        let now = Instant::now();
        self.stats.health.failed(&health_name(name), &fault.to_string(), now);
        if let Some(suppressed) = target.told.admit(now) {
            error!(
                hint = fault.advice(),
                spooled_bytes = target.bytes,
                "target `{name}` takes no documents; they are kept in `{}` until it does, others go on: \
                 {fault}{suppressed}",
                target.spool.settings().directory.display()
            );
        }
    }

    /// Notes that a target takes documents again.
    fn takes(&self, name: &str) {
        let mut targets = self.lock();
        let Some(target) = targets.get_mut(name) else { return };
        target.bytes = target.spool.bytes().unwrap_or(target.bytes);
        if std::mem::take(&mut target.diverts) {
            info!("target `{name}` takes documents again; those that were kept are sent");
            self.diverts.store(targets.values().any(|target| target.diverts), Ordering::Relaxed);
        }
    }

    /// Forgets a target if nothing of it is left.
    fn done(&self, name: &str, cursor: &mut Cursor<D>) -> io::Result<bool> {
        let mut targets = self.lock();
        if !cursor.take(1)?.records.is_empty() {
            cursor.rewind();
            return Ok(false);
        }
        targets.remove(name);
        info!("all documents that were kept for target `{name}` are delivered");
        self.stats.health.forget(&health_name(name));
        self.stats.sending.blocked_targets.set(count(targets.len()));
        self.diverts.store(targets.values().any(|target| target.diverts), Ordering::Relaxed);
        Ok(true)
    }

    fn directory_of(&self, name: &str) -> PathBuf {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let start: String = name.chars().take(64).map(plain).collect();
        self.directory.join(format!("{start}-{:08x}", crc32fast::hash(name.as_bytes())))
    }

    fn write_name(&self, directory: &Path, name: &str) -> io::Result<()> {
        use crate::disk::AppendFile;
        self.disk.create_directory(&self.directory, 0o700)?;
        self.disk.create_directory(directory, 0o700)?;
        let mut file = self.disk.create(&directory.join(NAME), 0o600)?;
        file.append(name.as_bytes())?;
        file.append(b"\n")?;
        file.sync()?;
        self.disk.sync_directory(directory)?;
        self.disk.sync_directory(&self.directory)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Target<D>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_look(directory: &Path, error: &io::Error) {
    warn!(
        hint = "check its mode and owner; what is in it is sent at a start that can read it",
        "cannot look for documents of blocked targets in `{}`: {error}",
        directory.display()
    );
}

/// Under which name the health of a target is told.
fn health_name(target: &str) -> String {
    format!("target {target}")
}

fn count(targets: usize) -> i64 {
    i64::try_from(targets).unwrap_or(i64::MAX)
}

fn nanoseconds_now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

impl<D: Disk + Sync> Cluster<D> {
    /// Sends what is spooled, target by target, whenever they may take it, until the stop.
    pub(super) async fn replay(self: Arc<Self>, mut shutdown: watch::Receiver<Shutdown>) {
        let (mut at_work, mut tasks) = (BTreeSet::new(), JoinSet::new());
        let mut changes = self.blocked.changes.subscribe();
        let mut look_again = tokio::time::interval(READ_AGAIN);
        loop {
            changes.borrow_and_update();
            let names: Vec<String> = self.blocked.lock().keys().cloned().collect();
            for name in names {
                if at_work.insert(name.clone()) {
                    let (cluster, shutdown) = (Arc::clone(&self), shutdown.clone());
                    tasks.spawn(async move {
                        cluster.replay_one(&name, shutdown).await;
                        name
                    });
                }
            }
            let stopped = shutdown.wait_for(|how| *how != Shutdown::Running);
            tokio::select! {
                _ = stopped => break,
                _ = changes.changed() => {}
                _ = look_again.tick() => {}
                Some(ended) = tasks.join_next() => match ended {
                    Ok(name) => drop(at_work.remove(&name)),
                    Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
                    Err(_) => {}
                }
            }
        }
        // They see the stop as well.
        while tasks.join_next().await.is_some() {}
    }

    /// Sends what is spooled of one target, until nothing is left or the stop comes.
    async fn replay_one(self: Arc<Self>, name: &str, mut shutdown: watch::Receiver<Shutdown>) {
        let settings = self.blocked.settings(self.blocked.directory_of(name));
        let Err(error) = Arc::clone(&self).replay_all(name, settings, &shutdown).await else {
            return;
        };
        warn!(
            hint = "nothing is dropped, it is tried again",
            "cannot read the documents kept for target `{name}`: {error}"
        );
        let stopped = shutdown.wait_for(|how| *how != Shutdown::Running);
        let _ = tokio::time::timeout(READ_AGAIN, stopped).await;
    }

    async fn replay_all(
        self: Arc<Self>,
        name: &str,
        settings: SpoolSettings,
        shutdown: &watch::Receiver<Shutdown>,
    ) -> io::Result<()> {
        // Of its own: what the readers use is not enough when they wait for this target.
        let (pool, wake) = (Pool::new(BUFFER_BYTES), Arc::new(Wake::default()));
        let mut cursor = Cursor::open(self.blocked.disk.clone(), settings)?;
        while *shutdown.borrow() == Shutdown::Running {
            let taken = tokio::task::block_in_place(|| cursor.take(REPLAY_BYTES))?;
            if taken.damaged_bytes != 0 {
                error!(
                    hint = "look at the disk's health; the documents behind the damage are sent",
                    "{} bytes of documents kept for target `{name}` are damaged and lost",
                    taken.damaged_bytes
                );
            }
            if taken.records.is_empty() {
                if tokio::task::block_in_place(|| self.blocked.done(name, &mut cursor))? {
                    return Ok(());
                }
                continue;
            }
            let Some(batch) = batch_of(&taken.records, &pool, &wake) else {
                return Err(io::Error::other("a record is too long"));
            };
            let prepared = Prepared::of(batch);
            let (cluster, target) = (Arc::clone(&self), name.to_owned());
            let delivery = Delivery::again(cluster, prepared, target, shutdown.clone());
            if !delivery.deliver().await {
                return Ok(());
            }
            tokio::task::block_in_place(|| cursor.commit())?;
            self.blocked.takes(name);
        }
        Ok(())
    }
}

/// Makes a batch of items that answers for no bytes.
fn batch_of(items: &[Vec<u8>], pool: &Pool, wake: &Arc<Wake>) -> Option<crate::batch::Batch> {
    let bytes: usize = items.iter().map(Vec::len).sum();
    let buffer = if bytes <= BUFFER_BYTES {
        pool.try_take(wake)?
    } else {
        pool.try_take_jumbo(bytes, wake)?
    };
    let mut builder = BatchBuilder::new(buffer, BatchLimits::default());
    for item in items {
        builder.open_item()?.extend_from_slice(item);
        let _ = builder.close_item();
    }
    Some(builder.seal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn target_that_took_all_a_moment_ago_is_sent_again_at_once_when_something_is_kept_for_it() {
        let place = tempfile::tempdir().unwrap();
        let blocked = BlockedTargets::open(RealDisk, place.path(), 1 << 20, Arc::default());
        let mut changes = blocked.changes.subscribe();
        let item: &[u8] = b"{\"create\":{\"_index\":\"a\",\"_id\":\"x\"}}\n{}\n";
        for (kept, wakes) in [(1, true), (2, false)] {
            blocked.keep("a", &[item], None, None).unwrap();
            assert_eq!(changes.has_changed().unwrap(), wakes, "{kept}");
            changes.borrow_and_update();
        }
        let mut cursor =
            Cursor::open(RealDisk, blocked.settings(blocked.directory_of("a"))).unwrap();
        assert_eq!(cursor.take(REPLAY_BYTES).unwrap().records.len(), 2);
        cursor.commit().unwrap();
        assert!(blocked.done("a", &mut cursor).unwrap());
        // Whoever was told before that the target is to be spared.
        blocked.keep("a", &[item], None, None).unwrap();
        assert!(changes.has_changed().unwrap());
    }
}
