//! The walk from the root of a trie to the keys that change, and back.

use std::mem::take;

use alloy::primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{LeafNodeRef, RlpNode},
};
use rayon::prelude::*;

use crate::{
    Change, Leaf, NodeWrite, TrieError, TrieSource,
    node::{Node, branch_record, extension_record},
};

/// Changes below a branch from which its children are visited in parallel; with fewer, handing
/// out the work costs more than it saves.
const PARALLEL_CHANGES_MIN: usize = 192;

type Result<T, S> = std::result::Result<T, TrieError<<S as TrieSource>::Error>>;

/// What stands at a path once the changes below it are applied.
enum Subtree {
    Empty,
    /// One leaf; it is encoded by whoever keeps it, for its RLP depends on where it hangs.
    Leaf(Leaf),
    /// A branch, whose record is written.
    Branch(RlpNode),
    /// Nibbles down to a branch. The record is written by whoever keeps it, over `before`, for it
    /// may yet become part of a longer extension.
    Extension(Box<Extension>),
}

struct Extension {
    nibbles: Nibbles,
    child: RlpNode,
    /// The record that stands where the extension will stand.
    before: Option<Bytes>,
}

type Slots = [Child; 16];

/// A child of a branch.
#[derive(Default)]
enum Child {
    #[default]
    None,
    /// A leaf that is known by its reference alone.
    Leaf(RlpNode),
    /// A branch or an extension that is known by its reference alone.
    Node(RlpNode),
    /// What came out below.
    New(Subtree),
}

impl From<Subtree> for Child {
    fn from(subtree: Subtree) -> Self {
        match subtree {
            Subtree::Empty => Self::None,
            other => Self::New(other),
        }
    }
}

pub(crate) struct Walk<'a, S> {
    source: &'a S,
    writes: Vec<NodeWrite>,
    /// Scratch space for the RLP of leaves.
    buffer: Vec<u8>,
}

impl<'a, S: TrieSource> Walk<'a, S> {
    pub(crate) const fn new(source: &'a S) -> Self {
        Self {
            source,
            writes: Vec::new(),
            buffer: Vec::new(),
        }
    }

    pub(crate) fn into_writes(self) -> Vec<NodeWrite> {
        self.writes
    }

    /// Applies sorted changes and returns the root.
    pub(crate) fn root(&mut self, changes: &[Change]) -> Result<B256, S> {
        let path = Nibbles::new();
        let root = match self.source.node(&path).map_err(TrieError::Source)? {
            Some(record) => self.record(path, record, changes)?,
            None => self.leaf(path, changes)?,
        };
        if matches!(root, Subtree::Empty) {
            return Ok(EMPTY_ROOT_HASH);
        }
        let (reference, _) = self.reference(path, root);
        Ok(reference
            .as_hash()
            .unwrap_or_else(|| keccak256(&reference[..])))
    }

    fn child(&mut self, path: Nibbles, child: Child, changes: &[Change]) -> Result<Subtree, S> {
        match child {
            Child::None => match changes.iter().find(|c| c.operation.finds_a_leaf()) {
                Some(_) => Err(damaged(path, "a key that changes is not there")),
                None => self.build(path, &leaves_after(changes)),
            },
            Child::Leaf(_) => self.leaf(path, changes),
            Child::Node(_) | Child::New(_) => self.node(path, changes),
        }
    }

