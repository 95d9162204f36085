//! A node: what survives a crash, and the driver that does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phytomer_wire::PeerId;

use super::Behaviour;
use super::behaviour::Other;
use super::chain::Store;
use super::disk::SimDisk;
use super::host::{SimHost, lock};
use crate::machine::Start;
use crate::{Chain, Config, Driver, Error, Metrics, Scheme, Signer, ValidatorSet};

/// A node of the world.
pub(crate) struct Node<S: Scheme> {
    pub(crate) peer: PeerId,
    pub(crate) behaviour: Behaviour,
    pub(crate) signer: Signer<S>,
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) disk: SimDisk,
    pub(crate) driver: Option<Driver<S, SimHost, SimDisk>>,
    /// Grows with every start: what was begun before a crash comes to nothing.
    pub(crate) life: u64,
    pub(crate) config: Config,
    pub(crate) other: Option<Other>,
    /// Until when it is busy, in microseconds.
    pub(crate) busy_until: u64,
}

impl<S: Scheme> Node<S> {
    /// Who it is and where it stands, for failures.
    pub(crate) fn place(&self) -> String {
        let driver = self.driver.as_ref();
        let at = driver.map(|driver| (driver.height().0, driver.round().as_i64()));
        format!("{:?} at (height, round) {at:?}", self.behaviour)
    }

    pub(crate) fn start(
        &mut self,
        chain: Chain,
        validators: ValidatorSet<S>,
        (metrics, now): (Metrics, Duration),
    ) -> Result<(), Error> {
        self.life += 1;
        let start = Start {
            chain,
            status: lock(&self.store).status(),
            validators,
        };
        let host = SimHost::new(self.store.clone());
        let driver = Driver::start(
            self.config.clone(),
            start,
            (self.behaviour != Behaviour::Observing).then(|| self.signer.clone()),
            (host, self.disk.clone()),
            (metrics, now),
        )?;
        self.driver = Some(driver);
        Ok(())
    }
}
