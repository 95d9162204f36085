//! What is put right when the folder is opened.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use phytomer_store::{Batch, KeyRange, Order, Table};
use tracing::{debug, info, warn};

use super::content::Content;
use super::index::{Entry, Have};
use super::{Library, record};
use crate::disk::Kind;
use crate::spans;
use crate::tree::Tree;
use crate::{BlobId, Error};

/// What is done about a record, judged by its files.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// The files are as the record says.
    Keep,
    /// A rename was not written down: what is in the file decides.
    Inspect,
    /// The content is gone.
    Forget,
}

impl Library {
    /// Reads the index, drops files without a record and records without files.
    pub(super) fn recover(self: &Arc<Self>) -> Result<(), Error> {
        let records = self.read_records()?;
        for (path, id) in self.disk.files()? {
            if id.is_none_or(|id| !records.contains_key(&id)) {
                debug!(path = %path.display(), "dropped: it was never complete");
                fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        for (id, entry) in records {
            let remedy = self.judge(id, &entry);
            self.index.lock().insert(id, entry.clone());
            match remedy {
                Remedy::Keep => {}
                Remedy::Inspect => {
                    info!(%id, "a blob was being completed when the node stopped: it is checked");
                    self.inspect(id, entry)?;
                }
                Remedy::Forget => {
                    warn!(%id, "the files of a blob are gone: it is forgotten, fetch it again");
                    self.drop_blob(id)?;
                }
            }
        }
        // The budget may be smaller than last time. What is pinned stays all the same.
        match self.make_room(0) {
            Err(error @ Error::NoRoom { .. }) => {
                warn!(%error, "more is pinned than may be kept");
                Ok(())
            }
            other => other,
        }
    }

    fn read_records(&self) -> Result<BTreeMap<BlobId, Entry>, Error> {
        let mut records = BTreeMap::new();
        let mut strange = Batch::new();
        let snapshot = self.shelf.store.snapshot();
        for found in snapshot.scan(Table::BlobIndex, KeyRange::all(), Order::Ascending) {
            let (key, value) = found?;
            let id = <[u8; 32]>::try_from(key.as_ref())
                .ok()
                .map(BlobId::from_bytes);
            match id.and_then(|id| Some((id, record::decode(id, &value)?))) {
                Some((id, entry)) => {
                    records.insert(id, entry);
                }
                None => strange.delete(Table::BlobIndex, key),
            }
        }
        drop(snapshot);
        if !strange.is_empty() {
            let count = strange.operations().len();
            warn!(
                count,
                "records of blobs cannot be read: these blobs are forgotten"
            );
            self.shelf.store.write(strange)?;
        }
        Ok(records)
    }

    fn judge(&self, id: BlobId, entry: &Entry) -> Remedy {
        let sized = |kind, len| self.disk.len(id, kind) == Some(len);
        let proven = Tree::new(id, entry.size).is_some_and(|tree| {
            tree.outboard_bytes() == 0 || sized(Kind::Outboard, tree.outboard_bytes())
        });
        let (whole, part) = (sized(Kind::Data, entry.size), sized(Kind::Part, entry.size));
        match entry.have {
            _ if !proven => Remedy::Forget,
            Have::All if whole => Remedy::Keep,
            Have::Some(_) if whole => Remedy::Inspect,
            Have::Some(_) if part => Remedy::Keep,
            Have::All | Have::Some(_) => Remedy::Forget,
        }
    }

    /// Reads all of a file that is named as whole content but recorded as begun.
    fn inspect(self: &Arc<Self>, id: BlobId, mut entry: Entry) -> Result<(), Error> {
        self.disk.rename(id, Kind::Data, Kind::Part)?;
        let spans = Tree::new(id, entry.size).map_or(0, |tree| tree.spans());
        let claim = |entry: &mut Entry| entry.have = Have::Some(spans::range(0..spans));
        self.index.lock().update(id, claim);
        let sound = match Content::open(self, id)? {
            Some(content) => content.sound_spans(),
            None => spans::range(0..0),
        };
        if spans::count(&sound) == spans {
            self.disk.rename(id, Kind::Part, Kind::Data)?;
            entry.have = Have::All;
            return self.commit_whole(id, entry);
        }
        entry.have = Have::Some(sound);
        self.write(id, &entry)?;
        self.index.lock().insert(id, entry);
        Ok(())
    }
}
