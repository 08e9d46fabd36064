//! `ssl.*` of an output.

use super::{duration, list, map, path, put};
use crate::certificates::hex;
use crate::config::mask::MASK;
use crate::settings::{Passphrase, Pem, TlsAlgorithm, TlsSettings, TlsVersions, Verification};
use base64::Engine as _;
use serde_yaml::{Mapping, Value};

/// Returns what is in force; keys and passphrases are left to the masking of all texts.
pub(super) fn tls(settings: &TlsSettings) -> Mapping {
    let mut out = Mapping::new();
    let authorities = settings.certificate_authorities.iter().map(pem);
    put(&mut out, "certificate_authorities", Value::Sequence(authorities.collect()));
    let verification = match settings.verification {
        Verification::Full => "full",
        Verification::Certificate => "certificate",
        Verification::None => "none",
    };
    put(&mut out, "verification_mode", verification);
    if let Some(client) = &settings.client {
        put(&mut out, "certificate", pem(&client.certificate));
        put(&mut out, "key", pem(&client.key));
        match &client.passphrase {
            Some(Passphrase::Text(_)) => put(&mut out, "key_passphrase", MASK),
            Some(Passphrase::File(file)) => put(&mut out, "key_passphrase_path", path(file)),
            None => {}
        }
    }
    let versions = match settings.versions {
        TlsVersions::Both => &["TLSv1.2", "TLSv1.3"][..],
        TlsVersions::Only12 => &["TLSv1.2"],
        TlsVersions::Only13 => &["TLSv1.3"],
    };
    put(&mut out, "supported_protocols", names(versions.iter().copied()));
    for (key, algorithms) in
        [("cipher_suites", &settings.cipher_suites), ("curve_types", &settings.curves)]
    {
        if !algorithms.is_empty() {
            put(&mut out, key, names(algorithms.iter().map(|TlsAlgorithm { name, .. }| *name)));
        }
    }
    if !settings.ca_sha256.is_empty() {
        let base64 = base64::engine::general_purpose::STANDARD;
        let pins: Vec<String> = settings.ca_sha256.iter().map(|pin| base64.encode(pin)).collect();
        put(&mut out, "ca_sha256", list(&pins));
    }
    if let Some(fingerprint) = &settings.ca_trusted_fingerprint {
        put(&mut out, "ca_trusted_fingerprint", hex(fingerprint));
    }
    let reload = match settings.reload_interval {
        Some(interval) => map([("enabled", true.into()), ("reload_interval", duration(interval))]),
        None => map([("enabled", false.into())]),
    };
    put(&mut out, "certificate_reload", reload);
    out
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    Value::Sequence(names.map(Into::into).collect())
}

fn pem(pem: &Pem) -> Value {
    match pem {
        Pem::File(file) => path(file),
        Pem::Inline(text) => text.as_str().into(),
    }
}
