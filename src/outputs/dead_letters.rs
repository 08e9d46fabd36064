//! Documents that the server will never take: a spool of one JSON object a line, synced before they are settled.

pub mod letter;

use crate::disk::Disk;
use crate::host::random_bytes;
use crate::outputs::elasticsearch::bulk::Fault;
use crate::position::Epoch;
use crate::settings::DeadLetterSettings;
use crate::spool::{Framing, Segment, Spool, SpoolError, SpoolSettings};
use jiff::Timestamp;
use letter::Parts;
use std::path::Path;
use std::time::Duration;

/// Parts of the bound, or of the age, that one segment has.
const SEGMENTS: u32 = 16;

/// Least and most bytes at which a new segment is begun.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=64 << 20;

/// Returns where the letters of a configuration are.
#[must_use]
pub fn spool(settings: &DeadLetterSettings, data: &Path) -> SpoolSettings {
    let segment = settings.bytes_max / u64::from(SEGMENTS);
    SpoolSettings {
        directory: settings.directory(data),
        framing: Framing::Lines,
        bytes_max: settings.bytes_max,
        segment_bytes: segment.clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end()),
        segment_age: settings.age_max.map(|age| age / SEGMENTS),
    }
}

/// The spool of dead letters, and what of them goes to an index.
pub struct DeadLetters<D: Disk> {
    spool: Spool<D>,
    age_max: Option<Duration>,
    target: Option<String>,
}

impl<D: Disk> DeadLetters<D> {
    /// Names the spool; nothing is opened yet. `target` is the index of documents that name none.
    #[must_use]
    pub fn new(
        disk: D,
        settings: &DeadLetterSettings,
        data: &Path,
        target: Option<String>,
    ) -> Self {
        let spool = Spool::new(disk, spool(settings, data));
        Self { spool, age_max: settings.age_max, target }
    }

    /// Returns the directory of the spool.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.spool.settings().directory
    }

    /// Appends letters and syncs them; `letters` are the bulk item (action and document) and why it is dead.
    ///
    /// # Errors
    /// When they cannot be saved, or the spool is full; then none of them counts as saved.
    pub fn keep(&mut self, now: Timestamp, letters: &[(&[u8], &Fault)]) -> Result<(), SpoolError> {
        let write = |(item, fault): &(&[u8], &Fault)| {
            let mut text = Vec::with_capacity(item.len() + 512);
            Parts::of(item).push_letter(&mut text, now, fault, &own_id(), self.target.as_deref());
            text
        };
        let records: Vec<Vec<u8>> = letters.iter().map(write).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        self.spool.append(&records, nanoseconds(now))
    }

    /// Returns the body of a bulk request that stores letters in an index; `alone` when the pipeline of all requests is
    /// not for it.
    #[must_use]
    pub fn items(
        &self,
        now: Timestamp,
        letters: &[(&[u8], &Fault)],
        index: &str,
        alone: bool,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        for (item, fault) in letters {
            let to = letter::To { index, target: self.target.as_deref(), alone };
            Parts::of(item).push_index_item(&mut body, now, fault, &own_id(), to);
        }
        body
    }

    /// Removes what is older than it may become; returns which segments.
    ///
    /// # Errors
    /// As the file system says.
    pub fn expire(&mut self, now: Timestamp) -> std::io::Result<Vec<Segment>> {
        match self.age_max {
            Some(age) => self.spool.expire(age, nanoseconds(now)),
            None => Ok(Vec::new()),
        }
    }
}

/// Returns an id for a document without one.
fn own_id() -> String {
    Epoch::from_random(random_bytes()).to_string()
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}
