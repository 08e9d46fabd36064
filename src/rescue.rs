//! The rescue of removed files: what of them is not settled is kept, compressed, so that they can give their space back.
//!
//! A removed file lives as long as it is open. When the output takes nothing, that may be long, on a web host whose disk may
//! be full. So its bytes from the saved offset on are written to a file of ours, `<epoch>.rescue`, synced and named in one
//! step; from there they are read at the same offsets, and become the same events with the same ids, also after a restart.
//!
//! Such a file is blocks of the spool's framing: offset and length of a piece, and its bytes, compressed (zlib); a last
//! one without bytes says where the content ends. The first 1024 bytes are there as well, by which a file is known.

use crate::disk::{AppendFile, Disk, Kind, ReadFile, Stat};
use crate::position::{Epoch, PREFIX_BYTES, TAIL_BYTES};
use crate::settings::{OnFull, RescueSettings};
use crate::spool::{Found, Framing, Records};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of content in a block.
const PIECE_BYTES: usize = 256 << 10;

/// What stands before the compressed bytes: offset and length of the piece.
const HEAD_BYTES: usize = 12;

const ENDING: &str = "rescue";
const DRAFT: &str = "draft";
const UNKNOWN: &str = "unknown";

/// Where removed files are rescued to; clones share the budget.
#[derive(Debug, Clone)]
pub struct Rescue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    bytes_max: u64,
    on_full: OnFull,
    step_bytes: usize,
    used: AtomicU64,
}

/// What was rescued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Where the content ends.
    pub end: u64,
    /// Bytes that it takes on the disk.
    pub bytes: u64,
}

