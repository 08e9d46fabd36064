//! One address of a server: `host`, `host:port` or a URL, with or without credentials.

use crate::config::mask::MASK;

/// An address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host, port and path; no slash at its end, no credentials.
    pub base: String,
    /// User and password, percent signs decoded.
    pub credentials: Option<(String, String)>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A scheme that is not spoken.
    #[error("`{0}://` is not spoken, only http and https")]
    Scheme(String),
    /// Nothing where the host should be, or what cannot be in a name.
    #[error("`{0}` has no valid host name")]
    Host(String),
    /// No number from 1 to 65535 behind the colon.
    #[error("`{0}` has no valid port")]
    Port(String),
    /// Something behind `?` or `#`.
    #[error("`{0}` has a query: put it under `parameters`")]
    Query(String),
    /// More than one host.
    #[error("`{0}` holds more than one address: write a list")]
    Several(String),
}

/// Reads an address; `scheme` and `path` stand in where it has none, 9200 for a missing port.
///
/// # Errors
/// When it is no address; what is shown of it has its credentials masked.
pub fn parse(text: &str, scheme: &str, path: &str) -> Result<Address, AddressError> {
    let text = text.trim();
    let (written_scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (scheme.to_ascii_lowercase(), text),
    };
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let shown = match credentials {
        Some(_) => format!("{MASK}@{rest}"),
        None => text.to_owned(),
    };
    if !matches!(written_scheme.as_str(), "http" | "https") {
        return Err(AddressError::Scheme(written_scheme));
    }
    if rest.contains(',') {
        return Err(AddressError::Several(shown));
    }
    if rest.contains(['?', '#']) {
        return Err(AddressError::Query(shown));
    }
    let (authority, own_path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority);
    if !is_host(host) {
        return Err(AddressError::Host(shown));
    }
    let port = match port {
        None => 9200,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if 0 < port => port,
            _ => return Err(AddressError::Port(shown)),
        },
    };
    let path = if own_path.trim_matches('/').is_empty() { path } else { own_path };
    let path = path.trim_matches('/');
    let slash = if path.is_empty() { "" } else { "/" };
    let base = format!("{written_scheme}://{host}:{port}{slash}{path}");
    if base.parse::<http::Uri>().is_err() {
        return Err(AddressError::Host(shown));
    }
    Ok(Address { base, credentials: credentials.map(split_credentials) })
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if authority.starts_with('[')
        && let Some(end) = authority.find(']')
    {
        let (host, rest) = authority.split_at(end + 1);
        return (host, if rest.is_empty() { None } else { Some(rest.trim_start_matches(':')) });
    }
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn split_credentials(text: &str) -> (String, String) {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    (percent_decoded(user), percent_decoded(password))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_and_credentials_taken_out() {
        for (text, expected) in [
            ("localhost", Ok(("https://localhost:9200/es", None))),
            ("10.0.0.1:9201", Ok(("https://10.0.0.1:9201/es", None))),
            ("http://a.b", Ok(("http://a.b:9200/es", None))),
            ("http://a:80/", Ok(("http://a:80/es", None))),
            ("http://a/x/y/", Ok(("http://a:9200/x/y", None))),
            ("[::1]:9200", Ok(("https://[::1]:9200/es", None))),
            ("https://[::1]", Ok(("https://[::1]:9200/es", None))),
            ("https://u:p%40w@a", Ok(("https://a:9200/es", Some(("u", "p@w"))))),
            ("u@a:1", Ok(("https://a:1/es", Some(("u", ""))))),
            ("u:p/w@a:1", Ok(("https://a:1/es", Some(("u", "p/w"))))),
            ("", Err("`` has no valid host name")),
            ("http://", Err("`http://` has no valid host name")),
            ("a b", Err("`a b` has no valid host name")),
            ("u:p@a:x", Err("`xxxxx@a:x` has no valid port")),
            ("a:99999", Err("`a:99999` has no valid port")),
            ("a:", Err("`a:` has no valid port")),
            ("::1", Err("`::1` has no valid host name")),
            ("ftp://a", Err("`ftp://` is not spoken, only http and https")),
            ("http://a?x=1", Err("`http://a?x=1` has a query: put it under `parameters`")),
            ("a,b", Err("`a,b` holds more than one address: write a list")),
        ] {
            let read = parse(text, "https", "es").map_err(|error| error.to_string());
            let expected = expected.map_err(str::to_owned).map(|(base, credentials)| Address {
                base: base.to_owned(),
                credentials: credentials.map(|(u, p): (&str, &str)| (u.to_owned(), p.to_owned())),
            });
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
