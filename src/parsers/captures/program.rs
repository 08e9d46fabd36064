//! An expression as steps from state to state, as the `regex` crate's own library makes them.

use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::look::{Look, LookSet};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;

/// Most states of an expression that is walked.
const STATES_MAX: usize = 32 << 10;

/// Most bytes of memory that making the states may take.
const BUILD_BYTES_MAX: usize = 8 << 20;

/// Conditions on what stands before and behind a place that are understood.
const LOOKS: [Look; 10] = [
    Look::Start,
    Look::End,
    Look::StartLF,
    Look::EndLF,
    Look::WordAscii,
    Look::WordAsciiNegate,
    Look::WordStartAscii,
    Look::WordEndAscii,
    Look::WordStartHalfAscii,
    Look::WordEndHalfAscii,
];

/// What stands beside a place, as far as conditions know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// The line's end, or its beginning.
    Nothing,
    /// A letter, a digit or `_`.
    Word,
    /// A line end.
    LineEnd,
    /// Any other byte.
    Other,
}

impl Beside {
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b'\n' => Self::LineEnd,
            b'_' => Self::Word,
            _ if byte.is_ascii_alphanumeric() => Self::Word,
            _ => Self::Other,
        }
    }
}

/// What a state does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Takes one byte, whichever leads on.
    Byte { next: u32 },
    /// Takes one byte that decides which state is next, among the transitions `from..to`.
    Bytes { from: u32, to: u32 },
    /// Goes on by the first of the ways `from..to` that leads to a match.
    Ways { from: u32, to: u32 },
    /// Notes a place.
    Group { slot: u32, next: u32 },
    /// Goes on.
    Pass { next: u32 },
    /// Is the end.
    Match,
    /// Leads nowhere.
    Never,
}

/// One of several ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) state: u32,
    /// Its state's bit in the sets.
    pub(super) bit: u32,
    /// Whether it takes one byte and leads back to where it began.
    pub(super) is_loop: bool,
}

/// A range of bytes, and where they lead.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u8,
    last: u8,
    next: u32,
}

/// What has to be beside a place for a state to lead on.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Some bytes lead to one state, which has a bit.
    Byte {
        from: u32,
        to: u32,
        bit: u32,
    },
    /// Bytes lead to several states.
    Bytes {
        from: u32,
        to: u32,
    },
    Look {
        look: Look,
        next: u32,
    },
    Ways {
        from: u32,
        to: u32,
    },
    Next(u32),
    Always,
    Never,
}

/// Steps of an expression.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<Step>,
    ways: Vec<Way>,
    ranges: Vec<Range>,
    /// All states, in an order in which those that one leads to without a byte stand before it.
    rules: Vec<(u32, Rule)>,
    /// States whose bits are in the sets, by bit.
    bits: Vec<u32>,
    /// The bit of a state, if it has one.
    bit_of: Vec<u32>,
    start: u32,
    classes: [u8; 256],
    class_count: usize,
    /// Whether conditions look at bytes, rather than at the line's ends alone.
    looks_at_bytes: bool,
}

/// A state without a bit.
const NO_BIT: u32 = u32::MAX;

impl Program {
    /// Makes the steps of an expression; `None` where it cannot be walked.
    pub(super) fn new(expression: &str) -> Option<Self> {
        let syntax = syntax::Config::new().utf8(false).unicode(false);
        let config = NFA::config()
            .utf8(false)
            .which_captures(WhichCaptures::All)
            .nfa_size_limit(Some(BUILD_BYTES_MAX));
        let nfa = NFA::compiler().syntax(syntax).configure(config).build(expression).ok()?;
        let looks = nfa.look_set_any();
        let is_known = LOOKS.iter().fold(looks, |left, look| left.remove(*look)).is_empty();
        if !is_known || STATES_MAX < nfa.states().len() {
            return None;
        }
        let classes = nfa.byte_classes();
        let ends = LookSet::empty().insert(Look::Start).insert(Look::End);
        let count = nfa.states().len();
        let mut program = Self {
            steps: Vec::with_capacity(count),
            ways: Vec::new(),
            ranges: Vec::new(),
            rules: Vec::with_capacity(count),
            bits: Vec::new(),
            bit_of: vec![NO_BIT; count],
            start: number(nfa.start_anchored()),
            classes: std::array::from_fn(|byte| classes.get(u8::try_from(byte).unwrap_or(0))),
            class_count: classes.alphabet_len(),
            looks_at_bytes: !looks.subtract(ends).is_empty(),
        };
        for state in nfa.states() {
            program.add(state);
        }
        program.find_loops();
        program.put_in_order()?;
        program.give_bits();
        Some(program)
    }

