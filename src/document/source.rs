//! What documents have in common that come of one open file, or of one sender.

use crate::json_text::push_string;
use crate::parsers::access_log::Server;
use crate::position::EPOCH_TEXT_BYTES;
use std::sync::Arc;

/// What is the same for all lines of an open file: little, because there may be many.
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) epoch: [u8; EPOCH_TEXT_BYTES],
    pub(super) server: Server,
    /// `log.file.path` as JSON, and behind it other members of `log.file`.
    pub(super) path_json: Vec<u8>,
    /// What the path says, where that is among the fields of lines, and else as members with a comma before each.
    pub(super) path_fields: Arc<[Option<Box<[u8]>>]>,
    pub(super) path_members: Box<[u8]>,
    /// Which of the encodings that the input allows the file has, once that is known.
    pub(super) charset: Option<u8>,
}

impl Source {
    /// Returns which of the encodings that the input allows the file has, once that is known.
    #[must_use]
    pub fn charset(&self) -> Option<usize> {
        self.charset.map(usize::from)
    }

    /// Says which of the encodings that the input allows the file has.
    pub fn set_charset(&mut self, charset: usize) {
        self.charset = u8::try_from(charset).ok();
    }

    /// Adds a member of `log.file`.
    pub fn add_file_member(&mut self, name: &str, value: &str) {
        self.path_json.push(b',');
        push_string(&mut self.path_json, name.as_bytes());
        self.path_json.push(b':');
        push_string(&mut self.path_json, value.as_bytes());
    }

    /// Tells whether it has a member of `log.file` that was added.
    #[must_use]
    pub fn has_file_member(&self, name: &str) -> bool {
        let member = format!(",\"{name}\":");
        memchr::memmem::find(&self.path_json, member.as_bytes()).is_some()
    }

    /// Returns its epoch as text.
    #[must_use]
    pub fn epoch(&self) -> &[u8] {
        &self.epoch
    }

    /// Returns who writes its lines.
    #[must_use]
    pub fn server(&self) -> Server {
        self.server
    }
}
