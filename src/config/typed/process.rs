//! What concerns the process as a whole: directories, registry, logging, and keys that are accepted
//! with one value only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::typed::value::At;
use crate::settings::{
    LimitSettings, LogFileSettings, LogLevel, LoggingSettings, OnFull, PathSettings,
    RegistrySettings, RescueSettings,
};
use crate::units::ByteSize;

/// Least bandwidth: less would not carry a batch before it is waited for no longer.
const BANDWIDTH_LEAST: u64 = 16 << 10;

/// Directories, with that of the configuration, which no stage needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `path.home`, `path.data`, `path.logs`.
    pub paths: (PathBuf, PathBuf, PathBuf),
    /// `path.config`.
    pub config: PathBuf,
}

/// Reads `path.*`.
#[must_use]
pub fn directories(root: &At<'_>) -> Directories {
    let read = |key: &str| root.get(key).text_if_any().map(PathBuf::from);
    let home = read("path.home").unwrap_or_else(|| PathBuf::from("."));
    let data = read("path.data").unwrap_or_else(|| home.join("data"));
    let logs = read("path.logs").unwrap_or_else(|| home.join("logs"));
    let config = read("path.config").unwrap_or_else(|| home.clone());
    Directories { paths: (home, data, logs), config }
}

/// Makes settings of directories.
#[must_use]
pub fn paths(directories: &Directories) -> PathSettings {
    let (home, data, logs) = directories.paths.clone();
    PathSettings { home, data, logs }
}

/// Reads `limits`.
#[must_use]
pub fn limits(root: &At<'_>) -> LimitSettings {
    let (bandwidth_at, cpu_at) = (root.get("limits.bandwidth"), root.get("limits.cpu"));
    let bandwidth = bandwidth_at.text_if_any().and_then(|text| {
        let size = text.strip_suffix("/s").unwrap_or(&text);
        let size = ByteSize::parse(size).ok().map(|size| size.0);
        let size = size.filter(|size| BANDWIDTH_LEAST <= *size);
        if size.is_none() {
            let expected = "a rate such as `5MB/s`, at least 16 KiB a second";
            match bits(&text) {
                Some(bytes) => bandwidth_at.wrong_with(
                    expected,
                    &text,
                    format!("it is counted in bytes: write `{bytes}/s`"),
                ),
                None => bandwidth_at.wrong(expected, &text),
            }
        }
        size
    });
    let cpu = cpu_at.text_if_any().and_then(|text| {
        let number = text.strip_suffix('%').unwrap_or(&text).trim().parse::<f64>().ok();
        let percent = number.filter(|percent| (1.0..=100_000.0).contains(percent));
        if percent.is_none() {
            let expected = "a share of one core such as `20%`, at least 1%";
            match number.filter(|number| (0.01..1.0).contains(number) && !text.ends_with('%')) {
                Some(share) => {
                    cpu_at.wrong_with(
                        expected,
                        &text,
                        format!("write `{}%`", (share * 1000.0).round() / 10.0),
                    );
                }
                None => cpu_at.wrong(expected, &text),
            }
        }
        percent.map(|percent| percent / 100.0)
    });
    LimitSettings { bandwidth, cpu }
}

/// Returns a number of bits, as networks are sold by (`5Mbit/s`, `1 Gbps`), as bytes.
fn bits(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (number, rest) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let rest = rest.strip_suffix("/s").or_else(|| rest.strip_suffix("ps")).unwrap_or(rest);
    let factor = match rest.strip_suffix("bit").or_else(|| rest.strip_suffix('b'))? {
        "k" => 125.0,
        "m" => 125_000.0,
        "g" => 125_000_000.0,
        _ => return None,
    };
    let bytes = number.trim().parse::<f64>().ok()? * factor;
    let (amount, unit) = if bytes < 1e6 { (bytes / 1e3, "KB") } else { (bytes / 1e6, "MB") };
    Some(format!("{amount}{unit}"))
}

/// Reads `filebeat.registry`; a relative path lies below `path.data`.
#[must_use]
pub fn registry(root: &At<'_>, data: &Path) -> RegistrySettings {
    let at = root.get("filebeat.registry");
    let path = at.get("path").text_if_any().map_or_else(
        || data.join("registry"),
        |path| {
            // `${path.data}/registry` is relative when `path.data` is.
            let path = PathBuf::from(path);
            if path.is_relative() && !path.starts_with(data) { data.join(path) } else { path }
        },
    );
    let default = RegistrySettings::default();
    RegistrySettings {
        path,
        file_permissions: at
            .get("file_permissions")
            .file_mode()
            .unwrap_or(default.file_permissions),
        flush: at.get("flush").duration().unwrap_or(default.flush),
    }
}

