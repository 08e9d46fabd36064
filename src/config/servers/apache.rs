//! Apache's configuration: lines that go on, quotes, sections, variables and includes.

use super::words::{unescaped, with_wildcards};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Budget, Files, Log, ServerError, Spot};
use crate::parsers::compiled::nicknamed;
use crate::settings::{Escape, ServerFormat, WebServer};

/// Name of the file, beside the configuration, in which Debian sets variables.
const VARIABLES: &str = "envvars";

/// Reads a configuration, beginning with the text of its main file.
///
/// # Errors
/// When an included file cannot be read, a quote is not closed, or a nickname is not defined.
pub(super) fn logs(path: &Path, text: String, files: &dyn Files) -> Result<Vec<Log>, ServerError> {
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut variables = HashMap::new();
    if let Ok(text) = files.read(&directory.join(VARIABLES)) {
        shell_variables(&text, &directory, &mut variables);
    }
    let mut reader = Reader {
        files,
        root: directory,
        variables,
        budget: Budget::default(),
        skipped: 0,
        host: 0,
        hosts: 0,
        formats: Vec::new(),
        logs: Vec::new(),
    };
    reader.file(path, &text)?;
    reader.logs.iter().map(|log| reader.log(log)).collect()
}

/// What to do about a quote that is not closed.
const QUOTE: &str = "close it on that line; `apachectl configtest` tells more";

/// Directives that are read.
const READ: [&str; 10] = [
    "define",
    "undefine",
    "serverroot",
    "include",
    "includeoptional",
    "logformat",
    "customlog",
    "globallog",
    "transferlog",
    "loadmodule",
];

/// A `LogFormat`; without a name it is that of `TransferLog`.
struct Format {
    host: usize,
    name: String,
    text: String,
    spot: Spot,
}

/// A log as it was read.
struct Written {
    host: usize,
    path: String,
    /// Nickname or format.
    format: String,
    spot: Spot,
}

