//! The typed settings that every stage takes at its start: plain data, no YAML, no defaults hidden elsewhere.
//!
//! They live in the lowest layer so that a stage never sees the configuration tree and the configuration never
//! sees a stage. `config` fills them; `Default` states what an operator gets who writes nothing.

mod dead_letters;
mod files;
mod http;
mod listener;
pub mod network;
pub mod own;
mod rescue;
mod tls;

pub use dead_letters::{DeadLetterSettings, DeadLetterTo};
pub use files::{
    BacklogOrder, CleanSettings, CloseSettings, FileSettings, FingerprintSettings, OwnerSettings,
    ReadBy, ReadOrder, Since, SkipSettings,
};
pub use http::HttpSettings;
pub use listener::{FramingSettings, Listen, ListenerSettings, ServerTlsSettings, SocketSettings};
pub use network::{Network, NetworkError};
pub use reading::{SyslogFormat, SyslogSettings};
pub use tls::{
    ClientCertificate, Passphrase, Pem, TlsAlgorithm, TlsSettings, TlsVersions, Verification,
};

pub use rescue::{OnFull, RescueSettings};

pub mod enrich;
pub mod reading;

use crate::dataset::Dataset;
use crate::packing::Compression;
use enrich::EnrichSettings;
use jiff::tz::TimeZone;
use own::OwnFormat;
use reading::ReadingSettings;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Holds everything that one process is told at its start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Name of this shipper: `agent.name` and `host.name`; the host name when absent.
    pub name: Option<String>,
    /// The stanzas under `filebeat.inputs` or `inputs`, in the order of the file, disabled ones left out.
    pub inputs: Vec<InputSettings>,
    /// Those among the stanzas that are sent to.
    pub listeners: Vec<ListenerSettings>,
    /// The one output.
    pub output: OutputSettings,
    /// Bounds of the memory between readers and output.
    pub queue: QueueSettings,
    /// The directories.
    pub paths: PathSettings,
    /// The registry.
    pub registry: RegistrySettings,
    /// Bounds of what is taken from the machine and its network.
    pub limits: LimitSettings,
    /// What is done for removed files of which not all could be delivered.
    pub rescue: RescueSettings,
    /// Logging of the process itself.
    pub logging: LoggingSettings,
    /// Where it is asked by HTTP how it fares, if anywhere.
    pub http: Option<HttpSettings>,
    /// Longest wait, at a stop, for open batches to be acknowledged.
    pub shutdown_timeout: Duration,
}

/// One stanza of inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSettings {
    /// `id:` of the stanza.
    pub id: Option<String>,
    /// `log` or `filestream`, as written; goes into `input.type`.
    pub kind: String,
    /// Which spelling the stanza came from; decides where documents go.
    pub namespace: Namespace,
    /// Absolute glob patterns, at least one.
    pub paths: Vec<String>,
    /// Regular expressions, checked; a file whose whole path matches one is not read.
    pub exclude_files: Vec<String>,
    /// How a line is understood.
    pub format: Format,
    /// `dataset`: what events say of where they come from. Default: as the format says.
    pub dataset: Option<&'static Dataset>,
    /// Whether `message` keeps the raw line of a recognised line; `true` unless `keep_original: false`.
    pub keep_original: bool,
    /// How its bytes become events.
    pub reading: ReadingSettings,
    /// Largest content of a line in bytes, line end excluded; the rest is skipped. Default 10 MiB.
    pub message_max_bytes: u64,
    /// Whether symbolic links are followed. `log` and `filestream`: default off.
    pub symlinks: bool,
    /// Which compressed files are read. Default: those that continue a log.
    pub compression: Compression,
    /// Pause between two scans where no events are had. Default 10 s.
    pub scan_interval: Duration,
    /// Which files are read, and in which order.
    pub files: FileSettings,
    /// When an open file is let go of.
    pub close: CloseSettings,
    /// Ingest pipeline that the server is to run, lower-cased; an input with one is shipped `raw` by default.
    pub pipeline: Option<String>,
    /// Index or data stream of this input alone; a format string.
    pub index: Option<String>,
    /// `tags`, in order.
    pub tags: Vec<String>,
    /// `fields`, as the text of a JSON object without its braces when `fields_under_root`, else with them.
    pub fields: Option<FieldsSettings>,
    /// What is added to recognised lines.
    pub enrich: EnrichSettings,
    /// Where its lines come from.
    pub comes_from: ComesFrom,
    /// Whether lines come in syslog messages, and in which; `format` is that of the text in them.
    pub syslog: Option<SyslogSettings>,
    /// `trusted_proxies`: networks of proxies whose word on who the client is counts. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// Zone of times in lines that name none; the configuration's default is that of the host.
    pub zone: TimeZone,
}

