//! The client's side of `ssl.*`, on rustls: whom to trust, and who we are.
//!
//! Where no host speaks TLS nothing is read. Not here: renegotiation, which rustls does not have.

mod refused;
mod resolver;
mod verifier;

pub(super) use resolver::Asked;

use crate::disk::Disk;
use crate::settings::{TlsSettings, Verification};
use crate::tls::{Material, TlsError, Unusable, certified, provider, versions};
use resolver::Resolver;
use rustls::ClientConfig;
use std::error::Error;
use std::sync::Arc;
use verifier::{Trusted, Verifier};

/// What an HTTP client needs of TLS.
pub(super) struct Tls {
    pub(super) config: ClientConfig,
    /// What servers have asked of us.
    pub(super) asked: Arc<Asked>,
}

impl Tls {
    /// Makes the client's side; `wanted` is `false` where no host speaks it.
    ///
    /// # Errors
    /// When what is named cannot be used.
    pub(super) fn new(
        settings: &TlsSettings,
        wanted: bool,
        material: &Material,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(provider(settings));
        let trusted = if wanted && settings.verification != Verification::None {
            Trusted::read(settings, material)?
        } else {
            Trusted::default()
        };
        let identity = if wanted { material.identity()? } else { None };
        let own = identity.map(|identity| certified(identity, &provider)).transpose()?;
        let resolver = Resolver::new(own);
        let asked = resolver.asked();
        let verifier = Verifier::new(Arc::clone(&provider), trusted, settings);
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(settings))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        Ok(Self { config, asked })
    }
}

/// Returns what of the certificates and keys that are named cannot be used: of whom to trust, and of who we are.
pub(super) fn unusable<D: Disk>(settings: &TlsSettings, disk: &D) -> Vec<Unusable> {
    let trusted = TlsSettings { client: None, ..settings.clone() };
    let own = TlsSettings {
        certificate_authorities: Vec::new(),
        verification: Verification::None,
        ..settings.clone()
    };
    let parts =
        [(trusted, !settings.certificate_authorities.is_empty()), (own, settings.client.is_some())];
    let look = |part: &TlsSettings| {
        let made = Material::read(part, disk).and_then(|material| Tls::new(part, true, &material));
        made.err().map(|problem| Unusable::from(&problem))
    };
    parts.iter().filter(|(_, is_named)| *is_named).filter_map(|(part, _)| look(part)).collect()
}

/// Returns in words, with what to do, why there is no TLS with a server; `None` when an error has another cause.
pub(super) fn explain(error: &(dyn Error + 'static), asked: &Asked) -> Option<String> {
    refused::explain(error, asked)
}
