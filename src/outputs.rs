//! The outputs: which there are, and what each is linked to.
//!
//! A new output is one file here, one variant of the settings and one arm in [`run`].

pub mod console;
pub mod dead_letters;
pub mod elasticsearch;
pub mod links;
pub mod retry;

use crate::disk::Disk;
use crate::settings::OutputSettings;
use links::{CannotGoOn, OutputLinks};

/// Delivers until readers have gone and nothing is left, or until the stop says so.
///
/// # Errors
/// When it cannot go on at all; it has told why and what to do, and nothing in hand is settled.
pub async fn run<D: Disk + Sync>(
    settings: OutputSettings,
    links: OutputLinks<D>,
) -> Result<(), CannotGoOn> {
    match settings {
        OutputSettings::Elasticsearch(settings) => elasticsearch::run(*settings, links).await,
        OutputSettings::Console => console::run(links.receiver, links.ledger, links.stats).await,
    }
}
