//! How the hosts of an output fare: written when that changes, read by whoever asks how it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// How all hosts fare.
#[derive(Debug, Default)]
pub struct Health {
    hosts: Mutex<BTreeMap<String, HostHealth>>,
    certificates: Mutex<HostHealth>,
}

/// How one host fares, or what else may fail for a while.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostHealth {
    /// When it failed first since it last took something; `None` while it does not fail. That it answers again proves
    /// nothing: it is asked again only when there is something to send, and then takes it or not.
    pub since: Option<Instant>,
    /// Why, the last time.
    pub reason: String,
}

impl Health {
    /// Notes that a host answers.
    pub fn connected(&self, url: &str) {
        self.lock().entry(url.to_owned()).or_default();
    }

    /// Notes that a host failed, or takes nothing until a person has mended something.
    pub fn failed(&self, url: &str, reason: &str, now: Instant) {
        let mut hosts = self.lock();
        let host = hosts.entry(url.to_owned()).or_default();
        host.since.get_or_insert(now);
        host.reason.clear();
        host.reason.push_str(&reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]);
    }

    /// Notes that a host took what was sent.
    pub fn succeeded(&self, url: &str) {
        self.lock().insert(url.to_owned(), HostHealth::default());
    }

    /// Forgets one that is no more.
    pub fn forget(&self, url: &str) {
        self.lock().remove(url);
    }

    /// Notes that certificates or keys have changed and cannot be used; those of before stay in use.
    pub fn certificates_failed(&self, reason: &str, now: Instant) {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        certificates.since.get_or_insert(now);
        reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].clone_into(&mut certificates.reason);
    }

    /// Notes that the certificates and keys that are there are those in use.
    pub fn certificates_used(&self) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = HostHealth::default();
    }

    /// Returns since when certificates or keys that are there cannot be used, and why.
    #[must_use]
    pub fn certificates(&self) -> HostHealth {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how each host fares that was ever tried.
    #[must_use]
    pub fn hosts(&self) -> BTreeMap<String, HostHealth> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, HostHealth>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn first_failure_since_the_last_success_is_remembered_over_reconnections() {
        let health = Health::default();
        let start = Instant::now();
        health.failed("a", "refused", start);
        health.connected("a");
        health.failed("a", "timed out", start + Duration::from_secs(9));
        let expected = HostHealth { since: Some(start), reason: "timed out".to_owned() };
        assert_eq!(health.hosts()["a"], expected);
        health.succeeded("a");
        assert_eq!(health.hosts()["a"], HostHealth::default());
        health.certificates_failed("no key", start);
        health.certificates_failed("no certificate", start + Duration::from_secs(9));
        let expected = HostHealth { since: Some(start), reason: "no certificate".to_owned() };
        assert_eq!(health.certificates(), expected);
        health.certificates_used();
        assert_eq!(health.certificates(), HostHealth::default());
        health.failed("b", &"ü".repeat(1000), start);
        assert_eq!(health.hosts()["b"].reason.len(), 1024);
    }
}
