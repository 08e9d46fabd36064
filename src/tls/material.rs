//! What `ssl.*` names: files and texts, read at one time.

use super::{AUTHORITIES, TlsError};
use crate::advice;
use crate::certificates::private_key;
use crate::disk::Disk;
use crate::settings::{ClientCertificate, Passphrase, Pem, TlsSettings};
use ring::digest::{Context, SHA256};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Largest file of certificates, in bytes: the bundles of systems have a quarter of a MiB.
const PEM_BYTES_MAX: u64 = 8 << 20;

/// A PEM text and where it came from.
struct Text {
    /// What names it.
    key: &'static str,
    /// As messages name it.
    place: String,
    /// As commands name it.
    file: String,
    bytes: Vec<u8>,
}

/// All of it; nothing where nobody speaks TLS.
#[derive(Default)]
pub(crate) struct Material {
    authorities: Vec<Text>,
    client: Option<Client>,
}

struct Client {
    certificate: Text,
    key: Text,
    passphrase: Option<Vec<u8>>,
}

/// Our own certificate with its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Material {
    /// Reads all files once.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(crate) fn read<D: Disk>(settings: &TlsSettings, disk: &D) -> Result<Self, TlsError> {
        let authorities = settings
            .certificate_authorities
            .iter()
            .map(|pem| text(pem, AUTHORITIES, disk))
            .collect::<Result<_, _>>()?;
        let client =
            settings.client.as_ref().map(|client| Client::read(client, disk)).transpose()?;
        Ok(Self { authorities, client })
    }

    /// Returns a checksum of all of it: it changes when anything does.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_le_bytes());
            context.update(bytes);
        };
        self.authorities.iter().for_each(|text| add(&text.bytes));
        if let Some(client) = &self.client {
            add(&client.certificate.bytes);
            add(&client.key.bytes);
            add(client.passphrase.as_deref().unwrap_or_default());
        }
        context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Returns every authority that is named, with its place.
    pub(crate) fn authorities(&self) -> Result<Vec<(CertificateDer<'static>, String)>, TlsError> {
        let mut all = Vec::new();
        for text in &self.authorities {
            let found = certificates(text)?;
            all.extend(found.into_iter().map(|certificate| (certificate, text.place.clone())));
        }
        Ok(all)
    }

    /// Returns our own certificate, if there is one.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, TlsError> {
        let Some(client) = &self.client else { return Ok(None) };
        let chain = certificates(&client.certificate)?;
        let passphrase = client.passphrase.as_deref();
        let key = private_key::read(&client.key.bytes, passphrase).map_err(|reason| {
            let place = client.key.place.clone();
            TlsError::Key { place, advice: reason.advice(&client.key.file), reason }
        })?;
        Ok(Some(Identity { chain, key }))
    }
}

impl Client {
    fn read<D: Disk>(settings: &ClientCertificate, disk: &D) -> Result<Self, TlsError> {
        let passphrase = match &settings.passphrase {
            None => None,
            Some(Passphrase::Text(text)) => Some(text.expose().as_bytes().to_vec()),
            Some(Passphrase::File(path)) => {
                let bytes = read(path, "ssl.key_passphrase_path", disk)?;
                Some(bytes.trim_ascii_end().to_vec())
            }
        };
        Ok(Self {
            certificate: text(&settings.certificate, "ssl.certificate", disk)?,
            key: text(&settings.key, "ssl.key", disk)?,
            passphrase,
        })
    }
}

fn text<D: Disk>(pem: &Pem, key: &'static str, disk: &D) -> Result<Text, TlsError> {
    match pem {
        Pem::Inline(text) => Ok(Text {
            key,
            place: format!("the text in {key}"),
            file: "FILE".to_owned(),
            bytes: text.as_bytes().to_vec(),
        }),
        Pem::File(path) => Ok(Text {
            key,
            place: format!("`{}` ({key})", path.display()),
            file: path.display().to_string(),
            bytes: read(path, key, disk)?,
        }),
    }
}

fn read<D: Disk>(path: &Path, key: &'static str, disk: &D) -> Result<Vec<u8>, TlsError> {
    disk.read_all(path, PEM_BYTES_MAX).map_err(|error| TlsError::Read {
        key,
        path: path.to_path_buf(),
        reason: advice::reason(&error),
        advice: advice::denied(disk, path, &error, false),
    })
}

fn certificates(text: &Text) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |reason: String| TlsError::NoCertificate {
        key: text.key,
        place: text.place.clone(),
        reason,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text.bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(refused("no PEM section of a certificate in it".to_owned()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(refused(error.to_string())),
    }
}
