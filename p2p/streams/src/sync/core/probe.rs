//! Comparing one event with a peer's, where what it holds does not fit what is here.
//!
//! A probe has a place of its own: whoever keeps one waiting takes none from fetches. Of others' logs
//! few are compared at once. Of own ones each peer has a place, whatever other peers do: a single
//! liar could else hide from a node whose disk was restored that an honest peer holds more.

use phytomer_wire::{Offence, PeerId};

use super::{Extent, FetchId, Finding, Output, Own, State};
use crate::{LogKey, Offset};

/// A comparison that is under way.
#[derive(Debug)]
pub(super) struct Probe {
    peer: PeerId,
    log: LogKey,
    own: Own,
}

impl State {
    /// A peer tells of an event that should be equal to ours and seems not to be.
    pub(super) fn suspect(&mut self, (peer, log): (PeerId, LogKey), offset: Offset, own: Own) {
        if own == Own::Yes || self.is_rested(peer, log) {
            self.probe((peer, log), offset, own);
        }
    }

    /// What a peer sent of another's log does not fit what is here, or is not signed. It rests for
    /// the log, whether there is a place to find out why or not.
    pub(super) fn question(&mut self, peer: PeerId, log: LogKey, offset: Offset) {
        let rested = self.is_rested(peer, log);
        self.doubt(peer, log);
        if rested {
            self.probe((peer, log), offset, Own::No);
        }
    }

    /// Asks a peer for an event, to compare it with ours.
    fn probe(&mut self, (peer, log): (PeerId, LogKey), offset: Offset, own: Own) {
        let Some(known) = self.heard(peer) else {
            return;
        };
        // Until it is clear who is right, the peer is not asked for more of this log.
        known.claims.remove(&log);
        known.extent = Extent::All;
        if self.is_free(peer, log, own) {
            self.last_fetch.0 += 1;
            let fetch = self.last_fetch;
            self.probes.insert(fetch, Probe { peer, log, own });
            self.outputs.push(Output::Probe {
                fetch,
                peer,
                log,
                offset,
            });
        }
        self.judge(log);
    }

    /// Whether there is a place to compare an event of a log with a peer's.
    fn is_free(&self, peer: PeerId, log: LogKey, own: Own) -> bool {
        let mut alike = self.probes.values().filter(|probe| probe.own == own);
        match own {
            Own::Yes => alike.all(|probe| probe.peer != peer),
            Own::No => {
                let full = alike.clone().count() >= self.limits.probes_max;
                !full && alike.all(|probe| probe.peer != peer && probe.log != log)
            }
        }
    }

    pub(super) fn probed(&mut self, id: FetchId, finding: Finding) {
        let Some(Probe { peer, log, .. }) = self.probes.remove(&id) else {
            return;
        };
        match finding {
            // The log was frozen, or left by its own producer: that is told by `Input::Log`.
            Finding::Fork | Finding::Ahead => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.heights_at_ms = known.heights_at_ms.map(|_| self.now_ms);
                }
            }
            Finding::Lie => self.cut_off(peer, Offence::Forged),
            Finding::Unsound => self.doubt(peer, log),
            Finding::Nothing(failure) => {
                self.doubt(peer, log);
                self.blame(peer, failure);
            }
        }
        self.judge(log);
    }

    /// Gives up comparing with a peer.
    pub(super) fn cancel_probes(&mut self, peer: PeerId) {
        let outputs = &mut self.outputs;
        self.probes.retain(|fetch, probe| {
            let kept = probe.peer != peer;
            if !kept {
                outputs.push(Output::Cancel { fetch: *fetch });
            }
            kept
        });
    }
}
