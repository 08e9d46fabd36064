use super::*;
use crate::disk::RealDisk;
use proptest::prelude::*;
use std::fs;

const SECOND: i64 = 1_000_000_000;

fn settings(directory: &Path, framing: Framing) -> SpoolSettings {
    SpoolSettings {
        directory: directory.join("spool"),
        framing,
        bytes_max: 1 << 20,
        segment_bytes: 1 << 10,
        segment_age: None,
    }
}

fn letter(number: usize) -> Vec<u8> {
    format!("{{\"number\":{number},\"text\":\"{}\"}}", "x".repeat(number * 7 % 150)).into_bytes()
}

fn append(spool: &mut Spool<RealDisk>, numbers: std::ops::Range<usize>) -> Result<(), SpoolError> {
    let letters: Vec<Vec<u8>> = numbers.map(letter).collect();
    let letters: Vec<&[u8]> = letters.iter().map(Vec::as_slice).collect();
    spool.append(&letters, 0)
}

/// Returns all records of a spool, and how many damaged bytes are between them.
fn all(settings: &SpoolSettings) -> (Vec<Vec<u8>>, u64) {
    let (mut found, mut damaged) = (Vec::new(), 0);
    for segment in segments(&RealDisk, settings).unwrap() {
        let mut records = Records::open(&RealDisk, settings.framing, &segment, 0).unwrap();
        while let Some(next) = records.next_record().unwrap() {
            match next {
                Found::Record { bytes, .. } => found.push(bytes.to_vec()),
                Found::Damaged { at } => damaged += at.end - at.start,
            }
        }
    }
    (found, damaged)
}

fn letters(numbers: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    numbers.map(letter).collect()
}

#[test]
fn records_come_back_in_their_order_from_segments_of_bounded_size() {
    for framing in [Framing::Lines, Framing::Blocks] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), framing);
        for number in 0..10 {
            // Another process each time.
            let mut spool = Spool::new(RealDisk, settings.clone());
            append(&mut spool, number * 10..number * 10 + 5).unwrap();
            append(&mut spool, number * 10 + 5..number * 10 + 10).unwrap();
        }
        assert_eq!(all(&settings), (letters(0..100), 0));
        let segments = segments(&RealDisk, &settings).unwrap();
        assert!(8 < segments.len());
        assert!(segments.iter().all(|segment| segment.size <= settings.segment_bytes));
    }
}

#[test]
fn full_spool_takes_nothing_and_goes_on_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), Framing::Lines);
    settings.bytes_max = 3000;
    let mut spool = Spool::new(RealDisk, settings.clone());
    let mut taken = 0;
    while append(&mut spool, taken..taken + 1).is_ok() {
        taken += 1;
    }
    assert!(matches!(
        append(&mut spool, taken..taken + 1),
        Err(SpoolError::Full { bytes_max: 3000, .. })
    ));
    assert_eq!(all(&settings), (letters(0..taken), 0));
    assert!(spool.bytes().unwrap() <= 3000);
    fs::remove_file(&segments(&RealDisk, &settings).unwrap()[0].path).unwrap();
    append(&mut spool, 500..502).unwrap();
    assert_eq!(all(&settings).0.last(), Some(&letter(501)));
}

#[test]
fn damage_ends_at_the_next_record() {
    for (framing, text) in [(Framing::Lines, "z"), (Framing::Blocks, "zzzzzzzzzzzzzzzzzzzzz")] {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path(), framing);
        settings.segment_bytes = 1 << 20;
        append(&mut Spool::new(RealDisk, settings.clone()), 0..10).unwrap();
        let path = &segments(&RealDisk, &settings).unwrap()[0].path;
        let good = fs::read(path).unwrap();
        for at in 0..good.len() - text.len() {
            let mut bad = good.clone();
            bad[at..at + text.len()].copy_from_slice(text.as_bytes());
            if bad == good {
                continue;
            }
            fs::write(path, &bad).unwrap();
            let (found, damaged) = all(&settings);
            // A line end that is gone takes two lines with it; a frame may be damaged where nothing depends on it.
            assert!(8 <= found.len(), "{framing:?} {at}: {}", found.len());
            assert!(found.iter().all(|record| letters(0..10).contains(record)), "{at}");
            let torn = records_end(&settings) < bad.len() as u64;
            assert!(damaged != 0 || torn || found.len() == 10, "{framing:?} {at}");
        }
    }
}

