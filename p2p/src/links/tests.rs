use proptest::prelude::*;

use super::*;

const A: PeerId = PeerId::from_bytes([1; 32]);
const B: PeerId = PeerId::from_bytes([2; 32]);

fn idle(_: u8) -> bool {
    false
}

fn open(id: u8, direction: Direction) -> Input<u8> {
    Input::Opened {
        id,
        direction,
        relayed: false,
    }
}

/// Both ends of connections between two peers, with the greetings on their way.
struct Pair {
    ends: [Links<u8>; 2],
    /// Events that wait for each end, in order.
    queues: [Vec<Input<u8>>; 2],
    closed: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        Self {
            ends: [Links::new(A, B), Links::new(B, A)],
            queues: [Vec::new(), Vec::new()],
            closed: Vec::new(),
        }
    }

    /// `dialler` opens a connection: it sees it at once, the other end later.
    fn dial(&mut self, dialler: usize, id: u8) {
        self.queues[dialler].push(open(id, Direction::Outbound));
        self.queues[1 - dialler].push(open(id, Direction::Inbound));
    }

    /// One end handles the next event that waits for it.
    fn deliver(&mut self, end: usize, now_ms: u64) {
        if self.queues[end].is_empty() {
            return;
        }
        let input = self.queues[end].remove(0);
        self.apply(end, input, now_ms);
    }

    fn apply(&mut self, end: usize, input: Input<u8>, now_ms: u64) {
        for output in self.ends[end].step(input, now_ms, idle) {
            match output {
                // The listener hears the greeting before the dialler hears the answer.
                Output::Greet(id) => {
                    self.queues[1 - end].push(Input::Greeted(id));
                    self.queues[end].push(Input::Greeted(id));
                }
                Output::Close(id) if !self.closed.contains(&id) => {
                    self.closed.push(id);
                    self.queues[0].push(Input::Closed(id));
                    self.queues[1].push(Input::Closed(id));
                }
                _ => {}
            }
        }
    }

    fn drain(&mut self, now_ms: u64) {
        while self.queues.iter().any(|queue| !queue.is_empty()) {
            self.deliver(0, now_ms);
            self.deliver(1, now_ms);
        }
    }
}

proptest! {
    /// However the events of two dials interleave, both ends end with the same one connection,
    /// and the peer was never gone in between.
    #[test]
    fn of_two_connections_exactly_one_survives_at_both_ends(
        order in proptest::collection::vec(0usize..2, 0..40),
        second_dialler in 0usize..2,
    ) {
        let mut pair = Pair::new();
        pair.dial(0, 10);
        pair.dial(second_dialler, 20);
        for (step, end) in order.into_iter().enumerate() {
            pair.deliver(end, step as u64);
        }
        pair.drain(100);
        for end in &pair.ends {
            prop_assert_eq!(end.standing(), Some(Standing::Member));
        }
        for now in [LEAVE_MS + 200, ASIDE_MS + 200, LEAVE_MAX_MS + 200] {
            for end in 0..2 {
                pair.apply(end, Input::Tick, now);
            }
            pair.drain(now);
            for end in &pair.ends {
                prop_assert_eq!(end.standing(), Some(Standing::Member));
            }
        }
        prop_assert_eq!(pair.closed.len(), 1);
        let left: Vec<Vec<u8>> = pair.ends.iter().map(|end| end.ids().collect()).collect();
        prop_assert_eq!(left[0].len(), 1);
        prop_assert_eq!(&left[0], &left[1]);
    }
}

#[test]
fn a_connection_without_a_greeting_is_closed_and_one_beside_another_a_little_later() {
    let mut links = Links::new(A, B);
    assert!(links.step(open(1, Direction::Inbound), 0, idle).is_empty());
    assert!(links.step(Input::Tick, GREETING_MS, idle).is_empty());
    assert_eq!(
        links.step(Input::Tick, GREETING_MS + 1, idle),
        [Output::Close(1)]
    );

    let mut links = Links::new(A, B);
    assert_eq!(
        links.step(open(1, Direction::Outbound), 0, idle),
        [Output::Greet(1)]
    );
    assert_eq!(
        links.step(Input::Greeted(1), 1, idle),
        [Output::Here(Standing::Member)]
    );
    // Opened for something else: it is not greeted on, and does not displace the first.
    assert!(links.step(open(2, Direction::Outbound), 2, idle).is_empty());
    assert_eq!(links.primary(), Some(1));
    assert_eq!(
        links.step(Input::Tick, ASIDE_MS + 3, idle),
        [Output::Close(2)]
    );
}

#[test]
fn a_direct_connection_takes_over_from_a_relayed_one_once_its_streams_are_done() {
    let mut links = Links::new(B, A);
    links.step(
        Input::Opened {
            id: 1,
            direction: Direction::Outbound,
            relayed: true,
        },
        0,
        idle,
    );
    links.step(Input::Greeted(1), 0, idle);
    let later = 60_000;
    assert_eq!(
        links.step(open(2, Direction::Outbound), later, idle),
        [Output::Greet(2)]
    );
    assert_eq!(links.primary(), Some(1));
    assert!(links.step(Input::Greeted(2), later, idle).is_empty());
    assert_eq!(links.primary(), Some(2));
    let over = later + LEAVE_MS + 1;
    assert!(links.step(Input::Tick, over, |id| id == 1).is_empty());
    assert_eq!(links.step(Input::Tick, over, idle), [Output::Close(1)]);
    assert!(links.step(Input::Closed(1), over, idle).is_empty());
    assert_eq!(links.step(Input::Closed(2), over, idle), [Output::Gone]);
}

#[test]
fn a_restarted_peer_takes_over_from_its_former_self() {
    let mut links = Links::new(A, B);
    links.step(open(1, Direction::Inbound), 0, idle);
    links.step(Input::Greeted(1), 0, idle);
    links.step(open(2, Direction::Inbound), 60_000, idle);
    links.step(Input::Greeted(2), 60_000, idle);
    assert_eq!(links.primary(), Some(2));
}

#[test]
fn a_guest_becomes_a_member_when_it_greets() {
    let mut links = Links::new(A, B);
    links.step(open(1, Direction::Inbound), 0, idle);
    assert_eq!(
        links.step(Input::Foreign(1), 1, idle),
        [Output::Here(Standing::Guest)]
    );
    assert_eq!(
        links.step(Input::Greeted(1), 2, idle),
        [Output::Here(Standing::Member)]
    );
    assert_eq!(links.step(Input::Closed(1), 3, idle), [Output::Gone]);
}
