//! The tables and what their keys and values are.

/// A table: an ordered map from bytes to bytes with a subject of its own.
///
/// Integers in keys are big-endian, so that byte order is numeric order. A new table is added at
/// the end; the name of a table is on disk and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Facts about the store itself, by name: the head, the genesis hash, format versions.
    Meta,
    /// Block number (u64) → RLP of the header. The block's hash is the Keccak-256 of the value.
    Headers,
    /// Block number (u64) → RLP of the block body.
    Bodies,
    /// Block number (u64) → RLP list of the block's receipts.
    Receipts,
    /// Block number (u64) → senders of the block's transactions, 20 bytes each.
    Senders,
    /// Block hash → block number (u64).
    BlockNumbers,
    /// Transaction hash → block number (u64) and index within the block (u32).
    Transactions,
    /// Address → RLP of the account: nonce, balance, storage root, code hash.
    Accounts,
    /// Address and slot (32 bytes) → RLP of the value; a zero value has no entry.
    Storage,
    /// Keccak-256 of the code → the code.
    Code,
    /// BLAKE3 of the content → the content.
    Blobs,
    /// Credential hash → the signed credential.
    Credentials,
    /// Secondary indexes; the first byte of a key tells which.
    Indexes,
    /// Event id (block u64 and index u32) → the event.
    Events,
    /// Log and sequence number of a run's last event → the run: consecutive events of a log.
    StreamRuns,
    /// What is known of logs, one record a key; the first byte tells which kind.
    StreamIndexes,
    /// Consumer groups: members' committed offsets.
    StreamGroups,
    /// Proofs that a producer signed two events with one sequence number.
    StreamEvidence,
    /// BLAKE3 of the content → size, use and where the content lies.
    BlobIndex,
    /// Peer → its addresses and what became of dialling them.
    PeerBook,
    /// Keccak-256 of an address → the address, for every account.
    HashedAccounts,
    /// Keccak-256 of an address and of a slot → the slot, for every slot that is not zero.
    HashedStorage,
    /// Path, a byte a nibble → node of the trie of accounts.
    AccountTrie,
    /// Keccak-256 of an address and path → node of the trie of the account's storage.
    StorageTrie,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub const ALL: [Self; 24] = [
        Self::Meta,
        Self::Headers,
        Self::Bodies,
        Self::Receipts,
        Self::Senders,
        Self::BlockNumbers,
        Self::Transactions,
        Self::Accounts,
        Self::Storage,
        Self::Code,
        Self::Blobs,
        Self::Credentials,
        Self::Indexes,
        Self::Events,
        Self::StreamRuns,
        Self::StreamIndexes,
        Self::StreamGroups,
        Self::StreamEvidence,
        Self::BlobIndex,
        Self::PeerBook,
        Self::HashedAccounts,
        Self::HashedStorage,
        Self::AccountTrie,
        Self::StorageTrie,
    ];

    /// The name that the table has on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Receipts => "receipts",
            Self::Senders => "senders",
            Self::BlockNumbers => "block-numbers",
            Self::Transactions => "transactions",
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::Code => "code",
            Self::Blobs => "blobs",
            Self::Credentials => "credentials",
            Self::Indexes => "indexes",
            Self::Events => "events",
            Self::StreamRuns => "stream-runs",
            Self::StreamIndexes => "stream-indexes",
            Self::StreamGroups => "stream-groups",
            Self::StreamEvidence => "stream-evidence",
            Self::BlobIndex => "blob-index",
            Self::PeerBook => "peer-book",
            Self::HashedAccounts => "hashed-accounts",
            Self::HashedStorage => "hashed-storage",
            Self::AccountTrie => "account-trie",
            Self::StorageTrie => "storage-trie",
        }
    }

    /// The position of the table in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_table_stands_at_its_index_under_a_name_of_its_own() {
        for (index, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), index, "{table}");
        }
        let names: BTreeSet<_> = Table::ALL.into_iter().map(Table::name).collect();
        assert_eq!(names.len(), Table::ALL.len());
    }
}