struct Reader<'a> {
    files: &'a dyn Files,
    root: PathBuf,
    variables: HashMap<String, String>,
    budget: Budget,
    /// Sections that are open and do not count; all within them neither.
    skipped: usize,
    /// Number of the virtual host that is open; 0 is none.
    host: usize,
    hosts: usize,
    formats: Vec<Format>,
    logs: Vec<Written>,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, text: &str) -> Result<(), ServerError> {
        let file: Rc<Path> = Rc::from(path);
        self.budget.enter(&Spot { file: Rc::clone(&file), line: 1 })?;
        let mut lines = text.lines().enumerate();
        while let Some((number, first)) = lines.next() {
            let mut line = first.to_owned();
            while line.ends_with('\\') {
                line.pop();
                let Some((_, more)) = lines.next() else { break };
                line.push_str(more);
            }
            let spot = Spot { file: Rc::clone(&file), line: number + 1 };
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.line(line, &spot)?;
            }
        }
        self.budget.leave();
        Ok(())
    }

    fn line(&mut self, line: &str, spot: &Spot) -> Result<(), ServerError> {
        if let Some(section) = line.strip_prefix('<') {
            self.section(section.trim_end_matches('>').trim());
            return Ok(());
        }
        if 0 < self.skipped {
            return Ok(());
        }
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.to_ascii_lowercase();
        if !READ.contains(&name.as_str()) {
            return Ok(());
        }
        let words = words(&self.with_variables(rest))
            .map_err(|message| ServerError::at(spot, message, QUOTE))?;
        let word =
            |number: usize| words.get(number).map(|word| unescaped(word)).unwrap_or_default();
        match name.as_str() {
            "define" => drop(self.variables.insert(word(0), word(1))),
            "undefine" => drop(self.variables.remove(&word(0))),
            "serverroot" => self.root = PathBuf::from(word(0)),
            "include" | "includeoptional" => {
                self.include(&word(0), name == "includeoptional", spot)?;
            }
            "logformat" => self.formats.push(Format {
                host: self.host,
                name: word(1),
                text: words.first().cloned().unwrap_or_default(),
                spot: spot.clone(),
            }),
            "customlog" | "globallog" | "transferlog" => {
                let format = words.get(1).filter(|_| name != "transferlog").cloned();
                let format =
                    format.filter(|word| !word.starts_with("env=") && !word.starts_with("expr="));
                self.logs.extend(log_paths(&word(0), &self.root).into_iter().map(|path| Written {
                    host: self.host,
                    path,
                    format: format.clone().unwrap_or_default(),
                    spot: spot.clone(),
                }));
            }
            _ => {}
        }
        Ok(())
    }

    fn section(&mut self, section: &str) {
        let (name, argument) = section.split_once(char::is_whitespace).unwrap_or((section, ""));
        let name = name.to_ascii_lowercase();
        let argument = unescaped(argument.trim().trim_matches(['"', '\'']));
        if name.starts_with('/') {
            if 0 < self.skipped {
                self.skipped -= 1;
            } else if name == "/virtualhost" {
                self.host = 0;
            }
            return;
        }
        let counts = match name.as_str() {
            // Which modules are loaded is not sought: that one is there is the more likely.
            "ifmodule" => !argument.starts_with('!'),
            "ifdefine" => match argument.strip_prefix('!') {
                Some(name) => !self.variables.contains_key(name),
                None => self.variables.contains_key(&argument),
            },
            "virtualhost" => {
                if self.skipped == 0 {
                    self.hosts += 1;
                    self.host = self.hosts;
                }
                true
            }
            _ => true,
        };
        // Sections within one that does not count are counted, for their ends come as well.
        if 0 < self.skipped || !counts {
            self.skipped += 1;
        }
    }

    fn include(
        &mut self,
        pattern: &str,
        is_optional: bool,
        spot: &Spot,
    ) -> Result<(), ServerError> {
        let pattern = self.root.join(pattern);
        let has_wildcard = pattern.to_string_lossy().contains(['*', '?', '[']);
        let mut found = self.files.matching(&pattern);
        if found.is_empty() && !has_wildcard && !is_optional {
            found.push(pattern);
        }
        for path in found {
            match self.files.read(&path) {
                Ok(text) => self.file(&path, &text)?,
                Err(_) if is_optional => {}
                Err(error) => return Err(ServerError::of_included(spot, &path, &error)),
            }
        }
        Ok(())
    }

    /// Puts the values of `${NAME}` in; one that is not set stays as it is.
    fn with_variables(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let end = rest[at..].find('}').map(|end| at + end);
            let value = end.and_then(|end| self.variables.get(&rest[at + 2..end]));
            if let (Some(value), Some(end)) = (value, end) {
                out.push_str(value);
                rest = &rest[end + 1..];
            } else {
                out.push_str("${");
                rest = &rest[at + 2..];
            }
        }
        out.push_str(rest);
        out
    }

    /// Finds the format of a log.
    fn log(&self, written: &Written) -> Result<Log, ServerError> {
        let is_text = written.format.contains('%');
        let name = if is_text { String::new() } else { unescaped(&written.format) };
        let of = |host: usize, name: &str| {
            let mut formats = self.formats.iter().rev();
            formats.find(|format| format.host == host && format.name == name)
        };
        let of = |name: &str| of(written.host, name).or_else(|| of(0, name));
        let (text, spot) = if is_text {
            (written.format.clone(), written.spot.clone())
        } else if let Some(format) = of(&name) {
            // A format may be the nickname of another.
            let format = of(&unescaped(&format.text)).unwrap_or(format);
            (format.text.clone(), format.spot.clone())
        } else if name.is_empty() || name.eq_ignore_ascii_case("clf") {
            (nicknamed("common").unwrap_or_default().to_owned(), written.spot.clone())
        } else {
            let message = format!("there is no `LogFormat` with the nickname `{name}`");
            let known = self.formats.iter().filter(|one| [0, written.host].contains(&one.host));
            let known = known.map(|format| format.name.as_str());
            return Err(ServerError::undefined(&written.spot, message, &name, known));
        };
        let format = ServerFormat { server: WebServer::Apache, text, escape: Escape::Default };
        Ok(Log { path: written.path.clone(), name, format, spot })
    }
}

