//! The HTTP client: one for all hosts, with authentication, TLS and proxy as configured.

use super::bulk::PROXY_CREDENTIALS;
use super::compress::Compressed;
use super::secrets::{Secrets, base64};
use super::tls::{Asked, Tls, explain};
use crate::batch::Batch;
use crate::disk::Disk;
use crate::settings::{Auth, ElasticsearchSettings, Secret};
use crate::tls::{Material, TlsError};
use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, Method, Proxy, Url, redirect};
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
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

/// What to do where a server may want TLS.
const IF_TLS: &str = "if it speaks TLS, write https:// in hosts";

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A header cannot be sent.
    #[error("headers: `{0}` cannot be sent as an HTTP header")]
    Header(String),
    /// A variable of the environment is not set, which is none of a command's business that only looks.
    #[error("`{0}` names a variable of the environment that is not set here")]
    Unknown(String),
    /// The proxy's address.
    #[error("proxy_url is no address of a proxy")]
    Proxy,
    /// Anything else.
    #[error("cannot make the HTTP client")]
    Build(#[source] reqwest::Error),
}

impl ClientError {
    /// Says what a person can do about it.
    pub(super) fn advice(&self) -> String {
        let fixed = match self {
            Self::Tls(error) => return error.advice(),
            Self::Header(_) => "check headers, username, password and api_key for odd characters",
            Self::Unknown(_) => {
                "set it, as the service has it from its `EnvironmentFile` or `Environment`"
            }
            Self::Proxy => "write it as http://host:port, or set proxy_disable: true",
            Self::Build(_) => "check the settings of output.elasticsearch",
        };
        fixed.to_owned()
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
#[derive(Debug)]
pub(super) struct HttpClient {
    /// What makes connections: another one after certificates have changed. Requests on their way keep the old one.
    current: RwLock<Connector>,
    query: Vec<(String, String)>,
    timeout: Duration,
    /// Checksum of the certificates and keys that it began with.
    first_material: [u8; 32],
    /// What must not be seen in texts that come from outside.
    secrets: Secrets,
}

/// Makes connections with the certificates of one time.
#[derive(Debug, Clone)]
struct Connector {
    client: Client,
    asked: Arc<Asked>,
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
        if let Some(key) = settings.unknown.first() {
            return Err(ClientError::Unknown(key.clone()));
        }
        let material = read_material(settings, disk)?;
        let mut query = settings.parameters.clone();
        if let Some(pipeline) = &settings.pipeline {
            query.push(("pipeline".to_owned(), pipeline.clone()));
        }
        Ok(Self {
            current: RwLock::new(connector(settings, &material)?),
            query,
            timeout: settings.timeout,
            first_material: material.digest(),
            secrets: Secrets::of(settings),
        })
    }

    /// Makes connections with other certificates from now on; requests on their way end as they began.
    ///
    /// # Errors
    /// When they cannot be used: then all stays as it was.
    pub(super) fn renew(
        &self,
        settings: &ElasticsearchSettings,
        material: &Material,
    ) -> Result<(), ClientError> {
        let connector = connector(settings, material)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = connector;
        Ok(())
    }

    /// Returns the checksum of the certificates and keys that it began with.
    pub(super) fn first_material(&self) -> [u8; 32] {
        self.first_material
    }

    fn connector(&self) -> Connector {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends one bulk request of so many items.
    pub(super) async fn bulk(
        &self,
        url: &str,
        body: &BulkBody,
        items: usize,
    ) -> Result<Response, NoAnswer> {
        let Connector { client, asked } = self.connector();
        let mut request = client
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
        let most = ANSWER_BYTES + items * ANSWER_BYTES_PER_ITEM;
        self.read(request.send().await, &asked, most).await
    }

    /// Sends a small request of another kind.
    pub(super) async fn call(
        &self,
        method: Method,
        url: &str,
        json: Option<String>,
    ) -> Result<Response, NoAnswer> {
        let Connector { client, asked } = self.connector();
        let mut request = client.request(method, url).timeout(self.timeout);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let sent = request.send().await;
        let silent = sent.as_ref().is_err_and(closed_plain);
        match self.read(sent, &asked, ANSWER_BYTES).await {
            Err(NoAnswer { reason, refused }) if silent => {
                Err(NoAnswer { reason: format!("{reason} ({IF_TLS})"), refused })
            }
            other => other,
        }
    }

    /// Asks whether anybody answers at all.
    pub(super) async fn probe(&self, base: &str) -> bool {
        let limit = PROBE_TIMEOUT.min(self.timeout / 8);
        self.connector().client.get(format!("{base}/")).timeout(limit).send().await.is_ok()
    }

    async fn read(
        &self,
        sent: Result<reqwest::Response, reqwest::Error>,
        asked: &Asked,
        most: usize,
    ) -> Result<Response, NoAnswer> {
        let mut response = sent.map_err(|error| no_answer(&error, asked))?;
        asked.note_answer();
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(read_retry_after);
        let length = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(length.unwrap_or_default().min(most));
        let mut cut = false;
        let more = |error| no_answer(&error, asked);
        while !cut && let Some(chunk) = response.chunk().await.map_err(more)? {
            let room = most - body.len();
            cut = room < chunk.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        let body = self.secrets.hide(status, body);
        Ok(Response { status, retry_after, body, cut })
    }
}

/// Reads what `ssl.*` names, where any host speaks TLS.
pub(super) fn read_material<D: Disk>(
    settings: &ElasticsearchSettings,
    disk: &D,
) -> Result<Material, TlsError> {
    if tls_wanted(settings) { Material::read(&settings.tls, disk) } else { Ok(Material::default()) }
}

/// Tells whether a host, or the proxy, speaks TLS.
pub(super) fn tls_wanted(settings: &ElasticsearchSettings) -> bool {
    settings.hosts.iter().any(|host| host.starts_with("https:"))
        || settings.proxy_url.as_ref().is_some_and(|url| url.expose().starts_with("https:"))
}

fn connector(
    settings: &ElasticsearchSettings,
    material: &Material,
) -> Result<Connector, ClientError> {
    let Tls { config, asked } = Tls::new(&settings.tls, tls_wanted(settings), material)?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(config)
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
        let mut proxy = Proxy::all(proxy.expose()).map_err(|_| ClientError::Proxy)?;
        if !settings.proxy_headers.is_empty() {
            proxy = proxy.headers(plain_headers(&settings.proxy_headers)?);
        }
        builder = builder.proxy(proxy);
    } else if is_asked_directly(settings) {
        builder = builder.no_proxy();
    }
    Ok(Connector { client: builder.build().map_err(ClientError::Build)?, asked })
}

/// Tells whether proxies of the environment are not asked: they never are for this machine, as in Filebeat.
pub(super) fn is_asked_directly(settings: &ElasticsearchSettings) -> bool {
    let mut hosts = settings.hosts.iter().filter_map(|host| Url::parse(host).ok());
    settings.proxy_disable || hosts.all(|host| is_loopback(&host))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn no_answer(error: &reqwest::Error, asked: &Asked) -> NoAnswer {
    NoAnswer { reason: reason(error, asked), refused: error.is_connect() }
}

/// Tells whether a connection without TLS was closed instead of an answer, as servers do that want TLS.
fn closed_plain(error: &reqwest::Error) -> bool {
    let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
    is_plain && !error.is_connect() && !error.is_timeout() && error.is_request()
}

/// Says what went wrong in words of the cause, without the address, which may hold what is nobody's business.
fn reason(error: &reqwest::Error, asked: &Asked) -> String {
    if let Some(text) = explain(error, asked) {
        return text;
    }
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
    if text.contains("proxy authorization required") {
        return format!("{text} ({PROXY_CREDENTIALS})");
    }
    let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
    if is_plain && text.contains("invalid HTTP") {
        return format!(
            "{text} (what answers is no HTTP: if it speaks TLS, write https:// in hosts)"
        );
    }
    text
}

fn read_retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    SystemTime::from(at).duration_since(SystemTime::now()).ok()
}

fn plain_headers(pairs: &[(String, Secret)]) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let bad = || ClientError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    Ok(headers)
}

fn headers(settings: &ElasticsearchSettings) -> Result<HeaderMap, ClientError> {
    let mut headers = plain_headers(&settings.headers)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_that_is_asked_for_is_a_number_or_a_date() {
        let read = |text: &str| read_retry_after(&HeaderValue::from_str(text).unwrap());
        for (text, seconds) in [("0", 0), ("7", 7), (" 120 ", 120), ("4000000000", 4_000_000_000)] {
            assert_eq!(read(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        let date = |seconds: i64| {
            let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        };
        let wait = read(&date(60)).unwrap();
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
        for text in [date(-60).as_str(), "", "soon", "-1", "1.5", "Mon, 99 Nov 2026 00:00:00 GMT"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
