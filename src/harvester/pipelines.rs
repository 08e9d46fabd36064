//! The pipelines of a worker: given back when their input is no more, for its expressions may take megabytes.

use super::Worker;
use crate::disk::Disk;
use crate::pipeline::Pipeline;
use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

/// Pipelines by the numbers of their inputs.
pub(super) struct Pipelines {
    all: Vec<Option<Box<Pipeline>>>,
    /// Inputs that are no more, while files of theirs may be left.
    retiring: BTreeSet<usize>,
}

impl Pipelines {
    /// Has one for each input that there is at the start.
    pub(super) fn new(pipelines: Vec<Pipeline>) -> Self {
        let all = pipelines.into_iter().map(|pipeline| Some(Box::new(pipeline))).collect();
        Self { all, retiring: BTreeSet::new() }
    }

    /// Takes the one of the next input.
    pub(super) fn push(&mut self, pipeline: Pipeline) {
        self.all.push(Some(Box::new(pipeline)));
    }

    /// Returns how many inputs there ever were.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Tells whether an input has its pipeline.
    pub(super) fn has(&self, input: usize) -> bool {
        self.all.get(input).is_some_and(Option::is_some)
    }
}

impl Index<usize> for Pipelines {
    type Output = Pipeline;

    fn index(&self, input: usize) -> &Pipeline {
        self.all[input].as_ref().expect("an input with files has a pipeline")
    }
}

impl IndexMut<usize> for Pipelines {
    fn index_mut(&mut self, input: usize) -> &mut Pipeline {
        self.all[input].as_mut().expect("an input with files has a pipeline")
    }
}

impl<D: Disk> Worker<D> {
    /// Returns how many inputs have a pipeline.
    #[must_use]
    pub fn pipelines(&self) -> usize {
        self.pipelines.all.iter().flatten().count()
    }

    /// Hears of inputs that get no more files.
    pub(super) fn retire(&mut self, inputs: Vec<u16>) {
        // They may have come and gone without a file.
        self.take_exchanges();
        self.pipelines.retiring.extend(inputs.into_iter().map(usize::from));
        self.give_pipelines_back();
    }

    /// Gives back what inputs that are no more needed for their files, where none is left.
    pub(super) fn give_pipelines_back(&mut self) {
        if self.pipelines.retiring.is_empty() {
            return;
        }
        let left: BTreeSet<usize> =
            self.files.values().map(|file| usize::from(file.assignment.input)).collect();
        let Pipelines { all, retiring } = &mut self.pipelines;
        for input in retiring.extract_if(.., |input| !left.contains(input)) {
            if let Some(pipeline) = all.get_mut(input) {
                *pipeline = None;
            }
        }
    }
}
