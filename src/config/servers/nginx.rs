//! nginx's configuration: words, quotes, blocks and includes.

use super::words::{unescaped, with_wildcards};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Budget, Files, Log, ServerError, Spot};
use crate::config::check::nearest;
use crate::settings::{Escape, ServerFormat, WebServer};

/// The format that needs no definition.
pub const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                            \"$http_referer\" \"$http_user_agent\"";

/// Where Debian's nginx logs that is not told where.
const DEFAULT_LOG: &str = "/var/log/nginx/access.log";

/// A word, or what ends statements.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// As it stands within its quotes.
    Word(String),
    Semicolon,
    Open,
    Close,
}

/// A definition or a log, as it was read.
#[derive(Debug)]
struct Statement {
    words: Vec<String>,
    spot: Spot,
    /// It stands in `stream`, whose formats are others than those of `http`, under the same names maybe.
    is_of_stream: bool,
}

/// Reads a configuration, beginning with the text of its main file.
///
/// # Errors
/// When an included file cannot be read, a quote is not closed, or a format is not defined.
pub(super) fn logs(path: &Path, text: String, files: &dyn Files) -> Result<Vec<Log>, ServerError> {
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut reader = Reader {
        files,
        directory,
        budget: Budget::default(),
        found: Vec::new(),
        blocks: Vec::new(),
    };
    reader.file(path, &text)?;
    let mut formats = Vec::new();
    for statement in reader.found.iter().filter(|found| found.words[0] == "log_format") {
        formats.push(format(statement)?);
    }
    let mut logs = Vec::new();
    let mut has_log = false;
    for statement in reader.found.iter().filter(|found| found.words[0] == "access_log") {
        has_log |= !statement.is_of_stream;
        logs.extend(log(statement, &formats)?);
    }
    if !has_log {
        let spot = Spot { file: Rc::from(path), line: 1 };
        logs.push(combined(DEFAULT_LOG.to_owned(), spot));
    }
    Ok(logs)
}

struct Reader<'a> {
    files: &'a dyn Files,
    directory: PathBuf,
    budget: Budget,
    found: Vec<Statement>,
    /// Whether each block that is open is `stream`.
    blocks: Vec<bool>,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, text: &str) -> Result<(), ServerError> {
        let file: Rc<Path> = Rc::from(path);
        self.budget.enter(&Spot { file: Rc::clone(&file), line: 1 })?;
        let mut words: Vec<String> = Vec::new();
        let mut first_line = 1;
        let mut tokens = Tokens { text, at: 0, line: 1 };
        loop {
            let line = tokens.line;
            let spot = |line| Spot { file: Rc::clone(&file), line };
            let token = tokens.next().map_err(|message| {
                ServerError::at(&spot(line), message, "close it; `nginx -t` tells more")
            })?;
            match token {
                None => break,
                Some(Token::Word(word)) => {
                    if words.is_empty() {
                        first_line = tokens.line;
                    }
                    words.push(word);
                }
                Some(Token::Semicolon) => {
                    self.statement(std::mem::take(&mut words), &spot(first_line))?;
                }
                Some(Token::Open) => {
                    if words.first().is_some_and(|word| word.ends_with("_by_lua_block")) {
                        tokens.skip_block();
                    } else {
                        self.blocks.push(words.first().is_some_and(|word| word == "stream"));
                    }
                    words.clear();
                }
                Some(Token::Close) => {
                    self.blocks.pop();
                    words.clear();
                }
            }
        }
        if let Some(word) = words.first() {
            let spot = Spot { file, line: first_line };
            let hint = "write `;` behind its last word; `nginx -t` tells more";
            return Err(ServerError::at(&spot, format!("`{word}` has no `;` at its end"), hint));
        }
        self.budget.leave();
        Ok(())
    }

    fn statement(&mut self, words: Vec<String>, spot: &Spot) -> Result<(), ServerError> {
        match words.first().map(String::as_str) {
            Some("include") => {
                let pattern = words.get(1).map(|word| unescaped(word)).unwrap_or_default();
                let pattern = self.directory.join(pattern);
                let has_wildcard = pattern.to_string_lossy().contains(['*', '?', '[']);
                let found = if has_wildcard {
                    self.files.matching(&pattern)
                } else {
                    vec![pattern.clone()]
                };
                for path in found {
                    let text = self
                        .files
                        .read(&path)
                        .map_err(|error| ServerError::of_included(spot, &path, &error))?;
                    self.file(&path, &text)?;
                }
            }
            Some("log_format" | "access_log") => {
                let is_of_stream = self.blocks.contains(&true);
                self.found.push(Statement { words, spot: spot.clone(), is_of_stream });
            }
            _ => {}
        }
        Ok(())
    }
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Tokens<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bump(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Returns the next token, with `line` where it begins.
    fn next(&mut self) -> Result<Option<Token>, String> {
        while let Some(byte) = self.peek() {
            if byte == b'#' {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.bump();
                }
            } else if byte.is_ascii_whitespace() || byte == 0xef || byte == 0xbb || byte == 0xbf {
                self.bump();
            } else {
                break;
            }
        }
        let Some(byte) = self.peek() else { return Ok(None) };
        let sign = match byte {
            b';' => Token::Semicolon,
            b'{' => Token::Open,
            b'}' => Token::Close,
            b'"' | b'\'' => return self.quoted(byte).map(Some),
            _ => return Ok(Some(self.word())),
        };
        self.bump();
        Ok(Some(sign))
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        while let Some(byte) = self.peek() {
            let is_variable =
                byte == b'{' && self.text.as_bytes().get(self.at.wrapping_sub(1)) == Some(&b'$');
            if byte.is_ascii_whitespace() || byte == b';' || (byte == b'{' && !is_variable) {
                break;
            }
            if byte == b'\\' {
                self.bump();
            }
            self.bump();
        }
        self.at = self.at.min(self.text.len());
        Token::Word(self.text.get(start..self.at).unwrap_or_default().to_owned())
    }

    fn quoted(&mut self, quote: u8) -> Result<Token, String> {
        self.at += 1;
        let (start, line) = (self.at, self.line);
        while let Some(byte) = self.peek() {
            if byte == quote {
                let word = self.text[start..self.at].to_owned();
                self.at += 1;
                return Ok(Token::Word(word));
            }
            if byte == b'\\' {
                self.bump();
            }
            self.bump();
        }
        self.line = line;
        Err("a quote is not closed".to_owned())
    }

    /// Goes behind a block of Lua, whose opening brace was read: braces in its texts and comments do not count.
    fn skip_block(&mut self) {
        let mut depth = 1;
        let mut within = None;
        while let Some(byte) = self.peek().filter(|_| 0 < depth) {
            match (within, byte) {
                (Some(b'\n'), b'\n') => within = None,
                (Some(_), b'\\') => self.bump(),
                (Some(quote), _) if quote == byte => within = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => within = Some(byte),
                (None, b'-') if self.text.as_bytes().get(self.at + 1) == Some(&b'-') => {
                    within = Some(b'\n');
                }
                (None, _) => depth += i32::from(byte == b'{') - i32::from(byte == b'}'),
            }
            self.bump();
        }
    }
}

