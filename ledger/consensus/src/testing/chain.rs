//! Blocks and a store for them, as little as agreement needs.

use bytes::Bytes;

use crate::machine::{Candidate, Verdict};
use crate::{BlockHash, Certificate, Height, Status};

const VALID: u8 = 1;
const HEADER_BYTES: usize = 32 + 8 + 1 + 8;

/// What a node keeps of decided blocks. Survives crashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    blocks: Vec<(BlockHash, Bytes, Certificate)>,
}

/// A block: parent, height, whether it is valid, what makes it different, filler.
pub(crate) fn block(
    (parent, height): (BlockHash, Height),
    is_valid: bool,
    salt: u64,
    len: usize,
) -> (BlockHash, Bytes) {
    let mut bytes = Vec::with_capacity(len.max(HEADER_BYTES));
    bytes.extend(parent.as_bytes());
    bytes.extend(height.0.to_be_bytes());
    bytes.push(u8::from(is_valid));
    bytes.extend(salt.to_be_bytes());
    bytes.resize(len.max(HEADER_BYTES), 0xab);
    (hash(&bytes), bytes.into())
}

pub(crate) fn hash(bytes: &[u8]) -> BlockHash {
    BlockHash::from(*blake3::hash(bytes).as_bytes())
}

impl Store {
    pub(crate) fn last(&self) -> Height {
        Height(self.blocks.len() as u64)
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            first: Height(1),
            last: self.last(),
        }
    }

    pub(crate) fn tip(&self) -> BlockHash {
        let genesis = BlockHash::from([0; 32]);
        self.blocks.last().map_or(genesis, |(hash, ..)| *hash)
    }

    pub(crate) fn get(&self, height: Height) -> Option<&(BlockHash, Bytes, Certificate)> {
        let index = usize::try_from(height.0.checked_sub(1)?).ok()?;
        self.blocks.get(index)
    }

    pub(crate) fn push(&mut self, bytes: Bytes, certificate: Certificate) {
        self.blocks.push((hash(&bytes), bytes, certificate));
    }

    pub(crate) fn judge(&self, candidate: &Candidate) -> Verdict {
        if hash(&candidate.bytes) != candidate.block {
            return Verdict::OtherHash;
        }
        if self.follows(&candidate.bytes) {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    /// Whether these bytes are a valid block above the newest.
    pub(crate) fn follows(&self, bytes: &[u8]) -> bool {
        bytes.len() >= HEADER_BYTES
            && bytes[..32] == self.tip().as_bytes()[..]
            && bytes[32..40] == self.last().next().0.to_be_bytes()
            && bytes[40] == VALID
    }
}
