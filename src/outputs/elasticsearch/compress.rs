//! gzip (RFC 1952) of a bulk body, in a buffer and with a state that are used again.
//!
//! The deflate library is zlib-rs: of those that need neither an assembler nor a build system of their own it is the fastest at
//! level 1 (ARCHITECTURE has the figures). Its checksum is not: it is left to `crc32fast`, which takes a twentieth of the time.

use bytes::Bytes;
use flate2::{Compress, FlushCompress, Status};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A body from this size on (bytes) takes long enough, about a quarter of a millisecond, for the thread's other tasks to be
/// handed to another thread meanwhile.
const LONG_FROM: usize = 64 << 10;

/// Begins a member: deflate, without name and time, by any algorithm, on any system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses bodies one after another. What it takes for that, about 370 KiB and a body's buffer, is kept for the next
/// until it is given back.
#[derive(Debug)]
pub(super) struct Compressor {
    level: flate2::Compression,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    state: Option<Compress>,
    buffer: Vec<u8>,
}

/// A compressed body.
#[derive(Debug)]
pub(super) struct Compressed(Bytes);

impl Compressed {
    pub(super) fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl Compressor {
    pub(super) fn new(level: u32) -> Self {
        Self { level: flate2::Compression::new(level.min(9)), kept: Mutex::default() }
    }

    /// Compresses `body`.
    pub(super) fn compress(&self, body: &[u8]) -> Compressed {
        if body.len() < LONG_FROM {
            self.compress_here(body)
        } else {
            tokio::task::block_in_place(|| self.compress_here(body))
        }
    }

    fn compress_here(&self, body: &[u8]) -> Compressed {
        let mut kept = self.kept();
        let mut bytes = std::mem::take(&mut kept.buffer);
        let state = kept.state.get_or_insert_with(|| Compress::new(self.level, false));
        state.reset();
        bytes.extend_from_slice(&HEADER);
        loop {
            // Documents shrink to about a tenth.
            bytes.reserve((body.len() / 8).max(1 << 10));
            let done = usize::try_from(state.total_in()).expect("a body is in memory");
            let status = state
                .compress_vec(&body[done..], &mut bytes, FlushCompress::Finish)
                .expect("the state is a valid one");
            if status == Status::StreamEnd {
                break;
            }
        }
        bytes.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        // The length, modulo 2^32.
        let [length @ .., _, _, _, _] = (body.len() as u64).to_le_bytes();
        bytes.extend_from_slice(&length);
        Compressed(bytes.into())
    }

    /// Takes a body's buffer back when nobody else has it.
    pub(super) fn recycle(&self, body: Compressed) {
        if body.0.is_unique() {
            let mut buffer = Vec::from(body.0);
            buffer.clear();
            self.kept().buffer = buffer;
        }
    }

    /// Tells whether anything is kept for the next body.
    pub(super) fn keeps(&self) -> bool {
        let kept = self.kept();
        kept.state.is_some() || kept.buffer.capacity() != 0
    }

    /// Gives back what is kept.
    pub(super) fn give_back(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn unpacked(body: &Compressed) -> Vec<u8> {
        let mut out = Vec::new();
        let mut decoder = flate2::bufread::GzDecoder::new(&body.0[..]);
        decoder.read_to_end(&mut out).expect("one whole member");
        assert!(decoder.into_inner().is_empty(), "bytes after the member");
        out
    }

    #[test]
    fn bodies_of_all_sizes_come_back_one_after_another() {
        let mut noise = 1_u32;
        let hard: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .take(300_000)
        .collect();
        let easy = b"{\"create\":{}}\n{\"message\":\"GET / HTTP/1.1\"}\n".repeat(20_000);
        let compressor = Compressor::new(1);
        tokio::runtime::Builder::new_multi_thread().build().expect("a runtime").block_on(async {
            for body in [&easy[..], &hard, b"", b"x", &hard[..LONG_FROM], &easy[..LONG_FROM - 1]] {
                let compressed = compressor.compress(body);
                assert!(unpacked(&compressed) == body, "{} bytes differ", body.len());
                compressor.recycle(compressed);
            }
        });
    }

    #[test]
    fn what_is_kept_is_given_back_and_made_anew() {
        let compressor = Compressor::new(1);
        assert!(!compressor.keeps());
        let first = compressor.compress(b"first");
        compressor.recycle(first);
        assert!(compressor.keeps());
        compressor.give_back();
        assert!(!compressor.keeps());
        assert_eq!(unpacked(&compressor.compress(b"second")), b"second");
    }

    #[test]
    fn a_buffer_that_is_still_sent_is_not_taken_back() {
        let compressor = Compressor::new(1);
        let first = compressor.compress(b"first");
        let sent = first.bytes();
        compressor.recycle(first);
        let second = compressor.compress(b"second");
        assert_eq!(unpacked(&Compressed(sent)), b"first");
        assert_eq!(unpacked(&second), b"second");
    }
}
