//! What the endpoint says: put together from counters, on its own thread.

use super::life::{Life, Phase};
use super::teller::Teller;
use crate::app::App;
use crate::app::pulse::Watch;
use crate::disk::RealDisk;
use crate::host::{self, HostFacts};
use crate::monitor::{Body, Page, Pages, Reply};
use crate::pool::Pool;
use crate::reporter::{process, queue_figures};
use crate::settings::{OutputSettings, Settings};
use crate::stats::Stats;
use crate::stats::files::Laggards;
use crate::stats::inputs::{InputFigures, InputName};
use crate::stats::metrics::{Constants, Sample};
use crate::stats::prometheus::{self, Exposed};
use crate::status::{OutputState, Status};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Time after which a loop that was asked for a round counts as stuck.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// Knows all pages.
pub(super) struct Answers {
    pub(super) teller: Arc<Teller>,
    pub(super) life: Arc<Life>,
    pub(super) constants: Constants,
    pub(super) started: Instant,
    pub(super) about: About,
}

/// What is told of, and what does not change of it.
pub(super) struct About {
    stats: Arc<Stats>,
    pool: Pool,
    laggards: Laggards,
    watch: Mutex<Watch>,
    info: Value,
    state: Value,
    start_seconds: f64,
}

impl About {
    pub(super) fn new(
        settings: &Settings,
        app: &App,
        constants: &Constants,
        started: Instant,
    ) -> Self {
        let host = app.host();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            stats: Arc::clone(app.stats()),
            pool: app.pool().clone(),
            laggards: app.laggards().clone(),
            watch: Mutex::new(app.pulses().watch()),
            info: info(host, constants),
            state: state(settings, host, constants),
            start_seconds: now.saturating_sub(started.elapsed()).as_secs_f64(),
        }
    }
}

/// Says which program it is, in the words of Filebeat.
fn info(host: &HostFacts, constants: &Constants) -> Value {
    json!({
        "beat": constants.name,
        "binary_arch": match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        "elastic_licensed": false,
        "ephemeral_id": host.ephemeral_id,
        "gid": rustix::process::getegid().as_raw().to_string(),
        "hostname": host::host_name(),
        "name": host.name,
        "uid": rustix::process::geteuid().as_raw().to_string(),
        "uuid": host.agent_id,
        "version": constants.version,
    })
}

/// Says how it was set up, in the words of Filebeat.
fn state(settings: &Settings, host: &HostFacts, constants: &Constants) -> Value {
    let output = match &settings.output {
        OutputSettings::Elasticsearch(output) => json!({
            "batch_size": output.bulk_max_size,
            "clients": output.hosts.len() * output.worker.max(1),
            "name": constants.output,
        }),
        OutputSettings::Console => json!({"clients": 1, "name": constants.output}),
    };
    let mut about = json!({
        "architecture": std::env::consts::ARCH,
        "hostname": host::host_name(),
        "os": host::system(&RealDisk),
    });
    if let Some(id) = &host.machine_id {
        about["id"] = json!(id);
    }
    json!({
        "beat": {"name": host.name},
        "host": about,
        "management": {"enabled": false},
        "module": {"count": 0, "names": []},
        "output": output,
        "queue": {"name": "mem"},
        "service": {"id": host.agent_id, "name": constants.name, "version": constants.version},
    })
}

impl Pages for Answers {
    fn page(&self, page: &Page) -> Reply {
        let well = |body| Reply { is_well: true, body };
        match page {
            Page::Info => well(Body::Json(self.about.info.clone())),
            Page::State => well(Body::Json(self.state())),
            Page::Stats => well(Body::Json(self.stats())),
            Page::Inputs { kind } => well(Body::Json(self.inputs(kind.as_deref()))),
            Page::Metrics => well(Body::Metrics(self.metrics())),
            Page::Health => self.health(),
            Page::Ready => {
                let status = self.teller.status();
                let faults = unready(self.life.phase(), &status);
                let is_well = faults.is_empty();
                let mut said = faults;
                if is_well {
                    // A host or a target that fails while others take what is sent.
                    said.push("ready".to_owned());
                    said.extend(status.output_faults());
                }
                Reply { is_well, body: Body::Text(lines(&said)) }
            }
        }
    }
}