fn records_end(settings: &SpoolSettings) -> u64 {
    let segment = &segments(&RealDisk, settings).unwrap()[0];
    let mut records = Records::open(&RealDisk, settings.framing, segment, 0).unwrap();
    while records.next_record().unwrap().is_some() {}
    records.position()
}

#[test]
fn torn_end_is_cut_off_before_more_is_appended() {
    for framing in [Framing::Lines, Framing::Blocks] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), framing);
        append(&mut Spool::new(RealDisk, settings.clone()), 0..3).unwrap();
        let path = &segments(&RealDisk, &settings).unwrap()[0].path;
        let whole = fs::read(path).unwrap();
        let mut one = Vec::new();
        framing.encode(&mut one, &letter(3));
        for length in 1..one.len() {
            let mut torn = whole.clone();
            torn.extend_from_slice(&one[..length]);
            fs::write(path, &torn).unwrap();
            append(&mut Spool::new(RealDisk, settings.clone()), 4..5).unwrap();
            let mut expected = letters(0..3);
            if framing == Framing::Lines && length == one.len() - 1 {
                // All but its line end is there.
                expected.push(letter(3));
            }
            expected.push(letter(4));
            assert_eq!(all(&settings), (expected, 0), "{framing:?} {length}");
        }
    }
}

#[test]
fn objects_without_a_checksum_count_and_other_lines_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Lines);
    fs::create_dir(&settings.directory).unwrap();
    fs::write(settings.directory.join("00000001.ndjson"), "{\"a\":1}\n[1]\n{\"b\"\n\n{\"c\":3}\n")
        .unwrap();
    fs::write(settings.directory.join("1.ndjson"), "{\"a\":1}\n").unwrap();
    assert_eq!(all(&settings), (vec![b"{\"a\":1}".to_vec(), b"{\"c\":3}".to_vec()], 10));
}

#[test]
fn editor_takes_out_and_exchanges_while_another_appends() {
    for framing in [Framing::Lines, Framing::Blocks] {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = settings(directory.path(), framing);
        settings.segment_bytes = 1 << 20;
        let mut spool = Spool::new(RealDisk, settings.clone());
        append(&mut spool, 0..20).unwrap();
        let editor = Editor::open(RealDisk, &settings).unwrap().unwrap();
        assert!(Editor::open(RealDisk, &settings).unwrap().is_none());
        let segment = editor.segments().unwrap().remove(0);
        let mut records = editor.records(&segment).unwrap();
        let mut rewrite = editor.rewrite(&segment).unwrap();
        let mut number = 0;
        while let Some(Found::Record { at, .. }) = records.next_record().unwrap() {
            match number {
                5..10 => rewrite.remove(at).unwrap(),
                12 => rewrite.replace(at, &letter(99)).unwrap(),
                _ => rewrite.keep(at).unwrap(),
            }
            number += 1;
        }
        append(&mut spool, 20..22).unwrap();
        rewrite.finish().unwrap();
        append(&mut spool, 22..24).unwrap();
        let expected = (0..5).chain(10..12).chain([99]).chain(13..24);
        assert_eq!(all(&settings), (letters(expected), 0));
    }
}

