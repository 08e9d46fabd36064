//! gzip (RFC 1952): checked by length and CRC at the end of each member.

use super::decoder::{Decode, Step, Taken, between, damaged, unpack_members};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::BufRead;

/// Binary logarithm of the largest window that there is.
const WINDOW_BITS: u8 = 15;

/// A decoder of gzip members.
pub(super) struct Gzip {
    member: Decompress,
    is_between: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { member: Decompress::new_gzip(WINDOW_BITS), is_between: true }
    }
}

impl Decode for Gzip {
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step {
        let next = |member: &mut Decompress| {
            if 0 < member.total_in() {
                *member = Decompress::new_gzip(WINDOW_BITS);
            }
        };
        let decoder = (&mut self.member, &mut self.is_between);
        unpack_members(decoder, packed, bytes, next, |member, input, bytes| {
            let (taken, given) = (member.total_in(), member.total_out());
            let status = member.decompress(input, bytes, FlushDecompress::None);
            Taken {
                packed: between(taken, member.total_in()),
                length: between(given, member.total_out()),
                ended: status.map(|status| status == Status::StreamEnd).map_err(damaged),
            }
        })
    }
}
