//! A drain that is under way: until when, and who is told how it goes.

use crate::control::{DrainAsked, line};
use crate::status::{Answer, Drained, Status};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Pause between two words on how it goes.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Longest wait for an asker to take the last word.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Most askers that are told.
const ASKERS_MAX: usize = 8;

/// A drain that is under way.
pub(super) struct Drain {
    pub(super) deadline: Option<Instant>,
    pub(super) tell_at: Instant,
    askers: Vec<UnixStream>,
}

impl Drain {
    pub(super) fn new(longest: Option<Duration>, began: Instant) -> Self {
        let deadline = longest.and_then(|longest| began.checked_add(longest));
        Self { deadline, tell_at: began + TELL_EVERY, askers: Vec::new() }
    }

    /// Tells one more asker how it goes. The deadline stays the first one's.
    pub(super) fn join(&mut self, asked: DrainAsked) {
        if self.askers.len() < ASKERS_MAX {
            self.askers.push(asked.asker);
        }
    }

    /// Tells every asker how it goes, when it is time; true when it was. Who does not listen is told nothing more.
    pub(super) fn step(&mut self, now: Instant, status: impl FnOnce() -> Status) -> Option<Status> {
        if now < self.tell_at {
            return None;
        }
        self.tell_at = now + TELL_EVERY;
        let status = status();
        let word = line(&Answer::Status(Box::new(status.clone())));
        self.askers.retain_mut(|asker| asker.write_all(&word).is_ok());
        Some(status)
    }

    /// Tells every asker how it ended.
    pub(super) fn end(self, drained: &Drained) {
        let word = line(&Answer::Drained(drained.clone()));
        for mut asker in self.askers {
            // An asker that has gone reads it in the log.
            let _ = asker
                .set_nonblocking(false)
                .and_then(|()| asker.set_write_timeout(Some(LAST_WORD)))
                .and_then(|()| asker.write_all(&word));
        }
    }
}
