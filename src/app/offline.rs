//! What commands ask that run nothing: where documents would go, and what they would look like.

use super::plan::{self, PlanError};
use crate::disk::RealDisk;
use crate::enrich::GeoTables;
use crate::host;
use crate::outputs::links::TemplateTarget;
use crate::pipeline::Pipeline;
use crate::settings::{InputSettings, Settings};
use std::sync::Arc;

/// The id of an agent that nobody knows.
const NO_AGENT: &str = "00000000-0000-0000-0000-000000000000";

/// Returns where events of these settings go, each with the index template that it wants.
///
/// # Errors
/// When an input or an index cannot be understood.
pub fn targets(settings: &Settings) -> Result<Vec<TemplateTarget>, PlanError> {
    let mut host = host::host_facts(&RealDisk, "");
    if let Some(name) = &settings.name {
        host.name.clone_from(name);
    }
    plan::targets(settings, &host)
}

/// Makes the pipeline of one input as a run has it, but that each document says by its id where its lines are. Nothing is
/// written: where no run has made an id of the agent, it is all zeros. `geo` has the databases of the input.
///
/// # Errors
/// When the input's settings make none.
pub fn trial(
    settings: &Settings,
    input: &InputSettings,
    geo: Arc<GeoTables>,
) -> Result<Pipeline, PlanError> {
    let id = host::known_agent_id(&RealDisk, &settings.paths.data);
    let id = id.unwrap_or_else(|| NO_AGENT.to_owned());
    let mut host = host::host_facts(&RealDisk, &id);
    if let Some(name) = &settings.name {
        host.name.clone_from(name);
    }
    plan::trial(settings, &host, input, geo)
}
