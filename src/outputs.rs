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
use links::OutputLinks;

/// Delivers until readers have gone and nothing is left, or until the stop says so.
pub async fn run<D: Disk + Sync>(settings: OutputSettings, links: OutputLinks<D>) {
    match settings {
        OutputSettings::Elasticsearch(settings) => elasticsearch::run(*settings, links).await,
        OutputSettings::Console => console::run(links.receiver, links.ledger, links.stats).await,
    }
}
