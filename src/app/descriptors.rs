//! How many logs may be open at once: what the system allows, less what everything else needs.

use crate::monitor;
use crate::settings::{Listen, ListenerSettings, OutputSettings, Settings};
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

/// Listeners take at most one in so many of the descriptors that are left for their connections, or those that may never
/// come would leave too few for logs.
const SHARE_OF_LISTENERS: u64 = 2;

/// Descriptors of listeners beside their sockets: what they sleep on, and its bell.
const FOR_LISTENING: u64 = 2;

/// What a process needs beside logs.
#[derive(Debug, Clone, Copy)]
struct Needs {
    /// All but connections of senders.
    fixed: u64,
    /// Most connections of senders.
    senders: u64,
}

/// Raises the limit of open files as far as this process may, and returns how many logs may be open at once.
pub(super) fn provide(settings: &Settings) -> usize {
    let needs = Needs::of(&settings.output, &settings.listeners, settings.http.is_some());
    let wanted = LOGS_MAX + needs.fixed + needs.senders;
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
    let logs = for_logs(limit, needs);
    if limit < needs.fixed + LOGS_MIN {
        warn!(
            hint = "raise it: `LimitNOFILE=16384` in the unit, or `ulimit -n`",
            "the limit of {limit} open files is less than this process needs ({}): connections or the registry may \
             fail for want of it",
            needs.fixed + LOGS_MIN
        );
    } else if logs < LOGS_MAX {
        info!("of {limit} open files at most {logs} are logs; more take turns");
    }
    usize::try_from(logs).unwrap_or(usize::MAX)
}

impl Needs {
    fn of(output: &OutputSettings, listeners: &[ListenerSettings], has_endpoint: bool) -> Self {
        let connections = match output {
            OutputSettings::Elasticsearch(output) => output.hosts.len() * output.worker,
            OutputSettings::Console => 0,
        };
        let endpoint = if has_endpoint { monitor::DESCRIPTORS_MAX } else { 0 };
        let fixed = RESERVED + endpoint + FOR_EACH_CONNECTION * connections as u64;
        let mut needs = Self { fixed, senders: 0 };
        if !listeners.is_empty() {
            needs.fixed += FOR_LISTENING + listeners.len() as u64;
        }
        for listener in listeners {
            if matches!(listener.listen, Listen::Tcp(_) | Listen::UnixStream(_)) {
                needs.senders += listener.connections_max as u64;
            }
        }
        needs
    }
}

fn for_logs(limit: u64, needs: Needs) -> u64 {
    let left = limit.saturating_sub(needs.fixed);
    let senders = needs.senders.min(left / SHARE_OF_LISTENERS);
    (left - senders).clamp(LOGS_MIN, LOGS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ElasticsearchSettings, FramingSettings, InputSettings};
    use std::time::Duration;

    #[test]
    fn connections_have_their_descriptors_before_logs() {
        let hosts = |count: usize, worker| {
            let hosts = vec!["http://localhost:9200".to_owned(); count];
            let settings = ElasticsearchSettings { hosts, worker, ..Default::default() };
            OutputSettings::Elasticsearch(Box::new(settings))
        };
        let logs = |limit, output| for_logs(limit, Needs::of(&output, &[], false));
        assert_eq!(logs(256, OutputSettings::Console), 224);
        assert_eq!(logs(256, hosts(1, 1)), 222);
        assert_eq!(logs(256, hosts(3, 4)), 200);
        assert_eq!(logs(64, hosts(1, 1)), 30);
        assert_eq!(logs(20, hosts(1, 1)), LOGS_MIN);
        assert_eq!(logs(u64::MAX, hosts(1, 1)), LOGS_MAX);
        assert_eq!(for_logs(256, Needs::of(&hosts(1, 1), &[], true)), 150);
    }

    #[test]
    fn senders_have_their_descriptors_but_at_most_half_of_them() {
        let listener = |listen, connections_max| ListenerSettings {
            input: InputSettings::default(),
            listen,
            framing: FramingSettings::default(),
            connections_max,
            timeout: Duration::from_mins(5),
            tls: None,
        };
        let logs = |limit, listeners: &[ListenerSettings]| {
            for_logs(limit, Needs::of(&OutputSettings::Console, listeners, false))
        };
        let tcp = |connections| listener(Listen::Tcp(":9000".to_owned()), connections);
        let udp = listener(Listen::Udp(":514".to_owned(), None), 1024);
        assert_eq!(logs(256, std::slice::from_ref(&udp)), 256 - 32 - 3);
        assert_eq!(logs(256, &[udp, tcp(100)]), 256 - 32 - 4 - 100);
        assert_eq!(logs(256, &[tcp(1024)]), (256 - 32 - 3_u64).div_ceil(2));
        assert_eq!(logs(8192, &[tcp(1024)]), LOGS_MAX);
        assert_eq!(logs(20, &[tcp(1024)]), LOGS_MIN);
    }
}
