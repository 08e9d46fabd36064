//! A few points on the way to an offset, at which a copy that ended early can be proved.

use crate::position::Point;
use std::fmt;
use thin_vec::ThinVec;

/// Most points kept.
pub const POINTS_MAX: usize = 4;

/// A few points before an offset, rising.
///
/// They lie about geometrically: the last one where the offset was just before, the first one near the beginning, so
/// that a copy of any size is proved over most of what it holds.
///
/// Invariant: the points rise; they are [`POINTS_MAX`] at most. Most files are quiet and have one or
/// none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Trail(ThinVec<Point>);

impl Trail {
    /// Makes a trail of points that rise; of more than [`POINTS_MAX`] the last ones.
    #[must_use]
    pub fn of(points: &[Point]) -> Self {
        Self(ThinVec::from(&points[points.len().saturating_sub(POINTS_MAX)..]))
    }

    /// The points.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// Adds a point before `reached`, the offset that the trail leads to; one that is not behind the last point changes
    /// nothing. Of too many points the one is dropped without which the others still lie the most evenly, seen from
    /// `reached`.
    pub fn push(&mut self, point: Point, reached: u64) {
        if self.0.last().is_some_and(|last| point.offset <= last.offset) {
            return;
        }
        if self.0.len() < POINTS_MAX {
            // Thousands of quiet files were read once, and keep one point.
            let free = if self.0.is_empty() { 1 } else { POINTS_MAX - self.0.len() };
            self.0.reserve_exact(free);
            self.0.push(point);
            return;
        }
        let dullest = self.dullest(point, reached);
        self.0.copy_within(dullest + 1.., dullest);
        self.0[POINTS_MAX - 1] = point;
    }

    /// Returns the inner point whose neighbours are the closest, as a ratio of their distances from `reached`.
    fn dullest(&self, last: Point, reached: u64) -> usize {
        let distance = |index: usize| {
            let point = self.0.get(index).unwrap_or(&last);
            u128::from(reached.saturating_sub(point.offset))
        };
        let mut dullest = 1;
        for index in 2..POINTS_MAX {
            let left = distance(index - 1) * distance(dullest + 1);
            let right = distance(dullest - 1) * distance(index + 1);
            if left < right {
                dullest = index;
            }
        }
        dullest
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.points()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(offset: u64) -> Point {
        Point { offset, running: offset * 5 }
    }

    fn offsets(trail: &Trail) -> Vec<u64> {
        trail.points().iter().map(|point| point.offset).collect()
    }

    #[test]
    fn points_reach_from_the_last_step_back_to_the_beginning() {
        let mut trail = Trail::default();
        for index in 1..1_000_000 {
            trail.push(point(index * 100), (index + 1) * 100);
        }
        let distances: Vec<u64> =
            offsets(&trail).iter().map(|offset| 100_000_000 - offset).collect();
        assert_eq!(distances.first(), Some(&99_999_900), "the first step is kept");
        assert_eq!(distances.last(), Some(&100), "and the last");
        assert_eq!(distances.len(), POINTS_MAX);
        for pair in distances.windows(2) {
            assert!((2..2000).contains(&(pair[0] / pair[1])), "evenly by ratio: {distances:?}");
        }
    }

    #[test]
    fn what_is_not_behind_the_last_point_changes_nothing() {
        let mut trail = Trail::of(&[point(5), point(9)]);
        trail.push(point(9), 12);
        trail.push(point(7), 12);
        assert_eq!(offsets(&trail), [5, 9]);
        trail.push(point(10), 12);
        assert_eq!(offsets(&trail), [5, 9, 10]);
    }

    #[test]
    fn of_too_many_the_last_are_taken() {
        let many: Vec<Point> = (1..=6).map(point).collect();
        assert_eq!(offsets(&Trail::of(&many)), [3, 4, 5, 6]);
        assert_eq!(Trail::of(&many).points()[0].running, 15);
    }
}
