//! The file that everyone reads: made once from a seed, and kept.

use crate::Outcome;
use shipper::demo::generator::Generator;
use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::path::PathBuf;

const SEED: u64 = 20_261_119;
/// Friday, 20 November 2026, midnight UTC.
const START: i64 = 1_795_132_800;
const LINES_PER_SECOND: u64 = 500;

/// Where all that a benchmark leaves behind goes.
pub(crate) fn directory() -> PathBuf {
    let temporary = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let directory = temporary.parent().map_or(temporary.clone(), PathBuf::from);
    directory.join("bench-data")
}

/// Returns a directory for one run, empty.
pub(crate) fn fresh_directory(name: &str) -> Outcome<PathBuf> {
    let directory = directory().join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Returns lines `numbers` of the sequence.
pub(crate) fn lines(count: u64) -> Vec<u8> {
    let mut generator = Generator::new(SEED);
    let mut out = Vec::new();
    for number in 0..count {
        generator.line(START + (number / LINES_PER_SECOND).cast_signed(), &mut out);
    }
    out
}

/// Makes the file unless it is there, reads it once so that it is in the page cache, and returns
/// its size.
pub(crate) fn file(lines: u64) -> Outcome<(PathBuf, u64)> {
    let path = directory().join(format!("access-{SEED}-{lines}.log"));
    if !path.exists() {
        eprintln!("making {} …", path.display());
        fs::create_dir_all(directory())?;
        let unfinished = path.with_extension("tmp");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        let mut generator = Generator::new(SEED);
        let mut line = Vec::new();
        for number in 0..lines {
            line.clear();
            generator.line(START + (number / LINES_PER_SECOND).cast_signed(), &mut line);
            out.write_all(&line)?;
        }
        out.into_inner()?.sync_all()?;
        fs::rename(&unfinished, &path)?;
    }
    let mut reading = File::open(&path)?;
    let mut piece = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match reading.read(&mut piece)? {
            0 => return Ok((path, bytes)),
            more => bytes += more as u64,
        }
    }
}
