//! The HTTP client: one for all hosts, with authentication, TLS and proxy as configured.

use super::compress::Compressed;
use crate::batch::Batch;
use crate::disk::Disk;
use crate::settings::{Auth, ElasticsearchSettings, Pem, Verification};
use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Certificate, Client, Method, Proxy, redirect};
use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Longest answer that is read, in bytes; a bulk answer has a few hundred bytes an item.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Longest certificate file.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// Longest wait for a connection; the answer has its own, longer limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// A certificate authority cannot be read.
    #[error("ssl.certificate_authorities: cannot read `{path}`")]
    Read {
        /// Its file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is none.
    #[error("ssl.certificate_authorities: `{path}` holds no PEM certificate")]
    Pem {
        /// Its file, or "(inline)".
        path: String,
    },
    /// A header cannot be sent.
    #[error("headers: `{0}` cannot be sent as an HTTP header")]
    Header(String),
    /// The proxy's address.
    #[error("proxy_url is no address of a proxy")]
    Proxy,
    /// Anything else.
    #[error("cannot make the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Sends requests.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    client: Client,
    query: Vec<(String, String)>,
    timeout: Duration,
}

/// What a bulk request carries.
pub(super) enum BulkBody {
    /// The items as they are.
    Plain(Bytes),
    /// Compressed with gzip.
    Gzip(Compressed),
}

/// Keeps a batch alive while its bytes are on their way.
pub(super) struct BatchBody(pub(super) Arc<Batch>);

impl AsRef<[u8]> for BatchBody {
    fn as_ref(&self) -> &[u8] {
        self.0.buffer.bytes()
    }
}

impl HttpClient {
    pub(super) fn new<D: Disk>(
        settings: &ElasticsearchSettings,
        disk: &D,
    ) -> Result<Self, ClientError> {
        // Another part of the process may have chosen one before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .user_agent(concat!("shipper/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(settings)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(settings.idle_connection_timeout)
            .pool_max_idle_per_host(settings.worker.max(1));
        if !settings.tls.certificate_authorities.is_empty() {
            let mut certificates = Vec::new();
            for pem in &settings.tls.certificate_authorities {
                certificates.extend(read_certificates(disk, pem)?);
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder = match settings.tls.verification {
            Verification::Full => builder,
            Verification::Certificate => builder.tls_danger_accept_invalid_hostnames(true),
            Verification::None => builder.tls_danger_accept_invalid_certs(true),
        };
        if settings.proxy_disable {
            builder = builder.no_proxy();
        } else if let Some(proxy) = &settings.proxy_url {
            builder = builder.proxy(Proxy::all(proxy.expose()).map_err(|_| ClientError::Proxy)?);
        }
        let mut query = settings.parameters.clone();
        if let Some(pipeline) = &settings.pipeline {
            query.push(("pipeline".to_owned(), pipeline.clone()));
        }
        Ok(Self {
            client: builder.build().map_err(ClientError::Build)?,
            query,
            timeout: settings.timeout,
        })
    }

    /// Sends one bulk request.
    pub(super) async fn bulk(&self, url: &str, body: &BulkBody) -> Result<Response, String> {
        let mut request = self
            .client
            .post(url)
            .query(&[("filter_path", super::bulk::FILTER_PATH)])
            .header(CONTENT_TYPE, "application/x-ndjson")
            .timeout(self.timeout);
        if !self.query.is_empty() {
            request = request.query(&self.query);
        }
        request = match body {
            BulkBody::Plain(bytes) => request.body(bytes.clone()),
            BulkBody::Gzip(bytes) => request.header(CONTENT_ENCODING, "gzip").body(bytes.bytes()),
        };
        read(request.send().await).await
    }

    /// Sends a small request of another kind.
    pub(super) async fn call(
        &self,
        method: Method,
        url: &str,
        json: Option<String>,
    ) -> Result<Response, String> {
        let mut request = self.client.request(method, url).timeout(self.timeout);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        read(request.send().await).await
    }
}

async fn read(sent: Result<reqwest::Response, reqwest::Error>) -> Result<Response, String> {
    let mut response = sent.map_err(|error| reason(&error))?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(read_retry_after);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if ANSWER_BYTES_MAX < body.len() + chunk.len() {
            return Err(format!("the answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, retry_after, body })
}

/// Says what went wrong in words of the cause, without the address, which may hold what is nobody's business.
fn reason(error: &reqwest::Error) -> String {
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.last().is_some_and(|last: &String| last.contains(&text)) {
            words.push(text);
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        words.insert(0, "no answer in time".to_owned());
    }
    if words.is_empty() {
        words.push(error.to_string().split(" for url").next().unwrap_or_default().to_owned());
    }
    let text = words.join(": ");
    match certificate_advice(&text) {
        Some(advice) => format!("{text} ({advice})"),
        None => text,
    }
}

fn certificate_advice(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    if lower.contains("unknownissuer") || lower.contains("unknown issuer") {
        return Some(
            "the server's certificate is signed by an unknown authority: name its CA under ssl.certificate_authorities",
        );
    }
    if lower.contains("notvalidforname") || lower.contains("not valid for name") {
        return Some(
            "the server's certificate is for another name: use that name in hosts, or ssl.verification_mode: certificate",
        );
    }
    if lower.contains("expired") {
        return Some(
            "the server's certificate has expired: renew it, and look at this machine's clock",
        );
    }
    if lower.contains("invalidcontenttype") || lower.contains("corrupt message") {
        return Some("the server does not speak TLS on this port: use http:// or the TLS port");
    }
    None
}

fn read_retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    SystemTime::from(at).duration_since(SystemTime::now()).ok()
}

fn headers(settings: &ElasticsearchSettings) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let bad = || ClientError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    let credentials = match &settings.auth {
        Auth::None => return Ok(headers),
        Auth::Basic { username, password } => {
            format!("Basic {}", base64(format!("{username}:{}", password.expose()).as_bytes()))
        }
        Auth::ApiKey(key) => format!("ApiKey {}", base64(key.expose().as_bytes())),
    };
    let mut value = HeaderValue::from_str(&credentials)
        .map_err(|_| ClientError::Header("authorization".to_owned()))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

fn read_certificates<D: Disk>(disk: &D, pem: &Pem) -> Result<Vec<Certificate>, ClientError> {
    let (path, bytes) = match pem {
        Pem::Inline(text) => ("(inline)".to_owned(), text.clone().into_bytes()),
        Pem::File(file) => {
            let path = file.display().to_string();
            let bytes = disk
                .read_all(file, PEM_BYTES_MAX)
                .map_err(|source| ClientError::Read { path: path.clone(), source })?;
            (path, bytes)
        }
    };
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ClientError::Pem { path }),
    }
}

/// Encodes bytes in base64 (RFC 4648, section 4), padded.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
