//! The loops of the plain threads: step, then sleep until the bell or the deadline.

use super::ending::REGISTRAR;
use super::governor::Governor;
use super::{Common, Signals};
use crate::discovery::Prospector;
use crate::disk::RealDisk;
use crate::geoip::{self, GeoFiles};
use crate::harvester::{self, Worker};
use crate::listeners::{Listeners, Step};
use crate::pipeline::Moment;
use crate::pool::Pool;
use crate::registrar::Registrar;
use crate::wake::Wake;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// Longest sleep of a thread without a deadline: no work is done after it, it only looks whether the process stops.
const SLEEP_MAX: Duration = Duration::from_hours(1);

/// Idle time after which unused buffers are given back; also how often a busy thread gives back what it no longer needs.
const TRIM_AFTER: Duration = Duration::from_secs(5);

/// Longest sleep that no stop ends.
const REST: Duration = Duration::from_millis(100);

/// Tells of the thread that it is dropped in when that ends with a panic.
struct Alarm(Arc<Signals>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            self.0.fallen.send_if_modified(|fallen| {
                let is_first = fallen.is_none();
                fallen.get_or_insert(thread);
                is_first
            });
        }
    }
}

fn until(deadline: Option<Instant>, now: Instant) -> Duration {
    deadline.map_or(SLEEP_MAX, |deadline| deadline.saturating_duration_since(now))
}

fn moment() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Starts so many threads at once, and ends them.
pub(super) fn seek(count: usize) -> io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = || {
        let gate = Arc::clone(&gate);
        Builder::new().spawn(move || drop(gate.lock()))
    };
    let threads: Vec<io::Result<JoinHandle<()>>> = (0..count).map(|_| wait()).collect();
    drop(closed);
    // None of them can panic.
    threads.into_iter().try_for_each(|thread| thread.map(|thread| drop(thread.join())))
}

/// Runs a worker.
pub(super) fn harvester(
    number: usize,
    mut worker: Worker<RealDisk>,
    wake: &Arc<Wake>,
    common: &Common,
    signals: &Arc<Signals>,
) -> io::Result<JoinHandle<()>> {
    let (wake, pool, signals) = (Arc::clone(wake), common.pool.clone(), Arc::clone(signals));
    let name = format!("harvester-{number}");
    let beat = signals.pulses.add(&name, &wake);
    let mut governor = common.cpu.map(Governor::new);
    Builder::new().name(name).spawn(move || {
        let _alarm = Alarm(Arc::clone(&signals));
        let (mut used, mut tidied) = (true, Instant::now());
        while !signals.stop_reading.load(Ordering::Acquire) {
            let now = Instant::now();
            if TRIM_AFTER <= now - tidied {
                tidied = now;
                pool.tidy();
            }
            beat.round();
            // Before every step: also a reader that waits for the output has its output at work.
            if let Some(pause) = governor.as_mut().and_then(Governor::pause) {
                std::thread::sleep(pause.min(REST));
                continue;
            }
            match worker.step(now, moment()) {
                harvester::Step::Busy => used = true,
                harvester::Step::Starved => wake.wait(SLEEP_MAX),
                harvester::Step::Closed => break,
                harvester::Step::Idle(deadline) => {
                    let sleep = until(deadline, now);
                    if used && TRIM_AFTER <= sleep {
                        wake.wait(TRIM_AFTER);
                        if TRIM_AFTER <= now.elapsed() {
                            pool.trim();
                            worker.trim();
                            used = false;
                        }
                    } else {
                        used |= sleep < TRIM_AFTER;
                        wake.wait(sleep);
                    }
                }
            }
        }
        // What is kept of removed files may take long, and is waited for.
        drop(beat);
        worker.close();
    })
}

