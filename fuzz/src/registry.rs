//! The registry's journal: whatever a file holds, reading it does not panic and keeps no more than stands there; what was
//! read, written again, is read as the same.

use shipper::registrar::format::{Decoded, decode, push_entry, push_header};

/// The bytes as they stand and, so that a checksum hinders nobody, each line of them with its own before it.
pub fn check(bytes: &[u8]) {
    check_journal(bytes);
    let mut signed = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        signed.extend_from_slice(format!("{:08x} ", crc32fast::hash(line)).as_bytes());
        signed.extend_from_slice(line);
        signed.push(b'\n');
    }
    check_journal(&signed);
}

fn check_journal(bytes: &[u8]) {
    let Ok(first) = decode(bytes) else { return };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(first.entries.len() + first.damage.len() < lines.max(1), "of each line at most one");
    assert_eq!(first.whole_bytes + first.torn_bytes, bytes.len());
    let beyond: usize = first.entries.values().map(|entry| entry.beyond.len()).sum();
    assert!(beyond <= bytes.len(), "no more intervals than there is text for them");
    for (epoch, entry) in &first.entries {
        assert_eq!(*epoch, entry.epoch);
        let _ = (entry.settled_bytes(), entry.kept_account());
    }

    let written = encode(&first);
    let second = decode(&written).expect("it is of this version");
    assert_eq!((second.damage.len(), second.torn_bytes), (0, 0));
    assert_eq!((&second.machine, &second.forgotten), (&first.machine, &first.forgotten));
    assert_eq!(second.entries.len(), first.entries.len());
    for (entry, again) in first.entries.values().zip(second.entries.values()) {
        let mut kept = entry.clone();
        kept.beyond = entry.kept_beyond().as_ref().into();
        kept.account = entry.kept_account();
        assert_eq!(*again, kept);
    }
    assert_eq!(encode(&second), written);
}

fn encode(decoded: &Decoded) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_header(&mut bytes, &decoded.machine, &decoded.forgotten);
    decoded.entries.values().for_each(|entry| push_entry(&mut bytes, entry));
    bytes
}
