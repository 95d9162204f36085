//! What this node keeps beside the ledger: photos and credentials under their
//! hashes, the next status index, and the answers to idempotency keys.

use std::sync::Arc;

use alloy::primitives::B256;
use bytes::Bytes;
use phytomer_store::{Batch, KeyRange, Order, Store, Table};

use crate::error::Error;

/// First byte of the keys of this crate in [`Table::Indexes`]: answers to idempotency keys.
const IDEMPOTENCY_PREFIX: u8 = b'k';
/// First byte of the keys of this crate in [`Table::Indexes`]: BLAKE3 of a credential's bytes →
/// its credential hash, so that it is found as a blob too.
const CREDENTIAL_BLOB_PREFIX: u8 = b'b';
/// First byte of the keys of this crate in [`Table::Indexes`]: a number that rises with each draft,
/// 8 bytes, then BLAKE3 of what it held → nothing.
const ORDER_PREFIX: u8 = b'o';
/// Bytes of such a key before the hash.
const ORDER_BYTES: usize = 9;
/// Key of the counter of status indexes in [`Table::Meta`].
const STATUS_INDEX_KEY: &[u8] = b"registry/next-status-index";

/// A request that an idempotency key stands for, and the credential it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// BLAKE3 of the request, so that a key cannot be used for another one.
    pub(crate) request: blake3::Hash,
    /// Hash of the credential that was issued for it.
    pub(crate) credential_hash: B256,
}

/// The documents. Cheap to clone; reads and writes run on blocking threads.
#[derive(Clone)]
pub struct Documents {
    store: Arc<dyn Store>,
}

/// What one issuance writes, all or nothing, before the ledger is told.
#[derive(Default)]
pub(crate) struct Draft {
    batch: Batch,
    /// What others may ask for, by hash.
    contents: Vec<blake3::Hash>,
}

impl Draft {
    /// Adds a photo; returns its BLAKE3 hash.
    pub(crate) fn photo(&mut self, photo: Bytes) -> blake3::Hash {
        let hash = blake3::hash(&photo);
        self.batch
            .put(Table::Blobs, hash.as_bytes().to_vec(), photo);
        self.contents.push(hash);
        hash
    }

    /// Adds a signed credential under its hash.
    pub(crate) fn credential(&mut self, hash: B256, credential: Vec<u8>) {
        let blob = blake3::hash(&credential);
        self.batch
            .put(Table::Indexes, credential_blob_key(blob), hash.to_vec());
        self.batch
            .put(Table::Credentials, hash.to_vec(), credential);
        self.contents.push(blob);
    }

    /// Remembers which credential an idempotency key led to.
    pub(crate) fn remember(&mut self, key: &str, remembered: &Remembered) {
        let value = [
            remembered.request.as_bytes().as_slice(),
            remembered.credential_hash.as_slice(),
        ]
        .concat();
        self.batch.put(Table::Indexes, idempotency_key(key), value);
    }
}

impl Documents {
    /// The documents in a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// A photo or a signed credential by the BLAKE3 hash of its bytes. Blocks while it reads.
    ///
    /// # Errors
    /// What the store says.
    pub fn by_content(&self, hash: &[u8; 32]) -> Result<Option<Bytes>, phytomer_store::Error> {
        let reader = self.store.snapshot();
        if let Some(photo) = reader.get(Table::Blobs, hash)? {
            return Ok(Some(photo));
        }
        let key = credential_blob_key(blake3::Hash::from_bytes(*hash));
        match reader.get(Table::Indexes, &key)? {
            Some(credential) => reader.get(Table::Credentials, &credential),
            None => Ok(None),
        }
    }

    /// The BLAKE3 hashes of the documents that were written last, the newest first, at most `limit`;
    /// one that was written twice is named twice. Blocks while it reads.
    ///
    /// # Errors
    /// What the store says.
    pub fn newest(&self, limit: usize) -> Result<Vec<[u8; 32]>, phytomer_store::Error> {
        let reader = self.store.snapshot();
        let order = KeyRange::prefix(&[ORDER_PREFIX]);
        let mut newest = Vec::new();
        for entry in reader
            .scan(Table::Indexes, order, Order::Descending)
            .take(limit)
        {
            let (key, _) = entry?;
            let hash = key.get(ORDER_BYTES..).map(<[u8; 32]>::try_from);
            newest.extend(hash.and_then(Result::ok));
        }
        Ok(newest)
    }

