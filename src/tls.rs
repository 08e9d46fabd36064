//! What both sides of TLS have in common: certificates and keys that `ssl.*` names, and what is spoken.
//!
//! Not here: whom to trust. A client decides about servers in `outputs::elasticsearch`, a server about clients in
//! `listeners`.

mod material;

use crate::certificates::{Facts, private_key::KeyError};
use crate::hint::chain_text;
use crate::settings::{TlsAlgorithm, TlsSettings, TlsVersions};
pub(crate) use material::{Identity, Material};
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::path::PathBuf;

/// What names authorities.
pub(crate) const AUTHORITIES: &str = "ssl.certificate_authorities";

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
        /// What to do about its mode and owner, if that is why.
        advice: Option<String>,
    },
    /// There is no certificate in it.
    #[error("{place} holds no certificate that can be used: {reason}")]
    NoCertificate {
        /// What names it.
        key: &'static str,
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
    /// Returns the setting that names what cannot be used, from `ssl` on; `None` where no single one does.
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self {
            Self::Read { key, .. } | Self::NoCertificate { key, .. } => Some(key),
            Self::Key { .. } | Self::OtherKey { .. } => Some("ssl.key"),
            Self::NoSystemRoots(_) | Self::Rustls(_) => None,
        }
    }

    /// Says what a person can do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Self::Read { advice: Some(advice), .. } => advice.clone(),
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

/// Something of `ssl.*` that cannot be used, for those who look before anything starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The setting that names it, from `ssl` on, if one does.
    pub key: Option<&'static str>,
    /// What is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl From<&TlsError> for Unusable {
    fn from(error: &TlsError) -> Self {
        Self { key: error.key(), message: chain_text(error), hint: error.advice() }
    }
}

/// Returns the versions that are spoken.
pub(crate) fn versions(settings: &TlsSettings) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];
    match settings.versions {
        TlsVersions::Both => &BOTH,
        TlsVersions::Only12 => &BOTH[..1],
        TlsVersions::Only13 => &BOTH[1..],
    }
}

/// Returns the algorithms that are spoken.
pub(crate) fn provider(settings: &TlsSettings) -> CryptoProvider {
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

/// Makes a certificate of ours ready for use.
///
/// # Errors
/// When the key is another certificate's.
pub(crate) fn certified(
    identity: Identity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let facts = identity.chain.first().and_then(|certificate| Facts::read(certificate));
    match CertifiedKey::from_der(identity.chain, identity.key, provider) {
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::OtherKey {
            certificate: facts.map_or_else(|| "(unreadable)".to_owned(), |facts| facts.to_string()),
        }),
        made => Ok(made?),
    }
}
