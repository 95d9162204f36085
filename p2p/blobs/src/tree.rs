//! The tree of hashes that proves content piece by piece.
//!
//! Geometry and pair order are those of `bao-tree` with chunk groups of 16 KiB; an outboard file
//! is its `PreOrderOutboard`. What differs is that a span's pairs stand before its content and not
//! within, so that content is read, sent, received, hashed and written in one piece.

use std::ops::Range;

use bao_tree::io::sync::truncate_ranges;
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, TreeNode};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use phytomer_wire::blobs::SPAN_BYTES;

use crate::BlobId;

/// Bytes of a leaf: 16 chunks of BLAKE3, which SIMD hashes side by side.
pub(crate) const GROUP_BYTES: usize = 16 << 10;
/// Bytes of two hashes.
pub(crate) const PAIR_BYTES: usize = 64;

const CHUNK_BYTES: u64 = 1024;
const GROUP: BlockSize = BlockSize::from_chunk_log(4);

/// No blob is larger: arithmetic on sizes that peers claim stays far from its bounds.
const SIZE_MAX: u64 = 1 << 48;

/// The hashes of a node's two children.
pub(crate) type Pair = [u8; PAIR_BYTES];

/// A pair, and its byte offset in the outboard.
pub(crate) type Placed = (u64, Pair);

/// Content or a proof that does not belong to the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// Where in the content, in bytes.
    pub(crate) offset: u64,
}

/// The shape of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    id: BlobId,
    bao: BaoTree,
}

impl Tree {
    /// The tree of a blob of `size` bytes, unless no blob can have so many.
    pub(crate) fn new(id: BlobId, size: u64) -> Option<Self> {
        let bao = BaoTree::new(size, GROUP);
        (size <= SIZE_MAX).then_some(Self { id, bao })
    }

    pub(crate) const fn id(&self) -> BlobId {
        self.id
    }

    pub(crate) fn size(&self) -> u64 {
        self.bao.size()
    }

    /// How many spans there are: at least one.
    pub(crate) fn spans(&self) -> u64 {
        self.size().div_ceil(SPAN_BYTES).max(1)
    }

    /// The bytes of a span.
    pub(crate) fn bytes(&self, span: u64) -> Range<u64> {
        let start = span.saturating_mul(SPAN_BYTES).min(self.size());
        start..start.saturating_add(SPAN_BYTES).min(self.size())
    }

    /// How many bytes a span has, at most [`SPAN_BYTES`].
    pub(crate) fn len(&self, span: u64) -> usize {
        let bytes = self.bytes(span);
        usize::try_from(bytes.end - bytes.start).expect("a span is small")
    }

    /// Bytes of the outboard.
    pub(crate) fn outboard_bytes(&self) -> u64 {
        self.bao.outboard_size()
    }

    /// Checks the content of a span against the hash of the blob, with the pairs that `pair` gives
    /// for each offset in the outboard, in pre-order. Returns these pairs.
    pub(crate) fn check<E: From<Mismatch>>(
        &self,
        span: u64,
        content: &[u8],
        mut pair: impl FnMut(u64) -> Result<Pair, E>,
    ) -> Result<Vec<Placed>, E> {
        let range = self.bytes(span);
        let wrong = |offset| E::from(Mismatch { offset });
        if span >= self.spans() || content.len() != self.len(span) {
            return Err(wrong(range.start));
        }
        let mut expected = vec![*self.id.as_bytes()];
        let mut pairs = Vec::new();
        let chunks = self.chunks(span);
        let chunks = truncate_ranges(&chunks, self.size());
        for step in self.bao.ranges_pre_order_chunks_iter_ref(chunks, 0) {
            let wanted = expected.pop().ok_or_else(|| wrong(range.start))?;
            match step {
                BaoChunk::Parent {
                    node,
                    is_root,
                    left,
                    right,
                    ..
                } => {
                    let offset = self.pair_offset(node).ok_or_else(|| wrong(range.start))?;
                    let found = pair(offset)?;
                    let (left_hash, right_hash) = halves(&found);
                    if parent(left_hash, right_hash, root(is_root)) != wanted {
                        return Err(wrong(range.start));
                    }
                    if right {
                        expected.push(*right_hash);
                    }
                    if left {
                        expected.push(*left_hash);
                    }
                    pairs.push((offset, found));
                }
                BaoChunk::Leaf {
                    start_chunk,
                    size,
                    is_root,
                    ..
                } => {
                    let offset = start_chunk.to_bytes();
                    let group = usize::try_from(offset - range.start)
                        .ok()
                        .and_then(|start| content.get(start..start + size))
                        .ok_or_else(|| wrong(offset))?;
                    if leaf(offset, group, root(is_root)) != wanted {
                        return Err(wrong(offset));
                    }
                }
            }
        }
        Ok(pairs)
    }