    /// Has a credential found by the BLAKE3 hash of its bytes too, and returns that. Those that
    /// earlier versions wrote are not indexed yet.
    pub(crate) async fn index_credential(
        &self,
        hash: B256,
        credential: &[u8],
    ) -> Result<blake3::Hash, Error> {
        let blob = blake3::hash(credential);
        let key = credential_blob_key(blob);
        if self.get(Table::Indexes, key.clone()).await?.is_none() {
            let mut batch = Batch::new();
            batch.put(Table::Indexes, key, hash.to_vec());
            let store = Arc::clone(&self.store);
            blocking(move || Ok(store.write(batch)?)).await?;
        }
        Ok(blob)
    }

    /// Writes a draft durably.
    pub(crate) async fn write(&self, draft: Draft) -> Result<(), Error> {
        let documents = self.clone();
        blocking(move || {
            let Draft {
                mut batch,
                contents,
            } = draft;
            let number = documents.next_order()?;
            for content in contents {
                batch.put(Table::Indexes, order_key(number, content), Bytes::new());
            }
            Ok(documents.store.write(batch)?)
        })
        .await
    }

    /// A number above those of the drafts that were written. Two drafts at once may share one.
    fn next_order(&self) -> Result<u64, phytomer_store::Error> {
        let reader = self.store.snapshot();
        let order = KeyRange::prefix(&[ORDER_PREFIX]);
        let mut last = reader.scan(Table::Indexes, order, Order::Descending);
        let Some((key, _)) = last.next().transpose()? else {
            return Ok(0);
        };
        let number = key.get(1..ORDER_BYTES).map(<[u8; 8]>::try_from);
        let number = number.and_then(Result::ok).map(u64::from_be_bytes);
        Ok(number.map_or(0, |number| number.saturating_add(1)))
    }

    /// A photo by its hash.
    pub(crate) async fn blob(&self, hash: blake3::Hash) -> Result<Option<Bytes>, Error> {
        self.get(Table::Blobs, hash.as_bytes().to_vec()).await
    }

    /// A signed credential by its hash.
    pub(crate) async fn credential(&self, hash: B256) -> Result<Option<Bytes>, Error> {
        self.get(Table::Credentials, hash.to_vec()).await
    }

    /// What an idempotency key led to.
    pub(crate) async fn remembered(&self, key: &str) -> Result<Option<Remembered>, Error> {
        let Some(value) = self.get(Table::Indexes, idempotency_key(key)).await? else {
            return Ok(None);
        };
        let damaged = || Error::Corrupt {
            what: "idempotency key",
            why: format!("it has {} bytes instead of 64", value.len()),
        };
        let request: [u8; 32] = value
            .get(..32)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(damaged)?;
        let credential: [u8; 32] = value
            .get(32..)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(damaged)?;
        Ok(Some(Remembered {
            request: request.into(),
            credential_hash: credential.into(),
        }))
    }

    /// The next status index that this node has not given out.
    pub(crate) async fn next_status_index(&self) -> Result<u64, Error> {
        let Some(value) = self.get(Table::Meta, STATUS_INDEX_KEY.to_vec()).await? else {
            return Ok(0);
        };
        let bytes = value.as_ref().try_into().map_err(|_| Error::Corrupt {
            what: "status index counter",
            why: format!("it has {} bytes instead of 8", value.len()),
        })?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Takes all status indexes below `next` out of use, durably.
    pub(crate) async fn reserve_status_indexes(&self, next: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put(
            Table::Meta,
            STATUS_INDEX_KEY.to_vec(),
            next.to_be_bytes().to_vec(),
        );
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.write(batch)?)).await
    }

    async fn get(&self, table: Table, key: Vec<u8>) -> Result<Option<Bytes>, Error> {
        let store = Arc::clone(&self.store);
        blocking(move || Ok(store.snapshot().get(table, &key)?)).await
    }
}

