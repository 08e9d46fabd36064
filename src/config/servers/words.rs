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
