//! A file system in memory with the rules of a Unix one: names lead to inodes, an open file outlives its name, an inode
//! number is used again, what was not synced is lost in a power cut.

use shipper::discovery::watch::{Hint, Watch};
use shipper::disk::{AppendFile, Disk, Kind, Listed, ReadFile, Stat};
use shipper::position::Inode;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

/// Where the shipper keeps its own files: only there a power cut loses what was not synced.
pub const DATA: &str = "/data";

/// Where logs are moved out of their tree: nothing leads there.
pub const AWAY: &str = "/away";

const DEVICE: u64 = 1;

/// What stops a process in the middle of a step.
pub struct HardStop;

/// One file, directory or link.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Node {
    pub content: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    kind: Kind,
    link: PathBuf,
    birth: u64,
    /// When it was made, whether or not the file system knows.
    made: u64,
    modified: i64,
    handles: usize,
    names: usize,
    readable: bool,
    /// Times that the process has it open, and how far it has read it.
    opened: usize,
    read_to: usize,
    /// Whether it was ever cut.
    was_truncated: bool,
    /// Whether it lost its name while the process had it open: what is in it is to be read before it is closed.
    is_owed: bool,
    /// Whether it was moved out of its tree while the process had it open under that name: it is to be followed in this life.
    is_moved: bool,
    /// Whether it is to be followed there whatever comes: its new name is saved.
    is_followed: bool,
    /// Whether it ever was out of its tree: one that is closed then is missed, and ends where that was read to until it is found.
    was_away: bool,
    /// Whether it was made as a copy of another one, which is known by its content alone.
    is_copy: bool,
    /// What somebody wrote into it: it is a log.
    is_log: bool,
    /// When that was last, and where in it one waited how long before going on.
    written_at: u64,
    pauses: Vec<(usize, u64)>,
}

impl Node {
    /// What was in a log that was missed for a while waits for nothing behind it, wherever that was.
    fn stream(&self) -> Stream {
        let long = |(offset, pause): &(usize, u64)| {
            (*offset, if self.was_away { u64::MAX } else { *pause })
        };
        Stream { content: self.content.clone(), pauses: self.pauses.iter().map(long).collect() }
    }
}

/// What a log had in it, and the pauses of its writer in milliseconds, each with the offset at which it was.
#[derive(Debug, Clone)]
pub struct Stream {
    pub content: Vec<u8>,
    pub pauses: Vec<(usize, u64)>,
}

/// Errors that the file system gives for the time being.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may go with any other")]
pub struct Faults {
    /// Nothing more can be appended below [`DATA`].
    pub full: bool,
    /// Nothing can be synced.
    pub sync_fails: bool,
    /// No file can be opened: the process has too many.
    pub open_fails: bool,
    /// Many reads fail, or end early.
    pub reads_fail: bool,
}

/// What a sync that takes long says to who waits for it, or that what called it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncing {
    Waits,
    Ended,
}

/// Where a sync waits in another thread: until it is told whether it goes on or the process is stopped in it.
pub struct Gate {
    pub says: mpsc::Sender<Syncing>,
    pub goes_on: mpsc::Receiver<bool>,
}

type Meanwhile = Box<dyn FnMut(&mut State) + Send>;

