use super::*;
use crate::account::Account;
use crate::ledger::Prefix;
use crate::position::Epoch;
use crate::position::{Inode, Point};
use crate::trail::Trail;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use thin_vec::ThinVec;

const EPOCH: Epoch = Epoch::from_random([7; 12]);

fn tracker(base: u64) -> Tracker {
    let path: Arc<Path> = Arc::from(Path::new("/a"));
    Tracker::of(Entry {
        epoch: EPOCH,
        path: Arc::clone(&path),
        name: path,
        reader: 0,
        owner: 0,
        inode: Inode::default(),
        prefix: Prefix::default(),
        base,
        committed: base,
        proof: proof(base),
        earlier: Trail::default(),
        beyond: ThinVec::new(),
        ended: false,
        left: 0,
        cuts: ThinVec::new(),
        account: Account::default(),
    })
}

/// A proof that tells which offset it belongs to.
fn proof(offset: u64) -> Proof {
    Proof { tail: offset * 3, running: offset * 5 }
}

fn range(start: u64, end: u64) -> AckRange {
    let (before, middle) = (proof(start).running, point(start.midpoint(end)));
    AckRange { epoch: EPOCH, start, end, before, proof: proof(end), middle }
}

fn interval(start: u64, end: u64) -> Interval {
    Interval { start, end, before: Some(proof(start).running), proof: proof(end) }
}

fn point(offset: u64) -> Point {
    Point { offset, running: offset * 5 }
}

#[test]
fn range_beyond_an_open_one_waits_for_it() {
    let mut tracker = tracker(0);
    assert_eq!(tracker.settle(&range(10, 20)), Change { fresh_bytes: 10, committed: None });
    assert_eq!(tracker.settle(&range(30, 40)), Change { fresh_bytes: 10, committed: None });
    assert_eq!(tracker.beyond(), [interval(10, 20), interval(30, 40)]);
    let change = tracker.settle(&range(0, 10));
    assert_eq!(change, Change { fresh_bytes: 10, committed: Some((20, proof(20))) });
    assert_eq!(tracker.beyond(), [interval(30, 40)]);
    let change = tracker.settle(&range(20, 30));
    assert_eq!(change, Change { fresh_bytes: 10, committed: Some((40, proof(40))) });
    assert_eq!(
        (tracker.beyond(), tracker.earlier()),
        (&[][..], &[point(5), point(20), point(25)][..])
    );
}

#[test]
fn repeats_and_overlaps_count_each_byte_once() {
    let mut tracker = tracker(100);
    let fresh = [(100, 110), (100, 110), (50, 105), (120, 130), (120, 130), (115, 125), (105, 140)]
        .map(|(start, end)| tracker.settle(&range(start, end)).fresh_bytes);
    assert_eq!(fresh, [10, 0, 0, 10, 0, 5, 15]);
    assert_eq!((tracker.committed(), tracker.proof()), (140, proof(140)));
}

#[test]
fn registry_keeps_the_eight_longest_intervals() {
    let mut tracker = tracker(0);
    let length = |index: u64| if index == 3 || index == 7 { 4 } else { 5 };
    for index in (1..=10).rev() {
        tracker.settle(&range(index * 10, index * 10 + length(index)));
        tracker.count(Outcome::Stored, length(index));
    }
    let longest = [1, 2, 4, 5, 6, 8, 9, 10].map(|index| interval(index * 10, index * 10 + 5));
    assert_eq!(tracker.entry().kept_beyond(), longest.to_vec());
    assert_eq!(tracker.entry().kept_account().sum(), 40, "8 bytes are read again");
    assert_eq!((tracker.entry().reach(), tracker.entry().settled_bytes()), (105, 48));
    let gaps = tracker.entry().gaps();
    assert_eq!((gaps.len(), &gaps[0], &gaps[3]), (10, &(0..10), &(34..40)));
}

/// A settling order: pieces of `0..length`, some repeated, some overlapping, shuffled.
fn orders() -> impl Strategy<Value = (u64, Vec<(u64, u64)>)> {
    (1_u64..200).prop_flat_map(|length| {
        let cuts = proptest::collection::btree_set(1..=length, 0..20);
        let more = proptest::collection::vec((0..length, 0..=length), 0..10);
        (cuts, more).prop_flat_map(move |(cuts, more)| {
            let mut pieces = Vec::new();
            let mut start = 0;
            for end in cuts.into_iter().chain([length]) {
                pieces.push((start, end.max(start)));
                start = end.max(start);
            }
            pieces.extend(more.into_iter().filter(|(start, end)| start <= end));
            (Just(length), Just(pieces).prop_shuffle())
        })
    })
}

