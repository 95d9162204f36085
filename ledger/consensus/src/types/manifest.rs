//! Blocks in parts.

use std::fmt;

use arc_malachitebft_core_types as core;
use bytes::Bytes;
use phytomer_wire::consensus::{BLOCK_BYTES_MAX, PART_BYTES};

use crate::{Address, BlockHash, Context, Height, Round, Scheme};

/// The name of a manifest: the hash of what its signature covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestId(pub [u8; 32]);

impl fmt::Debug for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestId({:02x?}…)", &self.0[..4])
    }
}

/// Announces the parts of a block, each by its hash. It is signed by the proposer of its round, so
/// a part is known to be the proposer's as soon as it arrives, in whatever order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The height of the block.
    pub height: Height,
    /// The round for which it was made. It may be proposed again in later ones.
    pub round: Round,
    /// The block.
    pub block: BlockHash,
    /// Who made it.
    pub proposer: Address,
    /// The bytes of the block.
    pub len: usize,
    /// BLAKE3 of each part.
    pub hashes: Vec<[u8; 32]>,
}

impl Manifest {
    /// The manifest of a block of at most [`BLOCK_BYTES_MAX`]; nothing for a larger one.
    #[must_use]
    pub fn new(
        height: Height,
        round: Round,
        (block, bytes): (BlockHash, &[u8]),
        proposer: Address,
    ) -> Option<Self> {
        let hashes = bytes
            .chunks(PART_BYTES)
            .map(|part| blake3::hash(part).into())
            .collect();
        (bytes.len() <= BLOCK_BYTES_MAX).then_some(Self {
            height,
            round,
            block,
            proposer,
            len: bytes.len(),
            hashes,
        })
    }

    /// Whether it announces as many parts as its length needs, and no more bytes than allowed.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.len <= BLOCK_BYTES_MAX && self.hashes.len() == self.len.div_ceil(PART_BYTES)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ManifestId {
        ManifestId(blake3::hash(&self.bytes()).into())
    }

    /// The parts of the block that it announces.
    pub fn parts(&self, bytes: &Bytes) -> impl Iterator<Item = Part> {
        let (height, manifest, bytes) = (self.height, self.id(), bytes.clone());
        (0..self.hashes.len()).map(move |index| {
            let from = index * PART_BYTES;
            let to = bytes.len().min(from + PART_BYTES);
            Part {
                height,
                manifest,
                index,
                data: bytes.slice(from..to),
            }
        })
    }

    /// Whether `data` is the part with this index.
    #[must_use]
    pub fn admits(&self, index: usize, data: &[u8]) -> bool {
        self.hashes
            .get(index)
            .is_some_and(|hash| blake3::hash(data) == *hash)
    }

    /// What is signed of a manifest, after the chain.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(84 + 32 * self.hashes.len());
        bytes.extend(self.height.0.to_be_bytes());
        bytes.extend(self.round.as_u32().unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(self.block.as_bytes());
        bytes.extend(self.proposer.as_bytes());
        bytes.extend((self.len as u64).to_be_bytes());
        bytes.extend(self.hashes.as_flattened());
        bytes
    }
}

/// A part of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The height of the block.
    pub height: Height,
    /// The manifest that announces it.
    pub manifest: ManifestId,
    /// Which part, from 0.
    pub index: usize,
    /// Its bytes.
    pub data: Bytes,
}

/// Malachite's core never sees a part: the machine puts blocks together before.
impl<S: Scheme> core::ProposalPart<Context<S>> for Part {
    fn is_first(&self) -> bool {
        self.index == 0
    }

    fn is_last(&self) -> bool {
        self.data.len() < PART_BYTES
    }
}
