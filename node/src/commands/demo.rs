//! `phytomer demo`: the main job, told step by step against a running node.
//!
//! It uses nothing but the node's public API. The buyer and the authority hold
//! their own keys and send their own signed transactions. A second node follows
//! the first one and checks certificates from its own copy.

mod follower;

use std::path::PathBuf;

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use phytomer_contracts::{Escrow, PlantCertificate, Reason, TestUSD};
use phytomer_genesis::{DevAccount, predeploy};
use phytomer_registry::{
    Certificate, CertificateId, Details, OfferRequest, Outcome, SplitRequest, Verdict, Verification,
};
use url::Url;

use crate::client::Client;
use crate::data_dir::DataDir;
use crate::output::{Transcript, short};
use crate::tree;
use follower::Follower;

/// The photo of the story where none is given.
const SAMPLE_PHOTO: &[u8] =
    include_bytes!("../../../inference/models/samples/manihot-esculenta.jpg");
/// Plants in the certified lot.
const PLANTS: u128 = 500;
/// Lots it is split into.
const CHILDREN: u128 = 5;
/// Price of the lot that is sold, in tUSD.
const PRICE_TUSD: u64 = 25;
/// tUSD has six decimals.
const TUSD_UNIT: u64 = 1_000_000;
/// Why the authority suspends: EPPO code of *Xylella fastidiosa*.
const REASON: &str = "XYLEFA";

/// Shows the main job against a running node: from a photo to a certificate
/// that is split, sold, suspended and verified, by this node and by a second
/// one that follows its signed events.
///
/// On a development network the buyer and the authority are two of the
/// well-known development accounts; elsewhere give their key files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// URL of the node.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8545",
        env = "PHYTOMER_NODE"
    )]
    pub(crate) node: Url,
    /// File with the node's operator token (`operator.token` in its data folder).
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A photo of one leaf (JPEG, PNG or WebP); a sample where absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) photo: Option<PathBuf>,
    /// The chain's specification, with which the second node starts; `genesis.json` of the
    /// data folder where absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// File with the buyer's private key in hex.
    #[arg(long, value_name = "FILE")]
    pub(crate) buyer_key_file: Option<PathBuf>,
    /// File with the authority's private key in hex.
    #[arg(long, value_name = "FILE")]
    pub(crate) authority_key_file: Option<PathBuf>,
}

/// Runs the story and prints its transcript.
pub(crate) async fn run(args: Args, data_dir: Option<PathBuf>) -> Result<()> {
    let token = super::operator_token(args.token_file.as_deref(), data_dir.as_deref())?;
    let client = Client::new(args.node.clone(), token)?;
    let node = client.node().await?;
    let genesis = genesis(args.genesis, data_dir, &node.chain_id)?;
    let photo = match &args.photo {
        Some(path) => {
            std::fs::read(path).wrap_err_with(|| format!("reading {}", path.display()))?
        }
        None => SAMPLE_PHOTO.to_vec(),
    };
    let dev = node.network == "dev";
    let story = Story {
        buyer: key(
            args.buyer_key_file,
            dev,
            DevAccount::Buyer,
            "--buyer-key-file",
        )?,
        authority: key(
            args.authority_key_file,
            dev,
            DevAccount::Authority,
            "--authority-key-file",
        )?,
        out: Transcript::new(),
        client,
        genesis,
    };
    story.out.title(&format!(
        "phytomer {} on {}: network {}, chain {}",
        node.version, args.node, node.network, node.chain_id
    ));
    story.tell(photo, node.issuer.address).await
}

/// The specification that the second node starts with: the one that was named, else that of the
/// data folder, if it is of this chain.
fn genesis(
    named: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    chain_id: &str,
) -> Result<Option<PathBuf>> {
    let path = match (named, data_dir) {
        (Some(path), _) => path,
        (None, Some(folder)) => DataDir::new(folder).genesis(),
        (None, None) => DataDir::default_dev()?.genesis(),
    };
    let spec = super::init::read_genesis(&path);
    let is_this_chain = spec.is_ok_and(|spec| spec.chain_id().to_string() == chain_id);
    Ok(is_this_chain.then_some(path))
}

/// The buyer's or the authority's key: from its file, or a development account.
fn key(
    file: Option<PathBuf>,
    dev: bool,
    account: DevAccount,
    flag: &str,
) -> Result<PrivateKeySigner> {
    match file {
        Some(path) => super::read_private_key(&path),
        None if dev => Ok(PrivateKeySigner::from_bytes(&account.private_key())?),
        None => Err(eyre!("this is no development network: give {flag}")),
    }
}

/// Everything the story needs.
struct Story {
    client: Client,
    buyer: PrivateKeySigner,
    authority: PrivateKeySigner,
    out: Transcript,
    genesis: Option<PathBuf>,
}

