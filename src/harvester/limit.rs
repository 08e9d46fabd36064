//! How many files of one input are open at once, over all workers.

use super::Worker;
use super::file::Harvester;
use super::ready::Queued;
use crate::disk::Disk;
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

impl<D: Disk> Worker<D> {
    /// Tells whether a file is open, or may be: it takes a place for it.
    pub(super) fn may_open(&self, file: &mut Harvester<D>) -> bool {
        if file.file.is_some() || file.permit.is_some() {
            return true;
        }
        let limit = &self.settings.inputs[usize::from(file.assignment.input)].open_limit;
        file.permit = limit.as_ref().and_then(OpenLimit::try_take);
        limit.is_none() || file.permit.is_some()
    }

    /// Lets those files have their turn for which there is a place now, in the order in which they came.
    pub(super) fn admit_held_back(&mut self) {
        while let Some(key) = self.held_back.pop_front() {
            let Some(mut file) = self.files.remove(&key) else { continue };
            let admitted = self.may_open(&mut file);
            self.files.insert(key, file);
            if !admitted {
                self.held_back.push_front(key);
                return;
            }
            self.ready.push(key, Queued::Hinted);
        }
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
