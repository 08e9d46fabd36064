//! Private keys in PEM, encrypted or not.

mod legacy;

use base64::Engine as _;
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::{ErrorKind, Tag};
use pkcs8::pkcs5;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// Why a text holds no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing of the kind in it.
    #[error("there is no private key in PEM form in it")]
    None,
    /// It is encrypted, and there is no passphrase.
    #[error("it is encrypted, and there is no passphrase for it")]
    NoPassphrase,
    /// It is encrypted, and the passphrase is another.
    #[error("the passphrase is not the one that it was encrypted with, or it is damaged")]
    WrongPassphrase,
    /// It is encrypted in a way that is not read.
    #[error("it is encrypted by {0}, which is not read")]
    Unsupported(String),
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl KeyError {
    /// Says what a person can do about it; `file` is shown in commands.
    #[must_use]
    pub fn advice(&self, file: &str) -> String {
        match self {
            Self::None | Self::Damaged(_) => {
                "name a file with a private key in PEM (`-----BEGIN PRIVATE KEY-----`)".to_owned()
            }
            Self::NoPassphrase => {
                "set ssl.key_passphrase, or ssl.key_passphrase_path to a file that holds it"
                    .to_owned()
            }
            Self::WrongPassphrase => {
                format!("try it: openssl pkey -in {file} -noout asks for the passphrase")
            }
            Self::Unsupported(_) => {
                format!("convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out new.key")
            }
        }
    }
}

/// Reads the first private key of a PEM text: PKCS#8, PKCS#1 or SEC1, each encrypted or not.
///
/// A passphrase is used only where it is needed.
///
/// # Errors
/// When there is no key that can be used.
pub fn read(pem: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, KeyError> {
    let passphrase = passphrase.filter(|text| !text.is_empty());
    if legacy::is_encrypted(pem) {
        return legacy::read(pem, passphrase.ok_or(KeyError::NoPassphrase)?);
    }
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem) {
        return Ok(key);
    }
    let text = std::str::from_utf8(pem).map_err(|_| KeyError::None)?;
    let Some((_, rest)) = text.split_once(ENCRYPTED_BEGIN) else {
        return match PrivateKeyDer::from_pem_slice(pem) {
            Err(error) if text.contains(" PRIVATE KEY-----") => {
                Err(KeyError::Damaged(error.to_string()))
            }
            _ => Err(KeyError::None),
        };
    };
    let Some((body, _)) = rest.split_once(ENCRYPTED_END) else {
        return Err(KeyError::Damaged("its end is missing".to_owned()));
    };
    decrypt(body, passphrase.ok_or(KeyError::NoPassphrase)?)
}

fn decrypt(body: &str, passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    let body: String = body.split_whitespace().collect();
    let damaged = |error: &dyn std::fmt::Display| KeyError::Damaged(error.to_string());
    let der = base64::engine::general_purpose::STANDARD.decode(body);
    let der = der.map_err(|error| damaged(&error))?;
    let sealed = match EncryptedPrivateKeyInfoRef::try_from(der.as_slice()) {
        Ok(sealed) => sealed,
        Err(pkcs8::Error::Asn1(error))
            // Methods older than PBES2 are unknown values of an identifier.
            if matches!(
                error.kind(),
                ErrorKind::OidUnknown { .. } | ErrorKind::Value { tag: Tag::ObjectIdentifier }
            ) =>
        {
            return Err(unsupported());
        }
        Err(error) => return Err(damaged(&error)),
    };
    match sealed.decrypt(passphrase) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::NoPbes1CryptSupport
            | pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::AlgorithmParametersInvalid { .. },
        )) => Err(unsupported()),
        Err(_) => Err(KeyError::WrongPassphrase),
    }
}

fn unsupported() -> KeyError {
    KeyError::Unsupported("another method than PBES2 with AES and SHA-2".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;

    const PASSPHRASE: &[u8] = b"open sesame";

    fn fixture(name: &str) -> Vec<u8> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keys/");
        #[expect(clippy::disallowed_methods, reason = "a test reads its fixtures")]
        std::fs::read(format!("{directory}{name}")).unwrap()
    }

    /// Returns the public half, which is the same whatever form the key is in.
    fn public(key: &PrivateKeyDer<'static>) -> Vec<u8> {
        let key = rustls::crypto::ring::sign::any_supported_type(key).unwrap();
        key.public_key().unwrap().to_vec()
    }

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let plain = public(&read(&fixture("ec.key"), None).unwrap());
        for name in [
            "ec.sec1.key",
            "ec.aes.key",
            "ec.des3.key",
            "ec.scrypt.key",
            "ec.crlf.key",
            "ec.legacy.aes128.key",
            "ec.legacy.aes192.key",
            "ec.legacy.des3.key",
            "ec.legacy.des.key",
        ] {
            let key =
                read(&fixture(name), Some(PASSPHRASE)).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(public(&key), plain, "{name}");
        }
        let rsa = public(&read(&fixture("rsa.key"), None).unwrap());
        assert_eq!(public(&read(&fixture("rsa.pkcs1.key"), None).unwrap()), rsa);
        for name in ["rsa.aes.key", "rsa.legacy.key"] {
            assert_eq!(public(&read(&fixture(name), Some(PASSPHRASE)).unwrap()), rsa, "{name}");
        }
        // Beside a certificate, after parameters, and with other line ends.
        let legacy = String::from_utf8(fixture("ec.legacy.des3.key")).unwrap();
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for text in [
            format!("{certificate}{parameters}{legacy}"),
            format!("{legacy}{certificate}"),
            legacy.replace('\n', "\r\n"),
        ] {
            assert_eq!(public(&read(text.as_bytes(), Some(PASSPHRASE)).unwrap()), plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_for_what_it_is() {
        let aes = fixture("ec.aes.key");
        let cut = aes[..aes.len() - 40].to_vec();
        for (pem, passphrase, expected) in [
            (aes.clone(), None, KeyError::NoPassphrase),
            (aes.clone(), Some(&b""[..]), KeyError::NoPassphrase),
            (aes, Some(&b"wrong"[..]), KeyError::WrongPassphrase),
            (cut, Some(PASSPHRASE), KeyError::Damaged("its end is missing".to_owned())),
            (fixture("ec.pbes1.key"), Some(PASSPHRASE), unsupported()),
            (
                fixture("ec.legacy.camellia128.key"),
                Some(PASSPHRASE),
                KeyError::Unsupported("`CAMELLIA-128-CBC` in the old form of PEM".to_owned()),
            ),
            (fixture("rsa.legacy.key"), None, KeyError::NoPassphrase),
            (fixture("rsa.legacy.key"), Some(b"wrong"), KeyError::WrongPassphrase),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec(),
                None,
                KeyError::None,
            ),
            (b"\xff\x00".to_vec(), None, KeyError::None),
            (Vec::new(), None, KeyError::None),
        ] {
            let told = String::from_utf8_lossy(&pem).into_owned();
            assert_eq!(read(&pem, passphrase).err(), Some(expected), "{told}");
        }
        let advice = unsupported().advice("a.key");
        assert_eq!(
            advice,
            "convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in a.key -out new.key"
        );
    }
}