impl Default for InputSettings {
    fn default() -> Self {
        Self {
            id: None,
            kind: "filestream".to_owned(),
            namespace: Namespace::Filebeat,
            paths: Vec::new(),
            exclude_files: Vec::new(),
            format: Format::Auto,
            dataset: None,
            keep_original: true,
            reading: ReadingSettings::default(),
            message_max_bytes: 10 << 20,
            symlinks: false,
            compression: Compression::default(),
            scan_interval: Duration::from_secs(10),
            files: FileSettings::default(),
            close: CloseSettings::default(),
            pipeline: None,
            index: None,
            tags: Vec::new(),
            fields: None,
            enrich: EnrichSettings::default(),
            comes_from: ComesFrom::Files,
            syslog: None,
            trusted_proxies: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

/// Where the lines of an input come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComesFrom {
    /// From files, which documents name.
    Files,
    /// From senders, whose address documents have.
    Senders,
}

/// `fields` of an input: constants for every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldsSettings {
    /// A JSON object as text, braces included.
    pub json_object: String,
    /// Whether the members go to the top level rather than below `fields`.
    pub under_root: bool,
}

/// The spelling of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// `filebeat.inputs`: documents go where Filebeat sends them.
    Filebeat,
    /// `inputs`: documents go to `logs-<event.dataset>-default`.
    Own,
}

/// How an input's lines are understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Only `message`.
    Raw,
    /// Access lines recognised by themselves; Apache or nginx by the file's path.
    Auto,
    /// Access lines of Apache, of whichever of its kinds.
    Apache,
    /// Apache common.
    Common,
    /// Apache combined.
    Combined,
    /// Apache `vhost_combined` (`%v:%p` in front).
    VhostCombined,
    /// nginx combined.
    Nginx,
    /// Another format that is known, by its name.
    Known(&'static str),
    /// An operator's own regular expression; its named groups (`url_path` means `url.path` when dotted names are
    /// given through `fields`) become fields.
    Regex(RegexFormat),
    /// A format string of a web server's configuration.
    Compiled(ServerFormat),
    /// Another one that an operator describes.
    Own(Box<OwnFormat>),
}

/// A format as a web server's configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFormat {
    /// Whose configuration.
    pub server: WebServer,
    /// `LogFormat` or `log_format` string, as it stands there between its quotes.
    pub text: String,
    /// How values are escaped; always the default for Apache.
    pub escape: Escape,
}

/// A web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebServer {
    /// Apache httpd.
    Apache,
    /// nginx.
    Nginx,
}

/// How values of a log line are escaped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Escape {
    /// `\xHH`, and in Apache's also letters.
    #[default]
    Default,
    /// As in JSON strings.
    Json,
    /// Not at all.
    None,
}

/// A format that an operator defines by a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexFormat {
    /// The expression, in the syntax of the `regex` crate; at least one named group.
    pub pattern: String,
    /// Group name → ECS field name (dotted), for groups whose field is not their own name with `__` read as `.`.
    pub rename: Vec<(String, String)>,
}