    /// Checks a span that arrived with its proof. Returns the pairs of the proof.
    pub(crate) fn verify(
        &self,
        span: u64,
        proof: &[u8],
        content: &[u8],
    ) -> Result<Vec<Placed>, Mismatch> {
        let mut pairs = proof.chunks_exact(PAIR_BYTES);
        let offset = self.bytes(span).start;
        let mut next = |_| {
            let pair = pairs.next().and_then(|pair| pair.try_into().ok());
            pair.ok_or(Mismatch { offset })
        };
        let placed = self.check(span, content, &mut next)?;
        if placed.len() * PAIR_BYTES != proof.len() {
            return Err(Mismatch { offset });
        }
        Ok(placed)
    }

    /// The outboard over the hashes of the groups; its root is the id of the tree.
    pub(crate) fn outboard(groups: &Groups) -> (Self, Vec<u8>) {
        let size = groups.size;
        let bao = BaoTree::new(size, GROUP);
        let shape = Self {
            id: BlobId::from_bytes([0; 32]),
            bao,
        };
        let mut outboard = vec![0; usize::try_from(bao.outboard_size()).expect("fits in memory")];
        let mut leaves = groups.hashes.iter();
        let mut stack: Vec<[u8; 32]> = Vec::new();
        for step in bao.post_order_chunks_iter() {
            match step {
                BaoChunk::Leaf { is_root: true, .. } => {
                    stack.push(leaf(0, &groups.first, Root::Yes));
                }
                BaoChunk::Leaf { .. } => stack.push(*leaves.next().expect("one hash a group")),
                BaoChunk::Parent { node, is_root, .. } => {
                    let right = stack.pop().expect("children come first");
                    let left = stack.pop().expect("children come first");
                    stack.push(parent(&left, &right, root(is_root)));
                    let at = shape
                        .pair_offset(node)
                        .and_then(|at| usize::try_from(at).ok())
                        .expect("parents above groups have a place");
                    outboard[at..at + 32].copy_from_slice(&left);
                    outboard[at + 32..at + PAIR_BYTES].copy_from_slice(&right);
                }
            }
        }
        let id = BlobId::from_bytes(stack.pop().expect("a tree has a root"));
        (Self { id, bao }, outboard)
    }

    fn pair_offset(&self, node: TreeNode) -> Option<u64> {
        Some(self.bao.pre_order_offset(node)? * PAIR_BYTES as u64)
    }

    /// The chunks of a span; the last span reaches to the end of the blob, however it is cut.
    fn chunks(&self, span: u64) -> ChunkRanges {
        const SPAN_CHUNKS: u64 = SPAN_BYTES / CHUNK_BYTES;
        let start = ChunkNum(span * SPAN_CHUNKS);
        if span + 1 == self.spans() {
            ChunkRanges::from(start..)
        } else {
            ChunkRanges::from(start..ChunkNum((span + 1) * SPAN_CHUNKS))
        }
    }
}

/// Hashes content group by group as it comes by.
#[derive(Default)]
pub(crate) struct Groups {
    hashes: Vec<[u8; 32]>,
    /// The content of the first group, whose hash depends on whether others follow.
    first: Vec<u8>,
    /// A group that is not full yet.
    open: Vec<u8>,
    size: u64,
}

impl Groups {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if !self.open.is_empty() {
            let missing = (GROUP_BYTES - self.open.len()).min(bytes.len());
            self.open.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if self.open.len() < GROUP_BYTES {
                return;
            }
            let group = std::mem::take(&mut self.open);
            self.push(&group);
        }
        let mut groups = bytes.chunks_exact(GROUP_BYTES);
        for group in groups.by_ref() {
            self.push(group);
        }
        self.open.extend_from_slice(groups.remainder());
    }

    /// Takes the end of the content.
    pub(crate) fn finish(&mut self) {
        if !self.open.is_empty() {
            let group = std::mem::take(&mut self.open);
            self.push(&group);
        }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    fn push(&mut self, group: &[u8]) {
        if self.hashes.is_empty() {
            self.first = group.to_vec();
        }
        let offset = (self.hashes.len() * GROUP_BYTES) as u64;
        self.hashes.push(leaf(offset, group, Root::No));
    }
}

/// Whether a node is the root of its tree, which BLAKE3 hashes differently.
#[derive(Clone, Copy)]
enum Root {
    Yes,
    No,
}

const fn root(is_root: bool) -> Root {
    if is_root { Root::Yes } else { Root::No }
}

fn leaf(offset: u64, group: &[u8], root: Root) -> [u8; 32] {
    match root {
        Root::Yes => *blake3::hash(group).as_bytes(),
        Root::No => blake3::Hasher::new()
            .set_input_offset(offset)
            .update(group)
            .finalize_non_root(),
    }
}

fn parent(left: &[u8; 32], right: &[u8; 32], root: Root) -> [u8; 32] {
    match root {
        Root::Yes => *merge_subtrees_root(left, right, Mode::Hash).as_bytes(),
        Root::No => merge_subtrees_non_root(left, right, Mode::Hash),
    }
}

fn halves(pair: &Pair) -> (&[u8; 32], &[u8; 32]) {
    let (left, right) = pair.split_at(32);
    (
        left.try_into().expect("32 of 64 bytes"),
        right.try_into().expect("32 of 64 bytes"),
    )
}

#[cfg(test)]
mod tests;
