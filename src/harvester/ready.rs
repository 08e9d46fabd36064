//! Whose turn is next: files that are said to have grown, and files that are to be looked at once in a while.
//!
//! After a start, or when inotify has lost events, there are as many of the second kind as there are files, and most of them
//! have nothing new. So that no fresh line waits for all of them, both kinds have their turns alternately.

use super::Worker;
use crate::disk::Disk;
use crate::follow::FileKey;
use std::collections::VecDeque;

/// Where a file waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// Nowhere.
    No,
    /// With those that are said to have grown, or in another list of the worker: it is not to be put anywhere else.
    Hinted,
    /// With those that are to be looked at; it may be put forward.
    Unsure,
}

/// The files that wait for their turn.
///
/// Each is in `hinted` at most once. A file in `unsure` that was put forward stays there in name only: whoever takes a key
/// asks its file whether it still waits there.
#[derive(Debug, Default)]
pub(super) struct Ready {
    hinted: VecDeque<FileKey>,
    unsure: VecDeque<FileKey>,
    is_unsure_next: bool,
}

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        self.hinted.is_empty() && self.unsure.is_empty()
    }

    /// Adds a file behind all others of its kind.
    pub(super) fn push(&mut self, key: FileKey, queued: Queued) {
        match queued {
            Queued::No => {}
            Queued::Hinted => self.hinted.push_back(key),
            Queued::Unsure => self.unsure.push_back(key),
        }
    }

    /// Puts a file back that could not have its turn: before all others of its kind.
    pub(super) fn put_back(&mut self, key: FileKey, queued: Queued) {
        match queued {
            Queued::No => {}
            Queued::Hinted => self.hinted.push_front(key),
            Queued::Unsure => self.unsure.push_front(key),
        }
    }

    /// Takes the file whose turn is next; `is_unsure` tells of one whether it was not put forward meanwhile.
    pub(super) fn pop(
        &mut self,
        mut is_unsure: impl FnMut(FileKey) -> bool,
    ) -> Option<(FileKey, Queued)> {
        let mut take_unsure = |unsure: &mut VecDeque<FileKey>| {
            let mut taken = std::iter::from_fn(|| unsure.pop_front());
            taken.find(|key| is_unsure(*key)).map(|key| (key, Queued::Unsure))
        };
        let take_hinted =
            |hinted: &mut VecDeque<FileKey>| hinted.pop_front().map(|key| (key, Queued::Hinted));
        let taken = if self.is_unsure_next {
            take_unsure(&mut self.unsure).or_else(|| take_hinted(&mut self.hinted))
        } else {
            take_hinted(&mut self.hinted).or_else(|| take_unsure(&mut self.unsure))
        };
        self.is_unsure_next = matches!(taken, Some((_, Queued::Hinted)));
        taken
    }
}

impl<D: Disk> Worker<D> {
    pub(super) fn mark_ready(&mut self, key: FileKey) {
        self.queue(key, Queued::Hinted);
    }

    /// Has a file wait for its turn, unless it waits as one of that kind already, or in another list.
    pub(super) fn queue(&mut self, key: FileKey, queued: Queued) {
        if let Some(file) = self.files.get_mut(&key)
            && file.queued != Queued::Hinted
            && file.queued != queued
        {
            file.queued = queued;
            self.ready.push(key, queued);
        }
    }

    /// Takes the file whose turn is next. Until it has it, it is not put anywhere else.
    pub(super) fn next_ready(&mut self) -> Option<(FileKey, Queued)> {
        let files = &self.files;
        let is_unsure = |key| files.get(&key).is_some_and(|file| file.queued == Queued::Unsure);
        let (key, queued) = self.ready.pop(is_unsure)?;
        if let Some(file) = self.files.get_mut(&key) {
            file.queued = Queued::Hinted;
        }
        Some((key, queued))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all, each once, by number; those in `forward` were put forward.
    fn order(ready: &mut Ready, forward: &[u32]) -> Vec<u32> {
        std::iter::from_fn(|| ready.pop(|key| !forward.contains(&key.0)))
            .map(|(key, _)| key.0)
            .collect()
    }

    #[test]
    fn a_hint_waits_for_one_look_and_looks_for_one_hint_each() {
        let mut ready = Ready::default();
        for number in 0..4 {
            ready.push(FileKey(number), Queued::Unsure);
        }
        assert_eq!(ready.pop(|_| true), Some((FileKey(0), Queued::Unsure)));
        ready.push(FileKey(10), Queued::Hinted);
        ready.push(FileKey(11), Queued::Hinted);
        ready.push(FileKey(12), Queued::Hinted);
        assert_eq!(order(&mut ready, &[]), [10, 1, 11, 2, 12, 3]);
        assert!(ready.is_empty());
    }

    #[test]
    fn who_was_put_forward_has_one_turn() {
        let mut ready = Ready::default();
        for number in 0..3 {
            ready.push(FileKey(number), Queued::Unsure);
        }
        ready.push(FileKey(1), Queued::Hinted);
        assert_eq!(order(&mut ready, &[1]), [1, 0, 2]);
    }

    #[test]
    fn who_could_not_have_its_turn_is_next_of_its_kind() {
        let mut ready = Ready::default();
        for (number, queued) in [(1, Queued::Unsure), (2, Queued::Hinted), (3, Queued::No)] {
            ready.push(FileKey(number), queued);
        }
        ready.put_back(FileKey(4), Queued::Unsure);
        ready.put_back(FileKey(5), Queued::Hinted);
        ready.put_back(FileKey(6), Queued::No);
        assert_eq!(order(&mut ready, &[]), [5, 4, 2, 1]);
    }
}
