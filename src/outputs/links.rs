//! What every output is linked to.

use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::queue::Receiver;
use crate::stats::Stats;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Not asked for.
    Running,
    /// Deliver what is there, without waiting for a backoff or a pause.
    Stop,
    /// End now.
    Abort,
}

impl Shutdown {
    /// Tells whether a stop that has come as far as `how` is not further than this.
    #[must_use]
    pub fn covers(self, how: Self) -> bool {
        match self {
            Self::Running => how == Self::Running,
            Self::Stop => how != Self::Abort,
            Self::Abort => true,
        }
    }
}

/// The output cannot go on, and has said why in the log: what it had in hand is not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the output cannot go on")]
pub struct CannotGoOn;

/// An index template that a target wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateTarget {
    /// Its name.
    pub name: String,
    /// The names that it is for.
    pub pattern: String,
    /// Whether these are data streams.
    pub data_stream: bool,
}

/// Whom an output talks to.
#[derive(Debug)]
pub struct OutputLinks<D: Disk> {
    /// Index or data stream of every event that names none.
    pub target: Option<String>,
    /// Templates to be there before the first event.
    pub templates: Vec<TemplateTarget>,
    /// Where batches come from.
    pub receiver: Receiver,
    /// Where settled ranges go.
    pub ledger: Ledger,
    /// Counters.
    pub stats: Arc<Stats>,
    /// The file system, for dead letters and certificates.
    pub disk: D,
    /// The data path.
    pub data: PathBuf,
    /// Most bytes a second to send; `None`: as many as there are.
    pub bandwidth: Option<u64>,
    /// How far a stop has come.
    pub shutdown: watch::Receiver<Shutdown>,
}
