//! Compressed files: whatever they hold, reading ends without a panic and within bounds; what was packed is what is read,
//! at every offset.

use super::input::Input;
use super::memory::OneFile;
use flate2::Compression;
use flate2::write::GzEncoder;
use shipper::disk::ReadFile;
use shipper::unpacked::{SKIPPED_AT_ONCE, Unpacked};
use std::io::{ErrorKind, Write};

/// Most bytes that one read of these tests unpacks to; deflate makes at most 1032 of one.
const RATIO_MAX: usize = 1040;

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    if input.bit() {
        check_any(input);
    } else {
        check_packed(input);
    }
}

/// Any bytes, behind the header of a member so that they are looked at, or as they stand.
fn check_any(mut input: Input<'_>) {
    let mut bytes = Vec::new();
    if input.bit() {
        bytes.extend_from_slice(b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
    }
    let sizes: [u8; 4] = input.array();
    bytes.extend_from_slice(input.0);
    let file = Unpacked::new(OneFile::of(&bytes));
    let (mut at, mut reads) = (0, 0);
    let most = (bytes.len() + 1) * RATIO_MAX;
    loop {
        let size = usize::from(sizes[reads % 4]) * 256 + 1;
        let mut buffer = vec![0; size];
        match file.read_at(&mut buffer, at) {
            Ok(0) | Err(_) => break,
            Ok(length) => at += length as u64,
        }
        reads += 1;
        assert!(at <= most as u64, "more than deflate can");
    }
    // A read far behind the end ends too.
    for _ in 0..=most / SKIPPED_AT_ONCE {
        match file.read_at(&mut [0; 10], u64::MAX / 2) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(length) => return assert_eq!(length, 0),
            Err(_) => return,
        }
    }
    panic!("it never came to the end");
}

fn check_packed(mut input: Input<'_>) {
    let mut content = Vec::new();
    let mut packed = Vec::new();
    for _ in 0..=input.byte() % 3 {
        let member = input.content(2 << 20);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(u32::from(input.byte() % 3)));
        encoder.write_all(&member).expect("memory takes all");
        packed.extend(encoder.finish().expect("memory takes all"));
        content.extend(member);
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
        assert!(buffer[..length] == *expected, "{size} bytes at {at}");
        if input.is_empty() {
            break;
        }
    }
}
