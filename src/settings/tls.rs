//! `ssl.*` of an output.

use super::Secret;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `ssl.*` of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Authorities to trust instead of the system's: files, or PEM texts as they stand.
    pub certificate_authorities: Vec<Pem>,
    /// How much of the server's certificate is checked.
    pub verification: Verification,
    /// What is shown to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
    /// Versions that are spoken. Default: 1.2 and 1.3.
    pub versions: TlsVersions,
    /// Cipher suites that are offered; empty: all that there are. Without one of TLS 1.3, all of that version are.
    pub cipher_suites: Vec<TlsAlgorithm>,
    /// Curves that are offered, in order of preference; empty: all that there are.
    pub curves: Vec<TlsAlgorithm>,
    /// SHA-256 of public keys, one of which must be in the chain that proves the server; empty: any may.
    pub ca_sha256: Vec<[u8; 32]>,
    /// SHA-256 of the one authority to trust, beside those that are named; the server shows it.
    pub ca_trusted_fingerprint: Option<[u8; 32]>,
    /// Pause between two looks whether files have changed; `None`: they are read at the start only. Default 1 min.
    pub reload_interval: Option<Duration>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            certificate_authorities: Vec::new(),
            verification: Verification::Full,
            client: None,
            versions: TlsVersions::Both,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
            ca_sha256: Vec::new(),
            ca_trusted_fingerprint: None,
            reload_interval: Some(Duration::from_mins(1)),
        }
    }
}

/// A certificate of ours, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and an authority.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
    /// What the key is encrypted with, if it is.
    pub passphrase: Option<Passphrase>,
}

/// Where the passphrase of a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passphrase {
    /// In the configuration.
    Text(Secret),
    /// In a file; a line end at its end does not count.
    File(PathBuf),
}

/// A cipher suite or a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsAlgorithm {
    /// As Filebeat names it.
    pub name: &'static str,
    /// IANA's number.
    pub code: u16,
}

/// `ssl.supported_protocols`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    Both,
    /// TLS 1.2 only.
    Only12,
    /// TLS 1.3 only.
    Only13,
}

/// A certificate or a key: in a file, or written into the configuration.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// Path of a PEM file.
    File(PathBuf),
    /// PEM text.
    Inline(String),
}

impl Pem {
    /// Tells whether it is a private key that stands in the configuration.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Inline(text) if text.contains("PRIVATE KEY"))
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Self::Inline(_) if self.is_secret() => formatter.write_str("Inline(xxxxx)"),
            Self::Inline(text) => formatter.debug_tuple("Inline").field(text).finish(),
        }
    }
}

/// `ssl.verification_mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verification {
    /// Chain and host name; `strict` means the same here.
    #[default]
    Full,
    /// Chain only.
    Certificate,
    /// Nothing; the start warns.
    None,
}
