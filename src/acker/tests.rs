use super::*;
use crate::account::Account;
use crate::ledger::Prefix;
use crate::position::Epoch;
use crate::position::{Inode, Point};
use crate::trail::Trail;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const EPOCH: Epoch = Epoch::from_random([7; 12]);

fn tracker(base: u64) -> Tracker {
    let path: Arc<Path> = Arc::from(Path::new("/a"));
    Tracker::of(Entry {
        epoch: EPOCH,
        path: Arc::clone(&path),
        name: path,
        reader: 0,
        inode: Inode::default(),
        prefix: Prefix::default(),
        base,
        committed: base,
        proof: proof(base),
        earlier: Trail::default(),
        beyond: Vec::new(),
        ended: false,
        cuts: Vec::new(),
        account: Account::default(),
    })
}

/// A proof that tells which offset it belongs to.
fn proof(offset: u64) -> Proof {
    Proof { tail: offset * 3, running: offset * 5 }
}

fn range(start: u64, end: u64) -> AckRange {
    AckRange { epoch: EPOCH, start, end, proof: proof(end), middle: point(start.midpoint(end)) }
}

fn interval(start: u64, end: u64) -> Interval {
    Interval { start, end, proof: proof(end) }
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
fn registry_keeps_the_first_eight_intervals() {
    let mut tracker = tracker(0);
    for index in (1..=10).rev() {
        tracker.settle(&range(index * 10, index * 10 + 5));
    }
    let first: Vec<Interval> = (1..=8).map(|index| interval(index * 10, index * 10 + 5)).collect();
    assert_eq!(tracker.entry().kept_beyond(), first);
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
}
