//! The encryption of old PEM files (`Proc-Type: 4,ENCRYPTED`, RFC 1421), as OpenSSL writes it with `-traditional`.
//!
//! Its key is one round of MD5 over passphrase and salt, which is no obstacle to who has the file. It is read because
//! operators bring such files along; nothing here writes one.

use super::KeyError;
use base64::Engine as _;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use md5::{Digest as _, Md5};
use pkcs8::der::asn1::AnyRef;
use pkcs8::der::{Decode as _, Tag, Tagged as _};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

const ENCRYPTED: &str = "Proc-Type: 4,ENCRYPTED";
const BEGIN: &str = "-----BEGIN ";

/// Bytes of the vector that are the salt.
const SALT_BYTES: usize = 8;

/// What such a section says of itself.
struct Section<'t> {
    /// What stands after `BEGIN`.
    label: &'t str,
    method: &'t str,
    vector: Vec<u8>,
    sealed: Vec<u8>,
}

/// Tells whether a text has the headers by which such files say that they are encrypted.
pub(super) fn is_encrypted(pem: &[u8]) -> bool {
    memchr::memmem::find(pem, ENCRYPTED.as_bytes()).is_some()
}

/// Reads the first key of a text that is encrypted so.
///
/// # Errors
/// When there is none that can be used, or it cannot be decrypted.
pub(super) fn read(pem: &[u8], passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    let text = std::str::from_utf8(pem).map_err(|_| KeyError::None)?;
    let Section { label, method, vector, mut sealed } = Section::find(text)?;
    let (vector, sealed) = (vector.as_slice(), sealed.as_mut_slice());
    let opened = match method {
        "AES-128-CBC" => open::<aes::Aes128>(passphrase, 16, vector, sealed),
        "AES-192-CBC" => open::<aes::Aes192>(passphrase, 24, vector, sealed),
        "AES-256-CBC" => open::<aes::Aes256>(passphrase, 32, vector, sealed),
        "DES-EDE3-CBC" => open::<des::TdesEde3>(passphrase, 24, vector, sealed),
        "DES-CBC" => open::<des::Des>(passphrase, 8, vector, sealed),
        other => return Err(KeyError::Unsupported(format!("`{other}` in the old form of PEM"))),
    }?;
    // The padding of one in 256 texts is right by chance.
    let is_key = AnyRef::from_der(opened).is_ok_and(|any| any.tag() == Tag::Sequence);
    let der = if is_key { opened.to_vec() } else { return Err(KeyError::WrongPassphrase) };
    match label {
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        other => Err(KeyError::Damaged(format!("`{other}` is no kind of key that TLS uses here"))),
    }
}

/// Decrypts in place; returns what is left without the padding.
fn open<'s, C>(
    passphrase: &[u8],
    key_bytes: usize,
    vector: &[u8],
    sealed: &'s mut [u8],
) -> Result<&'s [u8], KeyError>
where
    C: BlockCipherDecrypt + KeyInit,
{
    let damaged = |what: &str| KeyError::Damaged(what.to_owned());
    let salt = vector.get(..SALT_BYTES).ok_or_else(|| damaged("its `DEK-Info` is too short"))?;
    let key = derive(passphrase, salt, key_bytes);
    let cipher = Decryptor::<C>::new_from_slices(&key, vector)
        .map_err(|_| damaged("its `DEK-Info` is not as long as its method wants it"))?;
    cipher.decrypt_padded::<Pkcs7>(sealed).map_err(|_| KeyError::WrongPassphrase)
}

/// Derives a key as OpenSSL does (`EVP_BytesToKey`, MD5, one round).
fn derive(passphrase: &[u8], salt: &[u8], bytes: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut block = Vec::new();
    while key.len() < bytes {
        let mut hash = Md5::new();
        hash.update(&block);
        hash.update(passphrase);
        hash.update(salt);
        block = hash.finalize().to_vec();
        key.extend_from_slice(&block);
    }
    key.truncate(bytes);
    key
}

