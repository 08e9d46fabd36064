//! Groups of regular expressions, found several times as fast as the `regex` crate finds them where an expression is
//! large, as those of grok are.
//!
//! That crate finds groups of an expression with thousands of states by trying, and clears a bit for each state and
//! byte before every line. Here a line is walked through twice. From its end to its beginning a table says, at each
//! byte, from which states the rest of the line matches (`sets`); that is a lookup a byte, because only a few of such sets come up in
//! lines of one format. Then, from where the match begins, the expression (`program`) is walked forward: wherever it
//! goes several ways, the first that the table allows is the right one, so that nothing is ever tried in vain. The
//! result is the same; a property holds them together.
//!
//! What this cannot do, the `regex` crate does as before: small expressions, for which it has better ways, Unicode's `\b`, loops around nothing (`(a*)*`), lines above
//! [`LINE_BYTES_MAX`], and expressions whose sets grow beyond what is kept.

mod program;
pub mod rest;
mod sets;

use program::{Program, Step};
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use sets::{Sets, WithoutSets};
use std::sync::Arc;

/// Longest line whose groups are found by sets; it takes two bytes of memory for each of these.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Fewest states of an expression that is walked; with fewer, the `regex` crate is as fast, or faster.
const STATES_MIN: usize = 512;

/// An expression, and where the groups of the last line lie.
#[derive(Debug, Clone)]
pub struct Captures {
    regex: Regex,
    locations: CaptureLocations,
    /// How it is walked; nothing where it cannot be.
    walk: Option<Box<Walk>>,
    /// Whether the last line's groups are in `walk`.
    is_walked: bool,
}

#[derive(Debug, Clone)]
struct Walk {
    program: Arc<Program>,
    sets: Sets,
    /// Beginnings and ends of groups, group 0 left out; `u32::MAX` where it is not in the match.
    slots: Vec<u32>,
    /// Where the match begins and ends.
    whole: (usize, usize),
}

/// No place.
const NOWHERE: u32 = u32::MAX;

impl Captures {
    /// Makes one of an expression; classes and dots are of bytes, unless it says `(?u)`.
    ///
    /// # Errors
    /// When it is no expression, or is too large.
    pub fn new(expression: &str) -> Result<Self, regex::Error> {
        Self::of(expression, STATES_MIN)
    }

    fn of(expression: &str, states_min: usize) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(expression).unicode(false).build()?;
        let walk = Program::new(expression).filter(|program| states_min <= program.state_count());
        let walk = walk.map(|program| {
            let slots = vec![NOWHERE; 2 * regex.captures_len().saturating_sub(1)];
            let sets = Sets::new(&program);
            Box::new(Walk { program: Arc::new(program), sets, slots, whole: (0, 0) })
        });
        Ok(Self { locations: regex.capture_locations(), regex, walk, is_walked: false })
    }

    /// Finds the leftmost match, and tells whether there is one.
    #[must_use]
    pub fn read(&mut self, line: &[u8]) -> bool {
        self.is_walked = true;
        match &mut self.walk {
            Some(walk) if line.len() <= LINE_BYTES_MAX => {
                if let Ok(found) = walk.read(line) {
                    return found;
                }
            }
            _ => {}
        }
        self.is_walked = false;
        self.regex.captures_read(&mut self.locations, line).is_some()
    }

    /// Returns where the last match lies, or nothing.
    #[must_use]
    pub fn whole(&self) -> (usize, usize) {
        match self.walk.as_ref().filter(|_| self.is_walked) {
            Some(walk) => walk.whole,
            None => self.locations.get(0).unwrap_or_default(),
        }
    }

    /// Returns where a group of the last match lies, from 1 on; `None` where it is not in it.
    #[must_use]
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        let walk = self.walk.as_ref().filter(|_| self.is_walked);
        let Some(walk) = walk else { return self.locations.get(group) };
        let slot = 2 * group.checked_sub(1)?;
        let (start, end) = (*walk.slots.get(slot)?, *walk.slots.get(slot + 1)?);
        (end != NOWHERE).then_some((start as usize, end as usize))
    }
}

impl Walk {
    /// Finds the leftmost match.
    fn read(&mut self, line: &[u8]) -> Result<bool, WithoutSets> {
        let Some(start) = self.sets.read(&self.program, line)? else { return Ok(false) };
        self.slots.fill(NOWHERE);
        let (mut at, mut set) = (start, self.sets.at(start));
        let mut state = self.program.start();
        loop {
            match self.program.step(state) {
                Step::Byte { next } => {
                    at += 1;
                    set = self.sets.at(at);
                    state = next;
                }
                Step::Bytes { from, to } => {
                    let byte = line.get(at).copied().unwrap_or_default();
                    state = self.program.next_by(byte, from, to).unwrap_or(state);
                    at += 1;
                    set = self.sets.at(at);
                }
                Step::Ways { from, to } => {
                    let ways = self.program.ways(from, to);
                    let allowed = ways.iter().find(|way| self.sets.has(set, way.bit));
                    let Some(way) = allowed else { return Ok(false) };
                    if way.is_loop {
                        // The same is right as long as the set is the same.
                        at = self.sets.end_of_run(at);
                        set = self.sets.at(at);
                    } else {
                        state = way.state;
                    }
                }
                Step::Group { slot, next } => {
                    #[expect(clippy::cast_possible_truncation, reason = "lines are at most 1 MiB")]
                    if let Some(place) = self.slots.get_mut(slot as usize) {
                        *place = at as u32;
                    }
                    state = next;
                }
                Step::Pass { next } => state = next,
                Step::Match => {
                    self.whole = (start, at);
                    return Ok(true);
                }
                Step::Never => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests;
