//! Each format: whole, in several members, cut and damaged.

use super::*;
use crate::disk::{Disk, RealDisk, RealFile};
use lzma_rust2::{XzOptions, XzWriter};
use std::io::Write;
use tempfile::TempDir;

fn member(format: Format, content: &[u8]) -> Vec<u8> {
    match format {
        Format::Gzip => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Format::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(content, level)
        }
        Format::Bzip2 => {
            let level = ::bzip2::Compression::best();
            let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Format::Xz => {
            let options = XzOptions::with_preset(0);
            let mut encoder = XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn packed(format: Format, members: &[&[u8]]) -> Vec<u8> {
    members.iter().flat_map(|content| member(format, content)).collect()
}

fn opened(bytes: &[u8]) -> (TempDir, RealFile) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("packed");
    std::fs::write(&path, bytes).unwrap();
    let file = RealDisk.open(&path).unwrap();
    (directory, file)
}

fn unpacked(bytes: &[u8]) -> (TempDir, Unpacked<RealFile>) {
    let (directory, file) = opened(bytes);
    (directory, Unpacked::new(file))
}

/// Lines that do not repeat within a window.
fn content(bytes: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes + 40);
    let mut number = 0_u64;
    while content.len() < bytes {
        writeln!(content, "{number} {:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        number += 1;
    }
    content
}

fn read(file: &impl ReadFile, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// All that can be read, and how it ended.
fn read_all(bytes: &[u8]) -> (Vec<u8>, Option<io::ErrorKind>) {
    let (_directory, file) = unpacked(bytes);
    let (mut buffer, mut all) = (vec![0; 100_000], Vec::new());
    loop {
        match read(&file, &mut buffer, all.len() as u64) {
            Ok(0) => return (all, None),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) => {
                let again = read(&file, &mut buffer, all.len() as u64).unwrap_err();
                assert_eq!(again.kind(), error.kind(), "it stays as it is");
                return (all, Some(error.kind()));
            }
        }
    }
}

#[test]
fn reads_forwards_a_little_back_and_from_the_start_again() {
    let content = content(5 << 20);
    for format in Format::ALL {
        let (_directory, file) =
            unpacked(&packed(format, &[&content[..3_000_000], b"", &content[3_000_000..]]));
        let mut buffer = vec![0; 300_000];
        for offset in [0, 299_936, 100, 2_900_000, 2_700_000, 4_999_000, 0, 5_000_000] {
            let length = read(&file, &mut buffer, offset as u64).unwrap();
            let expected = &content[offset..content.len().min(offset + buffer.len())];
            assert!(buffer[..length] == *expected, "{format:?} at {offset}");
        }
        assert_eq!(read(&file, &mut buffer, content.len() as u64).unwrap(), 0);
        assert_eq!(read(&file, &mut buffer, content.len() as u64 + 1).unwrap(), 0);
    }
}

#[test]
fn a_far_offset_is_reached_in_several_calls_and_in_bounded_memory() {
    for format in Format::ALL {
        let content = content(3 * SKIPPED_AT_ONCE / format.slowness());
        let (_directory, file) = unpacked(&packed(format, &[&content]));
        let at = content.len() - 100;
        let mut buffer = [0; 1000];
        let mut calls = 1;
        let length = loop {
            match file.read_at(&mut buffer, at as u64) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => calls += 1,
                read => break read.unwrap(),
            }
        };
        assert_eq!((calls, &buffer[..length]), (3, &content[at..]), "{format:?}");
        assert_eq!(file.0.borrow().kept.capacity(), 2 * KEPT_BYTES + STEP_BYTES);
    }
}

#[test]
fn what_is_cut_anywhere_ends_too_early_and_gives_its_beginning() {
    let content = content(700);
    for format in Format::ALL {
        let first = member(format, &content[..500]);
        let whole = [&first[..], &member(format, &content[500..])].concat();
        assert_eq!(read_all(&whole), (content.clone(), None), "{format:?}");
        for cut in 0..whole.len() {
            let (all, end) = read_all(&whole[..cut]);
            assert!(content.starts_with(&all), "{format:?} cut at {cut}");
            if cut == first.len() {
                assert_eq!((all.len(), end), (500, None), "{format:?}: a whole member");
            } else {
                assert_eq!(end, Some(io::ErrorKind::UnexpectedEof), "{format:?} cut at {cut}");
                assert!(cut < first.len() || 500 <= all.len(), "{format:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn a_damaged_byte_is_told_or_changes_nothing() {
    let content = content(700);
    for format in Format::ALL {
        let first = member(format, &content[..500]);
        let whole = [&first[..], &member(format, &content[500..])].concat();
        let mut told = 0;
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x14;
            let (all, end) = read_all(&damaged);
            match end {
                None => assert!(all == content, "{format:?} at {at} of {}", whole.len()),
                Some(io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => told += 1,
                Some(other) => panic!("{format:?} at {at}: {other:?}"),
            }
            if first.len() <= at {
                assert!(all.starts_with(&content[..500]), "{format:?} at {at}");
            }
        }
        assert!(whole.len() * 8 / 10 < told, "{format:?}: {told} of {}", whole.len());
    }
}

#[test]
fn all_that_stands_before_damage_or_a_cut_is_given() {
    let content = content(5 << 20);
    for format in Format::ALL {
        let whole = packed(format, &[&content]);
        let half = whole.len() / 2;
        let mut damaged = whole.clone();
        damaged[half..half + 20].fill(0x55);
        // A bzip2 block is one piece of 900,000 bytes.
        let least = content.len() / 2 - if format == Format::Bzip2 { 900_000 } else { 150_000 };
        for bytes in [&damaged[..], &whole[..half]] {
            let (all, end) = read_all(bytes);
            assert!(end.is_some() && least < all.len(), "{format:?}: {} {end:?}", all.len());
            assert!(content[..least] == all[..least], "{format:?}");
            let (_directory, file) = unpacked(bytes);
            let file = Content::Damaged(Box::new(file));
            let mut buffer = [0; 10];
            assert_eq!(read(&file, &mut buffer, all.len() as u64 - 3).unwrap(), 3);
            assert_eq!(read(&file, &mut buffer, all.len() as u64).unwrap(), 0, "it ends there");
        }
    }
}

#[test]
fn the_length_is_said_where_one_member_says_it() {
    for bytes in [0, 1, 255, 256, 300, 70_000, 2 << 20] {
        let content = content(bytes);
        let length = content.len() as u64;
        for format in Format::ALL {
            let says = |packed: &[u8], length| {
                let (_directory, file) = opened(packed);
                says_length(format, &file, packed.len() as u64, length).unwrap_or(false)
            };
            let one = member(format, &content);
            let is_said = match format {
                Format::Bzip2 => false,
                // The library that packs here says it of nothing.
                Format::Zstd => false,
                Format::Gzip | Format::Xz => true,
            };
            assert_eq!(says(&one, length), is_said, "{format:?} {bytes}");
            assert!(!says(&one, length + 1), "{format:?} {bytes}");
            let two = [one.clone(), member(format, b"some more")].concat();
            assert!(!says(&two, length), "{format:?} {bytes}");
            assert!(!says(&one[..one.len() / 2], length), "{format:?} {bytes}");
        }
    }
}

/// A frame of zstd with raw blocks, as its format says.
fn frame(descriptor: u8, header: &[u8], blocks: &[&[u8]]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
    frame.extend(header);
    for (number, block) in blocks.iter().enumerate() {
        let is_last = u32::from(number + 1 == blocks.len());
        let head = u32::try_from(block.len()).unwrap() << 3 | is_last;
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

#[test]
fn zstd_frames_say_their_length_and_are_skipped_where_they_say_so() {
    let single = frame(0x20, &[8], &[b"four", b"five"]);
    let (_directory, file) = opened(&single);
    assert!(says_length(Format::Zstd, &file, single.len() as u64, 8).unwrap());
    assert!(!says_length(Format::Zstd, &file, single.len() as u64, 9).unwrap());
    let skipped = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
    let all = [&skipped[..], &single, skipped, &single].concat();
    assert_eq!(read_all(&all), (b"fourfivefourfive".to_vec(), None));
    assert_eq!(
        read_all(&all[..all.len() - single.len() - 1]),
        (b"fourfive".to_vec(), Some(io::ErrorKind::UnexpectedEof))
    );
}

#[test]
fn what_asks_for_more_memory_than_is_given_says_how_much() {
    // A window of 128 MiB, then one of 64 MiB.
    let large = frame(0, &[17 << 3], &[b"content"]);
    let (_directory, file) = unpacked(&large);
    let error = file.read_at(&mut [0; 10], 0).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            io::ErrorKind::InvalidData,
            "its window takes 128 MiB, more than the 64 MiB that are given to it"
        )
    );
    assert_eq!(read_all(&frame(0, &[16 << 3], &[b"content"])), (b"content".to_vec(), None));

    let mut options = XzOptions::with_preset(0);
    let packed = |size: u32| {
        options.lzma_options.dict_size = size;
        let mut encoder = XzWriter::new(Vec::new(), options.clone()).unwrap();
        encoder.write_all(b"content").unwrap();
        encoder.finish().unwrap()
    };
    let mut packed = packed;
    assert_eq!(read_all(&packed(64 << 20)), (b"content".to_vec(), None));
    let (_directory, file) = unpacked(&packed(96 << 20));
    let error = file.read_at(&mut [0; 10], 0).unwrap_err();
    assert!(error.to_string().starts_with("its window takes 97 MiB, more than the 64"), "{error}");
}

/// A file of which each read gives three bytes at most.
struct Drips(RealFile);

impl ReadFile for Drips {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = bytes.len().min(3);
        self.0.read_at(&mut bytes[..length], offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        self.0.is_unlinked()
    }
}

#[test]
fn reads_that_end_early_are_not_the_end() {
    for format in Format::ALL {
        for expected in [&b""[..], b"one\n"] {
            let (_directory, file) = opened(&member(format, expected));
            let (file, mut buffer) = (Unpacked::new(Drips(file)), [0; 10]);
            let length = read(&file, &mut buffer, 0).unwrap();
            assert_eq!(&buffer[..length], expected, "{format:?}");
        }
    }
}
