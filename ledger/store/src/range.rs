//! Which keys a scan visits, and in which order.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

/// The order in which a scan visits keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key to the largest.
    Ascending,
    /// From the largest key to the smallest.
    Descending,
}

/// An interval of keys in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    start: Bound<Bytes>,
    end: Bound<Bytes>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }

    /// The keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let start = Bound::Included(Bytes::copy_from_slice(prefix));
        // The first key after the prefix: drop trailing 0xff bytes, then add one to the last.
        let kept = prefix
            .iter()
            .rposition(|byte| *byte != u8::MAX)
            .map_or(0, |last| last + 1);
        let mut end = prefix[..kept].to_vec();
        match end.last_mut() {
            Some(last) => {
                *last += 1;
                Self {
                    start,
                    end: Bound::Excluded(end.into()),
                }
            }
            None => Self {
                start,
                end: Bound::Unbounded,
            },
        }
    }

    /// The keys within `bounds`, written as a Rust range of byte slices or vectors.
    #[must_use]
    pub fn new<K: AsRef<[u8]>>(bounds: impl RangeBounds<K>) -> Self {
        let own = |bound: Bound<&K>| bound.map(|key| Bytes::copy_from_slice(key.as_ref()));
        Self {
            start: own(bounds.start_bound()),
            end: own(bounds.end_bound()),
        }
    }

    /// The lower bound.
    #[must_use]
    pub const fn start(&self) -> &Bound<Bytes> {
        &self.start
    }

    /// The upper bound.
    #[must_use]
    pub const fn end(&self) -> &Bound<Bytes> {
        &self.end
    }

    /// Whether `key` lies within the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.is_at_or_after_start(key) && self.is_at_or_before_end(key)
    }

    /// Whether no key can lie within the range, because it ends before it starts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
            | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        }
    }

    fn is_at_or_after_start(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key >= start.as_ref(),
            Bound::Excluded(start) => key > start.as_ref(),
            Bound::Unbounded => true,
        }
    }

    fn is_at_or_before_end(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key <= end.as_ref(),
            Bound::Excluded(end) => key < end.as_ref(),
            Bound::Unbounded => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_keys_that_begin_with_it(
            prefix in proptest::collection::vec(prop_oneof![Just(0xff), Just(0), any::<u8>()], 0..4),
            key in proptest::collection::vec(prop_oneof![Just(0xff), Just(0), any::<u8>()], 0..6),
        ) {
            prop_assert_eq!(KeyRange::prefix(&prefix).contains(&key), key.starts_with(&prefix));
        }
    }

    #[test]
    fn ranges_that_end_before_they_start_are_empty() {
        assert!(KeyRange::new(b"b".as_slice()..b"a".as_slice()).is_empty());
        assert!(KeyRange::new(b"a".as_slice()..b"a".as_slice()).is_empty());
        assert!(!KeyRange::new(b"a".as_slice()..=b"a".as_slice()).is_empty());
        assert!(!KeyRange::prefix(b"\xff").is_empty());
        assert!(!KeyRange::all().is_empty());
    }
}
