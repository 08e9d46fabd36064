//! Web servers as far as their log files go: each writes numbered lines and treats a rotation as its model does.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two writes.
const TICK: Duration = Duration::from_millis(2);

/// Writes for which the old processes of an Apache live on after a restart.
const LINGERING: usize = 40;

/// What a server does about a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Opens its file again when it is told to.
    Nginx,
    /// Restarts when it is told to: old processes write to the old file for a while.
    Apache,
    /// Appends to its file for ever, and writes nothing while [`Writer::pause`] holds.
    Append,
}

/// A running server.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    name: String,
    model: Model,
    lines_a_tick: usize,
    ended: AtomicBool,
    written: AtomicUsize,
    gate: Mutex<()>,
}

/// Returns line `number` of a server, without its end.
pub fn line(name: &str, number: usize) -> String {
    format!(
        "203.0.113.{} - - [21/Nov/2026:03:20:13 +0100] \"GET /{name}/{number} HTTP/1.1\" 200 {} \"-\" \
         \"Mozilla/5.0 (X11; Linux x86_64)\"",
        number % 250,
        number * 7 % 10_000
    )
}

/// Returns lines as they stand in a file.
pub fn lines(name: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| line(name, number) + "\n").collect()
}

/// Returns the file whose presence tells the server of `log` about a rotation, as a signal would.
pub fn bell(log: &Path) -> PathBuf {
    log.with_extension("reopen")
}

impl Writer {
    /// Starts a server that writes to `path`; its lines carry `name`.
    pub fn start(path: &Path, name: &str, model: Model, lines_a_tick: usize) -> Self {
        let shared = Arc::new(Shared {
            path: path.to_path_buf(),
            name: name.to_owned(),
            model,
            lines_a_tick,
            ended: AtomicBool::new(false),
            written: AtomicUsize::new(0),
            gate: Mutex::new(()),
        });
        let writing = Arc::clone(&shared);
        let file = open(path);
        let thread = Some(std::thread::spawn(move || writing.write_on(file)));
        Self { shared, thread }
    }

    /// Returns how many lines are written.
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::Acquire)
    }

    /// Waits until so many more lines are written.
    pub fn wait_for(&self, more: usize) {
        let goal = self.written() + more;
        while self.written() < goal {
            assert!(!self.thread.as_ref().unwrap().is_finished(), "the writer has ended");
            std::thread::sleep(TICK);
        }
    }

    /// Lets nothing be written until the guard is dropped.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.shared.gate.lock().unwrap()
    }

    /// Ends it and returns how many lines it has written.
    pub fn end(mut self) -> usize {
        self.shared.ended.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap();
        self.written()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
    }
}

impl Shared {
    fn write_on(&self, mut file: File) {
        let mut old: Option<(File, usize)> = None;
        let bell = bell(&self.path);
        while !self.ended.load(Ordering::Acquire) {
            if self.model != Model::Append && bell.exists() {
                let before = std::mem::replace(&mut file, open(&self.path));
                if self.model == Model::Apache {
                    old = Some((before, LINGERING));
                }
                // Told only now: whoever waits for it finds everything in its place.
                std::fs::remove_file(&bell).unwrap();
            }
            match &mut old {
                Some((before, left)) if *left % 2 == 0 => self.write_some(before),
                _ => self.write_some(&mut file),
            }
            old = old.map(|(file, left)| (file, left - 1)).filter(|(_, left)| 0 < *left);
            std::thread::sleep(TICK);
        }
    }

    /// Writes the next lines, now and then in two pieces that part a line.
    fn write_some(&self, file: &mut File) {
        let _gate = self.gate.lock().unwrap();
        let first = self.written.load(Ordering::Acquire);
        let end = first + self.lines_a_tick;
        let text = lines(&self.name, first..end);
        let split = if first / self.lines_a_tick % 8 == 3 { text.len() - 30 } else { text.len() };
        let (head, tail) = text.as_bytes().split_at(split);
        self.write_out(file, head);
        self.write_out(file, tail);
        self.written.store(end, Ordering::Release);
    }

    /// Writes all, however long a disk is full.
    fn write_out(&self, file: &mut File, mut rest: &[u8]) {
        while !rest.is_empty() {
            #[expect(clippy::disallowed_methods, reason = "a full disk takes a part")]
            match file.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    if self.ended.load(Ordering::Acquire) {
                        return;
                    }
                    std::thread::sleep(TICK);
                }
                Err(error) => panic!("{}: {error}", self.path.display()),
            }
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path).unwrap()
}
