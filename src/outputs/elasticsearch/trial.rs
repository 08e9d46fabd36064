//! `shipper test output`: every step towards each host, one after the other, and nothing is written there.
//!
//! Blocking where no HTTP is spoken: it is all that its process does.

mod steps;

use super::client::{HttpClient, Response, read_material};
use super::template::template_url;
use super::tls::{Tls, explain};
use super::{bulk, connect};
use crate::certificates::{Facts, hex, time_text};
use crate::disk::Disk;
use crate::hint::chain_text;
use crate::outputs::links::TemplateTarget;
use crate::settings::{ElasticsearchSettings, Verification};
use reqwest::{Method, Url};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;
use steps::Steps;

/// Longest wait for a connection, or for a piece of TLS.
const PATIENCE: Duration = Duration::from_secs(10);

/// Variables by which the environment names a proxy.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Goes all the way to each host and tells every step by `say`; returns whether all of them can be delivered to.
pub(super) async fn try_out<D: Disk>(
    settings: &ElasticsearchSettings,
    targets: &[TemplateTarget],
    disk: &D,
    say: &mut dyn FnMut(&str),
) -> bool {
    let client = match HttpClient::new(settings, disk) {
        Ok(client) => client,
        Err(problem) => {
            say(&format!("elasticsearch... ERROR {}\n", chain_text(&problem)));
            say(&format!("  hint: {}\n", problem.advice()));
            return false;
        }
    };
    let mut good = true;
    for base in &settings.hosts {
        say(&format!("elasticsearch: {base}...\n"));
        let mut steps = Steps::new(say);
        let trial = Trial { settings, targets, client: &client, base };
        good &= trial.run(disk, &mut steps).await.is_some();
    }
    good
}

/// The way to one host. Each part returns `None` when what follows makes no sense.
struct Trial<'a> {
    settings: &'a ElasticsearchSettings,
    targets: &'a [TemplateTarget],
    client: &'a HttpClient,
    base: &'a str,
}

