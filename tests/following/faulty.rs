//! The real file system, but for what fails: reads, which may also end early, and syncs and lists of directories.

use shipper::disk::{Disk, Listed, ReadFile, RealDisk, RealFile, RealLock, RealWriter, Stat};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// More reads than any test needs: who reads on in vain is found here.
const READS_MAX: usize = 100_000;

/// Says of a read of so many bytes at an offset of a file how many of them come at most, or with which number it fails.
type Fault = Box<dyn FnMut(&Path, u64, usize) -> Result<usize, i32> + Send>;

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    reads: usize,
    directories_fail: bool,
    lists_fail: bool,
    hidden: Option<&'static str>,
    closed_up: Option<&'static str>,
    lists: Vec<PathBuf>,
    mounted: Option<PathBuf>,
}

/// The file system; clones are the same one.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// From now on reads have this fault.
    pub fn fail(
        &self,
        fault: impl FnMut(&Path, u64, usize) -> Result<usize, i32> + Send + 'static,
    ) {
        let fault: Option<Fault> = Some(Box::new(fault));
        *self.0.lock().unwrap() = State { fault, ..State::default() };
    }

    /// From now on no directory can be synced.
    pub fn fail_directories(&self) {
        self.0.lock().unwrap().directories_fail = true;
    }

    /// From now on no directory can be listed.
    pub fn fail_lists(&self) {
        self.0.lock().unwrap().lists_fail = true;
    }

    /// From now on a directory cannot be listed.
    pub fn hide(&self, directory: &'static str) {
        self.0.lock().unwrap().hidden = Some(directory);
    }

    /// From now on a directory can neither be listed nor searched.
    pub fn close_up(&self, directory: &'static str) {
        self.hide(directory);
        self.0.lock().unwrap().closed_up = Some(directory);
    }

    /// From now on something is mounted at a directory that does not answer: nobody may touch what is there.
    pub fn mount(&self, directory: PathBuf) {
        self.0.lock().unwrap().mounted = Some(directory);
    }

    /// Returns how often a directory was listed since the fault has begun.
    pub fn lists_of(&self, directory: &str) -> usize {
        self.0.lock().unwrap().lists.iter().filter(|one| one.ends_with(directory)).count()
    }

    fn touch(&self, path: &Path) {
        let hangs = self.0.lock().unwrap().mounted.as_ref().is_some_and(|at| path.starts_with(at));
        assert!(!hangs, "{}: it never answers", path.display());
    }

    fn search(&self, path: &Path) -> io::Result<()> {
        self.touch(path);
        let closed_up = self.0.lock().unwrap().closed_up;
        let is_closed = closed_up
            .is_some_and(|closed| path.parent().is_some_and(|place| place.ends_with(closed)));
        if is_closed { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    /// From now on all is well.
    pub fn heal(&self) {
        *self.0.lock().unwrap() = State::default();
    }

    /// Returns how often was read since the fault has begun.
    pub fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }
}

/// A sector of a file that cannot be read: what stands before it can.
pub fn bad_sector(
    name: &'static str,
    sector: std::ops::Range<u64>,
) -> impl FnMut(&Path, u64, usize) -> Result<usize, i32> + Send + 'static {
    move |path, offset, wanted| {
        if !path.ends_with(name) || sector.end <= offset {
            return Ok(wanted);
        }
        match sector.start.saturating_sub(offset) {
            0 => Err(5),
            before => Ok(wanted.min(usize::try_from(before).unwrap())),
        }
    }
}

/// An open file.
pub struct FaultyFile {
    file: RealFile,
    path: PathBuf,
    disk: FaultyDisk,
}

impl ReadFile for FaultyFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut length = bytes.len();
        {
            let mut state = self.disk.0.lock().unwrap();
            state.reads += 1;
            assert!(state.reads < READS_MAX, "{}: read again and again", self.path.display());
            if let Some(fault) = &mut state.fault {
                length = fault(&self.path, offset, length).map_err(io::Error::from_raw_os_error)?;
            }
        }
        self.file.read_at(&mut bytes[..length], offset)
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        self.file.is_unlinked()
    }

    fn name(&self) -> io::Result<Option<PathBuf>> {
        self.file.name()
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;
    type Writer = RealWriter;
    type Lock = RealLock;

    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>> {
        self.touch(directory);
        self.0.lock().unwrap().lists.push(directory.to_path_buf());
        if self.0.lock().unwrap().lists_fail {
            return Err(io::Error::from_raw_os_error(5));
        }
        if self.0.lock().unwrap().hidden.is_some_and(|hidden| directory.ends_with(hidden)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        RealDisk.list(directory)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.search(path)?;
        RealDisk.stat(path)
    }

    fn link_stat(&self, path: &Path) -> io::Result<Stat> {
        self.search(path)?;
        RealDisk.link_stat(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<u64> {
        RealDisk.file_system(path)
    }

    fn open(&self, path: &Path) -> io::Result<FaultyFile> {
        self.search(path)?;
        let (path, disk) = (path.to_path_buf(), self.clone());
        Ok(FaultyFile { file: RealDisk.open(&path)?, path, disk })
    }

    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        if path == Path::new("/proc/self/mountinfo")
            && let Some(mounted) = &self.0.lock().unwrap().mounted
        {
            let line = format!("40 22 0:35 / {} rw - nfs4 host:/x rw\n", mounted.display());
            return Ok(line.into_bytes());
        }
        RealDisk.read_all(path, longest)
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<RealWriter> {
        RealDisk.append(path, mode)
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<RealWriter> {
        RealDisk.create(path, mode)
    }

    fn create_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        RealDisk.create_directory(path, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if self.0.lock().unwrap().directories_fail {
            return Err(io::Error::from_raw_os_error(5));
        }
        RealDisk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<RealLock>> {
        RealDisk.lock(path)
    }
}
