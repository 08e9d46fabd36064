//! What a client is that is no browser: a bot, a scanner, or a tool.
//!
//! Bots and tools name themselves; scanners do so too, or ask for what no honest client asks for. The lists are short on
//! purpose: what is in them is never a browser.

use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

/// `labels.client` of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// Reads pages by itself.
    Bot,
    /// A program that somebody wrote or typed.
    Tool,
    /// Looks for holes.
    Scanner,
}

impl Client {
    /// Returns the label's value as JSON.
    pub(super) fn json(self) -> &'static [u8] {
        match self {
            Self::Bot => b"\"bot\"",
            Self::Tool => b"\"tool\"",
            Self::Scanner => b"\"scanner\"",
        }
    }
}

/// Parts of user agents.
const AGENTS: &[(&str, Client)] = &[
    ("bot/", Client::Bot),
    ("bot;", Client::Bot),
    ("bot)", Client::Bot),
    ("-bot", Client::Bot),
    ("bot-", Client::Bot),
    ("googlebot", Client::Bot),
    ("crawler", Client::Bot),
    ("spider", Client::Bot),
    ("slurp", Client::Bot),
    ("facebookexternalhit", Client::Bot),
    ("mediapartners-google", Client::Bot),
    ("feedfetcher", Client::Bot),
    ("+http", Client::Bot),
    ("curl/", Client::Tool),
    ("wget/", Client::Tool),
    ("python-requests/", Client::Tool),
    ("python-urllib/", Client::Tool),
    ("aiohttp/", Client::Tool),
    ("python-httpx/", Client::Tool),
    ("go-http-client/", Client::Tool),
    ("libwww-perl/", Client::Tool),
    ("okhttp/", Client::Tool),
    ("apache-httpclient/", Client::Tool),
    ("java/", Client::Tool),
    ("axios/", Client::Tool),
    ("node-fetch", Client::Tool),
    ("guzzlehttp/", Client::Tool),
    ("httpie/", Client::Tool),
    ("postmanruntime/", Client::Tool),
    ("apachebench/", Client::Tool),
    ("scrapy/", Client::Tool),
    ("nikto", Client::Scanner),
    ("sqlmap", Client::Scanner),
    ("nmap scripting engine", Client::Scanner),
    ("masscan", Client::Scanner),
    ("zgrab", Client::Scanner),
    ("wpscan", Client::Scanner),
    ("nuclei", Client::Scanner),
    ("gobuster", Client::Scanner),
    ("dirbuster", Client::Scanner),
    ("feroxbuster", Client::Scanner),
    ("ffuf", Client::Scanner),
    ("acunetix", Client::Scanner),
    ("nessus", Client::Scanner),
    ("openvas", Client::Scanner),
    ("qualys", Client::Scanner),
    ("censysinspect", Client::Scanner),
    ("expanse, a palo alto", Client::Scanner),
    ("internet-measurement", Client::Scanner),
    ("l9explore", Client::Scanner),
    ("w3af", Client::Scanner),
    ("${jndi:", Client::Scanner),
];

/// Parts of targets that nobody asks for who means well.
const TARGETS: &[&str] = &[
    "/.env",
    "/.git/",
    "/.aws/",
    "/.ssh/",
    "/.svn/",
    "/wp-config.php",
    "/phpunit/",
    "eval-stdin.php",
    "/etc/passwd",
    "../../",
    "..%2f..%2f",
    "%2e%2e/",
    "${jndi:",
    "%24%7bjndi",
    "/cgi-bin/luci",
    "/boaform/",
    "/hnap1",
    "/_ignition/execute-solution",
    "/actuator/gateway",
    "union+select",
    "union%20select",
    "<script",
    "%3cscript",
    "allow_url_include",
];

static IN_AGENTS: LazyLock<AhoCorasick> =
    LazyLock::new(|| searcher(AGENTS.iter().map(|(part, _)| *part)));

static IN_TARGETS: LazyLock<AhoCorasick> = LazyLock::new(|| searcher(TARGETS.iter().copied()));

fn searcher(parts: impl Iterator<Item = &'static str>) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(parts)
        .expect("our own lists are small")
}

/// Tells what a user agent is; `None` for a browser, or what passes for one.
pub(super) fn of_agent(text: &[u8], is_spider: bool) -> Option<Client> {
    let found = IN_AGENTS.find_overlapping_iter(text).map(|found| AGENTS[found.pattern()].1).max();
    found.or(is_spider.then_some(Client::Bot))
}

/// Tells whether a target is one that only scanners ask for.
pub(super) fn is_probe(target: &[u8]) -> bool {
    IN_TARGETS.is_match(target)
}
