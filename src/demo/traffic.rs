//! Plays the web server: a thread that appends lines to a log at a pace, and rotates it now and
//! then.

use super::generator::Generator;
use crate::disk::{AppendFile as _, Disk as _, RealDisk, RealWriter};
use crate::wake::Wake;
use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pause between two writes.
const TICK: Duration = Duration::from_millis(20);
/// Length of a wave of traffic, in seconds.
const WAVE_S: f64 = 20.0;
/// Rotated files that are kept.
const KEPT_FILES: u32 = 5;
/// Writing pauses while more than this waits to be delivered, so that the disk is not filled.
const LAG_BYTES_MAX: u64 = 256 << 20;
/// Most points of progress remembered; at a tick each, more than five minutes of lag.
const MARKS_MAX: usize = 16_384;
/// Mode of the log: as Debian's Apache makes it.
const MODE: u32 = 0o640;

/// What is to be written.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The log; its directory is there and is nobody else's.
    pub(super) path: PathBuf,
    /// Lines a second on average, at least 1.
    pub(super) rate: u32,
    /// Time between two rotations.
    pub(super) rotate_every: Duration,
    /// Seed of the lines.
    pub(super) seed: u64,
}

/// What was written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Lines.
    pub(super) lines: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Rotations.
    pub(super) rotations: u64,
}

/// How far delivery is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lag {
    /// Bytes written and not delivered, to a tick.
    pub(super) bytes: u64,
    /// Age of the oldest line that is not delivered.
    pub(super) age: Duration,
}

/// The log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the demo's log `{}`: {source}", path.display())]
pub struct TrafficError {
    path: PathBuf,
    source: io::Error,
}

/// The running thread; stops when dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), TrafficError>>>,
}

impl Traffic {
    /// Makes the log and starts to write.
    ///
    /// # Errors
    /// If the log cannot be made or no thread can be started.
    pub(super) fn start(plan: Plan) -> Result<Self, TrafficError> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let path = plan.path.clone();
        let failed = |source| TrafficError { path, source };
        let writer = RealDisk.append(&plan.path, MODE).map_err(failed.clone())?;
        let mut log = Log { generator: Generator::new(plan.seed), plan, writer, renamed: false };
        let thread = thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || log.write_until_stopped(&writing))
            .map_err(failed)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns what was written so far.
    pub(super) fn written(&self) -> Written {
        lock(&self.shared.progress).written
    }

    /// Tells the thread how many lines were delivered, and returns how far that is behind.
    pub(super) fn delivered(&self, lines: u64, now: Instant) -> Lag {
        let mut progress = lock(&self.shared.progress);
        let lag = progress.lag(lines, now);
        drop(progress);
        self.shared.delivered.store(lines, Ordering::Relaxed);
        self.shared.lag_bytes.store(lag.bytes, Ordering::Relaxed);
        lag
    }

    /// Tells whether the thread has ended by itself, which only an error makes it do.
    pub(super) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops writing and returns all that was written.
    ///
    /// # Errors
    /// If writing had failed.
    pub(super) fn stop(&mut self) -> Result<Written, TrafficError> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.wake.ring();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the traffic thread does not panic")?;
        }
        Ok(self.written())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // Whoever wants to know of an error has called `stop`.
        drop(self.stop());
    }
}

#[derive(Debug, Default)]
struct Shared {
    stopping: AtomicBool,
    wake: Wake,
    delivered: AtomicU64,
    lag_bytes: AtomicU64,
    progress: Mutex<Progress>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was written, and when.
#[derive(Debug, Default)]
struct Progress {
    written: Written,
    /// A point for each write, oldest first; those delivered are forgotten.
    marks: VecDeque<Mark>,
    /// Bytes up to the last point that was forgotten.
    delivered_bytes: u64,
}

/// The sums behind one write.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    lines: u64,
    bytes: u64,
}

