//! Peers that lie, garble, stall and vanish.

use std::os::unix::fs::FileExt;

use phytomer_blobs::{BlobId, Error, Keep};
use phytomer_wire::memory::Fabric;
use phytomer_wire::{Offence, PeerId};

use crate::hostile::{self, Vice};
use crate::node::{Node, SPAN, Setup, content, peer, until};

const SPANS: usize = 24;

/// An honest peer that the client does not reach at first, a hostile one that it does, and the
/// client.
struct Scene {
    fabric: Fabric,
    origin: Node,
    client: Node,
    id: BlobId,
}

const HOSTILE: u8 = 2;

impl Scene {
    async fn new(vice: Vice) -> Self {
        let fabric = Fabric::new();
        let (origin, client) = (Node::start(&fabric, 1), Node::start(&fabric, 9));
        fabric.cut(origin.peer(), client.peer());
        let sent = content(SPANS * SPAN + 11, 1);
        let id = origin.blobs.add_bytes(sent, Keep::Pinned).await.unwrap();
        hostile::join(&fabric, HOSTILE, origin.peer(), vice).await;
        Self {
            fabric,
            origin,
            client,
            id,
        }
    }

    /// What was reported of the hostile peer, once each.
    fn offences(&self) -> Vec<Offence> {
        let mut offences: Vec<Offence> = Vec::new();
        for (by, of, offence) in self.fabric.reports() {
            assert_eq!((by, of), (self.client.peer(), peer(HOSTILE)));
            if !offences.contains(&offence) {
                offences.push(offence);
            }
        }
        offences
    }

