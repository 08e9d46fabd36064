//! A deterministic simulation: the production code over a model of a file system and a model of a server, in virtual
//! time, from a seed.
//!
//! `SHIPPER_SEED=n` runs one schedule and tells its story; `SHIPPER_SCHEDULES=n` says how many there
//! are, `SHIPPER_SOAK_SECONDS=n` goes on for as long, `SHIPPER_SEED_FROM=n` begins elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "a test may fail, and says where it is"
)]

#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/events.rs"]
mod events;
#[path = "simulation/likeness.rs"]
mod likeness;
#[path = "support/log.rs"]
mod log;
#[path = "simulation/packing.rs"]
mod packing;
#[path = "simulation/schedule.rs"]
mod schedule;
#[path = "simulation/server.rs"]
mod server;
#[path = "simulation/story.rs"]
mod story;
#[path = "simulation/world.rs"]
mod world;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SCHEDULES: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs schedules from `first` on until `last` says so; returns how many, and how many lines were stored and removed files
/// rescued in them.
fn run_from(first: u64, last: impl Fn(u64) -> bool + Sync) -> (u64, usize, usize) {
    story::listen(number("SHIPPER_SEED").is_some());
    let next = AtomicU64::new(first);
    let (lines, rescued) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if last(seed) || !failures.lock().unwrap().is_empty() {
                        return;
                    }
                    match schedule::run(seed) {
                        Ok(summary) => {
                            lines.fetch_add(summary.lines, Ordering::Relaxed);
                            rescued.fetch_add(summary.rescued, Ordering::Relaxed);
                        }
                        Err(what) => failures.lock().unwrap().push((seed, what)),
                    }
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    if let Some((seed, what)) = failures.first() {
        panic!("schedule {seed} after {}: {what}", seed - first);
    }
    (next.into_inner() - first, lines.into_inner(), rescued.into_inner())
}

#[test]
fn every_line_is_stored_once_in_every_schedule() {
    if let Some(seed) = number("SHIPPER_SEED") {
        let (_, lines, rescued) = run_from(seed, |at| seed < at);
        eprintln!("schedule {seed}: {lines} lines, {rescued} files rescued");
        return;
    }
    let begun = Instant::now();
    let first = number("SHIPPER_SEED_FROM").unwrap_or(1);
    let (count, lines, rescued) = if let Some(seconds) = number("SHIPPER_SOAK_SECONDS") {
        let until = begun + Duration::from_secs(seconds);
        run_from(first, |_| until < Instant::now())
    } else {
        let count = number("SHIPPER_SCHEDULES").unwrap_or(SCHEDULES);
        run_from(first, |seed| first + count <= seed)
    };
    let time = begun.elapsed();
    eprintln!(
        "{count} schedules from {first} on, {lines} lines, {rescued} files rescued, {time:?}"
    );
    assert!(count < lines as u64, "schedules store lines");
    assert!(count < 1_000 || 0 < rescued, "removed files are rescued");
}
