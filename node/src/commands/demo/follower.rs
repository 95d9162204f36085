//! The second node of the story: of the same chain, with keys, folder and copies of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use phytomer_api::{EventView, LogView, PeerView};
use phytomer_registry::{CertificateId, Outcome, Verdict, Verification};
use phytomer_runtime::Node;
use tempfile::TempDir;

use super::super::{init, run};
use crate::client::{Client, LogRange};
use crate::data_dir::DataDir;
use crate::output::{Step, short};
use crate::settings::Overrides;

/// The stream that tells what happens to certificates.
const STREAM: &str = "certificates";
/// How long the second node may take to have what the first one has.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often it is asked.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Events read at once.
const PAGE_LEN: usize = 200;

/// A node that follows another one; it lives in this process, and speaks to the first one over the
/// network alone.
pub(super) struct Follower {
    node: Node,
    client: Client,
    producer: String,
    _folder: TempDir,
}

impl Follower {
    /// Starts a node of the chain in `genesis` that knows nothing but an address of `first`.
    pub(super) async fn start(first: &Client, genesis: &Path) -> Result<Self> {
        let network = first.network().await?;
        let folder = tempfile::tempdir().wrap_err("making a temporary folder")?;
        let dir = DataDir::new(folder.path().join("node"));
        init::initialise(&dir, Some(init::read_genesis(genesis)?), true)?;
        // This setting leaves the transport that tells which key exchange was agreed.
        let settings = Overrides {
            http_port: Some(0),
            bootstrap: network.listen_addresses,
            require_post_quantum: true,
            ..Overrides::default()
        };
        let node = run::start(&dir, &settings).await?;
        let client = Client::new(node.url().parse()?, None)?;
        Ok(Self {
            node,
            client,
            producer: network.operator,
            _folder: folder,
        })
    }

    /// The connection to the first node.
    pub(super) async fn connection(&self, first: &Client) -> Result<PeerView> {
        let peer = first.network().await?.peer;
        until("connected to the first node", || async {
            let peers = self.client.peers().await?.peers;
            Ok(peers.into_iter().find(|connected| connected.id == peer))
        })
        .await
    }

    /// Waits until the first node has published the event that issued a certificate and this one
    /// holds the same log up to the same offset; returns the log and that event.
    pub(super) async fn catch_up(
        &self,
        first: &Client,
        certificate: CertificateId,
    ) -> Result<(LogView, EventView)> {
        until("caught up with the first node's events", || async {
            let Ok(original) = first.log(STREAM, None).await else {
                return Ok(None);
            };
            let Ok(copy) = self.client.log(STREAM, Some(&self.producer)).await else {
                return Ok(None);
            };
            if copy.next != original.next || copy.epoch != original.epoch {
                return Ok(None);
            }
            let issued = self.issued(&copy, certificate).await?;
            Ok(issued.map(|event| (copy, event)))
        })
        .await
    }

    async fn issued(&self, log: &LogView, id: CertificateId) -> Result<Option<EventView>> {
        let mut from = log.first;
        while from < log.next {
            let range = LogRange {
                stream: STREAM,
                producer: &log.producer,
                epoch: log.epoch,
                from,
                limit: PAGE_LEN,
            };
            let page = self.client.events(&range).await?;
            if page.events.is_empty() {
                break;
            }
            let id = id.to_string();
            let issued = page.events.into_iter().find(|event| {
                event.value["type"] == "certificate.issued" && event.value["certificate"] == *id
            });
            if issued.is_some() {
                return Ok(issued);
            }
            from = page.next;
        }
        Ok(None)
    }

    /// The credential of a certificate from this node's own copy, once it has come.
    pub(super) async fn credential(&self, issued: &EventView) -> Result<Vec<u8>> {
        let blob = issued.value["data"]["credentialBlob"]
            .as_str()
            .ok_or_else(|| eyre!("the event names no blob of the credential"))?;
        until("in possession of the credential", || async {
            Ok(self
                .client
                .blob_stat(blob)
                .await
                .ok()
                .filter(|blob| blob.complete))
        })
        .await?;
        let mut bytes = Vec::new();
        self.client.read_blob(blob, &mut bytes).await?;
        Ok(bytes)
    }

    /// Has this node check a credential.
    pub(super) async fn verify(&self, credential: &[u8]) -> Result<Verification> {
        self.client.verify(credential).await
    }

    /// Has this node check a certificate until it refuses it: the event that says so travels.
    pub(super) async fn refuses(&self, credential: &[u8]) -> Result<String> {
        until("aware of the suspension", || async {
            let verification = self.verify(credential).await?;
            Ok(verification
                .checks
                .into_iter()
                .find(|check| check.outcome == Outcome::Failed)
                .map(|check| check.detail))
        })
        .await
    }

    /// Ends the node and removes its folder.
    pub(super) async fn stop(self) {
        self.node.stop().await;
    }
}

/// Shows what the second node checked, and what it did not.
pub(super) fn show(out: &Step, verification: &Verification) -> Result<()> {
    let find = |name: &str| {
        let check = verification.checks.iter().find(|check| check.name == name);
        check.ok_or_else(|| eyre!("the second node did not look at `{name}`"))
    };
    let (signature, issued, status) = (
        find("signature")?,
        find("issued-event")?,
        find("followed-status")?,
    );
    let passed = |outcome| outcome == Outcome::Passed;
    out.verdict(
        passed(signature.outcome),
        "signature   the issuer's key signed exactly this credential",
    );
    out.verdict(
        passed(issued.outcome),
        &format!("issued      {}", issued.detail),
    );
    out.verdict(
        passed(status.outcome),
        &format!("status      {}", status.detail),
    );
    out.faint(&format!("not checked: {}", find("ledger-status")?.detail));
    ensure!(
        verification.verdict == Verdict::Valid,
        "the second node does not find the certificate valid"
    );
    Ok(())
}

/// The connection and the copies in a few lines.
pub(super) fn show_copies(out: &Step, peer: &PeerView, log: &LogView) {
    out.field(
        "connected",
        &format!("to {} over {}", short(&peer.id), peer.route),
    );
    out.field("key exchange", &peer.key_exchange);
    out.field(
        "events",
        &format!(
            "{} of stream {STREAM}, offsets {} to {} as on the first node",
            log.next - log.first,
            log.first,
            log.next.saturating_sub(1)
        ),
    );
}

/// Asks until there is an answer.
async fn until<T, F>(what: &str, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(
            started.elapsed() < WAIT_MAX,
            "the second node was not {what} within {} s",
            WAIT_MAX.as_secs()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