    /// Below `path` there is one leaf or, at the root, perhaps none.
    fn leaf(&mut self, path: Nibbles, changes: &[Change]) -> Result<Subtree, S> {
        // By far the most changes are of this kind: there is nothing to sort in or to look up.
        if let [Change { key, operation }] = changes
            && operation.finds_a_leaf()
        {
            return Ok(operation.value().map_or(Subtree::Empty, |value| {
                let (key, value) = (*key, value.clone());
                Subtree::Leaf(Leaf { key, value })
            }));
        }
        let mut leaves = leaves_after(changes);
        match changes
            .iter()
            .filter(|c| c.operation.finds_a_leaf())
            .count()
        {
            // The leaf stays and moves down beside new ones.
            0 => match self.source.leaf(&path).map_err(TrieError::Source)? {
                Some(leaf) => {
                    let place = leaves.partition_point(|other| other.key < leaf.key);
                    if leaves.get(place).is_some_and(|other| other.key == leaf.key) {
                        return Err(damaged(path, "a new key is there already"));
                    }
                    leaves.insert(place, leaf);
                }
                None if path.is_empty() => {}
                None => return Err(damaged(path, "a leaf is missing")),
            },
            1 => {}
            _ => return Err(damaged(path, "several keys change where one is")),
        }
        self.build(path, &leaves)
    }

    fn node(&mut self, path: Nibbles, changes: &[Change]) -> Result<Subtree, S> {
        let record = self.stored(path)?;
        self.record(path, record, changes)
    }

    fn record(&mut self, path: Nibbles, record: Bytes, changes: &[Change]) -> Result<Subtree, S> {
        match decoded(path, &record)? {
            Node::Extension { nibbles, child } => {
                let before = Some(record);
                let extension = Extension {
                    nibbles,
                    child,
                    before,
                };
                self.extension(path, extension, changes)
            }
            Node::Branch(branch) => {
                let mut slots = Slots::default();
                for (nibble, child, is_leaf) in branch.children() {
                    slots[usize::from(nibble)] = if is_leaf {
                        Child::Leaf(child)
                    } else {
                        Child::Node(child)
                    };
                }
                if changes.len() < PARALLEL_CHANGES_MIN {
                    self.visit(path, &mut slots, changes)?;
                } else {
                    self.visit_in_parallel(path, &mut slots, changes)?;
                }
                self.branch(path, &mut slots, Some(record))
            }
        }
    }

    /// Applies the changes below a branch to its children.
    fn visit(&mut self, path: Nibbles, slots: &mut Slots, changes: &[Change]) -> Result<(), S> {
        for (nibble, group) in groups(changes, |change| &change.key, path.len()) {
            let slot = &mut slots[usize::from(nibble)];
            let child = take(slot);
            *slot = self.child(below(path, nibble), child, group)?.into();
        }
        Ok(())
    }

    fn visit_in_parallel(
        &mut self,
        path: Nibbles,
        slots: &mut Slots,
        changes: &[Change],
    ) -> Result<(), S> {
        let groups: Vec<_> = groups(changes, |change| &change.key, path.len())
            .map(|(nibble, group)| {
                let child = take(&mut slots[usize::from(nibble)]);
                (nibble, child, group)
            })
            .collect();
        let source = self.source;
        let visited: Vec<_> = groups
            .into_par_iter()
            .map(|(nibble, child, group)| {
                let mut walk = Walk::new(source);
                let subtree = walk.child(below(path, nibble), child, group)?;
                Ok((nibble, subtree, walk.writes))
            })
            .collect::<Result<_, S>>()?;
        for (nibble, subtree, writes) in visited {
            slots[usize::from(nibble)] = subtree.into();
            self.writes.extend(writes);
        }
        Ok(())
    }

