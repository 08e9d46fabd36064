//! The functions of the hot path, each over the same chunk of generated lines: what `micro` times
//! and `instructions` counts.
//!
//! A new kernel is one entry in [`kernels`].

use shipper::demo::generator::Generator;
use std::hint::black_box;

const SEED: u64 = 20_261_119;
/// Friday, 20 November 2026, midnight UTC.
const START: i64 = 1_795_132_800;
/// About 256 KiB: what a harvester reads at a time.
const LINES: u32 = 1_170;

/// One function to be measured.
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// Lines, or items, that one call goes through.
    pub(crate) lines: u32,
    /// Bytes that one call goes through.
    pub(crate) bytes: usize,
    pub(crate) call: Box<dyn FnMut()>,
}

/// Returns all of them, ready to be called.
pub(crate) fn kernels() -> Vec<Kernel> {
    vec![generate(), split()]
}

fn chunk() -> Vec<u8> {
    let mut generator = Generator::new(SEED);
    let mut out = Vec::new();
    for number in 0..LINES {
        generator.line(START + i64::from(number / 500), &mut out);
    }
    out
}

fn generate() -> Kernel {
    let mut generator = Generator::new(SEED);
    let mut out = chunk();
    let bytes = out.len();
    let call = Box::new(move || {
        out.clear();
        for number in 0..LINES {
            generator.line(START + i64::from(number / 500), &mut out);
        }
        black_box(&out);
    });
    Kernel { name: "generate (the demo's lines)", lines: LINES, bytes, call }
}

fn split() -> Kernel {
    let chunk = chunk();
    let bytes = chunk.len();
    let call = Box::new(move || {
        let chunk = black_box(chunk.as_slice());
        let end = memchr::memrchr(b'\n', chunk).map_or(0, |at| at + 1);
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', &chunk[..end]) {
            black_box(&chunk[start..newline]);
            start = newline + 1;
        }
    });
    Kernel { name: "split", lines: LINES, bytes, call }
}
