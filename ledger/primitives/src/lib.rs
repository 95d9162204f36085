//! Blocks, transactions and receipts as every layer sees them.
