//! zstd (RFC 8878): frames of blocks of up to 128 KiB; a decoder takes as much as the frame's window.

use super::WINDOW_BYTES_MAX;
use super::decoder::{Decode, Step, damaged, ends_early, too_large};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// A last block without content, and room for a checksum: with it a frame that breaks off gives out what it holds back
/// for later blocks.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// A decoder of zstd frames.
pub(super) struct Zstd {
    frame: FrameDecoder,
    state: State,
    error: Option<io::Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    /// So many bytes of a frame to be skipped are left.
    Skipping(u64),
    Within,
    /// All blocks are decoded.
    Draining,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(WINDOW_BYTES_MAX);
        Self { frame, state: State::Between, error: None }
    }

    /// Begins the next frame; `false` when there is none.
    fn begin(&mut self, packed: &mut impl BufRead) -> io::Result<bool> {
        if packed.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut packed = Noting::new(packed);
        match self.frame.reset(&mut packed) {
            Ok(()) => self.state = State::Within,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => self.state = State::Skipping(u64::from(length)),
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                return Err(too_large(requested));
            }
            Err(error) => return Err(packed.told(error)),
        }
        Ok(true)
    }

    fn skip(packed: &mut impl BufRead, left: u64) -> io::Result<State> {
        let there = packed.fill_buf()?.len();
        if there == 0 && 0 < left {
            return Err(ends_early());
        }
        let skipped = usize::try_from(left).map_or(there, |left| left.min(there));
        packed.consume(skipped);
        let left = left - skipped as u64;
        Ok(if left == 0 { State::Between } else { State::Skipping(left) })
    }

    /// Decodes a block.
    fn decode(&mut self, packed: &mut impl BufRead) {
        let mut packed = Noting::new(packed);
        match self.frame.decode_blocks(&mut packed, BlockDecodingStrategy::UptoBlocks(1)) {
            Ok(false) => {}
            Ok(true) => self.state = State::Draining,
            Err(error) => {
                self.error = Some(packed.told(error));
                // It cannot fail: the block is a whole one.
                let _ = self.frame.decode_blocks(&LAST_BLOCK[..], BlockDecodingStrategy::All);
                self.state = State::Draining;
            }
        }
    }

    /// Ends a frame of which all was given out.
    fn end(&mut self) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.state = State::Between;
        let expected = self.frame.get_checksum_from_data();
        if expected.is_some() && expected != self.frame.get_calculated_checksum() {
            return Err(damaged("a frame's checksum is not that of its content"));
        }
        Ok(())
    }
}

impl Decode for Zstd {
    fn unpack(&mut self, packed: &mut impl BufRead, bytes: &mut [u8]) -> Step {
        loop {
            let done = match self.state {
                State::Between => match self.begin(packed) {
                    Ok(false) => return Step::END,
                    begun => begun.map(drop),
                },
                State::Skipping(left) => Self::skip(packed, left).map(|state| self.state = state),
                State::Within | State::Draining => match self.frame.read(bytes) {
                    Ok(0) if self.state == State::Draining => self.end(),
                    Ok(0) => {
                        self.decode(packed);
                        Ok(())
                    }
                    Ok(length) => return Step::of(length),
                    Err(error) => Err(error),
                },
            };
            match done {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Step::broken(0, error),
                Ok(()) => {}
            }
        }
    }
}

/// Notes how reading ended, which the library's errors say in many ways.
struct Noting<'a, R> {
    packed: &'a mut R,
    is_at_end: bool,
    error: Option<io::Error>,
}

impl<'a, R: Read> Noting<'a, R> {
    fn new(packed: &'a mut R) -> Self {
        Self { packed, is_at_end: false, error: None }
    }

    fn told(self, error: FrameDecoderError) -> io::Error {
        let at_end = self.is_at_end.then(ends_early);
        self.error.or(at_end).unwrap_or_else(|| damaged(error))
    }
}

impl<R: Read> Read for Noting<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.packed.read(bytes);
        match &read {
            Ok(0) => self.is_at_end |= !bytes.is_empty(),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.error = Some(io::Error::new(error.kind(), error.to_string()));
            }
            _ => {}
        }
        read
    }
}
