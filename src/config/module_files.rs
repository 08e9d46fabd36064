//! The files that `filebeat.config.modules` names: each holds a list of modules.

use std::path::{Path, PathBuf};

use crate::config::expand::{self, Environment};
use crate::config::files::{self, FileError, Strictness};
use crate::config::problems::{Problem, Source, SourceKind};
use crate::config::read;
use crate::config::tree::{Node, Value};
use crate::config::typed::process;
use crate::config::typed::value::{At, Notes};

/// What stands in the files; not to be printed, as it may hold secrets.
#[derive(Default)]
pub struct ModuleFiles {
    /// Their lists, references replaced.
    pub lists: Vec<Node>,
    /// Their texts, for which the places count on from the sources of the load.
    pub sources: Vec<Source>,
}

/// Where the files are sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// A relative one starts here: `path.config`.
    pub directory: PathBuf,
    /// `filebeat.config.modules.path`, if it is set.
    pub path: Option<String>,
    /// Whether the files are read: `filebeat.config.modules.enabled`.
    pub is_enabled: bool,
}

/// What a tree was read with.
pub struct Surroundings<'a> {
    /// The tree, before its references were replaced: those in the files may lead to its keys.
    pub raw: &'a Node,
    /// Looks up variables.
    pub environment: Environment<'a>,
    /// Whether files are refused that others may write.
    pub strictness: Strictness,
    /// How many sources there are already.
    pub sources: usize,
}

/// Returns where a tree, its references replaced, says that the files are.
#[must_use]
pub fn pattern(root: &Node) -> Pattern {
    // What is wrong with these keys is told by who reads all of them.
    let notes = Notes::default();
    let root = At::root(root, &notes);
    let section = root.get("filebeat.config.modules");
    let directory = process::directories(&root).config;
    // Below a key that switches its section off, references are left as they are.
    let own = |path: String| path.replace("${path.config}", &directory.to_string_lossy());
    let path = section.get("path").text_if_any().map(own);
    Pattern { directory, path, is_enabled: section.get("enabled").boolean() != Some(false) }
}

impl ModuleFiles {
    /// Reads the files. Adds to `problems` what is wrong, to `expanded` which values could not be made out.
    pub fn read(
        expanded: &mut expand::Expanded,
        surroundings: &Surroundings<'_>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut found = Self::default();
        let Pattern { directory, path: Some(path), is_enabled: true } = pattern(&expanded.root)
        else {
            return found;
        };
        for path in files::matching(&directory, &path) {
            let text = match files::read_found(&path, surroundings.strictness) {
                Ok(text) => text,
                Err(error) => {
                    problems.push(unreadable(&error));
                    continue;
                }
            };
            let number = surroundings.sources + found.sources.len();
            let before = problems.len();
            let list = read::read_any(number, &text, problems);
            found.sources.push(source(&path, text));
            let Some(list) = list.filter(|_| problems.len() == before) else { continue };
            let Surroundings { raw, environment, .. } = surroundings;
            let list = expand::expand_list(raw, &list, environment, problems);
            expanded.failed.extend(list.failed);
            expanded.warnings.extend(list.warnings);
            found.take(list.root, problems);
        }
        found
    }

    fn take(&mut self, list: Node, problems: &mut Vec<Problem>) {
        match list.value {
            Value::List(_) => self.lists.push(list),
            Value::Null => {}
            Value::Map(ref map) => {
                let problem = Problem::new(list.place, "this file takes a list of modules");
                problems.push(problem.hint(if map.get("module").is_some() {
                    "put `- ` before `module`, and indent what is below it by two spaces"
                } else {
                    "begin it with `- module: nginx`: the keys above that belong to the main file"
                }));
            }
            Value::Scalar(_) => {
                let problem = Problem::new(list.place, "this file takes a list of modules");
                problems.push(problem.hint("begin it with `- module: nginx`"));
            }
        }
    }
}

fn source(path: &Path, text: String) -> Source {
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Source { name: path.display().to_string(), text, kind: SourceKind::File }
}

fn unreadable(error: &FileError) -> Problem {
    let text = error.to_string();
    match error {
        // It has its line, caret and hint in it.
        FileError::NotUtf8(_) => Problem::general(text.trim_end()),
        error => Problem::general(text).hint(error.hint()),
    }
}