/// Options of `rotatelogs` and `cronolog` that take a word behind them.
const WITH_WORD: [&str; 8] = ["-n", "-p", "-H", "-P", "-z", "-s", "-k", "-d"];

/// Those whose word is a link to the log that is written now.
const WITH_LINK: [&str; 2] = ["-L", "-S"];

/// Returns where a log lies; of a program that is piped to, the files that it is told to write, if they have whole paths.
fn log_paths(path: &str, root: &Path) -> Vec<String> {
    let Some(command) = path.strip_prefix('|') else {
        if path.starts_with("syslog") {
            return Vec::new();
        }
        // Where a variable begins it that is not set here, nobody knows where the rest lies.
        let behind = path.strip_prefix("${").and_then(|rest| rest.split_once("}/"));
        if let Some((_, rest)) = behind {
            return vec![with_wildcards(rest)];
        }
        return vec![root.join(with_wildcards(path)).to_string_lossy().into_owned()];
    };
    let words = command.trim_start_matches(['$', '|']).split_whitespace();
    let mut words = words.map(|word| word.trim_matches(['"', '\'']));
    let is_rotated = words.next().is_some_and(|program| program.ends_with("rotatelogs"));
    let mut paths = Vec::new();
    while let Some(word) = words.next() {
        if WITH_LINK.contains(&word) {
            paths.extend(words.next().map(str::to_owned));
        } else if WITH_WORD.contains(&word) {
            words.next();
        } else if let Some((_, link)) = word.split_once('=').filter(|_| word.starts_with("--")) {
            paths.push(link.to_owned());
        } else if word.starts_with('/') {
            paths.push(dated(word));
            if is_rotated && !word.contains('%') {
                // Seconds since 1970 are appended, or a number.
                paths.push(format!("{word}.*"));
            }
            break;
        }
    }
    paths.retain(|path| path.starts_with('/'));
    paths
}

/// Puts `*` where strftime puts a part of a time.
fn dated(file: &str) -> String {
    let mut pattern = String::new();
    let mut chars = file.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => pattern.push(if chars.next() == Some('%') { '%' } else { '*' }),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Takes the arguments of a directive apart; each as it stands within its quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first != '"' && first != '\'' {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
            continue;
        }
        let inner = &rest[1..];
        let mut is_escaped = false;
        let end = inner.find(|c: char| {
            let is_end = c == first && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        });
        let end = end.ok_or("a quote is not closed")?;
        words.push(inner[..end].to_owned());
        rest = inner[end + 1..].trim_start();
    }
    Ok(words)
}

/// Reads what a script of the shell assigns: `NAME=value` and `export NAME=value`. What stands in conditions is not
/// known, but for the suffix of Debian's second and third Apache, which its directory says.
fn shell_variables(text: &str, directory: &Path, variables: &mut HashMap<String, String>) {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let suffix = name.strip_prefix("apache2-").map(|name| format!("-{name}"));
    variables.insert("SUFFIX".to_owned(), suffix.unwrap_or_default());
    for line in text.lines() {
        if line.starts_with(char::is_whitespace) {
            continue;
        }
        let assignment = line.strip_prefix("export ").unwrap_or(line).trim();
        let Some((name, value)) = assignment.split_once('=') else { continue };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let value = value.trim();
        let value = if value.starts_with(['"', '\'']) {
            value[1..].split(['"', '\'']).next().unwrap_or_default()
        } else {
            value.split_whitespace().next().unwrap_or_default()
        };
        let value = shell_expanded(value, variables);
        variables.insert(name.to_owned(), value);
    }
}

fn shell_expanded(text: &str, variables: &HashMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let has_brace = behind.starts_with('{');
        let behind = behind.strip_prefix('{').unwrap_or(behind);
        let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let end = end.unwrap_or(behind.len());
        out.push_str(variables.get(&behind[..end]).map_or("", String::as_str));
        rest = &behind[end..];
        if has_brace {
            rest = rest.find('}').map_or("", |close| &rest[close + 1..]);
        }
    }
    out.push_str(rest);
    out
}
