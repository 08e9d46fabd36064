//! The standard definitions of grok, and those of ours that stand in place of some.

/// Definitions in place of standard ones.
///
/// Where a standard one looks around, ours matches the same wherever the text beside it is no digit or letter. Access
/// lines of Apache have the names of ECS, as Logstash's own set has them since its version 8: the old ones give `agent`
/// a text, which is an object in every document.
#[rustfmt::skip]
const OURS: &[(&str, &str)] = &[
    ("BASE10NUM", r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"),
    ("BASE16NUM", r"[+-]?(?:0x)?[0-9A-Fa-f]+"),
    ("BASE16FLOAT", r"\b[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)\b"),
    ("QUOTEDSTRING", r#"(?:"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'|`(?:\\.|[^\\`])*`)"#),
    ("IPV4", concat!(
        r"\b{start-half}(?:(?:25[0-5]|2[0-4][0-9]|[0-1]?[0-9]{1,2})[.]){3}",
        r"(?:25[0-5]|2[0-4][0-9]|[0-1]?[0-9]{1,2})\b{end-half}",
    )),
    ("TIME", r"%{HOUR}:%{MINUTE}(?::%{SECOND})\b{end-half}"),
    ("HAPROXYTIME", r"%{HOUR:haproxy_hour}:%{MINUTE:haproxy_minute}(?::%{SECOND:haproxy_second})\b{end-half}"),
    ("IPTABLES4_FRAG", r"(?:CE|DF|MF)?"),
    ("SYSLOGPAMSESSION", concat!(
        r"%{SYSLOGBASE} (?<message>%{WORD:pam_module}\(%{DATA:pam_caller}\): session ",
        r"%{WORD:pam_session_state} for user %{USERNAME:username}(?: by %{GREEDYDATA:pam_by})?.*)",
    )),
    ("MONGO_QUERY", r"\{ .* \}"),
    ("RUUID", "[0-9A-Fa-f]{32}"),
    ("HTTPD_COMMONLOG", concat!(
        r"%{IPORHOST:source.address} (?:-|%{HTTPDUSER:apache.access.user.identity}) ",
        r#"(?:-|%{HTTPDUSER:user.name}) \[%{HTTPDATE:timestamp}\] "(?:%{WORD:http.request.method} "#,
        r#"%{NOTSPACE:url.original}(?: HTTP/%{NUMBER:http.version})?|%{DATA})" "#,
        r"(?:-|%{INT:http.response.status_code:int}) (?:-|%{INT:http.response.body.bytes:int})",
    )),
    ("HTTPD_COMBINEDLOG", concat!(
        r#"%{HTTPD_COMMONLOG} "(?:-|%{DATA:http.request.referrer})" "#,
        r#""(?:-|%{DATA:user_agent.original})""#,
    )),
];

/// Names of fields in the standard definitions that are objects in ECS, and where what they say is there.
const RENAMED: [(&str, &str); 7] = [
    ("agent", "user_agent.original"),
    ("event", "event.action"),
    ("service", "network.protocol"),
    ("source", "zeek.files.source"),
    ("url", "url.original"),
    ("user", "user.name"),
    ("user_agent", "user_agent.original"),
];

/// Returns the name of a field that a standard definition calls `name`, where it has another one.
pub(super) fn renamed(name: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

/// Finds a definition by its name.
pub(super) fn definition(name: &str) -> Option<&'static str> {
    let ours = OURS.iter().find(|(known, _)| *known == name);
    // The set is in the order of its names.
    let theirs = || {
        let all = grok::patterns();
        let found = all.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        all.get(found)
    };
    ours.or_else(theirs).map(|(_, definition)| *definition)
}

/// Returns the names of all definitions.
pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    grok::patterns().iter().map(|(name, _)| *name)
}
