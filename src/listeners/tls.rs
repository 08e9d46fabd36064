//! The server's side of `ssl.*`, on rustls.

use crate::disk::Disk;
use crate::hint::{Advised, chain_text};
use crate::settings::ServerTlsSettings;
use crate::tls::{AUTHORITIES, Material, TlsError, Unusable, certified, provider, versions};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::Instant;
use tracing::{info, warn};

/// What connections of an input are secured with.
pub(super) struct Secured {
    settings: ServerTlsSettings,
    config: Arc<ServerConfig>,
    digest: [u8; 32],
    /// When the files are looked at again, if somebody connects.
    look_at: Option<Instant>,
    /// Looks that found what cannot be used, one after another: a certificate and its key are replaced one by one.
    failed_looks: u32,
}

impl Secured {
    /// Reads certificates and key.
    pub(super) fn open<D: Disk>(settings: ServerTlsSettings, disk: &D) -> Result<Self, Advised> {
        let (config, digest) = read(&settings, disk).map_err(|problem| {
            let advice = problem.advice();
            Advised::new(problem, advice)
        })?;
        Ok(Self { settings, config, digest, look_at: None, failed_looks: 0 })
    }

    /// Returns what the next connection is secured with; what was replaced since is read first.
    pub(super) fn config<D: Disk>(&mut self, disk: &D, now: Instant) -> Arc<ServerConfig> {
        if let Some(interval) = self.settings.common.reload_interval {
            if self.look_at.is_some_and(|at| at <= now) {
                self.look(disk);
                self.look_at = None;
            }
            self.look_at.get_or_insert(now + interval);
        }
        Arc::clone(&self.config)
    }

    fn look<D: Disk>(&mut self, disk: &D) {
        match read(&self.settings, disk) {
            Ok((_, digest)) if digest == self.digest => self.failed_looks = 0,
            Ok((config, digest)) => {
                (self.config, self.digest, self.failed_looks) = (config, digest, 0);
                info!("certificates of a listener have changed: they count from now on");
            }
            Err(problem) => {
                self.failed_looks = self.failed_looks.saturating_add(1);
                if self.failed_looks == 2 {
                    warn!(
                        hint = problem.advice(),
                        "new certificates of a listener cannot be used, those of before are: {}",
                        chain_text(&problem)
                    );
                }
            }
        }
    }
}

/// Returns what of certificates and key cannot be used, if they are there.
pub(super) fn unusable<D: Disk>(settings: &ServerTlsSettings, disk: &D) -> Option<Unusable> {
    read(settings, disk).err().map(|problem| Unusable::from(&problem))
}

fn read<D: Disk>(
    settings: &ServerTlsSettings,
    disk: &D,
) -> Result<(Arc<ServerConfig>, [u8; 32]), TlsError> {
    let common = &settings.common;
    let material = Material::read(common, disk)?;
    let provider = Arc::new(provider(common));
    let identity = material.identity()?.expect("a listener has a certificate");
    let own = certified(identity, &provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(common))?;
    let authorities = material.authorities()?;
    let builder = if authorities.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for (certificate, place) in authorities {
            roots.add(certificate).map_err(|error| TlsError::NoCertificate {
                key: AUTHORITIES,
                place,
                reason: error.to_string(),
            })?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier =
            if settings.client_required { verifier } else { verifier.allow_unauthenticated() };
        let verifier = verifier.build().expect("there are authorities and no revocations");
        builder.with_client_cert_verifier(verifier)
    };
    let config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    Ok((Arc::new(config), material.digest()))
}