impl Progress {
    fn add(&mut self, lines: u64, bytes: u64, at: Instant) {
        self.written.lines += lines;
        self.written.bytes += bytes;
        if MARKS_MAX <= self.marks.len() {
            // The newest points are merged: the oldest tell the lag.
            self.marks.pop_back();
        }
        let Written { lines, bytes, .. } = self.written;
        self.marks.push_back(Mark { at, lines, bytes });
    }

    fn lag(&mut self, delivered_lines: u64, now: Instant) -> Lag {
        while let Some(mark) = self.marks.front()
            && mark.lines <= delivered_lines
        {
            self.delivered_bytes = mark.bytes;
            self.marks.pop_front();
        }
        let age = self.marks.front().map_or(Duration::ZERO, |mark| now.duration_since(mark.at));
        Lag { bytes: self.written.bytes - self.delivered_bytes, age }
    }
}

/// The log file, and who writes it.
struct Log {
    generator: Generator,
    plan: Plan,
    writer: RealWriter,
    /// The file has its new name and is still written to, as a server does until it is told.
    renamed: bool,
}

impl Log {
    fn write_until_stopped(&mut self, shared: &Shared) -> Result<(), TrafficError> {
        let start = Instant::now();
        let (mut scheduled, mut last_rotation) = (0, start);
        // Lines written when the log was rotated last: delivered before it is rotated again, so
        // that no file goes that is still needed.
        let mut rotated_lines = 0;
        let mut text = Vec::new();
        while !shared.stopping.load(Ordering::Relaxed) {
            let now = Instant::now();
            let due = lines_due(now - start, self.plan.rate);
            // What a stall kept back is not made up for in one burst.
            let lines = (due - scheduled).min(u64::from(self.plan.rate));
            scheduled = due;
            if shared.lag_bytes.load(Ordering::Relaxed) < LAG_BYTES_MAX {
                self.write(lines, &mut text, shared).map_err(|source| self.failed(source))?;
            }
            if self.renamed {
                self.reopen().map_err(|source| self.failed(source))?;
            } else if self.plan.rotate_every <= now - last_rotation
                && rotated_lines <= shared.delivered.load(Ordering::Relaxed)
            {
                self.rename().map_err(|source| self.failed(source))?;
                last_rotation = now;
                let mut progress = lock(&shared.progress);
                progress.written.rotations += 1;
                rotated_lines = progress.written.lines;
            }
            shared.wake.wait(TICK);
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> TrafficError {
        TrafficError { path: self.plan.path.clone(), source }
    }

    fn write(&mut self, lines: u64, text: &mut Vec<u8>, shared: &Shared) -> io::Result<()> {
        if lines == 0 {
            return Ok(());
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_seconds = i64::try_from(since.as_secs()).unwrap_or(0);
        text.clear();
        for _ in 0..lines {
            self.generator.line(unix_seconds, text);
        }
        // Counted before they can be read, so that never more are delivered than were written.
        lock(&shared.progress).add(lines, text.len() as u64, Instant::now());
        self.writer.append(text)
    }

    fn rename(&mut self) -> io::Result<()> {
        for number in (1..KEPT_FILES).rev() {
            let rotated = rotated(&self.plan.path, number);
            if RealDisk.stat(&rotated).is_ok() {
                RealDisk.rename(&rotated, &self::rotated(&self.plan.path, number + 1))?;
            }
        }
        RealDisk.rename(&self.plan.path, &rotated(&self.plan.path, 1))?;
        self.renamed = true;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.writer = RealDisk.append(&self.plan.path, MODE)?;
        self.renamed = false;
        Ok(())
    }
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Returns how many lines have been due since the start: `rate` a second, in waves of half as much
/// more and less.
fn lines_due(elapsed: Duration, rate: u32) -> u64 {
    let seconds = elapsed.as_secs_f64();
    let wave = 0.5 * WAVE_S / TAU * (1.0 - (TAU * seconds / WAVE_S).cos());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum that is positive"
    )]
    let due = (f64::from(rate) * (seconds + wave)) as u64;
    due
}

#[cfg(test)]
mod tests {
    use super::{Lag, Plan, Progress, Traffic, lines_due};
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    #[test]
    fn traffic_comes_in_waves_around_its_rate() {
        let due = |seconds: f64| lines_due(Duration::from_secs_f64(seconds), 500);
        assert_eq!((due(0.0), due(20.0), due(200.0)), (0, 10_000, 100_000));
        let in_second = |second: f64| due(second + 0.5) - due(second - 0.5);
        assert_eq!((in_second(5.0), in_second(15.0)), (749, 251));
        for tick in 1..2_000 {
            assert!(due(f64::from(tick - 1) / 50.0) <= due(f64::from(tick) / 50.0));
        }
    }

    #[test]
    fn lag_is_what_was_written_and_not_delivered() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut progress = Progress::default();
        assert_eq!(progress.lag(0, at(0)), Lag::default());
        progress.add(10, 1_000, at(1));
        progress.add(5, 400, at(3));
        let age = Duration::from_secs;
        assert_eq!(progress.lag(0, at(4)), Lag { bytes: 1_400, age: age(3) });
        assert_eq!(progress.lag(9, at(4)), Lag { bytes: 1_400, age: age(3) });
        assert_eq!(progress.lag(10, at(5)), Lag { bytes: 400, age: age(2) });
        assert_eq!(progress.lag(15, at(6)), Lag::default());
    }

    #[test]
    fn progress_stays_bounded_when_nothing_is_delivered() {
        let start = Instant::now();
        let mut progress = Progress::default();
        for second in 0..20_000 {
            progress.add(1, 10, start + Duration::from_secs(second));
        }
        assert_eq!(progress.marks.len(), 16_384);
        let now = start + Duration::from_secs(20_000);
        assert_eq!(progress.lag(0, now), Lag { bytes: 200_000, age: Duration::from_secs(20_000) });
        assert_eq!(progress.lag(20_000, now), Lag::default());
    }

    fn plan(directory: &Path) -> Plan {
        Plan {
            path: directory.join("access.log"),
            rate: 2_000,
            rotate_every: Duration::from_millis(50),
            seed: 1,
        }
    }

    fn lines_in(directory: &Path) -> u64 {
        let files = fs::read_dir(directory).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .map(|text| memchr::memchr_iter(b'\n', &text).count() as u64)
            .sum()
    }

    #[test]
    fn every_line_counted_is_on_disk_over_all_rotations() {
        let directory = tempfile::tempdir().unwrap();
        let mut traffic = Traffic::start(plan(directory.path())).unwrap();
        while traffic.written().rotations < 3 {
            traffic.delivered(traffic.written().lines, Instant::now());
            std::thread::yield_now();
        }
        let written = traffic.stop().unwrap();
        assert_eq!(lines_in(directory.path()), written.lines);
        assert!(directory.path().join("access.log.3").exists());
        assert!(!directory.path().join("access.log.4").exists());
    }

    #[test]
    fn the_log_is_not_rotated_again_before_the_last_rotation_is_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let mut traffic = Traffic::start(plan(directory.path())).unwrap();
        let start = Instant::now();
        // Many times as long as a rotation takes to be due.
        while start.elapsed() < Duration::from_millis(400) || traffic.written().rotations == 0 {
            std::thread::yield_now();
        }
        assert_eq!(traffic.stop().unwrap().rotations, 1);
    }

    #[test]
    fn a_log_that_cannot_be_made_is_an_error_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/access.log");
        let error =
            Traffic::start(Plan { path: path.clone(), ..plan(directory.path()) }).unwrap_err();
        let expected = format!(
            "cannot write the demo's log `{}`: No such file or directory (os error 2)",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    }
}
