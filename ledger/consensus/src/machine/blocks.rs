//! The blocks of the height under way: arriving in parts, and held until one is decided.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::{BlockHash, Manifest, ManifestId, Message, Part, Round, Signed};

/// The most manifests of one round: two prove that the proposer contradicts itself.
const ROUND_MANIFESTS_MAX: usize = 2;
/// The most blocks that are put together at once.
const ASSEMBLIES_MAX: usize = 16;
/// The most manifests of a height that are remembered.
const MANIFESTS_MAX: usize = 512;
/// The most parts that wait for their manifest: two blocks.
const ORPHANS_MAX: usize = 128;

/// A block that is put together, or was.
#[derive(Debug)]
struct Assembly {
    manifest: Signed<Manifest>,
    /// Empty once the block is complete.
    parts: Vec<Option<Bytes>>,
    missing: usize,
}

/// A valid block that may be decided.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Nothing where it was fetched because it is decided.
    pub(super) manifest: Option<Signed<Manifest>>,
    pub(super) bytes: Bytes,
}

/// The blocks of a height.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    assemblies: BTreeMap<ManifestId, Assembly>,
    orphans: VecDeque<Part>,
    held: BTreeMap<BlockHash, Held>,
}

/// A block whose parts have all arrived.
pub(super) type Complete = (Signed<Manifest>, Bytes);

impl Blocks {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn hold(&mut self, block: BlockHash, held: Held) {
        self.held.insert(block, held);
    }

    pub(super) fn held(&self, block: &BlockHash) -> Option<&Held> {
        self.held.get(block)
    }

    /// Whether a manifest would say something new and there is room for it.
    pub(super) fn wants(&self, manifest: &Manifest, id: ManifestId) -> bool {
        let of_round = |round: Round| {
            let assemblies = self.assemblies.values();
            assemblies
                .filter(|assembly| assembly.manifest.message.round == round)
                .count()
        };
        let incomplete = self.assemblies.values().filter(|a| a.missing > 0).count();
        !self.held.contains_key(&manifest.block)
            && !self.assemblies.contains_key(&id)
            && of_round(manifest.round) < ROUND_MANIFESTS_MAX
            && incomplete < ASSEMBLIES_MAX
            && self.assemblies.len() < MANIFESTS_MAX
    }

    /// Takes a manifest whose signature was checked. Returns the block where all parts are here.
    pub(super) fn add_manifest(
        &mut self,
        manifest: Signed<Manifest>,
        id: ManifestId,
    ) -> Option<Complete> {
        let count = manifest.message.hashes.len();
        let assembly = Assembly {
            manifest,
            parts: vec![None; count],
            missing: count,
        };
        if count == 0 {
            let complete = (assembly.manifest.clone(), Bytes::new());
            self.assemblies.insert(id, assembly);
            return Some(complete);
        }
        self.assemblies.insert(id, assembly);
        let (here, others) = std::mem::take(&mut self.orphans)
            .into_iter()
            .partition(|part| part.manifest == id);
        self.orphans = others;
        let here: VecDeque<Part> = here;
        here.into_iter()
            .filter_map(|part| self.add_part(part))
            .last()
    }

    /// Takes a part. Returns the block where it was the last that was missing.
    pub(super) fn add_part(&mut self, part: Part) -> Option<Complete> {
        let Some(assembly) = self.assemblies.get_mut(&part.manifest) else {
            if self.orphans.len() >= ORPHANS_MAX {
                self.orphans.pop_front();
            }
            self.orphans.push_back(part);
            return None;
        };
        let slot = assembly.parts.get_mut(part.index)?;
        if slot.is_some() || !assembly.manifest.message.admits(part.index, &part.data) {
            return None;
        }
        *slot = Some(part.data);
        assembly.missing -= 1;
        if assembly.missing > 0 {
            return None;
        }
        let mut bytes = BytesMut::with_capacity(assembly.manifest.message.len);
        for part in std::mem::take(&mut assembly.parts).into_iter().flatten() {
            bytes.extend_from_slice(&part);
        }
        // The hashes fix the parts, and so their length: a proposer that announced another sends
        // a block that nobody can put together.
        let complete = bytes.len() == assembly.manifest.message.len;
        complete.then(|| (assembly.manifest.clone(), bytes.freeze()))
    }

    /// What tells others the block: its manifest and its parts.
    pub(super) fn stream(&self, block: &BlockHash) -> Vec<Message> {
        let Some(Held {
            manifest: Some(manifest),
            bytes,
        }) = self.held.get(block)
        else {
            return Vec::new();
        };
        let parts = manifest.message.parts(bytes).map(Message::Part);
        std::iter::once(Message::Manifest(manifest.clone()))
            .chain(parts)
            .collect()
    }
}
