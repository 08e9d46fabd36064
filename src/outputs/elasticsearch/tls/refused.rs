//! Why there is no TLS with a server, in words: which certificate, and what a person can do about it.

use super::resolver::Asked;
use crate::certificates::{Facts, hex, time_text};
use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// As the check of the chain says.
    Chain(webpki::Error),
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYet,
    /// None in the chain has the fingerprint that the configuration names.
    Fingerprint,
    /// None in the chain has a public key that the configuration names.
    Pins,
}

/// A server's certificate that is not taken: which, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateRefused {
    text: String,
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Error for CertificateRefused {}

impl CertificateRefused {
    /// Puts the words together for a chain of certificates in DER, the server's own first.
    pub(super) fn new(why: Why, chain: &[&[u8]], name: &str, now: u64) -> Self {
        let facts: Vec<Facts> = chain.iter().filter_map(|der| Facts::read(der)).collect();
        let Some(leaf) = facts.first() else {
            let text = format!("the server's certificate cannot be read ({why:?}): issue it anew");
            return Self { text };
        };
        let (what, advice) = words(&why, leaf, &facts, name, now);
        Self { text: format!("the server's certificate {what}: {leaf} ({advice})") }
    }

    /// Wraps itself so that it comes out of rustls again.
    pub(super) fn into_rustls(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

fn words(why: &Why, leaf: &Facts, chain: &[Facts], name: &str, now: u64) -> (String, String) {
    match why {
        Why::Expired | Why::Chain(webpki::Error::CertExpired { .. }) => {
            let old = chain.iter().find(|one| one.not_after < now).unwrap_or(leaf);
            let clock = time_text(now);
            let advice = format!("renew it on the server; this machine's clock says {clock}");
            if old == leaf {
                (format!("has expired on {}", time_text(leaf.not_after)), advice)
            } else {
                let after = time_text(old.not_after);
                (format!("hangs on `{}`, which has expired on {after}", old.subject), advice)
            }
        }
        Why::NotYet | Why::Chain(webpki::Error::CertNotValidYet { .. }) => (
            "is not valid yet".to_owned(),
            format!("set this machine's clock, which says {}, or issue it anew", time_text(now)),
        ),
        Why::Chain(webpki::Error::CertNotValidForName(_)) if leaf.names.is_empty() => (
            format!("is not for `{name}`"),
            "it has no list of names (subjectAltName), and what its subject says does not count: issue it with one, or \
             set ssl.verification_mode: certificate"
                .to_owned(),
        ),
        Why::Chain(webpki::Error::CertNotValidForName(_)) => (
            format!("is not for `{name}`"),
            "use one of its names in hosts, issue it for this name, or set ssl.verification_mode: certificate"
                .to_owned(),
        ),
        Why::Chain(
            webpki::Error::UnknownIssuer
            | webpki::Error::InvalidSignatureForPublicKey
            | webpki::Error::CaUsedAsEndEntity,
        ) => unknown(leaf, chain),
        Why::Fingerprint => {
            let shown: Vec<String> = chain
                .iter()
                .map(|one| format!("{} of `{}`", hex(&one.fingerprint), one.subject))
                .collect();
            (
                "comes without the one of ssl.ca_trusted_fingerprint".to_owned(),
                format!(
                    "the server shows {}; let it show its authority too, or correct the fingerprint",
                    shown.join(", ")
                ),
            )
        }
        Why::Pins => (
            "is proved by no public key of ssl.ca_sha256".to_owned(),
            "someone else may answer in the server's place; if its authority was changed, add its pin".to_owned(),
        ),
        Why::Chain(other) => {
            (format!("cannot be used ({other:?})"), "issue it anew, for the use by a server".to_owned())
        }
    }
}

/// Says who has signed what nobody here knows.
fn unknown(leaf: &Facts, chain: &[Facts]) -> (String, String) {
    if leaf.is_self_signed() {
        return (
            "is signed by itself, and not known here".to_owned(),
            "if it is the server's, save it in a file and name that under ssl.certificate_authorities".to_owned(),
        );
    }
    let last = chain.last().unwrap_or(leaf);
    let authority = &last.issuer;
    let shown = if last.is_authority && last.is_self_signed() {
        format!(
            ", or set ssl.ca_trusted_fingerprint: {} if that is its fingerprint",
            hex(&last.fingerprint)
        )
    } else {
        String::new()
    };
    (
        format!("is signed by an unknown authority, `{authority}`"),
        format!("name the certificate of `{authority}` under ssl.certificate_authorities{shown}"),
    )
}

/// Returns in words, with what to do, why there is no TLS; `None` when an error has another cause.
pub(super) fn explain(error: &(dyn Error + 'static), asked: &Asked) -> Option<String> {
    let mut cause = Some(error);
    let mut end = None;
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<rustls::Error>() {
            return Some(of_rustls(error, asked));
        }
        end = end.or_else(|| End::of(one));
        // What an I/O error is made of is not its source.
        let inside = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inside {
            Some(inside) => Some(inside),
            None => one.source(),
        };
    }
    end.filter(|end| asked.was_asked() && (*end == End::Unused || !asked.was_answered()))
        .map(|_| of_end(asked))
}

/// How a connection ended about which TLS says nothing.
///
/// With TLS 1.3 a server looks at the client's certificate when TLS stands for the client already. Its alert then comes
/// with the first answer, or the connection has ended before anybody reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Before anything was sent. It was a new one: in place of an old one another is taken.
    Unused,
    /// Later.
    Broken,
}

impl End {
    fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        use io::ErrorKind as Kind;
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            let is_unused = error.is_canceled() || error.is_closed();
            let unused = is_unused.then_some(Self::Unused);
            return unused.or_else(|| error.is_incomplete_message().then_some(Self::Broken));
        }
        let broken = [
            Kind::BrokenPipe,
            Kind::ConnectionAborted,
            Kind::ConnectionReset,
            Kind::NotConnected,
            Kind::UnexpectedEof,
        ];
        let kind = error.downcast_ref::<io::Error>()?.kind();
        broken.contains(&kind).then_some(Self::Broken)
    }
}

