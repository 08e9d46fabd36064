//! gzip (RFC 1952) of a bulk body, in a buffer and with a state that are used again.
//!
//! The deflate library is zlib-rs: of those that need neither an assembler nor a build system of their own it is the fastest at
//! level 1 (ARCHITECTURE has the figures). Its checksum is not: it is left to `crc32fast`, which takes a twentieth of the time.

use bytes::Bytes;
use flate2::{Compress, FlushCompress, Status};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A body from this size on (bytes) takes long enough, about a quarter of a millisecond, for the thread's other tasks to be
/// handed to another thread meanwhile.
const LONG_FROM: usize = 64 << 10;

/// Begins a member: deflate, without name and time, by any algorithm, on any system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// How long what is not needed for a body is kept.
const KEPT: Duration = Duration::from_secs(5);

/// Compresses the bodies of all deliverers. What it takes for one, about 370 KiB and a buffer, is lent by one to the next:
/// the last that came back goes out first, so that what is not needed lies still and can be given back.
#[derive(Debug)]
pub(super) struct Compressor {
    level: flate2::Compression,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    states: Shelf<Compress>,
    buffers: Shelf<Vec<u8>>,
    tidied: Instant,
}

/// Things that are lent.
#[derive(Debug)]
struct Shelf<T> {
    things: Vec<T>,
    /// So many of them have lain here all the time since the last tidying.
    unused: usize,
}

impl<T> Shelf<T> {
    const EMPTY: Self = Self { things: Vec::new(), unused: 0 };

    fn take(&mut self) -> Option<T> {
        let thing = self.things.pop();
        self.unused = self.unused.min(self.things.len());
        thing
    }

    fn tidy(&mut self) {
        self.things.drain(..self.unused);
        self.things.shrink_to_fit();
        self.unused = self.things.len();
    }
}

impl Kept {
    /// Gives back what lay still since the last time, unless that was a moment ago.
    fn tidy(&mut self, now: Instant) {
        if KEPT <= now.saturating_duration_since(self.tidied) {
            self.tidied = now;
            self.states.tidy();
            self.buffers.tidy();
        }
    }
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
        let level = flate2::Compression::new(level.min(9));
        let kept = Kept { states: Shelf::EMPTY, buffers: Shelf::EMPTY, tidied: Instant::now() };
        Self { level, kept: Mutex::new(kept) }
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
        let (state, bytes) = {
            let mut kept = self.kept();
            (kept.states.take(), kept.buffers.take())
        };
        let mut bytes = bytes.unwrap_or_default();
        let mut state = state.unwrap_or_else(|| Compress::new(self.level, false));
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
        self.kept().states.things.push(state);
        Compressed(bytes.into())
    }

    /// Takes a body's buffer back when nobody else has it.
    pub(super) fn recycle(&self, body: Compressed) {
        if body.0.is_unique() {
            let mut buffer = Vec::from(body.0);
            buffer.clear();
            let mut kept = self.kept();
            kept.buffers.things.push(buffer);
            kept.tidy(Instant::now());
        }
    }

    /// Returns when something may be there to be given back, which is to be done with [`Compressor::tidy`]; never when
    /// nothing is kept.
    pub(super) async fn idle(&self) {
        let (is_empty, tidied) = {
            let kept = self.kept();
            (kept.states.things.is_empty() && kept.buffers.things.is_empty(), kept.tidied)
        };
        if is_empty {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until((tidied + KEPT).into()).await;
    }

    /// Gives back what nobody has needed for a while.
    pub(super) fn tidy(&self) {
        self.kept().tidy(Instant::now());
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
    fn a_state_and_a_buffer_go_from_body_to_body_until_they_are_given_back() {
        let compressor = Compressor::new(1);
        for body in [&b"first"[..], b"second", b"third"] {
            let compressed = compressor.compress(body);
            assert_eq!(unpacked(&compressed), body);
            compressor.recycle(compressed);
        }
        let mut kept = compressor.kept();
        assert_eq!((kept.states.things.len(), kept.buffers.things.len()), (1, 1));
        let tidied = kept.tidied;
        kept.tidy(tidied + KEPT);
        assert_eq!(kept.tidied, tidied + KEPT);
        kept.tidy(tidied + KEPT + KEPT / 2);
        assert_eq!(kept.states.things.len(), 1, "too early");
        kept.tidy(tidied + KEPT + KEPT);
        assert_eq!((kept.states.things.len(), kept.buffers.things.len()), (0, 0));
    }

    #[test]
    fn what_lay_still_between_two_tidyings_is_given_back() {
        let mut shelf = Shelf { things: vec!['a', 'b', 'c'], unused: 0 };
        shelf.tidy();
        assert_eq!(shelf.things.len(), 3, "each may have been needed");
        let (last, second) = (shelf.take().unwrap(), shelf.take().unwrap());
        shelf.things.extend([second, last]);
        shelf.tidy();
        assert_eq!(shelf.things, ['b', 'c'], "two at once were needed");
        shelf.tidy();
        assert!(shelf.things.is_empty(), "none was");
        assert_eq!(shelf.take(), None);
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