    /// Applies changes to an extension at `path`, which has a record of its own or is the rest of
    /// one; the rest may be the branch alone.
    fn extension(
        &mut self,
        path: Nibbles,
        extension: Extension,
        changes: &[Change],
    ) -> Result<Subtree, S> {
        let Extension {
            nibbles,
            child,
            before,
        } = extension;
        let end = path.join(&nibbles);
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else {
            let subtree = self.extend(end, nibbles, Subtree::Branch(child));
            return Ok(self.over(path, before, subtree));
        };
        // Keys are sorted, so none of them shares less with the extension than both ends do.
        let shared = |change: &Change| Nibbles::unpack(change.key).common_prefix_length(&end);
        let shared = shared(first).min(shared(last)) - path.len();
        if shared == nibbles.len() {
            let branch = self.node(end, changes)?;
            let subtree = self.extend(end, nibbles, branch);
            return Ok(self.over(path, before, subtree));
        }
        let fork = end.slice(..path.len() + shared);
        let taken = nibbles.get_unchecked(shared);
        let mut rest = Some(Extension {
            nibbles: nibbles.slice(shared + 1..),
            child,
            before: None,
        });
        let mut slots = Slots::default();
        for (nibble, group) in groups(changes, |change| &change.key, fork.len()) {
            let at = below(fork, nibble);
            let subtree = match rest.take_if(|_| nibble == taken) {
                Some(rest) => self.extension(at, rest, group)?,
                None => self.child(at, Child::None, group)?,
            };
            slots[usize::from(nibble)] = subtree.into();
        }
        if let Some(rest) = rest {
            let subtree = self.extension(below(fork, taken), rest, &[])?;
            slots[usize::from(taken)] = subtree.into();
        }
        if shared == 0 {
            return self.branch(path, &mut slots, before);
        }
        let branch = self.branch(fork, &mut slots, None)?;
        let subtree = self.extend(fork, nibbles.slice(..shared), branch);
        Ok(self.over(path, before, subtree))
    }

    /// The trie of new leaves below `path`, where nothing else is.
    fn build(&mut self, path: Nibbles, leaves: &[Leaf]) -> Result<Subtree, S> {
        let (first, last) = match leaves {
            [] => return Ok(Subtree::Empty),
            [leaf] => return Ok(Subtree::Leaf(leaf.clone())),
            [first, .., last] => (Nibbles::unpack(first.key), Nibbles::unpack(last.key)),
        };
        let fork = first.slice(..first.common_prefix_length(&last));
        let mut slots = Slots::default();
        for (nibble, group) in groups(leaves, |leaf| &leaf.key, fork.len()) {
            slots[usize::from(nibble)] = self.build(below(fork, nibble), group)?.into();
        }
        let branch = self.branch(fork, &mut slots, None)?;
        Ok(self.extend(fork, fork.slice(path.len()..), branch))
    }

    /// What becomes of a branch with these children, where `before` was the record: with one
    /// child it is no branch any more.
    fn branch(
        &mut self,
        path: Nibbles,
        slots: &mut Slots,
        before: Option<Bytes>,
    ) -> Result<Subtree, S> {
        let count = slots.iter().filter(|c| !matches!(c, Child::None)).count();
        if count < 2 {
            let only = (0..).zip(slots).find(|(_, c)| !matches!(c, Child::None));
            let subtree = match only {
                Some((nibble, child)) => self.collapse(path, nibble, take(child))?,
                None => Subtree::Empty,
            };
            return Ok(self.over(path, before, subtree));
        }
        let (mut present, mut leaves) = (TrieMask::default(), TrieMask::default());
        let mut children: [RlpNode; 16] = Default::default();
        let mut len = 0;
        for (nibble, child) in (0..).zip(slots) {
            let (reference, is_leaf) = match take(child) {
                Child::None => continue,
                Child::Leaf(reference) => (reference, true),
                Child::Node(reference) => (reference, false),
                Child::New(subtree) => self.reference(below(path, nibble), subtree),
            };
            present.set_bit(nibble);
            if is_leaf {
                leaves.set_bit(nibble);
            }
            children[len] = reference;
            len += 1;
        }
        let (record, reference) = branch_record(&children[..len], present, leaves);
        self.write(path, before, Some(record));
        Ok(Subtree::Branch(reference))
    }

    /// What a branch at `path` becomes when only this child is left.
    fn collapse(&mut self, path: Nibbles, nibble: u8, child: Child) -> Result<Subtree, S> {
        let at = below(path, nibble);
        let subtree = match child {
            Child::None => Subtree::Empty,
            Child::New(subtree) => subtree,
            Child::Leaf(_) => match self.source.leaf(&at).map_err(TrieError::Source)? {
                Some(leaf) => Subtree::Leaf(leaf),
                None => return Err(damaged(at, "a leaf is missing")),
            },
            Child::Node(reference) => {
                let record = self.stored(at)?;
                match decoded(at, &record)? {
                    Node::Branch(_) => Subtree::Branch(reference),
                    Node::Extension { nibbles, child } => Subtree::Extension(Box::new(Extension {
                        nibbles,
                        child,
                        before: Some(record),
                    })),
                }
            }
        };
        Ok(self.extend(at, Nibbles::from_nibbles([nibble]), subtree))
    }