/// The file system's state.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "any of them may go with any other")]
pub struct State {
    nodes: BTreeMap<u64, Node>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// The names that open files have now, by their handles: those under which they were opened, or renamed to.
    opened_as: BTreeMap<u64, PathBuf>,
    next_handle: u64,
    next_inode: u64,
    free_inodes: Vec<u64>,
    clock: u64,
    locks: BTreeSet<PathBuf>,
    hints: Option<mpsc::Sender<Hint>>,
    watched: BTreeSet<PathBuf>,
    pub faults: Faults,
    /// Calls until the process is stopped in the middle of one.
    pub stop_after: Option<u64>,
    /// Where the next sync waits.
    pub gate: Option<Gate>,
    /// What happens between two calls of the process.
    pub meanwhile: Option<Meanwhile>,
    /// Whether the file system knows when an inode was made.
    pub births: bool,
    /// Whether the files are on a file system that gives no events.
    pub is_remote: bool,
    /// Whether the process may close no file that it follows for want of descriptors or because it is idle.
    pub keeps_open: bool,
    /// Whether the process is to find copies that were made out of the tree.
    pub finds_copies: bool,
    /// Files that the process closed although they had no name any more and held lines that it had not read.
    pub given_up: Vec<String>,
    /// Whether what is in a file that has no name any more is kept when the process closes it; and what was in those, as far
    /// as the process had read it.
    pub promises: bool,
    pub promised: Vec<Vec<u8>>,
    /// Whether the call that begins is the first look at a file after the logs' directory was listed.
    pub is_first_look: bool,
    was_listed: bool,
    is_within_call: bool,
    is_ending: bool,
    /// Which read fails next is drawn from this.
    reads: u64,
    /// Virtual time in milliseconds.
    pub now: u64,
    /// What logs had in them that were truncated or are gone; `None`: nobody asks.
    pub past: Option<Vec<Stream>>,
}

/// The model; clones are the same file system.
#[derive(Clone, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

impl ModelDisk {
    pub fn new() -> Self {
        let disk = Self::default();
        {
            let mut state = disk.state();
            state.next_inode = 100;
            state.births = true;
            for directory in ["/", "/logs", "/logs/old", DATA, AWAY] {
                state.make(Path::new(directory), Kind::Directory);
            }
            state.durable_names = state.names.clone();
        }
        disk
    }

    /// Looks at the state or changes it from outside: no call of the process.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process where it is.
    fn stop(&self) -> ! {
        {
            let mut state = self.state();
            (state.is_ending, state.promises) = (true, false);
        }
        std::panic::panic_any(HardStop)
    }

    /// Begins a call of the process.
    fn enter(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if let Some(left) = &mut state.stop_after {
            if *left == 0 {
                drop(state);
                self.stop();
            }
            *left -= 1;
        }
        if let Some(mut meanwhile) = state.meanwhile.take() {
            state.is_within_call = true;
            meanwhile(&mut state);
            state.is_within_call = false;
            state.meanwhile.get_or_insert(meanwhile);
        }
        state
    }

    /// Makes a watch that gives hints to `hints`.
    pub fn watch(&self, hints: mpsc::Sender<Hint>) -> ModelWatch {
        let mut state = self.state();
        state.hints = Some(hints);
        state.watched.clear();
        ModelWatch(self.clone())
    }
}