/// Where events go.
#[derive(Debug, Clone)]
pub enum OutputSettings {
    /// `output.elasticsearch`.
    Elasticsearch(Box<ElasticsearchSettings>),
    /// `output.console`: one document a line on standard output.
    Console,
}

impl Default for OutputSettings {
    fn default() -> Self {
        Self::Elasticsearch(Box::default())
    }
}

/// `output.elasticsearch`.
#[derive(Debug, Clone)]
pub struct ElasticsearchSettings {
    /// Base addresses, scheme and port included, `path` joined, no trailing slash, no credentials. At least one.
    pub hosts: Vec<String>,
    /// Extra query parameters of every bulk request.
    pub parameters: Vec<(String, String)>,
    /// Extra headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// How requests prove who they are.
    pub auth: Auth,
    /// Index or data stream: a format string (`%{[field]}`, `%{+yyyy.MM.dd}`); `None` means by the input's namespace.
    pub index: Option<String>,
    /// Ingest pipeline for all events that have none of their own.
    pub pipeline: Option<String>,
    /// Whether events carry an `_id` (`document_id: none` switches it off).
    pub document_id: bool,
    /// Most requests in flight for each host, 1 to 64; how many there are is found by trying. Default 4, less where there
    /// are more than two hosts.
    pub worker: usize,
    /// Whether all hosts are asked, or one until it fails. Default on.
    pub loadbalance: bool,
    /// Most events in one bulk request. Default 1600; 0 means no limit but the buffer's.
    pub bulk_max_size: usize,
    /// Most bytes of documents that are spooled for targets that take none now; 0: they wait, and all others with them.
    /// Default 256 MiB.
    pub blocked_bytes_max: u64,
    /// Largest bulk body in bytes before compression. Default and maximum 1 MiB, one buffer.
    pub bulk_max_bytes: usize,
    /// gzip level, 0 (off) to 9. Default 1.
    pub compression_level: u32,
    /// Longest wait for the answer of one request. Default 90 s.
    pub timeout: Duration,
    /// Idle keep-alive connections are closed after this. Default 3 s.
    pub idle_connection_timeout: Duration,
    /// First and longest wait between two tries. Defaults 1 s and 60 s.
    pub backoff: BackoffSettings,
    /// Proxy for all requests; `None`: those of the environment, unless `proxy_disable`.
    pub proxy_url: Option<Secret>,
    /// Headers for the proxy alone.
    pub proxy_headers: Vec<(String, Secret)>,
    /// Whether no proxy at all is used.
    pub proxy_disable: bool,
    /// TLS.
    pub tls: TlsSettings,
    /// Index template.
    pub template: TemplateSettings,
    /// What becomes of documents that the server will never take.
    pub dead_letters: DeadLetterSettings,
    /// Keys whose variables are not set; none but where the configuration was read to look only, and then nothing is sent.
    pub unknown: Vec<String>,
}

impl Default for ElasticsearchSettings {
    fn default() -> Self {
        Self {
            hosts: vec!["http://localhost:9200".to_owned()],
            parameters: Vec::new(),
            headers: Vec::new(),
            auth: Auth::None,
            index: None,
            pipeline: None,
            document_id: true,
            worker: 4,
            loadbalance: true,
            bulk_max_size: 1600,
            blocked_bytes_max: 256 << 20,
            bulk_max_bytes: 1 << 20,
            compression_level: 1,
            timeout: Duration::from_secs(90),
            idle_connection_timeout: Duration::from_secs(3),
            backoff: BackoffSettings::default(),
            proxy_url: None,
            proxy_headers: Vec::new(),
            proxy_disable: false,
            tls: TlsSettings::default(),
            template: TemplateSettings::default(),
            dead_letters: DeadLetterSettings::default(),
            unknown: Vec::new(),
        }
    }
}

/// How a request proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// HTTP basic.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// `id:key` as Filebeat takes it; sent base64-encoded.
    ApiKey(Secret),
}

