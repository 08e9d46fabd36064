//! Certificates and private keys as files hold them and servers show them. Pure.
//!
//! Whether a certificate is to be trusted is not decided here: that is the output's, or a listener's.

pub mod private_key;

use ring::digest::{SHA256, digest};
use std::fmt;
use std::net::IpAddr;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};

/// Longest text taken out of a certificate, in characters: whoever showed it wrote it.
const TEXT_MAX: usize = 200;

/// Names of a certificate that are told; a certificate of a provider may have hundreds.
const NAMES_TOLD: usize = 10;

/// Returns the SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Returns bytes as pairs of hexadecimal digits, as fingerprints are written.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a certificate says of itself; nothing of it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is, as `CN=…,O=…`; printable and of bounded length, as all texts here.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
    /// First second at which it is valid, since 1970.
    pub not_before: u64,
    /// Last second at which it is valid, since 1970.
    pub not_after: u64,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// SHA-256 of the whole certificate.
    pub fingerprint: [u8; 32],
}

impl Facts {
    /// Reads a certificate in DER; `None` when it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let inside = certificate.tbs_certificate();
        let names = match inside.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let constraints = inside.get_extension::<BasicConstraints>().ok().flatten();
        let validity = inside.validity();
        Some(Self {
            subject: printable(&inside.subject().to_string()),
            issuer: printable(&inside.issuer().to_string()),
            names,
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
            is_authority: constraints.is_some_and(|(_, constraints)| constraints.ca),
            fingerprint: sha256(der),
        })
    }

    /// Tells whether it names itself as who signed it.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// Returns the names that it is for as a list in words.
    #[must_use]
    pub fn names_text(&self) -> String {
        if self.names.is_empty() {
            return "no name".to_owned();
        }
        let told = &self.names[..self.names.len().min(NAMES_TOLD)];
        let more = self.names.len() - told.len();
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{rest}", told.join(", "))
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` for {}, signed by `{}`, valid from {} to {}, SHA-256 {}",
            self.subject,
            self.names_text(),
            self.issuer,
            time_text(self.not_before),
            time_text(self.not_after),
            hex(&self.fingerprint),
        )
    }
}

/// Returns a second since 1970 as a date and a time of day.
#[must_use]
pub fn time_text(seconds: u64) -> String {
    let second = i64::try_from(seconds).ok();
    let time = second.and_then(|second| jiff::Timestamp::from_second(second).ok());
    time.map_or_else(|| format!("second {seconds}"), |time| time.to_string())
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(printable(name.as_str())),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
            Some(address.to_string())
        }
        _ => None,
    }
}

/// Returns a text of a stranger as it may stand in a log.
fn printable(text: &str) -> String {
    let harmless = |c: char| {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns || c == '`' { '?' } else { c }
    };
    text.chars().take(TEXT_MAX).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let names = vec!["es.example".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2020, 2, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "es");
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn certificate_is_told_with_all_that_tells_it_from_another() {
        let der = made(|_| {});
        let facts = Facts::read(&der).unwrap();
        let expected = "`CN=es,O=Example` for es.example, 10.0.0.1, ::1, signed by `CN=es,O=Example`, \
                        valid from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z, SHA-256 ";
        assert_eq!(facts.to_string(), format!("{expected}{}", hex(&sha256(&der))));
        assert!(facts.is_self_signed() && !facts.is_authority);
    }

    #[test]
    fn what_a_stranger_wrote_is_cut_and_made_printable() {
        let der = made(|params| {
            let long = "x".repeat(1000);
            params.distinguished_name.push(DnType::CommonName, format!("a\n`\u{202e}{long}"));
            params.subject_alt_names = (0..40)
                .map(|n| rcgen::SanType::DnsName(format!("h{n}").try_into().unwrap()))
                .collect();
        });
        let facts = Facts::read(&der).unwrap();
        assert!(facts.subject.starts_with("CN=a???xxx") || facts.subject.contains("a?"), "{facts}");
        assert!(facts.to_string().len() < 1000, "{facts}");
        assert!(facts.names_text().ends_with("h9 and 30 more"), "{facts}");
    }

    proptest! {
        /// Claim: whatever bytes a server shows, reading them ends well.
        #[test]
        fn property_any_bytes_are_read_or_refused(at in 0_usize..400, byte: u8, cut in 0_usize..400) {
            let mut der = made(|_| {});
            let at = at.min(der.len() - 1);
            der[at] = byte;
            der.truncate(der.len() - cut.min(der.len()) / 2);
            if let Some(facts) = Facts::read(&der) {
                prop_assert!(facts.to_string().len() < 3000);
            }
        }
    }
}
