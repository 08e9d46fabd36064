//! How many logs may be open at once: what the system allows, less what everything else needs.

use crate::monitor;
use crate::settings::{OutputSettings, Settings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

/// Most logs held open at once, whatever the limit is: idle ones are opened again in microseconds.
const LOGS_MAX: u64 = 1024;

/// Fewest, even where the limit leaves none.
const LOGS_MIN: u64 = 4;

/// Descriptors for all but logs and connections: 15 that a running process has (standard streams, inotify, the
/// runtime's, lock, journal), a log of its own, dead letters, and for a moment a snapshot, a directory that is listed or
/// synced, a file that is looked at, the resolver's.
const RESERVED: u64 = 32;

/// Descriptors for each connection: a new one may be there before the old one is gone.
const FOR_EACH_CONNECTION: u64 = 2;

/// Raises the limit of open files as far as this process may, and returns how many logs may be open at once.
pub(super) fn provide(settings: &Settings) -> usize {
    let reserved = reserved(&settings.output, settings.http.is_some());
    let wanted = LOGS_MAX + reserved;
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    if soft < wanted && limit.maximum.is_none_or(|hard| soft < hard) {
        let raised = Rlimit { current: limit.maximum, ..limit };
        // It may be forbidden; then it stays as it is.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let limit = limit.current.unwrap_or(u64::MAX);
    let logs = for_logs(limit, reserved);
    if limit < reserved + LOGS_MIN {
        warn!(
            hint = "raise it: `LimitNOFILE=16384` in the unit, or `ulimit -n`",
            "the limit of {limit} open files is less than this process needs ({}): connections or the registry may \
             fail for want of it",
            reserved + LOGS_MIN
        );
    } else if logs < LOGS_MAX {
        info!("of {limit} open files at most {logs} are logs; more take turns");
    }
    usize::try_from(logs).unwrap_or(usize::MAX)
}

fn reserved(output: &OutputSettings, has_endpoint: bool) -> u64 {
    let connections = match output {
        OutputSettings::Elasticsearch(output) => output.hosts.len() * output.worker,
        OutputSettings::Console => 0,
    };
    let endpoint = if has_endpoint { monitor::DESCRIPTORS_MAX } else { 0 };
    RESERVED + endpoint + FOR_EACH_CONNECTION * connections as u64
}

fn for_logs(limit: u64, reserved: u64) -> u64 {
    limit.saturating_sub(reserved).clamp(LOGS_MIN, LOGS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ElasticsearchSettings;

    #[test]
    fn connections_have_their_descriptors_before_logs() {
        let hosts = |count: usize, worker| {
            let hosts = vec!["http://localhost:9200".to_owned(); count];
            let settings = ElasticsearchSettings { hosts, worker, ..Default::default() };
            OutputSettings::Elasticsearch(Box::new(settings))
        };
        let logs = |limit, output| for_logs(limit, reserved(&output, false));
        assert_eq!(logs(256, OutputSettings::Console), 224);
        assert_eq!(logs(256, hosts(1, 1)), 222);
        assert_eq!(logs(256, hosts(3, 4)), 200);
        assert_eq!(logs(64, hosts(1, 1)), 30);
        assert_eq!(logs(20, hosts(1, 1)), LOGS_MIN);
        assert_eq!(logs(u64::MAX, hosts(1, 1)), LOGS_MAX);
        assert_eq!(for_logs(256, reserved(&hosts(1, 1), true)), 150);
    }
}
