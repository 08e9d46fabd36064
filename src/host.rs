//! Who this is: the host, the agent on it, and this run of it; and random bytes for ids.

use crate::disk::{AppendFile, Disk};
use jiff::Timestamp;
use rustix::rand::GetRandomFlags;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// Largest `meta.json` that is read, in bytes; it holds two short values.
const META_BYTES_MAX: u64 = 64 << 10;

/// Largest description of the distribution that is read.
const OS_RELEASE_BYTES_MAX: u64 = 64 << 10;

/// Where the machine's id is looked for, in this order.
const MACHINE_ID_PATHS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// What a document says of where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name, as the kernel has it.
    pub name: String,
    /// The machine's id; `None` where the system has none.
    pub machine_id: Option<String>,
    /// Id of this agent, kept over restarts.
    pub agent_id: String,
    /// Id of this run.
    pub ephemeral_id: String,
}

/// How the agent's id was come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentId {
    /// It was in the file.
    Kept(String),
    /// There was no file; one was written.
    New(String),
    /// The file could not be understood; it was set aside under the given path and a new one
    /// written.
    Replaced {
        /// The new id.
        id: String,
        /// Where the damaged file is now.
        damaged: PathBuf,
    },
}

impl AgentId {
    /// Returns the id.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Kept(id) | Self::New(id) | Self::Replaced { id, .. } => id,
        }
    }
}

/// The agent's id could not be read or saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("cannot read the agent's id from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot save the agent's id in `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Gathers the facts; `agent_id` comes from [`agent_id`].
#[must_use]
pub fn host_facts<D: Disk>(disk: &D, agent_id: &str) -> HostFacts {
    HostFacts {
        name: host_name(),
        machine_id: machine_id(disk),
        agent_id: agent_id.to_owned(),
        ephemeral_id: uuid(random_bytes()),
    }
}

/// Returns the host's name, as the kernel has it.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the operating system: its kernel's release, and what its distribution says of itself.
#[must_use]
pub fn system<D: Disk>(disk: &D) -> BTreeMap<&'static str, String> {
    let release = disk.read_all(Path::new("/etc/os-release"), OS_RELEASE_BYTES_MAX);
    let release = release.unwrap_or_default();
    let mut system = distribution(&String::from_utf8_lossy(&release));
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    system.insert("kernel", kernel);
    system
}

/// Reads `os-release`, in the names of ECS.
fn distribution(release: &str) -> BTreeMap<&'static str, String> {
    let value = |key: &str| {
        let mut lines = release.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let id = value("ID");
    let like = value("ID_LIKE").and_then(|like| like.split(' ').next().map(str::to_owned));
    let family = like.or_else(|| id.clone()).map(|family| match family.as_str() {
        "rhel" | "fedora" | "centos" => "redhat".to_owned(),
        "ubuntu" => "debian".to_owned(),
        _ => family,
    });
    [("family", family), ("name", value("NAME")), ("platform", id), ("version", value("VERSION"))]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// Returns the machine's id; `None` where the system has none.
#[must_use]
pub fn machine_id<D: Disk>(disk: &D) -> Option<String> {
    for path in MACHINE_ID_PATHS {
        let Ok(bytes) = disk.read_all(Path::new(path), 4096) else { continue };
        let id = String::from_utf8_lossy(&bytes).trim().to_owned();
        // systemd writes `uninitialized` into an image that has not been booted.
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Some(id);
        }
    }
    None
}

/// Reads the agent's id from `meta.json` in the data path, where Filebeat keeps its own, or makes
/// one and saves it.
///
/// A file that cannot be understood (torn by a crash of something else) is renamed to
/// `meta.json.damaged`. The directory must be there.
///
/// # Errors
/// If a file that is there cannot be read, or a new one cannot be saved; nothing was changed then.
pub fn agent_id<D: Disk>(disk: &D, data: &Path, now: Timestamp) -> Result<AgentId, Error> {
    let path = data.join("meta.json");
    let found = match disk.read_all(&path, META_BYTES_MAX) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Some(Vec::new()),
        Err(source) => return Err(Error::Read { path, source }),
    };
    if let Some(id) = found.as_deref().and_then(kept_id) {
        return Ok(AgentId::Kept(id));
    }
    let id = uuid(random_bytes());
    let damaged = data.join("meta.json.damaged");
    let saved = match found {
        Some(_) => disk.rename(&path, &damaged).and_then(|()| save(disk, data, &path, &id, now)),
        None => save(disk, data, &path, &id, now),
    };
    match (saved, found) {
        (Err(source), _) => Err(Error::Write { path, source }),
        (Ok(()), None) => Ok(AgentId::New(id)),
        (Ok(()), Some(_)) => Ok(AgentId::Replaced { id, damaged }),
    }
}

/// Returns the agent's id that is kept in a data path, if there is one; nothing is made.
pub fn known_agent_id<D: Disk>(disk: &D, data: &Path) -> Option<String> {
    kept_id(&disk.read_all(&data.join("meta.json"), META_BYTES_MAX).ok()?)
}

/// Returns when an agent was started first with this data path; `None` when that is not known.
pub fn first_start<D: Disk>(disk: &D, data: &Path) -> Option<Timestamp> {
    let bytes = disk.read_all(&data.join("meta.json"), META_BYTES_MAX).ok()?;
    let meta: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    meta.get("first_start")?.as_str()?.parse().ok()
}

fn kept_id(bytes: &[u8]) -> Option<String> {
    let meta: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let id = meta.get("uuid")?.as_str()?;
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_uuid.then(|| id.to_owned())
}