/// Most links on the way to a file.
const LINKS_MAX: usize = 40;

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Too many links on the way: they lead in a circle.
fn circle() -> io::Error {
    io::Error::from_raw_os_error(40)
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1_000;
        self.clock
    }

    fn hint(&self, path: &Path, names: bool) {
        if let (Some(hints), Some(directory)) = (&self.hints, path.parent())
            && self.watched.contains(directory)
        {
            let path = path.to_path_buf();
            let _ = hints.send(if names { Hint::Names(path) } else { Hint::Changed(path) });
        }
    }

    /// Loses all hints that were given and says so, as a full queue of inotify does.
    pub fn overflow(&mut self) {
        if let Some(hints) = &self.hints {
            let _ = hints.send(Hint::Overflow);
        }
    }

    fn make(&mut self, path: &Path, kind: Kind) -> u64 {
        let birth = self.tick();
        let number = self.free_inodes.pop().unwrap_or_else(|| {
            self.next_inode += 1;
            self.next_inode
        });
        let node = Node {
            content: Vec::new(),
            durable: Vec::new(),
            kind,
            link: PathBuf::new(),
            birth: if self.births { birth } else { 0 },
            made: birth,
            modified: i64::try_from(birth).unwrap(),
            handles: 0,
            names: 1,
            readable: true,
            opened: 0,
            read_to: 0,
            was_truncated: false,
            is_owed: false,
            is_moved: false,
            was_away: false,
            is_followed: false,
            is_copy: false,
            is_log: false,
            written_at: 0,
            pauses: Vec::new(),
        };
        self.nodes.insert(number, node);
        self.names.insert(path.to_path_buf(), number);
        self.touch_directory(path);
        number
    }

    fn touch_directory(&mut self, path: &Path) {
        let now = i64::try_from(self.tick()).unwrap();
        let directory = path.parent().and_then(|directory| self.names.get(directory));
        if let Some(node) = directory.copied().and_then(|number| self.nodes.get_mut(&number)) {
            node.modified = now;
        }
    }

    fn unlink(&mut self, path: &Path) -> bool {
        let Some(number) = self.names.remove(path) else { return false };
        self.opened_as.retain(|_, name| name != path);
        self.touch_directory(path);
        // A call of the process may be about to look at it only.
        let is_owed = self.keeps_open && !self.is_within_call && path.starts_with("/logs");
        let node = self.nodes.get_mut(&number).unwrap();
        node.names -= 1;
        node.is_owed |= is_owed && node.names == 0 && 0 < node.opened && !node.was_truncated;
        self.free_if_unused(number);
        true
    }

    fn free_if_unused(&mut self, number: u64) {
        let node = &self.nodes[&number];
        let kept = self.durable_names.values().any(|durable| *durable == number);
        if node.names == 0 && node.handles == 0 && !kept {
            self.remember(number);
            self.nodes.remove(&number);
            self.free_inodes.push(number);
        }
    }

    /// Returns the path of a name without links on the way, and without one at its end if `follow`; the directory that
    /// holds the name is there, the name itself need not be.
    fn locate(&self, path: &Path, follow: bool) -> io::Result<PathBuf> {
        self.walk(path, follow, &mut 0)
    }

    fn walk(&self, path: &Path, follow: bool, links: &mut usize) -> io::Result<PathBuf> {
        let Some((directory, name)) = path.parent().zip(path.file_name()) else {
            return Ok(path.to_path_buf());
        };
        let directory = self.walk(directory, true, links)?;
        let number = self.names.get(&directory).ok_or_else(missing)?;
        if self.nodes[number].kind != Kind::Directory {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let path = directory.join(name);
        match self.names.get(&path).map(|number| &self.nodes[number]) {
            Some(node) if follow && node.kind == Kind::Link => {
                *links += 1;
                if LINKS_MAX < *links {
                    return Err(circle());
                }
                self.walk(&node.link, true, links)
            }
            _ => Ok(path),
        }
    }

    fn resolve(&self, path: &Path) -> io::Result<u64> {
        self.names.get(&self.locate(path, true)?).copied().ok_or_else(missing)
    }

    fn is_directory(&self, number: u64) -> bool {
        self.nodes[&number].kind == Kind::Directory
    }

    /// Returns the file of that name, made when it is missing, also behind a link.
    fn open_or_make(&mut self, path: &Path) -> io::Result<u64> {
        let path = self.locate(path, true)?;
        match self.names.get(&path).copied() {
            Some(number) if self.is_directory(number) => Err(io::ErrorKind::IsADirectory.into()),
            Some(number) => Ok(number),
            None => {
                let number = self.make(&path, Kind::File);
                self.hint(&path, true);
                Ok(number)
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.locate(from, false)?, self.locate(to, false)?);
        let number = *self.names.get(&from).ok_or_else(missing)?;
        let target = self.names.get(&to).copied();
        let is_directory = self.is_directory(number);
        if is_directory && to != from && to.starts_with(&from) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if from != to && from.starts_with(&to) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if target == Some(number) {
            // Two names of one file both stay.
            return Ok(());
        }
        match target.map(|target| self.is_directory(target)) {
            Some(true) if !is_directory => return Err(io::ErrorKind::IsADirectory.into()),
            Some(false) if is_directory => return Err(io::ErrorKind::NotADirectory.into()),
            Some(true) if self.names.keys().any(|path| path.parent() == Some(&to)) => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        self.unlink(&to);
        let moved: Vec<PathBuf> =
            self.names.keys().filter(|path| path.starts_with(&from)).cloned().collect();
        for path in moved {
            let number = self.names.remove(&path).unwrap();
            let below = path.strip_prefix(&from).unwrap();
            let path = if below == Path::new("") { to.clone() } else { to.join(below) };
            self.names.insert(path, number);
        }
        self.nodes.get_mut(&number).unwrap().was_away |= to.starts_with(AWAY);
        // A call of the process may be about to look at it only.
        let is_open = !self.is_within_call && self.opened_as.values().any(|name| *name == from);
        if is_open && self.keeps_open && to.starts_with(AWAY) {
            self.nodes.get_mut(&number).unwrap().is_moved = true;
        }
        for name in self.opened_as.values_mut() {
            if let Ok(below) = name.strip_prefix(&from) {
                *name = if below == Path::new("") { to.clone() } else { to.join(below) };
            }
        }
        self.touch_directory(&from);
        self.touch_directory(&to);
        self.hint(&from, true);
        self.hint(&to, true);
        let is_watched = |path: &Path| path.parent().is_some_and(|one| self.watched.contains(one));
        if let Some(hints) = self.hints.as_ref().filter(|_| is_watched(&from) && is_watched(&to)) {
            let _ = hints.send(Hint::Renamed(from, to));
        }
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let path = self.locate(path, false)?;
        let number = *self.names.get(&path).ok_or_else(missing)?;
        if self.is_directory(number) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        self.unlink(&path);
        self.hint(&path, true);
        Ok(())
    }

    fn stat_of(&self, number: u64) -> Stat {
        let node = &self.nodes[&number];
        Stat {
            kind: node.kind,
            inode: Inode { device: DEVICE, number, birth: node.birth },
            size: node.content.len() as u64,
            modified: node.modified,
            mode: 0o640,
            user: 0,
            group: 0,
        }
    }

    fn touch(&mut self, number: u64) {
        let now = i64::try_from(self.tick()).unwrap();
        self.nodes.get_mut(&number).unwrap().modified = now;
        let names: Vec<PathBuf> = self
            .names
            .iter()
            .filter(|(_, named)| **named == number)
            .map(|(path, _)| path.clone())
            .collect();
        for path in &names {
            self.hint(path, false);
        }
    }

    // What others than the process do.

    /// Returns the number of the file of that name, made when it is missing.
    pub fn open_log(&mut self, path: &Path) -> u64 {
        self.try_open_log(path).expect("a log is in a directory")
    }

    /// The same; `None` where no file of that name can be.
    pub fn try_open_log(&mut self, path: &Path) -> Option<u64> {
        self.open_or_make(path).ok()
    }

    /// Holds a file open, so that it outlives its name.
    pub fn hold(&mut self, number: u64) {
        self.nodes.get_mut(&number).unwrap().handles += 1;
    }

    /// Tells whether a file was made as a copy of another one.
    pub fn is_copy(&self, path: &Path) -> bool {
        self.number_of(path).is_some_and(|number| self.nodes[&number].is_copy)
    }

    /// Notes that a file is a copy of another one.
    pub fn note_copy(&mut self, number: u64) {
        self.nodes.get_mut(&number).unwrap().is_copy = true;
    }

    pub fn release(&mut self, number: u64) {
        self.nodes.get_mut(&number).unwrap().handles -= 1;
        self.free_if_unused(number);
    }

    /// The process closes a file.
    fn close(&mut self, number: u64) {
        let is_ending = self.is_ending || !self.keeps_open;
        let node = self.nodes.get_mut(&number).unwrap();
        node.opened = node.opened.saturating_sub(1);
        let whole = node.content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if node.is_owed && node.opened == 0 && !is_ending && node.read_to < whole {
            let told = format!("inode {number} was read to {}, and held {whole}", node.read_to);
            crate::story::tell(told.clone());
            self.given_up.push(told);
        }
        // Before it was missed, perhaps.
        node.is_moved &= self.keeps_open;
        if self.promises && node.is_owed && node.opened == 0 && self.keeps_open {
            self.promised.push(node.content[..node.read_to].to_vec());
        }
    }

    /// The process is stopped: it closes what it has open.
    pub fn begin_stop(&mut self, gently: bool) {
        self.is_ending = true;
        // What cannot be read or written at the stop is lost.
        let Faults { full, sync_fails, reads_fail, .. } = self.faults;
        let is_sound = gently && !full && !sync_fails && !reads_fail;
        self.promises &= is_sound;
        for node in self.nodes.values_mut() {
            node.is_followed |= is_sound && std::mem::take(&mut node.is_moved);
        }
    }

    /// The process has saved that a file is where it was moved to.
    pub fn note_saved(&mut self, name: &Path, number: u64) {
        if name.starts_with(AWAY) && self.number_of(name) == Some(number) {
            self.nodes.get_mut(&number).unwrap().is_followed = true;
        }
    }

    /// Returns the files that were moved out of their tree and that the process has to follow whatever it has sent of them. What
    /// came into one after it was cut may never have been seen.
    pub fn followed(&self) -> BTreeSet<PathBuf> {
        let away = self.names.iter().filter(|(path, _)| path.starts_with(AWAY));
        let nodes = away.map(|(path, number)| (path, &self.nodes[number]));
        let followed =
            nodes.filter(|(_, node)| !node.was_truncated && (node.is_moved || node.is_followed));
        followed.map(|(path, _)| path.clone()).collect()
    }

    /// Writes at an offset; a gap before it becomes a hole of NULs.
    pub fn write_at(&mut self, number: u64, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let node = self.nodes.get_mut(&number).unwrap();
        node.is_log = true;
        node.pauses.push((node.content.len(), self.now - node.written_at));
        node.written_at = self.now;
        let content = &mut node.content;
        let end = offset + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
        self.touch(number);
    }

    pub fn truncate_log(&mut self, number: u64, length: usize) {
        self.remember(number);
        let node = self.nodes.get_mut(&number).unwrap();
        node.pauses.clear();
        node.content.truncate(length);
        node.was_truncated = true;
        self.touch(number);
    }

    /// Keeps what a log has in it before that is gone.
    fn remember(&mut self, number: u64) {
        let (Some(past), Some(node)) = (&mut self.past, self.nodes.get(&number)) else { return };
        if node.is_log && !node.content.is_empty() {
            past.push(node.stream());
        }
    }

    /// Returns everything that logs ever had in them.
    pub fn streams(&self) -> Vec<Stream> {
        let logs = self.nodes.values().filter(|node| node.is_log);
        self.past.iter().flatten().cloned().chain(logs.map(Node::stream)).collect()
    }

    pub fn rename_log(&mut self, from: &Path, to: &Path) -> bool {
        self.rename(from, to).is_ok()
    }

    pub fn remove_log(&mut self, path: &Path) {
        let _ = self.remove(path);
    }

    pub fn link_log(&mut self, from: &Path, to: &Path, symbolic: bool) {
        let (Ok(place), Ok(to)) = (self.locate(from, false), self.locate(to, false)) else {
            return;
        };
        let Some(number) = self.names.get(&place).copied() else { return };
        if self.names.contains_key(&to) || (!symbolic && self.is_directory(number)) {
            return;
        }
        if symbolic {
            let link = self.make(&to, Kind::Link);
            self.nodes.get_mut(&link).unwrap().link = from.to_path_buf();
        } else {
            self.names.insert(to.clone(), number);
            self.touch_directory(&to);
            self.nodes.get_mut(&number).unwrap().names += 1;
        }
        self.hint(&to, true);
    }

    /// Tells whether a file has more than one name.
    pub fn has_other_names(&self, number: u64) -> bool {
        1 < self.nodes[&number].names
    }

    /// Gives a file the time of change of another one.
    pub fn age_like(&mut self, number: u64, path: &Path) {
        if let Some(modified) = self.names.get(path).map(|other| self.nodes[other].modified) {
            self.nodes.get_mut(&number).unwrap().modified = modified;
        }
    }

    pub fn set_readable(&mut self, path: &Path, readable: bool) {
        if let Some(number) = self.names.get(path).copied() {
            self.nodes.get_mut(&number).unwrap().readable = readable;
            self.hint(path, true);
        }
    }

    /// Makes everything readable and ends all faults.
    pub fn heal(&mut self) {
        self.faults = Faults::default();
        self.nodes.values_mut().for_each(|node| node.readable = true);
    }

    /// Returns when a file was made: no two are made at once.
    pub fn made(&self, number: u64) -> u64 {
        self.nodes[&number].made
    }

    pub fn content(&self, number: u64) -> &[u8] {
        self.nodes.get(&number).map_or(&[], |node| &node.content)
    }

    /// Returns the file that a name leads to.
    pub fn number_of(&self, path: &Path) -> Option<u64> {
        self.resolve(path).ok().filter(|number| !self.is_directory(*number))
    }

    /// Returns the content of every file below `/logs`, and of those that were moved out of it and not truncated, each inode
    /// once, and when it was made.
    pub fn logs(&self) -> Vec<(PathBuf, Vec<u8>, u64)> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let ours = self.names.iter().filter(|(path, _)| path.starts_with("/logs"));
        let is_sought =
            |node: &Node| !node.is_copy || node.is_moved || node.is_followed || self.finds_copies;
        let moved = self.names.iter().filter(|(path, number)| {
            let node = &self.nodes[number];
            path.starts_with(AWAY) && !node.was_truncated && is_sought(node)
        });
        for (path, number) in ours.chain(moved) {
            let node = &self.nodes[number];
            if node.kind == Kind::File && seen.insert(*number) {
                found.push((path.clone(), node.content.clone(), node.made));
            }
        }
        found
    }

    /// Returns the contents of logs that have no name any more and are held open.
    pub fn nameless(&self) -> impl Iterator<Item = &[u8]> {
        let nodes = self.nodes.values().filter(|node| node.is_log && node.names == 0);
        nodes.map(|node| &node.content[..])
    }

    /// Returns what is rescued.
    pub fn rescued(&self) -> Vec<Vec<u8>> {
        let is_rescued = |path: &PathBuf| {
            path.starts_with(DATA) && path.extension().is_some_and(|ending| ending == "rescue")
        };
        let rescued = self.names.iter().filter(|(path, _)| is_rescued(path));
        rescued.map(|(_, number)| self.nodes[number].content.clone()).collect()
    }

    /// The process ends; with a power cut, what it did not sync is lost but for a part of each last write.
    pub fn crash(&mut self, power_cut: bool, mut kept: impl FnMut(usize) -> usize) {
        (self.hints, self.meanwhile, self.stop_after) = (None, None, None);
        (self.is_ending, self.keeps_open) = (false, false);
        self.locks.clear();
        let numbers: Vec<u64> = self.nodes.keys().copied().collect();
        if power_cut {
            let data: Vec<PathBuf> =
                self.names.keys().filter(|path| path.starts_with(DATA)).cloned().collect();
            self.names.retain(|path, _| !data.contains(path));
            self.names.extend(
                self.durable_names
                    .iter()
                    .filter(|(path, _)| path.starts_with(DATA))
                    .map(|(path, number)| (path.clone(), *number)),
            );
        }
        for number in &numbers {
            let names = self.names.values().filter(|named| *named == number).count();
            let node = self.nodes.get_mut(number).unwrap();
            node.names = names;
            (node.opened, node.read_to) = (0, 0);
            (node.is_owed, node.is_moved) = (false, false);
            let ours = self.names.iter().any(|(path, named)| {
                named == number && path.starts_with(DATA) && node.kind == Kind::File
            });
            if ours && power_cut {
                let mut content = node.durable.clone();
                if node.content.starts_with(&content) {
                    let more = &node.content[content.len()..];
                    content.extend_from_slice(&more[..kept(more.len())]);
                }
                node.content = content;
            }
        }
        self.durable_names = self.names.clone();
    }
}

/// An open file.
pub struct ModelFile {
    disk: ModelDisk,
    handle: u64,
    number: u64,
}

impl Drop for ModelFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        state.opened_as.remove(&self.handle);
        state.close(self.number);
        state.release(self.number);
    }
}

