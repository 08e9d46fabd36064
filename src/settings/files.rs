//! Which files an input reads, in which order, and when it lets go of them.

use std::time::Duration;

/// What an input says about finding files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// Regular expressions, checked; when there are any, only a file whose whole path matches one is read.
    pub include_files: Vec<String>,
    /// Whether `**` stands for any depth; else it is a `*`. Default on.
    pub recursive_glob: bool,
    /// Whether a file that was touched, without getting another size, is sent again. Default off.
    pub resend_on_touch: bool,
    /// A file is removed once it is read to its end, settled, closed by its input's rules, and then has not changed for
    /// this long. Default: never.
    pub delete_after: Option<Duration>,
    /// Paths with named parts, checked; what the first one that matches a file's path names becomes its fields.
    pub path_fields: Vec<String>,
    /// What documents say of who owns the file.
    pub owner: OwnerSettings,
    /// What of the file is hashed for `log.file.fingerprint`. Default: nothing.
    pub fingerprint: Option<FingerprintSettings>,
    /// What is forgotten of files that are done with.
    pub clean: CleanSettings,
    /// Files of which what stands in them is left out when nobody has read them yet. Default: none.
    pub skip: SkipSettings,
    /// Which of several files found at once is read first. Default: what changed longest ago.
    pub order: ReadOrder,
    /// In which order what is found unread is read.
    pub backlog: BacklogOrder,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            include_files: Vec::new(),
            recursive_glob: true,
            resend_on_touch: false,
            delete_after: None,
            path_fields: Vec::new(),
            owner: OwnerSettings::default(),
            fingerprint: None,
            clean: CleanSettings::default(),
            skip: SkipSettings::default(),
            order: ReadOrder::default(),
            backlog: BacklogOrder::default(),
        }
    }
}

/// What documents say of who owns the file: both off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnerSettings {
    /// Whether `log.file.owner` has the user's name.
    pub user: bool,
    /// Whether `log.file.group` has the group's name.
    pub group: bool,
}

/// What of a file is hashed for its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FingerprintSettings {
    /// Offset of the first byte.
    pub offset: u64,
    /// Number of bytes, from 64 to 10 MiB.
    pub length: u64,
}

impl Default for FingerprintSettings {
    fn default() -> Self {
        Self { offset: 0, length: 1024 }
    }
}

/// What is forgotten of files that are done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanSettings {
    /// A settled file that has not changed for this long is forgotten, also one that is gone. Default: never.
    pub inactive: Option<Duration>,
    /// Whether a file that is gone is forgotten when it is settled and no trace of it is found. Default on.
    pub removed: bool,
}

impl Default for CleanSettings {
    fn default() -> Self {
        Self { inactive: None, removed: true }
    }
}

/// Files of which what stands in them is left out when nobody has read them yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkipSettings {
    /// Those that were changed longer ago than this.
    pub older: Option<Duration>,
    /// Those that were not changed since.
    pub inactive: Option<Since>,
    /// Those that are there at the start.
    pub tail: bool,
}

/// A start of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The first one with this data path.
    FirstStart,
    /// This one.
    LastStart,
}

/// In which order what is found unread is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BacklogOrder {
    /// Each file from its beginning to its end, in fair turns.
    #[default]
    Sequential,
    /// New lines first; what was there before in their pauses, the file that changed last first.
    FreshFirst,
}

/// Which of several files found at once is read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOrder {
    /// What is compared.
    pub by: ReadBy,
    /// Whether the order is turned round.
    pub descending: bool,
}

/// By what files are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadBy {
    /// The time of the last change.
    #[default]
    Modified,
    /// The path.
    Name,
}

/// When an input lets go of an open file; reading goes on later where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseSettings {
    /// A file that is read to its end and settled is closed after this long without new bytes. Default 5 min.
    pub inactive: Duration,
    /// Whether it is closed as soon as it is read to its end. Default off.
    pub on_eof: bool,
    /// Whether it is closed, once read to its end, when it was renamed. Default off.
    pub renamed: bool,
    /// It is closed when it has been open for this long and nothing is to be read at once. Default: never.
    pub after: Option<Duration>,
    /// Most files of the input that are open at once, each until it is read to its end; 0 for any number, the default.
    pub limit: usize,
}

impl Default for CloseSettings {
    fn default() -> Self {
        Self {
            inactive: Duration::from_mins(5),
            on_eof: false,
            renamed: false,
            after: None,
            limit: 0,
        }
    }
}
