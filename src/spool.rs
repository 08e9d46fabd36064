//! A spool: records in a directory, appended and synced, bounded in bytes, each with a checksum.
//!
//! The directory holds segments, `00000001.ndjson` and so on (`.blocks` where records are no text); the highest number
//! is the one that is appended to. It serves two manners of reading, of which a spool has one:
//!
//! - **edited** ([`Editor`], [`Rewrite`]): any process looks through the segments and takes records out or exchanges
//!   them, while another one appends. A rewritten segment replaces the old one in one step, so whoever is killed in
//!   the middle has changed nothing;
//! - **in order** ([`Cursor`]): one reader takes records from the front, and what it has committed is removed.
//!
//! Whoever appends, or replaces or removes a segment, holds the `lock` of the directory for that moment alone. An
//! editor holds `editor.lock` as long as it lives. Both are locks of the kernel: they end with their process.

mod cursor;
mod edit;
mod frame;
mod reading;

pub use cursor::{Cursor, Taken};
pub use edit::{Editor, Rewrite};
pub use frame::Framing;
pub use reading::{Found, Records};

use crate::disk::{AppendFile, Disk, Kind, ReadFile};
use crate::identity::same_inode;
use crate::position::Inode;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// Longest record, in bytes: a document of a jumbo buffer and what is told of it.
pub const RECORD_BYTES_MAX: usize = 66 << 20;

/// Mode of all files: documents may hold what visitors typed.
const MODE: u32 = 0o600;

/// Mode of the directory.
const DIRECTORY_MODE: u32 = 0o700;

/// Longest wait for the lock of the directory, which nobody holds for longer than a write takes.
const LOCK_TIME_MAX: Duration = Duration::from_secs(10);

/// Pause between two tries to have the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Bytes that are read at once to find the last line end.
const PIECE_BYTES: usize = 64 << 10;

/// What a spool is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Its directory, made when something is appended.
    pub directory: PathBuf,
    /// How records stand in the segments.
    pub framing: Framing,
    /// Most bytes of all segments together; an empty spool takes anything at once.
    pub bytes_max: u64,
    /// Bytes at which a new segment is begun; one record may be longer.
    pub segment_bytes: u64,
    /// Age of a segment's first record at which a new one is begun, so that old ones can go by age.
    pub segment_age: Option<Duration>,
}

/// A segment that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number; later ones are higher.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes, when it was looked at.
    pub size: u64,
    /// Its last change, in nanoseconds since 1970.
    pub modified: i64,
}

/// Why records were not appended: then none of them counts as saved.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The bound is reached.
    #[error("it is full: it has {bytes} bytes, and its bound is {bytes_max}")]
    Full {
        /// Bytes that it has.
        bytes: u64,
        /// Its bound.
        bytes_max: u64,
    },
    /// The file system refuses.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// The end that appends. Several processes may append to one spool.
pub struct Spool<D: Disk> {
    disk: D,
    settings: SpoolSettings,
    open: Option<Open<D::Writer>>,
    /// Of a segment that was let go of: up to where it is known to be whole.
    whole: Option<(Inode, u64)>,
}

struct Open<W> {
    writer: W,
    number: u64,
    path: PathBuf,
    inode: Inode,
    size: u64,
    /// When its first record was appended, in nanoseconds since 1970.
    begun: i64,
    /// Bytes of the other segments.
    others: u64,
}

impl<D: Disk> Spool<D> {
    /// Names a spool; nothing is opened yet.
    #[must_use]
    pub fn new(disk: D, settings: SpoolSettings) -> Self {
        Self { disk, settings, open: None, whole: None }
    }

    /// Returns what it was told.
    #[must_use]
    pub fn settings(&self) -> &SpoolSettings {
        &self.settings
    }

    /// Appends records, all or none, and syncs them. `wall` is the time in nanoseconds since 1970. Blocks until it is
    /// done.
    ///
    /// # Errors
    /// When the spool is full, or they cannot be saved.
    pub fn append(&mut self, records: &[&[u8]], wall: i64) -> Result<(), SpoolError> {
        let mut bytes = Vec::new();
        for record in records {
            self.settings.framing.encode(&mut bytes, record);
        }
        let result = self.append_encoded(&bytes, wall);
        if result.is_err() {
            // What the failed write left is not known: a new look at the segment says.
            self.open = None;
        }
        result
    }

