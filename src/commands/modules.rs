//! `shipper modules`: which modules are switched on, by the names of their files.

use super::report::{self, Failure};
use crate::advice;
use crate::cli::{ConfigArgs, ModulesCommand};
use crate::config::check::nearest;
use crate::config::files;
use crate::config::module_files::Pattern;
use crate::config::modules::{self, MODULES};
use crate::config::{self, Sources};
use crate::disk::{AppendFile as _, Disk, Kind, RealDisk};
use crate::hint::{self, Advised};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What stands behind the name of a file whose module is switched off.
const OFF: &str = ".disabled";

/// Mode of a file that is written.
const FILE_MODE: u32 = 0o644;

/// Mode of a directory that is made.
const DIRECTORY_MODE: u32 = 0o755;

/// Lists modules, or switches them on or off.
pub(super) fn run(config: &ConfigArgs, command: &ModulesCommand) -> Result<ExitCode, Failure> {
    let directory = Directory::of(config)?;
    match command {
        ModulesCommand::List => directory.list(),
        ModulesCommand::Enable(names) => directory.switch(&names.names, Switch::On),
        ModulesCommand::Disable(names) => directory.switch(&names.names, Switch::Off),
    }
}

/// The directory in which each module has a file.
struct Directory {
    path: PathBuf,
    /// What stands behind a module's name: `.yml`.
    ending: String,
    /// Why files in it are not read, if they are not.
    unread: Option<&'static str>,
}

/// What is done with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

/// The modules of a directory that have a file.
#[derive(Debug, Default)]
struct Files {
    on: BTreeSet<String>,
    off: BTreeSet<String>,
}

