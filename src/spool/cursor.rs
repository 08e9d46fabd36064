//! Taking records from the front of a spool, in order; what is committed is not read again.

use super::{Found, MODE, Records, Segment, SpoolSettings, lock, segments};
use crate::disk::{AppendFile, Disk};
use std::io;

/// Name of the file that says how far the reader has come.
const NAME: &str = "cursor";

/// Longest text of that file, in bytes.
const TEXT_BYTES_MAX: u64 = 256;

/// A place in a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Offset in it.
    pub(super) at: u64,
}

/// The reader of a spool that is read in order. There is one at a time; it may be the process that appends.
#[derive(Debug)]
pub struct Cursor<D: Disk> {
    disk: D,
    settings: SpoolSettings,
    committed: Place,
    read: Place,
}

/// What was taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records, in order; none when there are no more now.
    pub records: Vec<Vec<u8>>,
    /// Bytes between them that are damaged: they are skipped.
    pub damaged_bytes: u64,
}

impl<D: Disk> Cursor<D> {
    /// Goes on where the last reader has committed; where that is not known, at the beginning.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(disk: D, settings: SpoolSettings) -> io::Result<Self> {
        let committed = saved(&disk, &settings)?.unwrap_or_default();
        Ok(Self { disk, settings, committed, read: committed })
    }

    /// Takes what comes next: records of about `bytes` together, at least one when there is one.
    ///
    /// # Errors
    /// As the file system says; nothing counts as taken then.
    pub fn take(&mut self, bytes: usize) -> io::Result<Taken> {
        let mut taken = Taken::default();
        let mut place = self.read;
        let mut left = bytes;
        let segments = segments(&self.disk, &self.settings)?;
        let last = segments.last().map(|segment| segment.number);
        for segment in &segments {
            if segment.number < place.segment {
                continue;
            }
            if place.segment < segment.number {
                place = Place { segment: segment.number, at: 0 };
            }
            let mut records = Records::open(&self.disk, self.settings.framing, segment, place.at)?;
            while left != 0 {
                match records.next_record()? {
                    Some(Found::Record { bytes, .. }) => {
                        left = left.saturating_sub(bytes.len().max(1));
                        taken.records.push(bytes.to_vec());
                    }
                    Some(Found::Damaged { at }) => taken.damaged_bytes += at.end - at.start,
                    None => break,
                }
                place.at = records.position();
            }
            if left == 0 {
                break;
            }
            // Nobody will complete what stands at the end of a segment that is not the last.
            if Some(segment.number) != last {
                taken.damaged_bytes += records.end() - records.position();
                place.at = records.end();
            }
        }
        self.read = place;
        Ok(taken)
    }

    /// Says that all that was taken is done with: it is never taken again, and segments without anything else are
    /// removed.
    ///
    /// # Errors
    /// As the file system says; then it may be taken again after a restart.
    pub fn commit(&mut self) -> io::Result<()> {
        if self.committed != self.read {
            save(&self.disk, &self.settings, self.read)?;
            self.committed = self.read;
        }
        let _lock = lock(&self.disk, &self.settings.directory)?;
        let mut removed = false;
        for Segment { number, path, size, .. } in segments(&self.disk, &self.settings)? {
            let place = Place { segment: number, at: size };
            if place <= self.committed {
                self.disk.remove(&path)?;
                removed = true;
            }
        }
        if removed { self.disk.sync_directory(&self.settings.directory) } else { Ok(()) }
    }

    /// Goes back to what was committed: what was taken since is taken again.
    pub fn rewind(&mut self) {
        self.read = self.committed;
    }
}

/// Returns where the last reader has committed; `None` when that is not known.
pub(super) fn saved<D: Disk>(disk: &D, settings: &SpoolSettings) -> io::Result<Option<Place>> {
    let text = match disk.read_all(&settings.directory.join(NAME), TEXT_BYTES_MAX) {
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut words = text.split_whitespace();
    let place = (|| {
        let (segment, at) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let checksum = u32::from_str_radix(words.next()?, 16).ok()?;
        (checksum == crc32fast::hash(format!("{segment} {at}").as_bytes()))
            .then_some(Place { segment, at })
    })();
    Ok(place)
}

fn save<D: Disk>(disk: &D, settings: &SpoolSettings, place: Place) -> io::Result<()> {
    let Place { segment, at } = place;
    let text = format!("{segment} {at}");
    let line = format!("{text} {:08x}\n", crc32fast::hash(text.as_bytes()));
    let path = settings.directory.join(NAME);
    let draft = path.with_extension("draft");
    let mut file = disk.create(&draft, MODE)?;
    file.append(line.as_bytes())?;
    file.sync()?;
    disk.rename(&draft, &path)?;
    disk.sync_directory(&settings.directory)
}
