//! The beginning of a file, which is all that is looked at.

use super::super::trial::Opened;
use crate::hint::Advised;
use crate::settings::reading::EncodingSettings;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of a file that are looked at.
const SAMPLE_BYTES_MAX: usize = 16 << 20;

/// Bytes by which it is judged whether a file holds lines at all.
const JUDGED_BYTES: usize = 8 << 10;

/// The beginning of a file.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    pub(super) encoding: EncodingSettings,
    /// Why there is no more of it, where that is no end.
    pub(super) fault: Option<io::Error>,
    /// Whether the file is compressed.
    pub(super) is_packed: bool,
}

/// Reads the first lines of a file, or of standard input.
pub(super) fn sample(file: &Path, lines: u64) -> Result<Sample, Advised> {
    if is_stdin(file) {
        return Ok(read(&mut io::stdin().lock(), lines, false));
    }
    let mut opened = Opened::open(file)?;
    let is_packed = opened.is_packed();
    Ok(read(&mut opened, lines, is_packed))
}

/// Tells whether a name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(input: &mut dyn Read, lines: u64, is_packed: bool) -> Sample {
    let encoding = EncodingSettings::Utf8;
    let mut sample = Sample { bytes: Vec::new(), encoding, fault: None, is_packed };
    let mut piece = vec![0; 64 << 10];
    let mut read = 0;
    while read < lines && sample.bytes.len() < SAMPLE_BYTES_MAX {
        match input.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                read += memchr::memchr_iter(b'\n', &piece[..length]).count() as u64;
                sample.bytes.extend_from_slice(&piece[..length]);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) => {}
            Err(error) => {
                sample.fault = Some(error);
                break;
            }
        }
    }
    sample.encoding = encoding_of(&sample.bytes);
    let end = if lines <= read {
        let last = usize::try_from(lines - 1).unwrap_or(usize::MAX);
        memchr::memchr_iter(b'\n', &sample.bytes).nth(last)
    } else if SAMPLE_BYTES_MAX <= sample.bytes.len() {
        memchr::memrchr(b'\n', &sample.bytes)
    } else {
        None
    };
    if let Some(end) = end {
        // A line end of UTF-16 has two bytes.
        let is_wide = sample.encoding != EncodingSettings::Utf8;
        sample.bytes.truncate(if is_wide { (end + 1).next_multiple_of(2) } else { end + 1 });
    }
    sample
}

/// Tells UTF-16 by its byte order mark, or by the half of all bytes that is 0 where text is mostly Latin; all else may be
/// taken for UTF-8.
fn encoding_of(sample: &[u8]) -> EncodingSettings {
    let utf16 = |big_endian, mark_decides| EncodingSettings::Utf16 { big_endian, mark_decides };
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return utf16(sample[0] == 0xfe, true);
    }
    let sample = &sample[..sample.len().min(JUDGED_BYTES)];
    let zeros = |first: usize| sample.iter().skip(first).step_by(2).filter(|b| **b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let is_half = |many: usize, few: usize| sample.len() < 3 * many && 20 * few < many;
    match (is_half(even, odd), is_half(odd, even)) {
        (true, _) => utf16(true, false),
        (_, true) => utf16(false, false),
        _ => EncodingSettings::Utf8,
    }
}

/// Tells whether much of a file's beginning is no text. A hole that a truncation left is no part of it.
pub(super) fn is_binary(sample: &[u8]) -> bool {
    let text = sample.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &sample[start..]);
    let text = &text[..text.len().min(JUDGED_BYTES)];
    let is_odd = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x1b);
    text.is_empty() || text.len() < 20 * text.iter().filter(is_odd).count()
}