    /// With the hostile peer alone the fetch fails and nothing false lands; with an honest one
    /// beside it, it succeeds.
    async fn check(self, expected: &[Offence]) {
        let error = self.client.blobs.fetch(self.id).wait().await.unwrap_err();
        assert!(matches!(error, Error::NoProvider { .. }), "{error}");
        assert_eq!(self.offences(), expected);
        assert!(
            self.client
                .blobs
                .get_bytes(self.id, u64::MAX)
                .await
                .is_err()
        );
        self.fabric.heal(self.origin.peer(), self.client.peer());
        self.client.blobs.fetch(self.id).wait().await.unwrap();
        let sent = content(SPANS * SPAN + 11, 1);
        assert_eq!(self.client.get(self.id).await, sent);
        assert_eq!(self.offences(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn false_content_is_forged() {
    Scene::new(Vice::FlipContent)
        .await
        .check(&[Offence::Forged])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_false_proof_is_forged() {
    Scene::new(Vice::FlipProof)
        .await
        .check(&[Offence::Forged])
        .await;
    Scene::new(Vice::ProofOfAnother)
        .await
        .check(&[Offence::Forged])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_false_size_is_forged_and_nothing_is_set_aside_for_it() {
    for size in [
        0,
        1,
        (SPANS * SPAN) as u64,
        ((SPANS + 1) * SPAN) as u64,
        1 << 40,
    ] {
        let scene = Scene::new(Vice::ClaimSize(size)).await;
        scene.client.blobs.fetch(scene.id).wait().await.unwrap_err();
        assert_eq!(scene.client.blobs.usage().used_bytes, 0, "{size}");
        scene.check(&[Offence::Forged]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_size_that_no_blob_has_is_malformed() {
    Scene::new(Vice::ClaimSize(1 << 60))
        .await
        .check(&[Offence::Malformed])
        .await;
}

#[tokio::test(start_paused = true)]
async fn content_of_another_blob_is_forged() {
    let fabric = Fabric::new();
    let (origin, client) = (Node::start(&fabric, 1), Node::start(&fabric, 9));
    fabric.cut(origin.peer(), client.peer());
    let other = content(SPANS * SPAN + 11, 2);
    let other = origin.blobs.add_bytes(other, Keep::Pinned).await.unwrap();
    let wanted = content(SPANS * SPAN + 11, 1);
    let id = origin.blobs.add_bytes(wanted, Keep::Pinned).await.unwrap();
    hostile::join(&fabric, HOSTILE, origin.peer(), Vice::Exchange(other)).await;
    let scene = Scene {
        fabric,
        origin,
        client,
        id,
    };
    scene.check(&[Offence::Forged]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_malformed() {
    Scene::new(Vice::Garbage)
        .await
        .check(&[Offence::Malformed])
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_stalls_is_unresponsive() {
    Scene::new(Vice::StallAfter(0))
        .await
        .check(&[Offence::Unresponsive])
        .await;
    Scene::new(Vice::StallAfter(5))
        .await
        .check(&[Offence::Unresponsive])
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_far_too_slow_is_of_no_use_but_has_done_nothing_wrong() {
    Scene::new(Vice::Trickle).await.check(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn who_ends_in_the_middle_is_unresponsive() {
    Scene::new(Vice::TruncateAfter(0))
        .await
        .check(&[Offence::Unresponsive])
        .await;
    Scene::new(Vice::TruncateAfter(3))
        .await
        .check(&[Offence::Unresponsive])
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_no_longer_has_it_has_done_nothing_wrong() {
    Scene::new(Vice::Gone).await.check(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn among_all_of_them_one_honest_peer_is_enough() {
    let fabric = Fabric::new();
    let (origin, client) = (Node::start(&fabric, 1), Node::start(&fabric, 99));
    fabric.cut(origin.peer(), client.peer());
    let sent = content(SPANS * SPAN + 11, 3);
    let id = origin
        .blobs
        .add_bytes(sent.clone(), Keep::Pinned)
        .await
        .unwrap();
    let vices = [
        Vice::FlipContent,
        Vice::FlipProof,
        Vice::ClaimSize(77),
        Vice::StallAfter(2),
        Vice::TruncateAfter(2),
        Vice::Trickle,
        Vice::Garbage,
        Vice::Gone,
    ];
    let hostile: Vec<PeerId> = (2..).take(vices.len()).map(peer).collect();
    for (byte, vice) in (2..).zip(vices) {
        hostile::join(&fabric, byte, origin.peer(), vice).await;
    }
    let all = Vice::Partial((0..=SPANS as u64).collect());
    hostile::join(&fabric, 50, origin.peer(), all).await;
    client.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(client.get(id).await, sent);
    for (_, of, offence) in fabric.reports() {
        assert!(hostile.contains(&of), "{of} {offence:?}");
    }
}

#[tokio::test]
async fn a_damaged_copy_is_not_served_but_repaired() {
    let fabric = Fabric::new();
    let (a, b, c) = (
        Node::start(&fabric, 1),
        Node::start(&fabric, 2),
        Node::start(&fabric, 3),
    );
    let sent = content(SPANS * SPAN, 4);
    let id = a.blobs.add_bytes(sent.clone(), Keep::Pinned).await.unwrap();
    let disk = {
        b.blobs.fetch(id).wait().await.unwrap();
        b.stop().await
    };
    let shard = disk.dir.path().join("blobs").join(&id.to_string()[..2]);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(shard.join(format!("{id}.data")))
        .unwrap();
    file.write_all_at(&[0; 3], 7 * SPAN as u64).unwrap();
    let setup = Setup {
        disk: Some(disk),
        ..Setup::default()
    };
    let b = Node::start_with(&fabric, 2, setup);
    fabric.cut(a.peer(), c.peer());
    // C gets all of it from B, which finds the damage on the way and has it repaired by A.
    c.blobs.fetch(id).wait().await.unwrap();
    assert_eq!(c.get(id).await, sent);
    until(async || b.blobs.stat(id).is_some_and(|stat| stat.complete)).await;
    assert_eq!(b.get(id).await, sent);
    assert_eq!(b.figure("damaged_total"), 1);
    assert_eq!(b.figure("fetched_bytes_total"), SPAN as u64);
    assert!(fabric.reports().is_empty());
}
