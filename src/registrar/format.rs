//! The journal's format: one line a record, each with a checksum. Pure.
//!
//! ```text
//! 5f0c2a91 {"shipper":"registry","version":2,"machine":"0c1d…"}
//! 9a3b11e0 {"entry":{"epoch":"AbC…","path":"/var/log/nginx/access.log", …}}
//! 77e00c1d {"at":{"epoch":"AbC…","committed":4096,"proof":[1,2], …}}
//! ```
//!
//! The checksum is CRC-32 (ISO-HDLC) of the text behind the blank, in eight hexadecimal digits. Text, so that a person
//! can read it in an emergency; a line, so that damage stays where it is. A file is a header, entries (a snapshot), and
//! whatever happened since. A version is refused when it is later than [`VERSION`]; an earlier one is read and then written
//! anew. The header has the account of the entries that were gone when the snapshot was written; that of the others is what
//! they had when they went.
//!
//! Format 2 keeps, with each settled interval, the running checksum that its own goes on from. In format 1 that is the one of
//! all bytes before it, because files were read from the front to the end.

use crate::account::Account;
use crate::ledger::{Entry, Interval, Prefix};
use crate::position::{Epoch, Inode, Point, Proof};
use crate::trail::Trail;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use thin_vec::ThinVec;

/// Version of the format that is written.
pub const VERSION: u32 = 2;

/// A path: text, or bytes where it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum PathText {
    Text(String),
    Bytes(Vec<u8>),
}

