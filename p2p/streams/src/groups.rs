//! Consumer groups: how far a group has read each log.
//!
//! Offsets are kept by log, not by partition: a consumer that moves to another node goes on where
//! it was.

use phytomer_store::{Batch, KeyRange, Order, Table};

use crate::store::LogStore;
use crate::{Error, LogKey, Offset};

/// The most bytes of a group's name.
pub const GROUP_NAME_BYTES_MAX: usize = 255;
/// The most bytes of what a consumer keeps beside an offset.
pub const METADATA_BYTES_MAX: usize = 4_096;
/// The most groups that are listed.
pub const GROUPS_MAX: usize = 10_000;

/// How far a group has read a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next event that the group wants.
    pub offset: Offset,
    /// What the consumer keeps beside it.
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Ends the name of a group in keys; names do not contain it.
const END: u8 = 0;

fn check_group(group: &str) -> Result<(), Error> {
    if group.is_empty() || group.len() > GROUP_NAME_BYTES_MAX {
        return Err(Error::Group {
            reason: "a name has 1 to 255 bytes",
        });
    }
    if group.bytes().any(|byte| byte < b' ') {
        return Err(Error::Group {
            reason: "a name has no control characters",
        });
    }
    Ok(())
}

fn group_prefix(group: &str) -> Vec<u8> {
    [group.as_bytes(), &[END]].concat()
}

pub(crate) fn group_key(group: &str, log: LogKey) -> Vec<u8> {
    [group.as_bytes(), &[END], log.as_bytes()].concat()
}

/// Group and log of a key.
fn split_key(key: &[u8]) -> Option<(String, LogKey)> {
    let (group, log) = key.split_at_checked(key.len().checked_sub(33)?)?;
    let log = log.strip_prefix(&[END])?.try_into().ok()?;
    Some((String::from_utf8(group.to_vec()).ok()?, LogKey(log)))
}

impl LogStore {
    /// Keeps how far a group has read logs, all or none.
    pub(crate) fn commit(
        &self,
        group: &str,
        offsets: Vec<(LogKey, Committed)>,
    ) -> Result<(), Error> {
        check_group(group)?;
        let mut batch = Batch::new();
        for (log, committed) in offsets {
            self.require(log)?;
            if committed.metadata.len() > METADATA_BYTES_MAX {
                return Err(Error::Group {
                    reason: "metadata of an offset has at most 4096 bytes",
                });
            }
            let value = crate::disk::encode_committed(&committed);
            batch.put(Table::StreamGroups, group_key(group, log), value);
        }
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(batch)?)
    }

    /// How far a group has read a log.
    pub(crate) fn committed(&self, group: &str, log: LogKey) -> Result<Option<Committed>, Error> {
        let reader = self.store.snapshot();
        let value = reader.get(Table::StreamGroups, &group_key(group, log))?;
        value.map(crate::disk::decode_committed).transpose()
    }

    /// How far a group has read, log by log.
    pub(crate) fn group(&self, group: &str) -> Result<Vec<(LogKey, Committed)>, Error> {
        let reader = self.store.snapshot();
        let range = KeyRange::prefix(&group_prefix(group));
        let mut found = Vec::new();
        for entry in reader.scan(Table::StreamGroups, range, Order::Ascending) {
            let (key, value) = entry?;
            if let Some((_, log)) = split_key(&key) {
                found.push((log, crate::disk::decode_committed(value)?));
            }
        }
        Ok(found)
    }

    /// The names of the groups, at most [`GROUPS_MAX`].
    pub(crate) fn groups(&self) -> Result<Vec<String>, Error> {
        let reader = self.store.snapshot();
        let mut groups: Vec<String> = Vec::new();
        let mut from = Vec::new();
        // From one group to the next, whatever the number of logs in each.
        while groups.len() < GROUPS_MAX {
            let range = KeyRange::new(from.clone()..);
            let mut entries = reader.scan(Table::StreamGroups, range, Order::Ascending);
            let Some(entry) = entries.next() else { break };
            let (key, _) = entry?;
            let Some((group, _)) = split_key(&key) else {
                return Err(Error::Unreadable {
                    record: "key of a committed offset",
                    reason: "it is cut short".into(),
                });
            };
            from = [group.as_bytes(), &[END + 1]].concat();
            groups.push(group);
        }
        Ok(groups)
    }

    /// Forgets how far a group has read.
    pub(crate) fn forget_group(&self, group: &str) -> Result<(), Error> {
        let mut batch = Batch::new();
        for (log, _) in self.group(group)? {
            batch.delete(Table::StreamGroups, group_key(group, log));
        }
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(batch)?)
    }
}
