//! bzip2: blocks of up to 900,000 bytes, each checked by its CRC; a decoder takes up to 3.7 MiB.

use super::decoder::{Decode, Step, Taken, between, damaged, unpack_members};
use ::bzip2::{Decompress, Status};
use std::io::BufRead;

/// A decoder of bzip2 streams.
pub(super) struct Bzip2 {
    stream: Decompress,
    is_between: bool,
}

impl Bzip2 {
    pub(super) fn new() -> Self {
        Self { stream: Decompress::new(false), is_between: true }
    }
}

impl Decode for Bzip2 {
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step {
        let next = |stream: &mut Decompress| {
            if 0 < stream.total_in() {
                *stream = Decompress::new(false);
            }
        };
        let decoder = (&mut self.stream, &mut self.is_between);
        unpack_members(decoder, packed, bytes, next, |stream, input, bytes| {
            let (taken, given) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(input, bytes);
            Taken {
                packed: between(taken, stream.total_in()),
                length: between(given, stream.total_out()),
                ended: match status {
                    Ok(Status::MemNeeded) => Err(std::io::ErrorKind::OutOfMemory.into()),
                    Ok(status) => Ok(status == Status::StreamEnd),
                    Err(error) => Err(damaged(error)),
                },
            }
        })
    }
}
