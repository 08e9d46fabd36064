//! Hides secrets and control characters in what is shown of a configuration.

use crate::config::spelling::distance;
use crate::config::tree::{Node, Value};

/// Shortest secret that is also hidden where it is repeated: shorter ones are parts of common words.
const REPEATED_MIN: usize = 4;

/// What stands in place of a secret.
pub const MASK: &str = "xxxxx";

/// Ends of key names whose values are never shown.
const SECRET_KEYS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "api-key",
    "token",
    "cookie",
    "secret_token",
    "secret",
    "cloud.auth",
    "authorization",
];

/// Tells whether the value of a key, given with or without the keys above it, is a secret.
#[must_use]
pub fn is_secret_key(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    SECRET_KEYS.iter().any(|key| path.ends_with(key)) || path.contains("headers.")
}

/// Returns a text with the credentials and the query of every address in it masked: `http://xxxxx@host`,
/// `xxxxx@host:9200`, `http://host/?xxxxx`. It rather masks too much: a password may hold a slash that nobody escaped.
#[must_use]
pub fn urls(text: &str) -> String {
    let is_border = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_border) {
        let word = piece.trim_end_matches(is_border);
        let (start, end) = credentials(word).unwrap_or_default();
        let asked = end + query(&word[end..]).unwrap_or(word.len() - end);
        out.push_str(&word[..start]);
        if start < end {
            out.push_str(MASK);
        }
        out.push_str(&word[end..asked]);
        if asked < word.len() {
            out.push_str(MASK);
        }
        out.push_str(&piece[word.len()..]);
    }
    out
}

/// Finds what stands behind the `?` of an address and gives a parameter a value; credentials before it are cut off.
fn query(address: &str) -> Option<usize> {
    let (before, after) = address.split_once('?')?;
    let is_address = |c: char| c.is_ascii_alphanumeric() || "[]{(,=@:/._-".contains(c);
    let is_one = before.contains(char::is_alphanumeric) && before.chars().all(is_address);
    // `a(?=b)` is a pattern, and its `=` has no name.
    let is_name = |c: char| c.is_alphanumeric() || "._-~%+&[];".contains(c);
    let has_name = after
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_name));
    (is_one && has_name).then_some(before.len() + 1)
}

/// Finds what stands before the last `@` of an address.
fn credentials(word: &str) -> Option<(usize, usize)> {
    let end = word.rfind('@')?;
    let before = &word[..end];
    if let Some(scheme) = before.find("://") {
        let start = scheme + 3;
        let inner = &before[start..];
        return (inner.contains(':') || !inner.contains('/')).then_some((start, end));
    }
    let colon = before.find(':')?;
    let start = before[..colon].rfind(['[', '{', '(', '=', ',']).map_or(0, |at| at + 1);
    Some((start, end))
}

/// Returns a line as it may be shown, given the lines before it, and the first column (in
/// characters, from 0) that is not as written.
///
/// It works on the text alone, since a line with a syntax error has to be shown too: whatever
/// follows a secret's key on its line is hidden, and so are the lines below it that are indented
/// deeper.
#[must_use]
pub fn line(before: &[&str], line: &str) -> (String, Option<usize>) {
    if continues_secret(before, line) {
        let indent = indentation(line);
        return (format!("{}{MASK}", &line[..indent]), Some(line[..indent].chars().count()));
    }
    if let Some(value_at) = secret_value(line) {
        return (format!("{}{MASK}", &line[..value_at]), Some(line[..value_at].chars().count()));
    }
    let masked = urls(line);
    let same = masked.chars().zip(line.chars()).take_while(|(left, right)| left == right).count();
    let from = (masked != line).then_some(same);
    (masked, from)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

fn continues_secret(before: &[&str], line: &str) -> bool {
    let mut indent = indentation(line);
    for earlier in before.iter().rev() {
        if earlier.trim().is_empty() || indent <= indentation(earlier) {
            continue;
        }
        indent = indentation(earlier);
        if secret_value(earlier).is_some() {
            return true;
        }
        if indent == 0 {
            break;
        }
    }
    false
}

/// Finds the byte at which the value of a secret's key starts in a line. The key may be mistyped, and its
/// colon may be missing.
fn secret_value(line: &str) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = line[at..].find(is_key_character).map(|found| at + found) {
        let length = line[start..].find(|c| !is_key_character(c));
        let end = length.map_or(line.len(), |length| start + length);
        at = end;
        let after = &line[end..];
        if !names_secret(&line[start..end]) && !holds_key(&line[start..end], after) {
            continue;
        }
        let rest = after.trim_start_matches(['"', '\'', ' ', '\t']);
        let value = rest.strip_prefix([':', '=']).unwrap_or(rest);
        let value = value.trim_start_matches([' ', '\t']);
        let separated = after.starts_with([':', '=', ' ', '\t', '"', '\'']);
        if separated && !value.trim_end_matches([']', '}', ',', '"', '\'']).is_empty() {
            return Some(line.len() - value.len());
        }
        if separated && value.len() < rest.len() {
            // The value comes on the lines below.
            return Some(line.len() - value.len());
        }
    }
    None
}

