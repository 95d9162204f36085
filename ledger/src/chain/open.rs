//! Opening a chain: making its first block, or checking that the stored one is the same.

use std::{collections::BTreeMap, fmt, sync::Arc};

use alloy::primitives::{B256, ChainId};
use phytomer_evm::{Rules, execute_genesis};
use phytomer_genesis::Spec;
use phytomer_primitives::{BlockNumber, SealedHeader};
use phytomer_store::{Reader, Store};
use phytomer_trie::NodeCache;
use serde_json::Value;

use super::{
    ChainReader, ReadError,
    cached::{CachedReader, NODES_BYTES_MAX},
    commit,
    reader::meta,
    rebuild::complete_tries,
};
use crate::OpenError;

/// The version of the layout of the tables that this program reads and writes.
pub(super) const FORMAT: u32 = 1;

/// How many differences between two specifications are named.
const DIFFERENCES_MAX: usize = 5;

/// A chain in its store. Blocks are added with [`commit`](Self::commit), one after the other;
/// whoever adds them must be the only one.
#[derive(Clone)]
pub struct Chain {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    genesis_hash: B256,
    nodes: Arc<NodeCache>,
}

impl Chain {
    /// Opens the chain of `spec`. In an empty store its genesis is executed and written; else the
    /// store must hold the chain of the same specification.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do.
    pub fn open(store: Arc<dyn Store>, spec: &Spec) -> Result<Self, OpenError> {
        let stored = ChainReader::new(store.snapshot()).head()?;
        match stored {
            None => create(store.as_ref(), spec)?,
            Some(head) => {
                let state_root = check(&ChainReader::new(store.snapshot()), spec, head)?;
                complete_tries(store.as_ref(), state_root)?;
            }
        }
        let genesis = ChainReader::new(store.snapshot()).header(BlockNumber::GENESIS)?;
        let genesis = genesis.ok_or_else(|| damaged("the genesis block is missing"))?;
        let nodes = NodeCache::new(stored.unwrap_or_default().0, NODES_BYTES_MAX);
        Ok(Self {
            store,
            rules: Arc::new(Rules::new(spec)),
            genesis_hash: genesis.hash(),
            nodes: Arc::new(nodes),
        })
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The chain id (EIP-155).
    pub fn chain_id(&self) -> ChainId {
        self.rules.chain_id()
    }

    /// The hash of block 0.
    pub const fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    /// The store that holds the chain.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The header of the newest block.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn head(&self) -> Result<SealedHeader, ReadError> {
        let reader = self.reader();
        let number = reader.head()?.unwrap_or_default();
        reader
            .header(number)?
            .ok_or_else(|| damaged("the header of the newest block is missing"))
    }

    /// The store as it is now, with the nodes of the tries that were used last in memory: what
    /// blocks are executed on.
    pub fn snapshot(&self) -> Box<dyn Reader + '_> {
        Box::new(CachedReader::new(self.store.snapshot(), &self.nodes))
    }

    /// The chain as it is now.
    pub(crate) fn reader(&self) -> ChainReader<'_> {
        ChainReader::new(self.snapshot())
    }

    pub(super) fn nodes(&self) -> &NodeCache {
        &self.nodes
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Chain");
        debug
            .field("chain_id", &self.chain_id())
            .field("genesis_hash", &self.genesis_hash);
        debug.finish_non_exhaustive()
    }
}

/// The specification that the chain in a store was made from; `None` in an empty store.
///
/// # Errors
/// [`ReadError`] when it cannot be read.
pub fn stored_spec(store: &dyn Store) -> Result<Option<Spec>, ReadError> {
    let reader = ChainReader::new(store.snapshot());
    let Some(bytes) = reader.meta(meta::SPEC)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("its specification is not text"))?;
    Spec::from_json(text)
        .map(Some)
        .map_err(|error| damaged(&format!("its specification: {error}")))
}

fn create(store: &dyn Store, spec: &Spec) -> Result<(), OpenError> {
    let genesis = execute_genesis(spec).map_err(|error| OpenError::Genesis(Box::new(error)))?;
    let hash = genesis.block.hash();
    let batch = commit::genesis_batch(genesis.block, &genesis.state, spec)?;
    store.write(batch).map_err(ReadError::from)?;
    tracing::info!(%hash, chain_id = spec.chain_id(), "made the genesis block");
    Ok(())
}

/// Whether the store holds the chain of this specification, and the block at its head, whose
/// state root it returns.
fn check(reader: &ChainReader<'_>, spec: &Spec, head: BlockNumber) -> Result<B256, OpenError> {
    let format = reader.meta(meta::FORMAT)?;
    let format = format
        .and_then(|bytes| bytes.as_ref().try_into().ok())
        .map(u32::from_be_bytes);
    if format != Some(FORMAT) {
        return Err(OpenError::OtherFormat {
            stored: format.unwrap_or_default(),
            wanted: FORMAT,
        });
    }
    let stored = reader
        .meta(meta::SPEC)?
        .ok_or_else(|| damaged("the specification is missing"))?;
    let differences = differences(&stored, spec.to_json().as_bytes())?;
    if !differences.is_empty() {
        return Err(OpenError::OtherSpec {
            differences: differences.join("; "),
        });
    }
    match reader.block(head)? {
        Some(block) => Ok(block.block().header().state_root),
        None => Err(damaged(&format!("block {head}, the newest, is missing")).into()),
    }
}

/// Names where two specifications differ, at most [`DIFFERENCES_MAX`] places.
fn differences(stored: &[u8], wanted: &[u8]) -> Result<Vec<String>, ReadError> {
    let parse = |bytes| {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| damaged(&format!("its specification is not JSON: {error}")))?;
        let mut leaves = BTreeMap::new();
        flatten(&value, String::new(), &mut leaves);
        Ok::<_, ReadError>(leaves)
    };
    let (stored, wanted) = (parse(stored)?, parse(wanted)?);
    let mut paths: Vec<&String> = stored.keys().chain(wanted.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    let shown = |value: Option<&String>| value.map_or("nothing".to_owned(), |text| shorten(text));
    Ok(paths
        .into_iter()
        .filter(|path| stored.get(*path) != wanted.get(*path))
        .take(DIFFERENCES_MAX)
        .map(|path| {
            let (stored, wanted) = (shown(stored.get(path)), shown(wanted.get(path)));
            format!("`{path}` is {stored} in the folder and {wanted} in the specification")
        })
        .collect())
}

/// Collects the leaves of a JSON document under their paths.
fn flatten(value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &dyn fmt::Display| {
        if path.is_empty() {
            key.to_string()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(value, below(key), leaves);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                flatten(value, below(&index), leaves);
            }
        }
        leaf => {
            leaves.insert(path, leaf.to_string());
        }
    }
}

/// Code is long; its beginning tells that it differs.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn damaged(what: &str) -> ReadError {
    ReadError::Damaged {
        what: what.to_owned(),
    }
}