impl Story {
    async fn tell(self, photo: Vec<u8>, issuer: Address) -> Result<()> {
        self.recognise(&photo).await?;
        let lot = self.certify(photo).await?;
        self.verify_valid(&lot).await?;
        let second = self.follow(&lot).await?;
        let children = self.split(&lot).await?;
        let sold = children
            .first()
            .ok_or_else(|| eyre!("the split made no children"))?;
        self.sell(sold, issuer).await?;
        self.suspend(&lot).await?;
        self.verify_suspended(&children).await?;
        if let Some((second, credential)) = second {
            self.verify_elsewhere_again(&second, &credential, &lot)
                .await?;
            second.stop().await;
        }
        self.trace(&lot).await?;
        let page = self.client.base().join(&lot.page)?;
        self.out.end(&format!("See it in a browser: {page}"));
        Ok(())
    }

    async fn recognise(&self, photo: &[u8]) -> Result<()> {
        let out = self.out.step("recognise", "a photo of one leaf");
        let seen = self.client.recognise(photo.to_vec()).await?;
        for (rank, candidate) in seen.species.iter().take(3).enumerate() {
            let line = format!(
                "{:<28} {:>5.1} %",
                candidate.scientific_name,
                candidate.confidence * 100.0
            );
            if rank == 0 {
                out.strong(&line)
            } else {
                out.faint(&line)
            }
        }
        out.faint(&seen.notice);
        ensure!(
            !seen.unknown,
            "the model does not know this plant: give another photo with --photo"
        );
        Ok(())
    }

    async fn certify(&self, photo: Vec<u8>) -> Result<Certificate> {
        let out = self
            .out
            .step("certify", &format!("a lot of {PLANTS} plants"));
        let details = Details {
            quantity: PLANTS,
            unit: "H87".into(),
            scientific_name: None,
            variety: None,
            batch_number: Some("DEMO-1".into()),
            country_of_origin: Some("PH".into()),
            facility: None,
            owner: None,
            valid_until: None,
        };
        let lot = self.client.certify(photo, &details).await?;
        out.field(
            "credential",
            &format!("{}  (SHA-256)", short(lot.credential_hash)),
        );
        out.field("signed by", lot.issuer.did.as_deref().unwrap_or("—"));
        out.field("certificate", &format!("#{}", lot.id));
        out.field("transaction", &lot.transaction.hash.to_string());
        out.field(
            "block, gas",
            &format!("{}, {}", lot.transaction.block, lot.transaction.gas_used),
        );
        Ok(lot)
    }

    async fn verify_valid(&self, lot: &Certificate) -> Result<()> {
        let out = self.out.step("verify", &format!("certificate #{}", lot.id));
        let verification = self.verification(lot.id).await?;
        let passed = |name: &str| {
            verification
                .checks
                .iter()
                .any(|check| check.name == name && check.outcome == Outcome::Passed)
        };
        let owner = verification
            .certificate
            .as_ref()
            .map(|certificate| certificate.owner);
        out.verdict(
            passed("signature"),
            "signature   the issuer's key signed exactly this credential",
        );
        out.verdict(
            passed("accreditation"),
            "issuer      accredited by an authority of this network",
        );
        out.verdict(
            passed("ledger-status"),
            "status      active, and so is every lot it came from",
        );
        out.verdict(
            owner == Some(lot.owner),
            &format!("owner       {}", lot.owner),
        );
        let count = verification
            .checks
            .iter()
            .filter(|check| check.outcome == Outcome::Passed)
            .count();
        out.faint(&format!(
            "{count} checks passed, none failed; `phytomer verify` names each"
        ));
        ensure!(
            verification.verdict == Verdict::Valid,
            "the fresh certificate does not verify"
        );
        Ok(())
    }

    /// Starts the second node and has it check the certificate; returns it with its own copy of the
    /// credential.
    async fn follow(&self, lot: &Certificate) -> Result<Option<(Follower, Vec<u8>)>> {
        let out = self.out.step(
            "follow",
            "a second node, with keys and a folder of its own, joins by an address",
        );
        let Some(genesis) = &self.genesis else {
            out.faint("left out: its chain needs the file genesis.json; give --genesis");
            return Ok(None);
        };
        // A whole node starts in there.
        let second = Box::pin(Follower::start(&self.client, genesis)).await?;
        let connection = second.connection(&self.client).await?;
        let (log, issued) = second.catch_up(&self.client, lot.id).await?;
        let credential = second.credential(&issued).await?;
        follower::show_copies(&out, &connection, &log);
        out.field(
            "credential",
            &format!("{} bytes, fetched by their BLAKE3 hash", credential.len()),
        );
        let out = self.out.step(
            "verify",
            &format!(
                "certificate #{}, by the second node from its own copy",
                lot.id
            ),
        );
        follower::show(&out, &second.verify(&credential).await?)?;
        Ok(Some((second, credential)))
    }

    async fn verify_elsewhere_again(
        &self,
        second: &Follower,
        credential: &[u8],
        lot: &Certificate,
    ) -> Result<()> {
        let out = self.out.step("verify", "by the second node again");
        let why = second.refuses(credential).await?;
        out.verdict(false, &format!("#{}  {why}", lot.id));
        Ok(())
    }

