//! Log files named and rotated as Filebeat's: `shipper-20261121.ndjson`, then
//! `shipper-20261121-1.ndjson`, …
//!
//! A new start begins a new file, and so does a line that would make the file too large. None of
//! the crates for rotation names files so, keeps a line whole on a full disk, or goes through
//! [`Disk`].

use crate::disk::{AppendFile, Disk};
use crate::settings::LogFileSettings;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is replaced by the next one when it is full.
pub struct RotatingFile<D: Disk> {
    disk: D,
    settings: LogFileSettings,
    open: Option<Open<D::Writer>>,
}

struct Open<W> {
    writer: W,
    /// Bytes of whole lines.
    bytes: u64,
    /// Whether a part of a line stands behind them that could not be cut off.
    is_ragged: bool,
}

/// The place of a file in the order of its kind: its day, and its number on that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// `YYYYMMDD`.
    day: u32,
    number: u32,
}

impl<D: Disk> RotatingFile<D> {
    /// Makes a log that begins its first file with its first line.
    #[must_use]
    pub fn new(disk: D, settings: LogFileSettings) -> Self {
        Self { disk, settings, open: None }
    }

    /// Writes one whole line; `day` is today's date as `YYYYMMDD`, for the name of a new file.
    ///
    /// # Errors
    /// As the system says. The line is not in the file then, not even in part as far as that can be
    /// helped, and the next call tries again.
    pub fn write(&mut self, line: &[u8], day: u32) -> io::Result<()> {
        let length = line.len() as u64;
        let limit = self.settings.rotate_every_bytes;
        let open = match self.open.take() {
            Some(open) if open.bytes == 0 || open.bytes + length <= limit => open,
            _ => self.open_next(day)?,
        };
        let open = self.open.insert(open);
        if open.is_ragged {
            open.writer.append(b"\n")?;
            open.is_ragged = false;
        }
        if let Err(error) = open.writer.append(line) {
            // A part of the line may be written; a reader of the log would stumble over it.
            open.is_ragged = open.writer.truncate(open.bytes).is_err();
            return Err(error);
        }
        open.bytes += length;
        Ok(())
    }

    /// Returns the directory of the files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.settings.path
    }

    fn open_next(&self, day: u32) -> io::Result<Open<D::Writer>> {
        self.disk
            .create_directory(&self.settings.path, directory_mode(self.settings.permissions))?;
        let mut known: Vec<Place> = Vec::new();
        for listed in self.disk.list(&self.settings.path)? {
            known.extend(listed.name.to_str().and_then(|name| self.place_of(name)));
        }
        known.sort_unstable();
        let latest = known.iter().rfind(|place| place.day == day);
        let next = Place { day, number: latest.map_or(0, |place| place.number + 1) };
        let writer = self.disk.append(&self.path_of(next), self.settings.permissions)?;
        let surplus = known.len().saturating_sub(self.settings.keep_files);
        for place in &known[..surplus] {
            // One that cannot be removed now is tried again with the next file.
            let _ = self.disk.remove(&self.path_of(*place));
        }
        Ok(Open { writer, bytes: 0, is_ragged: false })
    }

    fn path_of(&self, place: Place) -> PathBuf {
        let Place { day, number } = place;
        let name = &self.settings.name;
        let name = match number {
            0 => format!("{name}-{day:08}.ndjson"),
            number => format!("{name}-{day:08}-{number}.ndjson"),
        };
        self.settings.path.join(name)
    }

    /// Returns the place of a file by its name; `None` for a file that is not this log's.
    fn place_of(&self, name: &str) -> Option<Place> {
        let middle = name.strip_prefix(&self.settings.name)?.strip_prefix('-')?;
        let middle = middle.strip_suffix(".ndjson")?;
        let (day, number) = middle.split_once('-').unwrap_or((middle, "0"));
        let place = Place { day: day.parse().ok()?, number: number.parse().ok()? };
        // Only what this log would write itself: `+1`, `01` and the like are somebody else's.
        (self.path_of(place).file_name()?.to_str()? == name).then_some(place)
    }
}

/// Returns the mode of the directory for files of a mode: whoever may read them may enter.
fn directory_mode(permissions: u32) -> u32 {
    let group = if 0 < permissions & 0o070 { 0o050 } else { 0 };
    let others = if 0 < permissions & 0o007 { 0o005 } else { 0 };
    0o700 | group | others
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn settings(directory: &Path, rotate_every_bytes: u64, keep_files: usize) -> LogFileSettings {
        LogFileSettings {
            path: directory.to_owned(),
            name: "shipper".to_owned(),
            rotate_every_bytes,
            keep_files,
            permissions: 0o600,
        }
    }

    fn content(directory: &Path) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).expect("directory") {
            let path = entry.expect("entry").path();
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(path).expect("content")));
        }
        files.sort();
        files
    }

    fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn full_file_is_followed_by_the_next_and_the_oldest_are_removed() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("logs");
        let mut log = RotatingFile::new(RealDisk, settings(&path, 10, 2));
        for line in ["aaaa\n", "bbbb\n", "cccc\n", "longer than a file\n", "dddd\n"] {
            log.write(line.as_bytes(), 20_261_121).expect("written");
        }
        log.write(b"eeeeeeeee\n", 20_261_122).expect("written");
        let expected = named(&[
            ("shipper-20261121-2.ndjson", "longer than a file\n"),
            ("shipper-20261121-3.ndjson", "dddd\n"),
            ("shipper-20261122.ndjson", "eeeeeeeee\n"),
        ]);
        assert_eq!(content(&path), expected);
        let mode = |path: &Path| fs::metadata(path).expect("file").permissions().mode() & 0o777;
        assert_eq!(mode(&path.join("shipper-20261122.ndjson")), 0o600);
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn new_start_begins_a_new_file_and_leaves_files_of_others_alone() {
        let directory = tempfile::tempdir().expect("directory");
        let others = [
            "shipper-20261121-01.ndjson",
            "shipper-20261121-x.ndjson",
            "shipper-extra-20261121.ndjson",
            "shipper.ndjson",
        ];
        for name in others {
            fs::write(directory.path().join(name), "").expect("file");
        }
        for run in ["one\n", "two\n", "three\n"] {
            let mut log = RotatingFile::new(RealDisk, settings(directory.path(), 1000, 1));
            log.write(run.as_bytes(), 20_261_121).expect("written");
        }
        let mut expected = named(&others.map(|name| (name, "")));
        expected.extend(named(&[
            ("shipper-20261121-1.ndjson", "two\n"),
            ("shipper-20261121-2.ndjson", "three\n"),
        ]));
        expected.sort();
        assert_eq!(content(directory.path()), expected);
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        let directory = tempfile::tempdir().expect("directory");
        let mut log = RotatingFile::new(RealDisk, settings(directory.path(), 1, 2));
        for line in 0..12 {
            log.write(format!("{line}\n").as_bytes(), 20_261_121).expect("written");
        }
        let expected = named(&[
            ("shipper-20261121-10.ndjson", "10\n"),
            ("shipper-20261121-11.ndjson", "11\n"),
            ("shipper-20261121-9.ndjson", "9\n"),
        ]);
        assert_eq!(content(directory.path()), expected);
    }
}