impl Trial<'_> {
    async fn run<D: Disk>(&self, disk: &D, steps: &mut Steps<'_>) -> Option<()> {
        steps.begin(1, "parse url");
        let url = steps.end(Url::parse(self.base).map_err(|error| error.to_string()))?;
        if let Some(proxy) = self.proxy() {
            steps.note(1, &format!("proxy: {proxy}; the steps before HTTP are its business"));
        } else {
            let stream = connect_to(&url, steps)?;
            if url.scheme() == "https" {
                self.secure(&url, stream, disk, steps)?;
            } else {
                steps.note(
                    1,
                    "TLS... none: what is sent can be read on its way (write https:// for TLS)",
                );
            }
        }
        self.greet(steps).await?;
        let asked = self.authenticate(steps).await?;
        let may_create = if asked { self.privileges(steps).await } else { Some(()) };
        self.templates(steps).await;
        may_create
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<String>,
    ) -> Result<Response, String> {
        let answer = self.client.call(method, &format!("{}{path}", self.base), json).await;
        answer.map_err(|nothing| nothing.reason)
    }

    /// Says which proxy is between, without its credentials.
    fn proxy(&self) -> Option<String> {
        if self.settings.proxy_disable {
            return None;
        }
        if let Some(proxy) = &self.settings.proxy_url {
            let url = Url::parse(proxy.expose()).ok();
            let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
            let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
            return Some(format!("{host}:{port}"));
        }
        let set = |name: &&&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let is_used = !super::client::is_asked_directly(self.settings);
        let variable = PROXY_VARIABLES.iter().find(set).filter(|_| is_used)?;
        Some(format!("that of the environment ({variable})"))
    }

    fn secure<D: Disk>(
        &self,
        url: &Url,
        mut stream: TcpStream,
        disk: &D,
        steps: &mut Steps<'_>,
    ) -> Option<()> {
        steps.note(1, "TLS...");
        steps.note(
            2,
            match self.settings.tls.verification {
                Verification::Full => "security: the server's certificate and its name are checked",
                Verification::Certificate => {
                    "security: the server's certificate is checked, its name is not"
                }
                Verification::None => {
                    "security: WARN nothing is checked: anyone can pretend to be the server"
                }
            },
        );
        steps.begin(2, "handshake");
        let session = self.handshake(url, &mut stream, disk);
        let session = steps.end(session)?;
        let version = session
            .protocol_version()
            .and_then(|version| version.as_str().map(|name| name.replace("TLSv1_", "TLSv1.")));
        steps.note(2, &format!("TLS version: {}", version.unwrap_or_default()));
        let suite = session.negotiated_cipher_suite();
        let suite = suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default();
        steps.note(2, &format!("cipher suite: {suite}"));
        for (number, certificate) in
            session.peer_certificates().unwrap_or_default().iter().enumerate()
        {
            let Some(facts) = Facts::read(certificate) else { continue };
            tell_certificate(&facts, number, steps);
        }
        Some(())
    }

    fn handshake<D: Disk>(
        &self,
        url: &Url,
        stream: &mut TcpStream,
        disk: &D,
    ) -> Result<ClientConnection, String> {
        let material = read_material(self.settings, disk).map_err(|error| chain_text(&error))?;
        let tls = Tls::new(&self.settings.tls, true, &material);
        let Tls { config, asked } = tls.map_err(|error| chain_text(&error))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let session = ClientConnection::new(Arc::new(config), name);
        let mut session = session.map_err(|error| error.to_string())?;
        while session.is_handshaking() {
            session.complete_io(stream).map_err(|error| {
                explain(&error, &asked).unwrap_or_else(|| crate::advice::reason(&error))
            })?;
        }
        Ok(session)
    }

    /// Asks who answers there.
    async fn greet(&self, steps: &mut Steps<'_>) -> Option<()> {
        steps.begin(1, "talk to server");
        let response = match self.call(Method::GET, "/", None).await {
            Ok(response) => response,
            Err(reason) => return steps.end(Err(reason)),
        };
        match response.status {
            200..300 => {
                let Some(version) = connect::version_text(&response.body) else {
                    let page = bulk::excerpt(&response.body);
                    return steps.end(Err(format!("what answers is not Elasticsearch: {page}")));
                };
                steps.end(Ok(()))?;
                steps.note(1, &format!("version: {version}"));
                Some(())
            }
            status @ (403..=405) => {
                steps.end(self.takes_bulk().await)?;
                steps.note(1, &format!("version: not told to this user ({status})"));
                Some(())
            }
            _ => steps.end(Err(refused(&response))),
        }
    }

    /// Sends a bulk request of nothing, which Elasticsearch answers with 400: tells who lets nothing else pass from who
    /// knows nothing of it, as with a wrong path.
    async fn takes_bulk(&self) -> Result<(), String> {
        let response = self.call(Method::POST, "/_bulk", Some(String::new())).await?;
        match response.status {
            200..300 | 400 => Ok(()),
            _ => Err(refused(&response)),
        }
    }

    /// Asks who we are there; `Some(false)` where there is no security that could be asked.
    async fn authenticate(&self, steps: &mut Steps<'_>) -> Option<bool> {
        steps.begin(1, "authentication");
        match self.call(Method::GET, "/_security/_authenticate", None).await {
            Ok(response) if response.status == 200 => {
                steps.end(Ok(()))?;
                let who = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                steps.note(2, &format!("user: {}", printable(&who["username"])));
                if let Some(key) = who["api_key"]["name"].as_str() {
                    steps.note(2, &format!("API key: {}", printable(&key.into())));
                }
                Some(true)
            }
            Ok(response) if response.status == 401 => steps.end(Err(refused(&response))),
            Ok(response) => {
                let status = response.status;
                steps.skipped(&format!("the server has no security that can be asked ({status})"));
                Some(false)
            }
            Err(reason) => steps.end(Err(reason)),
        }
    }

    /// Asks what we may do there; `None` when documents cannot be created.
    async fn privileges(&self, steps: &mut Steps<'_>) -> Option<()> {
        let names: Vec<&str> = self.targets.iter().map(|target| target.pattern.as_str()).collect();
        let question = json!({
            "cluster": ["manage_index_templates"],
            "index": [{"names": names, "privileges": ["create_doc", "auto_configure"]}],
        });
        let path = "/_security/user/_has_privileges";
        let answer = self.call(Method::POST, path, Some(question.to_string())).await;
        let body = match answer {
            Ok(response) if response.status == 200 => response.body,
            Ok(response) => {
                steps.note(1, &format!("privileges... not known: {}", refused(&response)));
                return Some(());
            }
            Err(reason) => {
                steps.note(1, &format!("privileges... not known: {reason}"));
                return Some(());
            }
        };
        let has = serde_json::from_slice(&body).unwrap_or(Value::Null);
        steps.note(1, "privileges...");
        let mut result = Some(());
        for name in names {
            let may = |what: &str| has["index"][name][what].as_bool() == Some(true);
            steps.begin(2, &format!("create documents in {name}"));
            let create = if may("create_doc") {
                Ok(())
            } else {
                Err(format!("give the user or API key the privilege `create_doc` on {name}"))
            };
            result = result.and(steps.end(create));
            steps.begin(2, &format!("create {name} where it is missing"));
            if may("auto_configure") {
                steps.end(Ok(()))?;
            } else {
                steps.warn("no privilege `auto_configure`: it must be there already");
            }
        }
        if self.settings.template.enabled {
            steps.begin(2, "install index templates");
            if has["cluster"]["manage_index_templates"].as_bool() == Some(true) {
                steps.end(Ok(()))?;
            } else {
                steps.warn("no privilege `manage_index_templates`: they must be there already");
            }
        }
        result
    }

    async fn templates(&self, steps: &mut Steps<'_>) {
        if !self.settings.template.enabled {
            return;
        }
        for target in self.targets {
            let name = self.settings.template.name.as_deref().unwrap_or(&target.name);
            steps.begin(1, &format!("index template {name}"));
            match self.call(Method::HEAD, &template_url("", name), None).await {
                Ok(response) if response.status == 200 => drop(steps.end(Ok(()))),
                Ok(response) if response.status == 404 => {
                    steps.skipped("missing, installed at the first connection of a run");
                }
                Ok(response) => steps.warn(&format!("not known ({})", response.status)),
                Err(reason) => steps.warn(&reason),
            }
        }
    }
}

