//! What the driver finds around it: everything it asks for is noted, and the world sees to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use phytomer_wire::{Offence, PeerId};

use super::chain::Store;
use crate::machine::{Candidate, Decision, Order, TimerId};
use crate::{Certificate, Evidence, Height, Message, Network, Scheme, Timers, Values};

/// What a driver asked for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Broadcast(Message),
    Send(PeerId, Message),
    Timer(TimerId, Duration),
    Build(Order),
    Judge(Candidate),
    Commit(Decision),
    Accuse(Evidence),
}

/// The node around a driver.
#[derive(Debug, Default)]
pub(crate) struct SimHost {
    pub(crate) asked: Vec<Asked>,
    store: Arc<Mutex<Store>>,
}

pub(crate) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimHost {
    pub(crate) fn new(store: Arc<Mutex<Store>>) -> Self {
        Self {
            asked: Vec::new(),
            store,
        }
    }
}

impl Network for SimHost {
    fn broadcast(&mut self, message: Message) {
        self.asked.push(Asked::Broadcast(message));
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        self.asked.push(Asked::Send(peer, message));
    }

    fn report(&mut self, _: PeerId, _: Offence) {}
}

impl Timers for SimHost {
    fn set(&mut self, timer: TimerId, after: Duration) {
        self.asked.push(Asked::Timer(timer, after));
    }
}

impl<S: Scheme> Values<S> for SimHost {
    fn build(&mut self, order: Order) {
        self.asked.push(Asked::Build(order));
    }

    fn judge(&mut self, candidate: Candidate) {
        self.asked.push(Asked::Judge(candidate));
    }

    fn commit(&mut self, decision: Decision) {
        self.asked.push(Asked::Commit(decision));
    }

    fn decided(&mut self, height: Height) -> Option<(Bytes, Certificate)> {
        let store = lock(&self.store);
        let (_, bytes, certificate) = store.get(height)?;
        Some((bytes.clone(), certificate.clone()))
    }

    fn accuse(&mut self, evidence: Evidence) {
        self.asked.push(Asked::Accuse(evidence));
    }
}
