//! Whether the loops of the threads go round.
//!
//! A thread may sleep for an hour when there is nothing to do; so who wants to know rings its bell and looks whether
//! its loop has gone round since. That costs a sleeping thread nothing, and a busy one a single addition for each round.

use crate::wake::Wake;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// All loops.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Arc<Pulse>>>>);

#[derive(Debug)]
struct Pulse {
    name: String,
    wake: Arc<Wake>,
    rounds: AtomicU64,
    ended: AtomicBool,
}

/// One loop's own; while it lives, the loop is expected to go round.
#[derive(Debug)]
pub(super) struct Beat(Arc<Pulse>);

impl Pulses {
    /// Adds a loop.
    pub(super) fn add(&self, name: &str, wake: &Arc<Wake>) -> Beat {
        let pulse = Arc::new(Pulse {
            name: name.to_owned(),
            wake: Arc::clone(wake),
            rounds: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&pulse));
        Beat(pulse)
    }

    /// Begins to watch the loops that there are.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch_some(|_| true)
    }

    /// Begins to watch the loops of these threads.
    pub(super) fn watch_some(&self, is_meant: impl Fn(&str) -> bool) -> Watch {
        let mut pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pulses.retain(|pulse| is_meant(&pulse.name));
        Watch(pulses.into_iter().map(|pulse| Watched { pulse, asked: None }).collect())
    }
}

impl Beat {
    /// Says that the loop goes round.
    pub(super) fn round(&self) {
        self.0.rounds.fetch_add(1, Ordering::Release);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

/// Asks the loops for a round, and sees whether they make it.
#[derive(Debug)]
pub struct Watch(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    pulse: Arc<Pulse>,
    /// The rounds made when it was asked, and when that was, as long as it has made no further one.
    asked: Option<(u64, Instant)>,
}

/// A loop that owes a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// The thread.
    pub thread: String,
    /// For how long.
    pub since: Duration,
}

impl Watch {
    /// Asks every loop for a round that does not owe one already.
    pub fn ask(&mut self, now: Instant) {
        for watched in &mut self.0 {
            if !watched.owes() {
                watched.asked = Some((watched.pulse.rounds.load(Ordering::Acquire), now));
                watched.pulse.wake.ring();
            }
        }
    }

    /// Returns the loop that owes a round for longest.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Option<Silent> {
        self.all_silent(now).max_by_key(|silent| silent.since)
    }

    /// Returns all loops that owe a round.
    pub(super) fn all_silent(&self, now: Instant) -> impl Iterator<Item = Silent> {
        let owing = self.0.iter().filter(|watched| watched.owes());
        owing.filter_map(move |watched| {
            let (_, asked) = watched.asked?;
            let since = now.saturating_duration_since(asked);
            Some(Silent { thread: watched.pulse.name.clone(), since })
        })
    }
}

impl Watched {
    fn owes(&self) -> bool {
        let rounds = self.pulse.rounds.load(Ordering::Acquire);
        !self.pulse.ended.load(Ordering::Acquire)
            && self.asked.is_some_and(|(before, _)| before == rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loop_that_was_asked_lives_and_made_no_round_since_is_silent() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pulses = Pulses::default();
        let [first, second] = ["a", "b"].map(|name| pulses.add(name, &Arc::default()));
        let mut watch = pulses.watch();
        assert_eq!(watch.silent(at(0)), None, "nobody was asked");
        watch.ask(at(1));
        second.round();
        let silent = |thread: &str, seconds| {
            Some(Silent { thread: thread.to_owned(), since: Duration::from_secs(seconds) })
        };
        assert_eq!(watch.silent(at(2)), silent("a", 1));
        watch.ask(at(3));
        assert_eq!(watch.silent(at(4)), silent("a", 3), "another question does not excuse it");
        first.round();
        assert_eq!(watch.silent(at(4)), silent("b", 1));
        drop(second);
        assert_eq!(watch.silent(at(4)), None, "a loop that has ended owes nothing");
    }

    #[test]
    fn asking_wakes_a_loop_that_sleeps() {
        let pulses = Pulses::default();
        let wake = Arc::new(Wake::default());
        let beat = pulses.add("a", &wake);
        let looping = std::thread::spawn(move || {
            wake.wait(Duration::from_mins(1));
            beat.round();
            wake.wait(Duration::from_mins(1));
        });
        let mut watch = pulses.watch();
        watch.ask(Instant::now());
        while watch.silent(Instant::now()).is_some() {
            std::thread::yield_now();
        }
        watch.ask(Instant::now());
        looping.join().unwrap();
    }
}
