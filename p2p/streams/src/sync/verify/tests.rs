use phytomer_pqc::OperatorKey;
use phytomer_wire::codec;
use phytomer_wire::events as wire;
use proptest::prelude::*;

use super::*;
use crate::checkpoint::Builder;
use crate::{Epoch, Header, LogId, Record, SignedHeader};

fn key(seed: u8) -> OperatorKey {
    OperatorKey::from_seeds(&[seed; 32], &[seed; 32])
}

fn log() -> LogKey {
    let id = LogId {
        stream: "plants".parse().unwrap(),
        producer: key(1).public().id(),
        epoch: Epoch(1),
    };
    id.key()
}

/// An honest log, and what anybody may make of it.
struct Author {
    events: Vec<wire::Event>,
    checkpoints: Vec<Checkpoint>,
}

/// Events `0..len`, with checkpoints that end at `ends`.
fn author(len: u64, ends: &[u64]) -> Author {
    let mut builder = Builder::new(log(), Offset(0), CheckpointHash::default());
    let mut author = Author {
        events: Vec::new(),
        checkpoints: Vec::new(),
    };
    let mut previous = EventHash::ZERO;
    for offset in 0..len {
        let record = Record::new(offset.to_be_bytes().to_vec()).encode();
        let header = Header {
            log: log(),
            offset: Offset(offset),
            previous,
            time_ms: offset,
            record_len: record.len() as u32,
            record_hash: *blake3::hash(&record).as_bytes(),
        };
        let event = SignedHeader::sign(&key(1), header);
        previous = event.hash();
        let mut due = builder.push(&event);
        if ends.contains(&(offset + 1)) {
            due = due.or_else(|| builder.flush());
        }
        let signed = due.map(|due| due.sign(&key(1)));
        author.checkpoints.extend(signed);
        author.events.push(wire::Event {
            header: event.bytes.clone(),
            signature: Bytes::copy_from_slice(&event.signature),
            record,
        });
    }
    author
}

impl Author {
    fn run(&self, range: std::ops::Range<usize>) -> Bytes {
        let events = self.events[range].to_vec();
        codec::encode(&wire::Run { events })
    }

    /// An answer with these events, cut into runs of 100, and these checkpoints.
    fn answer(
        &self,
        range: std::ops::Range<usize>,
        checkpoints: &[usize],
    ) -> Result<Checked, Refusal> {
        let (mut frames, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let end = range.end.min(at + 100);
            frames.push(self.run(at..end));
            at = end;
        }
        let checkpoints = checkpoints.iter().map(|at| self.checkpoints[*at].clone());
        Checked::new(log(), key(1).public(), frames, checkpoints.collect())
    }

    /// Makes the signatures of some events false.
    fn spoil(mut self, range: std::ops::Range<usize>) -> Self {
        for event in &mut self.events[range] {
            event.signature = Bytes::from(vec![5; 64]);
        }
        self
    }
}

fn empty() -> Chain {
    Chain::new(log(), &Head::EMPTY, None, Vec::new())
}

fn link(chain: &mut Chain, answer: Result<Checked, Refusal>) -> Result<(u64, u64), Refusal> {
    chain.link(key(1).public(), answer?)?;
    Ok((chain.next().0, chain.checkpointed().0))
}

#[test]
fn answers_are_taken_in_order_and_what_is_here_already_is_left_out() {
    let author = author(600, &[256, 512]);
    let mut chain = empty();
    assert_eq!(
        link(&mut chain, author.answer(300..350, &[])),
        Err(Refusal::Gap)
    );
    assert_eq!(
        link(&mut chain, author.answer(0..300, &[0])),
        Ok((300, 256))
    );
    assert_eq!(
        link(&mut chain, author.answer(100..200, &[])),
        Ok((300, 256))
    );
    let insert = chain.link(key(1).public(), author.answer(250..600, &[0, 1]).unwrap());
    let insert = insert.unwrap();
    assert_eq!(
        (chain.next(), chain.checkpointed()),
        (Offset(600), Offset(512))
    );
    let first = insert.runs.first().unwrap();
    assert_eq!(first.run().first(), Offset(300));
    let ends: Vec<Offset> = insert.checkpoints.iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, [Offset(512)]);
}

#[test]
fn checkpoints_may_come_later_than_their_events() {
    let author = author(600, &[256, 512]);
    let mut chain = empty();
    assert_eq!(link(&mut chain, author.answer(0..400, &[])), Ok((400, 0)));
    assert_eq!(
        link(&mut chain, author.answer(0..0, &[0, 1])),
        Ok((400, 256))
    );
    assert_eq!(
        link(&mut chain, author.answer(400..512, &[1])),
        Ok((512, 512))
    );
}

#[test]
fn a_false_signature_is_found_with_and_without_a_checkpoint() {
    let mut chain = empty();
    for (spoiled, checkpoints) in [(3..4, vec![]), (3..4, vec![0]), (255..256, vec![0])] {
        let offset = Offset(spoiled.start as u64);
        let author = author(256, &[256]).spoil(spoiled);
        let answer = author.answer(0..256, &checkpoints);
        assert_eq!(link(&mut chain, answer), Err(Refusal::Unsound { offset }));
        assert_eq!(chain.next(), Offset(0), "nothing was taken");
    }
}

