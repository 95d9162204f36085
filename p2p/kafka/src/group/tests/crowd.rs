//! Members that follow the protocol, or stop doing so, and a record of what they were told.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::*;
use kafka_protocol::ResponseError;

pub(super) const LIMITS: Limits = Limits {
    groups_max: 10,
    members_max: 6,
    metadata_bytes_max: 1_000,
    total_bytes_max: 1 << 20,
    id_bytes_max: 100,
    session_timeout_ms_min: 1_000,
    session_timeout_ms_max: 1_000_000,
    first_rebalance_delay_ms: 500,
};

/// What the group shares out.
const PARTITIONS: u8 = 7;

pub(super) fn join(ticket: u64, member: &str, fresh: &str) -> Join {
    Join {
        ticket: Ticket(ticket),
        group: "g".into(),
        member: MemberId(member.into()),
        fresh: MemberId(fresh.into()),
        named_first: false,
        client: "client".into(),
        host: "127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), "subscription".into())],
    }
}

/// What someone does next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    /// Joins, if it is not in.
    Join(usize),
    /// Does what the last answer asks for.
    Act(usize),
    Heartbeat(usize),
    Leave(usize),
    /// Is never heard of again.
    Crash(usize),
    /// Time passes, in milliseconds.
    Wait(u64),
}

/// Where a member believes to be.
#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    Out,
    Waiting,
    /// Must join, under this id.
    MustJoin(MemberId),
    Joined(Joined),
    Reading {
        joined: Joined,
        part: Bytes,
    },
}

/// Members and the groups that they are in.
pub(super) struct Crowd {
    pub(super) groups: Groups,
    named_first: bool,
    now: u64,
    tickets: u64,
    places: [Place; 8],
    /// Who waits with which ticket, and for its sync where it stood.
    waiting: BTreeMap<Ticket, (usize, Option<Joined>)>,
    answered: BTreeSet<Ticket>,
    /// The plan of each generation.
    plans: BTreeMap<i32, BTreeMap<MemberId, Bytes>>,
    /// Who was told to be in each generation.
    told: BTreeMap<i32, BTreeSet<MemberId>>,
    /// Whom the leader of each generation was told of.
    listed: BTreeMap<i32, BTreeSet<MemberId>>,
}

impl Crowd {
    pub(super) fn new(named_first: bool) -> Self {
        Self {
            groups: Groups::new(LIMITS),
            named_first,
            now: 0,
            tickets: 0,
            places: Default::default(),
            waiting: BTreeMap::new(),
            answered: BTreeSet::new(),
            plans: BTreeMap::new(),
            told: BTreeMap::new(),
            listed: BTreeMap::new(),
        }
    }

    pub(super) fn act(&mut self, step: Move) {
        match step {
            Move::Join(who) => {
                if let Place::Out = self.places[who] {
                    self.ask_to_join(who, &MemberId::default());
                }
            }
            Move::Act(who) => self.follow(who),
            Move::Heartbeat(who) => self.heartbeat(who),
            Move::Leave(who) => {
                if let Place::Reading { joined, .. } = &self.places[who] {
                    let (ticket, members) = (Ticket(0), vec![joined.member.clone()]);
                    let group = "g".into();
                    self.places[who] = Place::Out;
                    self.step(Input::Leave {
                        ticket,
                        group,
                        members,
                    });
                }
            }
            Move::Crash(who) => {
                self.places[who] = Place::Out;
                self.waiting.retain(|_, (waiting, _)| *waiting != who);
            }
            Move::Wait(duration_ms) => {
                self.now += duration_ms;
                self.step(Input::Tick);
            }
        }
        assert!(
            self.groups
                .describe("g")
                .is_none_or(|g| g.members.len() <= LIMITS.members_max)
        );
    }

    /// All that are in go on until nothing changes; those that crashed run out of time.
    pub(super) fn settle(&mut self) {
        for _ in 0..400 {
            for who in 0..self.places.len() {
                self.follow(who);
                self.heartbeat(who);
            }
            self.act(Move::Wait(300));
        }
    }

    pub(super) fn crash_all(&mut self) {
        for who in 0..self.places.len() {
            self.act(Move::Crash(who));
        }
        // Rebalances end, sessions end, and what is left ends after that.
        for _ in 0..4 {
            self.act(Move::Wait(100_000));
        }
    }

    pub(super) fn assert_all_partitions_are_read_once(&self) {
        let mut read = Vec::new();
        let mut generations = BTreeSet::new();
        for place in &self.places {
            match place {
                Place::Out => {}
                Place::Reading { joined, part } => {
                    generations.insert(joined.generation);
                    read.extend(part.iter().copied());
                }
                other => panic!("has not settled: {other:?}"),
            }
        }
        read.sort_unstable();
        assert!(generations.len() <= 1, "{generations:?}");
        if !generations.is_empty() {
            assert_eq!(read, (0..PARTITIONS).collect::<Vec<_>>());
        }
    }

