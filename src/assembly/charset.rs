//! Characters of a file's encoding, as UTF-8.
//!
//! The tables are `encoding_rs`'s; labels are those of the WHATWG Encoding Standard (section 4.2), and Filebeat's own.

use crate::settings::reading::EncodingSettings;
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::fmt;

/// An encoding that files may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// Returns the encodings that files of an input may have: two where a byte order mark decides, and then the one that
    /// holds without a mark comes first.
    ///
    /// # Panics
    /// If the label is none; it was checked with [`settings_of`].
    #[must_use]
    pub fn all_of(settings: &EncodingSettings) -> Vec<Self> {
        match settings {
            EncodingSettings::Utf8 => vec![Self(UTF_8)],
            EncodingSettings::Label(label) => {
                vec![Self(Encoding::for_label(label.as_bytes()).expect("labels are checked"))]
            }
            EncodingSettings::Utf16 { big_endian, mark_decides } => {
                let both = if *big_endian { [UTF_16BE, UTF_16LE] } else { [UTF_16LE, UTF_16BE] };
                both[..=usize::from(*mark_decides)].iter().map(|one| Self(one)).collect()
            }
        }
    }

    /// Returns the encoding itself.
    #[must_use]
    pub fn encoding(self) -> &'static Encoding {
        self.0
    }

    /// Tells whether text in it is UTF-8 as it stands.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    /// Returns the length of the byte order mark with which `first`, the beginning of a file, begins.
    #[must_use]
    pub fn mark_length(self, first: &[u8]) -> usize {
        match Encoding::for_bom(first) {
            Some((encoding, length)) if encoding == self.0 => length,
            _ => 0,
        }
    }

    /// Returns the length of `bytes` without a character at their end whose rest may still come, as far as that can be told
    /// from the last few of them: in UTF-8 and UTF-16. They stand at offset `at` of the file.
    #[must_use]
    pub fn whole_length(self, bytes: &[u8], at: u64) -> usize {
        if self.is_utf8() {
            return whole_utf8_length(bytes);
        }
        let unit = if self.0 == UTF_16BE {
            u16::from_be_bytes
        } else if self.0 == UTF_16LE {
            u16::from_le_bytes
        } else {
            return bytes.len();
        };
        let half = usize::from(!(at + bytes.len() as u64).is_multiple_of(2));
        let whole = &bytes[..bytes.len().saturating_sub(half)];
        match whole.last_chunk() {
            // The first half of a pair.
            Some(last) if (0xd800..0xdc00).contains(&unit(*last)) => whole.len() - 2,
            _ => whole.len(),
        }
    }

    /// Appends text as UTF-8; what is none in this encoding becomes U+FFFD.
    pub fn decode(self, text: &[u8], out: &mut Vec<u8>) {
        StreamDecoder(self.0.new_decoder_without_bom_handling()).push(text, true, out);
    }

    /// Returns a decoder of text that comes in pieces; none is needed for UTF-8.
    #[must_use]
    pub fn decoder(self) -> Option<StreamDecoder> {
        (!self.is_utf8()).then(|| StreamDecoder(self.0.new_decoder_without_bom_handling()))
    }
}

/// Decodes text that comes in pieces, cut anywhere.
pub struct StreamDecoder(Decoder);

impl fmt::Debug for StreamDecoder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StreamDecoder").field(&self.0.encoding().name()).finish()
    }
}

impl StreamDecoder {
    /// Appends a piece as UTF-8; `last` says that none follows.
    ///
    /// # Panics
    /// If the piece is so large that its text could not be in memory.
    pub fn push(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let most = self.0.max_utf8_buffer_length(piece.len()).expect("pieces are small");
        out.resize(start + most, 0);
        let (_, _, written, _) = self.0.decode_to_utf8(piece, &mut out[start..], last);
        out.truncate(start + written);
    }
}

/// Returns the length of `bytes` without a character of UTF-8 at their end whose rest may still come.
#[must_use]
pub fn whole_utf8_length(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let length = match bytes[bytes.len() - back] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => 1,
        };
        return if back < length { bytes.len() - back } else { bytes.len() };
    }
    bytes.len()
}

/// Returns what a name of an encoding means; `None` for one that is not known.
#[must_use]
pub fn settings_of(name: &str) -> Option<EncodingSettings> {
    let name = name.trim().to_ascii_lowercase();
    let utf16 =
        |big_endian, mark_decides| Some(EncodingSettings::Utf16 { big_endian, mark_decides });
    match name.as_str() {
        "" | "plain" | "nop" | "utf-8-bom" => return Some(EncodingSettings::Utf8),
        "utf-16be-bom" | "utf-16-bom" => return utf16(true, true),
        "utf-16le-bom" => return utf16(false, true),
        "utf-16be" => return utf16(true, false),
        "utf-16le" => return utf16(false, false),
        _ => {}
    }
    // Filebeat writes some names otherwise than the standard does.
    let label = match name.as_str() {
        "koi8r" => "koi8-r",
        "koi8u" => "koi8-u",
        "macintosh-cyrillic" => "x-mac-cyrillic",
        "iso8859-6e" => "iso-8859-6-e",
        "iso8859-6i" => "iso-8859-6-i",
        "iso8859-8e" => "iso-8859-8-e",
        "iso8859-8i" => "iso-8859-8-i",
        other => other,
    };
    let spelt = label.replace("iso8859-", "iso-8859-");
    let encoding = Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(spelt.as_bytes()))
        .filter(|encoding| *encoding != encoding_rs::REPLACEMENT)?;
    Some(if encoding == UTF_8 {
        EncodingSettings::Utf8
    } else if encoding == UTF_16BE || encoding == UTF_16LE {
        EncodingSettings::Utf16 { big_endian: encoding == UTF_16BE, mark_decides: true }
    } else {
        EncodingSettings::Label(encoding.name().to_owned())
    })
}

/// Returns a name that [`settings_of`] understands as these settings.
#[must_use]
pub fn name_of(settings: &EncodingSettings) -> String {
    match settings {
        EncodingSettings::Utf8 => "utf-8".to_owned(),
        EncodingSettings::Label(label) => label.to_ascii_lowercase(),
        EncodingSettings::Utf16 { big_endian, mark_decides } => {
            let end = if *big_endian { "be" } else { "le" };
            let mark = if *mark_decides { "-bom" } else { "" };
            format!("utf-16{end}{mark}")
        }
    }
}