impl ReadFile for ModelFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.enter();
        if state.is_directory(self.number) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.reads = state.reads.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let fault = state.faults.reads_fail.then(|| state.reads >> 61);
        if fault == Some(0) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let node = state.nodes.get_mut(&self.number).unwrap();
        let content = &node.content;
        let from = usize::try_from(offset).unwrap().min(content.len());
        let length = bytes.len().min(content.len() - from);
        let length = match fault {
            Some(1) => length.min(1),
            Some(2 | 3) => length.div_ceil(2),
            _ => length,
        };
        bytes[..length].copy_from_slice(&content[from..from + length]);
        node.read_to = node.read_to.max(from + length);
        Ok(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.enter().stat_of(self.number))
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        Ok(self.disk.enter().nodes[&self.number].names == 0)
    }

    fn name(&self) -> io::Result<Option<PathBuf>> {
        Ok(self.disk.enter().opened_as.get(&self.handle).cloned())
    }
}

impl AppendFile for ModelFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.enter();
        let full = state.faults.full;
        let node = state.nodes.get_mut(&self.number).unwrap();
        let written = if full { bytes.len() / 2 } else { bytes.len() };
        node.content.extend_from_slice(&bytes[..written]);
        if 0 < written {
            state.touch(self.number);
        }
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let gate = self.disk.enter().gate.take();
        if let Some(gate) = gate {
            gate.says.send(Syncing::Waits).unwrap();
            if !gate.goes_on.recv().unwrap() {
                self.disk.stop();
            }
        }
        let mut state = self.disk.state();
        if state.faults.sync_fails {
            return Err(io::Error::other("input/output error"));
        }
        let node = state.nodes.get_mut(&self.number).unwrap();
        node.durable.clone_from(&node.content);
        Ok(())
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.enter();
        let length = usize::try_from(length).unwrap();
        state.nodes.get_mut(&self.number).unwrap().content.resize(length, 0);
        state.touch(self.number);
        Ok(())
    }
}

