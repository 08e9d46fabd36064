//! Certificates and keys that change while it runs: their files are looked at again, and what has changed counts from
//! the next connection on. What cannot be used leaves all as it was, and is told once.

use super::Cluster;
use super::client::{HttpClient, read_material};
use crate::disk::Disk;
use crate::hint::chain_text;
use crate::settings::{ElasticsearchSettings, Passphrase, Pem, TlsSettings};
use crate::stats::Stats;
use std::time::{Duration, Instant};
use tracing::{error, info};

/// Pause before a file that cannot be used is looked at once more: whoever replaces a certificate and its key does one
/// after the other.
const SETTLE: Duration = Duration::from_secs(5);

/// What is known of the files.
struct Watch {
    /// Checksum of what is in use.
    in_use: [u8; 32],
    /// What is wrong with what is there now, and whether that was told.
    problem: Option<(String, bool)>,
}

impl<D: Disk + Sync> Cluster<D> {
    /// Looks at the files of `ssl.*` as often as the configuration says; ends only where there is nothing to look at.
    pub(super) async fn watch_certificates(&self, disk: D) {
        let tls = &self.settings.tls;
        let Some(interval) = tls.reload_interval.filter(|_| names_files(tls)) else { return };
        let mut watch = Watch { in_use: self.client.first_material(), problem: None };
        loop {
            tokio::time::sleep(watch.pause(interval)).await;
            watch.look(&self.settings, &self.client, &disk);
            watch.note(&self.stats);
        }
    }
}

impl Watch {
    fn pause(&self, interval: Duration) -> Duration {
        match self.problem {
            Some((_, false)) => interval.min(SETTLE),
            _ => interval,
        }
    }

    /// Notes a problem that was told, and that there is none any more.
    fn note(&self, stats: &Stats) {
        match &self.problem {
            Some((problem, true)) => {
                stats.health.certificates_failed(problem, Instant::now());
                stats.sending.unusable_certificates.set(1);
            }
            Some(_) => {}
            None => {
                stats.health.certificates_used();
                stats.sending.unusable_certificates.set(0);
            }
        }
    }

    fn look<D: Disk>(&mut self, settings: &ElasticsearchSettings, client: &HttpClient, disk: &D) {
        let material = match read_material(settings, disk) {
            Ok(material) => material,
            Err(problem) => return self.failed(chain_text(&problem), &problem.advice()),
        };
        let digest = material.digest();
        if digest == self.in_use {
            if let Some((_, true)) = self.problem.take() {
                info!("certificates and keys are again those in use");
            }
            return;
        }
        match client.renew(settings, &material) {
            Ok(()) => {
                (self.in_use, self.problem) = (digest, None);
                info!(
                    "certificates or keys have changed: connections are made with the new ones from now on"
                );
            }
            Err(problem) => self.failed(chain_text(&problem), &problem.advice()),
        }
    }

    /// Tells a problem when it is met for the second time, and then no more.
    fn failed(&mut self, problem: String, hint: &str) {
        match &mut self.problem {
            Some((known, told)) if *known == problem => {
                if !std::mem::replace(told, true) {
                    error!(
                        hint,
                        "certificates or keys have changed and cannot be used, those of before stay in use: {problem}"
                    );
                }
            }
            other => *other = Some((problem, false)),
        }
    }
}

/// Tells whether anything of `ssl.*` is in a file.
fn names_files(tls: &TlsSettings) -> bool {
    let is_file = |pem: &Pem| matches!(pem, Pem::File(_));
    tls.certificate_authorities.iter().any(is_file)
        || tls.client.as_ref().is_some_and(|client| {
            is_file(&client.certificate)
                || is_file(&client.key)
                || matches!(client.passphrase, Some(Passphrase::File(_)))
        })
}