    /// Lets go of the segment that is open: the next append opens it again.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.whole = Some((open.inode, open.size));
        }
    }

    /// Returns the bytes of all segments, as far as they can be seen.
    ///
    /// # Errors
    /// As the file system says; a directory that is missing has none.
    pub fn bytes(&self) -> io::Result<u64> {
        let segments = segments(&self.disk, &self.settings)?;
        Ok(segments.iter().map(|segment| segment.size).sum())
    }

    /// Removes the segments to which nothing was appended for longer than `age`; returns which. While an editor is at
    /// work none is removed.
    ///
    /// # Errors
    /// As the file system says.
    pub fn expire(&mut self, age: Duration, wall: i64) -> io::Result<Vec<Segment>> {
        let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        let mut old = segments(&self.disk, &self.settings)?;
        old.retain(|segment| segment.modified < wall.saturating_sub(age));
        if old.is_empty() {
            return Ok(old);
        }
        let Some(_editor) = Editor::open(self.disk.clone(), &self.settings)? else {
            return Ok(Vec::new());
        };
        let _lock = lock(&self.disk, &self.settings.directory)?;
        self.open = None;
        for segment in &old {
            self.disk.remove(&segment.path)?;
        }
        self.disk.sync_directory(&self.settings.directory)?;
        Ok(old)
    }

    fn append_encoded(&mut self, bytes: &[u8], wall: i64) -> Result<(), SpoolError> {
        let _lock = lock(&self.disk, &self.settings.directory)?;
        if !self.is_current() {
            self.open = None;
        }
        let room_for = bytes.len() as u64;
        let bytes_max = self.settings.bytes_max;
        // An editor may have made room.
        if self.open.as_ref().is_some_and(|open| bytes_max < open.others + open.size + room_for) {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => open_last(&self.disk, &self.settings, self.whole.take(), wall)?,
        };
        let there = open.others + open.size;
        // An empty one takes anything, or it would never.
        if there != 0 && bytes_max < there + room_for {
            return Err(SpoolError::Full { bytes: there, bytes_max });
        }
        if self.is_done(&open, room_for, wall) {
            let number = open.number + 1;
            open = begin(&self.disk, &self.settings, number, wall, there)?;
        }
        if let Err(error) = open.writer.append(bytes).and_then(|()| open.writer.sync()) {
            // What does not count as saved is not to be read; if this fails too, the next opening mends it.
            let _ = open.writer.truncate(open.size);
            return Err(error.into());
        }
        open.size += room_for;
        self.open = Some(open);
        Ok(())
    }

    /// Tells whether what is open is still the segment to append to: somebody may have removed, moved or replaced it.
    fn is_current(&self) -> bool {
        let Some(open) = &self.open else { return false };
        let next = path_of(&self.settings, open.number + 1);
        self.disk.stat(&open.path).is_ok_and(|stat| same_inode(stat.inode, open.inode))
            && self.disk.stat(&next).is_err()
    }

    fn is_done(&self, open: &Open<D::Writer>, more: u64, wall: i64) -> bool {
        let old = self.settings.segment_age.is_some_and(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            open.begun < wall.saturating_sub(age)
        });
        open.size != 0 && (self.settings.segment_bytes < open.size + more || old)
    }
}