/// Why a file is not rescued.
#[derive(Debug, thiserror::Error)]
pub enum RescueError {
    /// The budget is used up.
    #[error("the {bytes_max} bytes of `rescue.max_size` are used up")]
    Full {
        /// The budget.
        bytes_max: u64,
    },
    /// The file system refuses.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Rescue {
    /// Looks at what earlier runs have rescued; returns of which epochs. What a crash has left half-done is removed.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open<D: Disk>(
        disk: &D,
        settings: &RescueSettings,
        data: &Path,
    ) -> io::Result<(Self, Vec<Epoch>)> {
        let directory = data.join(&settings.path);
        let (mut epochs, mut used) = (Vec::new(), 0);
        let listed = match disk.list(&directory) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for listed in listed.iter().filter(|listed| listed.kind == Kind::File) {
            let path = directory.join(&listed.name);
            let ending = path.extension().and_then(|ending| ending.to_str());
            let epoch = path.file_stem().and_then(|stem| Epoch::from_text(stem.to_str()?));
            match (ending, epoch) {
                (Some(DRAFT), Some(_)) => disk.remove(&path)?,
                (Some(ENDING), Some(epoch)) => {
                    used += disk.stat(&path)?.size;
                    epochs.push(epoch);
                }
                _ => {}
            }
        }
        let inner = Inner {
            directory,
            bytes_max: settings.bytes_max,
            on_full: settings.on_full,
            step_bytes: settings.step_bytes,
            used: AtomicU64::new(used),
        };
        Ok((Self(Arc::new(inner)), epochs))
    }

    /// Returns what becomes of a file for which there is no room.
    #[must_use]
    pub fn on_full(&self) -> OnFull {
        self.0.on_full
    }

    /// Returns how many bytes all rescues take now.
    #[must_use]
    pub fn used_bytes(&self) -> i64 {
        i64::try_from(self.0.used.load(Ordering::Acquire)).unwrap_or(i64::MAX)
    }

    /// Returns where files are rescued to.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Returns where the bytes of an epoch are, once they are rescued.
    #[must_use]
    pub fn path_of(&self, epoch: Epoch) -> PathBuf {
        path_in(&self.0.directory, epoch)
    }

    /// Returns the first bytes of a rescued file's content, at most [`PREFIX_BYTES`].
    ///
    /// # Errors
    /// As the file system says.
    pub fn first_bytes<D: Disk>(&self, disk: &D, epoch: Epoch) -> io::Result<Vec<u8>> {
        let file = disk.open(&self.path_of(epoch))?;
        let end = file.stat()?.size;
        let mut records = Records::new(file, Framing::Blocks, 0, end);
        let content = match records.next_record()? {
            Some(Found::Record { bytes, .. }) => head(bytes)
                .filter(|(offset, _)| *offset == 0)
                .and_then(|(_, length)| inflate(&bytes[HEAD_BYTES..], length as usize)),
            _ => None,
        };
        let mut content = content.ok_or(io::ErrorKind::InvalidData)?;
        content.truncate(PREFIX_BYTES);
        Ok(content)
    }

    /// Begins to keep a file's content from `from` on, and what proves that it is that.
    ///
    /// # Errors
    /// As the file system says.
    pub fn begin<D: Disk>(&self, disk: &D, epoch: Epoch, from: u64) -> io::Result<Draft<D>> {
        disk.create_directory(&self.0.directory, 0o700)?;
        let path = self.path_of(epoch);
        let draft = path.with_extension(DRAFT);
        let writer = disk.create(&draft, 0o600)?;
        let start = from.saturating_sub(TAIL_BYTES as u64);
        let has_first = PREFIX_BYTES as u64 <= start;
        Ok(Draft {
            disk: disk.clone(),
            writer,
            path,
            own: draft,
            taken: Budget { rescue: self.clone(), bytes: 0 },
            at: if has_first { start } else { 0 },
            has_first,
        })
    }

    /// Removes what was rescued of an epoch: all of it is settled.
    ///
    /// # Errors
    /// As the file system says; what is not there is removed.
    pub fn remove<D: Disk>(&self, disk: &D, epoch: Epoch) -> io::Result<()> {
        let path = self.path_of(epoch);
        let size = disk.stat(&path).map_or(0, |stat| stat.size);
        match disk.remove(&path) {
            Ok(()) => {
                self.give_back(size);
                // Or it could be there again after a power cut, when the registry has forgotten its epoch.
                disk.sync_directory(&self.0.directory)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts aside what was rescued of an epoch that the registry does not know; returns where.
    ///
    /// # Errors
    /// As the file system says.
    pub fn set_aside<D: Disk>(&self, disk: &D, epoch: Epoch) -> io::Result<PathBuf> {
        let path = self.path_of(epoch);
        let aside = path.with_extension(UNKNOWN);
        let size = disk.stat(&path)?.size;
        disk.rename(&path, &aside)?;
        self.give_back(size);
        Ok(aside)
    }

    fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        // It always has a new value.
        let _ = self.0.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

/// Returns where the bytes of an epoch are in the directory of a rescue, once they are rescued.
#[must_use]
pub fn path_in(directory: &Path, epoch: Epoch) -> PathBuf {
    directory.join(format!("{epoch}.{ENDING}"))
}

/// Returns where the content of a rescued file ends, by its last block alone.
///
/// # Errors
/// As the file system says, or when that block is damaged.
pub fn end_of<D: Disk>(disk: &D, path: &Path) -> io::Result<u64> {
    let file = disk.open(path)?;
    let size = file.stat()?.size;
    let last = block_of(0, &[]).len() as u64;
    let mut records = Records::new(file, Framing::Blocks, size.saturating_sub(last), size);
    match records.next_record()? {
        Some(Found::Record { bytes, .. }) => head(bytes).filter(|(_, length)| *length == 0),
        _ => None,
    }
    .map(|(end, _)| end)
    .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What one rescue takes of the budget, given back unless it succeeds.
#[derive(Debug)]
struct Budget {
    rescue: Rescue,
    bytes: u64,
}

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<(), RescueError> {
        let inner = &self.rescue.0;
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= inner.bytes_max);
        inner
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .map_err(|_| RescueError::Full { bytes_max: inner.bytes_max })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.rescue.give_back(self.bytes);
    }
}

/// A rescue that is being written, step by step: all or nothing.
#[derive(Debug)]
pub struct Draft<D: Disk> {
    disk: D,
    writer: D::Writer,
    path: PathBuf,
    own: PathBuf,
    taken: Budget,
    /// How far it is written.
    at: u64,
    /// Whether the first bytes are still to be written, which do not touch what comes then.
    has_first: bool,
}

impl<D: Disk> Draft<D> {
    /// Writes the next part of the content and syncs it; tells whether that was all of it.
    ///
    /// # Errors
    /// When there is no room for it, or as the file system says.
    pub fn step(&mut self, file: &impl ReadFile) -> Result<bool, RescueError> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut done = 0;
        if self.has_first {
            let length = file.read_fully(&mut piece[..PREFIX_BYTES], 0)?;
            self.put(0, &piece[..length])?;
            self.has_first = false;
        }
        while done < self.taken.rescue.0.step_bytes {
            let length = match file.read_fully(&mut piece, self.at) {
                // A compressed file is not unpacked as far yet.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                length => length?,
            };
            if length == 0 {
                self.put(self.at, &[])?;
                self.writer.sync()?;
                return Ok(true);
            }
            self.put(self.at, &piece[..length])?;
            self.at += length as u64;
            done += length;
        }
        self.writer.sync()?;
        Ok(false)
    }

    /// Returns up to which offset the content is written.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Result<(), RescueError> {
        let block = block_of(at, bytes);
        self.taken.take(block.len() as u64)?;
        Ok(self.writer.append(&block)?)
    }

    /// Gives it its name, after a last step; from then on it outlives the process. What was rescued before of the same epoch
    /// is replaced.
    ///
    /// # Errors
    /// As the file system says.
    pub fn finish(mut self) -> Result<Saved, RescueError> {
        let before = self.disk.stat(&self.path).map_or(0, |stat| stat.size);
        self.disk.rename(&self.own, &self.path)?;
        let rescue = self.taken.rescue.clone();
        let bytes = std::mem::take(&mut self.taken.bytes);
        rescue.give_back(before);
        self.disk.sync_directory(&rescue.0.directory)?;
        Ok(Saved { end: self.at, bytes })
    }

    /// Gives it up: nothing of it is left.
    pub fn discard(self) {
        // What is left is removed at the next start.
        let _ = self.disk.remove(&self.own);
    }
}

