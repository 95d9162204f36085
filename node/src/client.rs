//! A client of a running node: its REST API and its JSON-RPC.

mod network;

use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use color_eyre::eyre::{Result, WrapErr, eyre};
use phytomer_registry::{
    Certificate, CertificateId, Details, Lineage, Offer, OfferRequest, SplitOutcome, SplitRequest,
    Verification,
};
use reqwest::multipart;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

pub(crate) use network::LogRange;

/// How long one request may take; certifying waits for a block.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a transaction may take to be mined.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a node says about itself (`GET /v1/node`).
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeInfo {
    /// The program's version.
    pub(crate) version: String,
    /// The network's name, e.g. `dev`.
    pub(crate) network: String,
    /// The chain id, in decimal.
    pub(crate) chain_id: String,
    /// The newest block.
    pub(crate) head: Head,
    /// Who issues on this node.
    pub(crate) issuer: Issuer,
    /// The recogniser's model.
    pub(crate) model: Model,
}

/// The newest block.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Head {
    /// Its number.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// Its time.
    pub(crate) timestamp: String,
}

/// The node's issuer.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Issuer {
    /// Signs credentials.
    pub(crate) did: String,
    /// Writes certificates.
    pub(crate) address: Address,
}

/// The recogniser's model.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Model {
    /// BLAKE3 of config and weights.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// What a photo shows (`POST /v1/recognitions`).
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct RecognitionView {
    /// Best first.
    pub(crate) species: Vec<Candidate>,
    /// Whether the model declines to answer.
    pub(crate) unknown: bool,
    /// What such an answer is and is not.
    pub(crate) notice: String,
}

/// A species a photo may show.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    /// Binomial.
    pub(crate) scientific_name: String,
    /// Calibrated, 0 to 1.
    pub(crate) confidence: f64,
}

/// RFC 9457 problem details.
#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    remedy: String,
}

/// A client of one node.
#[derive(Clone)]
pub(crate) struct Client {
    base: Url,
    http: reqwest::Client,
    token: Option<String>,
}

