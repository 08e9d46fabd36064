//! From settings to what each stage needs, checked as a whole before anything starts.

use crate::assembly::terminators;
use crate::batch::{BatchLimits, ITEMS_MAX};
use crate::discovery::glob::{Pattern, PatternError};
use crate::discovery::{Skip, Watched};
use crate::document::Shared;
use crate::enrich::GeoTables;
use crate::harvester::{OpenLimit, READ_BYTES, WorkerInput, WorkerSettings};
use crate::host::HostFacts;
use crate::ledger::owner_of;
use crate::listeners::ListenersSettings;
use crate::outputs::links::TemplateTarget;
use crate::pipeline::{Pipeline, PipelineError};
use crate::pool::{BUFFER_BYTES, JUMBO_BYTES_MAX};
use crate::settings::{InputSettings, OutputSettings, Settings, Since};
use crate::stats::inputs::InputName;
use crate::target::{FormatError, FormatString};
use regex::Regex;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::info;

/// Why settings make no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A path is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A pattern of files to be left out or taken.
    #[error("{key}: `{pattern}` is no regular expression")]
    Expression {
        /// Where it stands.
        key: &'static str,
        /// The text.
        pattern: String,
        /// What is wrong.
        source: Box<regex::Error>,
    },
    /// An input's format or index.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The output's index.
    #[error("output.elasticsearch.index: {0}")]
    Index(#[from] FormatError),
}

/// When the program was started, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    /// For the first time with this data path.
    pub(super) first: i64,
    /// This time.
    pub(super) this: i64,
}

/// What the stages are built from.
pub(super) struct Plan {
    pub(super) watched: Vec<Watched>,
    pub(super) worker: WorkerSettings,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) templates: Vec<TemplateTarget>,
    pub(super) listeners: Option<ListenersSettings>,
    pub(super) shared: Shared,
    pub(super) starts: Starts,
}

/// Returns where events of these settings go, each with the index template that it wants.
pub(super) fn targets(
    settings: &Settings,
    host: &HostFacts,
) -> Result<Vec<TemplateTarget>, PlanError> {
    let shared = shared(settings, host)?;
    Ok(templates(&make_pipelines(all_inputs(settings), &shared)?))
}

/// Returns what all pipelines have in common, but for a target that is one for all.
fn shared(settings: &Settings, host: &HostFacts) -> Result<Shared, PlanError> {
    let elasticsearch = match &settings.output {
        OutputSettings::Elasticsearch(elasticsearch) => Some(&**elasticsearch),
        OutputSettings::Console => None,
    };
    let index = elasticsearch.and_then(|output| output.index.as_deref());
    Ok(Shared {
        host_name: host.name.clone(),
        agent_id: host.agent_id.clone(),
        ephemeral_id: host.ephemeral_id.clone(),
        document_id: elasticsearch.is_none_or(|output| output.document_id),
        index: index.map(FormatString::parse).transpose()?,
        batch_wide: None,
        geo: Arc::new(GeoTables::new(databases(settings))),
    })
}

/// Makes the pipeline of one input as a run has it, but that each document says by its id where its lines are.
pub(super) fn trial(
    settings: &Settings,
    host: &HostFacts,
    input: &InputSettings,
    geo: Arc<GeoTables>,
) -> Result<Pipeline, PlanError> {
    let shared = Shared { document_id: true, geo, ..shared(settings, host)? };
    Ok(Pipeline::new(input, &shared)?)
}

/// Returns the files of databases of places that inputs want.
fn databases(settings: &Settings) -> impl Iterator<Item = PathBuf> {
    all_inputs(settings).flat_map(|input| input.enrich.geoip.iter().cloned())
}

/// Returns all inputs by number: those of files, then those that are sent to.
fn all_inputs(settings: &Settings) -> impl Iterator<Item = &InputSettings> {
    settings.inputs.iter().chain(settings.listeners.iter().map(|listener| &listener.input))
}

/// Returns the names of all inputs, by number.
pub(super) fn names(settings: &Settings) -> impl Iterator<Item = InputName> {
    all_inputs(settings).enumerate().map(|(number, input)| InputName {
        id: input.id.clone().unwrap_or_else(|| format!("inputs[{number}]")),
        kind: input.kind.clone(),
        is_files: number < settings.inputs.len(),
        is_retired: false,
    })
}

impl Plan {
    /// Makes a plan in which `open_files_max` logs may be open at once, and, where it `exchanges` inputs, those of modules
    /// may come later.
    pub(super) fn new(
        settings: &Settings,
        host: &HostFacts,
        open_files_max: usize,
        starts: Starts,
        exchanges: bool,
    ) -> Result<Self, PlanError> {
        let mut shared = shared(settings, host)?;
        let sent_to = || settings.listeners.iter().map(|listener| &listener.input);
        let later = exchanges.then(InputSettings::default);
        let pipelines = make_pipelines(all_inputs(settings).chain(&later), &shared)?;
        shared.batch_wide = common_target(&pipelines);
        let templates = templates(&pipelines);
        let worker = worker_settings(settings, open_files_max);
        let listeners = ListenersSettings {
            listeners: settings
                .listeners
                .iter()
                .cloned()
                .zip(make_pipelines(sent_to(), &shared)?)
                .collect(),
            first_input: settings.inputs.len(),
            limits: worker.limits,
            flush_timeout: worker.flush_timeout,
        };
        Ok(Self {
            watched: settings
                .inputs
                .iter()
                .map(|input| watched(input, starts))
                .collect::<Result<_, _>>()?,
            worker,
            pipelines: make_pipelines(all_inputs(settings), &shared)?,
            shared,
            starts,
            templates,
            listeners: (!settings.listeners.is_empty()).then_some(listeners),
        })
    }

