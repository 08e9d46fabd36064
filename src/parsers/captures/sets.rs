//! From which states the rest of a line matches, at each of its bytes: sets of states, made when they come up first.

use super::program::{Beside, Program};
use std::collections::HashMap;

/// Most bytes of memory of all sets of an expression.
const BYTES_MAX: usize = 4 << 20;

/// Fewest sets that have to fit.
const SETS_MIN: usize = 64;

/// Most sets, whatever their size: their numbers have 16 bits.
const SETS_MAX: usize = 32 << 10;

/// Bytes of lines for each set, on the average, below which sets cost more than they save.
const BYTES_OF_SET: u64 = 64;

/// Lines that are then read without sets, before they are tried again.
const LINES_WITHOUT: u32 = 10_000;

/// A line has to be read without sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WithoutSets;

/// A set that was not made yet.
const UNKNOWN: u16 = u16::MAX;

/// Sets of an expression.
#[derive(Debug, Clone)]
pub(super) struct Sets {
    /// For each byte: its class.
    classes: Box<[u16; 256]>,
    /// For each byte: what it is to the place behind it, moved beside the class.
    befores: Box<[u16; 256]>,
    /// The same for the line's beginning.
    no_before: u16,
    /// For each set, class and what stands before: the set before that byte.
    table: Vec<u16>,
    /// Bits by which one set's row in `table` is moved.
    shift: u32,
    /// All sets' bits, `words` for each set.
    bits: Vec<u64>,
    words: usize,
    /// Whether a match may begin where a set is.
    starts: Vec<bool>,
    /// Numbers of sets by a hash of their bits; one whose hash another has already stands at the next.
    numbers: HashMap<u64, u16>,
    most: usize,
    /// Sets at a line's end, by what stands before it.
    ends: [u16; 4],
    /// The set at each place of the last line, from its end.
    trace: Vec<u16>,
    /// Bytes of lines since the sets were thrown away.
    bytes: u64,
    /// Lines that are read without sets.
    without: u32,
    leads: Vec<bool>,
    set: Vec<u64>,
}

impl Sets {
    pub(super) fn new(program: &Program) -> Self {
        let (classes, count) = program.classes();
        let class_bits = usize::BITS - count.leading_zeros();
        // Without conditions on bytes it only matters whether there is one.
        let before =
            |byte: u8| if program.looks_at_bytes() { Beside::of(byte) } else { Beside::Word };
        let place = |before: Beside| (before as u16) << class_bits;
        let shift = class_bits + if program.looks_at_bytes() { 2 } else { 1 };
        let byte = |number: usize| u8::try_from(number).unwrap_or(0);
        let words = program.bit_count().div_ceil(64);
        let bytes_of_set = (2 << shift) + 8 * words + 64;
        Self {
            classes: Box::new(std::array::from_fn(|number| u16::from(classes[number]))),
            befores: Box::new(std::array::from_fn(|number| place(before(byte(number))))),
            no_before: place(Beside::Nothing),
            table: Vec::new(),
            shift,
            bits: Vec::new(),
            words,
            starts: Vec::new(),
            numbers: HashMap::new(),
            most: (BYTES_MAX / bytes_of_set).clamp(SETS_MIN, SETS_MAX),
            ends: [UNKNOWN; 4],
            trace: Vec::new(),
            bytes: 0,
            without: 0,
            leads: vec![false; program.state_count()],
            set: Vec::new(),
        }
    }

    /// Finds the sets of a line, and where the leftmost match begins.
    pub(super) fn read(
        &mut self,
        program: &Program,
        line: &[u8],
    ) -> Result<Option<usize>, WithoutSets> {
        if 0 < self.without {
            self.without -= 1;
            return Err(WithoutSets);
        }
        self.bytes += line.len() as u64;
        if self.trace.len() <= line.len() {
            self.trace.resize(line.len() + 1, 0);
        }
        let mut set = self.at_end(program, line.last().copied());
        self.trace[line.len()] = set;
        let mut before = line.last().copied();
        for at in (0..line.len()).rev() {
            let byte = before.unwrap_or_default();
            before = at.checked_sub(1).map(|at| line[at]);
            let symbol = self.classes[usize::from(byte)]
                | before.map_or(self.no_before, |before| self.befores[usize::from(before)]);
            let cell = usize::from(set) << self.shift | usize::from(symbol);
            set = self.table[cell];
            if set == UNKNOWN {
                set = self.make(program, cell, byte, before)?;
            }
            self.trace[at] = set;
        }
        let may_begin = |set: &u16| self.starts[usize::from(*set)];
        Ok(self.trace[..=line.len()].iter().position(may_begin))
    }

