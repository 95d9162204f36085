//! Nodes, the network between them, and time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use phytomer_telemetry::MetricsRegistry;
use phytomer_wire::PeerId;

use super::behaviour::{Audience, Liar};
use super::chain::block;
use super::check::Checks;
use super::disk::SimDisk;
use super::host::{Asked, lock};
use super::node::Node;
use super::{Behaviour, Failure, Random, signatures_done};
use crate::machine::{Decision, Input};
use crate::{
    Caution, Chain, Config, Decided, Error, Height, Message, Metrics, Scheme, Signer, Validator,
    ValidatorSet,
};

/// The chain of all experiments.
const CHAIN: Chain = Chain(phytomer_primitives::B256::repeat_byte(0xc4));
/// How many heights the same validators vote on, where they change.
const EPOCH: u64 = 4;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The shortest and the longest delay, in microseconds. Every delay between is as likely.
    pub delay_us: (u64, u64),
    /// How many are lost, in percent.
    pub lost_percent: u64,
    /// How many come twice, in percent.
    pub repeated_percent: u64,
    /// What a node can send, in bytes a microsecond, where there is a limit.
    pub bandwidth: Option<NonZeroU64>,
}

/// What work takes, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Building a block.
    pub build_us: u64,
    /// Checking a block.
    pub judge_us: u64,
    /// Storing a block.
    pub commit_us: u64,
    /// Making a signature, with a scheme that is [`super::Counted`].
    pub sign_us: u64,
    /// Checking a signature, with a scheme that is [`super::Counted`].
    pub verify_us: u64,
    /// A sync of the disk.
    pub sync_us: u64,
}

/// A network of validators.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What decides everything else.
    pub seed: u64,
    /// What each validator does.
    pub behaviours: Vec<Behaviour>,
    /// Whether the validators change with the height: honest ones have twice the power and, where
    /// there are many, one of them pauses.
    pub changing: bool,
    /// How messages travel.
    pub link: Link,
    /// What work takes.
    pub costs: Costs,
    /// The bytes of a block.
    pub block_bytes: usize,
    /// Settings of all nodes.
    pub config: Config,
}

enum Event<S: Scheme> {
    Message(usize, PeerId, Message),
    /// For a node in one of its lives.
    Input(usize, u64, Input<S>),
    Commit(usize, u64, Decision),
    Restart(usize),
}

/// A network that runs.
pub struct World<S: Scheme> {
    pub(crate) scenario: Scenario,
    pub(crate) nodes: Vec<Node<S>>,
    pub(crate) checks: Checks,
    pub(crate) random: Random,
    pub(crate) link: Link,
    /// Nodes of different parts do not hear each other.
    pub(crate) parts: Vec<u8>,
    pub(crate) crashes: usize,
    metrics: Metrics,
    now_us: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event<S>>,
    trace: blake3::Hasher,
}

