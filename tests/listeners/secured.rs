//! TLS: who is let in.

use crate::rig::Rig;
use crate::shipper::wait_until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Makes a certificate and its key, as PEM.
fn certified(issuer: &Issuer, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn client(issuer: &Issuer, own: Option<&(String, String)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(issuer.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    })
}

/// Sends a text and hears whether it was let in.
fn send(address: SocketAddr, config: &Arc<ClientConfig>, text: &str) -> io::Result<()> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    stream.write_all(text.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    // Whom the server does not know hears so only after the handshake.
    match stream.read(&mut [0]) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[test]
fn only_clients_that_an_authority_knows_are_heard() {
    let (ours, theirs) = (issuer(), issuer());
    let (certificate, key) = certified(&ours, "localhost");
    let rig = Rig::at_rest(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, ssl: {certificate: cert.pem, key: key.pem, certificate_authorities: [ca.pem]}}",
    );
    for (name, text) in [("cert.pem", &certificate), ("key.pem", &key), ("ca.pem", &ours.pem())] {
        std::fs::write(rig.place.path().join(name), text).unwrap();
    }
    let running = rig.place.start(&[]);
    wait_until("it listens", || running.told().contains("listens at"));
    let rig = Rig { running: Some(running), ..rig };
    let address = rig.address();
    let text: String = (0..30_000).map(|number| format!("secret {number:05}\n")).collect();
    let known = certified(&ours, "client");
    send(address, &client(&ours, Some(&known)), &text).unwrap();
    rig.receiver.wait_for(30_000);
    assert_eq!(rig.receiver.messages(), text.lines().collect::<Vec<_>>());
    let stranger = certified(&theirs, "client");
    assert!(send(address, &client(&ours, Some(&stranger)), "no\n").is_err());
    assert!(send(address, &client(&ours, None), "no\n").is_err());
    TcpStream::connect(address).unwrap().write_all(b"plain text that is no handshake\n").unwrap();
    wait_until("the three are counted", || 3 <= rig.figure("errors"));
    assert_eq!(rig.receiver.count(), 30_000);
}