    /// Returns where the bits of the set at a place begin.
    #[inline]
    pub(super) fn at(&self, place: usize) -> usize {
        usize::from(self.trace[place]) * self.words
    }

    /// Returns the first place behind one that has another set. Where a byte may be taken there is one: no byte may be
    /// taken at the line's end.
    #[inline]
    pub(super) fn end_of_run(&self, place: usize) -> usize {
        let set = self.trace[place];
        let same = self.trace[place + 1..].iter().take_while(|other| **other == set).count();
        place + 1 + same
    }

    /// Tells whether the set whose bits begin at `set` has a bit.
    #[inline]
    pub(super) fn has(&self, set: usize, bit: u32) -> bool {
        self.bits[set + (bit / 64) as usize] >> (bit % 64) & 1 == 1
    }

    /// Throws all sets away. Where too little was read with them, the next lines do without.
    fn clear(&mut self) {
        if self.bytes < BYTES_OF_SET * self.most as u64 {
            self.without = LINES_WITHOUT;
        }
        self.table.clear();
        self.bits.clear();
        self.starts.clear();
        self.numbers.clear();
        self.ends = [UNKNOWN; 4];
        self.bytes = 0;
    }

    fn at_end(&mut self, program: &Program, before: Option<u8>) -> u16 {
        let before = before.map_or(Beside::Nothing, Beside::of);
        let known = self.ends[before as usize];
        if known != UNKNOWN {
            return known;
        }
        program.find(&mut self.leads, before, None, |_| false);
        let set = self.number(program);
        self.ends[before as usize] = set;
        set
    }

    /// Makes the set before a byte; where there is no room for one more, all are thrown away.
    #[cold]
    fn make(
        &mut self,
        program: &Program,
        cell: usize,
        byte: u8,
        before: Option<u8>,
    ) -> Result<u16, WithoutSets> {
        if self.most <= self.starts.len() {
            self.clear();
            return Err(WithoutSets);
        }
        let row = (cell >> self.shift) * self.words;
        let before = before.map_or(Beside::Nothing, Beside::of);
        let behind = &self.bits[row..row + self.words];
        let has = |bit: u32| behind[(bit / 64) as usize] >> (bit % 64) & 1 == 1;
        program.find(&mut self.leads, before, Some(byte), has);
        let set = self.number(program);
        self.table[cell] = set;
        Ok(set)
    }

    /// Returns the number of the set of states that `leads` has.
    fn number(&mut self, program: &Program) -> u16 {
        self.set.clear();
        self.set.resize(self.words, 0);
        for (bit, state) in program.bits().iter().enumerate() {
            self.set[bit / 64] |= u64::from(self.leads[*state as usize]) << (bit % 64);
        }
        let mut hash = self.set.iter().fold(0, |hash: u64, word| {
            (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        while let Some(number) = self.numbers.get(&hash) {
            let row = usize::from(*number) * self.words;
            if self.bits[row..row + self.words] == *self.set {
                return *number;
            }
            hash = hash.wrapping_add(1);
        }
        let number = u16::try_from(self.starts.len()).unwrap_or(UNKNOWN);
        self.numbers.insert(hash, number);
        self.bits.extend_from_slice(&self.set);
        self.table.resize(self.table.len() + (1 << self.shift), UNKNOWN);
        let start = program.start_bit();
        self.starts.push(self.set[(start / 64) as usize] >> (start % 64) & 1 == 1);
        number
    }
}

#[cfg(test)]
impl Sets {
    /// Returns about how many bytes the sets take.
    pub(super) fn bytes(&self) -> usize {
        2 * self.table.len() + 8 * self.bits.len()
    }
}
