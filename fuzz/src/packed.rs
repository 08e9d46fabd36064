//! The other formats of compressed files: whatever they hold, reading ends without a panic and within bounds, and the same
//! bytes are read whatever the reads are; what was packed is what is read, and all of it before a place where it was cut.

use super::input::Input;
use super::memory::OneFile;
use shipper::disk::ReadFile;
use shipper::unpacked::Unpacked;
use std::io::{ErrorKind, Write};

/// Most that is read of any bytes: some formats make a great deal of little.
const READ_BYTES_MAX: usize = 4 << 20;

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let format = Packer::ALL[usize::from(input.byte()) % 3];
    if input.bit() {
        check_any(input, format);
    } else {
        check_packed(input, format);
    }
}

#[derive(Debug, Clone, Copy)]
enum Packer {
    Zstd,
    Bzip2,
    Xz,
}

impl Packer {
    const ALL: [Self; 3] = [Self::Zstd, Self::Bzip2, Self::Xz];

    fn begin(self) -> &'static [u8] {
        match self {
            Self::Zstd => b"\x28\xb5\x2f\xfd",
            Self::Bzip2 => b"BZh91AY&SY",
            Self::Xz => b"\xfd7zXZ\0",
        }
    }

    fn pack(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(content, level)
            }
            Self::Bzip2 => {
                let level = bzip2::Compression::fast();
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
                encoder.write_all(content).expect("memory takes all");
                encoder.finish().expect("memory takes all")
            }
            Self::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(0);
                let encoder = lzma_rust2::XzWriter::new(Vec::new(), options);
                let mut encoder = encoder.expect("the preset is one");
                encoder.write_all(content).expect("memory takes all");
                encoder.finish().expect("memory takes all")
            }
        }
    }
}

/// Any bytes, behind the beginning of a format so that they are looked at, or as they stand; or a packed text of which some
/// bytes were changed.
fn check_any(mut input: Input<'_>, format: Packer) {
    let sizes: [u8; 4] = input.array();
    let how = input.byte();
    let mut bytes = match how % 3 {
        0 => [format.begin(), input.0].concat(),
        1 => input.0.to_vec(),
        _ => {
            let mut packed = format.pack(&input.content(64 << 10));
            for _ in 0..=input.byte() % 4 {
                let at = input.upto(packed.len() as u64 - 1) as usize;
                packed[at] ^= input.byte();
            }
            packed
        }
    };
    if how & 0x80 != 0 {
        let twice = bytes.clone();
        bytes.extend(twice);
    }
    let sizes = sizes.map(|size| usize::from(size) * 256 + 1);
    let one = read_all(&bytes, &sizes);
    let other = read_all(&bytes, &[READ_BYTES_MAX]);
    let both = one.0.len().min(other.0.len());
    assert!(one.0[..both] == other.0[..both], "the content does not depend on the reads");
    if one.0.len() < READ_BYTES_MAX && other.0.len() < READ_BYTES_MAX {
        assert_eq!((one.0.len(), one.1), (other.0.len(), other.1), "nor does its end");
    }
}

/// Reads forwards by those sizes in turn; returns the content and what ended it.
fn read_all(bytes: &[u8], sizes: &[usize]) -> (Vec<u8>, Option<ErrorKind>) {
    let file = Unpacked::new(OneFile::of(bytes));
    let mut content = Vec::new();
    let mut reads = 0;
    while content.len() < READ_BYTES_MAX {
        let mut buffer = vec![0; sizes[reads % sizes.len()]];
        reads += 1;
        match file.read_at(&mut buffer, content.len() as u64) {
            Ok(0) => return (content, None),
            Ok(length) => content.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return (content, Some(error.kind())),
        }
    }
    (content, None)
}

fn check_packed(mut input: Input<'_>, format: Packer) {
    let mut content = Vec::new();
    let mut packed = Vec::new();
    for _ in 0..=input.byte() % 3 {
        let member = input.content(1 << 20);
        packed.extend(format.pack(&member));
        content.extend(member);
    }
    let cut = if input.bit() { input.upto(packed.len() as u64) as usize } else { packed.len() };
    if cut < packed.len() {
        let (read, _) = read_all(&packed[..cut], &[100_000]);
        return assert!(content.starts_with(&read), "what is read before the cut was packed");
    }
    let file = Unpacked::new(OneFile::of(&packed));
    let mut buffer = vec![0; 300_000];
    for _ in 0..8 {
        let at = input.upto(content.len() as u64 + 1) as usize;
        let size = input.upto(buffer.len() as u64) as usize;
        let length = loop {
            match file.read_at(&mut buffer[..size], at as u64) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => break read.expect("it is whole"),
            }
        };
        let expected = content.get(at..).unwrap_or_default();
        let expected = &expected[..expected.len().min(size)];
        assert!(buffer[..length] == *expected, "{format:?}: {size} bytes at {at}");
        if input.is_empty() {
            break;
        }
    }
}
