//! The shell around [`Groups`]: the clock, the random ids, and who waits for an answer.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::GroupsConfig;
use crate::group::{
    Answer, Beat, Description, Groups, Input, Join, Joined, Limits, MemberId, Millis, NotJoined,
    Output, Sync, Ticket,
};
use crate::metrics::Metrics;

/// How often groups are looked at for members that fell silent.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Bytes that one member may say of itself.
const METADATA_BYTES_MAX: usize = 256 << 10;
/// Bytes that all groups together may keep.
const GROUPS_BYTES_MAX: usize = 64 << 20;
/// The longest id, in bytes.
const ID_BYTES_MAX: usize = 255;

/// All groups of this node.
pub(crate) struct Coordinator {
    state: Mutex<State>,
    started: Instant,
}

struct State {
    groups: Groups,
    waiting: HashMap<Ticket, oneshot::Sender<Output>>,
    tickets: u64,
}

impl Coordinator {
    pub(crate) fn new(config: &GroupsConfig) -> Self {
        let limits = Limits {
            groups_max: config.groups_max,
            members_max: config.members_max,
            metadata_bytes_max: METADATA_BYTES_MAX,
            total_bytes_max: GROUPS_BYTES_MAX,
            id_bytes_max: ID_BYTES_MAX,
            session_timeout_ms_min: config.session_timeout_ms_min,
            session_timeout_ms_max: config.session_timeout_ms_max,
            first_rebalance_delay_ms: config.first_rebalance_delay_ms,
        };
        Self {
            state: Mutex::new(State {
                groups: Groups::new(limits),
                waiting: HashMap::new(),
                tickets: 0,
            }),
            started: Instant::now(),
        }
    }

    /// Gives up what is overdue.
    pub(crate) fn tick(&self, metrics: &Metrics) {
        let now = self.now();
        let mut state = self.state.lock();
        let outputs = state.groups.step(Input::Tick, now);
        state.deliver(outputs);
        let (groups, members) = state.groups.count();
        metrics.groups.set(groups as i64);
        metrics.members.set(members as i64);
    }

    /// Joins; waits until the next generation begins.
    pub(crate) async fn join(&self, mut join: Join) -> Result<Joined, NotJoined> {
        let member = join.member.clone();
        let answer = self.ask(move |ticket| {
            join.ticket = ticket;
            Input::Join(join)
        });
        match answer.await {
            Some(Output::Joined(_, answer)) => answer,
            _ => Err(NotJoined {
                error: ResponseError::CoordinatorNotAvailable,
                member,
            }),
        }
    }

    /// Asks for a part of the plan; waits until the leader has brought it.
    pub(crate) async fn sync(&self, mut sync: Sync) -> Answer<Bytes> {
        let answer = self.ask(move |ticket| {
            sync.ticket = ticket;
            Input::Sync(sync)
        });
        match answer.await {
            Some(Output::Synced(_, answer)) => answer,
            _ => Err(ResponseError::CoordinatorNotAvailable),
        }
    }

    /// A member is alive.
    pub(crate) async fn heartbeat(&self, beat: Beat) -> Answer<()> {
        self.beat(beat, Input::Heartbeat).await
    }

    /// Whether a member may commit.
    pub(crate) async fn may_commit(&self, beat: Beat) -> Answer<()> {
        self.beat(beat, Input::Commit).await
    }

    /// Members leave; the answer to each.
    pub(crate) async fn leave(&self, group: String, members: Vec<MemberId>) -> Vec<Answer<()>> {
        let count = members.len();
        let answer = self.ask(move |ticket| Input::Leave {
            ticket,
            group,
            members,
        });
        match answer.await {
            Some(Output::Left(_, answers)) => answers,
            _ => vec![Err(ResponseError::CoordinatorNotAvailable); count],
        }
    }

    /// Names and protocol types of the groups that have members.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        self.state.lock().groups.list()
    }

    /// A group that has members.
    pub(crate) fn describe(&self, group: &str) -> Option<Description> {
        self.state.lock().groups.describe(group)
    }

    async fn beat(&self, mut beat: Beat, input: fn(Beat) -> Input) -> Answer<()> {
        let answer = self.ask(move |ticket| {
            beat.ticket = ticket;
            input(beat)
        });
        match answer.await {
            Some(Output::Answered(_, answer)) => answer,
            _ => Err(ResponseError::CoordinatorNotAvailable),
        }
    }

    async fn ask(&self, input: impl FnOnce(Ticket) -> Input) -> Option<Output> {
        let (sender, receiver) = oneshot::channel();
        {
            let now = self.now();
            let mut state = self.state.lock();
            state.tickets += 1;
            let ticket = Ticket(state.tickets);
            state.waiting.insert(ticket, sender);
            let outputs = state.groups.step(input(ticket), now);
            state.deliver(outputs);
        }
        receiver.await.ok()
    }

    fn now(&self) -> Millis {
        let since = self.started.elapsed().as_millis();
        Millis(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

impl State {
    fn deliver(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            let ticket = match &output {
                Output::Joined(ticket, _)
                | Output::Synced(ticket, _)
                | Output::Answered(ticket, _)
                | Output::Left(ticket, _) => *ticket,
            };
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Who asked may have gone; the group finds out by its silence.
                let _ = waiting.send(output);
            }
        }
    }
}