/// Runs the listeners.
pub(super) fn listener(
    mut listeners: Listeners<RealDisk>,
    bell: &Arc<Wake>,
    pool: &Pool,
    signals: &Arc<Signals>,
) -> io::Result<JoinHandle<()>> {
    let (pool, signals) = (pool.clone(), Arc::clone(signals));
    let beat = signals.pulses.add("listener", bell);
    Builder::new().name("listener".to_owned()).spawn(move || {
        let _alarm = Alarm(Arc::clone(&signals));
        let (mut used, mut tidied) = (true, Instant::now());
        while !signals.stop_reading.load(Ordering::Acquire) {
            let now = Instant::now();
            if TRIM_AFTER <= now - tidied {
                tidied = now;
                pool.tidy();
            }
            if signals.drain.load(Ordering::Acquire) {
                listeners.drain();
            }
            beat.round();
            match listeners.step(now, moment()) {
                Step::Busy => used = true,
                Step::Starved(deadline) => listeners.wait(true, until(deadline, now)),
                Step::Closed => break,
                Step::Idle(deadline) => {
                    if listeners.has_input_ended() {
                        signals.input_ended.send_replace(true);
                    }
                    if listeners.is_drained() {
                        signals.listeners_drained.store(true, Ordering::Release);
                    }
                    let sleep = until(deadline, now);
                    let short = used && TRIM_AFTER <= sleep;
                    listeners.wait(false, if short { TRIM_AFTER } else { sleep });
                    if short && TRIM_AFTER <= now.elapsed() {
                        pool.trim();
                        used = false;
                    }
                }
            }
        }
        drop(beat);
        listeners.close(Instant::now(), moment());
    })
}

/// Reads databases of places now, and looks after them until reading stops.
pub(super) fn geoip(
    mut files: GeoFiles,
    wake: &Arc<Wake>,
    signals: &Arc<Signals>,
) -> io::Result<JoinHandle<()>> {
    let now = || moment().0 / 1000;
    files.step(&RealDisk, now());
    let (wake, signals) = (Arc::clone(wake), Arc::clone(signals));
    Builder::new().name("geoip".to_owned()).spawn(move || {
        let _alarm = Alarm(Arc::clone(&signals));
        while !signals.stop_reading.load(Ordering::Acquire) {
            wake.wait(geoip::PAUSE);
            files.step(&RealDisk, now());
        }
    })
}

/// Runs the prospector.
pub(super) fn prospector(
    mut prospector: Prospector<RealDisk>,
    wake: &Arc<Wake>,
    signals: &Arc<Signals>,
) -> io::Result<JoinHandle<()>> {
    let (wake, signals) = (Arc::clone(wake), Arc::clone(signals));
    let beat = signals.pulses.add("prospector", &wake);
    Builder::new().name("prospector".to_owned()).spawn(move || {
        let _alarm = Alarm(Arc::clone(&signals));
        let (mut asked, mut draining) = (false, false);
        while !signals.stop_reading.load(Ordering::Acquire) {
            let now = Instant::now();
            if signals.drain.load(Ordering::Acquire) && !asked {
                asked = true;
                prospector.look_at_once(now);
            }
            beat.round();
            let deadline = prospector.step(now);
            if prospector.has_begun() {
                signals.begun.send_if_modified(|begun| !std::mem::replace(begun, true));
            }
            if asked && !draining && prospector.has_assigned_all() {
                draining = true;
                prospector.drain();
            }
            if let Some(drained) = prospector.drained() {
                let mut place = signals.drained.lock().unwrap_or_else(PoisonError::into_inner);
                place.get_or_insert(drained);
            }
            wake.wait(until(deadline, now));
        }
        // For the last metrics: what was acknowledged since the last look is not behind.
        prospector.count_lag();
    })
}

/// Runs the registrar.
pub(super) fn registrar(
    mut registrar: Registrar<RealDisk>,
    wake: &Arc<Wake>,
    signals: &Arc<Signals>,
) -> io::Result<JoinHandle<()>> {
    let (wake, signals) = (Arc::clone(wake), Arc::clone(signals));
    let beat = signals.pulses.add(REGISTRAR, &wake);
    Builder::new().name(REGISTRAR.to_owned()).spawn(move || {
        let _alarm = Alarm(Arc::clone(&signals));
        while !signals.stop_registrar.load(Ordering::Acquire) {
            let now = Instant::now();
            beat.round();
            let deadline = registrar.step(now);
            wake.wait(until(deadline, now));
        }
        registrar.close(Instant::now());
        drop(beat);
    })
}
