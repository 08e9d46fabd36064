//! `ssl.*` of an output.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;

use crate::config::typed::value::At;
use crate::settings::{
    ClientCertificate, Passphrase, Pem, Secret, TlsAlgorithm, TlsSettings, TlsVersions,
    Verification,
};

/// Pause between two looks at files where the configuration says none.
const RELOAD: Duration = Duration::from_mins(1);

/// Cipher suites that are built in, by Filebeat's names.
const SUITES: [(&str, u16); 11] = [
    ("TLS-AES-128-GCM-SHA256", 0x1301),
    ("TLS-AES-256-GCM-SHA384", 0x1302),
    ("TLS-CHACHA20-POLY1305-SHA256", 0x1303),
    ("ECDHE-ECDSA-AES-128-GCM-SHA256", 0xc02b),
    ("ECDHE-ECDSA-AES-256-GCM-SHA384", 0xc02c),
    ("ECDHE-RSA-AES-128-GCM-SHA256", 0xc02f),
    ("ECDHE-RSA-AES-256-GCM-SHA384", 0xc030),
    ("ECDHE-RSA-CHACHA20-POLY1305", 0xcca8),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9),
    ("ECDHE-RSA-CHACHA20-POLY1305-SHA256", 0xcca8),
    ("ECDHE-ECDSA-CHACHA20-POLY1305-SHA256", 0xcca9),
];

/// Filebeat's other cipher suites, none of which is built in: they have known weaknesses.
const WEAK_SUITES: [&str; 17] = [
    "RSA-RC4-128-SHA",
    "RSA-3DES-CBC3-SHA",
    "RSA-AES-128-CBC-SHA",
    "RSA-AES-256-CBC-SHA",
    "RSA-AES-128-CBC-SHA256",
    "RSA-AES-128-GCM-SHA256",
    "RSA-AES-256-GCM-SHA384",
    "ECDHE-ECDSA-RC4-128-SHA",
    "ECDHE-ECDSA-AES-128-CBC-SHA",
    "ECDHE-ECDSA-AES-256-CBC-SHA",
    "ECDHE-RSA-RC4-128-SHA",
    "ECDHE-RSA-3DES-CBC3-SHA",
    "ECDHE-RSA-AES-128-CBC-SHA",
    "ECDHE-RSA-AES-256-CBC-SHA",
    "ECDHE-ECDSA-AES-128-CBC-SHA256",
    "ECDHE-RSA-AES-128-CBC-SHA256",
    "ECDHE-ECDSA-3DES-CBC3-SHA",
];

/// Curves that are built in.
const CURVES: [(&str, u16); 3] = [("X25519", 0x001d), ("P-256", 0x0017), ("P-384", 0x0018)];

/// Reads what an output says of TLS; paths are sought below `config_directory`.
#[must_use]
pub fn tls(at: &At<'_>, config_directory: &Path) -> TlsSettings {
    if at.get("enabled").boolean() == Some(false) {
        return TlsSettings::default();
    }
    let verification = verification(at);
    let ca_sha256 = pins(&at.get("ca_sha256"));
    if verification == Verification::None && !ca_sha256.is_empty() {
        let pins = at.get("ca_sha256");
        pins.problem_with(
            format!("`{}` needs a chain, and `verification_mode: none` checks none", pins.path()),
            "set `ssl.verification_mode: certificate` or `full`",
        );
    }
    TlsSettings {
        verification,
        ca_sha256,
        ca_trusted_fingerprint: fingerprint(&at.get("ca_trusted_fingerprint")),
        ..common(at, config_directory)
    }
}

/// Reads what clients and servers have in common.
pub(super) fn common(at: &At<'_>, config_directory: &Path) -> TlsSettings {
    TlsSettings {
        certificate_authorities: at
            .get("certificate_authorities")
            .texts()
            .into_iter()
            .map(|(text, _)| pem(text, config_directory))
            .collect(),
        client: client(at, config_directory),
        versions: versions(&at.get("supported_protocols")),
        cipher_suites: algorithms(&at.get("cipher_suites"), &SUITES, &WEAK_SUITES),
        curves: algorithms(&at.get("curve_types"), &CURVES, &["P-521"]),
        reload_interval: reload_interval(at),
        ..TlsSettings::default()
    }
}

/// Reads a text that is PEM, or names a file with it.
fn pem(text: String, config_directory: &Path) -> Pem {
    if text.trim_start().starts_with("-----BEGIN") {
        Pem::Inline(text)
    } else {
        Pem::File(config_directory.join(text))
    }
}

fn verification(at: &At<'_>) -> Verification {
    let mode = at.get("verification_mode");
    match mode.word(&["full", "strict", "certificate", "none"]) {
        Some(2) => Verification::Certificate,
        Some(3) => {
            mode.warn("`ssl.verification_mode: none`: anyone can pretend to be the server");
            Verification::None
        }
        _ => Verification::Full,
    }
}

