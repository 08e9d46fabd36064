//! Compressed files: how they are told by their first bytes and by what compressing puts behind a name.

/// A format that is read on inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// What `bzip2` writes.
    Bzip2,
    /// What `xz` writes.
    Xz,
}

/// What an input reads of compressed files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Those that continue a log of which something was read.
    #[default]
    Continued,
    /// All.
    All,
    /// Those that continue a log, and all of one format.
    Only(Format),
    /// None.
    Never,
}

impl Compression {
    /// Tells whether a file is read that continues nothing.
    #[must_use]
    pub fn reads(self, format: Format) -> bool {
        self == Self::All || self == Self::Only(format)
    }

    /// Returns the word that the configuration has for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Continued => "",
            Self::All => "auto",
            Self::Only(format) => format.name(),
            Self::Never => "none",
        }
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];

    /// First bytes after which the format is known.
    pub const MAGIC_BYTES: usize = 10;

    /// Tells the format by a file's first bytes, [`Format::MAGIC_BYTES`] of them where there are so many.
    #[must_use]
    pub fn of(first: &[u8]) -> Option<Self> {
        /// Behind `BZh` and a digit: the first block, or the end of nothing.
        const BLOCK: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];
        match first {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A frame to be skipped: what packs in parallel begins so.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
                let rest = &rest[..rest.len().min(6)];
                BLOCK.iter().any(|block| block.starts_with(rest)).then_some(Self::Bzip2)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// Returns its name, which is that of the program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Returns what the program puts behind a name.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
            Self::Xz => ".xz",
        }
    }

    /// Returns how many times longer than gzip it takes to unpack a byte, about.
    #[must_use]
    pub fn slowness(self) -> usize {
        match self {
            Self::Gzip | Self::Zstd => 1,
            Self::Xz => 4,
            Self::Bzip2 => 16,
        }
    }
}

/// Returns a file's name without what compressing put behind it.
#[must_use]
pub fn without_ending(name: &[u8]) -> &[u8] {
    let mut endings = Format::ALL.iter().map(|format| format.ending().as_bytes());
    endings.find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes_alone() {
        for (first, format) in [
            (&b"\x1f\x8b\x08"[..], Some(Format::Gzip)),
            (b"\x28\xb5\x2f\xfd", Some(Format::Zstd)),
            (b"\x50\x2a\x4d\x18\x04\0\0\0", Some(Format::Zstd)),
            (b"BZh91AY&SY\x12", Some(Format::Bzip2)),
            (b"BZh9\x17\x72\x45\x38\x50\x90", Some(Format::Bzip2)),
            (b"BZh91A", Some(Format::Bzip2)),
            (b"BZh9 is a line\n", None),
            (b"BZh01AY&SY", None),
            (b"\xfd7zXZ\0\0", Some(Format::Xz)),
            (b"\xfd7zXZ", None),
            (b"10.0.0.1 - - [", None),
            (b"", None),
        ] {
            assert_eq!(Format::of(first), format, "{first:?}");
        }
    }

    #[test]
    fn endings_are_taken_away_once() {
        for (name, left) in [
            (&b"access.log.2.gz"[..], &b"access.log.2"[..]),
            (b"access.log.2.zst", b"access.log.2"),
            (b"access.log.2.bz2", b"access.log.2"),
            (b"access.log.2.xz", b"access.log.2"),
            (b"access.log.zip", b"access.log.zip"),
            (b"a.xz.gz", b"a.xz"),
        ] {
            assert_eq!(without_ending(name), left);
        }
    }
}