impl Client {
    /// A client of the node at `base`; writes need the operator token.
    pub(crate) fn new(base: Url, token: Option<String>) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        Ok(Self { base, http, token })
    }

    /// The node's URL.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// What the node says about itself.
    pub(crate) async fn node(&self) -> Result<NodeInfo> {
        self.get("v1/node").await
    }

    /// Whether the node is ready, and what each of its parts says.
    pub(crate) async fn ready(&self) -> Result<serde_json::Value> {
        let url = self.base.join("readyz")?;
        let answer = self
            .http
            .get(url)
            .send()
            .await
            .wrap_err_with(|| self.unreachable())?;
        Ok(answer.json().await?)
    }

    /// Which plant a photo shows.
    pub(crate) async fn recognise(&self, photo: Vec<u8>) -> Result<RecognitionView> {
        let request = self.http.post(self.base.join("v1/recognitions")?);
        self.send(
            request
                .header("content-type", "application/octet-stream")
                .body(photo),
        )
        .await
    }

    /// Certifies a lot from its photo.
    pub(crate) async fn certify(&self, photo: Vec<u8>, details: &Details) -> Result<Certificate> {
        let form = multipart::Form::new()
            .part(
                "details",
                multipart::Part::text(serde_json::to_string(details)?)
                    .mime_str("application/json")?,
            )
            .part(
                "photo",
                multipart::Part::bytes(photo)
                    .file_name("photo")
                    .mime_str("application/octet-stream")?,
            );
        self.send(self.write("v1/certificates")?.multipart(form))
            .await
    }

    /// One certificate.
    pub(crate) async fn certificate(&self, id: CertificateId) -> Result<Certificate> {
        self.get(&format!("v1/certificates/{id}")).await
    }

    /// The signed credential of a certificate.
    pub(crate) async fn credential(&self, id: CertificateId) -> Result<serde_json::Value> {
        self.get(&format!("v1/certificates/{id}/credential")).await
    }

    /// Ancestors and descendants of a certificate.
    pub(crate) async fn lineage(&self, id: CertificateId) -> Result<Lineage> {
        self.get(&format!("v1/certificates/{id}/lineage")).await
    }

    /// Has the node check a credential.
    pub(crate) async fn verify(&self, credential: &[u8]) -> Result<Verification> {
        let request = self.http.post(self.base.join("v1/verifications")?);
        self.send(
            request
                .header("content-type", "application/json")
                .body(credential.to_vec()),
        )
        .await
    }

    /// Splits a lot of the node's issuer.
    pub(crate) async fn split(
        &self,
        id: CertificateId,
        request: &SplitRequest,
    ) -> Result<SplitOutcome> {
        self.send(
            self.write(&format!("v1/certificates/{id}/split"))?
                .json(request),
        )
        .await
    }

    /// Offers a certificate of the node's issuer in escrow.
    pub(crate) async fn offer(&self, id: CertificateId, request: &OfferRequest) -> Result<Offer> {
        self.send(
            self.write(&format!("v1/certificates/{id}/offers"))?
                .json(request),
        )
        .await
    }

    /// Calls a contract without changing anything.
    pub(crate) async fn call<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        let provider = ProviderBuilder::new().connect_http(self.base.clone());
        let request = TransactionRequest::default()
            .to(to)
            .input(call.abi_encode().into());
        let answer: Bytes = provider
            .call(request)
            .await
            .wrap_err_with(|| self.unreachable())?;
        C::abi_decode_returns(&answer)
            .wrap_err("the contract answered something else than its ABI says")
    }

    /// Signs a contract call with the caller's own key, sends it as a raw
    /// transaction and waits for its receipt.
    pub(crate) async fn transact<C: SolCall>(
        &self,
        key: &PrivateKeySigner,
        to: Address,
        call: C,
    ) -> Result<TransactionReceipt> {
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key.clone()))
            .connect_http(self.base.clone());
        let request = TransactionRequest::default()
            .to(to)
            .value(U256::ZERO)
            .input(call.abi_encode().into());
        let pending = provider
            .send_transaction(request)
            .await
            .wrap_err_with(|| format!("sending {}", C::SIGNATURE))?;
        let receipt = pending
            .with_timeout(Some(RECEIPT_TIMEOUT))
            .get_receipt()
            .await
            .wrap_err("the transaction was not mined in time")?;
        if !receipt.status() {
            return Err(eyre!(
                "{} reverted in block {:?}",
                C::SIGNATURE,
                receipt.block_number
            ));
        }
        Ok(receipt)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(self.http.get(self.base.join(path)?)).await
    }

    fn write(&self, path: &str) -> Result<reqwest::RequestBuilder> {
        self.as_operator(self.http.post(self.base.join(path)?))
    }

    fn as_operator(&self, request: reqwest::RequestBuilder) -> Result<reqwest::RequestBuilder> {
        let token = self.token.as_ref().ok_or_else(|| {
            eyre!("this needs the node's operator token: give --token-file with the file `operator.token` of its data folder, or that folder with --data-dir")
        })?;
        Ok(request.bearer_auth(token))
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let body = self.answer(request).await?.bytes().await?;
        serde_json::from_slice(&body)
            .wrap_err("the node's answer has another shape than this version knows")
    }

    /// A successful answer, or the problem in words.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let answer = request.send().await.wrap_err_with(|| self.unreachable())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.bytes().await?;
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(Problem {
                title,
                detail,
                remedy,
            }) => eyre!("{title}: {detail}; {remedy}"),
            Err(_) => eyre!("the node answered {status}"),
        })
    }

    fn unreachable(&self) -> String {
        format!(
            "no node answers at {}: start one with `phytomer dev`, or give its URL with --node",
            self.base
        )
    }
}
