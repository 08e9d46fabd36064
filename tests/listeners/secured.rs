//! TLS: who is let in.

use crate::rig::Rig;
use crate::shipper::wait_until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

pub type Issuer = CertifiedIssuer<'static, KeyPair>;

pub fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Makes a certificate and its key, as PEM.
pub fn certified(issuer: &Issuer, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    // With the name of its issuer openssl would take it for one that has signed itself.
    params.distinguished_name.push(DnType::CommonName, name);
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

pub fn write(rig: &Rig, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(rig.place.path().join(name), text).unwrap();
    }
}

/// Runs `openssl` with what comes from its standard input; returns what it said, if it was content.
fn openssl(rig: &Rig, arguments: &[&str], input: &str) -> Option<String> {
    let mut running = Command::new("openssl")
        .args(arguments)
        .current_dir(rig.place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One that was refused does not read.
    let _ = running.stdin.take().unwrap().write_all(input.as_bytes());
    let output = running.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn openssl_is_heard_by_the_versions_and_suites_that_are_set_and_with_an_encrypted_key() {
    let ours = issuer();
    let (certificate, key) = certified(&ours, "localhost");
    let rig = Rig::at_rest(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, ssl: {certificate: cert.pem, key: sealed.pem, key_passphrase_path: word, supported_protocols: [TLSv1.2], cipher_suites: [ECDHE-ECDSA-AES-256-GCM-SHA384], curve_types: [P-384]}}",
    );
    let word = ("word", "geheim\n");
    write(&rig, &[("cert.pem", &certificate), ("key.pem", &key), ("ca.pem", &ours.pem()), word]);
    let seal = "pkcs8 -topk8 -v2 aes-256-cbc -passout file:word -in key.pem -out sealed.pem";
    let seal: Vec<&str> = seal.split(' ').collect();
    openssl(&rig, &seal, "").expect("it encrypts");
    let rig = rig.started();
    let address = rig.address().to_string();
    let connect = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-verify_return_error"];
    let with = |more: &[&str], text: &str| openssl(&rig, &[&connect, more].concat(), text);
    let told = with(&[], "one\ntwo\n").expect("it is let in");
    assert!(told.contains("TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"), "{told}");
    assert!(told.contains("ECDH, secp384r1, 384 bits"), "{told}");
    rig.receiver.wait_for(2);
    for refused in [
        &["-tls1_3"][..],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        &["-tls1_2", "-groups", "P-256"],
    ] {
        assert_eq!(with(refused, "no\n"), None, "{refused:?}");
    }
    wait_until("all are counted", || 3 <= rig.figure("errors"));
    assert_eq!(rig.receiver.messages(), ["one", "two"]);
}

#[test]
fn certificate_that_was_replaced_is_shown_without_a_restart() {
    let (ours, theirs) = (issuer(), issuer());
    let (certificate, key) = certified(&ours, "localhost");
    let rig = Rig::at_rest(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, ssl: {certificate: cert.pem, key: key.pem, certificate_reload.reload_interval: 10ms}}",
    );
    write(&rig, &[("cert.pem", &certificate), ("key.pem", &key)]);
    let rig = rig.started();
    let address = rig.address();
    send(address, &client(&ours, None), "before\n").unwrap();
    let (certificate, key) = certified(&theirs, "localhost");
    // One without the other is of no use: that of before is shown.
    write(&rig, &[("cert.pem", &certificate)]);
    wait_until("it is told", || {
        send(address, &client(&ours, None), "meanwhile\n").unwrap();
        rig.told().contains(
            "new certificates of a listener cannot be used, those of before are: the key of",
        )
    });
    write(&rig, &[("key.pem", &key)]);
    wait_until("the other is shown", || send(address, &client(&theirs, None), "after\n").is_ok());
    assert!(rig.told().contains("certificates of a listener have changed"));
    wait_until("it is stored", || rig.receiver.messages().contains(&"after".to_owned()));
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    let ours = issuer();
    let (certificate, _) = certified(&ours, "localhost");
    let (_, key) = certified(&ours, "localhost");
    let rig = Rig::at_rest(
        "  - {type: tcp, host: '127.0.0.1:0', ssl: {certificate: cert.pem, key: key.pem}}",
    );
    write(&rig, &[("cert.pem", &certificate)]);
    for (files, expected) in [
        (vec![], "cannot read `"),
        (vec![("key.pem", "no key")], "there is no private key in PEM form in it"),
        (vec![("key.pem", &*key)], "the key of `ssl.key` is not that of the certificate"),
    ] {
        write(&rig, &files);
        let running = rig.place.start(&[]);
        wait_until(expected, || running.told().contains(expected));
    }
}

#[test]
fn only_clients_that_an_authority_knows_are_heard() {
    let (ours, theirs) = (issuer(), issuer());
    let (certificate, key) = certified(&ours, "localhost");
    let rig = Rig::at_rest(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, ssl: {certificate: cert.pem, key: key.pem, certificate_authorities: [ca.pem]}}",
    );
    write(&rig, &[("cert.pem", &certificate), ("key.pem", &key), ("ca.pem", &ours.pem())]);
    let rig = rig.started();
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