impl PathText {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_vec()),
        }
    }

    fn path(&self) -> Arc<Path> {
        match self {
            Self::Text(text) => Path::new(text).into(),
            Self::Bytes(bytes) => Path::new(OsStr::from_bytes(bytes)).into(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    shipper: String,
    version: u32,
    machine: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    forgotten: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Entry(EntryLine),
    At(AtLine),
    Seen(SeenLine),
    Ended(String),
    Gone(String),
    Cut(CutLine),
    Left(LeftLine),
}

#[derive(Debug, Serialize, Deserialize)]
struct EntryLine {
    epoch: String,
    path: PathText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<PathText>,
    #[serde(default, skip_serializing_if = "is_zero")]
    reader: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    owner: u32,
    inode: (u64, u64, u64),
    prefix: (u16, u64),
    #[serde(default, skip_serializing_if = "is_zero")]
    lines: [u32; 3],
    #[serde(default, skip_serializing_if = "is_zero")]
    base: u64,
    committed: u64,
    proof: (u64, u64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<IntervalLine>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<u64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    left: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Vec<u64>>,
}

/// Start, end, hash of the bytes before the end, checksum there, and at the start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum IntervalLine {
    Rebased(u64, u64, u64, u64, u64),
    OfFormat1(u64, u64, u64, u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct AtLine {
    epoch: String,
    committed: u64,
    proof: (u64, u64),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beyond: Vec<IntervalLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Vec<u64>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SeenLine {
    epoch: String,
    name: PathText,
    inode: (u64, u64, u64),
    prefix: (u16, u64),
    #[serde(default, skip_serializing_if = "is_zero")]
    lines: [u32; 3],
    ended: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    owner: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    left: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct CutLine {
    epoch: String,
    at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct LeftLine {
    epoch: String,
    size: u64,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// Appends the first line of a file; `forgotten` is the account of entries that are no more.
pub fn push_header(out: &mut Vec<u8>, machine: &str, forgotten: &Account) {
    let header = Header {
        shipper: "registry".to_owned(),
        version: VERSION,
        machine: machine.to_owned(),
        forgotten: columns(forgotten),
    };
    push_line(out, &header);
}

/// Appends a whole entry.
pub fn push_entry(out: &mut Vec<u8>, entry: &Entry) {
    let line = EntryLine {
        epoch: entry.epoch.to_string(),
        path: PathText::of(&entry.path),
        name: (entry.name != entry.path).then(|| PathText::of(&entry.name)),
        reader: entry.reader,
        owner: entry.owner,
        inode: inode_of(entry.inode),
        prefix: (entry.prefix.length, entry.prefix.hash),
        lines: entry.prefix.lines,
        base: entry.base,
        committed: entry.committed,
        proof: (entry.proof.tail, entry.proof.running),
        earlier: points(entry.earlier.points()),
        beyond: intervals(&entry.kept_beyond()),
        ended: entry.ended,
        cuts: entry.cuts.to_vec(),
        left: entry.left,
        account: Some(columns(&entry.kept_account())),
    };
    push_line(out, &Line::Entry(line));
}

/// Appends how far an entry is settled.
pub fn push_position(out: &mut Vec<u8>, entry: &Entry) {
    let line = AtLine {
        epoch: entry.epoch.to_string(),
        committed: entry.committed,
        proof: (entry.proof.tail, entry.proof.running),
        earlier: points(entry.earlier.points()),
        beyond: intervals(&entry.kept_beyond()),
        account: Some(columns(&entry.kept_account())),
    };
    push_line(out, &Line::At(line));
}

/// Appends under which name and inode an entry was seen.
pub fn push_seen(out: &mut Vec<u8>, entry: &Entry) {
    let line = SeenLine {
        epoch: entry.epoch.to_string(),
        name: PathText::of(&entry.name),
        inode: inode_of(entry.inode),
        prefix: (entry.prefix.length, entry.prefix.hash),
        lines: entry.prefix.lines,
        ended: entry.ended,
        owner: entry.owner,
        left: entry.left,
    };
    push_line(out, &Line::Seen(line));
}

/// Appends that an entry's inode was truncated or replaced.
pub fn push_ended(out: &mut Vec<u8>, epoch: Epoch) {
    push_line(out, &Line::Ended(epoch.to_string()));
}

/// Appends that an event ends at an offset.
pub fn push_cut(out: &mut Vec<u8>, epoch: Epoch, at: u64) {
    push_line(out, &Line::Cut(CutLine { epoch: epoch.to_string(), at }));
}

/// Appends that a file was removed when it had so many bytes.
pub fn push_left(out: &mut Vec<u8>, epoch: Epoch, size: u64) {
    push_line(out, &Line::Left(LeftLine { epoch: epoch.to_string(), size }));
}

/// Appends that an entry is no more; its account is the one that was appended last.
pub fn push_gone(out: &mut Vec<u8>, epoch: Epoch) {
    push_line(out, &Line::Gone(epoch.to_string()));
}

fn push_line(out: &mut Vec<u8>, line: &impl Serialize) {
    let text = serde_json::to_vec(line).expect("records have string keys and no floats");
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(&text)).as_bytes());
    out.extend_from_slice(&text);
    out.push(b'\n');
}

/// Returns the columns of an account up to the last one that is not empty.
fn columns(account: &Account) -> Vec<u64> {
    let columns = account.columns();
    let count = columns.iter().rposition(|bytes| *bytes != 0).map_or(0, |last| last + 1);
    columns[..count].to_vec()
}

fn inode_of(inode: Inode) -> (u64, u64, u64) {
    (inode.device, inode.number, inode.birth)
}

fn points(points: &[Point]) -> Vec<(u64, u64)> {
    points.iter().map(|point| (point.offset, point.running)).collect()
}

fn intervals(intervals: &[Interval]) -> Vec<IntervalLine> {
    let line = |interval: &Interval| {
        let Interval { start, end, before, proof: Proof { tail, running } } = *interval;
        match before {
            Some(before) => IntervalLine::Rebased(start, end, tail, running, before),
            None => IntervalLine::OfFormat1(start, end, tail, running),
        }
    };
    intervals.iter().map(line).collect()
}

/// A line whose checksum does not hold, or that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its number, from 1.
    pub line: usize,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The machine that wrote it; empty when its header is damaged.
    pub machine: String,
    /// Version of its format; 0 when its header is damaged.
    pub version: u32,
    /// The entries by epoch.
    pub entries: BTreeMap<Epoch, Entry>,
    /// The account of entries that are no more.
    pub forgotten: Account,
    /// Lines, whole or not.
    pub lines: usize,
    /// Damaged lines in the middle.
    pub damage: Vec<Damage>,
    /// Length of what is whole; a torn last line stands behind it.
    pub whole_bytes: usize,
    /// Bytes of the torn last line.
    pub torn_bytes: usize,
}

impl Decoded {
    /// Tells whether nothing at all could be read: not a line is whole.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.whole_bytes == 0
    }

    /// Returns about how many bytes a new file with the same entries would have; up to half of them where many records are
    /// short.
    #[must_use]
    pub fn snapshot_bytes(&self) -> u64 {
        let (whole, lines) = (self.whole_bytes as u64, self.lines as u64);
        whole * (self.entries.len() as u64 + 1) / lines.max(1)
    }
}

/// A file that a later version wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("format version {0} is later than {VERSION}, which this version of shipper reads")]
pub struct LaterVersion(pub u32);

/// Reads a file; whatever has a good checksum is kept.
///
/// # Errors
/// When a later version wrote it: then nothing of it is to be touched.
pub fn decode(bytes: &[u8]) -> Result<Decoded, LaterVersion> {
    let mut decoded = Decoded::default();
    let mut at = 0;
    let mut number = 0;
    while at < bytes.len() {
        number += 1;
        let end = memchr::memchr(b'\n', &bytes[at..]).map(|length| at + length);
        let line = &bytes[at..end.unwrap_or(bytes.len())];
        let good = end.and_then(|_| checked(line));
        let taken = match good {
            Some(text) if number == 1 => take_header(text, &mut decoded)?,
            Some(text) => take_line(text, &mut decoded),
            None => false,
        };
        match end {
            // A last line that is cut off, or whose blocks never reached the disk.
            None => decoded.torn_bytes = bytes.len() - at,
            Some(end) if !taken && end + 1 == bytes.len() => decoded.torn_bytes = end + 1 - at,
            Some(_) if !taken => {
                decoded.damage.push(Damage { line: number, bytes: line.to_vec() });
            }
            Some(_) => {}
        }
        at = end.map_or(bytes.len(), |end| end + 1);
    }
    decoded.whole_bytes = bytes.len() - decoded.torn_bytes;
    decoded.lines = number;
    Ok(decoded)
}

fn checked(line: &[u8]) -> Option<&[u8]> {
    let (sum, text) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (line[8] == b' ' && sum == crc32fast::hash(text)).then_some(text)
}

fn take_header(text: &[u8], decoded: &mut Decoded) -> Result<bool, LaterVersion> {
    let Ok(header) = serde_json::from_slice::<Header>(text) else { return Ok(false) };
    if VERSION < header.version {
        return Err(LaterVersion(header.version));
    }
    (decoded.machine, decoded.version) = (header.machine, header.version);
    decoded.forgotten = Account::of(&header.forgotten);
    Ok(true)
}

/// Applies a record; `false` when it means nothing. What speaks of an entry that is gone changes nothing.
fn take_line(text: &[u8], decoded: &mut Decoded) -> bool {
    let Ok(line) = serde_json::from_slice::<Line>(text) else { return false };
    let entries = &mut decoded.entries;
    match line {
        Line::Entry(line) => match entry_of(&line) {
            Some(entry) => drop(entries.insert(entry.epoch, entry)),
            None => return false,
        },
        Line::At(line) => {
            let Some(epoch) = Epoch::from_text(&line.epoch) else { return false };
            if let Some(entry) = entries.get_mut(&epoch) {
                entry.committed = line.committed;
                entry.proof = Proof { tail: line.proof.0, running: line.proof.1 };
                entry.earlier = trail_of(&line.earlier);
                entry.beyond = intervals_of(&line.beyond);
                entry.account = account_of(line.account.as_deref(), entry);
                entry.cuts.retain(|cut| line.committed < *cut);
            }
        }
        Line::Cut(line) => {
            let Some(epoch) = Epoch::from_text(&line.epoch) else { return false };
            if let Some(entry) = entries.get_mut(&epoch)
                && entry.committed < line.at
                && let Err(place) = entry.cuts.binary_search(&line.at)
            {
                entry.cuts.insert(place, line.at);
            }
        }
        Line::Seen(line) => {
            let Some(epoch) = Epoch::from_text(&line.epoch) else { return false };
            if let Some(entry) = entries.get_mut(&epoch) {
                entry.name = line.name.path();
                entry.inode = to_inode(line.inode);
                entry.prefix = prefix_of(line.prefix, line.lines);
                entry.ended = line.ended;
                entry.owner = line.owner;
                entry.left = line.left;
            }
        }
        Line::Left(line) => {
            let Some(epoch) = Epoch::from_text(&line.epoch) else { return false };
            if let Some(entry) = entries.get_mut(&epoch) {
                entry.left = line.size;
            }
        }
        Line::Ended(epoch) => {
            let Some(epoch) = Epoch::from_text(&epoch) else { return false };
            if let Some(entry) = entries.get_mut(&epoch) {
                entry.ended = true;
            }
        }
        Line::Gone(epoch) => {
            let Some(epoch) = Epoch::from_text(&epoch) else { return false };
            if let Some(entry) = entries.remove(&epoch) {
                decoded.forgotten.add_all(&entry.kept_account());
            }
        }
    }
    true
}

fn entry_of(line: &EntryLine) -> Option<Entry> {
    let path = line.path.path();
    let mut entry = Entry {
        epoch: Epoch::from_text(&line.epoch)?,
        name: line.name.as_ref().map_or_else(|| Arc::clone(&path), PathText::path),
        path,
        reader: line.reader,
        owner: line.owner,
        inode: to_inode(line.inode),
        prefix: prefix_of(line.prefix, line.lines),
        base: line.base,
        committed: line.committed,
        proof: Proof { tail: line.proof.0, running: line.proof.1 },
        earlier: trail_of(&line.earlier),
        beyond: intervals_of(&line.beyond),
        ended: line.ended,
        cuts: ThinVec::from(&line.cuts[..]),
        left: line.left,
        account: Account::default(),
    };
    entry.account = account_of(line.account.as_deref(), &entry);
    Some(entry)
}

/// Returns the account that a record has; without one nobody knows how what is settled came to its end.
fn account_of(columns: Option<&[u64]>, entry: &Entry) -> Account {
    columns.map_or_else(|| Account::unknown(entry.settled_bytes()), Account::of)
}

fn to_inode((device, number, birth): (u64, u64, u64)) -> Inode {
    Inode { device, number, birth }
}

fn prefix_of((length, hash): (u16, u64), lines: [u32; 3]) -> Prefix {
    Prefix { length, lines, hash }
}

fn trail_of(points: &[(u64, u64)]) -> Trail {
    let point = |(offset, running): &(u64, u64)| Point { offset: *offset, running: *running };
    Trail::of(&points.iter().map(point).collect::<Vec<_>>())
}

fn intervals_of(intervals: &[IntervalLine]) -> ThinVec<Interval> {
    let interval = |line: &IntervalLine| match *line {
        IntervalLine::Rebased(start, end, tail, running, before) => {
            Interval { start, end, before: Some(before), proof: Proof { tail, running } }
        }
        IntervalLine::OfFormat1(start, end, tail, running) => {
            Interval { start, end, before: None, proof: Proof { tail, running } }
        }
    };
    intervals.iter().map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use thin_vec::thin_vec;

    fn entry(number: u8, committed: u64) -> Entry {
        let path: Arc<Path> = Path::new(OsStr::from_bytes(&[b'/', b'a', number])).into();
        Entry {
            epoch: Epoch::from_random([number; 12]),
            name: if number.is_multiple_of(2) { Arc::clone(&path) } else { Path::new("/b").into() },
            path,
            reader: number % 3,
            owner: u32::from(number) % 4,
            inode: Inode { device: 1, number: u64::from(number), birth: u64::MAX },
            prefix: Prefix { length: 1024, lines: [1, u32::MAX, 0], hash: u64::MAX - 1 },
            base: 7,
            committed,
            proof: Proof { tail: 3, running: u64::MAX },
            earlier: Trail::of(&[Point { offset: 1, running: 2 }]),
            beyond: thin_vec![Interval {
                start: 5,
                end: 6,
                before: (!number.is_multiple_of(3)).then_some(4),
                proof: Proof { tail: 8, running: 9 },
            }],
            cuts: thin_vec![77, 90],
            ended: number.is_multiple_of(5),
            left: u64::from(number % 3) * 100,
            account: Account::of(&[committed, 0, 1]),
        }
    }

    fn journal(count: u8) -> (Vec<u8>, BTreeMap<Epoch, Entry>) {
        let mut bytes = Vec::new();
        push_header(&mut bytes, "machine", &Account::of(&[0, 1, 0, 3]));
        let mut entries = BTreeMap::new();
        for number in 0..count {
            let entry = entry(number.wrapping_mul(37), u64::from(number));
            push_entry(&mut bytes, &entry);
            entries.insert(entry.epoch, entry);
        }
        (bytes, entries)
    }

    #[test]
    fn journal_is_read_back() {
        let (mut bytes, mut entries) = journal(20);
        let first = *entries.keys().next().unwrap();
        let moved = entries.get_mut(&first).unwrap();
        (moved.committed, moved.beyond) = (999, ThinVec::new());
        moved.name = Path::new("/elsewhere").into();
        moved.ended = true;
        // Of the cuts only those behind the offset are kept; a new one may come in any order.
        moved.cuts = thin_vec![1000, 2000];
        push_position(&mut bytes, moved);
        push_seen(&mut bytes, moved);
        for at in [2000, 998, 1000, 2000] {
            push_cut(&mut bytes, first, at);
        }
        let last = *entries.keys().last().unwrap();
        push_ended(&mut bytes, last);
        push_gone(&mut bytes, last);
        // What is gone is gone once.
        push_gone(&mut bytes, last);
        let mut forgotten = Account::of(&[0, 1, 0, 3]);
        forgotten.add_all(&entries.remove(&last).unwrap().account);
        let decoded = decode(&bytes).unwrap();
        assert_eq!((decoded.entries, decoded.forgotten), (entries, forgotten));
        assert_eq!(decoded.machine, "machine");
        assert_eq!((decoded.damage.len(), decoded.torn_bytes), (0, 0));
    }

    #[test]
    fn later_version_is_refused() {
        let mut bytes = Vec::new();
        let header = Header {
            shipper: "registry".into(),
            version: VERSION + 1,
            machine: String::new(),
            forgotten: Vec::new(),
        };
        push_line(&mut bytes, &header);
        assert_eq!(decode(&bytes), Err(LaterVersion(VERSION + 1)));
    }

    proptest! {
        /// For every cut, what stands whole before it is read, and the rest is one torn line.
        #[test]
        fn property_cut_loses_only_what_is_behind_it(count in 1_u8..6, cut in 0_usize..2000) {
            let (bytes, _) = journal(count);
            let cut = cut.min(bytes.len());
            let decoded = decode(&bytes[..cut]).unwrap();
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(decoded.entries.len(), whole.saturating_sub(1));
            prop_assert_eq!(decoded.damage.len(), 0);
        }

        /// For every changed byte, every other record is read.
        #[test]
        fn property_damage_stays_where_it_is(count in 2_u8..6, at in 0_usize..2000, change in 1_u8..255) {
            let (mut bytes, entries) = journal(count);
            let at = at % bytes.len();
            bytes[at] ^= change;
            if let Ok(decoded) = decode(&bytes) {
                prop_assert!(entries.len() - 2 <= decoded.entries.len());
                for (epoch, entry) in &decoded.entries {
                    prop_assert_eq!(Some(entry), entries.get(epoch));
                }
            }
        }

        /// For every bytes, reading never panics.
        #[test]
        fn property_reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