proptest! {
    /// For every order of settling, the committed offset never falls, never passes an unsettled byte (a bitmap is the
    /// model), every fresh byte is counted once, and it ends at the last byte with that byte's proof.
    #[test]
    fn property_committed_offset_is_the_settled_prefix((length, pieces) in orders()) {
        let mut tracker = tracker(0);
        let mut settled = vec![false; usize::try_from(length).unwrap()];
        let mut committed = 0;
        for (start, end) in pieces {
            let change = tracker.settle(&range(start, end));
            let mut fresh = 0;
            for byte in start..end {
                let byte = &mut settled[usize::try_from(byte).unwrap()];
                fresh += u64::from(!std::mem::replace(byte, true));
            }
            let prefix = settled.iter().take_while(|settled| **settled).count() as u64;
            prop_assert_eq!(change.fresh_bytes, fresh);
            let grown = (committed < prefix).then_some((prefix, proof(prefix)));
            prop_assert_eq!(change.committed, grown);
            committed = prefix;
            prop_assert_eq!((tracker.committed(), tracker.proof()), (prefix, proof(prefix)));
            let beyond: u64 = tracker.beyond().iter().map(|kept| kept.end - kept.start).sum();
            let known = settled.iter().filter(|settled| **settled).count() as u64;
            prop_assert_eq!(prefix + beyond, known, "nothing settled is forgotten");
            for pair in tracker.beyond().windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            for kept in tracker.beyond() {
                prop_assert_eq!(kept.proof, proof(kept.end));
            }
            for pair in tracker.earlier().windows(2) {
                prop_assert!(pair[0].offset < pair[1].offset);
            }
            for kept in tracker.earlier() {
                prop_assert!(0 < kept.offset && kept.offset < prefix);
                prop_assert_eq!(*kept, point(kept.offset));
            }
        }
        prop_assert_eq!(committed, length);
    }

    /// For every content that is read at several places, each of which sums up from its own beginning, and settled in any
    /// order: what is committed has the checksum of all bytes before it, each interval that of its own bytes, and each
    /// point that of the bytes before it.
    #[test]
    fn property_checksums_hold_wherever_reading_began(
        content in proptest::collection::vec(any::<u8>(), 1..300),
        (pieces, order) in (proptest::collection::vec((1_usize..40, any::<bool>()), 1..20)).prop_flat_map(|pieces| {
            let order: Vec<usize> = (0..pieces.len()).collect();
            (Just(pieces), Just(order).prop_shuffle())
        }),
    ) {
        use crate::position::carry_on;
        let mut tracker = tracker(0);
        let sum = |range: std::ops::Range<usize>| carry_on(0, &content[range]);
        let (mut at, mut frame, mut ranges) = (0, 0, Vec::new());
        for (length, is_place) in pieces {
            let end = (at + length).min(content.len());
            frame = if is_place { at } else { frame };
            let (half, tail) = (at.midpoint(end), end as u64);
            ranges.push(AckRange {
                epoch: EPOCH,
                start: at as u64,
                end: end as u64,
                before: sum(frame..at),
                proof: Proof { tail, running: sum(frame..end) },
                middle: Point { offset: half as u64, running: sum(frame..half) },
            });
            at = end;
        }
        for index in order {
            tracker.settle(&ranges[index]);
            let to = |offset: u64| usize::try_from(offset).unwrap();
            prop_assert_eq!(tracker.proof().running, sum(0..to(tracker.committed())));
            for kept in tracker.beyond() {
                let own = sum(to(kept.start)..to(kept.end));
                prop_assert_eq!(kept.proof_after(0), Proof { tail: kept.end, running: own });
            }
            for kept in tracker.earlier() {
                prop_assert_eq!(kept.running, sum(0..to(kept.offset)));
            }
        }
        prop_assert_eq!(tracker.committed(), at as u64);
        // In one batch they are joined before they are settled.
        let mut joined = ranges[0];
        ranges[1..].iter().for_each(|range| joined.join(range));
        let half = usize::try_from(joined.middle.offset).unwrap();
        prop_assert_eq!((joined.proof.running, joined.middle.running), (sum(0..at), sum(0..half)));
    }
}
