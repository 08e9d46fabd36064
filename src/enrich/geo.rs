//! Where addresses are and whose network they are of, by databases in MaxMind's format, as Elasticsearch's `geoip`
//! processor writes it.
//!
//! The databases are held in memory as a whole, once for all inputs; whoever reads their files puts them in here, and
//! another in its place when a file has changed.

use super::parts::Parts;
use crate::event::{EventBuf, Field};
use crate::json_text::{push_string, push_u64};
use core::net::IpAddr;
use maxminddb::geoip2::{Asn, City};
use maxminddb::{MaxMindDbError, Reader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Why bytes are no database that can be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// They are not in MaxMind's format.
    #[error("it is no database in MaxMind's format, or damaged: {0}")]
    Format(#[from] MaxMindDbError),
    /// They say nothing of what is wanted.
    #[error("its type is `{0}`, which tells neither places nor networks")]
    Type(String),
}

/// What a database tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Places,
    Networks,
}

/// A database.
#[derive(Debug)]
pub struct GeoTable {
    reader: Reader<Vec<u8>>,
    tells: Tells,
    is_damaged: AtomicBool,
}

impl GeoTable {
    /// Makes one of a file's bytes.
    ///
    /// # Errors
    /// When they are no database, or one of another kind than `City`, `Country`, `Enterprise`, `ASN` or `ISP`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let reader = Reader::from_source(bytes)?;
        let kind = &reader.metadata().database_type;
        let is = |names: &[&str]| names.iter().any(|name| kind.contains(name));
        let tells = if is(&["City", "Country", "Enterprise"]) {
            Tells::Places
        } else if is(&["ASN", "ISP"]) {
            Tells::Networks
        } else {
            return Err(GeoError::Type(kind.clone()));
        };
        Ok(Self { reader, tells, is_damaged: AtomicBool::new(false) })
    }

    /// Returns when it was made, in seconds since 1970.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// Returns its type, as `GeoLite2-City`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// Tells whether something in it could not be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    fn add(&self, address: IpAddr, place: &mut Vec<u8>, network: &mut Vec<u8>) {
        let added = match self.tells {
            Tells::Places => self.add_place(address, place),
            Tells::Networks => self.add_network(address, network),
        };
        match added {
            // An IPv4 database knows no other addresses; that is no damage.
            Ok(()) | Err(MaxMindDbError::InvalidInput { .. }) => {}
            Err(_) => self.is_damaged.store(true, Ordering::Relaxed),
        }
    }

    fn add_place(&self, address: IpAddr, out: &mut Vec<u8>) -> Result<(), MaxMindDbError> {
        let Some(found) = self.reader.lookup(address)?.decode::<City<'_>>()? else { return Ok(()) };
        if !out.is_empty() {
            return Ok(());
        }
        let mut object = Object::new(out);
        object.text("continent_name", found.continent.names.english);
        object.text("country_name", found.country.names.english);
        object.text("country_iso_code", found.country.iso_code);
        if let Some(region) = found.subdivisions.last() {
            if let Some((country, code)) = found.country.iso_code.zip(region.iso_code) {
                object.text("region_iso_code", Some(&format!("{country}-{code}")));
            }
            object.text("region_name", region.names.english);
        }
        object.text("city_name", found.city.names.english);
        if let Some((latitude, longitude)) = found.location.latitude.zip(found.location.longitude)
            && (-90.0..=90.0).contains(&latitude)
            && (-180.0..=180.0).contains(&longitude)
        {
            let location = format!("{{\"lat\":{latitude},\"lon\":{longitude}}}");
            object.raw("location", location.as_bytes());
        }
        object.end();
        Ok(())
    }

    fn add_network(&self, address: IpAddr, out: &mut Vec<u8>) -> Result<(), MaxMindDbError> {
        let Some(found) = self.reader.lookup(address)?.decode::<Asn<'_>>()? else { return Ok(()) };
        if !out.is_empty() {
            return Ok(());
        }
        let mut object = Object::new(out);
        if let Some(number) = found.autonomous_system_number {
            let mut digits = Vec::new();
            push_u64(&mut digits, u64::from(number));
            object.raw("number", &digits);
        }
        if let Some(name) = found.autonomous_system_organization {
            let mut organization = b"{\"name\":".to_vec();
            push_string(&mut organization, name.as_bytes());
            organization.push(b'}');
            object.raw("organization", &organization);
        }
        object.end();
        Ok(())
    }
}

/// An object that is written; one without members leaves nothing.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.out.push(if self.out.is_empty() { b'{' } else { b',' });
        push_string(self.out, name.as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(json);
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let mut json = Vec::new();
        push_string(&mut json, value.as_bytes());
        self.raw(name, &json);
    }

    fn end(self) {
        if !self.out.is_empty() {
            self.out.push(b'}');
        }
    }
}

/// The databases of all inputs.
#[derive(Debug, Default)]
pub struct GeoTables {
    paths: Vec<PathBuf>,
    tables: RwLock<Vec<Option<Arc<GeoTable>>>>,
    changes: AtomicU64,
}

impl GeoTables {
    /// Makes room for databases; none is there yet.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut known: Vec<PathBuf> = Vec::new();
        for path in paths {
            if !known.contains(&path) {
                known.push(path);
            }
        }
        let tables = RwLock::new(vec![None; known.len()]);
        Self { paths: known, tables, changes: AtomicU64::new(1) }
    }

    /// Returns their files.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Puts another database in the place of a file's, or none.
    pub fn put(&self, path: &Path, table: Option<Arc<GeoTable>>) {
        let Some(number) = self.paths.iter().position(|known| known == path) else { return };
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables[number] = table;
        self.changes.fetch_add(1, Ordering::Release);
    }

    fn of(&self, paths: &[PathBuf]) -> Vec<Arc<GeoTable>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let numbers = paths.iter().filter_map(|path| self.paths.iter().position(|one| one == path));
        numbers.filter_map(|number| tables[number].clone()).collect()
    }
}

/// The databases of one input, as they are now.
#[derive(Debug, Clone)]
pub(super) struct Geo {
    all: Arc<GeoTables>,
    paths: Vec<PathBuf>,
    tables: Vec<Arc<GeoTable>>,
    change: u64,
}

impl Geo {
    pub(super) fn new(all: Arc<GeoTables>, paths: Vec<PathBuf>) -> Self {
        Self { all, paths, tables: Vec::new(), change: 0 }
    }

    /// Takes over what has changed; tells whether something has.
    pub(super) fn refresh(&mut self) -> bool {
        let change = self.all.changes.load(Ordering::Acquire);
        if change == self.change {
            return false;
        }
        self.change = change;
        self.tables = self.all.of(&self.paths);
        true
    }

    /// Finds what is known of an address.
    pub(super) fn find(&self, address: &[u8]) -> Location {
        let mut parts = Parts::default();
        let address = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
        let (mut place, mut network) = (Vec::new(), Vec::new());
        if let Some(address) = address {
            for table in &self.tables {
                table.add(address, &mut place, &mut network);
            }
        }
        parts.add(|out| out.extend_from_slice(&place));
        parts.add(|out| out.extend_from_slice(&network));
        Location(parts)
    }
}

/// What is known of an address.
#[derive(Debug, Clone)]
pub(super) struct Location(Parts<2>);

impl Location {
    #[inline]
    pub(super) fn set(&self, event: &mut EventBuf) {
        if !self.0.is_empty() {
            self.0.set(event, [Field::SourceGeo, Field::SourceAs]);
        }
    }
}