/// Returns the segments that are there, in order; none when the directory is missing.
///
/// # Errors
/// As the file system says.
pub fn segments<D: Disk>(disk: &D, settings: &SpoolSettings) -> io::Result<Vec<Segment>> {
    let listed = match disk.list(&settings.directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut segments = Vec::new();
    for name in listed.iter().filter(|listed| listed.kind == Kind::File) {
        let Some(number) = number_of(settings.framing, &name.name) else { continue };
        let path = settings.directory.join(&name.name);
        match disk.stat(&path) {
            Ok(stat) => {
                segments.push(Segment { number, path, size: stat.size, modified: stat.modified });
            }
            // It was done with since the directory was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

fn number_of(framing: Framing, name: &std::ffi::OsStr) -> Option<u64> {
    let stem = name.to_str()?.strip_suffix(framing.extension())?.strip_suffix('.')?;
    let digits = 8 <= stem.len() && stem.bytes().all(|letter| letter.is_ascii_digit());
    digits.then(|| stem.parse().ok()).flatten()
}

/// Returns where a segment is, or would be.
fn path_of(settings: &SpoolSettings, number: u64) -> PathBuf {
    settings.directory.join(format!("{number:08}.{}", settings.framing.extension()))
}

/// Waits for the lock of a spool's directory; makes the directory when it is missing.
fn lock<D: Disk>(disk: &D, directory: &Path) -> io::Result<D::Lock> {
    let path = directory.join("lock");
    let mut tries = LOCK_TIME_MAX.as_millis() / LOCK_PAUSE.as_millis();
    loop {
        match disk.lock(&path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) if tries == 0 => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process holds its lock for too long",
                ));
            }
            Ok(None) => {
                tries -= 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries != 0 => {
                tries = 0;
                disk.create_directory(directory, DIRECTORY_MODE)?;
                if let Some(parent) = directory.parent() {
                    disk.sync_directory(parent)?;
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens the last segment, its end mended, or begins the first one; `known` is a segment and up to where it is whole.
fn open_last<D: Disk>(
    disk: &D,
    settings: &SpoolSettings,
    known: Option<(Inode, u64)>,
    wall: i64,
) -> io::Result<Open<D::Writer>> {
    let mut segments = segments(disk, settings)?;
    let Some(last) = segments.pop() else {
        // Numbers that a cursor has passed are not used again.
        let number = cursor::saved(disk, settings)?.map_or(0, |place| place.segment);
        return begin(disk, settings, number + 1, wall, 0);
    };
    let mut writer = disk.append(&last.path, MODE)?;
    let file = disk.open(&last.path)?;
    let stat = file.stat()?;
    let whole = match settings.framing {
        Framing::Lines => end_of_lines(&file, stat.size)?,
        Framing::Blocks => {
            let known = known
                .filter(|(inode, whole)| same_inode(*inode, stat.inode) && *whole <= stat.size);
            let from = known.map_or(0, |(_, whole)| whole);
            let mut records = Records::open(disk, settings.framing, &last, from)?;
            while records.next_record()?.is_some() {}
            records.position()
        }
    };
    let size = mend(&file, whole..stat.size, &mut writer, &last.path)?;
    disk.sync_directory(&settings.directory)?;
    let begun = i64::try_from(stat.inode.birth).unwrap_or_default();
    let begun = if begun == 0 { stat.modified } else { begun };
    let others = segments.iter().map(|segment| segment.size).sum();
    let Segment { number, path, .. } = last;
    Ok(Open { writer, number, path, inode: stat.inode, size, begun, others })
}

fn begin<D: Disk>(
    disk: &D,
    settings: &SpoolSettings,
    number: u64,
    wall: i64,
    others: u64,
) -> io::Result<Open<D::Writer>> {
    let path = path_of(settings, number);
    let writer = disk.append(&path, MODE)?;
    let stat = disk.stat(&path)?;
    disk.sync_directory(&settings.directory)?;
    let (inode, size) = (stat.inode, stat.size);
    Ok(Open { writer, number, path, inode, size, begun: wall, others })
}

/// Mends the end of a segment that a crash may have torn: what stands there behind the last whole record. Returns its
/// size then.
fn mend<W: AppendFile>(
    file: &impl ReadFile,
    rest: Range<u64>,
    writer: &mut W,
    path: &Path,
) -> io::Result<u64> {
    if rest.is_empty() {
        return Ok(rest.end);
    }
    // Somebody's editor may have left the last line end out.
    if is_line(file, &rest)? {
        writer.append(b"\n")?;
        return Ok(rest.end + 1);
    }
    warn!(
        bytes = rest.end - rest.start,
        "a record that is cut off at the end of `{}` is removed; it did not count as saved",
        path.display()
    );
    writer.truncate(rest.start)?;
    Ok(rest.start)
}

/// Returns where the last line end of a file is over, 0 when it has none.
fn end_of_lines(file: &impl ReadFile, size: u64) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut end = size;
    while 0 < end {
        let start = end.saturating_sub(PIECE_BYTES as u64);
        let read = reading::read_range(file, &mut piece, start, end)?;
        if let Some(newline) = memchr::memrchr(b'\n', &piece[..read]) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Tells whether such a part of a file is one whole line but for its end.
fn is_line(file: &impl ReadFile, rest: &Range<u64>) -> io::Result<bool> {
    if RECORD_BYTES_MAX as u64 <= rest.end - rest.start {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(rest.end - rest.start).unwrap_or_default()];
    let read = reading::read_range(file, &mut bytes, rest.start, rest.end)?;
    bytes.truncate(read);
    bytes.push(b'\n');
    Ok(matches!(Framing::Lines.decode(&mut bytes), frame::Decoded::Record { .. }))
}

#[cfg(test)]
mod tests;
