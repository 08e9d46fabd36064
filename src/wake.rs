//! A bell for a plain thread: anything may ring it, one thread waits for it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Remembers one ring until the waiting thread has seen it.
#[derive(Debug, Default)]
pub struct Wake {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake {
    /// Rings; a thread that waits now or later returns at once.
    pub fn ring(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            *rung = true;
            self.bell.notify_one();
        }
    }

    /// Waits for a ring, at most `longest`, and takes it down.
    pub fn wait(&self, longest: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) = self
            .bell
            .wait_timeout_while(rung, longest, |rung| !*rung)
            .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}
