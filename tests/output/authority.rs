//! Authorities, certificates, and servers that show them.

use super::rig::{answer, greeting};
use super::server::{Reply, Request, Server};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use shipper::certificates::Facts;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
    /// Certificates that are shown with it.
    pub(crate) others: Vec<CertificateDer<'static>>,
}

/// How a server speaks TLS.
pub(crate) struct Manner<'a> {
    pub(crate) clients_of: Option<&'a Authority>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Self { clients_of: None, versions: rustls::DEFAULT_VERSIONS }
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("authority of tests")
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Signs for a key that is there already.
    pub(crate) fn sign(&self, params: CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.0).unwrap()
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.0.der()
    }

    /// Issues a certificate for a name, after `change` of what is asked for.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = params("es of tests", &[name]);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate, key, others: Vec::new() }
    }
}

/// Makes a certificate that nobody signed but itself.
pub(crate) fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = params("es of tests", &[name]);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    Issued { certificate, key, others: Vec::new() }
}

fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params
}

impl Issued {
    /// Returns the certificate as messages tell it.
    pub(crate) fn told(&self) -> String {
        Facts::read(self.certificate.der()).unwrap().to_string()
    }

    /// Starts a server that stores everything, and shows this certificate.
    pub(crate) fn serve(&self) -> Server {
        self.serve_as(&Manner::default())
    }

    pub(crate) fn serve_as(&self, manner: &Manner<'_>) -> Server {
        self.serve_at("127.0.0.1:0".parse().unwrap(), manner)
    }

    pub(crate) fn serve_at(&self, address: SocketAddr, manner: &Manner<'_>) -> Server {
        Server::at(address, Some(self.config(manner)), store)
    }

    /// Starts a server that answers otherwise.
    pub(crate) fn serve_with(
        &self,
        manner: &Manner<'_>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::at("127.0.0.1:0".parse().unwrap(), Some(self.config(manner)), handler)
    }

    fn config(&self, manner: &Manner<'_>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(manner.versions)
            .unwrap();
        let builder = match manner.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut chain = vec![self.certificate.der().clone()];
        chain.extend(self.others.iter().cloned());
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }
}

pub(crate) fn store(request: &Request) -> Reply {
    greeting(request)
        .unwrap_or_else(|| Reply::json(200, answer(&vec![(201, ""); request.ids().len()])))
}
