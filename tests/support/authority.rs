//! Certificates for a server on this machine, and for a client of it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use std::path::Path;

/// Writes `ca.crt`, `node.crt` and `node.key` of the server, and `client.crt` and `client.key`; returns the
/// certificate of their authority.
pub fn certify(directory: &Path) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("ca.crt"), authority.pem()).unwrap();
    for (name, owner) in [("node", "127.0.0.1"), ("client", "web.example")] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![owner.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(directory.join(format!("{name}.crt")), certificate.pem()).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    authority.der().clone()
}
