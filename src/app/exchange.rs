//! Inputs that come and go while everything runs, because what the configuration says of them has changed.
//!
//! The stages number them, and no number is given twice; an input that is as it was before goes on undisturbed.

use super::plan::{self, Plan, PlanError, Starts};
use crate::discovery;
use crate::document::Shared;
use crate::harvester::{WorkerExchange, WorkerInput};
use crate::outputs::links::TemplateTarget;
use crate::pipeline::Pipeline;
use crate::settings::{InputSettings, Settings};
use crate::stats::Stats;
use crate::stats::inputs::InputName;
use crate::wake::Wake;
use std::sync::{Arc, mpsc};

/// Most inputs that there may ever be in one run: each leaves something behind.
const INPUTS_MAX: usize = 4096;

/// What an exchange has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Inputs that have come.
    pub added: usize,
    /// Inputs that have gone.
    pub retired: usize,
}

/// Why nothing was exchanged: these inputs count from the next start on.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// They make no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Where events would go is not known to the output.
    #[error("documents of an input would go to `{0}`, which is set up at the start only")]
    Target(String),
    /// A database of places that is not held.
    #[error("the database `{0}` is read at the start only")]
    Database(String),
    /// There were too many.
    #[error("inputs have changed {INPUTS_MAX} times")]
    TooMany,
}

/// The inputs of files that there are, and whom to tell when others are wanted.
#[derive(Debug)]
pub(super) struct Inputs {
    /// By number; `None` for those that are no more, and those that are sent to.
    current: Vec<Option<InputSettings>>,
    shared: Shared,
    targets: Vec<TemplateTarget>,
    starts: Starts,
    workers: Vec<mpsc::Sender<WorkerExchange>>,
    prospector: mpsc::Sender<discovery::Exchange>,
    wake: Arc<Wake>,
    stats: Arc<Stats>,
}

impl Inputs {
    /// Knows those of a start; the second value is where the prospector hears of others.
    pub(super) fn new(
        settings: &Settings,
        plan: &Plan,
        workers: Vec<mpsc::Sender<WorkerExchange>>,
        wake: &Arc<Wake>,
        stats: &Arc<Stats>,
    ) -> (Self, mpsc::Receiver<discovery::Exchange>) {
        let (prospector, exchanges) = mpsc::channel();
        let files = settings.inputs.iter().cloned().map(Some);
        let inputs = Self {
            current: files.chain(settings.listeners.iter().map(|_| None)).collect(),
            shared: plan.shared.clone(),
            targets: plan.templates.clone(),
            starts: plan.starts,
            workers,
            prospector,
            wake: Arc::clone(wake),
            stats: Arc::clone(stats),
        };
        (inputs, exchanges)
    }

    /// Has exactly these inputs of files from now on.
    pub(super) fn exchange(
        &mut self,
        wanted: &[InputSettings],
    ) -> Result<Exchanged, ExchangeError> {
        let mut gone: Vec<usize> =
            (0..self.current.len()).filter(|number| self.current[*number].is_some()).collect();
        let mut come = Vec::new();
        for input in wanted {
            match gone.iter().position(|number| self.current[*number].as_ref() == Some(input)) {
                Some(place) => drop(gone.remove(place)),
                None => come.push(input),
            }
        }
        let exchanged = Exchanged { added: come.len(), retired: gone.len() };
        if exchanged == Exchanged::default() {
            return Ok(exchanged);
        }
        if INPUTS_MAX < self.current.len() + come.len() {
            return Err(ExchangeError::TooMany);
        }
        let mut watched = Vec::new();
        for input in &come {
            self.check(input)?;
            watched.push(plan::watched(input, self.starts)?);
        }
        let settings: Vec<WorkerInput> =
            come.iter().map(|input| plan::worker_input(input)).collect();
        let mut added = Vec::new();
        for _ in &self.workers {
            let pipelines = come.iter().map(|input| Pipeline::new(input, &self.shared));
            let pipelines = pipelines.collect::<Result<Vec<_>, _>>().map_err(PlanError::from)?;
            added.push(settings.iter().cloned().zip(pipelines).collect());
        }
        self.tell(&gone, &come, watched, added);
        Ok(exchanged)
    }

    /// Refuses an input for which something would be needed that is there from the start on, or not at all.
    fn check(&self, input: &InputSettings) -> Result<(), ExchangeError> {
        let pipeline = Pipeline::new(input, &self.shared).map_err(PlanError::from)?;
        let mut targets = plan::templates(&[pipeline]).into_iter();
        if let Some(target) = targets.find(|target| !self.targets.contains(target)) {
            return Err(ExchangeError::Target(target.pattern));
        }
        let held = self.shared.geo.paths();
        match input.enrich.geoip.iter().find(|path| !held.contains(path)) {
            Some(path) => Err(ExchangeError::Database(path.display().to_string())),
            None => Ok(()),
        }
    }

    fn tell(
        &mut self,
        gone: &[usize],
        come: &[&InputSettings],
        watched: Vec<discovery::Watched>,
        added: Vec<Vec<(WorkerInput, Pipeline)>>,
    ) {
        let number = |number: usize| u16::try_from(number).expect("there are few inputs");
        let retired: Vec<u16> = gone.iter().copied().map(number).collect();
        let first = number(self.current.len());
        for old in gone {
            self.current[*old] = None;
            self.stats.inputs.retire(*old);
        }
        for input in come {
            let id = input.id.clone().unwrap_or_else(|| format!("inputs[{}]", self.current.len()));
            let kind = input.kind.clone();
            self.stats.inputs.add(InputName { id, kind, is_files: true, is_retired: false });
            self.current.push(Some((*input).clone()));
        }
        // The workers first: none is to be given a file of an input that it does not know. One that has gone is ending.
        for (worker, added) in self.workers.iter().zip(added) {
            let _ = worker.send(WorkerExchange { added });
        }
        let _ = self.prospector.send(discovery::Exchange { retired, first, added: watched });
        self.wake.ring();
    }
}
