//! `output.elasticsearch`, with what `setup.template` and the presets add to it.

use std::path::Path;
use std::time::Duration;

use crate::config::tree::Value;
use crate::config::typed::cloud::Cloud;
use crate::config::typed::dead_letters::dead_letters;
use crate::config::typed::host::{self, Address};
use crate::config::typed::input::{format_string, pipeline};
use crate::config::typed::tls::tls;
use crate::config::typed::value::At;
use crate::config::typed::{fields, host::AddressError};
use crate::settings::{Auth, BackoffSettings, ElasticsearchSettings, Secret, TemplateSettings};

/// Least size of a bulk body: smaller ones would hold no ordinary line.
const BULK_BYTES_MIN: u64 = 16 << 10;
/// One batch buffer.
const BULK_BYTES_MAX: u64 = 1 << 20;
/// Most room on the disk for documents of blocked targets.
const BLOCKED_BYTES_MAX: u64 = 1 << 40;
/// Requests in flight for one host.
const WORKER_MAX: i64 = 64;

const PRESETS: [&str; 5] = ["custom", "balanced", "throughput", "scale", "latency"];

/// What a preset says instead of the defaults.
struct Preset {
    bulk_max_size: usize,
    /// `None`: by the number of hosts.
    worker: Option<usize>,
    idle_connection_timeout: Duration,
    backoff: BackoffSettings,
    flush_timeout: Duration,
}

fn preset(at: &At<'_>) -> Preset {
    let seconds = Duration::from_secs;
    let mut preset = Preset {
        bulk_max_size: 1600,
        worker: Some(1),
        idle_connection_timeout: seconds(3),
        backoff: BackoffSettings::default(),
        flush_timeout: seconds(1),
    };
    let preset_at = at.get("preset");
    let chosen = preset_at.word(&PRESETS).unwrap_or(0);
    tell_own_values(at, &preset_at, chosen);
    match chosen {
        0 => preset.worker = None,
        2 => {
            preset.worker = Some(4);
            preset.idle_connection_timeout = seconds(15);
        }
        3 => {
            preset.idle_connection_timeout = seconds(1);
            preset.backoff = BackoffSettings { init: seconds(5), max: seconds(300) };
        }
        4 => {
            preset.bulk_max_size = 50;
            preset.idle_connection_timeout = seconds(60);
            preset.flush_timeout = Duration::from_millis(10);
        }
        _ => {}
    }
    preset
}

/// Says which of an operator's own values stand although a preset has others: Filebeat would take the preset's.
fn tell_own_values(at: &At<'_>, preset_at: &At<'_>, chosen: usize) {
    const KEYS: [&str; 5] =
        ["bulk_max_size", "worker", "workers", "compression_level", "idle_connection_timeout"];
    const KEYS_OF_SCALE: [&str; 2] = ["backoff.init", "backoff.max"];
    if chosen == 0 {
        return;
    }
    let of_scale = KEYS_OF_SCALE.iter().filter(|_| PRESETS[chosen] == "scale");
    let own: Vec<String> = KEYS
        .iter()
        .chain(of_scale)
        .filter(|key| at.get(key).is_there())
        .map(|key| format!("`{key}`"))
        .collect();
    if !own.is_empty() {
        preset_at.warn(format!(
            "your own {} stands, and `preset: {}` gives the rest; Filebeat would take the preset's value",
            own.join(", "),
            PRESETS[chosen]
        ));
    }
}

/// Returns how many requests for one host there may be when nobody says: with all hosts together at most eight.
fn default_worker(hosts: usize) -> usize {
    (8 / hosts.max(1)).clamp(1, 4)
}

