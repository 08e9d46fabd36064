//! The hand-over of finished lines to the one thread that writes them.
//!
//! Whoever logs only appends to memory: a full disk, a hung file system or a blocked pipe behind
//! standard error stops nobody. When the memory is full, lines are dropped and counted.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of lines that may wait: some hundred lines, far more than ever wait while writing works.
const WAITING_BYTES_MAX: usize = 256 << 10;

/// Lines on their way to the writer.
#[derive(Debug, Default)]
pub struct LineQueue {
    state: Mutex<State>,
    /// Rung when there is something to take, or nothing more will come.
    ready: Condvar,
    /// Rung when the writer has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Lines dropped since the writer last looked.
    dropped: u64,
    is_closed: bool,
    has_ended: bool,
}

/// What the writer takes at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// The lines, oldest first.
    pub lines: VecDeque<String>,
    /// How many were dropped after the last of these, because the writer did not keep up.
    pub dropped: u64,
}

impl LineQueue {
    /// Appends a line; drops and counts it when too many wait, or when no more are taken.
    pub fn push(&self, line: String) {
        let mut state = self.lock();
        if state.is_closed || WAITING_BYTES_MAX < state.bytes + line.len() {
            state.dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.ready.notify_one();
    }

    /// Waits for lines and takes all of them; `None` when the queue is closed and empty.
    pub fn take(&self) -> Option<Taken> {
        let state = self.lock();
        let mut state = self
            .ready
            .wait_while(state, |state| state.lines.is_empty() && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        if state.lines.is_empty() {
            return None;
        }
        state.bytes = 0;
        let dropped = std::mem::take(&mut state.dropped);
        Some(Taken { lines: std::mem::take(&mut state.lines), dropped })
    }

    /// Takes no more lines from now on.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_all();
    }

    /// Notes that the writer has ended.
    pub fn end(&self) {
        self.lock().has_ended = true;
        self.ended.notify_all();
    }

    /// Waits for the writer's end, at most `longest`.
    pub fn wait_for_end(&self, longest: Duration) {
        let state = self.lock();
        drop(self.ended.wait_timeout_while(state, longest, |state| !state.has_ended));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_in_order_until_the_queue_is_closed() {
        let queue = LineQueue::default();
        queue.push("a".to_owned());
        queue.push("b".to_owned());
        let lines = VecDeque::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(queue.take(), Some(Taken { lines, dropped: 0 }));
        queue.push("c".to_owned());
        queue.close();
        queue.push("d".to_owned());
        let taken = queue.take();
        assert_eq!(taken, Some(Taken { lines: VecDeque::from(["c".to_owned()]), dropped: 1 }));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn lines_that_nobody_takes_are_dropped_at_a_bound() {
        let queue = LineQueue::default();
        let line = "x".repeat(1024);
        for _ in 0..1000 {
            queue.push(line.clone());
        }
        let taken = queue.take().expect("lines");
        assert_eq!((taken.lines.len(), taken.dropped), (256, 744));
        queue.push(line);
        assert_eq!(queue.take().map(|taken| (taken.lines.len(), taken.dropped)), Some((1, 0)));
    }
}