/// A lock that ends with the value.
pub struct ModelLock(ModelDisk, PathBuf);

impl Drop for ModelLock {
    fn drop(&mut self) {
        self.0.state().locks.remove(&self.1);
    }
}

impl ModelDisk {
    fn handle(&self, state: &mut State, number: u64, path: &Path) -> ModelFile {
        state.hold(number);
        state.nodes.get_mut(&number).unwrap().opened += 1;
        let (handle, name) = (state.next_handle, state.locate(path, true).unwrap());
        state.next_handle += 1;
        state.opened_as.insert(handle, name);
        ModelFile { disk: self.clone(), handle, number }
    }

    fn writer(&self, path: &Path, empty: bool) -> io::Result<ModelFile> {
        let mut state = self.enter();
        if state.faults.full && state.resolve(path).is_err() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = state.open_or_make(path)?;
        if empty {
            state.nodes.get_mut(&number).unwrap().content.clear();
            state.touch(number);
        }
        Ok(self.handle(&mut state, number, path))
    }
}

impl Disk for ModelDisk {
    type File = ModelFile;
    type Writer = ModelFile;
    type Lock = ModelLock;

    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>> {
        let mut state = self.enter();
        let directory = state.locate(directory, true)?;
        state.was_listed |= directory == Path::new("/logs");
        match state.names.get(&directory) {
            None => return Err(missing()),
            Some(number) if !state.is_directory(*number) => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Some(_) => {}
        }
        let below = state.names.iter().filter(|(path, _)| path.parent() == Some(&directory));
        Ok(below
            .map(|(path, number)| Listed {
                name: OsString::from(path.file_name().unwrap()),
                kind: state.nodes[number].kind,
            })
            .collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.enter();
        state.resolve(path).map(|number| state.stat_of(number))
    }

    fn link_stat(&self, path: &Path) -> io::Result<Stat> {
        {
            let mut state = self.state();
            state.is_first_look = std::mem::take(&mut state.was_listed);
        }
        let state = self.enter();
        let path = state.locate(path, false)?;
        state.names.get(&path).map(|number| state.stat_of(*number)).ok_or_else(missing)
    }

    fn file_system(&self, _: &Path) -> io::Result<u64> {
        // NFS or ext4.
        Ok(if self.enter().is_remote { 0x6969 } else { 0xEF53 })
    }

    fn open(&self, path: &Path) -> io::Result<ModelFile> {
        let mut state = self.enter();
        let number = state.resolve(path)?;
        if !state.nodes[&number].readable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if state.faults.open_fails {
            return Err(io::Error::from_raw_os_error(24));
        }
        Ok(self.handle(&mut state, number, path))
    }

    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        let state = self.enter();
        let number = state.resolve(path)?;
        if state.is_directory(number) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let content = &state.nodes[&number].content;
        if longest < content.len() as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(content.clone())
    }

