//! Our own certificate, whether a server has asked for it, and whether any has answered since.

use crate::certificates::Facts;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was asked of us, shared with who explains a failure.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    wanted: AtomicBool,
    heard: AtomicBool,
    own: Option<String>,
}

impl Asked {
    /// Begins with a certificate of ours, in words.
    pub(super) fn of(own: String) -> Self {
        Self { own: Some(own), ..Self::default() }
    }

    /// Notes that a server has answered: it has nothing against what it was shown.
    pub(crate) fn note_answer(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Tells whether any server has answered.
    pub(super) fn was_answered(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Notes that a server asks for a certificate.
    pub(super) fn note(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Tells whether any server has asked.
    pub(super) fn was_asked(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Returns our certificate in words.
    pub(super) fn own(&self) -> Option<&str> {
        self.own.as_deref()
    }
}

/// Shows our certificate to a server that asks for one.
#[derive(Debug)]
pub(super) struct Resolver {
    own: Option<Arc<CertifiedKey>>,
    asked: Arc<Asked>,
}

impl Resolver {
    pub(super) fn new(own: Option<CertifiedKey>) -> Self {
        let shown = own.as_ref().and_then(|own| own.cert.first());
        let asked = shown.map_or_else(Asked::default, |certificate| {
            let facts = Facts::read(certificate);
            Asked::of(
                facts.map_or_else(|| "that of ssl.certificate".to_owned(), |it| it.to_string()),
            )
        });
        Self { own: own.map(Arc::new), asked: Arc::new(asked) }
    }

    pub(super) fn asked(&self) -> Arc<Asked> {
        Arc::clone(&self.asked)
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.asked.note();
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        self.own.is_some()
    }
}