fn is_key_character(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Tells whether `key` is followed by a private key itself, in this line or below, rather than by the name of its file.
fn holds_key(word: &str, after: &str) -> bool {
    let value = after.trim_start_matches(['"', '\'', ' ', '\t', ':', '=']);
    word.rsplit('.').next() == Some("key")
        && (value.is_empty() || value.starts_with(['|', '>']) || value.starts_with("-----BEGIN"))
}

/// Tells whether a word is the key of a secret, or nearly so.
fn names_secret(word: &str) -> bool {
    if is_secret_key(word) {
        return true;
    }
    let last = word.rsplit('.').next().unwrap_or(word).to_ascii_lowercase();
    // Of `cloud.auth` one level may stand on another line, and headers may hold anything.
    if matches!(last.as_str(), "auth" | "headers" | "proxy_headers") {
        return true;
    }
    SECRET_KEYS.iter().any(|key| {
        let limit = (key.len() / 4).min(2);
        last.len().abs_diff(key.len()) <= limit && distance(&last, key) <= limit
    })
}

/// Collects the secrets of a tree, so that they can be hidden where they are repeated.
#[must_use]
pub fn secrets_of(root: &Node) -> Vec<String> {
    let mut secrets = Vec::new();
    collect(root, "", &mut secrets);
    secrets
}

/// Returns all texts of a tree: below a key that nobody knows, each may be a secret.
#[must_use]
pub fn texts_of(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Null => Vec::new(),
        Value::Scalar(scalar) => vec![scalar.text.clone()],
        Value::List(items) => items.iter().flat_map(texts_of).collect(),
        Value::Map(map) => map.entries.iter().flat_map(|entry| texts_of(&entry.value)).collect(),
    }
}

fn collect(node: &Node, path: &str, secrets: &mut Vec<String>) {
    match &node.value {
        Value::Null => {}
        Value::Scalar(scalar) if names_secret(path) => add_secret(&scalar.text, secrets),
        Value::Scalar(scalar) if scalar.text.contains("PRIVATE KEY") => {
            let lines = scalar.text.lines().filter(|line| !line.starts_with("-----"));
            lines.for_each(|line| add_secret(line.trim(), secrets));
        }
        Value::Scalar(scalar) => {
            if let Some((start, end)) = credentials(&scalar.text) {
                add_secret(&scalar.text[start..end], secrets);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, path, secrets)),
        Value::Map(map) => {
            for entry in &map.entries {
                collect(&entry.value, &format!("{path}.{}", entry.key), secrets);
            }
        }
    }
}

/// Collects what looks like secrets in a text that may be no YAML.
#[must_use]
pub fn secrets_in(text: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    for line in text.lines() {
        if let Some(at) = secret_value(line) {
            let value = line[at..].trim();
            let first = value.split([',', '}', ']']).next().unwrap_or(value);
            add_secret(value.trim_matches(['"', '\'']), &mut secrets);
            add_secret(first.trim_matches(['"', '\'', ' ']), &mut secrets);
        }
        for word in line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')) {
            if let Some((start, end)) = credentials(word) {
                add_secret(&word[start..end], &mut secrets);
            }
        }
    }
    secrets
}

