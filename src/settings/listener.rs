//! Settings of inputs that are sent to rather than read from files: `tcp`, `udp`, `unix`, `syslog`, `stdin`.

use super::{InputSettings, TlsSettings};
use std::path::PathBuf;
use std::time::Duration;

/// One stanza whose lines are sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// What it has in common with inputs of files; its `message_max_bytes` is `max_message_size`.
    pub input: InputSettings,
    /// Where it listens.
    pub listen: Listen,
    /// How messages of a stream are told apart.
    pub framing: FramingSettings,
    /// Most connections at once, at least 1; more wait until one ends. Default 1024.
    pub connections_max: usize,
    /// A connection is closed when no message was completed for so long. Default 5 min.
    pub timeout: Duration,
    /// TLS, for `tcp`.
    pub tls: Option<ServerTlsSettings>,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Address and port, as `localhost:9000`; `:9000` is any address.
    Tcp(String),
    /// The same, and the size of the kernel's buffer that is asked for, in bytes.
    Udp(String, Option<usize>),
    /// Connections to a socket.
    UnixStream(SocketSettings),
    /// Datagrams to a socket.
    UnixDatagram(SocketSettings),
    /// Standard input.
    Stdin,
}

/// A socket in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketSettings {
    /// Its name.
    pub path: PathBuf,
    /// Its mode. Default: as the umask says.
    pub mode: Option<u32>,
    /// Its group, by name.
    pub group: Option<String>,
}

/// `ssl.*` of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsSettings {
    /// What it has in common with that of an output: `client` is its certificate and is there, and by the authorities
    /// clients must be known; without any, clients need no certificate.
    pub common: TlsSettings,
    /// Whether a client must show a certificate.
    pub client_required: bool,
}

/// How messages of a stream are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramingSettings {
    /// What ends a message, at least one byte. Default: a line feed, of which a carriage return before it is part.
    pub delimiter: Box<[u8]>,
    /// Whether a message may begin with the number of its bytes instead (RFC 6587). Default off.
    pub octet_counted: bool,
}

impl Default for FramingSettings {
    fn default() -> Self {
        Self { delimiter: (*b"\n").into(), octet_counted: false }
    }
}
