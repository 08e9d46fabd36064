//! `log.file.fingerprint`: a hash of a file's first bytes, as Filebeat's documents have it.
//!
//! It is for those who look for it in documents. Which file is which is known by other means.

use super::Worker;
use super::file::{Harvester, Obstacle};
use crate::certificates::hex;
use crate::disk::{Disk, ReadFile};
use crate::settings::FingerprintSettings;
use crate::unpacked::is_damage;
use ring::digest::{Context, SHA256};
use std::io;

/// Bytes that are hashed at once.
const PIECE_BYTES: usize = 16 << 10;

impl<D: Disk> Worker<D> {
    /// Has documents tell the fingerprint of their file, as soon as it has all the bytes that belong to it.
    pub(super) fn learn_fingerprint(&self, file: &mut Harvester<D>) -> Result<(), Obstacle> {
        let wanted = self.settings.inputs[usize::from(file.assignment.input)].fingerprint;
        let source = file.source.as_mut().expect("an open file has a source");
        let Some(wanted) = wanted.filter(|_| !source.has_file_member(NAME)) else { return Ok(()) };
        let content = file.file.as_ref().expect("it was opened");
        if !file.assignment.is_packed && content.stat()?.size < wanted.offset + wanted.length {
            return Ok(());
        }
        match fingerprint(content, wanted) {
            Ok(Some(fingerprint)) => source.add_file_member(NAME, &fingerprint),
            Ok(None) => {}
            // What stands before the damage is read all the same.
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

const NAME: &str = "fingerprint";

/// Returns the SHA-256 of a part of a file in hexadecimal digits; `None` when not all of it is there.
fn fingerprint(file: &impl ReadFile, part: FingerprintSettings) -> io::Result<Option<String>> {
    let (mut at, end) = (part.offset, part.offset + part.length);
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    while at < end {
        let most = usize::try_from(end - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let length = file.read_at(&mut piece[..most], at)?;
        if length == 0 {
            return Ok(None);
        }
        context.update(&piece[..length]);
        at += length as u64;
    }
    Ok(Some(hex(context.finish().as_ref())))
}