/// Adds a secret and, where it is a pair (`user:password`, `id:key`), its second half.
pub fn add_secret(text: &str, secrets: &mut Vec<String>) {
    let half = text.split_once(':').map_or("", |(_, second)| second);
    for secret in [text, half] {
        // A reference is no secret; what it stands for is taken from the tree.
        let is_reference = secret.starts_with("${");
        let long = REPEATED_MIN <= secret.chars().count();
        if long && !is_reference && !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
        }
    }
    // The longest first, so that no rest of one is left by a part of it.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
}

/// Returns a text with every one of several secrets masked.
#[must_use]
pub fn repeated(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), MASK);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_without_secrets() {
        let none: &[&str] = &[];
        for (before, text, expected, from) in [
            (none, "hosts: [a, b]", "hosts: [a, b]", None),
            (none, "  password: geheim", "  password: xxxxx", Some(12)),
            (
                none,
                "{user: a, \"password\" : 'x', b: c}",
                "{user: a, \"password\" : xxxxx",
                Some(23),
            ),
            (
                none,
                "output.elasticsearch.api_key: a:b",
                "output.elasticsearch.api_key: xxxxx",
                Some(30),
            ),
            (none, "hosts: [\"http://u:p@h:9200\"]", "hosts: [\"http://xxxxx@h:9200\"]", Some(16)),
            (none, "h: http://u:p/w@h", "h: http://xxxxx@h", Some(10)),
            (none, "h: http://h:1/a@b", "h: http://xxxxx@b", Some(10)),
            (none, "h: http://h/a@b", "h: http://h/a@b", None),
            (none, "h: [u:p@h, v:w@i]", "h: [xxxxx@h, xxxxx@i]", Some(4)),
            (none, "h: [http://u:p@h,http://v:w@i]", "h: [http://xxxxx@i]", Some(11)),
            (none, "h=u:p@h", "h=xxxxx@h", Some(2)),
            (none, "h: ['h:1/?key=a'] # b", "h: ['h:1/?xxxxx'] # b", Some(10)),
            (none, "h: [http://u:p@h/?k=a&b, i]", "h: [http://xxxxx@h/?xxxxx i]", Some(11)),
            (none, "pattern: '^a?b=' # a", "pattern: '^a?b=' # a", None),
            (none, "pattern: '(?P<a>b=)'", "pattern: '(?P<a>b=)'", None),
            (none, "pattern: 'a(?=b)'", "pattern: 'a(?=b)'", None),
            (none, "pattern: 'a(?<=b)(?!c=)'", "pattern: 'a(?<=b)(?!c=)'", None),
            (none, "paths: [/var/log/a?.log]", "paths: [/var/log/a?.log]", None),
            (none, "a: b@c", "a: b@c", None),
            (none, "X-Api-Key: geheim", "X-Api-Key: xxxxx", Some(11)),
            (none, "headers: {X-A: geheim}", "headers: xxxxx", Some(9)),
            (&["proxy_headers:"][..], "  X-A: geheim", "  xxxxx", Some(2)),
            (none, "ssl.key: /etc/a.key", "ssl.key: /etc/a.key", None),
            (none, "key: '-----BEGIN PRIVATE KEY", "key: xxxxx", Some(5)),
            (&["ssl:", "  key: |"][..], "    MIGHAgEA", "    xxxxx", Some(4)),
            (&["  key:"][..], "    '-----BEGIN", "    xxxxx", Some(4)),
            (&["password: >"][..], "  geheim", "  xxxxx", Some(2)),
            (&["a:", "  password: |", "    one", ""][..], "    two", "    xxxxx", Some(4)),
            (&["password: a"][..], "b: c", "b: c", None),
        ] {
            assert_eq!(line(before, text), (expected.to_owned(), from), "{text}");
        }
    }
}
