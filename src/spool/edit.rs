//! Taking records out of a spool, or exchanging them, while somebody may append.

use super::reading::read_range;
use super::{MODE, Records, Segment, SpoolSettings, lock, segments};
use crate::disk::{AppendFile, Disk, Kind, ReadFile};
use crate::identity::same_inode;
use crate::position::Inode;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Ending of a segment that is being rewritten.
const DRAFT: &str = "draft";

/// Ending of what was set aside of a segment.
const DAMAGED: &str = "damaged";

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// The one who may take records out of a spool; there is at most one at a time, in all processes.
pub struct Editor<D: Disk> {
    disk: D,
    settings: SpoolSettings,
    _lock: D::Lock,
}

impl<D: Disk> Editor<D> {
    /// Becomes the editor; `None` while another one is at work. What one that was killed has left is removed.
    ///
    /// # Errors
    /// As the file system says; of kind `NotFound` when the spool has no directory yet.
    pub fn open(disk: D, settings: &SpoolSettings) -> io::Result<Option<Self>> {
        let Some(lock) = disk.lock(&settings.directory.join("editor.lock"))? else {
            return Ok(None);
        };
        for listed in disk.list(&settings.directory)? {
            let path = settings.directory.join(&listed.name);
            if listed.kind == Kind::File && path.extension().is_some_and(|ending| ending == DRAFT) {
                disk.remove(&path)?;
            }
        }
        Ok(Some(Self { disk, settings: settings.clone(), _lock: lock }))
    }

    /// Returns the segments, in order.
    ///
    /// # Errors
    /// As the file system says.
    pub fn segments(&self) -> io::Result<Vec<Segment>> {
        segments(&self.disk, &self.settings)
    }

    /// Reads the records of a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn records(&self, segment: &Segment) -> io::Result<Records<D::File>> {
        Records::open(&self.disk, self.settings.framing, segment, 0)
    }

    /// Begins to rewrite a segment.
    ///
    /// # Errors
    /// As the file system says.
    pub fn rewrite(&self, segment: &Segment) -> io::Result<Rewrite<'_, D>> {
        let file = self.disk.open(&segment.path)?;
        let inode = file.stat()?.inode;
        Ok(Rewrite {
            editor: self,
            file,
            inode,
            path: segment.path.clone(),
            at: 0,
            changed: false,
            draft: None,
            pending: Vec::new(),
        })
    }
}

/// A segment that is being rewritten. Records are told in their order, each once; nothing has changed before
/// [`Rewrite::finish`], and then all of it has.
pub struct Rewrite<'e, D: Disk> {
    editor: &'e Editor<D>,
    file: D::File,
    inode: Inode,
    path: PathBuf,
    /// Up to where it was told what becomes of the segment.
    at: u64,
    changed: bool,
    draft: Option<D::Writer>,
    pending: Vec<u8>,
}

impl<D: Disk> Rewrite<'_, D> {
    /// Keeps what stands there as it is.
    ///
    /// # Errors
    /// As the file system says.
    pub fn keep(&mut self, at: Range<u64>) -> io::Result<()> {
        self.at = at.end;
        if self.changed { self.copy(at) } else { Ok(()) }
    }

    /// Takes what stands there out.
    ///
    /// # Errors
    /// As the file system says.
    pub fn remove(&mut self, at: Range<u64>) -> io::Result<()> {
        if !self.changed {
            self.changed = true;
            self.copy(0..at.start)?;
        }
        self.at = at.end;
        Ok(())
    }

    /// Puts another record in the place of one.
    ///
    /// # Errors
    /// As the file system says.
    pub fn replace(&mut self, at: Range<u64>, record: &[u8]) -> io::Result<()> {
        self.remove(at)?;
        self.editor.settings.framing.encode(&mut self.pending, record);
        self.flush(WRITE_BYTES)
    }

    /// Takes damaged bytes out, into a file beside the segment; returns which.
    ///
    /// # Errors
    /// As the file system says.
    pub fn set_aside(&mut self, at: Range<u64>) -> io::Result<PathBuf> {
        let path = self.path.with_extension(DAMAGED);
        let mut aside = self.editor.disk.append(&path, MODE)?;
        copy(&self.file, at.clone(), |piece| aside.append(piece))?;
        aside.sync()?;
        self.editor.disk.sync_directory(&self.editor.settings.directory)?;
        self.remove(at)?;
        Ok(path)
    }

    /// Puts the rewritten segment in the place of the old one; what was appended meanwhile is kept. A segment of which
    /// nothing is left is removed, one of which all is kept stays as it is.
    ///
    /// # Errors
    /// As the file system says, and when the segment was removed or moved meanwhile; then nothing has changed.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let (disk, directory) = (&self.editor.disk, &self.editor.settings.directory);
        let _lock = lock(disk, directory)?;
        let stat = self.file.stat()?;
        if !disk.stat(&self.path).is_ok_and(|there| same_inode(there.inode, self.inode)) {
            let text = "the segment was removed or moved away meanwhile";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        self.copy(self.at..stat.size)?;
        self.flush(1)?;
        match &mut self.draft {
            Some(draft) => {
                draft.sync()?;
                disk.rename(&self.path.with_extension(DRAFT), &self.path)?;
            }
            None => disk.remove(&self.path)?,
        }
        disk.sync_directory(directory)
    }

    /// Copies a part of the segment into the draft as it stands.
    fn copy(&mut self, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        while at < part.end {
            let have = self.pending.len();
            let more = usize::try_from(part.end - at).unwrap_or(usize::MAX).min(WRITE_BYTES);
            self.pending.resize(have + more, 0);
            let read = read_range(&self.file, &mut self.pending[have..], at, part.end)?;
            self.pending.truncate(have + read);
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += read as u64;
            self.flush(WRITE_BYTES)?;
        }
        Ok(())
    }

    /// Writes what is pending, if it is at least that much.
    fn flush(&mut self, least: usize) -> io::Result<()> {
        if self.pending.len() < least {
            return Ok(());
        }
        let draft = match &mut self.draft {
            Some(draft) => draft,
            none => none.insert(self.editor.disk.create(&self.path.with_extension(DRAFT), MODE)?),
        };
        draft.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// Hands a part of a file on, piece by piece.
fn copy(
    file: &impl ReadFile,
    part: Range<u64>,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = vec![0; WRITE_BYTES];
    let mut at = part.start;
    while at < part.end {
        let read = read_range(file, &mut piece, at, part.end)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        take(&piece[..read])?;
        at += read as u64;
    }
    Ok(())
}
