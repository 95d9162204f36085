//! How RocksDB is set up.

use phytomer_store::Table;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    Options,
};

use crate::Config;

/// Values of at least this size are kept apart from their keys, so that sorting does not copy
/// them: photos, and events that were written many at once.
const BLOB_BYTES_MIN: u64 = 16 << 10;

/// Bits of a Bloom filter for each key: one lookup in a hundred reads a block in vain.
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// RocksDB's own log, a diagnostic: two files of at most this size are kept.
const INFO_LOG_BYTES_MAX: usize = 4 << 20;

/// The options of the whole database.
pub(crate) fn database(config: &Config) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A torn record at the end of the log was never acknowledged. Damage before it is an error.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_db_write_buffer_size(config.write_buffer_bytes);
    options.set_max_total_wal_size(config.write_buffer_bytes as u64);
    options.set_max_open_files(config.open_files_max);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_log_level(LogLevel::Warn);
    options
}

/// The column families of all tables. They share `cache`.
pub(crate) fn tables(config: &Config, cache: &Cache) -> Vec<ColumnFamilyDescriptor> {
    let options = |table| column_family(table, cache, config);
    let tables = Table::ALL.into_iter();
    tables
        .map(|table| ColumnFamilyDescriptor::new(table.name(), options(table)))
        .collect()
}

/// Sorted files of bulk. Like large values elsewhere, it is not compressed.
pub(crate) fn bulk() -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks());
    options.set_compression_type(DBCompressionType::None);
    options
}

fn blocks() -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    blocks.set_format_version(6);
    blocks
}

fn column_family(table: Table, cache: &Cache, config: &Config) -> Options {
    let mut blocks = blocks();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);

    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(config.write_buffer_bytes / 4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    if matches!(table, Table::Blobs | Table::StreamRuns) {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES_MIN);
        options.set_enable_blob_gc(true);
    }
    if table == Table::Blobs {
        // Photos are compressed already.
        options.set_compression_type(DBCompressionType::None);
        options.set_bottommost_compression_type(DBCompressionType::None);
    }
    options
}