/// Finds the host and connects to the first of its addresses that answers.
fn connect_to(url: &Url, steps: &mut Steps<'_>) -> Option<TcpStream> {
    steps.note(1, "connection...");
    steps.begin(2, "parse host");
    let host = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned());
    let host = steps.end(host.ok_or_else(|| "there is none".to_owned()))?;
    let port = url.port_or_known_default().unwrap_or(9200);
    steps.begin(2, "dns lookup");
    let found = (host.as_str(), port).to_socket_addrs().map_err(|error| {
        let reason = crate::advice::reason(&error);
        format!("{reason} (check the name in hosts, and this machine's DNS)")
    });
    let addresses: Vec<SocketAddr> = steps.end(found)?.collect();
    let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    steps.note(2, &format!("addresses: {}", texts.join(", ")));
    steps.begin(2, "dial up");
    let mut failures = Vec::new();
    for address in addresses {
        match dial(address) {
            Ok(stream) => return steps.end(Ok(stream)),
            Err(error) => failures.push(format!("{address}: {}", crate::advice::reason(&error))),
        }
    }
    let reason = failures.join(", ");
    steps.end(Err(format!("{reason} (check the port, firewalls, and that the server runs)")))
}

fn dial(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn tell_certificate(facts: &Facts, number: usize, steps: &mut Steps<'_>) {
    if number == 0 {
        steps.note(2, &format!("certificate: {}", facts.subject));
        steps.note(3, &format!("for: {}", facts.names_text()));
    } else {
        steps.note(2, &format!("with it: {}", facts.subject));
    }
    steps.note(3, &format!("signed by: {}", facts.issuer));
    let (from, until) = (time_text(facts.not_before), time_text(facts.not_after));
    steps.note(3, &format!("valid: {from} to {until}"));
    steps.note(3, &format!("SHA-256: {}", hex(&facts.fingerprint)));
}

/// Says what a refusal means, with what to do about it.
fn refused(response: &Response) -> String {
    match connect::refusal(response.status, &response.body) {
        (reason, Some(hint)) => format!("{reason} ({hint})"),
        (reason, None) => reason,
    }
}

/// Returns a text of the server as it may be shown on a terminal.
fn printable(value: &Value) -> String {
    let text = value.as_str().unwrap_or("unknown");
    text.chars().take(100).map(|c| if c.is_control() { '?' } else { c }).collect()
}