/// Reads the output, and the flush time that its preset stands for.
#[must_use]
pub fn elasticsearch(
    at: &At<'_>,
    template_at: &At<'_>,
    cloud: Cloud,
    config_directory: &Path,
) -> (ElasticsearchSettings, Duration) {
    let preset = preset(at);
    let (hosts, url_credentials) = match cloud.host {
        Some(host) => {
            let own = at.get("hosts");
            if own.is_there() {
                own.warn(format!("`{}` gives way to `cloud.id`", own.path()));
            }
            (vec![host], None)
        }
        // What is wrong with it is told.
        None if cloud.is_named => (Vec::new(), None),
        None => hosts(at),
    };
    let proxy_url = proxy(&at.get("proxy_url"));
    warn_of_plain(&at.get("ssl"), &hosts, proxy_url.as_ref());
    let worker = preset.worker.unwrap_or_else(|| default_worker(hosts.len()));
    let settings = ElasticsearchSettings {
        hosts,
        loadbalance: at.get("loadbalance").boolean().unwrap_or(true),
        parameters: parameters(&at.get("parameters")),
        headers: headers(&at.get("headers")),
        auth: auth(at, cloud.credentials, url_credentials),
        index: format_string(&at.get("index")),
        pipeline: pipeline(&at.get("pipeline"), None),
        document_id: at.get("document_id").word(&["auto", "none"]) != Some(1),
        worker: at
            .first_of(&["worker", "workers"])
            .integer(1, WORKER_MAX)
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(worker),
        bulk_max_size: at
            .get("bulk_max_size")
            .integer(-1, 1_000_000)
            .map_or(preset.bulk_max_size, |value| usize::try_from(value).unwrap_or(0)),
        blocked_bytes_max: at
            .get("blocked.max_size")
            .bytes(0, BLOCKED_BYTES_MAX)
            .unwrap_or(256 << 20),
        bulk_max_bytes: at
            .get("bulk_max_bytes")
            .bytes(BULK_BYTES_MIN, BULK_BYTES_MAX)
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(1 << 20),
        compression_level: at
            .get("compression_level")
            .integer(0, 9)
            .and_then(|value| u32::try_from(value).ok())
            .unwrap_or(1),
        timeout: at.get("timeout").positive_duration().unwrap_or(Duration::from_secs(90)),
        idle_connection_timeout: at
            .get("idle_connection_timeout")
            .duration()
            .unwrap_or(preset.idle_connection_timeout),
        backoff: backoff(at, preset.backoff),
        proxy_url,
        proxy_headers: proxy_headers(at),
        proxy_disable: at.get("proxy_disable").boolean().unwrap_or(false),
        tls: tls(&at.get("ssl"), config_directory),
        template: template(template_at),
        dead_letters: dead_letters(at),
        unknown: Vec::new(),
    };
    (settings, preset.flush_timeout)
}

/// Says that `ssl` does nothing for hosts to which plain HTTP is spoken.
fn warn_of_plain(ssl: &At<'_>, hosts: &[String], proxy: Option<&Secret>) {
    let is_set = ssl.node().is_some_and(|node| !node.is_empty() && !node.is_disabled());
    let by_proxy = proxy.is_some_and(|url| url.expose().starts_with("https:"));
    let Some(plain) = hosts.iter().find(|host| host.starts_with("http:")) else { return };
    if is_set && !by_proxy {
        let line = ssl.place().map_or(0, |place| place.line);
        ssl.warn(format!(
            "line {line}: `{}` has no effect on `{plain}`: what is sent there, passwords too, can be read on its way; write \
             https:// in `hosts`",
            ssl.path()
        ));
    }
}

fn backoff(at: &At<'_>, default: BackoffSettings) -> BackoffSettings {
    let init_at = at.get("backoff.init");
    let init = init_at.positive_duration().unwrap_or(default.init);
    let max = at.get("backoff.max").positive_duration().unwrap_or(default.max.max(init));
    if max < init {
        let message = format!("`{}` is longer than `backoff.max`", init_at.path());
        if init_at.is_there() { init_at.problem(message) } else { at.problem(message) }
    }
    BackoffSettings { init, max }
}

type Credentials = (String, String);

fn hosts(at: &At<'_>) -> (Vec<String>, Option<Credentials>) {
    let list = at.get("hosts");
    let scheme = match at.get("protocol").text_if_any() {
        Some(scheme) if !matches!(scheme.as_str(), "http" | "https") => {
            at.get("protocol").wrong("`http` or `https`", &scheme);
            "http".to_owned()
        }
        Some(scheme) => scheme,
        None => "http".to_owned(),
    };
    let path = at.get("path").text().unwrap_or_default();
    let texts = list.texts();
    // As in Filebeat: `localhost:9200` stands in its files, but without `hosts` it does not start.
    let is_told =
        at.node().is_some_and(|node| matches!(node.value, Value::Scalar(_) | Value::List(_)));
    if !is_told
        && !at.is_meant("`hosts`")
        && texts.is_empty()
        && list.node().is_none_or(|node| node.is_empty() || node.text().is_some())
    {
        at.problem_with(
            format!("`{}` has no `hosts`", at.path()),
            "add them, for example `hosts: [\"http://localhost:9200\"]`",
        );
    }
    let mut hosts: Vec<String> = Vec::new();
    let mut credentials: Option<Credentials> = None;
    for (text, item) in texts {
        let address = match host::parse(&text, &scheme, &path) {
            Ok(address) => address,
            Err(error) => {
                bad_host(&item, &error);
                continue;
            }
        };
        let Address { base, credentials: own } = address;
        match (&credentials, own) {
            (Some(known), Some(own)) if *known != own => {
                item.problem("the hosts have different credentials, one pair is used for all");
            }
            (None, own) => credentials = own,
            _ => {}
        }
        if !hosts.contains(&base) {
            hosts.push(base);
        }
    }
    (hosts, credentials)
}