#[test]
fn rewrite_that_is_not_finished_changes_nothing_and_its_draft_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Lines);
    append(&mut Spool::new(RealDisk, settings.clone()), 0..3).unwrap();
    let editor = Editor::open(RealDisk, &settings).unwrap().unwrap();
    let segment = editor.segments().unwrap().remove(0);
    let mut rewrite = editor.rewrite(&segment).unwrap();
    rewrite.replace(0..10, &vec![b'{'; 2 << 20]).unwrap();
    drop(rewrite);
    let names = || fs::read_dir(&settings.directory).unwrap().count();
    assert_eq!((all(&settings), names()), ((letters(0..3), 0), 4));
    drop(editor);
    Editor::open(RealDisk, &settings).unwrap().unwrap();
    assert_eq!(names(), 3);
}

#[test]
fn segment_of_which_nothing_is_left_is_removed_and_the_next_letter_begins_another() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Lines);
    let mut spool = Spool::new(RealDisk, settings.clone());
    append(&mut spool, 0..3).unwrap();
    let editor = Editor::open(RealDisk, &settings).unwrap().unwrap();
    let segment = editor.segments().unwrap().remove(0);
    let mut rewrite = editor.rewrite(&segment).unwrap();
    rewrite.remove(0..segment.size).unwrap();
    rewrite.finish().unwrap();
    assert_eq!(segments(&RealDisk, &settings).unwrap(), []);
    append(&mut spool, 3..4).unwrap();
    assert_eq!(all(&settings), (letters(3..4), 0));
}

#[test]
fn damaged_bytes_are_set_aside_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Lines);
    append(&mut Spool::new(RealDisk, settings.clone()), 0..2).unwrap();
    let editor = Editor::open(RealDisk, &settings).unwrap().unwrap();
    let segment = editor.segments().unwrap().remove(0);
    let mut text = fs::read(&segment.path).unwrap();
    text.splice(0..0, *b"rubbish\n");
    fs::write(&segment.path, &text).unwrap();
    let mut records = editor.records(&segment).unwrap();
    let mut rewrite = editor.rewrite(&segment).unwrap();
    let mut aside = None;
    while let Some(found) = records.next_record().unwrap() {
        match found {
            Found::Record { at, .. } => rewrite.keep(at).unwrap(),
            Found::Damaged { at } => aside = Some(rewrite.set_aside(at).unwrap()),
        }
    }
    rewrite.finish().unwrap();
    assert_eq!(all(&settings), (letters(0..2), 0));
    assert_eq!(fs::read(aside.unwrap()).unwrap(), b"rubbish\n");
}

#[test]
fn cursor_takes_each_record_once_over_restarts_and_gives_the_space_back() {
    for framing in [Framing::Lines, Framing::Blocks] {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path(), framing);
        let mut spool = Spool::new(RealDisk, settings.clone());
        let mut taken = Vec::new();
        for number in 0..10 {
            append(&mut spool, number * 10..number * 10 + 10).unwrap();
            let mut cursor = Cursor::open(RealDisk, settings.clone()).unwrap();
            taken.append(&mut cursor.take(300).unwrap().records);
            cursor.commit().unwrap();
            // What is not committed comes again.
            let ahead = cursor.take(200).unwrap();
            cursor.rewind();
            assert_eq!(cursor.take(200).unwrap(), ahead);
        }
        let mut cursor = Cursor::open(RealDisk, settings.clone()).unwrap();
        taken.append(&mut cursor.take(usize::MAX).unwrap().records);
        cursor.commit().unwrap();
        assert_eq!(taken, letters(0..100));
        assert_eq!(segments(&RealDisk, &settings).unwrap(), []);
        append(&mut spool, 100..101).unwrap();
        assert_eq!(cursor.take(1).unwrap().records, letters(100..101));
    }
}

#[test]
fn cursor_skips_what_is_damaged_and_begins_at_the_front_when_its_place_is() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Blocks);
    append(&mut Spool::new(RealDisk, settings.clone()), 0..9).unwrap();
    let path = &segments(&RealDisk, &settings).unwrap()[0].path;
    let mut bytes = fs::read(path).unwrap();
    bytes[20] ^= 1;
    fs::write(path, &bytes).unwrap();
    fs::write(settings.directory.join("cursor"), "1 500 00000000\n").unwrap();
    let mut cursor = Cursor::open(RealDisk, settings).unwrap();
    let taken = cursor.take(usize::MAX).unwrap();
    assert_eq!(taken, Taken { records: letters(1..9), damaged_bytes: 16 + letter(0).len() as u64 });
}

