//! All groups, and the limits on what they may hold.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;

use super::machine::Group;
use super::{Answer, Beat, Description, Input, Join, MemberId, Millis, NotJoined, Output, Sync};

/// Limits of groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Groups with members.
    pub(crate) groups_max: usize,
    /// Members of one group.
    pub(crate) members_max: usize,
    /// Bytes that one member says of itself, all protocols together.
    pub(crate) metadata_bytes_max: usize,
    /// Bytes of all groups together: ids, metadata, plans.
    pub(crate) total_bytes_max: usize,
    /// The longest group id, member id or client id in bytes.
    pub(crate) id_bytes_max: usize,
    /// The shortest session timeout.
    pub(crate) session_timeout_ms_min: u64,
    /// The longest session or rebalance timeout.
    pub(crate) session_timeout_ms_max: u64,
    /// How long the first generation waits for more members (KIP-134).
    pub(crate) first_rebalance_delay_ms: u64,
}

/// All groups.
#[derive(Debug)]
pub(crate) struct Groups {
    limits: Limits,
    groups: BTreeMap<String, Group>,
    bytes: usize,
    /// The highest generation of a group that was forgotten: one that comes again begins above.
    forgotten: i32,
}

impl Groups {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            groups: BTreeMap::new(),
            bytes: 0,
            forgotten: 0,
        }
    }

    /// What to answer to what happened.
    pub(crate) fn step(&mut self, input: Input, now: Millis) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Join(join) => self.join(join, now, &mut out),
            Input::Sync(sync) => self.sync(sync, now, &mut out),
            Input::Heartbeat(beat) => {
                let answer = match self.groups.get_mut(&beat.group) {
                    Some(group) => group.heartbeat(&beat, now),
                    None => Err(ResponseError::UnknownMemberId),
                };
                out.push(Output::Answered(beat.ticket, answer));
            }
            Input::Commit(beat) => {
                let answer = self.commit(&beat, now);
                out.push(Output::Answered(beat.ticket, answer));
            }
            Input::Leave {
                ticket,
                group,
                members,
            } => {
                let left = members
                    .iter()
                    .map(|member| self.leave(&group, member, now, &mut out))
                    .collect();
                out.push(Output::Left(ticket, left));
            }
            Input::Tick => {
                let names: Vec<String> = self.groups.keys().cloned().collect();
                for name in names {
                    self.with(&name, |group| group.tick(now, &mut out));
                }
            }
        }
        out
    }

    /// Names and protocol types of the groups that have members.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let groups = self.groups.iter();
        groups
            .map(|(name, group)| (name.clone(), group.describe().protocol_type))
            .collect()
    }

    /// A group that has members.
    pub(crate) fn describe(&self, name: &str) -> Option<Description> {
        self.groups.get(name).map(Group::describe)
    }

    /// Groups and members, for metrics.
    pub(crate) fn count(&self) -> (usize, usize) {
        (
            self.groups.len(),
            self.groups.values().map(Group::len).sum(),
        )
    }

    /// Bytes that all groups keep.
    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Does something with a group, counts its bytes again and forgets it once it is empty.
    fn with<T>(&mut self, name: &str, action: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = self.groups.get_mut(name)?;
        let before = group.bytes();
        let done = action(group);
        self.bytes = self.bytes - before + group.bytes();
        if group.is_forgettable() {
            self.forgotten = self.forgotten.max(group.generation());
            self.groups.remove(name);
        }
        Some(done)
    }

    fn join(&mut self, join: Join, now: Millis, out: &mut Vec<Output>) {
        if let Err(error) = self.check_join(&join) {
            let refused = NotJoined {
                error,
                member: join.member,
            };
            return out.push(Output::Joined(join.ticket, Err(refused)));
        }
        let delay_ms = self.limits.first_rebalance_delay_ms;
        let name = join.group.clone();
        let begins_above = self.forgotten;
        self.groups
            .entry(name.clone())
            .or_insert_with(|| Group::new(begins_above));
        self.with(&name, |group| {
            if join.member.is_empty() && join.named_first {
                out.push(group.name(join, now));
            } else {
                group.join(join, delay_ms, now, out);
            }
        });
    }

    fn check_join(&self, join: &Join) -> Answer<()> {
        let limits = &self.limits;
        let group = self.groups.get(&join.group);
        let metadata: usize = join
            .protocols
            .iter()
            .map(|(name, metadata)| name.len() + metadata.len())
            .sum();
        let longest = join.client.len().max(join.member.0.len());
        if join.group.is_empty() || join.group.len() > limits.id_bytes_max {
            return Err(ResponseError::InvalidGroupId);
        }
        if longest > limits.id_bytes_max {
            return Err(ResponseError::InvalidRequest);
        }
        if !(limits.session_timeout_ms_min..=limits.session_timeout_ms_max)
            .contains(&join.session_timeout_ms)
        {
            return Err(ResponseError::InvalidSessionTimeout);
        }
        let is_known = group.is_some_and(|group| group.knows(&join.member));
        if !join.member.is_empty() && !is_known {
            return Err(ResponseError::UnknownMemberId);
        }
        match group {
            None if self.groups.len() >= limits.groups_max => {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            Some(group) if !is_known && group.len() >= limits.members_max => {
                return Err(ResponseError::GroupMaxSizeReached);
            }
            Some(group) if !group.suits(join) => {
                return Err(ResponseError::InconsistentGroupProtocol);
            }
            None if !Group::new(0).suits(join) => {
                return Err(ResponseError::InconsistentGroupProtocol);
            }
            _ => {}
        }
        let total = self.bytes + metadata + longest + join.fresh.0.len() + join.host.len();
        if metadata > limits.metadata_bytes_max || total > limits.total_bytes_max {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        Ok(())
    }

    fn sync(&mut self, sync: Sync, now: Millis, out: &mut Vec<Output>) {
        let plan: usize = sync.assignments.iter().map(|(_, part)| part.len()).sum();
        let ticket = sync.ticket;
        if self.bytes + plan > self.limits.total_bytes_max {
            return out.push(Output::Synced(
                ticket,
                Err(ResponseError::GroupMaxSizeReached),
            ));
        }
        let group = sync.group.clone();
        if self
            .with(&group, |group| group.sync(sync, now, out))
            .is_none()
        {
            out.push(Output::Synced(ticket, Err(ResponseError::UnknownMemberId)));
        }
    }

    fn commit(&mut self, beat: &Beat, now: Millis) -> Answer<()> {
        if beat.group.is_empty() || beat.group.len() > self.limits.id_bytes_max {
            return Err(ResponseError::InvalidGroupId);
        }
        match self.groups.get_mut(&beat.group) {
            Some(group) => group.commit(beat, now),
            // Nobody is in the group: who assigns itself may commit, a member of the past may not.
            None if beat.generation < 0 => Ok(()),
            None => Err(ResponseError::IllegalGeneration),
        }
    }

    fn leave(
        &mut self,
        group: &str,
        member: &MemberId,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Answer<()> {
        self.with(group, |group| group.leave(member, now, out))
            .unwrap_or(Err(ResponseError::UnknownMemberId))
    }
}