fn bad_host(item: &At<'_>, error: &AddressError) {
    let hint = "write `host:port` or a URL such as `https://es.example.org:9200`";
    item.problem_with(error.to_string(), hint);
}

fn auth(at: &At<'_>, of_cloud: Option<Credentials>, of_url: Option<Credentials>) -> Auth {
    let key_at = at.get("api_key");
    let user_at = at.get("username");
    let api_key = key_at.text_if_any();
    let user = user_at.text_if_any();
    let password = at.get("password").text_if_any();
    if of_cloud.is_some() && user.is_some() {
        user_at.warn(format!("`{}` gives way to `cloud.auth`", user_at.path()));
    }
    let url_credentials = of_cloud.or(of_url);
    if user.is_none() && password.is_some() {
        at.get("password").problem_with("a `password` without a `username`", "add the user's name");
    }
    if api_key.as_ref().is_some_and(|key| !key.contains(':')) {
        let hint = "it is made of the `id` and the `api_key` of the server's answer";
        key_at.problem_with(format!("`{}` takes `id:key`", key_at.path()), hint);
    }
    if user.is_some() && password.is_none() {
        user_at.warn(format!(
            "`{}` has no `password`: requests go out with an empty one",
            user_at.path()
        ));
    }
    match (api_key, url_credentials, user) {
        (Some(_), url, user) if url.is_some() || user.is_some() => {
            let message = "`api_key` and a user with a password cannot both be used";
            key_at.problem_with(message, "keep one of the two");
            Auth::None
        }
        (Some(key), _, _) => Auth::ApiKey(Secret::new(key)),
        (None, Some((username, password)), _) => {
            Auth::Basic { username, password: Secret::new(password) }
        }
        (None, None, Some(username)) => {
            if username.contains(':') {
                user_at.problem("a user name cannot hold a colon");
            }
            Auth::Basic { username, password: Secret::new(password.unwrap_or_default()) }
        }
        (None, None, None) => Auth::None,
    }
}

fn headers(at: &At<'_>) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (name, value) in at.flat_texts() {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            at.problem(format!("`{name}` is no name of a header"));
        } else if http::HeaderValue::from_str(&value).is_err() {
            at.problem(format!("the value of the header `{name}` holds control characters"));
        } else {
            headers.push((name, Secret::new(value)));
        }
    }
    headers
}

fn proxy(at: &At<'_>) -> Option<Secret> {
    let text = at.text_if_any()?;
    let url = if text.contains("://") { text } else { format!("http://{text}") };
    let known = url.starts_with("http://") || url.starts_with("https://");
    if !known || url.contains(char::is_whitespace) {
        at.problem_with(
            format!("`{}` takes the URL of an HTTP proxy", at.path()),
            "for example `http://proxy.example.org:3128`",
        );
        return None;
    }
    Some(Secret::new(url))
}

/// Which fields an answer has is asked for as they are needed: a second wish would leave open which one counts.
fn parameters(at: &At<'_>) -> Vec<(String, String)> {
    let mut parameters = at.flat_texts();
    let before = parameters.len();
    parameters.retain(|(name, _)| name != "filter_path");
    if parameters.len() < before {
        at.warn(format!(
            "`{}.filter_path` is left out: shipper asks for the fields of an answer that it needs",
            at.path()
        ));
    }
    parameters
}

/// Reads headers for the proxy; without `proxy_url` nobody gets them.
fn proxy_headers(at: &At<'_>) -> Vec<(String, Secret)> {
    let own = at.get("proxy_headers");
    let headers = headers(&own);
    if !headers.is_empty() && !at.get("proxy_url").is_there() {
        own.warn(format!(
            "`{}` go to the proxy of `proxy_url` alone, and there is none",
            own.path()
        ));
    }
    headers
}

fn template(at: &At<'_>) -> TemplateSettings {
    let settings = at.get("settings");
    let settings_json = settings
        .map()
        .map(fields::json_object)
        .filter(|object| !object.is_empty())
        .map(|object| serde_json::Value::Object(object).to_string());
    TemplateSettings {
        enabled: at.get("enabled").boolean().unwrap_or(true),
        overwrite: at.get("overwrite").boolean().unwrap_or(false),
        name: format_string(&at.get("name")),
        pattern: format_string(&at.get("pattern")),
        settings_json,
    }
}
