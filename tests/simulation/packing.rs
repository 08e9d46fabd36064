//! Files packed and unpacked by the libraries alone, without what the production code makes of them.

use shipper::packing::{Format, without_ending};
use std::io::{Read, Write};
use std::path::Path;

pub fn pack(format: Format, content: &[u8]) -> Vec<u8> {
    match format {
        Format::Gzip => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Format::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(content, level)
        }
        Format::Bzip2 => {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Format::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Returns what a packed file holds; of one that is not complete, as much as the library gives; `None` of any other.
pub fn unpack(content: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let _ = match Format::of(content)? {
        Format::Gzip => flate2::read::MultiGzDecoder::new(content).read_to_end(&mut unpacked),
        Format::Zstd => match ruzstd::decoding::StreamingDecoder::new(content) {
            Ok(mut decoder) => decoder.read_to_end(&mut unpacked),
            Err(_) => Ok(0),
        },
        Format::Bzip2 => bzip2::read::MultiBzDecoder::new(content).read_to_end(&mut unpacked),
        Format::Xz => lzma_rust2::XzReader::new(content, true).read_to_end(&mut unpacked),
    };
    Some(unpacked)
}

/// Tells whether a file's name says that it is packed.
pub fn is_packed(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    without_ending(name) != name
}
