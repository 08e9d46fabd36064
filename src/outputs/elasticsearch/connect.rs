//! Connecting: who answers there, and whether the templates are in place.

use super::bulk::{Answer, excerpt, read_answer};
use super::hosts::{Connects, Failure, FailureKind};
use super::template::{index_template, template_url};
use super::{Cluster, Shutdown};
use crate::disk::Disk;
use crate::host::random_bytes;
use crate::outputs::links::TemplateTarget;
use reqwest::Method;
use serde::Deserialize;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::watch;
use tracing::{debug, info, warn};

/// Answer of `GET /`.
#[derive(Deserialize)]
struct Root {
    version: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    number: Option<String>,
    distribution: Option<String>,
}

/// How a template's installation went.
enum Installed {
    Yes,
    /// Not now: to be tried at the next connect.
    Later(String),
}

impl<D: Disk + Sync> Cluster<D> {
    /// Connects a host, again whenever it does not answer, until the stop.
    pub(super) async fn keep_connected(
        &self,
        host: usize,
        mut shutdown: watch::Receiver<Shutdown>,
    ) {
        let mut changes = self.hosts.changes();
        loop {
            changes.borrow_and_update();
            let until = match self.hosts.connects(host, Instant::now()) {
                Connects::Now => {
                    self.connect(host).await;
                    continue;
                }
                Connects::At(until) => Some(until),
                Connects::NotNow => None,
            };
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let stopped = shutdown.wait_for(|how| *how != Shutdown::Running);
            tokio::select! {
                _ = stopped => return,
                _ = changes.changed() => {}
                () = over => {}
            }
        }
    }

    /// Tries a host; tells whether it answers as Elasticsearch does.
    async fn connect(&self, host: usize) -> bool {
        let begun = Instant::now();
        self.hosts.connecting(host, begun);
        let base = self.hosts.url(host);
        let fail = |reason: String, retry_after, hint| {
            let random = f64::from(u16::from_ne_bytes(random_bytes())) / 65_536.0;
            let kind = FailureKind::Refused;
            let failure = Failure { kind, reason: &reason, retry_after, hint };
            self.hosts.failed((host, begun), failure, None, random, Instant::now());
            false
        };
        let response = match self.client.call(Method::GET, &format!("{base}/"), None).await {
            Ok(response) => response,
            Err(none) => return fail(none.reason, None, None),
        };
        match response.status {
            200..300 => {
                if let Ok(Root { version: Some(version) }) =
                    serde_json::from_slice::<Root>(&response.body)
                {
                    tell_version(&version);
                } else {
                    let page = excerpt(&response.body);
                    let reason = format!("what answers is not Elasticsearch: {page}");
                    return fail(reason, None, None);
                }
            }
            // A key for writing alone may not ask who answers: bulk requests say what is wrong, if anything is.
            403 => debug!("the server does not say its version to this user"),
            // A proxy that lets only bulk requests through; if the address is wrong, these say so.
            status @ (404 | 405) => {
                if !self.silence_told.swap(true, Ordering::Relaxed) {
                    warn!(
                        "{base} does not say what it is ({status}): its version is not known, and bulk requests show \
                         whether it takes documents"
                    );
                }
            }
            status => {
                let (reason, hint) = refusal(status, &response.body);
                return fail(reason, response.retry_after, hint);
            }
        }
        if let Installed::Later(reason) = self.install_templates(base).await {
            return fail(reason, None, None);
        }
        if self.hosts.connected(host) {
            self.stats.sending.reconnects.add(1);
        }
        true
    }

    async fn install_templates(&self, base: &str) -> Installed {
        // One host at a time: what one has installed the others have.
        let mut there = self.templates_there.lock().await;
        if *there || !self.settings.template.enabled {
            return Installed::Yes;
        }
        for target in &self.templates {
            if let Installed::Later(reason) = self.install_template(base, target).await {
                return Installed::Later(reason);
            }
        }
        *there = true;
        Installed::Yes
    }

    /// Puts a template in place that is not there; what cannot be done for lack of a privilege is a warning.
    async fn install_template(&self, base: &str, target: &TemplateTarget) -> Installed {
        let settings = &self.settings.template;
        let name = settings.name.as_deref().unwrap_or(&target.name);
        let url = template_url(base, name);
        if !settings.overwrite {
            match self.client.call(Method::HEAD, &url, None).await {
                Ok(response) if response.status == 200 => {
                    info!("index template `{name}` is there and kept");
                    return Installed::Yes;
                }
                Ok(response) if response.status == 404 => {}
                Ok(response) if is_refusal(response.status) => {
                    return refused(name, response.status);
                }
                Ok(response) => {
                    let page = excerpt(&response.body);
                    return Installed::Later(format!(
                        "asking for index template `{name}` was answered {}: {page}",
                        response.status
                    ));
                }
                Err(none) => return Installed::Later(none.reason),
            }
        }
        let json = index_template(target, settings);
        match self.client.call(Method::PUT, &url, Some(json)).await {
            Ok(response) if response.status < 300 => {
                info!("index template `{name}` installed");
                Installed::Yes
            }
            Ok(response) if is_refusal(response.status) => refused(name, response.status),
            Ok(response) if response.status == 400 => {
                warn!(
                    hint = "install a template of your own, or set setup.template.enabled: false",
                    "index template `{name}` was refused: {}",
                    excerpt(&response.body)
                );
                Installed::Yes
            }
            Ok(response) => Installed::Later(format!(
                "installing index template `{name}` was answered {}: {}",
                response.status,
                excerpt(&response.body)
            )),
            Err(none) => Installed::Later(none.reason),
        }
    }
}

/// Returns who says in its greeting that it answers, such as `elasticsearch 8.19.0`; `None` when it is someone else.
pub(super) fn version_text(body: &[u8]) -> Option<String> {
    let version = serde_json::from_slice::<Root>(body).ok()?.version?;
    let number = version.number.unwrap_or_else(|| "unknown".to_owned());
    let kind = version.distribution.unwrap_or_else(|| "elasticsearch".to_owned());
    let text: String = format!("{kind} {number}").chars().take(100).collect();
    Some(text.replace(char::is_control, "?"))
}

/// Says in words what an answer that is no success means, and what a person can do about it.
pub(super) fn refusal(status: u16, body: &[u8]) -> (String, Option<&'static str>) {
    match read_answer(status, body, 0) {
        Answer::Pause(fault) | Answer::Refused(fault) => (fault.to_string(), Some(fault.advice())),
        _ => (format!("{status}: {}", excerpt(body)), None),
    }
}

/// Tells whether a template cannot be had here: for lack of a privilege, or because a proxy lets no such request through.
fn is_refusal(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 405)
}

fn refused(name: &str, status: u16) -> Installed {
    warn!(
        hint = "let someone with the privilege `manage_index_templates` install it, or set setup.template.enabled: false",
        "index template `{name}` cannot be installed by this user ({status}); documents are shipped all the same"
    );
    Installed::Yes
}

fn tell_version(version: &Version) {
    let number = version.number.as_deref().unwrap_or("unknown");
    let kind = version.distribution.as_deref().unwrap_or("elasticsearch");
    debug!("{kind} {number} answers");
    let major = number.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let oldest = if kind == "opensearch" { 1 } else { 7 };
    if major.is_some_and(|major| major < oldest) {
        warn!(
            "{kind} {number} is older than what this was tried with; data streams need 7.9 or later"
        );
    }
}