    /// Says in the log where documents go and how much memory there will be.
    pub(super) fn tell(&self, settings: &Settings) {
        let targets: Vec<&str> =
            self.templates.iter().map(|template| template.pattern.as_str()).collect();
        if let OutputSettings::Elasticsearch(output) = &settings.output {
            info!("documents go to {} at {}", targets.join(", "), output.hosts.join(", "));
        } else {
            info!("documents go to standard output");
        }
        let pool = settings.queue.bytes / BUFFER_BYTES * BUFFER_BYTES;
        // An event that passes through parsers is read in one piece before it is written.
        let joins = settings.inputs.iter().any(|input| !input.reading.parsers.is_empty());
        let jumbo = JUMBO_BYTES_MAX * if joins { 2 } else { 1 };
        info!(
            "memory is bounded: {} MiB for batches, {} KiB for reading, at most {} MiB more for a single huge line",
            pool >> 20,
            READ_BYTES >> 10,
            jumbo >> 20
        );
    }
}

fn make_pipelines<'a>(
    inputs: impl Iterator<Item = &'a InputSettings>,
    shared: &Shared,
) -> Result<Vec<Pipeline>, PlanError> {
    let pipelines = inputs.map(|input| Pipeline::new(input, shared));
    Ok(pipelines.collect::<Result<_, _>>()?)
}

/// Returns the target of all inputs, if they have one in common.
fn common_target(pipelines: &[Pipeline]) -> Option<String> {
    let mut targets = pipelines.iter().flat_map(Pipeline::targets);
    let first = targets.next().filter(|target| target.data_stream)?;
    targets.all(|other| other == first).then_some(first.pattern)
}

pub(super) fn templates(pipelines: &[Pipeline]) -> Vec<TemplateTarget> {
    let mut templates: Vec<TemplateTarget> = Vec::new();
    for target in pipelines.iter().flat_map(Pipeline::targets) {
        let template = TemplateTarget {
            name: target.name,
            pattern: target.pattern,
            data_stream: target.data_stream,
        };
        if !templates.contains(&template) {
            templates.push(template);
        }
    }
    templates
}

pub(super) fn watched(input: &InputSettings, starts: Starts) -> Result<Watched, PlanError> {
    let parse = if input.files.recursive_glob { Pattern::parse } else { Pattern::parse_flat };
    let patterns = input.paths.iter().map(|path| parse(path));
    let expressions = |key: &'static str, patterns: &[String]| -> Result<Vec<Regex>, PlanError> {
        let expression = |pattern: &String| {
            Regex::new(pattern).map_err(|error| PlanError::Expression {
                key,
                pattern: pattern.clone(),
                source: Box::new(error),
            })
        };
        patterns.iter().map(expression).collect()
    };
    Ok(Watched {
        owner: owner_of(&input.id.clone().unwrap_or_else(|| input.paths.join("\n"))),
        patterns: patterns.collect::<Result<_, _>>()?,
        exclude: expressions("exclude_files", &input.exclude_files)?,
        include: expressions("include_files", &input.files.include_files)?,
        resend_on_touch: input.files.resend_on_touch,
        order: input.files.order,
        delete_after: input.files.delete_after.map(|grace| {
            // It runs from the time at which Filebeat would close the file.
            if input.close.on_eof { grace } else { grace.saturating_add(input.close.inactive) }
        }),
        clean: input.files.clean,
        skip: Skip {
            older: input.files.skip.older,
            unchanged_since: input.files.skip.inactive.map(|since| match since {
                Since::FirstStart => starts.first,
                Since::LastStart => starts.this,
            }),
            tail: input.files.skip.tail,
        },
        terminators: terminators(&input.reading).map_err(PipelineError::from)?,
        symlinks: input.symlinks,
        packed: input.compression,
        scan_interval: input.scan_interval,
    })
}

pub(super) fn worker_input(input: &InputSettings) -> WorkerInput {
    WorkerInput {
        closing: input.close,
        owner: input.files.owner,
        fingerprint: input.files.fingerprint,
        open_limit: OpenLimit::new(input.close.limit),
        message_max_bytes: input.message_max_bytes,
        backlog: input.files.backlog,
    }
}

fn worker_settings(settings: &Settings, open_files_max: usize) -> WorkerSettings {
    let limits = match &settings.output {
        OutputSettings::Elasticsearch(output) => BatchLimits {
            bytes: output.bulk_max_bytes.clamp(1, BUFFER_BYTES),
            items: match output.bulk_max_size {
                0 => ITEMS_MAX,
                items => items.min(ITEMS_MAX),
            },
        },
        OutputSettings::Console => BatchLimits::default(),
    };
    WorkerSettings {
        read_bytes: READ_BYTES,
        limits,
        flush_timeout: settings.queue.flush_timeout,
        inputs: all_inputs(settings).map(worker_input).collect(),
        backlog_bytes_min: READ_BYTES as u64,
        open_files_max,
        rescue: None,
    }
}
