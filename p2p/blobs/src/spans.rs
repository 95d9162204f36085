//! Sets of spans.

use std::ops::Range;

/// A set of span numbers, kept as runs. No run is open-ended.
pub(crate) type Spans = bao_tree::ByteRanges;

/// The spans of `range`.
pub(crate) fn range(range: Range<u64>) -> Spans {
    if range.is_empty() {
        Spans::empty()
    } else {
        Spans::from(range)
    }
}

/// The runs in order.
pub(crate) fn runs(spans: &Spans) -> impl Iterator<Item = Range<u64>> {
    spans.boundaries().chunks_exact(2).map(|run| run[0]..run[1])
}

/// How many spans are in the set.
pub(crate) fn count(spans: &Spans) -> u64 {
    runs(spans).map(|run| run.end - run.start).sum()
}

/// The first `max` spans of the first run.
pub(crate) fn first_run(spans: &Spans, max: u64) -> Option<Range<u64>> {
    let run = runs(spans).next()?;
    Some(run.start..run.end.min(run.start.saturating_add(max)))
}

/// The set with these boundaries, where they are a set of spans below `end`.
pub(crate) fn from_boundaries(boundaries: &[u64], end: u64) -> Option<Spans> {
    let rises = boundaries.windows(2).all(|pair| pair[0] < pair[1]);
    let fits = boundaries.last().is_none_or(|last| *last <= end);
    if !rises || !fits || !boundaries.len().is_multiple_of(2) {
        return None;
    }
    let mut spans = Spans::empty();
    for run in boundaries.chunks_exact(2) {
        spans |= range(run[0]..run[1]);
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_from_outside_are_a_set_or_refused() {
        let spans = from_boundaries(&[0, 2, 3, 4], 4).unwrap();
        assert_eq!(count(&spans), 3);
        assert_eq!(runs(&spans).collect::<Vec<_>>(), [0..2, 3..4]);
        assert_eq!(first_run(&spans, 1), Some(0..1));
        assert_eq!(spans.boundaries(), [0, 2, 3, 4]);
        for (boundaries, end) in [
            (&[0][..], 9),
            (&[2, 1], 9),
            (&[1, 1], 9),
            (&[0, 2, 2, 3], 9),
            (&[0, 5], 4),
        ] {
            assert!(from_boundaries(boundaries, end).is_none(), "{boundaries:?}");
        }
    }
}