#[test]
fn old_segments_go_by_age_and_young_ones_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), Framing::Lines);
    settings.segment_age = Some(Duration::from_secs(10));
    let mut spool = Spool::new(RealDisk, settings.clone());
    spool.append(&[b"{\"a\":1}"], 0).unwrap();
    spool.append(&[b"{\"a\":2}"], 5 * SECOND).unwrap();
    spool.append(&[b"{\"a\":3}"], 11 * SECOND).unwrap();
    let both = segments(&RealDisk, &settings).unwrap();
    assert_eq!(both.len(), 2);
    let wall = both[1].modified;
    assert_eq!(spool.expire(Duration::from_mins(1), wall).unwrap(), []);
    fs::File::options()
        .write(true)
        .open(&both[0].path)
        .unwrap()
        .set_modified(std::time::SystemTime::now() - Duration::from_mins(2))
        .unwrap();
    let removed = spool.expire(Duration::from_mins(1), wall).unwrap();
    assert_eq!(removed.iter().map(|segment| segment.number).collect::<Vec<_>>(), [1]);
    assert_eq!(all(&settings), (vec![b"{\"a\":3}".to_vec()], 0));
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path(), Framing::Lines);
    append(&mut Spool::new(RealDisk, settings.clone()), 0..3).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.directory), 0o700);
    assert_eq!(mode(&segments(&RealDisk, &settings).unwrap()[0].path), 0o600);
}

proptest! {
    /// Whatever bytes a segment has, reading ends, covers every byte up to where it stands once, and finds no block
    /// that was not written.
    #[test]
    fn property_any_bytes_are_read_to_their_end(
        bytes in proptest::collection::vec(prop_oneof![Just(0xF5), Just(b'S'), Just(b'\n'), Just(b'{'), any::<u8>()], 0..400),
        lines in any::<bool>(),
    ) {
        let framing = if lines { Framing::Lines } else { Framing::Blocks };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("segment");
        fs::write(&path, &bytes).unwrap();
        let segment = Segment { number: 1, path, size: 0, modified: 0 };
        let mut records = Records::open(&RealDisk, framing, &segment, 0).unwrap();
        let mut end = 0;
        while let Some(found) = records.next_record().unwrap() {
            let (Found::Record { at, .. } | Found::Damaged { at }) = found;
            prop_assert!(at.start == end && at.start < at.end);
            end = at.end;
        }
        prop_assert_eq!(records.position(), end);
    }
}

#[test]
fn segment_that_was_let_go_of_is_appended_to_behind_what_is_whole() {
    for framing in [Framing::Lines, Framing::Blocks] {
        let place = tempfile::tempdir().unwrap();
        let settings = settings(place.path(), framing);
        let mut spool = Spool::new(RealDisk, settings.clone());
        append(&mut spool, 0..3).unwrap();
        spool.close();
        append(&mut spool, 3..5).unwrap();
        // Torn meanwhile, and cut off meanwhile: the end is looked for again.
        for (torn, left) in [(true, 5..7), (false, 7..9)] {
            spool.close();
            let last = segments(&RealDisk, &settings).unwrap().pop().unwrap();
            let mut bytes = fs::read(&last.path).unwrap();
            if torn {
                bytes.extend_from_within(..7);
            } else {
                bytes.truncate(bytes.len() - 3);
            }
            fs::write(&last.path, bytes).unwrap();
            append(&mut spool, left).unwrap();
        }
        let (found, damaged) = all(&settings);
        let expected: Vec<Vec<u8>> = (0..6).chain(7..9).map(letter).collect();
        assert_eq!((found, damaged), (expected, 0), "{framing:?}");
    }
}
