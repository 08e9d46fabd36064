//! Documents that the server will never take: a local file, one JSON object a line, synced before they are settled.

use crate::disk::{AppendFile, Disk};
use crate::json_text::{push_string, push_u64};
use crate::outputs::elasticsearch::bulk::Fault;
use std::io;
use std::path::{Path, PathBuf};

/// Most bytes of the file: when it is full, delivery pauses rather than loses.
const BYTES_MAX: u64 = 1 << 30;

/// Mode of the file: documents may hold what visitors typed.
const MODE: u32 = 0o600;

/// The file of dead letters; opened at the first one.
#[derive(Debug)]
pub struct DeadLetters<D: Disk> {
    disk: D,
    path: PathBuf,
    open: Option<(D::Writer, u64)>,
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
        if self.open.is_none() {
            let directory = self.path.parent().unwrap_or(Path::new("."));
            self.disk.create_directory(directory, 0o700)?;
            let mut writer = self.disk.append(&self.path, MODE)?;
            let size = self.disk.stat(&self.path)?.size;
            if 0 < size {
                // A torn line of an earlier failure is ended, so that what follows stays readable.
                writer.append(b"\n")?;
            }
            self.disk.sync_directory(directory)?;
            self.open = Some((writer, size));
        }
        let Some((writer, size)) = &mut self.open else { return Ok(()) };
        if BYTES_MAX < *size + text.len() as u64 {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the file of dead letters is full",
            ));
        }
        writer.append(text)?;
        writer.sync()?;
        *size += text.len() as u64;
        Ok(())
    }
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
