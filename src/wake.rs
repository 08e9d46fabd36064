//! A bell for a plain thread: anything may ring it, one thread waits for it.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Remembers one ring until the waiting thread has seen it.
#[derive(Default)]
pub struct Wake {
    rung: Mutex<bool>,
    bell: Condvar,
    also: Option<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Wake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wake").field("rung", &self.rung).finish_non_exhaustive()
    }
}

impl Wake {
    /// Makes a bell for a thread that waits otherwise: `also` wakes it up, and it calls [`Wake::take`] then.
    #[must_use]
    pub fn calling(also: impl Fn() + Send + Sync + 'static) -> Self {
        Self { also: Some(Box::new(also)), ..Self::default() }
    }

    /// Takes a ring down.
    pub fn take(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Rings; a thread that waits now or later returns at once.
    pub fn ring(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if !*rung {
            *rung = true;
            self.bell.notify_one();
            drop(rung);
            if let Some(also) = &self.also {
                also();
            }
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
