//! A small cache: what was found for a text, bounded in number and length.

use xxhash_rust::xxh3::xxh3_64;

/// Longest key that is kept, in bytes.
pub(super) const KEY_BYTES_MAX: usize = 512;

/// Places for each hash.
const WAYS: usize = 4;

/// A few places for each hash: what comes first was used last.
#[derive(Debug, Clone)]
pub(super) struct Cache<V> {
    sets: Vec<Set<V>>,
    sets_max: usize,
}

#[derive(Debug, Clone)]
struct Set<V> {
    /// Another part of the hash of each key, so that a key is looked at only where it is likely the one.
    tags: [u32; WAYS],
    kept: [Option<Box<Kept<V>>>; WAYS],
}

#[derive(Debug, Clone)]
struct Kept<V> {
    key: Box<[u8]>,
    value: V,
}

impl<V> Cache<V> {
    /// Makes a cache of at most `entries`, four times a power of two, with keys of up to [`KEY_BYTES_MAX`]; it takes
    /// memory only when it is used.
    #[must_use]
    pub(super) fn new(entries: usize) -> Self {
        let sets_max = entries / WAYS;
        debug_assert!(sets_max.is_power_of_two());
        Self { sets: Vec::new(), sets_max }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.sets = Vec::new();
    }

    /// Returns what is known of `key`, or what `find` finds and is kept then.
    #[inline]
    pub(super) fn get_or_insert(&mut self, key: &[u8], find: impl FnOnce(&[u8]) -> V) -> &V {
        let key = &key[..key.len().min(KEY_BYTES_MAX)];
        if self.sets.is_empty() {
            let empty = || Set { tags: [0; WAYS], kept: [const { None }; WAYS] };
            self.sets.resize_with(self.sets_max, empty);
        }
        let hash = xxh3_64(key);
        #[expect(clippy::cast_possible_truncation, reason = "parts of the hash are wanted")]
        let (tag, place) = ((hash >> 32) as u32, hash as usize & (self.sets_max - 1));
        let set = &mut self.sets[place];
        let is = |way: usize| {
            set.tags[way] == tag && set.kept[way].as_ref().is_some_and(|kept| *kept.key == *key)
        };
        if !is(0) {
            let way = (1..WAYS).find(|way| is(*way));
            let upto = way.unwrap_or(WAYS - 1);
            set.tags[..=upto].rotate_right(1);
            set.kept[..=upto].rotate_right(1);
            if way.is_none() {
                set.tags[0] = tag;
                set.kept[0] = Some(Box::new(Kept { key: key.into(), value: find(key) }));
            }
        }
        &set.kept[0].as_ref().expect("it was put there").value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn what_is_asked_for_often_is_found_once_and_no_more_is_kept_than_allowed() {
        let mut cache: Cache<String> = Cache::new(8);
        let found = Cell::new(0);
        let mut get = |key: &str| {
            let find = |key: &[u8]| {
                found.set(found.get() + 1);
                String::from_utf8(key.to_vec()).expect("text")
            };
            cache.get_or_insert(key.as_bytes(), find).clone()
        };
        for _ in 0..3 {
            assert_eq!((get("a"), get("b")), ("a".to_owned(), "b".to_owned()));
        }
        assert_eq!(found.get(), 2);
        for number in 0..1000 {
            assert_eq!(get(&number.to_string()), number.to_string());
        }
        let kept = cache.sets.iter().flat_map(|set| &set.kept).flatten().count();
        assert_eq!(kept, 8);
    }

    #[test]
    fn long_keys_are_the_same_when_they_begin_alike() {
        let mut cache: Cache<usize> = Cache::new(4);
        let long = vec![b'x'; 2 * KEY_BYTES_MAX];
        assert_eq!(*cache.get_or_insert(&long, <[u8]>::len), KEY_BYTES_MAX);
        assert_eq!(*cache.get_or_insert(&long[..=KEY_BYTES_MAX], |_| 0), KEY_BYTES_MAX);
    }
}
