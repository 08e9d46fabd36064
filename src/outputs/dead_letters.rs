//! Documents that the server will never take: a local file, one JSON object a line, synced before they are settled.

use crate::disk::{AppendFile, Disk, ReadFile, Stat};
use crate::identity::same_inode;
use crate::json_text::{push_string, push_u64};
use crate::outputs::elasticsearch::bulk::Fault;
use crate::position::Inode;
use serde::de::IgnoredAny;
use std::io;
use std::path::{Path, PathBuf};
use tracing::warn;

/// Most bytes of the file: when it is full, delivery pauses rather than loses.
const BYTES_MAX: u64 = 1 << 30;

/// Mode of the file: documents may hold what visitors typed.
const MODE: u32 = 0o600;

/// Bytes that are read at once to find the last line end.
const PIECE_BYTES: usize = 64 << 10;

/// No letter is longer: a document of a jumbo buffer and what is told of it.
const LETTER_BYTES_MAX: u64 = 65 << 20;

/// The file of dead letters; opened at the first one.
#[derive(Debug)]
pub struct DeadLetters<D: Disk> {
    disk: D,
    path: PathBuf,
    open: Option<Open<D::Writer>>,
}

#[derive(Debug)]
struct Open<W> {
    writer: W,
    size: u64,
    inode: Inode,
}

impl<D: Disk> DeadLetters<D> {
    /// Names the file in a data path.
    #[must_use]
    pub fn new(disk: D, data: &Path) -> Self {
        let path = data.join("dead_letters").join("dead_letters.ndjson");
        Self { disk, path, open: None }
    }

    /// Returns where they go.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends letters and syncs them; `letters` are the bulk item (action and document) and why it is dead.
    ///
    /// # Errors
    /// When they cannot be saved, or the file is full; then none of them counts as saved.
    pub fn keep(&mut self, time: &str, letters: &[(&[u8], &Fault)]) -> io::Result<()> {
        let mut text = Vec::new();
        for (item, fault) in letters {
            push_letter(&mut text, time, item, fault);
        }
        let result = self.append(&text);
        if result.is_err() {
            // What the failed write left is not known: a new look at the file says.
            self.open = None;
        }
        result
    }

    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        // Whoever has dealt with the letters removes the file, or moves it away: what is written there would be gone.
        self.open.take_if(|open| {
            !self.disk.stat(&self.path).is_ok_and(|stat| same_inode(stat.inode, open.inode))
        });
        let Open { writer, size, .. } = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(&self.disk, &self.path)?),
        };
        if BYTES_MAX < *size + text.len() as u64 {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the file of dead letters is full",
            ));
        }
        if let Err(error) = writer.append(text).and_then(|()| writer.sync()) {
            // Letters that do not count as saved are not to be read; if this fails too, the next opening mends it.
            let _ = writer.truncate(*size);
            return Err(error);
        }
        *size += text.len() as u64;
        Ok(())
    }
}

/// Opens the file, its last line mended; returns its size as well.
fn open<D: Disk>(disk: &D, path: &Path) -> io::Result<Open<D::Writer>> {
    let directory = path.parent().unwrap_or(Path::new("."));
    disk.create_directory(directory, 0o700)?;
    let mut writer = disk.append(path, MODE)?;
    let file = disk.open(path)?;
    let Stat { size, inode, .. } = file.stat()?;
    let whole = end_of_lines(&file, size)?;
    let mended = if whole == size {
        size
    } else if is_object(&file, whole, size)? {
        writer.append(b"\n")?;
        size + 1
    } else {
        warn!(
            bytes = size - whole,
            "a half line at the end of `{}` is cut off; it did not count as saved",
            path.display()
        );
        writer.truncate(whole)?;
        whole
    };
    disk.sync_directory(directory)?;
    Ok(Open { writer, size: mended, inode })
}

/// Returns where the last line end of a file is over, 0 when it has none.
fn end_of_lines(file: &impl ReadFile, size: u64) -> io::Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut end = size;
    while 0 < end {
        let start = end.saturating_sub(PIECE_BYTES as u64);
        let read = read(file, &mut piece, start, end)?;
        if let Some(newline) = memchr::memrchr(b'\n', read) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Tells whether such a part of a file is one whole JSON object.
fn is_object(file: &impl ReadFile, start: u64, end: u64) -> io::Result<bool> {
    if LETTER_BYTES_MAX < end - start {
        return Ok(false);
    }
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
    let text = read(file, &mut bytes, start, end)?;
    Ok(text.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(text).is_ok())
}

/// Reads a part of a file, less where the file ends before.
fn read<'b>(
    file: &impl ReadFile,
    bytes: &'b mut [u8],
    start: u64,
    end: u64,
) -> io::Result<&'b [u8]> {
    let length = bytes.len().min(usize::try_from(end - start).unwrap_or(usize::MAX));
    let mut done = 0;
    while done < length {
        match file.read_at(&mut bytes[done..length], start + done as u64)? {
            0 => break,
            more => done += more,
        }
    }
    Ok(&bytes[..done])
}

fn push_letter(out: &mut Vec<u8>, time: &str, item: &[u8], fault: &Fault) {
    let newline = memchr::memchr(b'\n', item).unwrap_or(item.len());
    let (action, document) = (&item[..newline], item.get(newline + 1..).unwrap_or_default());
    out.extend_from_slice(b"{\"@timestamp\":");
    push_string(out, time.as_bytes());
    out.extend_from_slice(b",\"status\":");
    push_u64(out, u64::from(fault.status));
    out.extend_from_slice(b",\"type\":");
    push_string(out, fault.kind.as_bytes());
    out.extend_from_slice(b",\"reason\":");
    push_string(out, fault.reason.as_bytes());
    out.extend_from_slice(b",\"action\":");
    out.extend_from_slice(action);
    out.extend_from_slice(b",\"document\":");
    out.extend_from_slice(document.trim_ascii_end());
    out.extend_from_slice(b"}\n");
}
