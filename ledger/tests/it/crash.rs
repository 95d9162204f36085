//! A process that is killed at a random instant loses nothing that it acknowledged.
//!
//! The child is this test binary again, running [`child`] alone: it mines transactions of several
//! wallets on RocksDB and writes a line for each one that was acknowledged. The parent kills it
//! (SIGKILL), opens the folder and looks for every line's transaction.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use alloy::{eips::BlockId, primitives::TxHash};
use phytomer_primitives::BlockNumber;

use crate::support::{Node, SINK, SOON, Wallet, disk, quick};

/// Names the folder to the child.
const FOLDER: &str = "PHYTOMER_CRASH_FOLDER";
const WALLETS: u8 = 4;

/// Not a test of its own: what the parent runs and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this file run it in a process of its own"]
async fn child() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let node = Node::start(disk(Path::new(&folder)), quick());
    let wallets = (0..WALLETS).map(|number| {
        let ledger = node.ledger.clone();
        tokio::spawn(async move {
            let wallet = Wallet::new(number);
            let mut nonce = ledger
                .nonce(wallet.address(), BlockId::latest())
                .await
                .unwrap();
            loop {
                let transaction = wallet.transfer(nonce, SINK, 1);
                let receipt = ledger.submit_and_wait(transaction, SOON).await.unwrap();
                let (number, block) = (receipt.block_number.unwrap(), receipt.block_hash.unwrap());
                let line = format!("{} {number} {block}\n", receipt.transaction_hash);
                // One call, so that lines of different wallets do not mix.
                std::io::stdout().write_all(line.as_bytes()).unwrap();
                nonce += 1;
            }
        })
    });
    futures::future::join_all(wallets.collect::<Vec<_>>()).await;
}

/// When a child is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// So long after it was started, perhaps before it has done anything.
    AfterStart(Duration),
    /// After it has acknowledged so many transactions.
    AfterLines(u64),
}

/// Lets a child run, kills it, and returns what it acknowledged.
fn run_and_kill(folder: &Path, moment: Moment) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        for line in lines.filter(|line| line.starts_with("0x")) {
            sender.send(line).unwrap();
        }
    });
    let mut seen = Vec::new();
    match moment {
        Moment::AfterStart(life) => std::thread::sleep(life),
        Moment::AfterLines(count) => {
            seen.extend((0..count).map(|_| lines.recv_timeout(SOON).unwrap()));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    seen.extend(lines.try_iter());
    seen
}

/// Finds everything that was acknowledged, and a chain without a gap that can be continued.
async fn check(folder: &Path, acknowledged: &HashMap<TxHash, (u64, String)>) {
    let node = Node::start(disk(folder), quick());
    for (hash, (number, block)) in acknowledged {
        let receipt = node.ledger.receipt(*hash).await.unwrap().unwrap();
        assert_eq!(receipt.block_number, Some(*number));
        assert_eq!(receipt.block_hash.unwrap().to_string(), *block);
    }
    let head = node.ledger.head();
    let mut mined = 0;
    let mut parent = None;
    for number in 0..=head.number.0 {
        let block = node
            .ledger
            .block_by_number(BlockNumber(number))
            .await
            .unwrap()
            .unwrap();
        assert!(parent.is_none_or(|parent| parent == block.block().header().parent_hash));
        parent = Some(block.hash());
        mined += block.receipts().len() as u64;
    }
    // The state agrees with the blocks: each transaction moved one wei and used one nonce.
    let mut nonces = 0;
    for number in 0..WALLETS {
        let address = Wallet::new(number).address();
        nonces += node.ledger.nonce(address, BlockId::latest()).await.unwrap();
    }
    assert_eq!(
        (nonces, node.balance(SINK).await.to::<u64>()),
        (mined, mined)
    );
    node.stop().await;
}

fn kill_again_and_again(kills: u64) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged = HashMap::new();
    for kill in 0..kills {
        let random = kill * 7_919 + u64::from(std::process::id());
        let moment = match kill % 2 {
            0 => Moment::AfterLines(random % 60 + 1),
            _ => Moment::AfterStart(Duration::from_millis(random % 1_000 + 20)),
        };
        for line in run_and_kill(folder.path(), moment) {
            // The last line may be cut.
            if let [hash, number, block] = line.split(' ').collect::<Vec<_>>()[..]
                && block.len() == 66
            {
                let place = (number.parse().unwrap(), block.to_owned());
                acknowledged.insert(hash.parse().unwrap(), place);
            }
        }
        runtime.block_on(check(folder.path(), &acknowledged));
    }
    assert!(acknowledged.len() as u64 >= kills / 2);
}

#[test]
fn ten_kills_lose_nothing() {
    kill_again_and_again(10);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_kills_lose_nothing() {
    kill_again_and_again(50);
}
