//! One group as a state machine.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::member::{Member, Waiting};
use super::{
    Answer, Beat, Described, Description, Join, Joined, MemberId, Millis, NotJoined, Output, Sync,
    Ticket,
};

/// How far a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody is in it.
    Empty,
    /// Waits for all members to ask for the next generation.
    Joining {
        /// Does not begin before, so that members that start together meet in one generation.
        not_before: Millis,
        /// Goes on without those that have not asked by then.
        until: Millis,
    },
    /// Waits for the leader's plan.
    Syncing,
    /// The plan is known.
    Stable,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    state: State,
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: MemberId,
    /// In the order in which they came.
    members: Vec<Member>,
    /// Ids that were given and have not come back, and until when they may.
    pending: BTreeMap<MemberId, Millis>,
    /// When members that have not asked for their part of the plan are given up.
    sync_until: Millis,
}

impl Group {
    /// A group whose generations begin above this one.
    pub(super) fn new(generation: i32) -> Self {
        Self {
            state: State::Empty,
            generation,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: MemberId::default(),
            members: Vec::new(),
            pending: BTreeMap::new(),
            sync_until: Millis(0),
        }
    }

    pub(super) const fn generation(&self) -> i32 {
        self.generation
    }

    /// Whether nothing is left to keep: committed offsets are kept elsewhere.
    pub(super) fn is_forgettable(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// Members, those that have an id and have not come back included.
    pub(super) fn len(&self) -> usize {
        self.members.len() + self.pending.len()
    }

    /// Bytes that the members make the coordinator keep.
    pub(super) fn bytes(&self) -> usize {
        let pending: usize = self.pending.keys().map(|id| id.0.len()).sum();
        self.members.iter().map(Member::bytes).sum::<usize>() + pending
    }

    /// Whether the id was given to someone by this group.
    pub(super) fn knows(&self, member: &MemberId) -> bool {
        self.pending.contains_key(member) || self.position(member).is_some()
    }

    /// Gives an id to a member that will come back with it.
    pub(super) fn name(&mut self, join: Join, now: Millis) -> Output {
        self.pending
            .insert(join.fresh.clone(), now.after(join.session_timeout_ms));
        let required = NotJoined {
            error: ResponseError::MemberIdRequired,
            member: join.fresh,
        };
        Output::Joined(join.ticket, Err(required))
    }

    /// Whether the member can be assigned partitions together with those that are in.
    pub(super) fn suits(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        let others: Vec<&Member> = self
            .members
            .iter()
            .filter(|member| member.id != join.member)
            .collect();
        let shared = |name: &String| {
            others
                .iter()
                .all(|member| member.protocols.iter().any(|(theirs, _)| theirs == name))
        };
        others.is_empty()
            || (self.protocol_type == join.protocol_type
                && join.protocols.iter().any(|(name, _)| shared(name)))
    }

    /// Takes a member in, or into the next generation.
    pub(super) fn join(&mut self, join: Join, delay_ms: u64, now: Millis, out: &mut Vec<Output>) {
        self.pending.remove(&join.member);
        let Some(position) = self.position(&join.member) else {
            return self.admit(join, delay_ms, now, out);
        };
        let member = &mut self.members[position];
        // A question that was asked again is answered once.
        refuse(member, ResponseError::RebalanceInProgress, out);
        let same = member.protocols == join.protocols;
        let is_leader = member.id == self.leader;
        let answer_now = match self.state {
            State::Stable => same && !is_leader,
            State::Syncing => same,
            State::Joining { .. } | State::Empty => false,
        };
        if answer_now {
            member.touch(now);
            member.waiting = Waiting::No;
            let id = member.id.clone();
            out.push(Output::Joined(join.ticket, Ok(self.place(&id))));
            return;
        }
        member.rejoin(join, now);
        self.rebalance(0, now, out);
    }

    fn admit(&mut self, join: Join, delay_ms: u64, now: Millis, out: &mut Vec<Output>) {
        if self.members.is_empty() {
            self.protocol_type.clone_from(&join.protocol_type);
        }
        let id = if join.member.is_empty() {
            join.fresh.clone()
        } else {
            join.member.clone()
        };
        self.members.push(Member::new(id, join, now));
        if let State::Joining { not_before, until } = &mut self.state
            && *not_before > now
        {
            *not_before = now.after(delay_ms).min(*until);
        }
        self.rebalance(delay_ms, now, out);
    }

    /// A member asks for its part of the plan.
    pub(super) fn sync(&mut self, sync: Sync, now: Millis, out: &mut Vec<Output>) {
        let checked = self.check(&sync.member, sync.generation);
        let refused = checked.and_then(|position| match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            State::Syncing | State::Stable => Ok(position),
        });
        let position = match refused {
            Ok(position) => position,
            Err(error) => return out.push(Output::Synced(sync.ticket, Err(error))),
        };
        let member = &mut self.members[position];
        refuse(member, ResponseError::RebalanceInProgress, out);
        member.touch(now);
        member.has_synced = true;
        if self.state == State::Stable {
            member.waiting = Waiting::No;
            return out.push(Output::Synced(sync.ticket, Ok(member.assignment.clone())));
        }
        member.waiting = Waiting::Sync(sync.ticket);
        if member.id == self.leader {
            self.plan(sync.assignments, now, out);
        }
    }

