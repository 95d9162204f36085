//! The blocks of the height under way: arriving in parts, and held until one is decided.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::{Address, BlockHash, Manifest, ManifestId, Message, Part, Round, Signed};

/// The most manifests of one round: two prove that the proposer contradicts itself.
const ROUND_MANIFESTS_MAX: usize = 2;
/// The most blocks that are put together at once. Of one more, the oldest is given up of the
/// proposer that has most: who withholds parts drives out only its own blocks.
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
    /// Grows with every manifest.
    order: u64,
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
    last_order: u64,
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

    /// Whether a manifest would say something new.
    pub(super) fn wants(&self, manifest: &Manifest, id: ManifestId) -> bool {
        !self.held.contains_key(&manifest.block) && !self.assemblies.contains_key(&id)
    }

    /// Whether another block of a round may be put together.
    pub(super) fn has_room(&self, round: Round) -> bool {
        let assemblies = self.assemblies.values();
        let of_round = assemblies.filter(|assembly| assembly.manifest.message.round == round);
        of_round.count() < ROUND_MANIFESTS_MAX
    }

    /// Gives up blocks until there is room for one more.
    fn make_room(&mut self) {
        self.give_up(ASSEMBLIES_MAX, |assembly| assembly.missing > 0);
        self.give_up(MANIFESTS_MAX, |_| true);
    }

    fn give_up(&mut self, max: usize, counts: impl Fn(&Assembly) -> bool) {
        let counted = self.assemblies.iter().filter(|(_, a)| counts(a));
        let mut by_proposer = BTreeMap::<Address, Vec<(u64, ManifestId)>>::new();
        for (id, assembly) in counted {
            let proposer = assembly.manifest.message.proposer;
            let of = by_proposer.entry(proposer).or_default();
            of.push((assembly.order, *id));
        }
        if by_proposer.values().map(Vec::len).sum::<usize>() >= max {
            let most = by_proposer.values().max_by_key(|of| of.len());
            let oldest = most.and_then(|of| of.iter().min());
            if let Some((_, id)) = oldest {
                self.assemblies.remove(id);
            }
        }
    }

    /// Takes a manifest whose signature was checked. Returns the block where all parts are here.
    pub(super) fn add_manifest(
        &mut self,
        manifest: Signed<Manifest>,
        id: ManifestId,
    ) -> Option<Complete> {
        self.make_room();
        self.last_order += 1;
        let count = manifest.message.hashes.len();
        let assembly = Assembly {
            order: self.last_order,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Height, Seal};

    fn manifest(round: u32, proposer: u8, bytes: &Bytes) -> (Signed<Manifest>, ManifestId) {
        let block = BlockHash::from(*blake3::hash(bytes).as_bytes());
        let proposer = Address::from([proposer; 32]);
        let of = (block, bytes.as_ref());
        let message = Manifest::new(Height(1), Round::new(round), of, proposer).unwrap();
        let id = message.id();
        let seal = Seal::new(vec![]);
        (Signed { message, seal }, id)
    }

    #[test]
    fn parts_make_a_block_in_any_order_also_before_their_manifest() {
        let bytes = Bytes::from((0..400_000_u32).map(|i| i as u8).collect::<Vec<_>>());
        let (manifest, id) = manifest(0, 1, &bytes);
        let parts: Vec<Part> = manifest.message.parts(&bytes).collect();
        assert_eq!(parts.len(), 4);
        for early in 0..=4 {
            let mut blocks = Blocks::default();
            let mut complete = None;
            for part in parts.iter().rev().take(early) {
                complete = complete.or(blocks.add_part(part.clone()));
            }
            complete = complete.or(blocks.add_manifest(manifest.clone(), id));
            let mut false_part = parts[0].clone();
            false_part.data = Bytes::from_static(b"false");
            assert_eq!(blocks.add_part(false_part), None);
            for part in parts.iter().chain(&parts) {
                complete = complete.or(blocks.add_part(part.clone()));
            }
            assert_eq!(
                complete,
                Some((manifest.clone(), bytes.clone())),
                "{early} early"
            );
        }
    }

    #[test]
    fn who_withholds_parts_drives_out_only_its_own_blocks() {
        let mut blocks = Blocks::default();
        let honest = Bytes::from_static(b"an honest block");
        let (announced, id) = manifest(1, 1, &honest);
        assert_eq!(blocks.add_manifest(announced.clone(), id), None);
        for round in 0..2_000 {
            let withheld = Bytes::from(format!("withheld {round}"));
            let (manifest, id) = manifest(round, 2, &withheld);
            assert!(blocks.wants(&manifest.message, id));
            assert_eq!(blocks.add_manifest(manifest, id), None);
            assert!(blocks.assemblies.len() <= ASSEMBLIES_MAX);
        }
        let part = announced.message.parts(&honest).next().unwrap();
        assert_eq!(blocks.add_part(part), Some((announced, honest)));
    }
}
