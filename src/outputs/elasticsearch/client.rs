//! The HTTP client: one for all hosts, with authentication, TLS and proxy as configured.

use super::compress::Compressed;
use super::tls::{TlsError, client_config};
use crate::batch::Batch;
use crate::disk::Disk;
use crate::settings::{Auth, ElasticsearchSettings};
use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Method, Proxy, Url, redirect};
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Bytes that are read of any answer.
const ANSWER_BYTES: usize = 256 << 10;

/// Bytes more that are read for each item of a bulk request: 25 say that it is stored, some 400 why it is not. So an
/// answer takes about as much memory as the batch, at most a quarter of a MiB more.
const ANSWER_BYTES_PER_ITEM: usize = 512;

/// Longest wait for a connection; the answer has its own, longer limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence after which the system asks whether the other end is still there, and pause between two such questions: a
/// machine that lost its power is noticed long before `timeout`, and a slow one is left in peace.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Longest wait for the answer to a question whose answer takes no work.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
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

impl ClientError {
    /// Says what a person can do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Tls(TlsError::NoSystemRoots(_)) => {
                "install the package ca-certificates, or name your server's CA under ssl.certificate_authorities"
            }
            Self::Tls(TlsError::Rustls(_)) => "check the settings below ssl",
            Self::Tls(_) => {
                "check ssl.certificate_authorities: files in PEM form that this user may read"
            }
            Self::Header(_) => "check headers, username, password and api_key for odd characters",
            Self::Proxy => "write it as http://host:port, or set proxy_disable: true",
            Self::Build(_) => "check the settings of output.elasticsearch",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// Whether the body goes on; what would come is not read.
    pub(super) cut: bool,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) struct NoAnswer {
    /// In words.
    pub(super) reason: String,
    /// Whether there was no connection to be had at all.
    pub(super) refused: bool,
}

/// Sends requests.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    client: Client,
    query: Vec<(String, String)>,
    timeout: Duration,
    /// What must not be seen in texts that come from outside, longest first.
    secrets: Vec<String>,
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
        let hosts: Vec<Url> =
            settings.hosts.iter().filter_map(|host| Url::parse(host).ok()).collect();
        let tls_wanted = hosts.iter().any(|host| host.scheme() == "https")
            || settings.proxy_url.as_ref().is_some_and(|url| url.expose().starts_with("https:"));
        let mut builder = Client::builder()
            .tls_backend_preconfigured(client_config(&settings.tls, tls_wanted, disk)?)
            .http1_only()
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .user_agent(concat!("shipper/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(settings)?)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(settings.idle_connection_timeout)
            .pool_max_idle_per_host(settings.worker.max(1));
        if let Some(proxy) = settings.proxy_url.as_ref().filter(|_| !settings.proxy_disable) {
            builder = builder.proxy(Proxy::all(proxy.expose()).map_err(|_| ClientError::Proxy)?);
        } else if settings.proxy_disable || hosts.iter().all(is_loopback) {
            // Proxies of the environment are never asked for this machine, as in Filebeat.
            builder = builder.no_proxy();
        }
        let mut query = settings.parameters.clone();
        if let Some(pipeline) = &settings.pipeline {
            query.push(("pipeline".to_owned(), pipeline.clone()));
        }
        Ok(Self {
            client: builder.build().map_err(ClientError::Build)?,
            query,
            timeout: settings.timeout,
            secrets: secrets(settings),
        })
    }

    /// Sends one bulk request of so many items.
    pub(super) async fn bulk(
        &self,
        url: &str,
        body: &BulkBody,
        items: usize,
    ) -> Result<Response, NoAnswer> {
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
        self.read(request.send().await, ANSWER_BYTES + items * ANSWER_BYTES_PER_ITEM).await
    }

    /// Sends a small request of another kind.
    pub(super) async fn call(
        &self,
        method: Method,
        url: &str,
        json: Option<String>,
    ) -> Result<Response, NoAnswer> {
        let mut request = self.client.request(method, url).timeout(self.timeout);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        self.read(request.send().await, ANSWER_BYTES).await
    }

    /// Asks whether anybody answers at all.
    pub(super) async fn probe(&self, base: &str) -> bool {
        let limit = PROBE_TIMEOUT.min(self.timeout / 8);
        self.client.get(format!("{base}/")).timeout(limit).send().await.is_ok()
    }

    async fn read(
        &self,
        sent: Result<reqwest::Response, reqwest::Error>,
        most: usize,
    ) -> Result<Response, NoAnswer> {
        let mut response = sent.map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(read_retry_after);
        let length = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(length.unwrap_or_default().min(most));
        let mut cut = false;
        while !cut && let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
            let room = most - body.len();
            cut = room < chunk.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        if !(200..300).contains(&status) {
            body = self.without_secrets(body);
        }
        Ok(Response { status, retry_after, body, cut })
    }

    /// Takes credentials out of a refusal, which a proxy may have made of the request.
    fn without_secrets(&self, body: Vec<u8>) -> Vec<u8> {
        if !self
            .secrets
            .iter()
            .any(|secret| memchr::memmem::find(&body, secret.as_bytes()).is_some())
        {
            return body;
        }
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "xxxxx");
        }
        text.into_bytes()
    }
}

/// Returns the texts that must not be seen, longest first.
fn secrets(settings: &ElasticsearchSettings) -> Vec<String> {
    let mut secrets: Vec<String> =
        settings.headers.iter().map(|(_, value)| value.expose().to_owned()).collect();
    match &settings.auth {
        Auth::None => {}
        Auth::Basic { username, password } => {
            secrets.push(base64(format!("{username}:{}", password.expose()).as_bytes()));
            secrets.push(password.expose().to_owned());
        }
        Auth::ApiKey(key) => {
            secrets.push(base64(key.expose().as_bytes()));
            secrets.push(key.expose().to_owned());
            secrets.extend(key.expose().split_once(':').map(|(_, key)| key.to_owned()));
        }
    }
    // Shorter ones would blot out innocent words.
    secrets.retain(|secret| 4 <= secret.len());
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    NoAnswer { reason: reason(error), refused: error.is_connect() }
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
    if lower.contains("unknownissuer") || lower.contains("badsignature") {
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

/// Encodes bytes in base64 (RFC 4648, section 4), padded.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