impl<S: Scheme> World<S> {
    /// Starts a node for every key.
    ///
    /// # Errors
    /// [`Failure`] where one does not start.
    ///
    /// # Panics
    /// When there are not as many keys as behaviours, or more than a network may have.
    pub fn new(scenario: Scenario, keys: Vec<S::PrivateKey>) -> Result<Self, Failure> {
        assert_eq!(
            keys.len(),
            scenario.behaviours.len(),
            "a key for each validator"
        );
        let metrics =
            Metrics::register(&MetricsRegistry::new()).expect("a new registry has no figures yet");
        let nodes = keys.into_iter().zip(&scenario.behaviours);
        let nodes = nodes.map(|(key, behaviour)| {
            let signer = Signer::new(CHAIN, key);
            Node {
                peer: PeerId::from_bytes(*signer.address().as_bytes()),
                behaviour: *behaviour,
                signer,
                store: Arc::default(),
                disk: SimDisk::default(),
                driver: None,
                life: 0,
                config: scenario.config.clone(),
                other: None,
                busy_until: 0,
            }
        });
        let nodes: Vec<Node<S>> = nodes.collect();
        let mut world = Self {
            random: Random::new(scenario.seed),
            link: scenario.link,
            parts: vec![0; nodes.len()],
            scenario,
            nodes,
            checks: Checks::default(),
            crashes: 0,
            metrics,
            now_us: 0,
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            trace: blake3::Hasher::new(),
        };
        for node in 0..world.nodes.len() {
            world.start(node)?;
        }
        Ok(world)
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.now_us)
    }

    /// A hash of all that happened, but for signatures, which may be random.
    #[must_use]
    pub fn trace(&self) -> [u8; 32] {
        self.trace.finalize().into()
    }

    /// The lowest height that all honest nodes which are up have stored.
    #[must_use]
    pub fn height(&self) -> Height {
        self.heights().min().unwrap_or_default()
    }

    /// The highest height that an honest node has stored.
    #[must_use]
    pub fn top(&self) -> Height {
        self.heights().max().unwrap_or_default()
    }

    fn heights(&self) -> impl Iterator<Item = Height> {
        let nodes = self.nodes.iter().filter(|node| node.behaviour.is_honest());
        nodes.map(|node| lock(&node.store).last())
    }

    /// The highest round in which a block was decided.
    #[must_use]
    pub fn rounds_max(&self) -> u32 {
        self.checks.rounds_max
    }

    /// The certificate of a height, of a node that has it.
    #[must_use]
    pub fn certificate(&self, height: Height) -> Option<crate::Certificate> {
        let mut stores = self.nodes.iter().map(|node| lock(&node.store));
        stores.find_map(|store| {
            store
                .get(height)
                .map(|(_, _, certificate)| certificate.clone())
        })
    }

    /// Who votes on a height.
    ///
    /// # Panics
    /// When there are more validators than a network may have.
    #[must_use]
    pub fn validators(&self, height: Height) -> ValidatorSet<S> {
        let honest: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].behaviour.is_honest())
            .collect();
        let pauses = (self.scenario.changing && self.nodes.len() > 4).then(|| {
            let turn = height.0 / EPOCH % honest.len() as u64;
            honest[usize::try_from(turn).unwrap_or_default()]
        });
        let validators = self.nodes.iter().enumerate();
        let validators = validators.filter(|(index, node)| {
            Some(*index) != pauses && node.behaviour != Behaviour::Observing
        });
        let validators = validators.map(|(_, node)| {
            let doubled = self.scenario.changing && node.behaviour == Behaviour::Honest;
            Validator::new(node.signer.public_key(), 1 + u64::from(doubled))
        });
        ValidatorSet::new(validators.collect()).expect("few validators, all different")
    }

    /// Lets time pass until something holds.
    ///
    /// # Errors
    /// [`Failure`] where something happens that must not, or it does not hold in time.
    pub fn run_until(
        &mut self,
        holds: impl Fn(&Self) -> bool,
        limit: Duration,
    ) -> Result<(), Failure> {
        let end = self.now() + limit;
        while !holds(self) {
            if self.now() > end || !self.step()? {
                let places: Vec<String> = self.nodes.iter().map(Node::place).collect();
                let places = places.join(", ");
                return Err(self.failure(format!("no progress in {limit:?}: {places}")));
            }
        }
        Ok(())
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// [`Failure`] where something happens that must not.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Failure> {
        let end = self.now_us + u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        while self.queue.peek().is_some_and(|Reverse((at, _))| *at <= end) {
            self.step()?;
        }
        self.now_us = end;
        Ok(())
    }

    pub(crate) fn failure(&self, what: String) -> Failure {
        Failure {
            seed: self.scenario.seed,
            at: self.now(),
            what,
        }
    }

    fn push(&mut self, at: u64, event: Event<S>) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.events.insert(self.order, event);
    }

    /// Stops a node at once. What it had not synced is lost in part.
    pub fn crash(&mut self, node: usize) {
        self.crashes += 1;
        self.nodes[node].driver = None;
        // What was begun, such as storing a block, comes to nothing.
        self.nodes[node].life += 1;
        self.nodes[node].disk.crash(&mut self.random);
    }

    /// Lets a node lose power in the middle of one of its next writes.
    pub fn crash_at_write(&mut self, node: usize, writes: u64) {
        self.nodes[node].disk.fail_after(writes);
    }

    /// Loses all that a node has stored but its key. It votes again when it saw others decide.
    pub fn wipe(&mut self, node: usize) {
        self.crash(node);
        self.nodes[node].disk.wipe();
        *lock(&self.nodes[node].store) = super::chain::Store::default();
        self.nodes[node].config.caution = Caution::Witness;
    }

    /// Parts the network: nodes with different numbers do not hear each other.
    pub fn part(&mut self, parts: &[u8]) {
        self.parts.copy_from_slice(parts);
    }

    /// Loses the decided blocks that a node has stored, and keeps its log.
    pub fn forget_blocks(&mut self, node: usize) {
        self.crash(node);
        *lock(&self.nodes[node].store) = super::chain::Store::default();
    }

    /// How often a liar was proven to contradict itself.
    #[must_use]
    pub fn accusations(&self) -> usize {
        self.checks.accusations
    }

    /// Whether a node runs.
    #[must_use]
    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].driver.is_some()
    }

    /// Starts a node after a while.
    pub fn restart(&mut self, node: usize, after_us: u64) {
        self.push(self.now_us + after_us, Event::Restart(node));
    }

    fn start(&mut self, node: usize) -> Result<(), Failure> {
        let next = lock(&self.nodes[node].store).last().next();
        let validators = self.validators(next);
        let context = (self.metrics.clone(), self.now());
        match self.nodes[node].start(CHAIN, validators, context) {
            Ok(()) => self.drain(node, 0),
            Err(error) => self.stopped(node, &error),
        }
    }

    fn step(&mut self) -> Result<bool, Failure> {
        let Some(Reverse((at, order))) = self.queue.pop() else {
            return Ok(false);
        };
        self.now_us = self.now_us.max(at);
        let Some(event) = self.events.remove(&order) else {
            return Ok(true);
        };
        let (node, life) = match &event {
            Event::Message(node, ..) => (*node, None),
            Event::Restart(node) => (*node, None),
            Event::Input(node, life, _) | Event::Commit(node, life, _) => (*node, Some(*life)),
        };
        if life.is_some_and(|life| life != self.nodes[node].life) {
            return Ok(true);
        }
        let busy_until = self.nodes[node].busy_until;
        if busy_until > self.now_us {
            self.push(busy_until, event);
            return Ok(true);
        }
        self.trace.update(&at.to_be_bytes());
        self.trace.update(&[u8::try_from(node).unwrap_or(u8::MAX)]);
        match event {
            Event::Message(_, from, message) => {
                self.give(node, Input::Message { from, message })?
            }
            Event::Input(_, _, input) => self.give(node, input)?,
            Event::Commit(_, _, decision) => self.store(node, decision)?,
            Event::Restart(_) if !self.is_up(node) => self.start(node)?,
            Event::Restart(_) => {}
        }
        Ok(true)
    }

    fn give(&mut self, node: usize, input: Input<S>) -> Result<(), Failure> {
        let now = self.now();
        let Some(driver) = &mut self.nodes[node].driver else {
            return Ok(());
        };
        signatures_done();
        let done = driver.handle(now, input);
        let (signed, verified) = signatures_done();
        let costs = self.scenario.costs;
        let syncs = self.nodes[node].disk.syncs();
        let cost = signed * costs.sign_us + verified * costs.verify_us + syncs * costs.sync_us;
        self.nodes[node].busy_until = self.now_us + cost;
        // What it said before it stopped was said.
        self.drain(node, cost)?;
        done.or_else(|error| self.stopped(node, &error))
    }

    fn stopped(&mut self, node: usize, error: &Error) -> Result<(), Failure> {
        if !matches!(error, Error::Log(crate::log::LogError::Io { .. })) {
            return Err(self.failure(format!("node {node} stopped: {error}")));
        }
        self.crash(node);
        let after = self.random.below(500_000);
        self.restart(node, after);
        Ok(())
    }

    fn store(&mut self, node: usize, decision: Decision) -> Result<(), Failure> {
        let validators = self.validators(decision.certificate.height);
        let verified = decision.certificate.verify_commit(&CHAIN, &validators);
        let store = self.nodes[node].store.clone();
        if self.nodes[node].behaviour.is_honest() {
            self.checks
                .committed(&lock(&store), &decision, verified)
                .map_err(|what| self.failure(format!("node {node}: {what}")))?;
        }
        self.trace.update(decision.certificate.block.as_bytes());
        lock(&store).push(decision.bytes, decision.certificate);
        let status = lock(&store).status();
        let validators = self.validators(status.last.next());
        self.give(node, Input::Committed { status, validators })
    }

    /// Sees to what a driver asked for, `cost` microseconds from now.
    fn drain(&mut self, node: usize, cost: u64) -> Result<(), Failure> {
        let Some(driver) = &mut self.nodes[node].driver else {
            return Ok(());
        };
        let asked = std::mem::take(&mut driver.host().asked);
        let (life, costs) = (self.nodes[node].life, self.scenario.costs);
        // When the link is free again.
        let mut departs = self.now_us + cost;
        for asked in asked {
            let now = self.now_us + cost;
            match asked {
                Asked::Broadcast(message) => self.broadcast(node, message, &mut departs)?,
                Asked::Send(peer, message) => self.send(node, peer, message, &mut departs),
                Asked::Timer(timer, after) => {
                    // Up: a timer never fires before its time.
                    let after = after.as_nanos().div_ceil(1_000);
                    let after = u64::try_from(after).unwrap_or(u64::MAX);
                    self.push(now + after, Event::Input(node, life, Input::Fired(timer)));
                }
                Asked::Build(order) => {
                    let is_valid = self.nodes[node].behaviour != Behaviour::Invalid;
                    let place = (lock(&self.nodes[node].store).tip(), order.height);
                    let salt = self.random.next_u64();
                    let (block, bytes) = block(place, is_valid, salt, self.scenario.block_bytes);
                    let input = Input::Built {
                        height: order.height,
                        round: order.round,
                        block,
                        bytes,
                    };
                    self.push(now + costs.build_us, Event::Input(node, life, input));
                }
                Asked::Judge(candidate) => {
                    let verdict = lock(&self.nodes[node].store).judge(&candidate);
                    let ticket = candidate.ticket;
                    let input = Input::Judged { ticket, verdict };
                    self.push(now + costs.judge_us, Event::Input(node, life, input));
                }
                Asked::Commit(decision) => {
                    self.push(now + costs.commit_us, Event::Commit(node, life, decision));
                }
                Asked::Accuse(evidence) => {
                    let validators = self.validators(evidence.height());
                    let liars: Vec<_> = self
                        .nodes
                        .iter()
                        .filter(|n| !n.behaviour.is_honest())
                        .collect();
                    let is_liar =
                        |who: &crate::Address| liars.iter().any(|n| n.signer.address() == *who);
                    self.checks
                        .accused(&evidence, (&CHAIN, &validators), is_liar)
                        .map_err(|what| self.failure(what))?;
                }
            }
        }
        Ok(())
    }

    fn broadcast(
        &mut self,
        node: usize,
        message: Message,
        departs: &mut u64,
    ) -> Result<(), Failure> {
        let Node {
            behaviour,
            signer,
            store,
            other,
            ..
        } = &mut self.nodes[node];
        let told = if behaviour.is_honest() {
            self.checks
                .said(node, &message)
                .map_err(|what| self.failure(what))?;
            vec![(Audience::All, message)]
        } else {
            let store = lock(store);
            let mut liar = Liar {
                behaviour: *behaviour,
                signer,
                store: &store,
                other,
                random: &mut self.random,
            };
            liar.distort(message)
        };
        for (audience, message) in told {
            for to in 0..self.nodes.len() {
                if to != node && audience.contains(to) {
                    self.carry((node, to), message.clone(), departs);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, node: usize, peer: PeerId, message: Message, departs: &mut u64) {
        let Node {
            behaviour,
            signer,
            store,
            other,
            ..
        } = &mut self.nodes[node];
        let message = match message {
            Message::Decided(decided) => {
                let store = lock(store);
                let mut liar = Liar {
                    behaviour: *behaviour,
                    signer,
                    store: &store,
                    other,
                    random: &mut self.random,
                };
                let forged: Option<Decided> = liar.forge(decided);
                forged.map(Message::Decided)
            }
            message => Some(message),
        };
        let to = self.nodes.iter().position(|other| other.peer == peer);
        if let (Some(to), Some(message)) = (to, message) {
            self.carry((node, to), message, departs);
        }
    }

    fn carry(&mut self, (from, to): (usize, usize), message: Message, departs: &mut u64) {
        if let Some(bandwidth) = self.link.bandwidth {
            *departs += message.encode().len() as u64 / bandwidth;
        }
        if self.parts[from] != self.parts[to] || self.random.percent(self.link.lost_percent) {
            return;
        }
        let copies = 1 + u64::from(self.random.percent(self.link.repeated_percent));
        for _ in 0..copies {
            let (shortest, longest) = self.link.delay_us;
            let delay = shortest + self.random.below(longest - shortest + 1);
            let peer = self.nodes[from].peer;
            self.push(*departs + delay, Event::Message(to, peer, message.clone()));
        }
    }
}
