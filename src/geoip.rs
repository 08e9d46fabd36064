//! Files of databases of places: read at the start, and again when one has changed.
//!
//! What is wrong with one is told once, until something else is wrong with it; lines go on without it meanwhile.

use crate::disk::{Disk, Stat};
use crate::enrich::{GeoTable, GeoTables};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

/// Pause between two looks at the files.
pub const PAUSE: Duration = Duration::from_secs(10);

/// Largest database that is read, in bytes: all of it is held in memory.
const BYTES_MAX: u64 = 1 << 30;

/// Age at which a database is called old; MaxMind makes its free ones anew twice a week.
const OLD: Duration = Duration::from_hours(90 * 24);

/// Reads the files.
#[derive(Debug)]
pub struct GeoFiles {
    tables: Arc<GeoTables>,
    files: Vec<GeoFile>,
}

#[derive(Debug)]
struct GeoFile {
    path: PathBuf,
    /// The file as it was read last.
    read: Option<Stat>,
    table: Option<Arc<GeoTable>>,
    /// What was told last.
    told: Option<Fault>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Unreadable(io::ErrorKind),
    NoDatabase,
    Damaged,
    Old,
}

impl GeoFiles {
    /// Makes a reader of the files of `tables`.
    #[must_use]
    pub fn new(tables: Arc<GeoTables>) -> Self {
        let file =
            |path: &PathBuf| GeoFile { path: path.clone(), read: None, table: None, told: None };
        Self { files: tables.paths().iter().map(file).collect(), tables }
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Looks at the files, and reads those that have changed; `now` is in seconds since 1970.
    pub fn step<D: Disk>(&mut self, disk: &D, now: u64) {
        for file in &mut self.files {
            if file.look(disk, now) {
                self.tables.put(&file.path, file.table.clone());
            }
        }
    }
}

impl GeoFile {
    /// Tells whether another database is to be used.
    fn look<D: Disk>(&mut self, disk: &D, now: u64) -> bool {
        let stat = match disk.stat(&self.path) {
            Ok(stat) => stat,
            Err(error) => {
                self.tell_unreadable(&error);
                // What was read before stays in use: a file may be away for a moment while another takes its place.
                return false;
            }
        };
        if self.read.as_ref() == Some(&stat) {
            self.tell_damage();
            return false;
        }
        let bytes = match disk.read_all(&self.path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.tell_unreadable(&error);
                return false;
            }
        };
        self.read = Some(stat);
        match GeoTable::new(bytes) {
            Ok(table) => {
                self.told = None;
                self.tell_read(&table, now);
                self.table = Some(Arc::new(table));
                true
            }
            Err(error) => {
                if self.told.replace(Fault::NoDatabase) != Some(Fault::NoDatabase) {
                    let path = self.path.display();
                    let goes_on = self.goes_on();
                    warn!(
                        hint = "fetch it again, a `City`, `Country` or `ASN` one; it is read when it has changed",
                        "cannot use {path}: {error}; {goes_on}"
                    );
                }
                false
            }
        }
    }

    fn goes_on(&self) -> &'static str {
        if self.table.is_some() {
            "what was read before stays in use"
        } else {
            "lines go on without it"
        }
    }

    fn tell_unreadable(&mut self, error: &io::Error) {
        let fault = Fault::Unreadable(error.kind());
        if self.told.replace(fault) != Some(fault) {
            let (path, goes_on) = (self.path.display(), self.goes_on());
            warn!(
                hint = "put it there, readable for the user that runs shipper; it is read by itself then",
                "cannot read {path}: {error}; {goes_on}"
            );
        }
    }

    fn tell_damage(&mut self) {
        let is_damaged = self.table.as_ref().is_some_and(|table| table.is_damaged());
        if is_damaged && self.told.replace(Fault::Damaged) != Some(Fault::Damaged) {
            let path = self.path.display();
            warn!(
                hint = "fetch it again; it is read when it has changed",
                "parts of {path} are damaged: lines of addresses in them go on without it"
            );
        }
    }

    fn tell_read(&mut self, table: &GeoTable, now: u64) {
        let (path, kind) = (self.path.display(), table.kind());
        let age = now.saturating_sub(table.built());
        let days = age / (24 * 3600);
        info!("{path} is in use: {kind}, {days} days old");
        if OLD.as_secs() < age {
            self.told = Some(Fault::Old);
            warn!(
                hint = "have it fetched regularly, as with `geoipupdate`; it is read when it has changed",
                "{path} is {days} days old: addresses may have moved since"
            );
        }
    }
}

/// Reads the files once, for whoever does not go on to look at them.
#[must_use]
pub fn read_once<D: Disk>(
    disk: &D,
    paths: impl IntoIterator<Item = PathBuf>,
    now: u64,
) -> Arc<GeoTables> {
    let tables = Arc::new(GeoTables::new(paths));
    GeoFiles::new(Arc::clone(&tables)).step(disk, now);
    tables
}
