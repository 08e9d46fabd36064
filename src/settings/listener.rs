//! Settings of inputs that are sent to rather than read from files: `tcp`, `udp`, `unix`, `syslog`, `stdin`.

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

/// Which of the two formats syslog messages have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyslogFormat {
    /// Whichever a message has.
    #[default]
    Auto,
    /// RFC 3164, as it is written in practice.
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}
