//! Which output: one, and what the top level says about it.

use std::path::Path;
use std::time::Duration;

use crate::config::problems::Problem;
use crate::config::tree::{Entry, Value};
use crate::config::typed::cloud::cloud;
use crate::config::typed::elasticsearch::elasticsearch;
use crate::config::typed::value::At;
use crate::settings::{OutputSettings, QueueSettings};

/// One batch buffer.
const BUFFER_BYTES: u64 = 1 << 20;
/// Most memory that may be asked for.
const QUEUE_BYTES_MAX: u64 = 64 << 30;

const EXAMPLE: &str = "for example:
output.elasticsearch:
  hosts: [\"http://localhost:9200\"]";

/// Reads the output and the queue before it.
#[must_use]
pub fn output(root: &At<'_>, config_directory: &Path) -> (OutputSettings, QueueSettings) {
    let chosen = chosen(root);
    let (mut output, flush_timeout) = match chosen.as_deref() {
        Some("elasticsearch") => {
            let (settings, flush_timeout) = elasticsearch(
                &root.get("output.elasticsearch"),
                &root.get("setup.template"),
                cloud(root),
                config_directory,
            );
            (OutputSettings::Elasticsearch(Box::new(settings)), flush_timeout)
        }
        Some("console") => (OutputSettings::Console, QueueSettings::default().flush_timeout),
        _ => (OutputSettings::default(), QueueSettings::default().flush_timeout),
    };
    let queue = queue(root, &mut output, flush_timeout);
    (output, queue)
}

/// Finds the one output that is switched on; anything else but one is a problem.
fn chosen(root: &At<'_>) -> Option<String> {
    let outputs: &[Entry] = match root.get("output").node().map(|node| &node.value) {
        Some(Value::Map(map)) => &map.entries,
        // What stands there instead of keys was told.
        Some(Value::Scalar(_) | Value::List(_)) => return None,
        _ => &[],
    };
    let mut enabled: Vec<&Entry> =
        outputs.iter().filter(|entry| !entry.value.is_disabled()).collect();
    // A heading whose lines are all commented out gives way to an output with content.
    if enabled.iter().any(|entry| !matches!(entry.value.value, Value::Null)) {
        enabled.retain(|entry| !matches!(entry.value.value, Value::Null));
    }
    let cloud = root.get("cloud.id");
    let in_cloud = cloud.text_if_any().is_some();
    if in_cloud && let Some(other) = enabled.iter().find(|entry| entry.key != "elasticsearch") {
        let message = format!("`cloud.id` stands for `output.elasticsearch`, not `{}`", other.key);
        cloud.problem_with(message, "leave one of the two out");
        return None;
    }
    if in_cloud && enabled.is_empty() {
        return Some("elasticsearch".to_owned());
    }
    let Some(first) = enabled.first() else {
        if outputs.is_empty() && root.is_meant("`output") {
            return None;
        }
        let all =
            if outputs.is_empty() { "there is no output" } else { "every output is disabled" };
        root.problem_with(all, EXAMPLE);
        return None;
    };
    if let Some(second) = enabled.get(1) {
        let message = format!("two outputs are enabled: `{}` and `{}`", first.key, second.key);
        let problem = Problem::new(second.place, message).other(first.place, "the first is here");
        root.push(problem.hint("one is possible: set `enabled: false` in the other"));
    }
    for entry in &enabled {
        let at = root.get(&format!("output.{}", entry.key)).get("enabled");
        if at.is_there() {
            // Its value is used above; here only a wrong one is told.
            let _ = at.boolean();
        }
    }
    Some(first.key.clone())
}

fn queue(root: &At<'_>, output: &mut OutputSettings, flush_timeout: Duration) -> QueueSettings {
    let at = root.get("queue.mem");
    let bytes_at = at.get("bytes");
    let default = u64::try_from(QueueSettings::default().bytes).expect("a few MiB");
    let written = bytes_at.bytes(1, QUEUE_BYTES_MAX);
    let worker = match output {
        OutputSettings::Elasticsearch(settings) => {
            let hosts = settings.hosts.len().max(1);
            let own = root.get("output.elasticsearch").first_of(&["worker", "workers"]);
            if !own.is_there()
                && let Some(written) = written
            {
                let buffers = usize::try_from(written / BUFFER_BYTES).unwrap_or(usize::MAX);
                let most = buffers.saturating_sub(1) / hosts;
                settings.worker = settings.worker.min(most.max(1));
            }
            settings.worker * hosts
        }
        OutputSettings::Console => 1,
    };
    let least =
        (u64::try_from(worker).unwrap_or(u64::MAX).saturating_add(1)).saturating_mul(BUFFER_BYTES);
    let bytes = written.unwrap_or(default.max(least));
    if bytes < least {
        bytes_at.problem_with(
            format!("`queue.mem.bytes` is too small for {worker} requests in flight"),
            format!("give it at least {} MiB, or use fewer `worker`s", least >> 20),
        );
    }
    let flush_at = at.get("flush.timeout");
    let flush_timeout = flush_at.duration().unwrap_or(flush_timeout);
    QueueSettings { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), flush_timeout }
}
