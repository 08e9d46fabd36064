//! What compressed files say of the length of their content, for those that need not be unpacked.

use crate::disk::ReadFile;
use crate::packing::Format;
use std::io;

/// Tells whether a file of `size` bytes says of itself that it unpacks to `length` bytes. `false` where it does not
/// say it: bzip2 never does, and neither does zstd of a stream or xz of several.
///
/// # Errors
/// If it cannot be read, or ends earlier.
pub fn says_length(
    format: Format,
    file: &impl ReadFile,
    size: u64,
    length: u64,
) -> io::Result<bool> {
    match format {
        // The last four bytes, modulo 2^32.
        Format::Gzip if size < 18 => Ok(false),
        Format::Gzip => {
            let said = u32::from_le_bytes(at(file, size - 4)?);
            Ok(u64::from(said) == length & u64::from(u32::MAX))
        }
        Format::Zstd => Ok(frame_length(file, size)? == Some(length)),
        Format::Xz => Ok(index_length(file, size)? == Some(length)),
        Format::Bzip2 => Ok(false),
    }
}

/// Blocks of a zstd frame that are walked over; a file of more, about 1 GiB of content, is rather unpacked.
const BLOCKS_MAX: usize = 8 << 10;

/// Returns what the header of the only zstd frame says.
fn frame_length(file: &impl ReadFile, size: u64) -> io::Result<Option<u64>> {
    let [a, b, c, d, descriptor] = at(file, 0)?;
    if [a, b, c, d] != [0x28, 0xb5, 0x2f, 0xfd] {
        return Ok(None);
    }
    let is_single = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let from = 5 + u64::from(!is_single) + dictionary;
    let (said, width) = match descriptor >> 6 {
        0 if !is_single => return Ok(None),
        0 => (u64::from(at::<1>(file, from)?[0]), 1),
        1 => (u64::from(u16::from_le_bytes(at(file, from)?)) + 256, 2),
        2 => (u64::from(u32::from_le_bytes(at(file, from)?)), 4),
        _ => (u64::from_le_bytes(at(file, from)?), 8),
    };
    // Its blocks end where the file does: there is no other frame.
    let mut next = from + width;
    for _ in 0..BLOCKS_MAX {
        let [a, b, c] = at(file, next)?;
        let header = u32::from_le_bytes([a, b, c, 0]);
        let is_run = header >> 1 & 3 == 1;
        next += 3 + if is_run { 1 } else { u64::from(header >> 3) };
        if header & 1 == 1 {
            let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
            return Ok((next + checksum == size).then_some(said));
        }
    }
    Ok(None)
}

/// Returns what the index of the only xz stream says.
fn index_length(file: &impl ReadFile, size: u64) -> io::Result<Option<u64>> {
    /// Header and footer of a stream.
    const AROUND: u64 = 12;
    /// An index of more is of a file that is rather unpacked.
    const INDEX_BYTES_MAX: u64 = 64 << 10;
    let Some(footer) = size.checked_sub(AROUND) else { return Ok(None) };
    let [_, _, _, _, a, b, c, d, _, _, b'Y', b'Z'] = at(file, footer)? else { return Ok(None) };
    let index_bytes = (u64::from(u32::from_le_bytes([a, b, c, d])) + 1) * 4;
    let Some(from) = footer.checked_sub(index_bytes) else { return Ok(None) };
    if INDEX_BYTES_MAX < index_bytes {
        return Ok(None);
    }
    let mut index = vec![0; usize::try_from(index_bytes).expect("it is at most the bound")];
    read_all(file, &mut index, from)?;
    let Some((0, mut rest)) = index.split_first().map(|(first, rest)| (*first, rest)) else {
        return Ok(None);
    };
    let Some(records) = number(&mut rest) else { return Ok(None) };
    let (mut said, mut packed) = (0_u64, 0_u64);
    for _ in 0..records {
        let (Some(unpadded), Some(length)) = (number(&mut rest), number(&mut rest)) else {
            return Ok(None);
        };
        packed = packed.saturating_add(unpadded.saturating_add(3) & !3);
        said = said.saturating_add(length);
    }
    Ok((packed.saturating_add(AROUND) == from).then_some(said))
}

/// Takes a number of seven bits a byte.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn at<const N: usize>(file: &impl ReadFile, offset: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    read_all(file, &mut bytes, offset)?;
    Ok(bytes)
}

fn read_all(file: &impl ReadFile, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], offset + length as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
    }
    Ok(())
}
