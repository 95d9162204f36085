use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges_validated;
use proptest::prelude::*;

use super::*;

fn content(len: usize) -> Vec<u8> {
    // xorshift: any content does, as long as no two groups are alike.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

fn build(content: &[u8]) -> (Tree, Vec<u8>) {
    let mut groups = Groups::default();
    groups.update(content);
    groups.finish();
    Tree::outboard(&groups)
}

fn proof(tree: &Tree, outboard: &[u8], content: &[u8], span: u64) -> Vec<u8> {
    let range = tree.bytes(span);
    let content = &content[range.start as usize..range.end as usize];
    let load = |at: u64| {
        let at = at as usize;
        Ok::<_, Mismatch>(outboard[at..at + PAIR_BYTES].try_into().unwrap())
    };
    let pairs = tree.check(span, content, load).unwrap();
    pairs.into_iter().flat_map(|(_, pair)| pair).collect()
}

const SPAN: usize = SPAN_BYTES as usize;
const SIZES: [usize; 14] = [
    0,
    1,
    1024,
    1025,
    GROUP_BYTES - 1,
    GROUP_BYTES,
    GROUP_BYTES + 1,
    SPAN - 1,
    SPAN,
    SPAN + 1,
    SPAN + GROUP_BYTES,
    3 * SPAN,
    3 * SPAN + 5 * GROUP_BYTES + 7,
    (1 << 20) + 17,
];

/// `bao-tree` is the oracle: the same outboard, and its slice is our proof and our content.
#[test]
fn outboard_and_proofs_are_those_of_bao() {
    for size in SIZES {
        let content = content(size);
        let (tree, outboard) = build(&content);
        assert_eq!(tree.id(), BlobId::of(&content), "{size}");
        let bao = PreOrderMemOutboard::create(&content, GROUP);
        assert_eq!(outboard, bao.data, "{size}");
        for span in 0..tree.spans() {
            let range = tree.bytes(span);
            let piece = &content[range.start as usize..range.end as usize];
            let proof = proof(&tree, &outboard, &content, span);
            let mut slice = Vec::new();
            encode_ranges_validated(&content[..], &bao, &tree.chunks(span), &mut slice).unwrap();
            assert_eq!(slice.len(), proof.len() + piece.len(), "{size} {span}");
            for pair in proof.chunks(PAIR_BYTES) {
                assert!(slice.windows(PAIR_BYTES).any(|window| window == pair));
            }
            let placed = tree.verify(span, &proof, piece).unwrap();
            for (at, pair) in placed {
                assert_eq!(
                    &outboard[at as usize..][..PAIR_BYTES],
                    pair,
                    "{size} {span}"
                );
            }
        }
    }
}

#[test]
fn content_in_pieces_hashes_like_content_in_one() {
    let content = content(3 * SPAN + 4321);
    let (whole, outboard) = build(&content);
    for step in [1000, GROUP_BYTES - 1, GROUP_BYTES, GROUP_BYTES + 1, 100_000] {
        let mut groups = Groups::default();
        for piece in content.chunks(step) {
            groups.update(piece);
        }
        groups.finish();
        assert_eq!(groups.size(), content.len() as u64);
        assert_eq!(Tree::outboard(&groups), (whole, outboard.clone()), "{step}");
    }
}

#[test]
fn a_false_size_is_found_by_the_last_span() {
    for size in SIZES {
        let content = content(size);
        let (tree, outboard) = build(&content);
        let last = tree.spans() - 1;
        let range = tree.bytes(last);
        let piece = &content[range.start as usize..];
        let proof = proof(&tree, &outboard, &content, last);
        for claim in [
            0,
            1,
            size / 2,
            size.saturating_sub(1),
            size + 1,
            size + 1024,
            size + GROUP_BYTES,
            2 * size + 1,
            1 << 40,
        ] {
            let claimed = Tree::new(tree.id(), claim as u64).unwrap();
            let last = claimed.spans() - 1;
            let mut padded = piece.to_vec();
            padded.resize(claimed.len(last), 0);
            let verified = claimed.verify(last, &proof, &padded);
            assert_eq!(verified.is_ok(), claim == size, "{size} as {claim}");
        }
    }
}

#[test]
fn a_span_far_beyond_the_end_or_a_size_beyond_all_bounds_is_refused() {
    assert_eq!(Tree::new(BlobId::of(b""), u64::MAX), None);
    let tree = Tree::new(BlobId::of(b""), SIZE_MAX).unwrap();
    assert!(tree.verify(tree.spans() - 1, &[0; 640], &[]).is_err());
    assert!(tree.verify(u64::MAX, &[0; 64], &[]).is_err());
    let tree = Tree::new(BlobId::of(b""), 0).unwrap();
    assert!(tree.verify(0, &[], &[]).is_ok());
    assert!(tree.verify(1, &[], &[]).is_err());
    assert!(tree.verify(0, &[0; 64], &[]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_anywhere_is_found(size in 1..(2 * SPAN + 40_000), at: prop::sample::Index, bit in 0..8u8) {
        let content = content(size);
        let (tree, outboard) = build(&content);
        let span = at.index(tree.spans() as usize) as u64;
        let range = tree.bytes(span);
        let mut proof = proof(&tree, &outboard, &content, span);
        let mut piece = content[range.start as usize..range.end as usize].to_vec();
        prop_assert!(tree.verify(span, &proof, &piece).is_ok());
        let all = proof.len() + piece.len();
        let byte = at.index(all);
        match byte.checked_sub(proof.len()) {
            Some(byte) => piece[byte] ^= 1 << bit,
            None => proof[byte] ^= 1 << bit,
        }
        prop_assert!(tree.verify(span, &proof, &piece).is_err());
    }

    #[test]
    fn any_proof_of_any_length_is_judged(size in 0..=SIZE_MAX, span in any::<u64>(), proof in prop::collection::vec(any::<u8>(), 0..700)) {
        let tree = Tree::new(BlobId::of(b"x"), size).unwrap();
        prop_assert!(tree.verify(span % tree.spans(), &proof, b"x").is_err() || size == 1);
    }
}