/// A checkpoint in between is left out, and signatures are false just there.
#[test]
fn a_checkpoint_covers_its_own_events_only() {
    let author = author(768, &[256, 512, 768]).spoil(300..301);
    let mut chain = empty();
    let answer = author.answer(0..768, &[0, 2]);
    let offset = Offset(300);
    assert_eq!(link(&mut chain, answer), Err(Refusal::Unsound { offset }));
}

#[test]
fn a_checkpoint_saves_the_signatures_of_its_events() {
    // Nobody could have made these signatures but who made the checkpoint over them.
    let mut author = author(256, &[]).spoil(0..256);
    let mut builder = Builder::new(log(), Offset(0), CheckpointHash::default());
    for event in &author.events {
        let event = SignedHeader::from_parts(event.header.clone(), &event.signature).unwrap();
        let due = builder.push(&event).map(|due| due.sign(&key(1)));
        author.checkpoints.extend(due);
    }
    author.checkpoints.remove(0);
    assert_eq!(
        link(&mut empty(), author.answer(0..256, &[0])),
        Ok((256, 256))
    );
    assert_eq!(
        link(&mut empty(), author.answer(0..256, &[])),
        Err(Refusal::Unsound { offset: Offset(0) }),
        "whoever hands it on may have taken it with the checkpoint"
    );
}

#[test]
fn a_checkpoint_of_another_is_refused_and_one_that_does_not_fit_covers_nothing() {
    let author = author(256, &[256]);
    let mut builder = Builder::new(log(), Offset(0), CheckpointHash::default());
    let event = SignedHeader::from_parts(author.events[7].header.clone(), &[0; 64]).unwrap();
    assert_eq!(builder.push(&event), None);
    let draft = builder.flush().unwrap();
    let keys = key(1).public().clone();
    let of = |checkpoint| Checked::new(log(), &keys, vec![author.run(0..256)], vec![checkpoint]);
    let foreign = of(draft.clone().sign(&key(2)));
    assert_eq!(foreign.err(), Some(Refusal::Forged));
    let mut chain = empty();
    assert_eq!(link(&mut chain, of(draft.sign(&key(1)))), Ok((256, 0)));
}

#[test]
fn what_goes_on_from_another_event_parts_nobody_unless_its_producer_signed_it() {
    let author = author(20, &[]);
    let mut chain = empty();
    link(&mut chain, author.answer(0..10, &[])).unwrap();
    let forked = |signer: u8| {
        let record = Record::new("other").encode();
        let header = Header {
            log: log(),
            offset: Offset(10),
            previous: EventHash([9; 32]),
            time_ms: 100,
            record_len: record.len() as u32,
            record_hash: *blake3::hash(&record).as_bytes(),
        };
        let event = SignedHeader::sign(&key(signer), header);
        let event = wire::Event {
            header: event.bytes.clone(),
            signature: Bytes::copy_from_slice(&event.signature),
            record,
        };
        let run = codec::encode(&wire::Run {
            events: vec![event],
        });
        Checked::new(log(), key(1).public(), vec![run], Vec::new())
    };
    let offset = Offset(10);
    assert_eq!(
        link(&mut chain, forked(1)),
        Err(Refusal::Diverged { offset })
    );
    // Its producer may have signed a checkpoint over it: who sent it is asked for that.
    assert_eq!(
        link(&mut chain, forked(2)),
        Err(Refusal::Unsound { offset })
    );
    assert_eq!(link(&mut chain, author.answer(10..20, &[])), Ok((20, 0)));
}

#[test]
fn nothing_behind_a_fork_is_taken() {
    let author = author(300, &[256]);
    let mut chain = empty();
    chain.freeze(Some(Offset(120)));
    assert_eq!(link(&mut chain, author.answer(0..300, &[0])), Ok((120, 0)));
    assert_eq!(link(&mut chain, author.answer(120..300, &[])), Ok((120, 0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However an honest log is cut, it gets in whole; and a flipped bit anywhere gets nothing in
    /// that its author did not say.
    #[test]
    fn only_the_truth_gets_in(
        cuts in proptest::collection::vec(1usize..200, 1..6),
        flip in proptest::option::of((any::<prop::sample::Index>(), 0u8..8)),
    ) {
        let author = author(300, &[100, 256]);
        let (mut chain, mut at) = (empty(), 0);
        for cut in cuts.into_iter().chain([300]) {
            let end = (at + cut).min(300);
            let mut bytes = author.run(at..end).to_vec();
            if let Some((place, bit)) = &flip
                && !bytes.is_empty()
            {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
            }
            let checkpoints = author.checkpoints.clone();
            let frames = if at < end { vec![bytes.into()] } else { Vec::new() };
            let answer = Checked::new(log(), key(1).public(), frames, checkpoints);
            let linked = answer.and_then(|answer| chain.link(key(1).public(), answer));
            match linked {
                Ok(insert) => {
                    prop_assert!(flip.is_none() || at == end);
                    for run in insert.runs {
                        let first = run.run().first().0 as usize;
                        let next = run.run().next().0 as usize;
                        prop_assert_eq!(run.run().as_bytes(), &author.run(first..next));
                    }
                    at = end;
                }
                Err(_) => prop_assert!(flip.is_some()),
            }
        }
        if flip.is_none() {
            prop_assert_eq!((chain.next(), chain.checkpointed()), (Offset(300), Offset(256)));
        }
    }

    #[test]
    fn any_frames_are_an_answer_or_refused(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let frames = frames.into_iter().map(Bytes::from).collect();
        let _ = Checked::new(log(), key(1).public(), frames, Vec::new());
    }
}
