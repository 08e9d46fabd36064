//! Lines of containers: Docker's JSON files, and those of the container runtime interface (CRI).
//!
//! Formats: Docker's `json-file` logging driver (`{"log":"…\n","stream":"stdout","time":"…"}`, where a text without its
//! line end goes on in the next line), and CRI's `time stream P|F text` (Kubernetes, kuberuntime's logs), where `P`
//! goes on.

use crate::parsers::timestamp::{Rendered, parse_rfc3339, render};
use crate::settings::reading::{ContainerFormat, ContainerSettings, ContainerStream};
use serde::Deserialize;
use std::borrow::Cow;

/// A line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLine<'a> {
    /// Its text, without line end.
    pub text: Cow<'a, [u8]>,
    /// `stdout` or `stderr`.
    pub stream: Cow<'a, str>,
    /// When it was written.
    pub time: Option<Rendered>,
    /// Whether the next line goes on with it.
    pub is_partial: bool,
}

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
}

/// Reads a line; `None` for one that is none of a container's.
#[must_use]
pub fn read(line: &[u8], format: ContainerFormat) -> Option<ContainerLine<'_>> {
    match format {
        ContainerFormat::Docker => docker(line),
        ContainerFormat::Cri => cri(line),
        ContainerFormat::Auto if line.starts_with(b"{") => docker(line),
        ContainerFormat::Auto => cri(line),
    }
}

/// Tells whether lines of a stream are sent.
#[must_use]
pub fn is_sent(settings: &ContainerSettings, stream: &str) -> bool {
    match settings.stream {
        ContainerStream::All => true,
        ContainerStream::Stdout => stream == "stdout",
        ContainerStream::Stderr => stream == "stderr",
    }
}

fn docker(line: &[u8]) -> Option<ContainerLine<'_>> {
    let Docker { log, stream, time } = serde_json::from_slice(line).ok()?;
    let is_partial = !log.ends_with('\n');
    let text = match log {
        Cow::Borrowed(log) => Cow::Borrowed(without_end(log).as_bytes()),
        Cow::Owned(mut log) => {
            log.truncate(without_end(&log).len());
            Cow::Owned(log.into_bytes())
        }
    };
    let time = parse_rfc3339(time.as_bytes()).map(render);
    Some(ContainerLine { text, stream, time, is_partial })
}

fn without_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn cri(line: &[u8]) -> Option<ContainerLine<'_>> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tags) = (parts.next()?, parts.next()?, parts.next()?);
    let text = parts.next().unwrap_or_default();
    let stream = std::str::from_utf8(stream).ok()?;
    let time = parse_rfc3339(time)?;
    if !matches!(stream, "stdout" | "stderr") {
        return None;
    }
    let is_partial = tags.split(|byte| *byte == b':').next() == Some(b"P");
    Some(ContainerLine {
        text: text.into(),
        stream: stream.into(),
        time: Some(render(time)),
        is_partial,
    })
}
