//! What must not be seen in texts that come from outside: a server, or a proxy, may show a request in its answer.

use crate::settings::{Auth, ElasticsearchSettings, Secret};
use base64::Engine as _;
use reqwest::Url;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;

/// Shortest secret that is sought: shorter ones would blot out innocent words.
const SHORTEST: usize = 4;

/// The same for what need not be a secret.
const SHORTEST_PARAMETER: usize = 8;

/// The secrets of an output, longest first, so that no rest of one is left by a part of it.
pub(super) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("xxxxx")
    }
}

/// Part of every answer that is taken for what it is, so that no excerpt of it is shown.
#[derive(Deserialize)]
struct Known {
    items: Option<IgnoredAny>,
    version: Option<IgnoredAny>,
    docs: Option<IgnoredAny>,
}

impl Secrets {
    pub(super) fn of(settings: &ElasticsearchSettings) -> Self {
        let headers = settings.headers.iter().chain(&settings.proxy_headers);
        let mut all: Vec<String> = headers.map(|(_, value)| value.expose().to_owned()).collect();
        match &settings.auth {
            Auth::None => {}
            Auth::Basic { username, password } => {
                all.push(base64(format!("{username}:{}", password.expose()).as_bytes()));
                all.push(password.expose().to_owned());
            }
            Auth::ApiKey(key) => {
                all.push(base64(key.expose().as_bytes()));
                all.push(key.expose().to_owned());
                all.extend(key.expose().split_once(':').map(|(_, key)| key.to_owned()));
            }
        }
        all.extend(settings.proxy_url.iter().flat_map(of_address));
        let parameters = settings.parameters.iter().map(|(_, value)| value);
        all.extend(parameters.filter(|value| SHORTEST_PARAMETER <= value.len()).cloned());
        all.retain(|secret| SHORTEST <= secret.len());
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self(all)
    }

    /// Takes secrets out of the body of an answer, unless it is one of Elasticsearch's own successes, which is read and
    /// never shown.
    pub(super) fn hide(&self, status: u16, body: Vec<u8>) -> Vec<u8> {
        let shown = |secret: &String| memchr::memmem::find(&body, secret.as_bytes()).is_some();
        if !self.0.iter().any(shown) {
            return body;
        }
        if (200..300).contains(&status)
            && let Ok(known) = serde_json::from_slice::<Known>(&body)
            && (known.items.is_some() || known.version.is_some() || known.docs.is_some())
        {
            return body;
        }
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for secret in &self.0 {
            text = text.replace(secret, "xxxxx");
        }
        text.into_bytes()
    }
}

/// Returns the password in an address, as it is written and as it is sent.
fn of_address(address: &Secret) -> Vec<String> {
    let Ok(url) = Url::parse(address.expose()) else { return Vec::new() };
    let Some(password) = url.password() else { return Vec::new() };
    let (user, plain) = (decoded(url.username()), decoded(password));
    vec![password.to_owned(), base64(format!("{user}:{plain}").as_bytes()), plain]
}

/// Decodes percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes bytes in base64 (RFC 4648, section 4), padded.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_shown_without_secrets_and_successes_are_read_as_they_are() {
        let settings = ElasticsearchSettings {
            auth: Auth::Basic { username: "u".to_owned(), password: Secret::new("items") },
            headers: vec![("x-a".to_owned(), Secret::new("geheim"))],
            proxy_headers: vec![("x-b".to_owned(), Secret::new("zweites"))],
            proxy_url: Some(Secret::new("http://p:a%40long%20one@proxy:1")),
            ..ElasticsearchSettings::default()
        };
        let secrets = Secrets::of(&settings);
        assert_eq!(format!("{secrets:?}"), "xxxxx");
        for (status, body, expected) in [
            (401, "no items, geheim, zweites", "no xxxxx, xxxxx, xxxxx"),
            (200, "<p>dTppdGVtcw== cDphQGxvbmcgb25l</p>", "<p>xxxxx xxxxx</p>"),
            (407, "a%40long%20one or a@long one", "xxxxx or xxxxx"),
            (200, r#"{"errors":false,"items":[]}"#, r#"{"errors":false,"items":[]}"#),
            (200, r#"{"version":{"number":"items"}}"#, r#"{"version":{"number":"items"}}"#),
            (200, r#"{"geheim":1}"#, r#"{"xxxxx":1}"#),
            (200, "nothing", "nothing"),
        ] {
            let shown = secrets.hide(status, body.as_bytes().to_vec());
            assert_eq!(String::from_utf8(shown).unwrap(), expected, "{status} {body}");
        }
    }
}
