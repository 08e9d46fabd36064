//! Files of databases of places: read at the start, and again when one has changed.
//!
//! What is wrong with one is told once, until something else is wrong with it; lines go on without it meanwhile.

use crate::disk::{Disk, Kind, Stat};
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

/// What there is to say of a file to who runs this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// Who is told.
type Tell<'a> = &'a mut dyn FnMut(Notice);

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

    /// Looks at the files, and reads those that have changed; `now` is in seconds since 1970. What is wrong is logged.
    pub fn step<D: Disk>(&mut self, disk: &D, now: u64) {
        self.step_telling(disk, now, &mut |notice| warn!(hint = notice.hint, "{}", notice.message));
    }

    /// Does what [`GeoFiles::step`] does, for who has no log.
    pub fn step_telling<D: Disk>(&mut self, disk: &D, now: u64, tell: Tell<'_>) {
        for file in &mut self.files {
            if file.look(disk, now, tell) {
                self.tables.put(&file.path, file.table.clone());
            }
        }
    }
}

impl GeoFile {
    /// Tells whether another database is to be used.
    fn look<D: Disk>(&mut self, disk: &D, now: u64, tell: Tell<'_>) -> bool {
        let stat = match disk.stat(&self.path) {
            Ok(stat) => stat,
            Err(error) => {
                self.tell_unreadable(&error, tell);
                // What was read before stays in use: a file may be away for a moment while another takes its place.
                return false;
            }
        };
        if self.read.as_ref() == Some(&stat) {
            // It may have been away meanwhile.
            self.told = self.told.filter(|told| !matches!(told, Fault::Unreadable(_)));
            self.tell_damage(tell);
            return false;
        }
        // A pipe would be waited for.
        match stat.kind {
            Kind::File => {}
            Kind::Directory => {
                self.tell_unreadable(&io::ErrorKind::IsADirectory.into(), tell);
                return false;
            }
            Kind::Link | Kind::Other => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no file");
                self.tell_unreadable(&error, tell);
                return false;
            }
        }
        let bytes = match disk.read_all(&self.path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.tell_unreadable(&error, tell);
                return false;
            }
        };
        self.read = Some(stat);
        match GeoTable::new(bytes) {
            Ok(table) => {
                self.told = None;
                self.tell_read(&table, now, tell);
                self.table = Some(Arc::new(table));
                true
            }
            Err(error) => {
                if self.told.replace(Fault::NoDatabase) != Some(Fault::NoDatabase) {
                    let path = self.path.display();
                    tell(Notice {
                        message: format!("cannot use {path}: {error}; {}", self.goes_on()),
                        hint: "fetch it again, a `City`, `Country` or `ASN` one; it is read when it has changed",
                    });
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

    fn tell_unreadable(&mut self, error: &io::Error, tell: Tell<'_>) {
        let fault = Fault::Unreadable(error.kind());
        if self.told.replace(fault) != Some(fault) {
            let path = self.path.display();
            tell(Notice {
                message: format!("cannot read {path}: {error}; {}", self.goes_on()),
                hint: "put it there, readable for the user that runs shipper; it is read by itself then",
            });
        }
    }

    fn tell_damage(&mut self, tell: Tell<'_>) {
        let is_damaged = self.table.as_ref().is_some_and(|table| table.is_damaged());
        if is_damaged && self.told.replace(Fault::Damaged) != Some(Fault::Damaged) {
            let path = self.path.display();
            tell(Notice {
                message: format!(
                    "parts of {path} are damaged: lines of addresses in them go on without it"
                ),
                hint: "fetch it again; it is read when it has changed",
            });
        }
    }

    fn tell_read(&mut self, table: &GeoTable, now: u64, tell: Tell<'_>) {
        let (path, kind) = (self.path.display(), table.kind());
        let age = now.saturating_sub(table.built());
        let days = age / (24 * 3600);
        info!("{path} is in use: {kind}, {days} days old");
        if OLD.as_secs() < age {
            self.told = Some(Fault::Old);
            tell(Notice {
                message: format!("{path} is {days} days old: addresses may have moved since"),
                hint: "have it fetched regularly, as with `geoipupdate`; it is read when it has changed",
            });
        }
    }
}
