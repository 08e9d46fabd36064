//! A small HTTP client over sockets, plain or with TLS: one request a connection.

use base64::Engine as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// How a server is asked.
#[derive(Default)]
pub struct Access {
    pub tls: Option<Arc<ClientConfig>>,
    authorization: String,
}

impl Access {
    /// With TLS by an authority, and as a user.
    pub fn secured(authority: &CertificateDer<'static>, user: &str, password: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let code = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self {
            tls: Some(Arc::new(config)),
            authorization: format!("Authorization: Basic {code}\r\n"),
        }
    }
}

/// Sends a request as it stands and returns the whole answer.
pub fn raw(port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    exchange(connect(port)?, request)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server may close a TLS connection without saying so.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        read => drop(read?),
    }
    Ok(answer)
}

/// Sends a request with a JSON body and returns status and body.
pub fn call(
    access: &Access,
    port: u16,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n{}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        access.authorization,
        body.len()
    );
    let stream = connect(port)?;
    let answer = match &access.tls {
        None => exchange(stream, request.as_bytes())?,
        Some(config) => {
            let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
            let session =
                ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
            exchange(StreamOwned::new(session, stream), request.as_bytes())?
        }
    };
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let body = answer.get(end + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body =
        if head.contains("transfer-encoding: chunked") { joined(body) } else { body.to_vec() };
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Joins the chunks of a chunked body.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}

/// Returns a port that nobody listens on now, another one each time: who asked for one may not listen on it yet.
pub fn free_port() -> u16 {
    static GIVEN: std::sync::Mutex<Vec<u16>> = std::sync::Mutex::new(Vec::new());
    loop {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut given = GIVEN.lock().unwrap();
        if !given.contains(&port) {
            given.push(port);
            return port;
        }
    }
}