impl Answers {
    fn stats(&self) -> Value {
        let process = process::process_figures(&RealDisk, self.started.elapsed());
        let queue = queue_figures(&self.about.pool);
        let sample = Sample::new(&self.constants, &process, &queue, &self.about.stats.snapshot());
        sample.totals()["metrics"].take()
    }

    fn state(&self) -> Value {
        let inputs = self.about.stats.inputs.names();
        let inputs = inputs.iter().filter(|input| !input.is_retired);
        let mut kinds: Vec<&str> = inputs.map(|input| input.kind.as_str()).collect();
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        let mut state = self.about.state.clone();
        state["input"] = json!({"count": count, "names": kinds});
        state
    }

    fn inputs(&self, kind: Option<&str>) -> Value {
        let inputs = &self.about.stats.inputs;
        // One that comes in between has figures and no name yet.
        let names = inputs.names();
        let inputs = names.iter().zip(inputs.figures()).filter(|(name, _)| {
            !name.is_retired && kind.is_none_or(|kind| name.kind.eq_ignore_ascii_case(kind))
        });
        inputs.map(|(name, figures)| input(name, &figures)).collect()
    }

    fn metrics(&self) -> String {
        let status = self.teller.status();
        let hosts = self.about.stats.health.hosts().into_iter();
        // Beside them stand targets, of which only the number is told.
        let hosts = hosts.filter(|(host, _)| host.contains("://"));
        let hosts: Vec<_> = hosts.map(|(host, health)| (host, health.since.is_none())).collect();
        prometheus::text(&Exposed {
            constants: &self.constants,
            process: &process::process_figures(&RealDisk, self.started.elapsed()),
            start_seconds: self.about.start_seconds,
            queue: queue_figures(&self.about.pool),
            snapshot: &self.about.stats.snapshot(),
            inputs: &self.about.stats.inputs.names(),
            files: &self.about.laggards.figures(Instant::now()),
            hosts: &hosts,
            is_ready: unready(self.life.phase(), &status).is_empty(),
        })
    }

    fn health(&self) -> Reply {
        let now = Instant::now();
        let mut watch = self.about.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = watch.silent(now).filter(|silent| STUCK_AFTER <= silent.since);
        watch.ask(now);
        drop(watch);
        if let Some(silent) = silent {
            let (thread, seconds) = (silent.thread, silent.since.as_secs());
            let text = format!("the thread `{thread}` has made no progress for {seconds} s\n");
            return Reply { is_well: false, body: Body::Text(text) };
        }
        let mut said = vec!["alive".to_owned()];
        said.extend(self.teller.status().registry_faults());
        Reply { is_well: true, body: Body::Text(lines(&said)) }
    }
}

/// Says what an input counted, in the words of Filebeat.
fn input(InputName { id, kind, is_files, .. }: &InputName, figures: &InputFigures) -> Value {
    if *is_files {
        json!({
            "bytes_processed_total": figures.bytes,
            "events_processed_total": figures.events,
            "files_active": figures.opened.saturating_sub(figures.closed),
            "files_closed_total": figures.closed,
            "files_opened_total": figures.opened,
            "id": id,
            "input": kind,
            "messages_read_total": figures.events + figures.filtered,
            "processing_errors_total": figures.errors,
        })
    } else {
        json!({
            "id": id,
            "input": kind,
            "received_bytes_total": figures.bytes,
            "received_events_total": figures.events,
        })
    }
}

/// Says why nothing is delivered.
fn unready(phase: Phase, status: &Status) -> Vec<String> {
    match phase {
        Phase::Starting => return vec!["it starts: not all inputs were looked at yet".to_owned()],
        Phase::Stopping => return vec!["it stops".to_owned()],
        Phase::Running => {}
    }
    match status.output.state {
        OutputState::Connected => Vec::new(),
        OutputState::Connecting => vec!["no host of the output has answered yet".to_owned()],
        OutputState::Failing => status.output_faults(),
    }
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|text| [text.as_str(), "\n"]).collect()
}
