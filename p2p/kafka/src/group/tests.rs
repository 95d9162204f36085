//! Members that come, go and fall silent at random, and what must hold whatever they do.

mod crowd;

use proptest::prelude::*;

use super::*;
use crowd::{Crowd, LIMITS, Move, join};
use kafka_protocol::ResponseError;

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let who = 0..8_usize;
    let one = prop_oneof![
        4 => who.clone().prop_map(Move::Join),
        8 => who.clone().prop_map(Move::Act),
        3 => who.clone().prop_map(Move::Heartbeat),
        1 => who.clone().prop_map(Move::Leave),
        1 => who.prop_map(Move::Crash),
        3 => (1..3_000_u64).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_generation_reads_as_its_leader_said(named_first in any::<bool>(), moves in moves()) {
        let mut crowd = Crowd::new(named_first);
        for step in moves {
            crowd.act(step);
        }
        crowd.settle();
        crowd.assert_all_partitions_are_read_once();
    }

    #[test]
    fn nothing_is_kept_of_groups_that_everybody_left(moves in moves()) {
        let mut crowd = Crowd::new(true);
        for step in moves {
            crowd.act(step);
        }
        crowd.crash_all();
        assert_eq!(crowd.groups.count(), (0, 0));
        assert_eq!(crowd.groups.bytes(), 0);
    }
}

fn joined(outputs: &[Output], ticket: u64) -> Option<&Result<Joined, NotJoined>> {
    outputs.iter().find_map(|output| match output {
        Output::Joined(Ticket(found), answer) if *found == ticket => Some(answer),
        _ => None,
    })
}

fn beat(ticket: u64, member: &str, generation: i32) -> Beat {
    Beat {
        ticket: Ticket(ticket),
        group: "g".into(),
        generation,
        member: MemberId(member.into()),
    }
}

/// A group of the members `a` and `b` whose plan is known.
fn stable() -> Groups {
    let mut groups = Groups::new(LIMITS);
    groups.step(Input::Join(join(1, "", "a")), Millis(0));
    groups.step(Input::Join(join(2, "", "b")), Millis(10));
    let out = groups.step(Input::Tick, Millis(5_000));
    assert_eq!(joined(&out, 2).unwrap().as_ref().unwrap().generation, 1);
    for (ticket, member) in [(3, "b"), (4, "a")] {
        let plan = [("a", "x"), ("b", "y")];
        let plan = plan.map(|(id, part)| (MemberId(id.into()), part.into()));
        let sync = Sync {
            ticket: Ticket(ticket),
            group: "g".into(),
            generation: 1,
            member: MemberId(member.into()),
            assignments: if member == "a" { plan.into() } else { vec![] },
        };
        groups.step(Input::Sync(sync), Millis(5_010));
    }
    assert_eq!(groups.describe("g").unwrap().state, "Stable");
    groups
}

