//! Words as both servers write them.

/// Takes the backslashes away that stand before quotes and backslashes.
pub(super) fn unescaped(word: &str) -> String {
    let mut out = String::new();
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(quoted @ ('"' | '\'' | '\\')) if c == '\\' => {
                out.push(*quoted);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// Puts `*` where variables stand.
pub(super) fn with_wildcards(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let name = rest[at + 1..].trim_start_matches('{');
        let name = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        rest = name.strip_prefix('}').unwrap_or(name);
        out.push('*');
    }
    out.push_str(rest);
    out
}