/// Returns a piece as it is written.
fn block_of(at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD_BYTES + bytes.len() / 2);
    record.extend_from_slice(&at.to_le_bytes());
    let length = u32::try_from(bytes.len()).expect("a piece is short");
    record.extend_from_slice(&length.to_le_bytes());
    deflate(bytes, &mut record);
    let mut block = Vec::new();
    Framing::Blocks.encode(&mut block, &record);
    block
}

/// Appends `bytes`, compressed.
fn deflate(bytes: &[u8], out: &mut Vec<u8>) {
    let mut compress = Compress::new(Compression::fast(), true);
    loop {
        let done = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        out.reserve((bytes.len() - done) / 4 + 1024);
        let status = compress
            .compress_vec(&bytes[done..], out, FlushCompress::Finish)
            .expect("compressing bytes in memory does not fail");
        if status == Status::StreamEnd {
            return;
        }
    }
}

/// Unpacks `packed`, which is to be `length` bytes.
fn inflate(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length + 1);
    let mut decompress = Decompress::new(true);
    let status = decompress.decompress_vec(packed, &mut bytes, FlushDecompress::Finish).ok()?;
    (status == Status::StreamEnd && bytes.len() == length).then_some(bytes)
}

/// A rescued file, read at the offsets that its bytes had.
#[derive(Debug)]
pub struct Rescued<F> {
    file: F,
    /// In order: offset and length of each piece, and where its bytes are.
    pieces: Vec<Piece>,
    end: u64,
    damaged_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: u64,
    length: u32,
    at: u64,
    packed: u32,
}

impl<F: ReadFile> Rescued<F> {
    /// Reads through a rescued file once.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(file: F) -> io::Result<Self> {
        let size = file.stat()?.size;
        let mut records = Records::new(file, Framing::Blocks, 0, size);
        let (mut pieces, mut damaged_bytes) = (Vec::new(), 0);
        let mut end = 0;
        while let Some(found) = records.next_record()? {
            match found {
                Found::Damaged { at } => damaged_bytes += at.end - at.start,
                Found::Record { at, bytes } => {
                    let Some((offset, length)) = head(bytes) else { continue };
                    end = end.max(offset + u64::from(length));
                    let packed = u32::try_from(bytes.len() - HEAD_BYTES).unwrap_or(u32::MAX);
                    let at = at.end - u64::from(packed);
                    if length != 0 {
                        pieces.push(Piece { offset, length, at, packed });
                    }
                }
            }
        }
        damaged_bytes += size - records.position();
        Ok(Self { file: records.into_file(), pieces, end, damaged_bytes })
    }

    /// Returns how many bytes of it are damaged: pieces of the content are missing then.
    #[must_use]
    pub fn damaged_bytes(&self) -> u64 {
        self.damaged_bytes
    }

    /// Returns which parts of the content are there, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<Range<u64>> {
        let mut parts: Vec<Range<u64>> = Vec::new();
        for piece in &self.pieces {
            let end = piece.offset + u64::from(piece.length);
            match parts.last_mut() {
                Some(last) if last.end == piece.offset => last.end = end,
                _ => parts.push(piece.offset..end),
            }
        }
        parts
    }

    fn piece(&self, offset: u64) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.offset <= offset);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        (offset < piece.offset + u64::from(piece.length)).then_some(piece)
    }
}

fn head(record: &[u8]) -> Option<(u64, u32)> {
    let offset = u64::from_le_bytes(*record.first_chunk::<8>()?);
    let length = u32::from_le_bytes(*record.get(8..)?.first_chunk::<4>()?);
    Some((offset, length))
}

