//! Files that have to be read through before anything is known of them, and cannot be: that is tried ever more rarely.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the second try; doubled each time.
const PAUSE: Duration = Duration::from_secs(10);

/// Bound of that doubling.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// When a file that could not be read is tried again, and why it could not.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    pause: Duration,
    at: Instant,
    why: Arc<io::Error>,
}

impl Retry {
    /// Plans the next try, after the one that `before` has planned.
    pub(super) fn after(before: Option<&Self>, why: io::Error, now: Instant) -> Self {
        let pause = before.map_or(PAUSE, |before| (before.pause * 2).min(PAUSE_MAX));
        Self { pause, at: now + pause, why: Arc::new(why) }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// Tells whether it was due so long ago that nobody asks for the file any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.at + PAUSE_MAX <= now
    }

    pub(super) fn why(&self) -> Arc<io::Error> {
        Arc::clone(&self.why)
    }
}