    fn add(&mut self, state: &State) {
        let (step, rule) = match state {
            State::ByteRange { trans } => {
                let (from, to) = self.add_ranges(std::slice::from_ref(trans));
                (Step::Byte { next: number(trans.next) }, Rule::Byte { from, to, bit: NO_BIT })
            }
            State::Sparse(sparse) => {
                let (from, to) = self.add_ranges(&sparse.transitions);
                let first = sparse.transitions.first().map(|trans| trans.next);
                let same = first
                    .filter(|first| sparse.transitions.iter().all(|trans| trans.next == *first));
                match same {
                    Some(next) => {
                        (Step::Byte { next: number(next) }, Rule::Byte { from, to, bit: NO_BIT })
                    }
                    None => (Step::Bytes { from, to }, Rule::Bytes { from, to }),
                }
            }
            // Made for other automata only.
            State::Dense(_) | State::Fail => (Step::Never, Rule::Never),
            State::Look { look, next } => {
                let next = number(*next);
                (Step::Pass { next }, Rule::Look { look: *look, next })
            }
            State::Union { alternates } => self.add_ways(alternates),
            State::BinaryUnion { alt1, alt2 } => self.add_ways(&[*alt1, *alt2]),
            State::Capture { next, slot, .. } => {
                let next = number(*next);
                let slot = u32::try_from(slot.as_usize()).unwrap_or(u32::MAX);
                // The first two are those of the whole match.
                let step = match slot.checked_sub(2) {
                    Some(slot) => Step::Group { slot, next },
                    None => Step::Pass { next },
                };
                (step, Rule::Next(next))
            }
            State::Match { .. } => (Step::Match, Rule::Always),
        };
        self.steps.push(step);
        self.rules.push((length(&self.rules), rule));
    }

    fn add_ranges(
        &mut self,
        transitions: &[regex_automata::nfa::thompson::Transition],
    ) -> (u32, u32) {
        let from = length(&self.ranges);
        self.ranges.extend(transitions.iter().map(|trans| Range {
            first: trans.start,
            last: trans.end,
            next: number(trans.next),
        }));
        (from, length(&self.ranges))
    }

    fn add_ways(&mut self, states: &[StateID]) -> (Step, Rule) {
        let from = length(&self.ways);
        self.ways.extend(states.iter().map(|state| Way {
            state: number(*state),
            bit: NO_BIT,
            is_loop: false,
        }));
        let to = length(&self.ways);
        (Step::Ways { from, to }, Rule::Ways { from, to })
    }

    fn find_loops(&mut self) {
        for (state, step) in (0..).zip(&self.steps) {
            let Step::Ways { from, to } = *step else { continue };
            for way in &mut self.ways[from as usize..to as usize] {
                let taken = self.steps[way.state as usize];
                way.is_loop = matches!(taken, Step::Byte { next } if next == state);
            }
        }
    }

    /// Puts states behind those to which they lead without a byte; `None` where such a way is a circle.
    fn put_in_order(&mut self) -> Option<()> {
        let mut seen = vec![Seen::No; self.rules.len()];
        let (mut open, mut ordered) = (Vec::new(), Vec::with_capacity(self.rules.len()));
        for first in 0..length(&self.rules) {
            open.push(first);
            while let Some(state) = open.last().copied() {
                match seen[state as usize] {
                    Seen::Done => drop(open.pop()),
                    Seen::Open => {
                        seen[state as usize] = Seen::Done;
                        ordered.push(self.rules[state as usize]);
                        open.pop();
                    }
                    Seen::No => {
                        seen[state as usize] = Seen::Open;
                        for next in self.silent(state) {
                            match seen[next as usize] {
                                Seen::Open => return None,
                                Seen::No => open.push(next),
                                Seen::Done => {}
                            }
                        }
                    }
                }
            }
        }
        self.rules = ordered;
        Some(())
    }

    /// Returns the states to which one leads without a byte, before they are put in order.
    fn silent(&self, state: u32) -> impl Iterator<Item = u32> {
        let (one, ways) = match self.rules[state as usize].1 {
            Rule::Look { next, .. } | Rule::Next(next) => (Some(next), &[][..]),
            Rule::Ways { from, to } => (None, self.ways(from, to)),
            Rule::Byte { .. } | Rule::Bytes { .. } | Rule::Always | Rule::Never => (None, &[][..]),
        };
        one.into_iter().chain(ways.iter().map(|way| way.state))
    }