fn answer(groups: &mut Groups, input: Input, now: u64) -> Answer<()> {
    match groups.step(input, Millis(now)).pop() {
        Some(Output::Answered(_, answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_without_an_id_is_named_before_it_is_taken_in() {
    let mut groups = Groups::new(LIMITS);
    let ask = Join {
        named_first: true,
        ..join(1, "", "fresh")
    };
    let out = groups.step(Input::Join(ask), Millis(0));
    let refused = joined(&out, 1).unwrap().clone().unwrap_err();
    assert_eq!(refused.error, ResponseError::MemberIdRequired);
    assert_eq!(refused.member.0, "fresh");
    assert!(
        groups
            .step(Input::Join(join(2, "fresh", "")), Millis(1))
            .is_empty()
    );
    let out = groups.step(Input::Tick, Millis(5_000));
    assert_eq!(joined(&out, 2).unwrap().as_ref().unwrap().member.0, "fresh");
    // An id that nobody gave is not taken.
    let out = groups.step(Input::Join(join(3, "made-up", "")), Millis(1));
    let refused = joined(&out, 3).unwrap().clone().unwrap_err();
    assert_eq!(refused.error, ResponseError::UnknownMemberId);
}

#[test]
fn an_older_generation_is_fenced() {
    let mut groups = stable();
    let mut beat_of = |member, generation| {
        answer(
            &mut groups,
            Input::Heartbeat(beat(9, member, generation)),
            5_020,
        )
    };
    assert_eq!(beat_of("a", 1), Ok(()));
    assert_eq!(beat_of("a", 0), Err(ResponseError::IllegalGeneration));
    assert_eq!(beat_of("c", 1), Err(ResponseError::UnknownMemberId));
    let mut commit = |member, generation| {
        answer(
            &mut groups,
            Input::Commit(beat(9, member, generation)),
            5_030,
        )
    };
    assert_eq!(commit("b", 1), Ok(()));
    assert_eq!(commit("b", 2), Err(ResponseError::IllegalGeneration));
    assert_eq!(commit("", -1), Err(ResponseError::UnknownMemberId));
}

#[test]
fn who_is_in_no_group_commits_only_where_nobody_is() {
    let mut groups = Groups::new(LIMITS);
    assert_eq!(
        answer(&mut groups, Input::Commit(beat(1, "", -1)), 0),
        Ok(())
    );
    let of_the_past = answer(&mut groups, Input::Commit(beat(1, "a", 3)), 0);
    assert_eq!(of_the_past, Err(ResponseError::IllegalGeneration));
}

#[test]
fn members_hear_of_a_rebalance_and_may_still_commit() {
    let mut groups = stable();
    groups.step(Input::Join(join(5, "", "c")), Millis(6_000));
    let heard = answer(&mut groups, Input::Heartbeat(beat(6, "a", 1)), 6_001);
    assert_eq!(heard, Err(ResponseError::RebalanceInProgress));
    assert_eq!(
        answer(&mut groups, Input::Commit(beat(7, "a", 1)), 6_002),
        Ok(())
    );
    // `b` does not come back: the others go on without it once the rebalance timeout is over.
    groups.step(Input::Join(join(8, "a", "")), Millis(6_003));
    let out = groups.step(Input::Tick, Millis(6_000 + 60_000));
    assert_eq!(joined(&out, 8).unwrap().as_ref().unwrap().members.len(), 2);
}

#[test]
fn a_silent_member_loses_its_place() {
    let mut groups = stable();
    assert_eq!(
        answer(&mut groups, Input::Heartbeat(beat(6, "a", 1)), 14_000),
        Ok(())
    );
    groups.step(Input::Tick, Millis(15_100));
    let heard = answer(&mut groups, Input::Heartbeat(beat(6, "b", 1)), 15_101);
    assert_eq!(heard, Err(ResponseError::UnknownMemberId));
    let heard = answer(&mut groups, Input::Heartbeat(beat(6, "a", 1)), 15_102);
    assert_eq!(heard, Err(ResponseError::RebalanceInProgress));
}

#[test]
fn limits_hold() {
    let mut groups = Groups::new(Limits {
        groups_max: 1,
        members_max: 2,
        metadata_bytes_max: 100,
        ..LIMITS
    });
    let mut refused = |request: Join| {
        let ticket = request.ticket.0;
        let out = groups.step(Input::Join(request), Millis(0));
        joined(&out, ticket).map(|answer| answer.clone().unwrap_err().error)
    };
    assert_eq!(refused(join(1, "", "a")), None);
    assert_eq!(refused(join(2, "", "b")), None);
    let over = refused(join(3, "", "c"));
    assert_eq!(over, Some(ResponseError::GroupMaxSizeReached));
    let other = Join {
        group: "h".into(),
        ..join(4, "", "d")
    };
    assert_eq!(refused(other), Some(ResponseError::CoordinatorNotAvailable));
    let large = vec![("range".to_owned(), vec![0; 101].into())];
    let large = Join {
        protocols: large,
        ..join(5, "a", "")
    };
    assert_eq!(refused(large), Some(ResponseError::GroupMaxSizeReached));
    let brief = Join {
        session_timeout_ms: 0,
        ..join(6, "a", "")
    };
    assert_eq!(refused(brief), Some(ResponseError::InvalidSessionTimeout));
    let stranger = Join {
        protocols: vec![("other".into(), "".into())],
        ..join(7, "a", "")
    };
    assert_eq!(
        refused(stranger),
        Some(ResponseError::InconsistentGroupProtocol)
    );
    let nameless = Join {
        group: String::new(),
        ..join(8, "", "e")
    };
    assert_eq!(refused(nameless), Some(ResponseError::InvalidGroupId));
}