impl Directory {
    fn of(args: &ConfigArgs) -> Result<Self, Failure> {
        // Without a configuration there is a usual place as well.
        let sources = if report::is_unconfigured(args) {
            Sources { files: Vec::new(), overrides: report::overrides(args) }
        } else {
            report::sources(args)?
        };
        let Pattern { directory, path, is_enabled } =
            config::module_pattern(&sources, &report::environment)
                .map_err(|problems| Failure::Configuration(problems.to_string()))?;
        let unread = match &path {
            None => Some(
                "files of modules are not read yet: set `filebeat.config.modules.path: \
                 ${path.config}/modules.d/*.yml` in the configuration",
            ),
            Some(_) if !is_enabled => {
                Some("files of modules are not read: `filebeat.config.modules.enabled` is false")
            }
            Some(_) => None,
        };
        let path = path.as_deref().unwrap_or("modules.d/*.yml");
        let pattern = files::below(&directory, Path::new(path));
        let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned());
        let ending = name.as_deref().and_then(|name| name.strip_prefix('*'));
        match (ending, pattern.parent()) {
            (Some(ending), Some(parent)) if !has_wildcard(ending) && !is_pattern(parent) => {
                Ok(Self { path: parent.to_owned(), ending: ending.to_owned(), unread })
            }
            _ => Err(Advised::new(
                format!("`{}` names no directory of modules", pattern.display()),
                "set `filebeat.config.modules.path: ${path.config}/modules.d/*.yml`",
            )
            .into()),
        }
    }

    fn list(&self) -> Result<ExitCode, Failure> {
        let files = self.files()?;
        let mut off = files.off.clone();
        off.extend(MODULES.iter().map(|module| module.name.to_owned()));
        let mut text = String::from("Enabled:\n");
        for name in &files.on {
            text.push_str(&format!("{}{}\n", hint::one_line(name), remark(name)));
        }
        text.push_str("\nDisabled:\n");
        for name in off.iter().filter(|name| !files.on.contains(*name)) {
            text.push_str(&format!("{}{}\n", hint::one_line(name), remark(name)));
        }
        report::out(&text);
        if !files.on.is_empty() {
            self.tell_unread();
        }
        Ok(ExitCode::SUCCESS)
    }

    fn switch(&self, names: &[String], to: Switch) -> Result<ExitCode, Failure> {
        let files = self.files()?;
        for name in names {
            let is_file = files.on.contains(name) || files.off.contains(name);
            if !is_file && modules::module(name).is_none() {
                return Err(unknown(name, &files));
            }
        }
        let mut is_changed = false;
        for name in names {
            let said = match (to, files.on.contains(name), files.off.contains(name)) {
                (Switch::On, true, _) => format!("Module {name} is already enabled\n"),
                (Switch::Off, true, _) => {
                    self.keep_disabled(name)?;
                    self.rename(name, "", OFF)?;
                    format!("Disabled {name}\n")
                }
                (Switch::On, false, true) => {
                    self.rename(name, OFF, "")?;
                    is_changed = true;
                    format!("Enabled {name}\n")
                }
                (Switch::On, false, false) => {
                    let file = self.write(name)?;
                    is_changed = true;
                    format!("Enabled {name}, see {}\n", file.display())
                }
                (Switch::Off, false, _) => format!("Module {name} is already disabled\n"),
            };
            report::out(&said);
        }
        if is_changed {
            self.tell_unread();
        }
        Ok(ExitCode::SUCCESS)
    }

    fn tell_unread(&self) {
        if let Some(why) = self.unread {
            report::err(&format!("warning: {why}"));
        }
    }

    fn files(&self) -> Result<Files, Failure> {
        let listed = match RealDisk.list(&self.path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(self.refused("list", &self.path, &error)),
        };
        let mut files = Files::default();
        for entry in listed.iter().filter(|entry| entry.kind != Kind::Directory) {
            let Some(name) = entry.name.to_str() else { continue };
            if let Some(name) = name.strip_suffix(&self.ending) {
                files.on.insert(name.to_owned());
            } else if let Some(name) =
                name.strip_suffix(OFF).and_then(|name| name.strip_suffix(&self.ending))
            {
                files.off.insert(name.to_owned());
            }
        }
        // Where both are there, the one that is read counts.
        Ok(files)
    }

    fn file(&self, name: &str, more: &str) -> PathBuf {
        self.path.join(format!("{name}{}{more}", self.ending))
    }

    /// Refuses to put a module's file in the place of one that is disabled already, for somebody wrote that.
    fn keep_disabled(&self, name: &str) -> Result<(), Failure> {
        let (file, disabled) = (self.file(name, ""), self.file(name, OFF));
        if RealDisk.stat(&disabled).is_err() {
            return Ok(());
        }
        let (file, disabled) = (file.display(), disabled.display());
        let message = format!("there is `{disabled}` as well as `{file}`");
        let hint = "remove or rename the one that is not wanted; then disable it again";
        Err(Advised::new(message, hint).into())
    }

    fn rename(&self, name: &str, from: &str, to: &str) -> Result<(), Failure> {
        let (from, to) = (self.file(name, from), self.file(name, to));
        let renamed = RealDisk.rename(&from, &to);
        renamed.map_err(|error| self.refused("rename", &from, &error))?;
        let _ = RealDisk.sync_directory(&self.path);
        Ok(())
    }

    /// Writes the file of a module that has none.
    fn write(&self, name: &str) -> Result<PathBuf, Failure> {
        let file = self.file(name, "");
        let text = modules::module(name).expect("names were looked at before").file();
        let write = || -> io::Result<()> {
            RealDisk.create_directory(&self.path, DIRECTORY_MODE)?;
            // Under the name that nobody reads until all of it is there.
            let draft = self.file(name, OFF);
            let mut writer = RealDisk.create(&draft, FILE_MODE)?;
            writer.append(text.as_bytes())?;
            writer.sync()?;
            RealDisk.rename(&draft, &file)?;
            RealDisk.sync_directory(&self.path)
        };
        write().map_err(|error| self.refused("write", &file, &error))?;
        Ok(file)
    }

    fn refused(&self, what: &str, path: &Path, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                format!("run this as the user that owns `{}`", self.path.display())
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                format!("`{}` is to be a directory", self.path.display())
            }
            _ => format!("look at `{}` and at its disk", self.path.display()),
        };
        let message = format!("cannot {what} `{}`: {}", path.display(), advice::reason(error));
        Advised::new(message, hint).into()
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn is_pattern(path: &Path) -> bool {
    has_wildcard(&path.to_string_lossy())
}

/// Says of a file whose module is none that is built.
fn remark(name: &str) -> &'static str {
    if modules::module(name).is_some() { "" } else { " (not known here)" }
}

fn unknown(name: &str, files: &Files) -> Failure {
    let own = files.on.iter().chain(&files.off).map(String::as_str);
    let known: Vec<&str> = MODULES.iter().map(|module| module.name).collect();
    let hint = if modules::OF_FILEBEAT.contains(&name) {
        format!("it is not supported yet; `{}` are", known.join("`, `"))
    } else {
        match nearest(name, known.iter().copied().chain(own)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are `{}`", known.join("`, `")),
        }
    };
    Advised::new(
        format!("there is no module `{}`; nothing was changed", hint::one_line(name)),
        hint,
    )
    .into()
}