    /// Gives bits to the states that sets are asked for: those to which bytes lead, and those to which there are ways.
    fn give_bits(&mut self) {
        let mut asked: Vec<u32> = self.ranges.iter().map(|range| range.next).collect();
        asked.extend(self.ways.iter().map(|way| way.state));
        asked.push(self.start);
        asked.sort_unstable();
        asked.dedup();
        for (bit, state) in (0..).zip(&asked) {
            self.bit_of[*state as usize] = bit;
        }
        for way in &mut self.ways {
            way.bit = self.bit_of[way.state as usize];
        }
        for (state, rule) in &mut self.rules {
            if let (Rule::Byte { bit, .. }, Step::Byte { next }) =
                (rule, self.steps[*state as usize])
            {
                *bit = self.bit_of[next as usize];
            }
        }
        self.bits = asked;
    }

    pub(super) fn start(&self) -> u32 {
        self.start
    }

    pub(super) fn start_bit(&self) -> u32 {
        self.bit_of[self.start as usize]
    }

    #[inline]
    pub(super) fn step(&self, state: u32) -> Step {
        self.steps[state as usize]
    }

    #[inline]
    pub(super) fn ways(&self, from: u32, to: u32) -> &[Way] {
        &self.ways[from as usize..to as usize]
    }

    /// Returns the state to which a byte leads by some of the ranges.
    pub(super) fn next_by(&self, byte: u8, from: u32, to: u32) -> Option<u32> {
        let ranges = &self.ranges[from as usize..to as usize];
        let found = ranges.iter().find(|range| (range.first..=range.last).contains(&byte));
        found.map(|range| range.next)
    }

    /// Returns the number of bits of a set.
    pub(super) fn bit_count(&self) -> usize {
        self.bits.len()
    }

    pub(super) fn state_count(&self) -> usize {
        self.rules.len()
    }

    /// Returns the classes of bytes that lead alike, and how many there are.
    pub(super) fn classes(&self) -> (&[u8; 256], usize) {
        (&self.classes, self.class_count)
    }

    pub(super) fn looks_at_bytes(&self) -> bool {
        self.looks_at_bytes
    }

    /// Fills `leads` with whether each state leads to a match from a place, of which the set behind the byte that stands
    /// there is `behind`. `next` is that byte, `before` what stands before it.
    pub(super) fn find(
        &self,
        leads: &mut Vec<bool>,
        before: Beside,
        next: Option<u8>,
        behind: impl Fn(u32) -> bool,
    ) {
        leads.clear();
        leads.resize(self.rules.len(), false);
        let after = next.map_or(Beside::Nothing, Beside::of);
        for (state, rule) in &self.rules {
            leads[*state as usize] = match *rule {
                Rule::Byte { from, to, bit } => {
                    behind(bit) && next.is_some_and(|byte| self.next_by(byte, from, to).is_some())
                }
                Rule::Bytes { from, to } => next
                    .and_then(|byte| self.next_by(byte, from, to))
                    .is_some_and(|next| behind(self.bit_of[next as usize])),
                Rule::Look { look, next } => leads[next as usize] && holds(look, before, after),
                Rule::Ways { from, to } => {
                    self.ways(from, to).iter().any(|way| leads[way.state as usize])
                }
                Rule::Next(next) => leads[next as usize],
                Rule::Always => true,
                Rule::Never => false,
            };
        }
    }

    /// Returns the states that have bits, in the order of these.
    pub(super) fn bits(&self) -> &[u32] {
        &self.bits
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    No,
    Open,
    Done,
}

/// Tells whether a condition holds between what stands before and behind a place.
fn holds(look: Look, before: Beside, after: Beside) -> bool {
    let (word_before, word_after) = (before == Beside::Word, after == Beside::Word);
    match look {
        Look::Start => before == Beside::Nothing,
        Look::End => after == Beside::Nothing,
        Look::StartLF => matches!(before, Beside::Nothing | Beside::LineEnd),
        Look::EndLF => matches!(after, Beside::Nothing | Beside::LineEnd),
        Look::WordAscii => word_before != word_after,
        Look::WordAsciiNegate => word_before == word_after,
        Look::WordStartAscii => !word_before && word_after,
        Look::WordEndAscii => word_before && !word_after,
        Look::WordStartHalfAscii => !word_before,
        Look::WordEndHalfAscii => !word_after,
        _ => false,
    }
}

fn number(state: StateID) -> u32 {
    state.as_u32()
}

fn length<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).expect("the states are limited")
}