    /// The subtree at `at` as it looks from `nibbles` above.
    fn extend(&mut self, at: Nibbles, nibbles: Nibbles, subtree: Subtree) -> Subtree {
        match subtree {
            subtree if nibbles.is_empty() => subtree,
            Subtree::Branch(child) => Subtree::Extension(Box::new(Extension {
                nibbles,
                child,
                before: None,
            })),
            Subtree::Extension(mut extension) => {
                self.write(at, extension.before.take(), None);
                extension.nibbles = nibbles.join(&extension.nibbles);
                Subtree::Extension(extension)
            }
            other => other,
        }
    }

    /// Puts what stands at `path` over the record that stood there and that nothing replaced yet.
    fn over(&mut self, path: Nibbles, record: Option<Bytes>, mut subtree: Subtree) -> Subtree {
        match &mut subtree {
            Subtree::Extension(extension) if record.is_some() => extension.before = record,
            _ => self.write(path, record, None),
        }
        subtree
    }

    /// How the parent refers to what stands at `path`, and whether that is a leaf.
    fn reference(&mut self, path: Nibbles, subtree: Subtree) -> (RlpNode, bool) {
        match subtree {
            Subtree::Empty => (RlpNode::default(), false),
            Subtree::Branch(reference) => (reference, false),
            Subtree::Leaf(leaf) => {
                let suffix = Nibbles::unpack(leaf.key).slice(path.len()..);
                self.buffer.clear();
                let leaf = LeafNodeRef::new(&suffix, &leaf.value).rlp(&mut self.buffer);
                (leaf, true)
            }
            Subtree::Extension(extension) => {
                let (record, reference) = extension_record(&extension.nibbles, &extension.child);
                self.write(path, extension.before, Some(record));
                (reference, false)
            }
        }
    }

    fn stored(&self, path: Nibbles) -> Result<Bytes, S> {
        let record = self.source.node(&path).map_err(TrieError::Source)?;
        record.ok_or_else(|| damaged(path, "a node is missing"))
    }

    fn write(&mut self, path: Nibbles, before: Option<Bytes>, after: Option<Bytes>) {
        if before != after {
            self.writes.push(NodeWrite {
                path,
                before,
                after,
            });
        }
    }
}

fn decoded<E>(path: Nibbles, record: &Bytes) -> std::result::Result<Node<'_>, TrieError<E>> {
    Node::decode(record, path.len()).ok_or_else(|| damaged(path, "a node is not valid"))
}

const fn damaged<E>(path: Nibbles, what: &'static str) -> TrieError<E> {
    TrieError::Damaged { path, what }
}

fn below(mut path: Nibbles, nibble: u8) -> Nibbles {
    path.push(nibble);
    path
}

fn leaves_after(changes: &[Change]) -> Vec<Leaf> {
    let leaf = |change: &Change| {
        let (key, value) = (change.key, change.operation.value()?.clone());
        Some(Leaf { key, value })
    };
    changes.iter().filter_map(leaf).collect()
}

/// Sorted items in groups by their nibble at `depth`.
fn groups<T>(
    items: &[T],
    key: impl Fn(&T) -> &B256,
    depth: usize,
) -> impl Iterator<Item = (u8, &[T])> {
    let nibble = move |item: &T| {
        let byte = key(item)[depth / 2];
        if depth.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 0x0f
        }
    };
    let mut rest = items;
    std::iter::from_fn(move || {
        let first = nibble(rest.first()?);
        let (group, others) = rest.split_at(rest.partition_point(|item| nibble(item) == first));
        rest = others;
        Some((first, group))
    })
}
