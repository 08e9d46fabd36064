//! How many files of one input are open at once, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound of the files that are open at once; clones share it.
#[derive(Debug, Clone)]
pub struct OpenLimit {
    most: usize,
    open: Arc<AtomicUsize>,
}

/// One open file; gives its place back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl OpenLimit {
    /// Makes a bound; `None` for 0, which means that there is none.
    #[must_use]
    pub fn new(most: usize) -> Option<Self> {
        (0 < most).then(|| Self { most, open: Arc::default() })
    }

    /// Takes a place if one is free.
    pub(super) fn try_take(&self) -> Option<Permit> {
        let more = |open: usize| (open < self.most).then_some(open + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Permit(Arc::clone(&self.open)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        assert!(OpenLimit::new(0).is_none());
        let limit = OpenLimit::new(2).expect("a limit");
        let (first, second) = (limit.try_take(), limit.clone().try_take());
        assert!(first.is_some() && second.is_some() && limit.try_take().is_none());
        drop(first);
        assert!(limit.try_take().is_some(), "and that one is dropped at once");
        assert!(limit.try_take().is_some());
    }
}