impl<'t> Section<'t> {
    fn find(text: &'t str) -> Result<Self, KeyError> {
        let damaged = |what: &str| KeyError::Damaged(what.to_owned());
        let at = text.find(ENCRYPTED).ok_or(KeyError::None)?;
        let begin = text[..at].rfind(BEGIN).ok_or_else(|| damaged("its beginning is missing"))?;
        let begin = begin + BEGIN.len();
        let (label, _) =
            text[begin..at].split_once("-----").ok_or_else(|| damaged("its beginning is cut"))?;
        let (rest, _) = text[at..]
            .split_once(&format!("-----END {label}-----"))
            .ok_or_else(|| damaged("its end is missing"))?;
        let mut lines = rest.lines().map(str::trim);
        let headers = lines.by_ref().take_while(|line| !line.is_empty());
        let info = headers.filter_map(|line| line.strip_prefix("DEK-Info:")).last();
        let info = info.and_then(|info| info.split_once(','));
        let (method, vector) = info.ok_or_else(|| damaged("its `DEK-Info` is missing"))?;
        let vector =
            hex(vector.trim()).ok_or_else(|| damaged("its `DEK-Info` is not hexadecimal"))?;
        let body: String = lines.collect();
        let sealed = base64::engine::general_purpose::STANDARD.decode(body);
        let sealed = sealed.map_err(|error| KeyError::Damaged(error.to_string()))?;
        Ok(Self { label, method: method.trim(), vector, sealed })
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_derived_as_openssl_does() {
        // openssl enc -aes-256-cbc -md md5 -S 0102030405060708 -k secret -P
        let key = derive(b"secret", &[1, 2, 3, 4, 5, 6, 7, 8], 32);
        assert_eq!(
            Some(key),
            hex("C9E5A1BD216DBE1317E230CEF48F38EE7F0E17AD64022144BCCEC4A1AA2879AB")
        );
    }

    #[test]
    fn sections_that_are_damaged_are_told() {
        let section = |info: &str, body: &str| {
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\n{ENCRYPTED}\n{info}\n\n{body}\n-----END RSA PRIVATE KEY-----\n"
            )
        };
        let vector = "00".repeat(16);
        let damaged = |what: &str| KeyError::Damaged(what.to_owned());
        for (pem, expected) in [
            (format!("{ENCRYPTED}\n"), damaged("its beginning is missing")),
            (format!("{BEGIN}RSA\n{ENCRYPTED}\n"), damaged("its beginning is cut")),
            (format!("{BEGIN}A-----\n{ENCRYPTED}\n"), damaged("its end is missing")),
            (section("", ""), damaged("its `DEK-Info` is missing")),
            (section("DEK-Info: AES-128-CBC", ""), damaged("its `DEK-Info` is missing")),
            (section("DEK-Info: AES-128-CBC,0x", ""), damaged("its `DEK-Info` is not hexadecimal")),
            (
                section("DEK-Info: AES-128-CBC,000", ""),
                damaged("its `DEK-Info` is not hexadecimal"),
            ),
            (section("DEK-Info: AES-128-CBC,0011", ""), damaged("its `DEK-Info` is too short")),
            (
                section("DEK-Info: AES-128-CBC,0011223344556677", "AAAA"),
                damaged("its `DEK-Info` is not as long as its method wants it"),
            ),
            (
                section(&format!("DEK-Info: RC2-CBC,{vector}"), "AAAA"),
                KeyError::Unsupported("`RC2-CBC` in the old form of PEM".to_owned()),
            ),
            (section(&format!("DEK-Info: AES-128-CBC,{vector}"), ""), KeyError::WrongPassphrase),
            (
                section(&format!("DEK-Info: AES-128-CBC,{vector}"), "AAAA"),
                KeyError::WrongPassphrase,
            ),
        ] {
            assert_eq!(read(pem.as_bytes(), b"secret").err(), Some(expected), "{pem}");
        }
    }
}
