//! Keeps readers from taking more of the processors than `limits.cpu` allows.

use crate::limits::Meter;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// A share of the processors that was not taken for longer is not made up for.
const BURST: Duration = Duration::from_millis(100);

/// Measures what the whole process takes; what comes after reading is in proportion to it.
#[derive(Debug)]
pub(super) struct Governor {
    meter: Meter,
    /// Time of the processors that this process had taken, in seconds, when it was last looked at.
    taken: f64,
}

impl Governor {
    /// Makes one for a share of one core, more than 0; it may be more than 1.
    pub(super) fn new(share: f64) -> Self {
        let mut meter = Meter::new(share, BURST);
        let _ = meter.spend(0.0, Instant::now());
        Self { meter, taken: process_time() }
    }

    /// Returns how long to read nothing; `None` when more may be read.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        let taken = process_time();
        let since = taken - std::mem::replace(&mut self.taken, taken);
        let pause = self.meter.spend(since.max(0.0), Instant::now());
        Some(pause).filter(|pause| !pause.is_zero())
    }
}

/// Returns the time of the processors that this process has taken, in seconds.
fn process_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let part = Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    );
    part.as_secs_f64()
}
