//! The client's side of `ssl.*`, on rustls: whom to trust, and who we are.
//!
//! Where no host speaks TLS nothing is read. Not here: renegotiation, which rustls does not have.

mod material;
mod refused;
mod resolver;
mod verifier;

pub(super) use material::Material;
pub(super) use resolver::Asked;

use crate::certificates::{Facts, private_key::KeyError};
use crate::settings::{TlsAlgorithm, TlsSettings, TlsVersions, Verification};
use material::Identity;
use resolver::Resolver;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use verifier::{Trusted, Verifier};

/// Why `ssl.*` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file cannot be read.
    #[error("cannot read `{path}` of `{key}`: {reason}")]
    Read {
        /// What names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no certificate in it.
    #[error("{place} holds no certificate that can be used: {reason}")]
    NoCertificate {
        /// The file, or the place in the configuration.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no key in it that can be used.
    #[error("cannot use the key in {place}: {reason}")]
    Key {
        /// The file, or the place in the configuration.
        place: String,
        /// What is wrong.
        reason: KeyError,
        /// What a person can do about it.
        advice: String,
    },
    /// They do not belong together.
    #[error(
        "the key of `ssl.key` is not that of the certificate of `ssl.certificate`: {certificate}"
    )]
    OtherKey {
        /// The certificate in words.
        certificate: String,
    },
    /// The system has none.
    #[error("the system has no certificate authorities: {0}")]
    NoSystemRoots(String),
    /// rustls refuses.
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsError {
    /// Says what a person can do about it.
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Read { key, .. } => format!(
                "name a file under {key} that is there, and that the user who runs shipper may read"
            ),
            Self::NoCertificate { .. } => {
                "name a file with certificates in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned()
            }
            Self::Key { advice, .. } => advice.clone(),
            Self::OtherKey { .. } => {
                "name the key that the certificate was made for; both show the same: openssl x509 -in CERT -noout \
                 -pubkey, and openssl pkey -in KEY -pubout"
                    .to_owned()
            }
            Self::NoSystemRoots(_) => {
                "install the package ca-certificates, or name your server's CA under ssl.certificate_authorities"
                    .to_owned()
            }
            Self::Rustls(_) => "check the settings below ssl".to_owned(),
        }
    }
}

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
        let versions = match settings.versions {
            TlsVersions::Both => &[&TLS12, &TLS13][..],
            TlsVersions::Only12 => &[&TLS12],
            TlsVersions::Only13 => &[&TLS13],
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        Ok(Self { config, asked })
    }
}

fn provider(settings: &TlsSettings) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    let wanted = &settings.cipher_suites;
    if !wanted.is_empty() {
        let names_13 = wanted.iter().any(|suite| suite.code >> 8 == 0x13);
        provider.cipher_suites.retain(|suite| {
            let code = u16::from(suite.suite());
            let is_13 = suite.tls13().is_some();
            wanted.iter().any(|one| one.code == code) || (is_13 && !names_13)
        });
    }
    if !settings.curves.is_empty() {
        let place = |code: u16| {
            settings.curves.iter().position(|TlsAlgorithm { code: wanted, .. }| *wanted == code)
        };
        provider.kx_groups.retain(|group| place(u16::from(group.name())).is_some());
        provider.kx_groups.sort_by_key(|group| place(u16::from(group.name())));
    }
    provider
}

fn certified(identity: Identity, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let facts = identity.chain.first().and_then(|certificate| Facts::read(certificate));
    match CertifiedKey::from_der(identity.chain, identity.key, provider) {
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::OtherKey {
            certificate: facts.map_or_else(|| "(unreadable)".to_owned(), |facts| facts.to_string()),
        }),
        made => Ok(made?),
    }
}

/// Returns in words, with what to do, why there is no TLS with a server; `None` when an error has another cause.
pub(super) fn explain(error: &(dyn Error + 'static), asked: &Asked) -> Option<String> {
    refused::explain(error, asked)
}
