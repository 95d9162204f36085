//! Consumer groups.

use std::collections::BTreeSet;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use uuid::Uuid;

use super::text::{code, text};
use super::{Asker, Hangup};
use crate::group::{Beat, Description, Join, Joined, MemberId, NotJoined, Sync, Ticket};
use crate::protocol::Frame;

/// The version of JoinGroup since which members are named before they are taken in (KIP-394).
const NAMED_FIRST_SINCE: i16 = 4;
/// The version of LeaveGroup since which several members leave at once (KIP-345).
const LEAVE_BATCHED_SINCE: i16 = 3;
/// What a group of consumers calls itself.
const CONSUMER: &str = "consumer";
/// Set by the coordinator once it knows.
const NO_TICKET: Ticket = Ticket(0);

/// Joins a group. Members that would keep their place over a restart (static membership, KIP-345)
/// are refused as Kafka before 2.3 does.
pub(super) async fn join(
    asker: &Asker<'_>,
    frame: &Frame,
    request: JoinGroupRequest,
) -> Result<JoinGroupResponse, Hangup> {
    let member = MemberId(request.member_id.to_string());
    if request.group_instance_id.is_some() {
        return Ok(not_joined(NotJoined {
            error: ResponseError::UnsupportedVersion,
            member,
        }));
    }
    let session_timeout_ms = millis(request.session_timeout_ms);
    let rebalance_timeout_ms = match request.rebalance_timeout_ms {
        ..0 => session_timeout_ms,
        timeout_ms => millis(timeout_ms).max(session_timeout_ms),
    };
    // The metadata outlives the request: a copy does not keep the request's memory.
    let protocols = request.protocols.iter().map(|protocol| {
        let metadata = Bytes::copy_from_slice(&protocol.metadata);
        (protocol.name.to_string(), metadata)
    });
    let join = Join {
        ticket: NO_TICKET,
        group: request.group_id.to_string(),
        member,
        fresh: MemberId(format!("{}-{}", short(&frame.client), Uuid::new_v4())),
        named_first: frame.version >= NAMED_FIRST_SINCE,
        client: frame.client.clone(),
        host: asker.host.clone(),
        session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols.collect(),
    };
    tokio::select! {
        biased;
        answer = asker.shared.coordinator.join(join) => Ok(match answer {
            Ok(place) => joined(place),
            Err(refused) => not_joined(refused),
        }),
        () = asker.gone.cancelled() => Err(Hangup::Gone),
    }
}

/// The beginning of what a client calls itself, for the id of its member.
fn short(client: &str) -> String {
    client.chars().take(64).collect()
}

fn millis(milliseconds: i32) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0)
}

fn joined(place: Joined) -> JoinGroupResponse {
    let members = place.members.into_iter().map(|(id, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(id.0))
            .with_metadata(metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(place.generation)
        .with_protocol_name(Some(text(place.protocol)))
        .with_leader(text(place.leader.0))
        .with_member_id(text(place.member.0))
        .with_members(members.collect())
}

fn not_joined(refused: NotJoined) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(refused.error.code())
        .with_generation_id(-1)
        .with_protocol_name(Some(text("")))
        .with_member_id(text(refused.member.0))
}

/// Hands the leader's plan to the members.
pub(super) async fn sync(
    asker: &Asker<'_>,
    request: SyncGroupRequest,
) -> Result<SyncGroupResponse, Hangup> {
    let assignments = request.assignments.iter().map(|part| {
        let assignment = Bytes::copy_from_slice(&part.assignment);
        (MemberId(part.member_id.to_string()), assignment)
    });
    let sync = Sync {
        ticket: NO_TICKET,
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member: MemberId(request.member_id.to_string()),
        assignments: assignments.collect(),
    };
    let answer = tokio::select! {
        biased;
        answer = asker.shared.coordinator.sync(sync) => answer,
        () = asker.gone.cancelled() => return Err(Hangup::Gone),
    };
    Ok(SyncGroupResponse::default()
        .with_error_code(code(&answer))
        .with_assignment(answer.unwrap_or_default()))
}

/// A member says that it is alive.
pub(super) async fn heartbeat(asker: &Asker<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let beat = Beat {
        ticket: NO_TICKET,
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member: MemberId(request.member_id.to_string()),
    };
    let answer = asker.shared.coordinator.heartbeat(beat).await;
    HeartbeatResponse::default().with_error_code(code(&answer))
}

/// Members leave.
pub(super) async fn leave(
    asker: &Asker<'_>,
    request: LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    let group = request.group_id.to_string();
    if version < LEAVE_BATCHED_SINCE {
        let members = vec![MemberId(request.member_id.to_string())];
        let answers = asker.shared.coordinator.leave(group, members).await;
        let error = answers.first().map_or(0, code);
        return LeaveGroupResponse::default().with_error_code(error);
    }
    let ids = request.members.iter();
    let members = ids.map(|member| MemberId(member.member_id.to_string()));
    let answers = asker
        .shared
        .coordinator
        .leave(group, members.collect())
        .await;
    let members = request.members.into_iter().zip(answers);
    let members = members.map(|(member, answer)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code(&answer))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

/// Groups with members, and those that have committed offsets alone.
pub(super) async fn list(asker: &Asker<'_>) -> ListGroupsResponse {
    let mut groups = asker.shared.coordinator.list();
    match asker.shared.topics.groups().await {
        Ok(committed) => {
            for name in committed {
                if !groups.iter().any(|(known, _)| *known == name) {
                    groups.push((name, CONSUMER.to_owned()));
                }
            }
        }
        Err(error) => return ListGroupsResponse::default().with_error_code(error.code()),
    }
    let groups = groups.into_iter().map(|(name, protocol_type)| {
        ListedGroup::default()
            .with_group_id(GroupId(text(name)))
            .with_protocol_type(text(protocol_type))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

/// What is known of groups. One that nobody is in is `Empty` where it has committed, else `Dead`.
pub(super) async fn describe(
    asker: &Asker<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let committed = asker.shared.topics.groups().await;
    // Each once: who names a group often makes no large answer.
    let wanted: BTreeSet<GroupId> = request.groups.into_iter().collect();
    let groups = wanted.into_iter().map(|id| {
        let group = DescribedGroup::default().with_group_id(id.clone());
        if let Some(description) = asker.shared.coordinator.describe(&id) {
            return described(group, description);
        }
        match &committed {
            Ok(names) if names.iter().any(|name| name.as_str() == id.as_str()) => group
                .with_group_state(text("Empty"))
                .with_protocol_type(text(CONSUMER)),
            Ok(_) => group.with_group_state(text("Dead")),
            Err(error) => group.with_error_code(error.code()),
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn described(group: DescribedGroup, description: Description) -> DescribedGroup {
    let members = description.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(text(member.member.0))
            .with_client_id(text(member.client))
            .with_client_host(text(format!("/{}", member.host)))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    group
        .with_group_state(text(description.state))
        .with_protocol_type(text(description.protocol_type))
        .with_protocol_data(text(description.protocol))
        .with_members(members.collect())
}
