//! Identity: whatever is known and whatever is found, a decision does not panic; "the same" is said only of content that
//! agrees, and is said of content that has only grown.

use super::input::Input;
use shipper::account::Account;
use shipper::identity::{
    Looked, Verdict, continues, derived, judge, originals, prefix_allows, prefix_matches,
    prefix_of, proof_offset, related, same_inode,
};
use shipper::ledger::{Entry, Interval, Prefix};
use shipper::position::{
    Epoch, Inode, PREFIX_BYTES, Point, Proof, TAIL_BYTES, carry_on, tail_hash,
};
use shipper::trail::Trail;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 3 {
        0 => check_content(input),
        1 => check_anything(input),
        _ => check_names(input),
    }
}

fn tail(content: &[u8], end: usize) -> &[u8] {
    &content[end.saturating_sub(TAIL_BYTES)..end]
}

fn first(content: &[u8]) -> &[u8] {
    &content[..content.len().min(PREFIX_BYTES)]
}

/// What was read of `before`, and `now` in its place: hashes as the reading makes them.
fn check_content(mut input: Input<'_>) {
    let before = input.content(20_000);
    let now = changed(&mut input, &before);
    let base = input.upto(before.len() as u64) as usize;
    let committed = base + input.upto((before.len() - base) as u64) as usize;
    let seen = input.upto(before.len() as u64) as usize;
    let mut offsets = [0; 6].map(|_: u8| base + input.upto((committed - base) as u64) as usize);
    offsets.sort_unstable();
    let mut earlier = Trail::default();
    for offset in offsets {
        let running = carry_on(0, &before[base..offset]);
        earlier.push(Point { offset: offset as u64, running }, committed as u64);
    }
    let proof = Proof {
        tail: tail_hash(tail(&before, committed)),
        running: carry_on(0, &before[base..committed]),
    };
    let prefix = prefix_of(&before[..seen]);
    let length = usize::from(prefix.length);

    let looked = Looked {
        size: now.len() as u64,
        first: first(&now),
        tail: (committed <= now.len()).then(|| tail_hash(tail(&now, committed))),
    };
    let agrees = committed <= now.len()
        && length <= now.len()
        && now[..length] == before[..length]
        && tail(&now, committed) == tail(&before, committed);
    match judge(prefix, committed as u64, proof.tail, &looked) {
        Verdict::Same => assert!(agrees, "not the same"),
        Verdict::Truncated => assert!(now.len() < committed, "it is as long as it was"),
        Verdict::Replaced => assert!(!agrees, "it agrees in all that is known"),
    }

    let entry = entry(committed as u64, base as u64, proof, prefix, earlier);
    let Some(offset) = proof_offset(&entry, now.len() as u64) else {
        assert!(now.len() < committed);
        return;
    };
    let at = offset as usize;
    assert!(at <= now.len() && at <= committed);
    let running = now.get(base..at).map_or(0, |bytes| carry_on(0, bytes));
    let same = at <= before.len() && now.get(base..at) == before.get(base..at);
    let alike = if now.len() < length {
        // The first three lines that it has whole, or less than a line.
        let ends = now.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let whole = ends.take(3).last().map_or(0, |(newline, _)| newline + 1);
        now[..whole] == before[..whole]
    } else {
        now[..length] == before[..length]
    };
    let enough = 0 < at || length <= now.len();
    assert_eq!(
        continues(&entry, first(&now), offset, running),
        same && alike && enough,
        "from {base} to {at}"
    );
}

/// The content later on: grown, cut, overwritten in part, or another one.
fn changed(input: &mut Input<'_>, before: &[u8]) -> Vec<u8> {
    let mut now = before.to_vec();
    match input.byte() % 5 {
        0 => now.extend(input.content(5_000)),
        1 => now.truncate(input.upto(before.len() as u64) as usize),
        2 => now = input.content(20_000),
        3 => {
            let piece = input.piece(64);
            let at = input.upto(before.len() as u64) as usize;
            let end = now.len().min(at + piece.len());
            now[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            now.truncate(input.upto(before.len() as u64) as usize);
            now.extend(input.content(20_000));
        }
    }
    now
}

fn entry(committed: u64, base: u64, proof: Proof, prefix: Prefix, earlier: Trail) -> Entry {
    let path = Path::new("/var/log/access.log");
    Entry {
        epoch: Epoch::from_random([1; 12]),
        path: path.into(),
        name: path.into(),
        reader: 0,
        owner: 0,
        inode: Inode::default(),
        prefix,
        base,
        committed,
        proof,
        earlier,
        beyond: Vec::new().into(),
        ended: false,
        left: 0,
        cuts: Vec::new().into(),
        account: Account::default(),
    }
}

/// A registry may say anything.
fn check_anything(mut input: Input<'_>) {
    let lines = [0; 3].map(|_: u8| input.number() as u32);
    let prefix = Prefix { length: input.number() as u16, lines, hash: input.number() };
    let proof = Proof { tail: input.number(), running: input.number() };
    let points: Vec<Point> = (0..input.byte() % 7)
        .map(|_| Point { offset: input.number(), running: input.number() })
        .collect();
    let mut earlier = Trail::of(&points);
    let (committed, base) = (input.number(), input.number());
    earlier.push(Point { offset: input.number(), running: input.number() }, input.number());
    let mut entry = entry(committed, base, proof, prefix, earlier);
    entry.beyond = (0..input.byte() % 12)
        .map(|_| Interval {
            start: input.number(),
            end: input.number(),
            before: input.bit().then(|| input.number()),
            proof,
        })
        .collect();
    let _ = (entry.settled_bytes(), entry.kept_account());
    let size = input.number();
    let looked = Looked {
        size,
        first: input.piece(PREFIX_BYTES),
        tail: input.bit().then(|| input.number()),
    };
    if judge(prefix, committed, proof.tail, &looked) == Verdict::Same {
        assert!(committed <= size && looked.tail == Some(proof.tail));
        assert!(prefix_matches(prefix, looked.first) && prefix_allows(prefix, looked.first));
    }
    if let Some(offset) = proof_offset(&entry, size) {
        assert!(offset <= size);
        let _ = continues(&entry, looked.first, offset, input.number());
    }
    let _ = continues(&entry, looked.first, input.number(), input.number());
    let (left, right) = (inode(&mut input), inode(&mut input));
    assert_eq!(same_inode(left, right), same_inode(right, left));
    let _ = shipper::packing::Format::of(looked.first);
}

fn inode(input: &mut Input<'_>) -> Inode {
    Inode { device: input.upto(1), number: input.upto(1), birth: input.number() }
}

fn check_names(mut input: Input<'_>) {
    let original = Path::new(OsStr::from_bytes(input.piece(64)));
    let mut bytes = original.as_os_str().as_bytes().to_vec();
    let at = input.upto(bytes.len() as u64) as usize;
    bytes.splice(at..at, input.piece(64).iter().copied());
    let name = Path::new(OsStr::from_bytes(&bytes));
    assert!(
        !derived(original, name) || related(original, name),
        "{} {}",
        original.display(),
        name.display()
    );
    if let Some(file_name) = original.file_name() {
        let is_among = originals(name).iter().any(|one| one == file_name.as_bytes());
        assert_eq!(is_among, derived(original, name), "{} {}", original.display(), name.display());
    }
}
