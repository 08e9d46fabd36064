//! TLS: whom the output trusts, and what it says when it does not.

use super::rig::{Rig, answer, greeting, quick};
use super::server::{Reply, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use shipper::settings::{ElasticsearchSettings, Pem, Verification};
use std::sync::Arc;
use std::time::Duration;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server whose certificate is for `name`, valid or expired.
    fn server(&self, name: &str, expired: bool) -> Server {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 2, 1);
        }
        let certificate = params.signed_by(&key, &self.0).unwrap();
        serve(vec![certificate.der().clone()], &key)
    }
}

fn serve(chain: Vec<rustls::pki_types::CertificateDer<'static>>, key: &KeyPair) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Server::at("127.0.0.1:0".parse().unwrap(), Some(Arc::new(config)), |request| {
        greeting(request)
            .unwrap_or_else(|| Reply::json(200, answer(&vec![(201, ""); request.ids().len()])))
    })
}

fn settings(server: &Server, pem: &str, verification: Verification) -> ElasticsearchSettings {
    let mut settings = quick(&[server.url()]);
    settings.tls.certificate_authorities = vec![Pem::Inline(pem.to_owned())];
    settings.tls.verification = verification;
    settings
}

fn delivers(settings: ElasticsearchSettings) {
    let mut rig = Rig::start(settings);
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
}

fn refuses(settings: ElasticsearchSettings) -> String {
    let mut rig = Rig::start(settings);
    let _ = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble();
    rig.stop(Duration::from_secs(5));
    rig.nothing_settled();
    trouble
}

#[test]
fn server_signed_by_a_named_authority_is_trusted() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", false);
    delivers(settings(&server, &authority.0.pem(), Verification::Full));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    std::fs::write(&path, authority.0.pem()).unwrap();
    let mut from_file = settings(&server, "", Verification::Full);
    from_file.tls.certificate_authorities = vec![Pem::File(path)];
    delivers(from_file);
}

#[test]
fn server_of_another_authority_is_refused_unless_nothing_is_verified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = other.server("127.0.0.1", false);
    for mode in [Verification::Full, Verification::Certificate] {
        let trouble = refuses(settings(&server, &authority.0.pem(), mode));
        assert!(trouble.contains("invalid peer certificate: "), "{trouble}");
        assert!(trouble.contains("ssl.certificate_authorities"), "{trouble}");
    }
    delivers(settings(&server, &authority.0.pem(), Verification::None));
}

#[test]
fn name_is_checked_only_by_full_verification() {
    let authority = Authority::new();
    let server = authority.server("elastic.example", false);
    let trouble = refuses(settings(&server, &authority.0.pem(), Verification::Full));
    assert!(trouble.contains("certificate not valid for name"), "{trouble}");
    delivers(settings(&server, &authority.0.pem(), Verification::Certificate));
}

#[test]
fn expired_certificate_is_refused() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", true);
    let trouble = refuses(settings(&server, &authority.0.pem(), Verification::Certificate));
    assert!(trouble.contains("certificate has expired: renew it"), "{trouble}");
}

#[test]
fn self_signed_certificate_that_is_named_itself_is_trusted() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    // As `openssl req -x509` makes them.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let server = serve(vec![certificate.der().clone()], &key);
    delivers(settings(&server, &certificate.pem(), Verification::Full));
}

#[test]
fn https_to_a_plain_server_says_what_to_write() {
    let server = Server::start(|_| Reply::json(400, ""));
    let mut settings = quick(&[server.url().replace("http:", "https:")]);
    settings.tls.verification = Verification::None;
    let trouble = refuses(settings);
    assert!(trouble.contains("use http://"), "{trouble}");
}
