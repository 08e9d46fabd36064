//! Whether a server is the one that it should be.

use super::refused::{CertificateRefused, Why};
use crate::certificates::{Facts, sha256};
use crate::settings::{TlsSettings, Verification};
use crate::tls::{AUTHORITIES, Material, TlsError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

/// What a server's certificate may be signed by, or be.
#[derive(Debug)]
pub(super) struct Trusted {
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
    /// Takes what is named; without that, and without a fingerprint, what the system trusts.
    pub(super) fn read(settings: &TlsSettings, material: &Material) -> Result<Self, TlsError> {
        if settings.certificate_authorities.is_empty() {
            return match settings.ca_trusted_fingerprint {
                Some(_) => Ok(Self::default()),
                None => Self::system(),
            };
        }
        let mut trusted = Self::default();
        for (certificate, place) in material.authorities()? {
            let refused =
                |reason: String| TlsError::NoCertificate { key: AUTHORITIES, place, reason };
            let added = trusted.roots.add(certificate.clone());
            added.map_err(|error| refused(error.to_string()))?;
            trusted.named.push(certificate);
        }
        Ok(trusted)
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

/// Checks a server's certificate as `ssl.*` says.
#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Trusted,
    mode: Verification,
    pins: Vec<[u8; 32]>,
    fingerprint: Option<[u8; 32]>,
}

impl Verifier {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        trusted: Trusted,
        settings: &TlsSettings,
    ) -> Self {
        Self {
            provider,
            trusted,
            mode: settings.verification,
            pins: settings.ca_sha256.clone(),
            fingerprint: settings.ca_trusted_fingerprint,
        }
    }

    fn check(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Why> {
        let leaf = EndEntityCert::try_from(shown).map_err(Why::Chain)?;
        let marked = self.fingerprint.map(|wanted| {
            let mut all = std::iter::once(shown).chain(others);
            all.find(|certificate| sha256(certificate) == wanted)
        });
        if marked == Some(None) && self.trusted.roots.is_empty() {
            return Err(Why::Fingerprint);
        }
        let marked = marked.flatten();
        if self.trusted.named.contains(shown) || marked == Some(shown) {
            // The operator named this very certificate: no chain says more than that.
            if !self.pins.is_empty() && !self.pins.contains(&spki_hash(&leaf)) {
                return Err(Why::Pins);
            }
            check_time(shown, now)?;
        } else {
            self.check_chain(&leaf, others, marked, now)?;
        }
        if self.mode == Verification::Full {
            leaf.verify_is_valid_for_subject_name(name).map_err(Why::Chain)?;
        }
        Ok(())
    }

    fn check_chain(
        &self,
        leaf: &EndEntityCert<'_>,
        others: &[CertificateDer<'_>],
        marked: Option<&CertificateDer<'_>>,
        now: UnixTime,
    ) -> Result<(), Why> {
        let mut with_marked: Vec<TrustAnchor<'_>> = Vec::new();
        let anchors: &[TrustAnchor<'_>] = match marked {
            None => &self.trusted.roots.roots,
            Some(marked) => {
                with_marked.extend_from_slice(&self.trusted.roots.roots);
                let anchor = webpki::anchor_from_trusted_cert(marked).map_err(Why::Chain)?;
                with_marked.push(anchor);
                &with_marked
            }
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verify = |check| {
            let usage = KeyUsage::server_auth();
            leaf.verify_for_usage(algorithms, anchors, others, now, usage, None, check).map(drop)
        };
        verify(None).map_err(Why::Chain)?;
        if self.pins.is_empty() {
            return Ok(());
        }
        let pinned = |path: &VerifiedPath<'_>| {
            if self.is_pinned(path) { Ok(()) } else { Err(webpki::Error::CertDistrusted) }
        };
        verify(Some(&pinned)).map_err(|_| Why::Pins)
    }

    /// Tells whether one of the public keys of a chain is one of those that the operator named.
    fn is_pinned(&self, path: &VerifiedPath<'_>) -> bool {
        let anchor = sha256(&in_sequence(&path.anchor().subject_public_key_info));
        let mut between = path.intermediate_certificates();
        self.pins.contains(&anchor)
            || between.any(|one| self.pins.contains(&sha256(&one.subject_public_key_info())))
            || self.pins.contains(&spki_hash(path.end_entity()))
    }
}

fn spki_hash(certificate: &EndEntityCert<'_>) -> [u8; 32] {
    sha256(&certificate.subject_public_key_info())
}

/// Puts the header of a DER sequence before its content, which a trust anchor keeps without.
fn in_sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![0x30];
    if content.len() < 0x80 {
        out.extend_from_slice(digits);
    } else {
        out.push(0x80 | u8::try_from(digits.len()).expect("a length has at most eight bytes"));
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(content);
    out
}

fn check_time(shown: &CertificateDer<'_>, now: UnixTime) -> Result<(), Why> {
    match Facts::read(shown) {
        Some(facts) if facts.not_after < now.as_secs() => Err(Why::Expired),
        Some(facts) if now.as_secs() < facts.not_before => Err(Why::NotYet),
        _ => Ok(()),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.mode == Verification::None {
            return Ok(ServerCertVerified::assertion());
        }
        self.check(shown, others, name, now).map_err(|why| {
            let chain: Vec<&[u8]> =
                std::iter::once(shown).chain(others).map(AsRef::as_ref).collect();
            CertificateRefused::new(why, &chain, &name.to_str(), now.as_secs()).into_rustls()
        })?;
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