fn idempotency_key(key: &str) -> Vec<u8> {
    let mut bytes = vec![IDEMPOTENCY_PREFIX];
    bytes.extend_from_slice(blake3::hash(key.as_bytes()).as_bytes());
    bytes
}

fn credential_blob_key(hash: blake3::Hash) -> Vec<u8> {
    let mut bytes = vec![CREDENTIAL_BLOB_PREFIX];
    bytes.extend_from_slice(hash.as_bytes());
    bytes
}

fn order_key(number: u64, content: blake3::Hash) -> Vec<u8> {
    let mut bytes = vec![ORDER_PREFIX];
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(content.as_bytes());
    bytes
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::Ledger("the node is stopping".into())))
}

#[cfg(test)]
mod tests {
    use phytomer_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_found_under_its_hash() {
        let documents = Documents::new(Arc::new(MemoryStore::new()));
        let mut draft = Draft::default();
        let photo = draft.photo(Bytes::from_static(b"leaf"));
        draft.credential(B256::repeat_byte(7), b"{}".to_vec());
        let remembered = Remembered {
            request: blake3::hash(b"request"),
            credential_hash: B256::repeat_byte(7),
        };
        draft.remember("key", &remembered);
        documents.write(draft).await.unwrap();

        assert_eq!(documents.blob(photo).await.unwrap().unwrap(), "leaf");
        assert_eq!(
            documents
                .credential(B256::repeat_byte(7))
                .await
                .unwrap()
                .unwrap(),
            "{}"
        );
        assert_eq!(documents.remembered("key").await.unwrap(), Some(remembered));
        assert_eq!(documents.remembered("other").await.unwrap(), None);
    }

    #[tokio::test]
    async fn photos_and_credentials_are_found_as_content_too_those_of_old_folders_once_indexed() {
        let documents = Documents::new(Arc::new(MemoryStore::new()));
        let mut draft = Draft::default();
        draft.photo(Bytes::from_static(b"leaf"));
        draft.credential(B256::repeat_byte(7), b"{}".to_vec());
        draft
            .batch
            .put(Table::Credentials, vec![8; 32], b"old".to_vec());
        documents.write(draft).await.unwrap();
        let content = |bytes: &[u8]| {
            let hash = blake3::hash(bytes);
            documents.by_content(hash.as_bytes()).unwrap()
        };
        assert_eq!(content(b"leaf").unwrap(), "leaf");
        assert_eq!(content(b"{}").unwrap(), "{}");
        assert_eq!(content(b"old"), None);
        let indexed = documents
            .index_credential(B256::repeat_byte(8), b"old")
            .await;
        assert_eq!(indexed.unwrap(), blake3::hash(b"old"));
        assert_eq!(content(b"old").unwrap(), "old");
        assert_eq!(content(b"other"), None);
    }

    #[tokio::test]
    async fn what_was_written_last_is_listed_first() {
        let documents = Documents::new(Arc::new(MemoryStore::new()));
        assert!(documents.newest(9).unwrap().is_empty());
        let mut expected = Vec::new();
        for number in 0..300_u16 {
            let mut draft = Draft::default();
            let bytes = number.to_be_bytes();
            if number % 2 == 0 {
                draft.photo(Bytes::copy_from_slice(&bytes));
            } else {
                draft.credential(B256::left_padding_from(&bytes), bytes.to_vec());
            }
            documents.write(draft).await.unwrap();
            expected.insert(0, *blake3::hash(&bytes).as_bytes());
        }
        assert_eq!(documents.newest(1000).unwrap(), expected);
        assert_eq!(documents.newest(3).unwrap(), expected[..3]);
        assert!(documents.newest(0).unwrap().is_empty());
    }

    #[tokio::test]
    async fn reserved_status_indexes_are_not_given_out_again() {
        let documents = Documents::new(Arc::new(MemoryStore::new()));
        assert_eq!(documents.next_status_index().await.unwrap(), 0);
        documents.reserve_status_indexes(5).await.unwrap();
        assert_eq!(documents.next_status_index().await.unwrap(), 5);
    }
}