    fn follow(&mut self, who: usize) {
        match self.places[who].clone() {
            Place::MustJoin(id) => self.ask_to_join(who, &id),
            Place::Joined(joined) => self.ask_for_part(who, joined),
            Place::Out | Place::Waiting | Place::Reading { .. } => {}
        }
    }

    fn ask_to_join(&mut self, who: usize, id: &MemberId) {
        let ticket = self.ticket(who, None);
        let fresh = format!("member-{}", ticket.0);
        let request = Join {
            named_first: self.named_first,
            ..join(ticket.0, &id.0, &fresh)
        };
        self.places[who] = Place::Waiting;
        self.step(Input::Join(request));
    }

    /// The leader shares the partitions out by turns.
    fn ask_for_part(&mut self, who: usize, joined: Joined) {
        let mut plan: BTreeMap<MemberId, Vec<u8>> = BTreeMap::new();
        let ids: Vec<&MemberId> = joined.members.iter().map(|(id, _)| id).collect();
        if joined.member == joined.leader {
            for partition in 0..PARTITIONS {
                let id = ids[usize::from(partition) % ids.len()];
                plan.entry(id.clone()).or_default().push(partition);
            }
        }
        let assignments: Vec<(MemberId, Bytes)> = plan
            .into_iter()
            .map(|(id, part)| (id, part.into()))
            .collect();
        if joined.member == joined.leader {
            self.plans
                .insert(joined.generation, assignments.iter().cloned().collect());
        }
        let ticket = self.ticket(who, Some(joined.clone()));
        self.places[who] = Place::Waiting;
        self.step(Input::Sync(Sync {
            ticket,
            group: "g".into(),
            generation: joined.generation,
            member: joined.member,
            assignments,
        }));
    }

    fn heartbeat(&mut self, who: usize) {
        let Place::Reading { joined, .. } = self.places[who].clone() else {
            return;
        };
        let beat = Beat {
            ticket: Ticket(0),
            group: "g".into(),
            generation: joined.generation,
            member: joined.member.clone(),
        };
        let out = self.groups.step(Input::Heartbeat(beat), Millis(self.now));
        match out.as_slice() {
            [Output::Answered(_, Ok(()))] => {}
            [Output::Answered(_, Err(error))] => self.places[who] = after(*error, joined.member),
            other => panic!("{other:?}"),
        }
    }

    fn ticket(&mut self, who: usize, joined: Option<Joined>) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.waiting.insert(ticket, (who, joined));
        ticket
    }

    fn step(&mut self, input: Input) {
        let outputs = self.groups.step(input, Millis(self.now));
        let mut begun = BTreeSet::new();
        for output in outputs {
            let ticket = match &output {
                Output::Joined(ticket, _) | Output::Synced(ticket, _) => *ticket,
                Output::Answered(..) | Output::Left(..) => continue,
            };
            assert!(
                self.answered.insert(ticket),
                "{ticket:?} was answered twice"
            );
            if let Output::Joined(_, Ok(joined)) = &output {
                begun.insert(joined.generation);
                self.note(joined);
            }
            let Some((who, stood)) = self.waiting.remove(&ticket) else {
                continue;
            };
            self.places[who] = match output {
                Output::Joined(_, Ok(joined)) => Place::Joined(joined),
                Output::Joined(_, Err(refused)) => after(refused.error, refused.member),
                Output::Synced(_, Ok(part)) => self.part(stood.unwrap(), part),
                Output::Synced(_, Err(error)) => after(error, stood.unwrap().member),
                Output::Answered(..) | Output::Left(..) => continue,
            };
        }
        for generation in begun {
            assert_eq!(
                self.told[&generation], self.listed[&generation],
                "{generation}"
            );
        }
    }

    fn note(&mut self, joined: &Joined) {
        let told = self.told.entry(joined.generation).or_default();
        told.insert(joined.member.clone());
        if joined.member == joined.leader {
            let listed = joined.members.iter().map(|(id, _)| id.clone()).collect();
            let before = self.listed.insert(joined.generation, listed);
            assert!(before.is_none_or(|before| before == self.listed[&joined.generation]));
        } else {
            assert!(joined.members.is_empty());
        }
    }

    /// A part is what the leader of the same generation said, never that of another.
    fn part(&self, joined: Joined, part: Bytes) -> Place {
        let plan = &self.plans[&joined.generation];
        let planned = plan.get(&joined.member).cloned().unwrap_or_default();
        assert_eq!(part, planned, "of {joined:?}");
        Place::Reading { joined, part }
    }
}

/// What a client does after an error.
fn after(error: ResponseError, member: MemberId) -> Place {
    match error {
        ResponseError::MemberIdRequired | ResponseError::RebalanceInProgress => {
            Place::MustJoin(member)
        }
        ResponseError::UnknownMemberId | ResponseError::IllegalGeneration => {
            Place::MustJoin(MemberId::default())
        }
        ResponseError::GroupMaxSizeReached => Place::Out,
        other => panic!("{other:?}"),
    }
}