    /// Hands out the leader's plan.
    fn plan(&mut self, plan: Vec<(MemberId, Bytes)>, now: Millis, out: &mut Vec<Output>) {
        let mut plan: BTreeMap<MemberId, Bytes> = plan.into_iter().collect();
        self.state = State::Stable;
        for member in &mut self.members {
            member.assignment = plan.remove(&member.id).unwrap_or_default();
            if let Waiting::Sync(ticket) = member.waiting {
                member.waiting = Waiting::No;
                member.touch(now);
                out.push(Output::Synced(ticket, Ok(member.assignment.clone())));
            }
        }
    }

    /// A member is alive; it hears whether it has to join again.
    pub(super) fn heartbeat(&mut self, beat: &Beat, now: Millis) -> Answer<()> {
        let position = self.check(&beat.member, beat.generation)?;
        self.members[position].touch(now);
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            State::Syncing | State::Stable => Ok(()),
        }
    }

    /// Whether the offsets of a member, or of someone outside, may be committed.
    pub(super) fn commit(&mut self, beat: &Beat, now: Millis) -> Answer<()> {
        if beat.generation < 0 && beat.member.is_empty() && self.members.is_empty() {
            return Ok(());
        }
        let position = self.check(&beat.member, beat.generation)?;
        self.members[position].touch(now);
        match self.state {
            // Who was told to join again may first commit what it has read.
            State::Joining { .. } | State::Stable => Ok(()),
            State::Syncing => Err(ResponseError::RebalanceInProgress),
            State::Empty => Err(ResponseError::UnknownMemberId),
        }
    }

    /// A member goes.
    pub(super) fn leave(
        &mut self,
        id: &MemberId,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Answer<()> {
        if self.pending.remove(id).is_some() {
            self.complete_if_ready(now, out);
            return Ok(());
        }
        let position = self.position(id).ok_or(ResponseError::UnknownMemberId)?;
        self.remove(position, out);
        self.rebalance(0, now, out);
        Ok(())
    }

    /// Gives up members that are silent and phases that take too long.
    pub(super) fn tick(&mut self, now: Millis, out: &mut Vec<Output>) {
        self.pending.retain(|_, until| *until > now);
        let is_late = now >= self.sync_until;
        let before = self.members.len();
        for position in (0..before).rev() {
            let member = &self.members[position];
            let never_synced = match self.state {
                State::Syncing | State::Stable => is_late && !member.has_synced,
                State::Empty | State::Joining { .. } => false,
            };
            if member.is_silent(now) || never_synced {
                self.remove(position, out);
            }
        }
        if self.members.len() < before {
            self.rebalance(0, now, out);
        }
        match self.state {
            State::Joining { until, .. } if now >= until => self.complete(now, out),
            _ => self.complete_if_ready(now, out),
        }
    }

    pub(super) fn describe(&self) -> Description {
        let is_stable = self.state == State::Stable;
        let members = self.members.iter().map(|member| Described {
            member: member.id.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            metadata: if is_stable {
                member.metadata(&self.protocol)
            } else {
                Bytes::new()
            },
            assignment: member.assignment.clone(),
        });
        Description {
            state: match self.state {
                State::Empty => "Empty",
                State::Joining { .. } => "PreparingRebalance",
                State::Syncing => "CompletingRebalance",
                State::Stable => "Stable",
            },
            protocol_type: self.protocol_type.clone(),
            protocol: if is_stable {
                self.protocol.clone()
            } else {
                String::new()
            },
            members: members.collect(),
        }
    }

    fn position(&self, id: &MemberId) -> Option<usize> {
        self.members.iter().position(|member| member.id == *id)
    }

    fn check(&self, id: &MemberId, generation: i32) -> Answer<usize> {
        let position = self.position(id).ok_or(ResponseError::UnknownMemberId)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(position)
    }

    fn remove(&mut self, position: usize, out: &mut Vec<Output>) {
        let mut member = self.members.remove(position);
        refuse(&mut member, ResponseError::UnknownMemberId, out);
        if member.id == self.leader {
            self.leader = MemberId::default();
        }
    }

    /// Begins to gather members for the next generation, and goes on if all are there.
    fn rebalance(&mut self, delay_ms: u64, now: Millis, out: &mut Vec<Output>) {
        if !matches!(self.state, State::Joining { .. }) {
            let delay_ms = match self.state {
                State::Empty => delay_ms,
                _ => 0,
            };
            for member in &mut self.members {
                member.assignment = Bytes::new();
                if matches!(member.waiting, Waiting::Sync(_)) {
                    refuse(member, ResponseError::RebalanceInProgress, out);
                    member.touch(now);
                }
            }
            let until = now.after(self.rebalance_timeout_ms());
            self.state = State::Joining {
                not_before: now.after(delay_ms).min(until),
                until,
            };
        }
        self.complete_if_ready(now, out);
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        let timeouts = self
            .members
            .iter()
            .map(|member| member.rebalance_timeout_ms);
        timeouts.max().unwrap_or(0)
    }

    fn complete_if_ready(&mut self, now: Millis, out: &mut Vec<Output>) {
        if let State::Joining { not_before, .. } = self.state {
            let all_joined = self.members.iter().all(Member::has_joined);
            let ready = all_joined && self.pending.is_empty() && now >= not_before;
            if ready || self.members.is_empty() {
                self.complete(now, out);
            }
        }
    }

    /// Begins the next generation with those that have asked for it.
    fn complete(&mut self, now: Millis, out: &mut Vec<Output>) {
        self.members.retain(Member::has_joined);
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        let Some(first) = self.members.first().map(|member| member.id.clone()) else {
            self.state = State::Empty;
            self.leader = MemberId::default();
            return;
        };
        if self.position(&self.leader).is_none() {
            self.leader = first;
        }
        self.protocol = self.elect_protocol();
        self.state = State::Syncing;
        self.sync_until = now.after(self.rebalance_timeout_ms());
        let ids: Vec<(MemberId, Ticket)> = self
            .members
            .iter_mut()
            .filter_map(|member| {
                let Waiting::Join(ticket) = member.waiting else {
                    return None;
                };
                member.waiting = Waiting::No;
                member.has_synced = false;
                member.assignment = Bytes::new();
                member.touch(now);
                Some((member.id.clone(), ticket))
            })
            .collect();
        out.extend(
            ids.iter()
                .map(|(id, ticket)| Output::Joined(*ticket, Ok(self.place(id)))),
        );
    }

    /// The protocol that all support and most like best; among equals the one that comes first.
    fn elect_protocol(&self) -> String {
        let supported = |name: &str| {
            self.members
                .iter()
                .all(|member| member.protocols.iter().any(|(theirs, _)| theirs == name))
        };
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in &self.members {
            let choice = member.protocols.iter().find(|(name, _)| supported(name));
            if let Some((name, _)) = choice {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max().copied().unwrap_or(0);
        let winner = votes.into_iter().find(|(_, count)| *count == most);
        winner.map_or_else(String::new, |(name, _)| name.to_owned())
    }

    /// A member's place in this generation.
    fn place(&self, id: &MemberId) -> Joined {
        let members = if *id == self.leader {
            self.members
                .iter()
                .map(|member| (member.id.clone(), member.metadata(&self.protocol)))
                .collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: id.clone(),
            members,
        }
    }
}

/// Answers what a member waits for with an error.
fn refuse(member: &mut Member, error: ResponseError, out: &mut Vec<Output>) {
    match std::mem::replace(&mut member.waiting, Waiting::No) {
        Waiting::No => {}
        Waiting::Join(ticket) => {
            let refused = NotJoined {
                error,
                member: member.id.clone(),
            };
            out.push(Output::Joined(ticket, Err(refused)));
        }
        Waiting::Sync(ticket) => out.push(Output::Synced(ticket, Err(error))),
    }
}