/// Reads `rescue`.
#[must_use]
pub fn rescue(root: &At<'_>) -> RescueSettings {
    let at = root.get("rescue");
    let default = RescueSettings::default();
    let on_full = at.get("on_full").word(&["keep", "drop"]);
    RescueSettings {
        bytes_max: at.get("max_size").bytes(0, 1 << 50).unwrap_or(default.bytes_max),
        path: at.get("path").text_if_any().map_or_else(|| default.path.clone(), PathBuf::from),
        on_full: if on_full == Some(1) { OnFull::Drop } else { OnFull::Keep },
        ..default
    }
}

/// Reads `filebeat.shutdown_timeout`; 5 s where nothing is said.
#[must_use]
pub fn shutdown_timeout(root: &At<'_>) -> Duration {
    root.get("filebeat.shutdown_timeout").duration().unwrap_or(Duration::from_secs(5))
}

/// Reads `logging`.
#[must_use]
pub fn logging(root: &At<'_>, logs: &Path) -> LoggingSettings {
    let at = root.get("logging");
    let level =
        match at.get("level").word(&["debug", "info", "warning", "error", "warn", "critical"]) {
            Some(0) => LogLevel::Debug,
            Some(2 | 4) => LogLevel::Warning,
            Some(3 | 5) => LogLevel::Error,
            _ => LogLevel::Info,
        };
    let to_files = at.get("to_files").boolean().unwrap_or(false);
    let files = files(&at.get("files"), logs);
    let metrics = at.get("metrics");
    let period = metrics.get("period").positive_duration().unwrap_or(Duration::from_secs(30));
    let enabled = metrics.get("enabled").boolean().unwrap_or(true);
    LoggingSettings {
        level,
        to_stderr: at.get("to_stderr").boolean().unwrap_or(!to_files),
        json: at.get("json").boolean().unwrap_or(false),
        files: to_files.then_some(files),
        selectors: at.get("selectors").texts().into_iter().map(|(text, _)| text).collect(),
        metrics_period: enabled.then_some(period),
    }
}

fn files(at: &At<'_>, logs: &Path) -> LogFileSettings {
    let name_at = at.get("name");
    let name = name_at.text_if_any().unwrap_or_else(|| "shipper".to_owned());
    if name.contains('/') {
        name_at.problem_with(
            format!("`{}` is a name without a directory", name_at.path()),
            "the directory is `logging.files.path`",
        );
    }
    LogFileSettings {
        path: at.get("path").text_if_any().map_or_else(|| logs.to_owned(), PathBuf::from),
        name,
        rotate_every_bytes: at.get("rotateeverybytes").bytes(64 << 10, 1 << 40).unwrap_or(10 << 20),
        keep_files: at
            .get("keepfiles")
            .integer(1, 1024)
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(7),
        permissions: at.get("permissions").file_mode().unwrap_or(0o600),
    }
}

/// Reads `filebeat.config.modules.reload`: how often the files are looked at, if they are looked at again at all; each 10 s
/// where nothing is said.
#[must_use]
pub fn reload(root: &At<'_>) -> Option<Duration> {
    let section = root.get("filebeat.config.modules");
    let reload = section.get("reload");
    let wanted = reload.get("enabled").boolean() == Some(true);
    let period = reload.get("period").positive_duration().unwrap_or(Duration::from_secs(10));
    let is_on = section.get("enabled").boolean() != Some(false) && section.get("path").is_there();
    (wanted && is_on).then_some(period)
}

/// Says what is not built yet of keys that are accepted with one value.
pub fn one_value_only(root: &At<'_>, matches_nothing: &dyn Fn(&str) -> bool) {
    let key = "setup.dashboards.enabled";
    let at = root.get(key);
    if at.boolean() == Some(true) {
        at.problem_with(format!("`{key}: true` is not supported yet"), "set it to `false`");
    }
    let section = "filebeat.config.inputs";
    let at = root.get(section);
    let path_at = at.get("path");
    if at.get("enabled").boolean() != Some(false)
        && let Some(path) = path_at.text_if_any()
        && !matches_nothing(&path)
    {
        path_at.problem_with(
            format!("`{section}` is not supported yet, and files match `{path}`"),
            format!("set `{section}.enabled: false`, or move the files away"),
        );
    }
}
