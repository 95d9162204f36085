//! The store that the ledger writes to: tables, atomic batches, and an in-memory store.