/// A text that never shows itself in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hands out the text itself; only for the place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("xxxxx")
    }
}

/// First and longest wait between two tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// `backoff.init`.
    pub init: Duration,
    /// `backoff.max`.
    pub max: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self { init: Duration::from_secs(1), max: Duration::from_mins(1) }
    }
}

/// `setup.template.*`.
#[derive(Debug, Clone)]
pub struct TemplateSettings {
    /// Whether a missing template is installed at connect. Default on.
    pub enabled: bool,
    /// Whether an existing template is replaced. Default off.
    pub overwrite: bool,
    /// Name, when not the target's own.
    pub name: Option<String>,
    /// Index pattern, when not the target's own.
    pub pattern: Option<String>,
    /// `setup.template.settings` as a JSON object text.
    pub settings_json: Option<String>,
}

impl Default for TemplateSettings {
    fn default() -> Self {
        Self { enabled: true, overwrite: false, name: None, pattern: None, settings_json: None }
    }
}

/// `queue.mem.*`: the bound of memory.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// Bytes in all batch buffers together. Default 16 MiB, at least (`worker` + 1) MiB.
    pub bytes: usize,
    /// Longest wait of an event for its batch to fill. Default 1 s; 0: goes as soon as the output is free.
    pub flush_timeout: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { bytes: 16 << 20, flush_timeout: Duration::from_secs(1) }
    }
}

/// `limits.*`: bounds of what is taken from the machine and its network.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LimitSettings {
    /// Most bytes a second that are sent, as they are on the wire, headers left out. Default none.
    pub bandwidth: Option<u64>,
    /// Most time of the processors, as a share of one core; more than 0. Default none.
    pub cpu: Option<f64>,
}

/// The directories.
#[derive(Debug, Clone, Default)]
pub struct PathSettings {
    /// `path.home`.
    pub home: PathBuf,
    /// `path.data`: registry, lock, dead letters.
    pub data: PathBuf,
    /// `path.logs`.
    pub logs: PathBuf,
}

/// `filebeat.registry.*`.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Directory; default `<path.data>/registry`.
    pub path: PathBuf,
    /// Mode of its files. Default 0600.
    pub file_permissions: u32,
    /// Pause between two writes of offsets. Default 1 s.
    pub flush: Duration,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { path: PathBuf::new(), file_permissions: 0o600, flush: Duration::from_secs(1) }
    }
}

/// `logging.*`.
#[derive(Debug, Clone)]
pub struct LoggingSettings {
    /// Least severity that is written.
    pub level: LogLevel,
    /// Whether to write to standard error. Default: on unless `to_files` is on.
    pub to_stderr: bool,
    /// Whether lines are JSON (as Filebeat's are) or text.
    pub json: bool,
    /// Files, when `to_files` is on.
    pub files: Option<LogFileSettings>,
    /// Which parts log at level debug, when that is the level; all of them when empty.
    pub selectors: Vec<String>,
    /// Pause between two metrics lines; `None` switches them off. Default 30 s.
    pub metrics_period: Option<Duration>,
}

impl Default for LoggingSettings {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            to_stderr: true,
            json: false,
            files: None,
            selectors: Vec::new(),
            metrics_period: Some(Duration::from_secs(30)),
        }
    }
}

/// `logging.files.*`.
#[derive(Debug, Clone)]
pub struct LogFileSettings {
    /// Directory.
    pub path: PathBuf,
    /// Base name.
    pub name: String,
    /// Size at which a new file is begun. Default 10 MiB.
    pub rotate_every_bytes: u64,
    /// Old files kept. Default 7.
    pub keep_files: usize,
    /// Mode. Default 0600.
    pub permissions: u32,
}

/// Severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Start, stop, connections.
    Info,
    /// It healed itself.
    Warning,
    /// A line was lost or a person must act.
    Error,
}