    fn append(&self, path: &Path, _: u32) -> io::Result<ModelFile> {
        self.writer(path, false)
    }

    fn create(&self, path: &Path, _: u32) -> io::Result<ModelFile> {
        self.writer(path, true)
    }

    fn create_directory(&self, path: &Path, _: u32) -> io::Result<()> {
        let mut state = self.enter();
        let mut parents: Vec<&Path> = path.ancestors().collect();
        parents.reverse();
        for parent in parents {
            // What is there, behind a link too, must be a directory; a link that leads nowhere is in the way.
            let place = state.locate(parent, false)?;
            if state.names.contains_key(&place) {
                match state.resolve(parent) {
                    Ok(number) if state.is_directory(number) => {}
                    _ if parent == path => return Err(io::ErrorKind::AlreadyExists.into()),
                    Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        return Err(io::ErrorKind::AlreadyExists.into());
                    }
                    Err(error) => return Err(error),
                }
            } else {
                let number = state.make(&place, Kind::Directory);
                // Directories outlive a power cut here: they are made once, long before anything matters.
                state.durable_names.insert(place, number);
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter().remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter();
        if state.faults.sync_fails {
            return Err(io::Error::other("input/output error"));
        }
        let path = &state.locate(path, true)?;
        if !state.names.contains_key(path) {
            return Err(missing());
        }
        state.durable_names.retain(|name, _| name.parent() != Some(path));
        let below: Vec<(PathBuf, u64)> = state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path))
            .map(|(name, number)| (name.clone(), *number))
            .collect();
        state.durable_names.extend(below);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<ModelLock>> {
        let mut state = self.enter();
        let free = state.locks.insert(path.to_path_buf());
        Ok(free.then(|| ModelLock(self.clone(), path.to_path_buf())))
    }
}

/// Hints of the model.
pub struct ModelWatch(ModelDisk);

impl Watch for ModelWatch {
    fn watch(&mut self, directory: &Path) -> bool {
        let mut state = self.0.state();
        let there = state.names.contains_key(directory);
        if there {
            state.watched.insert(directory.to_path_buf());
        }
        there
    }

    fn forget(&mut self, directory: &Path) {
        self.0.state().watched.remove(directory);
    }
}
