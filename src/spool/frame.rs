//! How records stand in a segment, so that each proves itself, and damage ends at the next record.

use serde::de::IgnoredAny;
use std::ops::Range;

/// How records stand in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each record is a JSON object on a line of its own; its checksum (CRC-32 of what follows) is written in front of
    /// its members, as `"crc32":"89abcdef"`. An object without one counts as well: a person may have written it.
    Lines,
    /// Each record is any bytes, after a header of 16: four known ones, the length, the checksum of the bytes and that
    /// of the header (CRC-32), numbers in little-endian order.
    Blocks,
}

/// What stands in front of a line's members: the checksum's eight digits in the middle.
const BEFORE: &[u8] = b"{\"crc32\":\"";
const AFTER: &[u8] = b"\",";
const PREFIX_BYTES: usize = BEFORE.len() + 8 + AFTER.len();

/// What a block begins with.
const MAGIC: [u8; 4] = [0xF5, b'S', b'P', b'L'];
const HEADER_BYTES: usize = 16;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A record; where it is, and where the next one begins.
    Record { record: Range<usize>, next: usize },
    /// Damage, up to there.
    Damaged { next: usize },
    /// The beginning of something that is at least that long.
    More { bytes: usize },
}

impl Framing {
    /// Returns what names of segments end with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Lines => "ndjson",
            Self::Blocks => "blocks",
        }
    }

    /// Appends a record. Of [`Framing::Lines`] it must be a JSON object with members and without line ends.
    pub fn encode(self, out: &mut Vec<u8>, record: &[u8]) {
        match self {
            Self::Lines => {
                let members = record.strip_prefix(b"{").expect("a record is a JSON object");
                debug_assert!(!members.contains(&b'\n'), "a record is one line");
                out.extend_from_slice(BEFORE);
                out.extend_from_slice(format!("{:08x}", crc32fast::hash(members)).as_bytes());
                out.extend_from_slice(AFTER);
                out.extend_from_slice(members);
                out.push(b'\n');
            }
            Self::Blocks => {
                let length = u32::try_from(record.len()).expect("a record is at most 66 MiB");
                let header = out.len();
                out.extend_from_slice(&MAGIC);
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(&crc32fast::hash(record).to_le_bytes());
                let checksum = crc32fast::hash(&out[header..]);
                out.extend_from_slice(&checksum.to_le_bytes());
                out.extend_from_slice(record);
            }
        }
    }

    /// Reads what stands at the beginning of `bytes`. The comma before the members of a line becomes a brace, so that
    /// the record is an object again.
    pub(super) fn decode(self, bytes: &mut [u8]) -> Decoded {
        match self {
            Self::Lines => decode_line(bytes),
            Self::Blocks => decode_block(bytes),
        }
    }
}

fn decode_line(bytes: &mut [u8]) -> Decoded {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return Decoded::More { bytes: bytes.len() + 1 };
    };
    let next = end + 1;
    let line = &mut bytes[..end];
    if !line.starts_with(BEFORE) || line.len() <= PREFIX_BYTES {
        let whole = line.starts_with(b"{")
            && !has_another_name(line)
            && serde_json::from_slice::<IgnoredAny>(line).is_ok();
        return if whole {
            Decoded::Record { record: 0..end, next }
        } else {
            Decoded::Damaged { next }
        };
    }
    let digits = std::str::from_utf8(&line[BEFORE.len()..BEFORE.len() + 8]).ok();
    let checksum = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    if checksum != Some(crc32fast::hash(&line[PREFIX_BYTES..])) {
        return Decoded::Damaged { next };
    }
    line[PREFIX_BYTES - 1] = b'{';
    Decoded::Record { record: PREFIX_BYTES - 1..end, next }
}

/// Tells whether a line begins as with a checksum, but for its name, which is damaged.
fn has_another_name(line: &[u8]) -> bool {
    line.first_chunk::<PREFIX_BYTES>().is_some_and(|prefix| {
        prefix[7..BEFORE.len()] == BEFORE[7..]
            && prefix.ends_with(AFTER)
            && prefix[BEFORE.len()..BEFORE.len() + 8].iter().all(u8::is_ascii_hexdigit)
    })
}

fn decode_block(bytes: &[u8]) -> Decoded {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Decoded::More { bytes: HEADER_BYTES };
    };
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = number(4) as usize;
    let good = header.starts_with(&MAGIC)
        && number(12) == crc32fast::hash(&header[..12])
        && length <= super::RECORD_BYTES_MAX;
    if !good {
        // The next record begins with what records begin with; the last bytes may be the beginning of that.
        let found = memchr::memmem::find(&bytes[1..], &MAGIC).map(|at| at + 1);
        return Decoded::Damaged { next: found.unwrap_or(bytes.len() - MAGIC.len() + 1) };
    }
    let next = HEADER_BYTES + length;
    match bytes.get(HEADER_BYTES..next) {
        None => Decoded::More { bytes: next },
        Some(record) if crc32fast::hash(record) == number(8) => {
            Decoded::Record { record: HEADER_BYTES..next, next }
        }
        Some(_) => Decoded::Damaged { next },
    }
}
