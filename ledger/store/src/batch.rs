//! Changes that are applied together.

use bytes::Bytes;

use crate::{Error, Table};

/// The most bytes of keys and values that one batch may hold. A full block of 60 M gas changes
/// well under 100 MB of state; the rest is room for a large genesis.
pub const BATCH_BYTES_MAX: usize = 1 << 30;

/// One change of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets the value of a key.
    Put {
        /// The table that changes.
        table: Table,
        /// The key that is set.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a key; a key that is absent stays absent.
    Delete {
        /// The table that changes.
        table: Table,
        /// The key that is removed.
        key: Bytes,
    },
}

/// Changes that are applied in order and together: all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
    len_bytes: usize,
}

impl Batch {
    /// A batch that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            operations: Vec::new(),
            len_bytes: 0,
        }
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.len_bytes += key.len() + value.len();
        self.operations.push(Operation::Put { table, key, value });
    }

    /// Removes `key`.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        let key = key.into();
        self.len_bytes += key.len();
        self.operations.push(Operation::Delete { table, key });
    }

    /// The changes in the order in which they are applied.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The changes in the order in which they are applied.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Whether the batch changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many bytes the keys and values of the batch have.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Refuses a batch over [`BATCH_BYTES_MAX`]; every store calls this before it writes.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub const fn check_size(&self) -> Result<(), Error> {
        if self.len_bytes > BATCH_BYTES_MAX {
            return Err(Error::TooLarge {
                len: self.len_bytes,
                max: BATCH_BYTES_MAX,
            });
        }
        Ok(())
    }
}
