//! The server's side of `ssl.*`, on rustls.

use crate::disk::Disk;
use crate::hint::Advised;
use crate::settings::{Pem, ServerTlsSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;

/// Largest file of certificates, in bytes.
const PEM_BYTES_MAX: u64 = 8 << 20;

/// Reads certificates and key.
pub(super) fn server_config<D: Disk>(
    settings: &ServerTlsSettings,
    disk: &D,
) -> Result<Arc<ServerConfig>, Advised> {
    let chain = certificates(&settings.certificate, "ssl.certificate", disk)?;
    let text = read(&settings.key, "ssl.key", disk)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let hint = if text.windows(9).any(|part| part == b"ENCRYPTED") {
            "an encrypted key cannot be read yet: decrypt it with `openssl pkey`, and protect the file by its mode"
        } else {
            "name a file with a private key in PEM"
        };
        Advised::new(format!("cannot use the key of `ssl.key`: {error}"), hint)
    })?;
    let refused = |error: &dyn std::fmt::Display| {
        Advised::new(
            format!("cannot set up TLS: {error}"),
            "the key must be that of the certificate",
        )
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?;
    let builder = if settings.certificate_authorities.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in &settings.certificate_authorities {
            for certificate in certificates(authority, "ssl.certificate_authorities", disk)? {
                roots.add(certificate).map_err(|error| refused(&error))?;
            }
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier =
            if settings.client_required { verifier } else { verifier.allow_unauthenticated() };
        builder.with_client_cert_verifier(verifier.build().map_err(|error| refused(&error))?)
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| refused(&error))?;
    Ok(Arc::new(config))
}

fn read<D: Disk>(pem: &Pem, key: &str, disk: &D) -> Result<Vec<u8>, Advised> {
    match pem {
        Pem::Inline(text) => Ok(text.as_bytes().to_vec()),
        Pem::File(path) => disk.read_all(path, PEM_BYTES_MAX).map_err(|error| {
            let reason = crate::advice::reason(&error);
            Advised::new(
                format!("cannot read `{}` of `{key}`: {reason}", path.display()),
                "name a file in PEM that the user who runs shipper may read",
            )
        }),
    }
}

fn certificates<D: Disk>(
    pem: &Pem,
    key: &str,
    disk: &D,
) -> Result<Vec<CertificateDer<'static>>, Advised> {
    let text = read(pem, key, disk)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Advised::new(
            format!("`{key}` holds no certificate that can be used"),
            "name a file with a certificate in PEM",
        )),
    }
}