    async fn split(&self, lot: &Certificate) -> Result<Vec<Certificate>> {
        let share = PLANTS / CHILDREN;
        let out = self.out.step(
            "split",
            &format!("{PLANTS} plants into {CHILDREN} × {share}"),
        );
        let request = SplitRequest {
            quantities: vec![share; CHILDREN as usize],
        };
        let outcome = self.client.split(lot.id, &request).await?;
        let parent = self.client.certificate(lot.id).await?;
        let total: u128 = outcome
            .certificates
            .iter()
            .map(|child| child.quantity.value)
            .sum();
        for child in &outcome.certificates {
            out.line(&format!("#{}  {} plants", child.id, child.quantity.value));
        }
        out.field(
            "conserved",
            &format!(
                "{total} in children + {} remaining = {PLANTS}",
                parent.remainder
            ),
        );
        out.field(
            "block, gas",
            &format!(
                "{}, {}",
                outcome.transaction.block, outcome.transaction.gas_used
            ),
        );
        ensure!(
            total + parent.remainder == PLANTS,
            "the split lost or made plants"
        );
        Ok(outcome.certificates)
    }

    async fn sell(&self, lot: &Certificate, seller: Address) -> Result<()> {
        let out = self.out.step(
            "sell",
            &format!("lot #{} for {PRICE_TUSD} tUSD, through escrow", lot.id),
        );
        let (escrow, tusd) = (predeploy::ESCROW, predeploy::TUSD);
        let before = self.balance(seller).await?;
        let request = OfferRequest {
            price: PRICE_TUSD.to_string(),
            buyer: Some(self.buyer.address()),
        };
        let offer = self.client.offer(lot.id, &request).await?;
        out.field(
            "offer",
            &format!("#{} — the certificate is in escrow", offer.id),
        );
        let price = U256::from(PRICE_TUSD * TUSD_UNIT);
        self.client
            .transact(
                &self.buyer,
                tusd,
                TestUSD::approveCall {
                    spender: escrow,
                    value: price,
                },
            )
            .await?;
        self.client
            .transact(
                &self.buyer,
                escrow,
                Escrow::buyCall {
                    id: offer.id.to_u256(),
                },
            )
            .await?;
        out.field(
            "buyer pays",
            &format!("{PRICE_TUSD} tUSD into escrow, signed with the buyer's own key"),
        );
        let receipt = self
            .client
            .transact(
                &self.buyer,
                escrow,
                Escrow::confirmCall {
                    id: offer.id.to_u256(),
                },
            )
            .await?;
        let after = self.balance(seller).await?;
        let owner = self.client.certificate(lot.id).await?.owner;
        out.field(
            "delivered",
            &format!(
                "#{} belongs to {owner} since block {}",
                lot.id,
                receipt.block_number.unwrap_or_default()
            ),
        );
        out.field(
            "seller gets",
            &format!("{} tUSD", (after - before) / U256::from(TUSD_UNIT)),
        );
        ensure!(
            owner == self.buyer.address() && after - before == price,
            "the sale did not settle"
        );
        Ok(())
    }

    async fn balance(&self, of: Address) -> Result<U256> {
        self.client
            .call(predeploy::TUSD, TestUSD::balanceOfCall { account: of })
            .await
    }

    async fn suspend(&self, lot: &Certificate) -> Result<()> {
        let out = self.out.step(
            "suspend",
            &format!("the authority suspends lot #{}: {REASON}", lot.id),
        );
        let call = PlantCertificate::suspendCall {
            id: lot.id.to_u256(),
            reason: REASON.parse::<Reason>()?.code(),
        };
        let receipt = self
            .client
            .transact(&self.authority, predeploy::PLANT_CERTIFICATE, call)
            .await?;
        out.field(
            "signed by",
            &format!("{} (the authority's own key)", self.authority.address()),
        );
        out.field(
            "block",
            &receipt.block_number.unwrap_or_default().to_string(),
        );
        Ok(())
    }

    async fn verify_suspended(&self, children: &[Certificate]) -> Result<()> {
        let out = self.out.step("verify", "every descendant again");
        for child in children {
            let verification = self.verification(child.id).await?;
            let failed = verification
                .checks
                .iter()
                .rfind(|check| check.outcome == Outcome::Failed);
            let why = failed.map_or("nothing failed", |check| check.detail.as_str());
            out.verdict(
                verification.verdict == Verdict::Valid,
                &format!("#{}  {why}", child.id),
            );
            ensure!(
                verification.verdict == Verdict::Invalid,
                "#{} still verifies",
                child.id
            );
        }
        Ok(())
    }

    async fn trace(&self, lot: &Certificate) -> Result<()> {
        let out = self
            .out
            .step("trace", &format!("lot #{} and all that came of it", lot.id));
        let lineage = self.client.lineage(lot.id).await?;
        for line in tree::render(&lineage).lines() {
            out.line(line);
        }
        Ok(())
    }

    async fn verification(&self, id: CertificateId) -> Result<Verification> {
        let credential = self.client.credential(id).await?;
        self.client.verify(&serde_json::to_vec(&credential)?).await
    }
}
