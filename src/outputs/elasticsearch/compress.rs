//! gzip of a bulk body, in a buffer and with a state that are used again.

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Compresses bodies one after another.
#[derive(Debug)]
pub(super) struct Compressor {
    level: flate2::Compression,
    spare: Mutex<Option<BytesMut>>,
}

/// A compressed body.
#[derive(Debug)]
pub(super) struct Compressed(Bytes);

impl Compressed {
    pub(super) fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl Compressor {
    pub(super) fn new(level: u32) -> Self {
        Self { level: flate2::Compression::new(level.min(9)), spare: Mutex::new(None) }
    }

    /// Compresses `body`.
    pub(super) fn compress(&self, body: &[u8]) -> Compressed {
        let spare = self.spare().take().unwrap_or_default();
        let mut encoder = GzEncoder::new(Into(spare), self.level);
        encoder.write_all(body).expect("memory takes what is written");
        let Into(bytes) = encoder.finish().expect("memory takes what is written");
        Compressed(bytes.freeze())
    }

    /// Takes a body's buffer back when nobody else has it.
    pub(super) fn recycle(&self, body: Compressed) {
        if let Ok(mut bytes) = body.0.try_into_mut() {
            bytes.clear();
            *self.spare() = Some(bytes);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<BytesMut>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes into memory.
struct Into(BytesMut);

impl Write for Into {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
