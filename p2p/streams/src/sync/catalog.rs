//! What this node tells of its logs, and since when.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::client::Known;
use crate::{LogKey, Offset};

/// Which logs changed when. Revisions count from the start of the program, so a peer that asks
/// again hears only of what changed since.
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Names this run of the program.
    session: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    logs: HashMap<LogKey, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    revision: u64,
    checkpointed: Offset,
}

impl Catalog {
    /// Nothing is known yet. The session must not be zero.
    pub(crate) fn new(session: u64) -> Self {
        Self {
            session,
            state: Mutex::default(),
        }
    }

    /// Notes that a log changed.
    pub(crate) fn touch(&self, log: LogKey, checkpointed: Offset) {
        let mut state = self.state.lock();
        state.revision += 1;
        let entry = Entry {
            revision: state.revision,
            checkpointed,
        };
        state.logs.insert(log, entry);
    }

    /// Behind the newest event of a log under a checkpoint, as noted last.
    pub(crate) fn checkpointed(&self, log: LogKey) -> Offset {
        let state = self.state.lock();
        let entry = state.logs.get(&log);
        entry.map_or(Offset(0), |entry| entry.checkpointed)
    }

    /// The logs that changed after what is `known`, and what is known after that.
    pub(crate) fn since(&self, known: Known) -> (HashMap<LogKey, Offset>, Known) {
        let state = self.state.lock();
        let after = match known.session == self.session {
            true => known.revision,
            false => 0,
        };
        let changed = state.logs.iter().filter(|(_, log)| log.revision > after);
        let changed = changed.map(|(key, log)| (*key, log.checkpointed));
        let now = Known {
            session: self.session,
            revision: state.revision,
        };
        (changed.collect(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_again_hears_of_what_changed_since() {
        let catalog = Catalog::new(7);
        let log = |byte| LogKey([byte; 32]);
        catalog.touch(log(1), Offset(0));
        catalog.touch(log(2), Offset(0));
        let (all, known) = catalog.since(Known::default());
        assert_eq!(all.len(), 2);
        assert_eq!(catalog.since(known), (HashMap::new(), known));
        catalog.touch(log(2), Offset(256));
        let (changed, later) = catalog.since(known);
        assert_eq!(changed, HashMap::from([(log(2), Offset(256))]));
        assert_eq!(catalog.since(later).0.len(), 0);
        // After a restart everything is new.
        let restarted = Catalog::new(8);
        restarted.touch(log(1), Offset(0));
        assert_eq!(restarted.since(later).0.len(), 1);
    }
}