struct Named {
    name: String,
    is_of_stream: bool,
    format: ServerFormat,
    spot: Spot,
}

fn format(statement: &Statement) -> Result<Named, ServerError> {
    let [_, name, parts @ ..] = statement.words.as_slice() else {
        let hint = "write `log_format`, a name, and the format; `nginx -t` tells more";
        return Err(ServerError::at(&statement.spot, "`log_format` has no name", hint));
    };
    let (escape, parts) = match parts.first().and_then(|part| part.strip_prefix("escape=")) {
        Some("json") => (Escape::Json, &parts[1..]),
        Some("none") => (Escape::None, &parts[1..]),
        Some("default") => (Escape::Default, &parts[1..]),
        Some(other) => {
            let message = format!("`escape={other}` is none of `default`, `json` and `none`");
            let hint = match nearest(other, ["default", "json", "none"].into_iter()) {
                Some(near) => format!("did you mean `escape={near}`?"),
                None => "write one of them, or leave it out, which is `default`".to_owned(),
            };
            return Err(ServerError::at(&statement.spot, message, hint));
        }
        None => (Escape::Default, parts),
    };
    let format = ServerFormat { server: WebServer::Nginx, text: parts.concat(), escape };
    let Statement { spot, is_of_stream, .. } = statement;
    Ok(Named { name: name.clone(), is_of_stream: *is_of_stream, format, spot: spot.clone() })
}

/// Makes a log of a statement, if it is one in a file.
fn log(statement: &Statement, formats: &[Named]) -> Result<Option<Log>, ServerError> {
    let Some(path) = statement.words.get(1).map(|path| unescaped(path)) else {
        let hint = "write the path of a file, or `off`; `nginx -t` tells more";
        return Err(ServerError::at(&statement.spot, "`access_log` has no path", hint));
    };
    if path == "off" || path.starts_with("syslog:") || path.starts_with("memory:") {
        return Ok(None);
    }
    let path = with_wildcards(&path);
    let name =
        statement.words.get(2).filter(|word| !is_option(word)).map_or("combined", String::as_str);
    let formats = || formats.iter().filter(|one| one.is_of_stream == statement.is_of_stream);
    if let Some(named) = formats().rfind(|format| format.name == name) {
        let (format, spot) = (named.format.clone(), named.spot.clone());
        return Ok(Some(Log { path, name: name.to_owned(), format, spot }));
    }
    if name == "combined" {
        return Ok(Some(combined(path, statement.spot.clone())));
    }
    let known = formats().map(|format| format.name.as_str()).chain(["combined"]);
    let message = format!("there is no `log_format {name}`");
    Err(ServerError::undefined(&statement.spot, message, name, known))
}

fn combined(path: String, spot: Spot) -> Log {
    let text = COMBINED.to_owned();
    let format = ServerFormat { server: WebServer::Nginx, text, escape: Escape::Default };
    Log { path, name: "combined".to_owned(), format, spot }
}

fn is_option(word: &str) -> bool {
    word == "gzip" || ["buffer=", "flush=", "gzip=", "if="].iter().any(|key| word.starts_with(key))
}
