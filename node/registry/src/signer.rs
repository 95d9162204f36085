//! The issuer's own transactions: simulated first, then signed, submitted in
//! nonce order, and awaited until they are durable.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::BlockId;
use alloy::network::TxSignerSync;
use alloy::primitives::{Address, TxKind, U256};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use phytomer_ledger::{Call, Ledger, SubmitError};
use phytomer_primitives::Transaction;
use tokio::sync::Mutex;

use crate::chain::refusal;
use crate::error::Error;

/// Head room over the estimate, because the state may change before the block.
const GAS_HEADROOM_PERCENT: u64 = 25;
/// Head room over the current price, enough for several full blocks.
const FEE_HEADROOM_FACTOR: u128 = 2;

/// Signs and sends with the issuer's ledger key.
pub(crate) struct Signer {
    ledger: Ledger,
    key: PrivateKeySigner,
    /// Held from reading the nonce to submitting, so that two requests never take one nonce.
    order: Mutex<()>,
    receipt_timeout: Duration,
}

impl Signer {
    pub(crate) fn new(ledger: Ledger, key: PrivateKeySigner, receipt_timeout: Duration) -> Self {
        Self {
            ledger,
            key,
            order: Mutex::new(()),
            receipt_timeout,
        }
    }

    /// The issuer's ledger account.
    pub(crate) fn address(&self) -> Address {
        self.key.address()
    }

    /// Calls a contract in a transaction and waits until it is in a durable block.
    pub(crate) async fn transact<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<TransactionReceipt, Error> {
        let input = call.abi_encode();
        let request = TransactionRequest::default()
            .from(self.address())
            .to(to)
            .input(input.clone().into());
        let simulated = Call {
            request,
            block: BlockId::latest(),
            ..Call::default()
        };
        let gas = self.ledger.estimate_gas(simulated).await.map_err(refusal)?;
        let hash = {
            let _order = self.order.lock().await;
            let transaction = self
                .sign(to, input, gas + gas * GAS_HEADROOM_PERCENT / 100)
                .await?;
            self.ledger.submit(transaction).await.map_err(not_taken)?
        };
        let receipt = self
            .ledger
            .wait_mined(hash, self.receipt_timeout)
            .await
            .map_err(not_taken)?;
        if receipt.status() {
            Ok(receipt)
        } else {
            Err(Error::Refused {
                reason: format!("transaction {hash} reverted: the state had changed; try again"),
            })
        }
    }

    async fn sign(
        &self,
        to: Address,
        input: Vec<u8>,
        gas_limit: u64,
    ) -> Result<Transaction, Error> {
        let nonce = self
            .ledger
            .nonce(self.address(), BlockId::pending())
            .await
            .map_err(refusal)?;
        let tip = self.ledger.max_priority_fee();
        let mut transaction = TxEip1559 {
            chain_id: self.ledger.chain_id(),
            nonce,
            gas_limit,
            max_fee_per_gas: self.ledger.gas_price() * FEE_HEADROOM_FACTOR + tip,
            max_priority_fee_per_gas: tip,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: Default::default(),
            input: input.into(),
        };
        let signature = self
            .key
            .sign_transaction_sync(&mut transaction)
            .map_err(|error| {
                Error::Ledger(format!("the transaction could not be signed: {error}"))
            })?;
        Ok(transaction.into_signed(signature).into())
    }
}

fn not_taken(error: SubmitError) -> Error {
    Error::Ledger(error.to_string())
}