/// Says what such an end means where a server has asked for a certificate.
fn of_end(asked: &Asked) -> String {
    match asked.own() {
        None => "the server ends the connection at once, as one does that demands a client certificate, and there is \
                 none (set ssl.certificate and ssl.key)"
            .to_owned(),
        Some(own) => format!(
            "the server ends the connection at once, as one does that refuses the client certificate: {own} (have it \
             signed by an authority that the server knows; see ssl.certificate, and the server's log)"
        ),
    }
}

fn of_rustls(error: &rustls::Error, asked: &Asked) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            inner.to_string()
        }
        rustls::Error::AlertReceived(alert) => of_alert(*alert, asked),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => version(),
        rustls::Error::PeerIncompatible(reason) => format!(
            "TLS finds nothing in common with the server: {reason:?} (see ssl.cipher_suites and ssl.curve_types, and \
             the server's)"
        ),
        rustls::Error::InvalidMessage(reason) => format!(
            "what answers does not speak TLS on this port: {reason:?} (use http://, or the port of TLS)"
        ),
        other => format!("no TLS with the server: {other}"),
    }
}

fn version() -> String {
    "the server speaks no version of TLS that is spoken here (update it to TLS 1.2 or 1.3, and see \
     ssl.supported_protocols; older ones have known weaknesses)"
        .to_owned()
}

fn of_alert(alert: AlertDescription, asked: &Asked) -> String {
    use AlertDescription as Alert;
    let own = asked.own();
    let refusal = matches!(
        alert,
        Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::DecryptError
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::HandshakeFailure
    );
    match (alert, own) {
        (Alert::ProtocolVersion, _) => version(),
        (Alert::CertificateRequired, _) | (_, None) if refusal && asked.was_asked() && own.is_none() => {
            "the server demands a client certificate, and there is none (set ssl.certificate and ssl.key)"
                .to_owned()
        }
        (Alert::CertificateExpired, Some(own)) => format!(
            "the server says that the client certificate has expired: {own} (renew it; see ssl.certificate)"
        ),
        (_, Some(own)) if refusal && asked.was_asked() => format!(
            "the server refuses the client certificate ({alert:?}): {own} (have it signed by an authority that the \
             server knows; see ssl.certificate, and the server's log)"
        ),
        (Alert::HandshakeFailure | Alert::InsufficientSecurity, _) => {
            "TLS finds no cipher suite in common with the server (see ssl.cipher_suites, and the server's)".to_owned()
        }
        (Alert::UnrecognisedName, _) => {
            "the server does not know itself by this name (use in hosts the name that its certificate is for)".to_owned()
        }
        (other, _) => format!("the server ends TLS with the alert {other:?} (its log says why)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_by_what_they_mean_here() {
        use AlertDescription as Alert;
        let demands = "the server demands a client certificate, and there is none (set ssl.certificate and ssl.key)";
        let none = Asked::default();
        let asked = Asked::default();
        asked.note();
        let with = Asked::of("`CN=web`".to_owned());
        with.note();
        for (alert, state, expected) in [
            (Alert::CertificateRequired, &asked, demands),
            (Alert::BadCertificate, &asked, demands),
            (Alert::HandshakeFailure, &asked, demands),
            (
                Alert::HandshakeFailure,
                &none,
                "TLS finds no cipher suite in common with the server (see ssl.cipher_suites, and the server's)",
            ),
            (
                Alert::UnknownCA,
                &with,
                "the server refuses the client certificate (UnknownCA): `CN=web` (have it signed by an authority that \
                 the server knows; see ssl.certificate, and the server's log)",
            ),
            (
                Alert::CertificateExpired,
                &with,
                "the server says that the client certificate has expired: `CN=web` (renew it; see ssl.certificate)",
            ),
            (
                Alert::ProtocolVersion,
                &none,
                "the server speaks no version of TLS that is spoken here (update it to TLS 1.2 or 1.3, and see \
                 ssl.supported_protocols; older ones have known weaknesses)",
            ),
            (
                Alert::InternalError,
                &none,
                "the server ends TLS with the alert InternalError (its log says why)",
            ),
        ] {
            assert_eq!(of_alert(alert, state), expected, "{alert:?}");
        }
    }

    #[test]
    fn end_without_an_alert_is_told_by_what_was_asked_before() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let asked = Asked::default();
        assert_eq!(explain(&reset, &asked), None, "nobody has asked");
        asked.note();
        let none = "the server ends the connection at once, as one does that demands a client certificate, and there \
                    is none (set ssl.certificate and ssl.key)";
        assert_eq!(explain(&reset, &asked).as_deref(), Some(none));
        assert_eq!(explain(&refused, &asked), None, "there was no connection");
        asked.note_answer();
        assert_eq!(explain(&reset, &asked), None, "it is something else");
        let asked = Asked::of("`CN=web`".to_owned());
        asked.note();
        let shown = "the server ends the connection at once, as one does that refuses the client certificate: \
                     `CN=web` (have it signed by an authority that the server knows; see ssl.certificate, and the \
                     server's log)";
        assert_eq!(explain(&reset, &asked).as_deref(), Some(shown));
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let with_alert = io::Error::new(io::ErrorKind::ConnectionReset, alert);
        let told = explain(&with_alert, &asked).unwrap();
        assert!(
            told.starts_with("the server refuses the client certificate (UnknownCA): "),
            "{told}"
        );
    }
}
