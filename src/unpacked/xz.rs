//! xz: blocks of LZMA2, each checked by what its stream says; a decoder takes as much as its dictionary.

use super::WINDOW_BYTES_MAX;
use super::decoder::{Decode, Step, between, damaged, ends_early, too_large};
use lzma_rust2::{Action, Status, XzStream};
use std::io::{self, BufRead};

/// What a decoder takes beside its dictionary, in KiB.
const BESIDE_KIB: u32 = 1 << 10;

/// A decoder of xz streams.
pub(super) struct Xz(XzStream);

impl Xz {
    pub(super) fn new() -> Self {
        let most = u32::try_from(WINDOW_BYTES_MAX >> 10).expect("it fits");
        Self(XzStream::new_mem_limit(true, most + BESIDE_KIB))
    }

    fn told(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::OutOfMemory => {
                too_large(u64::from(self.0.memory_usage().unwrap_or_default()) << 10)
            }
            _ => damaged(error),
        }
    }
}

impl Decode for Xz {
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step {
        loop {
            let input = match packed.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Step::broken(0, error),
            };
            let (taken, given) = (self.0.total_in(), self.0.total_out());
            let action = if input.is_empty() { Action::Finish } else { Action::Run };
            let done = self.0.process(input, bytes, action);
            let is_last = input.is_empty();
            packed.consume(between(taken, self.0.total_in()));
            let length = between(given, self.0.total_out());
            match done {
                // There was nothing wrong before.
                Err(_) if is_last => return Step::broken(length, ends_early()),
                Err(error) => return Step::broken(length, self.told(error)),
                Ok(done) if done.status == Status::StreamEnd && length == 0 => return Step::END,
                Ok(_) if length == 0 && is_last => return Step::broken(0, ends_early()),
                Ok(_) if 0 < length => return Step::of(length),
                Ok(_) => {}
            }
        }
    }
}
