//! What an operator can set.

/// Limits of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Memory for blocks, indexes and filters that were read.
    pub cache_bytes: usize,
    /// Memory for what was written and is not yet sorted to disk. It is in the log already.
    pub write_buffer_bytes: usize,
    /// Space that must stay free on the disk; a write that would leave less is refused.
    pub free_bytes_min: u64,
    /// Files that are kept open.
    pub open_files_max: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_bytes: 128 << 20,
            write_buffer_bytes: 64 << 20,
            free_bytes_min: 256 << 20,
            open_files_max: 512,
        }
    }
}
