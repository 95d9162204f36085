//! The connections to one peer: who it is to us, and which of them survives.
//!
//! Pure: [`Links::step`] takes what happened and says what to do.
//!
//! A connection counts once both sides have greeted each other on it. The dialler greets, unless
//! the peer is connected already: so a connection that was opened for something else, such as a
//! test of reachability, stands apart and never displaces the first.
//!
//! Where two connections count, both sides choose the same: one that is direct, else, where both
//! are young (the peers dialled each other at once), the one that the smaller id dialled, else the
//! newer (the older one's peer was restarted). The other one takes no new streams and is closed
//! once it had time to deliver what was on its way.

use phytomer_wire::{Direction, PeerId};

/// How long a connection may go without a greeting, in milliseconds.
pub(crate) const GREETING_MS: u64 = 10_000;
/// How long a connection without a greeting may stay beside one that counts, in milliseconds.
pub(crate) const ASIDE_MS: u64 = 15_000;
/// Connections that were opened within this time of each other were opened at once, in
/// milliseconds.
pub(crate) const AT_ONCE_MS: u64 = 5_000;
/// How long a connection that was given up stays open at least, in milliseconds.
pub(crate) const LEAVE_MS: u64 = 3_000;
/// How long it stays open at most, for the streams that still run on it, in milliseconds.
pub(crate) const LEAVE_MAX_MS: u64 = 30_000;

/// What a peer is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A node of this network.
    Member,
    /// Another program that takes part in gossip.
    Guest,
}

/// Something that happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input<Id> {
    /// It was opened.
    Opened {
        id: Id,
        direction: Direction,
        relayed: bool,
    },
    /// Both sides have greeted each other on it.
    Greeted(Id),
    /// The peer does not know how to greet.
    Foreign(Id),
    /// It was closed.
    Closed(Id),
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output<Id> {
    /// Greet the peer on this connection.
    Greet(Id),
    /// Close this connection.
    Close(Id),
    /// The peer is here.
    Here(Standing),
    /// The peer is gone.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Link<Id> {
    id: Id,
    direction: Direction,
    relayed: bool,
    since_ms: u64,
    standing: Option<Standing>,
    left_ms: Option<u64>,
}

/// The connections to one peer.
#[derive(Clone, Debug)]
pub(crate) struct Links<Id> {
    local: PeerId,
    remote: PeerId,
    links: Vec<Link<Id>>,
    here: Option<Standing>,
}

impl<Id: Copy + Eq> Links<Id> {
    pub(crate) fn new(local: PeerId, remote: PeerId) -> Self {
        Self {
            local,
            remote,
            links: Vec::new(),
            here: None,
        }
    }

    /// Whether there is no connection.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// What the peer is to this node, once it is known.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.here
    }

    /// Every connection.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        self.links.iter().map(|link| link.id)
    }

    /// Whether the peer has not greeted on this connection yet.
    pub(crate) fn waits(&self, id: Id) -> bool {
        self.links
            .iter()
            .any(|link| link.id == id && link.standing.is_none())
    }

    /// The connection that new streams are opened on.
    pub(crate) fn primary(&self) -> Option<Id> {
        let staying = self
            .links
            .iter()
            .filter(|link| link.standing.is_some() && link.left_ms.is_none());
        staying
            .max_by_key(|link| link.standing == Some(Standing::Member))
            .map(|link| link.id)
    }

    /// Takes what happened at `now_ms`; `busy` says whether streams run on a connection.
    pub(crate) fn step(
        &mut self,
        input: Input<Id>,
        now_ms: u64,
        busy: impl Fn(Id) -> bool,
    ) -> Vec<Output<Id>> {
        let mut outputs = Vec::new();
        match input {
            Input::Opened {
                id,
                direction,
                relayed,
            } => {
                let link = Link {
                    id,
                    direction,
                    relayed,
                    since_ms: now_ms,
                    standing: None,
                    left_ms: None,
                };
                self.opened(link, &mut outputs);
            }
            Input::Greeted(id) => self.settle(id, Standing::Member, now_ms),
            Input::Foreign(id) => self.settle(id, Standing::Guest, now_ms),
            Input::Closed(id) => self.links.retain(|link| link.id != id),
            Input::Tick => self.tick(now_ms, busy, &mut outputs),
        }
        self.announce(&mut outputs);
        outputs
    }

    fn opened(&mut self, opened: Link<Id>, outputs: &mut Vec<Output<Id>>) {
        let counts = |link: &Link<Id>| link.standing == Some(Standing::Member);
        let improves = self
            .links
            .iter()
            .filter(|link| counts(link))
            .all(|link| link.relayed && !opened.relayed);
        if opened.direction == Direction::Outbound && improves {
            outputs.push(Output::Greet(opened.id));
        }
        self.links.push(opened);
    }

    /// Notes what the peer is on a connection, and gives up those that it makes needless.
    fn settle(&mut self, id: Id, standing: Standing, now_ms: u64) {
        let Some(link) = self.links.iter_mut().find(|link| link.id == id) else {
            return;
        };
        if link.standing != Some(Standing::Member) {
            link.standing = Some(standing);
        }
        let members = self
            .links
            .iter()
            .filter(|link| link.standing == Some(Standing::Member) && link.left_ms.is_none());
        let Some(best) = members.copied().reduce(|a, b| self.better(a, b)) else {
            return;
        };
        for link in &mut self.links {
            if link.standing.is_some() && link.id != best.id {
                link.left_ms.get_or_insert(now_ms);
            }
        }
    }

    fn better(&self, a: Link<Id>, b: Link<Id>) -> Link<Id> {
        if a.relayed != b.relayed {
            return if b.relayed { a } else { b };
        }
        let at_once = a.since_ms.abs_diff(b.since_ms) <= AT_ONCE_MS;
        if at_once && a.direction != b.direction {
            let ours = self.local < self.remote;
            return if (a.direction == Direction::Outbound) == ours {
                a
            } else {
                b
            };
        }
        if a.since_ms > b.since_ms { a } else { b }
    }

    fn tick(&mut self, now_ms: u64, busy: impl Fn(Id) -> bool, outputs: &mut Vec<Output<Id>>) {
        for link in &self.links {
            let age_ms = now_ms.saturating_sub(link.since_ms);
            let over = match (link.standing, link.left_ms) {
                (None, _) if self.here.is_some() => age_ms > ASIDE_MS,
                (None, _) => age_ms > GREETING_MS,
                (_, Some(left_ms)) => {
                    let leaving_ms = now_ms.saturating_sub(left_ms);
                    leaving_ms > LEAVE_MAX_MS || (leaving_ms > LEAVE_MS && !busy(link.id))
                }
                (_, None) => false,
            };
            if over {
                outputs.push(Output::Close(link.id));
            }
        }
    }

    fn announce(&mut self, outputs: &mut Vec<Output<Id>>) {
        let standings = self.links.iter().filter_map(|link| link.standing);
        let now = standings.max_by_key(|standing| *standing == Standing::Member);
        match (self.here, now) {
            (Some(_), None) => outputs.push(Output::Gone),
            (before, Some(standing)) if before != now => outputs.push(Output::Here(standing)),
            _ => {}
        }
        self.here = now;
    }
}

#[cfg(test)]
mod tests;