fn client(at: &At<'_>, config_directory: &Path) -> Option<ClientCertificate> {
    let (certificate_at, key_at) = (at.get("certificate"), at.get("key"));
    let certificate = certificate_at.text_if_any();
    let key = key_at.text_if_any();
    let passphrase_at = at.get("key_passphrase");
    let file_at = at.get("key_passphrase_path");
    let passphrase = match (passphrase_at.text_if_any(), file_at.text_if_any()) {
        (Some(_), Some(_)) => {
            file_at.problem_with(
                format!("`{}` and `{}` cannot both be used", passphrase_at.path(), file_at.path()),
                "keep one of the two",
            );
            None
        }
        (Some(text), None) => Some(Passphrase::Text(Secret::new(text))),
        (None, Some(path)) => Some(Passphrase::File(config_directory.join(path))),
        (None, None) => None,
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(ClientCertificate {
            certificate: pem(certificate, config_directory),
            key: pem(key, config_directory),
            passphrase,
        }),
        (Some(_), None) => {
            let message = format!("`{}` has no key", certificate_at.path());
            certificate_at.problem_with(message, "set `ssl.key` to its private key");
            None
        }
        (None, Some(_)) => {
            let message = format!("`{}` has no certificate", key_at.path());
            key_at.problem_with(message, "set `ssl.certificate` to the certificate of this key");
            None
        }
        (None, None) => None,
    }
}

fn versions(at: &At<'_>) -> TlsVersions {
    const OLD: [&str; 4] = ["SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"];
    const KNOWN: [&str; 2] = ["TLSv1.2", "TLSv1.3"];
    let (mut wanted, mut old) = ([false; 2], Vec::new());
    for (text, item) in at.texts() {
        if let Some(index) = KNOWN.iter().position(|known| *known == text) {
            wanted[index] = true;
        } else if OLD.contains(&text.as_str()) {
            old.push(text);
        } else {
            item.wrong("`TLSv1.2` or `TLSv1.3`", &text);
            return TlsVersions::Both;
        }
    }
    let reason = "it has known weaknesses (RFC 8996)";
    match (wanted, old.as_slice()) {
        ([true, false], _) => {
            warn_old(at, &old, reason);
            TlsVersions::Only12
        }
        ([false, true], _) => {
            warn_old(at, &old, reason);
            TlsVersions::Only13
        }
        ([false, false], [first, ..]) => {
            at.problem_with(
                format!("`{first}` is not spoken: {reason}"),
                "write `[TLSv1.2, TLSv1.3]`, and update what serves TLS if it knows neither",
            );
            TlsVersions::Both
        }
        _ => {
            warn_old(at, &old, reason);
            TlsVersions::Both
        }
    }
}

fn warn_old(at: &At<'_>, old: &[String], reason: &str) {
    if let Some(last) = old.last() {
        at.warn(format!("`{}`: {last} is not spoken: {reason}; the others are", at.path()));
    }
}

/// Reads a list of names, of which those of `missing` are left out with a warning.
fn algorithms(at: &At<'_>, built: &[(&'static str, u16)], missing: &[&str]) -> Vec<TlsAlgorithm> {
    let mut chosen: Vec<TlsAlgorithm> = Vec::new();
    let mut left_out: Vec<String> = Vec::new();
    for (text, item) in at.texts() {
        match built.iter().find(|(name, _)| *name == text) {
            Some((name, code)) if !chosen.iter().any(|known| known.code == *code) => {
                chosen.push(TlsAlgorithm { name, code: *code });
            }
            Some(_) => {}
            None if missing.contains(&text.as_str()) => left_out.push(text),
            None => {
                let names: Vec<&str> = built.iter().map(|(name, _)| *name).collect();
                item.wrong(&format!("one of {}", names.join(", ")), &text);
                return Vec::new();
            }
        }
    }
    if !left_out.is_empty() && chosen.is_empty() {
        let names: Vec<&str> = built.iter().map(|(name, _)| *name).collect();
        at.problem_with(
            format!("`{}`: {} is not built in", at.path(), left_out.join(", ")),
            format!("leave it out for all that are safe, or choose of {}", names.join(", ")),
        );
    } else if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        at.warn(format!("`{}`: {left_out} is not built in and left out", at.path()));
    }
    chosen
}

fn pins(at: &At<'_>) -> Vec<[u8; 32]> {
    let mut pins = Vec::new();
    for (text, item) in at.texts() {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim());
        match bytes.ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            Some(pin) => pins.push(pin),
            None => item.problem_with(
                format!("`{}` takes the SHA-256 of a public key in base64, of 44 characters", item.path()),
                "make it with: openssl x509 -in ca.pem -noout -pubkey | openssl pkey -pubin -outform der | \
                 openssl dgst -sha256 -binary | base64",
            ),
        }
    }
    pins
}

fn fingerprint(at: &At<'_>) -> Option<[u8; 32]> {
    let text = at.text_if_any()?;
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let mut bytes = [0; 32];
    let is_hex = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex {
        at.problem_with(
            format!("`{}` takes the SHA-256 of a certificate as 64 hexadecimal digits", at.path()),
            "print it with: openssl x509 -in http_ca.crt -noout -fingerprint -sha256",
        );
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
        *byte = u8::from_str_radix(pair, 16).expect("hexadecimal digits");
    }
    Some(bytes)
}

/// Files are looked at again unless that is switched off; Filebeat's two spellings say how often.
fn reload_interval(at: &At<'_>) -> Option<Duration> {
    let reload = at.get("certificate_reload");
    let restart = at.get("restart_on_cert_change");
    let wanted = reload.get("enabled").boolean();
    // It is off by default in Filebeat, where it means a restart: what is written as a default says nothing.
    let _ = restart.get("enabled").boolean();
    let interval = reload.get("reload_interval").positive_duration();
    let period = restart.get("period").positive_duration();
    (wanted != Some(false)).then(|| interval.or(period).unwrap_or(RELOAD))
}
