//! The model file system beside a real one: the same actions, from a seed, and everything that can be seen of both.
//!
//! `SHIPPER_LIKENESS_SEED=n` runs one list and prints it.

use crate::disk::ModelDisk;
use fastrand::Rng;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use shipper::disk::{AppendFile, Disk, Kind, ReadFile, RealDisk, Stat};
use shipper::position::Inode;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const LISTS: u64 = 10_000;

/// Everything that has a name lies below it; the model knows `/logs` and `/logs/old`.
const ROOT: &str = "/logs";

/// Names that actions take: files, links, a directory, names below a file, and names that nobody made.
const NAMES: [&str; 8] = ["a", "b", "a.1", "old/a", "old/a.1", "old", "a/x", "gone/x"];

/// A directory on tmpfs, where there is one.
fn real_root() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    let made = if RealDisk.file_system(shared).is_ok_and(|magic| magic == 0x0102_1994) {
        tempfile::tempdir_in(shared)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

/// What an action is to do, drawn before any of the two does it.
#[derive(Debug, Clone)]
enum Action {
    /// Opens or makes a file, appends and closes it.
    Write(PathBuf, Vec<u8>),
    /// Writes at an offset, behind the end too.
    WriteAt(PathBuf, usize, Vec<u8>),
    Truncate(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    HardLink(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
    // Through the trait.
    Open(PathBuf),
    Close(usize),
    ReadAll(PathBuf, u64),
    Append(PathBuf, Vec<u8>),
    Create(PathBuf, Vec<u8>),
    /// Appends to a writer that is kept open.
    AppendMore(usize, Vec<u8>),
    TruncateOpen(usize, u64),
    CloseWriter(usize),
    DiskRename(PathBuf, PathBuf),
    DiskRemove(PathBuf),
    MakeDirectory(PathBuf),
    SyncDirectory(PathBuf),
    List(PathBuf),
}

fn draw(rng: &mut Rng) -> Action {
    let name = |rng: &mut Rng| Path::new(ROOT).join(NAMES[rng.usize(..NAMES.len())]);
    let file = |rng: &mut Rng| Path::new(ROOT).join(NAMES[rng.usize(..5)]);
    let bytes = |rng: &mut Rng| vec![rng.alphanumeric() as u8; rng.usize(..100)];
    match rng.u8(..25) {
        0..=2 => Action::Write(file(rng), bytes(rng)),
        3 => Action::WriteAt(file(rng), rng.usize(..300), bytes(rng)),
        4 => Action::Truncate(file(rng), rng.usize(..200)),
        5 | 6 => Action::Rename(file(rng), file(rng)),
        7 => Action::Remove(file(rng)),
        8 => Action::HardLink(file(rng), file(rng)),
        9 => Action::Symlink(file(rng), file(rng)),
        10..=12 => Action::Open(name(rng)),
        13 => Action::Close(rng.usize(..4)),
        14 => Action::ReadAll(name(rng), rng.u64(..200)),
        15 => Action::Append(name(rng), bytes(rng)),
        16 => Action::Create(name(rng), bytes(rng)),
        17 => Action::AppendMore(rng.usize(..4), bytes(rng)),
        18 => Action::TruncateOpen(rng.usize(..4), rng.u64(..300)),
        19 => Action::CloseWriter(rng.usize(..4)),
        20 => Action::DiskRename(name(rng), name(rng)),
        21 => Action::DiskRemove(name(rng)),
        22 => Action::MakeDirectory(name(rng)),
        23 => Action::SyncDirectory(name(rng)),
        _ => Action::List(name(rng)),
    }
}

/// An answer as both can give it.
fn told<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// What others than the process do to files.
trait Outside {
    fn write(&self, path: &Path, at: Option<usize>, bytes: &[u8]);
    fn truncate(&self, path: &Path, length: usize);
    fn rename(&self, from: &Path, to: &Path);
    fn remove(&self, path: &Path);
    fn link(&self, from: &Path, to: &Path, symbolic: bool);
    /// Makes a later change of anything below `root` be seen in its time.
    fn age(&self, root: &Path);
}

/// A process on a disk, below `root`, with what it holds open.
struct Side<D: Disk> {
    disk: D,
    root: PathBuf,
    files: BTreeMap<usize, D::File>,
    writers: BTreeMap<usize, D::Writer>,
}

impl<D: Disk + Outside> Side<D> {
    fn new(disk: D, root: PathBuf) -> Self {
        Self { disk, root, files: BTreeMap::new(), writers: BTreeMap::new() }
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap())
    }

    fn act(&mut self, index: usize, action: &Action) -> String {
        let slot = index % 4;
        let disk = &self.disk;
        match action {
            Action::Write(path, bytes) => disk.write(&self.place(path), None, bytes),
            Action::WriteAt(path, at, bytes) => disk.write(&self.place(path), Some(*at), bytes),
            Action::Truncate(path, length) => disk.truncate(&self.place(path), *length),
            Action::Rename(from, to) => Outside::rename(disk, &self.place(from), &self.place(to)),
            Action::Remove(path) => Outside::remove(disk, &self.place(path)),
            Action::HardLink(from, to) => disk.link(&self.place(from), &self.place(to), false),
            Action::Symlink(from, to) => disk.link(&self.place(from), &self.place(to), true),
            Action::Open(path) => {
                let opened = disk.open(&self.place(path));
                return told(opened.map(|file| drop(self.files.insert(slot, file))));
            }
            Action::Close(slot) => drop(self.files.remove(slot)),
            Action::ReadAll(path, most) => return told(disk.read_all(&self.place(path), *most)),
            Action::Append(path, bytes) => {
                let writer = disk.append(&self.place(path), 0o640);
                return told(writer.and_then(|writer| self.keep(slot, writer, bytes)));
            }
            Action::Create(path, bytes) => {
                let writer = disk.create(&self.place(path), 0o640);
                return told(writer.and_then(|writer| self.keep(slot, writer, bytes)));
            }
            Action::AppendMore(slot, bytes) => {
                return told(self.writers.get_mut(slot).map(|one| one.append(bytes)).transpose());
            }
            Action::TruncateOpen(slot, length) => {
                let writer = self.writers.get_mut(slot);
                return told(writer.map(|one| one.truncate(*length)).transpose());
            }
            Action::CloseWriter(slot) => drop(self.writers.remove(slot)),
            Action::DiskRename(from, to) => {
                return told(Disk::rename(disk, &self.place(from), &self.place(to)));
            }
            Action::DiskRemove(path) => return told(Disk::remove(disk, &self.place(path))),
            Action::MakeDirectory(path) => {
                return told(disk.create_directory(&self.place(path), 0o755));
            }
            Action::SyncDirectory(path) => return told(disk.sync_directory(&self.place(path))),
            Action::List(path) => return self.list(path),
        }
        String::new()
    }

    fn keep(&mut self, slot: usize, mut writer: D::Writer, bytes: &[u8]) -> io::Result<()> {
        writer.append(bytes)?;
        writer.sync()?;
        self.writers.insert(slot, writer);
        Ok(())
    }

    fn list(&self, path: &Path) -> String {
        told(self.disk.list(&self.place(path)).map(|mut listed| {
            listed.sort_by(|left, right| left.name.cmp(&right.name));
            listed
        }))
    }

    /// Returns what has a name, so that a later look tells what has changed.
    fn before(&self) -> BTreeMap<Inode, i64> {
        self.disk.age(&self.root);
        let names = NAMES.iter().map(|name| Path::new(ROOT).join(name));
        let paths = names.chain([PathBuf::from(ROOT)]);
        let stats = paths.filter_map(|path| self.disk.link_stat(&self.place(&path)).ok());
        stats.map(|stat| (stat.inode, stat.modified)).collect()
    }

    /// Everything that can be seen, inodes as the order in which they are met and times as what has changed.
    fn look(&self, before: &BTreeMap<Inode, i64>) -> Vec<String> {
        let mut seen = Vec::new();
        let mut inodes = Vec::new();
        let mut describe = |what: &str, stat: io::Result<Stat>| {
            told(stat.map(|stat| {
                let place = inodes.iter().position(|inode| *inode == stat.inode);
                let place = place.unwrap_or_else(|| {
                    inodes.push(stat.inode);
                    inodes.len() - 1
                });
                // A directory has a size of its own on each file system, a link that of the path.
                let size = if stat.kind == Kind::File { stat.size } else { 0 };
                let changed = before.get(&stat.inode).map(|modified| *modified != stat.modified);
                format!("{what}: {:?} {size} inode {place} changed {changed:?}", stat.kind)
            }))
        };
        for name in NAMES {
            let path = self.place(&Path::new(ROOT).join(name));
            seen.push(describe(&format!("stat {name}"), self.disk.stat(&path)));
            seen.push(describe(&format!("link {name}"), self.disk.link_stat(&path)));
            seen.push(format!("{name}: {}", told(self.disk.read_all(&path, 1 << 20))));
        }
        seen.push(describe("the root", self.disk.stat(&self.place(Path::new(ROOT)))));
        for (slot, file) in &self.files {
            seen.push(describe(&format!("open {slot}"), file.stat()));
            for (offset, length) in [(0, 1000), (40, 20), (10_000, 1)] {
                let mut bytes = vec![0; length];
                let read = file.read_at(&mut bytes, offset);
                seen.push(format!("{slot}: {}", told(read.map(|length| bytes[..length].to_vec()))));
            }
        }
        for directory in ["", "old"] {
            seen.push(self.list(&Path::new(ROOT).join(directory)));
        }
        seen
    }
}

impl Outside for RealDisk {
    fn write(&self, path: &Path, at: Option<usize>, bytes: &[u8]) {
        let mut options = OpenOptions::new();
        let Ok(file) = options.write(true).create(true).truncate(false).open(path) else { return };
        let end = file.metadata().unwrap().len();
        file.write_all_at(bytes, at.map_or(end, |at| at as u64)).unwrap();
    }

    fn truncate(&self, path: &Path, length: usize) {
        if let Ok(file) = OpenOptions::new().write(true).open(path) {
            file.set_len(file.metadata().unwrap().len().min(length as u64)).unwrap();
        }
    }

    fn rename(&self, from: &Path, to: &Path) {
        let _ = fs::rename(from, to);
    }

    fn remove(&self, path: &Path) {
        let _ = fs::remove_file(path);
    }

    fn link(&self, from: &Path, to: &Path, symbolic: bool) {
        let there = fs::symlink_metadata(from).is_ok();
        if symbolic && there {
            let _ = std::os::unix::fs::symlink(from, to);
        } else if !symbolic {
            let _ = fs::hard_link(from, to);
        }
    }

    /// A file system's clock stands still for milliseconds: everything that has a name is made old.
    fn age(&self, root: &Path) {
        let time = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        for name in NAMES.into_iter().chain([""]) {
            let path = root.join("logs").join(name);
            let _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
        }
    }
}

impl Outside for ModelDisk {
    fn write(&self, path: &Path, at: Option<usize>, bytes: &[u8]) {
        let mut state = self.state();
        let Some(number) = state.try_open_log(path) else { return };
        let at = at.unwrap_or(state.content(number).len());
        state.write_at(number, at, bytes);
    }

    fn truncate(&self, path: &Path, length: usize) {
        let mut state = self.state();
        if let Some(number) = state.number_of(path) {
            state.truncate_log(number, length);
        }
    }

    fn rename(&self, from: &Path, to: &Path) {
        self.state().rename_log(from, to);
    }

    fn remove(&self, path: &Path) {
        self.state().remove_log(path);
    }

    fn link(&self, from: &Path, to: &Path, symbolic: bool) {
        self.state().link_log(from, to, symbolic);
    }

    // Its clock never stands still.
    fn age(&self, _: &Path) {}
}

/// Runs one list on both.
fn run(seed: u64) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let root = real_root();
    fs::create_dir_all(root.path().join("logs/old")).unwrap();
    let mut model = Side::new(ModelDisk::new(), PathBuf::from("/"));
    let mut real = Side::new(RealDisk, root.path().to_path_buf());
    let mut actions = Vec::new();
    for index in 0..rng.usize(1..25) {
        let action = draw(&mut rng);
        actions.push(format!("{index}: {action:?}"));
        let (model_before, real_before) = (model.before(), real.before());
        let (expected, got) = (real.act(index, &action), model.act(index, &action));
        let fail = |real: &str, model: &str| {
            Err(format!("real  {real}\nmodel {model}\nafter {}", actions.join("\n      ")))
        };
        if got != expected {
            return fail(&expected, &got);
        }
        let (expected, got) = (real.look(&real_before), model.look(&model_before));
        if let Some((real, model)) = expected.iter().zip(&got).find(|(real, model)| real != model) {
            return fail(real, model);
        }
        assert_eq!(expected.len(), got.len());
    }
    Ok(())
}

#[test]
fn the_model_file_system_is_like_a_real_one() {
    if let Some(seed) = crate::number("SHIPPER_LIKENESS_SEED") {
        return run(seed).unwrap();
    }
    let next = AtomicU64::new(1);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if LISTS < seed || failed.lock().unwrap().is_some() {
                        return;
                    }
                    if let Err(what) = run(seed) {
                        failed.lock().unwrap().get_or_insert((seed, what));
                    }
                }
            });
        }
    });
    if let Some((seed, what)) = failed.into_inner().unwrap() {
        panic!("list {seed}: {what}");
    }
}
