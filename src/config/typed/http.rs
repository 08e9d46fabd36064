//! `http`: the endpoint that is asked how shipper fares.

use crate::config::typed::value::At;
use crate::settings::HttpSettings;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// Port where nothing is said, as Filebeat has it.
const PORT: u16 = 5066;

/// Reads `http`; nothing of it is looked at unless it is enabled.
#[must_use]
pub fn http(root: &At<'_>) -> Option<HttpSettings> {
    let at = root.get("http");
    if at.get("enabled").boolean() != Some(true) {
        return None;
    }
    let port = at.get("port").integer(0, u16::MAX.into());
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
    let host_at = at.get("host");
    let text = host_at.text_if_any().unwrap_or_else(|| "localhost".to_owned());
    let known = listen(&text, port);
    if known.is_none() {
        host_at.problem_with(
            format!("`http.host` takes a name, an address or a socket, found `{text}`"),
            advice(&text),
        );
    }
    known
}

fn advice(text: &str) -> String {
    let bare = text.rsplit('/').next().unwrap_or(text);
    if let Some((host, port)) = bare.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return format!("the port stands apart: write `http.host: {host}` and `http.port: {port}`");
    }
    "write it as `localhost`, or as `unix:///run/shipper/shipper-http.sock`".to_owned()
}

fn listen(text: &str, port: u16) -> Option<HttpSettings> {
    let host = match text.split_once("://") {
        Some(("unix", path)) => {
            return path.starts_with('/').then(|| HttpSettings::Unix(PathBuf::from(path)));
        }
        Some(("http", host)) => host,
        Some(_) => return None,
        None => text,
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let bare = inner.unwrap_or(host);
    let is_address = bare.parse::<Ipv6Addr>().is_ok();
    let is_name = inner.is_none()
        && !bare.is_empty()
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    (is_address || is_name).then(|| HttpSettings::Tcp { host: bare.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_filebeat_reads_them() {
        let tcp = |host: &str| Some(HttpSettings::Tcp { host: host.to_owned(), port: 7 });
        let unix = |path: &str| Some(HttpSettings::Unix(PathBuf::from(path)));
        for (text, expected) in [
            ("localhost", tcp("localhost")),
            ("http://localhost", tcp("localhost")),
            ("0.0.0.0", tcp("0.0.0.0")),
            ("", None),
            ("::1", tcp("::1")),
            ("[::1]", tcp("::1")),
            ("unix:///run/a.sock", unix("/run/a.sock")),
            ("unix://a.sock", None),
            ("npipe:///filebeat", None),
            ("https://localhost", None),
            ("localhost:5067", None),
            ("[localhost]", None),
            ("a b", None),
        ] {
            assert_eq!(listen(text, 7), expected, "{text}");
        }
    }
}
