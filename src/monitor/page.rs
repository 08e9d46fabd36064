//! What may be asked, and what an answer is.

use hyper::StatusCode;
use serde_json::Value;

/// Content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

const JSON: &str = "application/json; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// `/`: which program it is.
    Info,
    /// `/stats`: all figures.
    Stats,
    /// `/state`: what does not change while it runs.
    State,
    /// `/inputs/`: the figures of each input, or of those of one type.
    Inputs {
        /// The type in lower-case letters.
        kind: Option<String>,
    },
    /// `/metrics`: all figures for Prometheus.
    Metrics,
    /// `/health`: whether it lives.
    Health,
    /// `/ready`: whether it delivers.
    Ready,
}

/// Knows the answers; asked on the thread of the endpoint.
pub trait Pages: Send + Sync + 'static {
    /// Returns the answer to a question.
    fn page(&self, page: &Page) -> Reply;
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Whether all is well: 200, else 503.
    pub is_well: bool,
    /// What is said.
    pub body: Body,
}

/// What is said in an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// The text format of Prometheus.
    Metrics(String),
    /// Plain text.
    Text(String),
}

impl Reply {
    pub(super) fn parts(self, is_pretty: bool) -> (StatusCode, &'static str, String) {
        let status = if self.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match self.body {
            Body::Json(value) if is_pretty => (status, JSON, format!("{value:#}\n")),
            Body::Json(value) => (status, JSON, value.to_string()),
            Body::Metrics(text) => (status, METRICS, text),
            Body::Text(text) => (status, TEXT, text),
        }
    }
}

/// A question that is not answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    text: String,
}

impl Refusal {
    pub(super) fn parts(self) -> (StatusCode, &'static str, String) {
        (self.status, TEXT, self.text)
    }
}

/// Returns what is asked for, and whether JSON is to be indented.
pub(super) fn asked(path: &str, query: Option<&str>) -> Result<(Page, bool), Refusal> {
    let mut page = match path {
        "/" => Page::Info,
        _ => match path.strip_suffix('/').unwrap_or(path) {
            "/stats" => Page::Stats,
            "/state" => Page::State,
            "/inputs" => Page::Inputs { kind: None },
            "/metrics" => Page::Metrics,
            "/health" => Page::Health,
            "/ready" => Page::Ready,
            _ => {
                let text =
                    "there are /, /stats, /state, /inputs/, /metrics, /health and /ready here\n";
                return Err(Refusal { status: StatusCode::NOT_FOUND, text: text.to_owned() });
            }
        },
    };
    let mut is_pretty = false;
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (name, &mut page) {
            ("pretty", _) => is_pretty = value != "false",
            ("type", Page::Inputs { kind }) if !value.is_empty() => {
                *kind = Some(value.to_ascii_lowercase());
            }
            ("type", Page::Inputs { .. }) => {
                let text = "`type` takes the type of an input, as `type=filestream`\n".to_owned();
                return Err(Refusal { status: StatusCode::BAD_REQUEST, text });
            }
            _ => {}
        }
    }
    Ok((page, is_pretty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_and_queries_are_understood_as_filebeat_understands_them() {
        let inputs = |kind: Option<&str>| Page::Inputs { kind: kind.map(str::to_owned) };
        for (path, query, expected) in [
            ("/", None, Ok((Page::Info, false))),
            ("/stats", Some("pretty"), Ok((Page::Stats, true))),
            ("/stats/", Some("pretty=true&other"), Ok((Page::Stats, true))),
            ("/state", Some("pretty=false"), Ok((Page::State, false))),
            ("/inputs/", Some(""), Ok((inputs(None), false))),
            ("/inputs", Some("type=FileStream&pretty"), Ok((inputs(Some("filestream")), true))),
            ("/inputs/", Some("type="), Err(StatusCode::BAD_REQUEST)),
            ("/metrics", Some("type="), Ok((Page::Metrics, false))),
            ("/health", None, Ok((Page::Health, false))),
            ("/ready", None, Ok((Page::Ready, false))),
            ("/stats//", None, Err(StatusCode::NOT_FOUND)),
            ("//", None, Err(StatusCode::NOT_FOUND)),
            ("/Stats", None, Err(StatusCode::NOT_FOUND)),
            ("", None, Err(StatusCode::NOT_FOUND)),
        ] {
            let found = asked(path, query).map_err(|refusal| refusal.status);
            assert_eq!(found, expected, "{path} {query:?}");
        }
    }

    #[test]
    fn json_is_indented_when_asked_for() {
        let reply = Reply { is_well: true, body: Body::Json(json!({"a": 1})) };
        let parts = |text: &str| (StatusCode::OK, JSON, text.to_owned());
        assert_eq!(reply.clone().parts(false), parts("{\"a\":1}"));
        assert_eq!(reply.parts(true), parts("{\n  \"a\": 1\n}\n"));
    }
}
