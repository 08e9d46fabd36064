//! Certificates and keys that the configuration names: whether they can be used, before anything starts.

use super::report::Failure;
use crate::config::Loaded;
use crate::config::problems::Problem;
use crate::config::stands::Owner;
use crate::disk::RealDisk;
use crate::listeners;
use crate::outputs::elasticsearch;
use crate::settings::OutputSettings;
use crate::tls::Unusable;

/// Reads all of them, those of the output and of listeners.
///
/// # Errors
/// What cannot be used, each with its place, as problems of the configuration.
pub(super) fn check(loaded: &Loaded) -> Result<(), Failure> {
    let settings = &loaded.settings;
    let of_output = match &settings.output {
        OutputSettings::Elasticsearch(output) => elasticsearch::unusable(output, &RealDisk),
        OutputSettings::Console => Vec::new(),
    };
    let of_output = of_output.into_iter().map(|unusable| (Owner::Output, unusable));
    let of_listeners = settings.listeners.iter().enumerate().filter_map(|(index, listener)| {
        Some((Owner::Listener(index), listeners::unusable(listener, &RealDisk)?))
    });
    let problem = |(owner, unusable): (Owner, Unusable)| {
        loaded.stands.problem(owner, unusable.key, &unusable.message, &unusable.hint)
    };
    let problems: Vec<Problem> = of_output.chain(of_listeners).map(problem).collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::Named(loaded.stands.told(problems).to_string()))
}
