//! How content travels: a stream of [`Protocol::BLOBS`](crate::Protocol::BLOBS).
//!
//! ```text
//! asks                         answers
//! Want { hash, no spans }  ──> Have { size, spans }        what is here of it
//! Want { hash, a..b }      ──> SpanHead, bytes             for each span of a..b
//!                              SpanHead, bytes …
//! ```
//!
//! A *span* is [`SPAN_BYTES`] of content, the last one what remains; content of no bytes has one
//! empty span. A span is 16 groups of 16 KiB, which are the leaves of the proof: the parents of
//! the BLAKE3 tree from the root to the groups of the span, in pre-order, 64 bytes each (the
//! parents of a bao slice with chunk groups of 16 KiB, put before the content). What follows the
//! head is the span's content and nothing else, so that it can be read where it will be written
//! from. Questions may be asked before the last one is answered; they are answered in order.

use bytes::Bytes;

use crate::codec::Message;

/// Bytes of content in a span that is not the last.
pub const SPAN_BYTES: u64 = 256 << 10;
/// Spans that one [`Want`] may ask for.
pub const WANT_SPANS_MAX: u64 = 256;
/// Ranges that one [`Have`] may list. Who has more pieces than that tells of the first ones.
pub const HAVE_RANGES_MAX: usize = 1024;
/// How long a request may wait for its turn before it is answered, in milliseconds. Who asks has
/// that much more patience.
pub const TURN_MS_MAX: u64 = 10_000;

/// Asks for spans of a blob, or, asking for none, what the peer has of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Want {
    /// BLAKE3 of the content, 32 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub hash: Bytes,
    /// The first span.
    #[prost(uint64, tag = "2")]
    pub start: u64,
    /// The span behind the last one.
    #[prost(uint64, tag = "3")]
    pub end: u64,
}

impl Message for Want {
    const BYTES_MAX: usize = 128;
    const NAME: &'static str = "Want";
}

/// What a peer has of a blob. Nothing of it is proven yet.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Have {
    /// Size of the content in bytes; 0 as well where nothing is here.
    #[prost(uint64, tag = "1")]
    pub size: u64,
    /// Ranges of spans, apart and in order: first span, span behind the last, and so on. None
    /// where nothing is here.
    #[prost(uint64, repeated, tag = "2")]
    pub spans: Vec<u64>,
    /// Whether the peer has too much to do and should be asked later.
    #[prost(bool, tag = "3")]
    pub busy: bool,
}

impl Message for Have {
    /// Two numbers of at most ten bytes for each range.
    const BYTES_MAX: usize = HAVE_RANGES_MAX * 20 + 32;
    const NAME: &'static str = "Have";
}

/// Stands before the content of a span.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SpanHead {
    /// Which span.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// The parents that prove it, 64 bytes each.
    #[prost(bytes = "bytes", tag = "2")]
    pub proof: Bytes,
    /// Whether the span is not given: it is here no longer, or the peer has too much to do. Then
    /// there is no proof, no content follows, and the rest of what was asked for is not answered.
    #[prost(bool, tag = "3")]
    pub gone: bool,
}

impl Message for SpanHead {
    /// At most 15 parents within a span and 46 above it.
    const BYTES_MAX: usize = 64 * 64 + 32;
    const NAME: &'static str = "SpanHead";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::{self, DecodeError};

    #[test]
    fn messages_have_these_bytes() {
        let want = Want {
            hash: Bytes::from_static(&[0xab; 32]),
            start: 3,
            end: 300,
        };
        assert_eq!(
            hex::encode(codec::encode(&want)),
            format!("0a20{}100318ac02", "ab".repeat(32))
        );
        let have = Have {
            size: 1 << 20,
            spans: vec![0, 2, 3, 4],
            busy: false,
        };
        assert_eq!(hex::encode(codec::encode(&have)), "08808040120400020304");
        let busy = Have {
            busy: true,
            ..Have::default()
        };
        assert_eq!(hex::encode(codec::encode(&busy)), "1801");
        let head = SpanHead {
            index: 7,
            proof: Bytes::from_static(&[1, 2]),
            gone: false,
        };
        assert_eq!(hex::encode(codec::encode(&head)), "080712020102");
        let gone = SpanHead {
            index: 7,
            gone: true,
            ..SpanHead::default()
        };
        assert_eq!(hex::encode(codec::encode(&gone)), "08071801");
    }

    #[test]
    fn the_largest_messages_pass_and_larger_ones_do_not() {
        let have = |ranges: usize| Have {
            size: u64::MAX,
            spans: vec![u64::MAX; 2 * ranges],
            busy: true,
        };
        let largest = codec::encode(&have(HAVE_RANGES_MAX));
        assert!(codec::decode::<Have>(&largest).is_ok());
        let larger = codec::encode(&have(HAVE_RANGES_MAX + 8));
        assert!(matches!(
            codec::decode::<Have>(&larger),
            Err(DecodeError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in(
            hash in proptest::collection::vec(any::<u8>(), 0..40),
            spans in proptest::collection::vec(any::<u64>(), 0..64),
            proof in proptest::collection::vec(any::<u8>(), 0..2048),
            (start, end, flag) in any::<(u64, u64, bool)>(),
        ) {
            let want = Want { hash: hash.into(), start, end };
            prop_assert_eq!(codec::decode::<Want>(&codec::encode(&want)), Ok(want));
            let have = Have { size: start, spans, busy: flag };
            prop_assert_eq!(codec::decode::<Have>(&codec::encode(&have)), Ok(have));
            let head = SpanHead { index: end, proof: proof.into(), gone: flag };
            prop_assert_eq!(codec::decode::<SpanHead>(&codec::encode(&head)), Ok(head));
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = Bytes::from(bytes);
            let _ = codec::decode::<Want>(&bytes);
            let _ = codec::decode::<Have>(&bytes);
            let _ = codec::decode::<SpanHead>(&bytes);
        }
    }
}