fn save<D: Disk>(disk: &D, data: &Path, path: &Path, id: &str, now: Timestamp) -> io::Result<()> {
    let text = format!("{{\"uuid\":\"{id}\",\"first_start\":\"{now}\"}}\n");
    let fresh = data.join("meta.json.new");
    let mut file = disk.create(&fresh, 0o600)?;
    file.append(text.as_bytes())?;
    file.sync()?;
    disk.rename(&fresh, path)?;
    disk.sync_directory(data)
}

/// Returns bytes that nobody can foretell, from the kernel.
///
/// # Panics
/// If the kernel has no source of them (Linux before 3.17).
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
    bytes
}

/// Writes 16 random bytes as a UUID of version 4.
#[must_use]
pub fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("a string takes all that is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        "2026-11-21T03:20:13.123Z".parse().expect("a time")
    }

    #[test]
    fn distribution_is_told_in_the_names_of_ecs() {
        let debian =
            "PRETTY_NAME=\"x\"\nNAME=\"Debian GNU/Linux\"\nVERSION='12 (bookworm)'\nID=debian\n";
        let rocky = "NAME=\"Rocky Linux\"\nID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION=\n";
        for (text, expected) in [
            (
                debian,
                &[
                    ("family", "debian"),
                    ("name", "Debian GNU/Linux"),
                    ("platform", "debian"),
                    ("version", "12 (bookworm)"),
                ][..],
            ),
            (rocky, &[("family", "redhat"), ("name", "Rocky Linux"), ("platform", "rocky")]),
            ("", &[]),
        ] {
            let expected = expected.iter().map(|(key, value)| (*key, (*value).to_owned()));
            assert_eq!(distribution(text), expected.collect());
        }
    }

    #[test]
    fn agent_id_outlives_a_restart() {
        let data = tempfile::tempdir().expect("directory");
        let first = agent_id(&RealDisk, data.path(), now()).expect("id");
        assert_eq!(first, AgentId::New(first.text().to_owned()));
        let path = data.path().join("meta.json");
        assert_eq!(
            fs::read_to_string(&path).expect("file"),
            format!(
                "{{\"uuid\":\"{}\",\"first_start\":\"2026-11-21T03:20:13.123Z\"}}\n",
                first.text()
            )
        );
        assert_eq!(fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
        let second = agent_id(&RealDisk, data.path(), now()).expect("id");
        assert_eq!(second, AgentId::Kept(first.text().to_owned()));
        assert_eq!(first_start(&RealDisk, data.path()), Some(now()));
        let names: Vec<_> = fs::read_dir(data.path())
            .expect("names")
            .map(|name| name.expect("name").file_name())
            .collect();
        assert_eq!(names, ["meta.json"]);
    }

    #[test]
    fn agent_id_of_filebeat_is_taken_over() {
        let data = tempfile::tempdir().expect("directory");
        let text = concat!(
            r#"{"uuid":"1e823b00-a5ea-4d04-942b-ab4fc0776045","#,
            r#""first_start":"2026-05-22T19:43:08.1+02:00","other":1}"#
        );
        fs::write(data.path().join("meta.json"), text).expect("file");
        let id = agent_id(&RealDisk, data.path(), now()).expect("id");
        assert_eq!(id, AgentId::Kept("1e823b00-a5ea-4d04-942b-ab4fc0776045".to_owned()));
        assert_eq!(fs::read_to_string(data.path().join("meta.json")).expect("file"), text);
        let first: Timestamp = "2026-05-22T17:43:08.1Z".parse().expect("time");
        assert_eq!(first_start(&RealDisk, data.path()), Some(first));
        assert_eq!(first_start(&RealDisk, &data.path().join("other")), None);
    }

    #[test]
    fn every_torn_meta_file_is_set_aside_and_a_new_id_stays() {
        let whole = r#"{"uuid":"1e823b00-a5ea-4d04-942b-ab4fc0776045","first_start":"x"}"#;
        for length in 0..whole.len() {
            let data = tempfile::tempdir().expect("directory");
            let torn = &whole[..length];
            fs::write(data.path().join("meta.json"), torn).expect("file");
            let id = agent_id(&RealDisk, data.path(), now()).expect("id");
            let damaged = data.path().join("meta.json.damaged");
            assert_eq!(
                id,
                AgentId::Replaced { id: id.text().to_owned(), damaged: damaged.clone() }
            );
            assert_eq!(fs::read_to_string(damaged).expect("file"), torn);
            let again = agent_id(&RealDisk, data.path(), now()).expect("id");
            assert_eq!(again, AgentId::Kept(id.text().to_owned()));
        }
    }

    #[test]
    fn half_written_new_file_of_a_crash_is_overwritten() {
        let data = tempfile::tempdir().expect("directory");
        fs::write(data.path().join("meta.json.new"), "{\"uuid\":\"".repeat(40)).expect("file");
        let id = agent_id(&RealDisk, data.path(), now()).expect("id");
        let again = agent_id(&RealDisk, data.path(), now()).expect("id");
        assert_eq!(again, AgentId::Kept(id.text().to_owned()));
    }

    #[test]
    fn data_path_that_is_not_there_is_an_error_that_names_the_file() {
        let error = agent_id(&RealDisk, Path::new("/nonexistent/data"), now()).expect_err("error");
        assert_eq!(
            crate::hint::chain_text(&error),
            "cannot save the agent's id in `/nonexistent/data/meta.json`: \
             No such file or directory (os error 2)"
        );
    }

    #[test]
    fn uuid_has_version_four_and_its_variant() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(
            kept_id(format!("{{\"uuid\":\"{}\"}}", uuid(random_bytes())).as_bytes())
                .map(|id| id.len()),
            Some(36)
        );
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random_bytes::<16>(), random_bytes::<16>());
        assert_ne!(random_bytes::<700>()[256..], [0; 444]);
    }
}
