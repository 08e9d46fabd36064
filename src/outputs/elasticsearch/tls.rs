//! Whom to trust: the TLS side of `ssl.*`, on rustls.
//!
//! Certificate authorities are read once, at the start. Where no host speaks TLS none are read at all.

use crate::disk::Disk;
use crate::settings::{Pem, TlsSettings, Verification};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Largest file of certificates, in bytes: the bundles of systems have a quarter of a MiB.
const PEM_BYTES_MAX: u64 = 8 << 20;

/// Why `ssl.*` cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    /// The file cannot be read.
    #[error("cannot read the certificate authorities in `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate in it.
    #[error("{place} holds no certificate that can be used: {reason}")]
    NoCertificate {
        /// The file, or the place in the configuration.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The system has none.
    #[error("the system has no certificate authorities: {0}")]
    NoSystemRoots(String),
    /// rustls refuses.
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Makes the client's side of TLS; `wanted` is `false` where no host speaks it.
///
/// # Errors
/// When authorities cannot be read.
pub(super) fn client_config<D: Disk>(
    settings: &TlsSettings,
    wanted: bool,
    disk: &D,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = if wanted && settings.verification != Verification::None {
        Trusted::read(settings, disk)?
    } else {
        Trusted::default()
    };
    let verifier =
        Verifier { provider: Arc::clone(&provider), trusted, mode: settings.verification };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// What a server's certificate may be signed by, or be.
#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    /// Those that the operator named: a server may show one of them itself, as self-signed certificates do.
    named: Vec<CertificateDer<'static>>,
}

impl Default for Trusted {
    fn default() -> Self {
        Self { roots: RootCertStore::empty(), named: Vec::new() }
    }
}

impl Trusted {
    fn read<D: Disk>(settings: &TlsSettings, disk: &D) -> Result<Self, TlsError> {
        if settings.certificate_authorities.is_empty() {
            return Self::system();
        }
        let mut trusted = Self::default();
        for pem in &settings.certificate_authorities {
            match pem {
                Pem::File(path) => {
                    let text = disk
                        .read_all(path, PEM_BYTES_MAX)
                        .map_err(|source| TlsError::Read { path: path.clone(), source })?;
                    trusted.add(&text, &format!("`{}`", path.display()))?;
                }
                Pem::Inline(text) => {
                    trusted.add(text.as_bytes(), "the text in ssl.certificate_authorities")?;
                }
            }
        }
        Ok(trusted)
    }

    fn add(&mut self, text: &[u8], place: &str) -> Result<(), TlsError> {
        let refused = |reason: String| TlsError::NoCertificate { place: place.to_owned(), reason };
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            self.roots.add(certificate.clone()).map_err(|error| refused(error.to_string()))?;
            self.named.push(certificate);
            found += 1;
        }
        if found == 0 {
            return Err(refused("no PEM section of a certificate in it".to_owned()));
        }
        Ok(())
    }

    fn system() -> Result<Self, TlsError> {
        let loaded = rustls_native_certs::load_native_certs();
        let mut trusted = Self::default();
        trusted.roots.add_parsable_certificates(loaded.certs);
        if trusted.roots.is_empty() {
            let reason = loaded.errors.first().map(ToString::to_string);
            return Err(TlsError::NoSystemRoots(reason.unwrap_or_else(|| "none found".to_owned())));
        }
        Ok(trusted)
    }
}

/// Checks a server's certificate as `ssl.verification_mode` says.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Trusted,
    mode: Verification,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.mode == Verification::None {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(shown)?;
        // The operator named this very certificate: no chain says more than that.
        if !self.trusted.named.contains(shown) {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.trusted.roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        if self.mode == Verification::Full {
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