impl<F: ReadFile> ReadFile for Rescued<F> {
    /// Reads as many bytes as fit, fewer only before the end and before what is missing.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            let place = offset + done as u64;
            let Some(piece) = self.piece(place) else { break };
            let mut packed = vec![0; piece.packed as usize];
            let length = self.file.read_fully(&mut packed, piece.at)?;
            let Some(content) = inflate(&packed[..length], piece.length as usize) else { break };
            let from = usize::try_from(place - piece.offset).unwrap_or(usize::MAX);
            let count = (content.len() - from).min(bytes.len() - done);
            bytes[done..done + count].copy_from_slice(&content[from..from + count]);
            done += count;
        }
        Ok(done)
    }

    /// Tells about the file of ours, with the size of the content.
    fn stat(&self) -> io::Result<Stat> {
        Ok(Stat { size: self.end, ..self.file.stat()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use proptest::prelude::*;

    fn epoch(number: u8) -> Epoch {
        Epoch::from_random([number; 12])
    }

    fn rescue(directory: &Path, bytes_max: u64) -> (Rescue, Vec<Epoch>) {
        let settings = RescueSettings { bytes_max, ..RescueSettings::default() };
        Rescue::open(&RealDisk, &settings, directory).unwrap()
    }

    fn saved(rescue: &Rescue, number: u8, content: &[u8], from: u64) -> Result<Saved, RescueError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let open = RealDisk.open(file.path()).unwrap();
        let mut draft = rescue.begin(&RealDisk, epoch(number), from)?;
        loop {
            match draft.step(&open) {
                Ok(false) => {}
                Ok(true) => return draft.finish(),
                Err(error) => {
                    draft.discard();
                    return Err(error);
                }
            }
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..length).map(|_| random.u8(..)).collect()
    }

    proptest! {
        /// For every content and offset, what stands there from the offset on, a little before it and at the beginning
        /// is read back at the same places, in pieces of any size.
        #[test]
        fn property_content_is_read_at_its_offsets(
            length in 0_usize..700_000, part in 0_usize..=1000, step in 1_usize..300_000, is_text in any::<bool>(),
        ) {
            let content = if is_text { b"a line\n".repeat(length / 7) } else { noise(length) };
            let from = content.len() * part / 1000;
            let directory = tempfile::tempdir().unwrap();
            let (rescue, _) = rescue(directory.path(), 1 << 30);
            let told = saved(&rescue, 1, &content, from as u64).unwrap();
            prop_assert_eq!(told.end, content.len() as u64);
            let file = RealDisk.open(&rescue.path_of(epoch(1))).unwrap();
            prop_assert_eq!(told.bytes, file.stat().unwrap().size);
            let rescued = Rescued::open(file).unwrap();
            prop_assert_eq!((rescued.stat().unwrap().size, rescued.damaged_bytes()), (told.end, 0));
            let mut at = from.saturating_sub(64);
            let mut piece = vec![0; step];
            while at < content.len() {
                let read = rescued.read_at(&mut piece, at as u64).unwrap();
                let upto = content.len().min(at + step);
                prop_assert_eq!(&piece[..read], &content[at..upto]);
                at += read;
            }
            prop_assert_eq!(rescued.read_at(&mut piece, at as u64).unwrap(), 0);
            let mut first = vec![0; content.len().min(1024)];
            prop_assert_eq!(&rescue.first_bytes(&RealDisk, epoch(1)).unwrap()[..], &content[..first.len()]);
            let read = rescued.read_at(&mut first, 0).unwrap();
            prop_assert_eq!((read, &first[..]), (first.len(), &content[..first.len()]));
        }
    }

    #[test]
    fn damage_ends_the_content_before_it_and_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let (rescue, _) = rescue(directory.path(), 1 << 30);
        let content = noise(900_000);
        saved(&rescue, 1, &content, 0).unwrap();
        let path = rescue.path_of(epoch(1));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[400_000] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let rescued = Rescued::open(RealDisk.open(&path).unwrap()).unwrap();
        assert!(0 < rescued.damaged_bytes());
        let mut all = vec![0; content.len()];
        let read = rescued.read_at(&mut all, 0).unwrap();
        assert_eq!((read, &all[..read]), (PIECE_BYTES, &content[..PIECE_BYTES]));
        assert_eq!(rescued.stat().unwrap().size, 900_000, "what is missing is known");
    }

    #[test]
    fn budget_is_shared_counted_over_restarts_and_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let (first, known) = rescue(directory.path(), 300_000);
        assert_eq!(known, []);
        let content = noise(200_000);
        saved(&first, 1, &content, 0).unwrap();
        assert!(matches!(saved(&first.clone(), 2, &content, 0), Err(RescueError::Full { .. })));
        let names = |path: &Path| std::fs::read_dir(path).unwrap().count();
        assert_eq!(names(first.directory()), 1, "nothing half-done is left");
        std::fs::write(first.directory().join(format!("{}.draft", epoch(3))), "half").unwrap();
        let (second, known) = rescue(directory.path(), 300_000);
        assert_eq!((known, names(second.directory())), (vec![epoch(1)], 1));
        assert!(saved(&second, 2, &content, 0).is_err());
        second.remove(&RealDisk, epoch(1)).unwrap();
        second.remove(&RealDisk, epoch(1)).unwrap();
        saved(&second, 2, &content, 0).unwrap();
    }
}
