//! Several nodes in processes of their own, on loopback: they find each other through one address,
//! survive each other's deaths, lose no event and repeat none to a committed consumer group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use alloy::network::EthereumWallet;
use alloy::primitives::U256;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use phytomer_genesis::DevAccount;
use serde_json::{Value, json};

use crate::node::{DevNode, phytomer};

/// How long anything that must come may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// How often it is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Some nodes of one chain; the first one makes it, the others follow.
pub(crate) struct Network {
    folder: tempfile::TempDir,
    pub(crate) nodes: Vec<DevNode>,
    http: reqwest::Client,
    /// When the first process that follows was started.
    following: Instant,
    runtime: tokio::runtime::Runtime,
}

impl Network {
    /// Starts `size` nodes; all but the first know one address of the first and nothing else.
    pub(crate) fn start(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let first = DevNode::start_with(&folder.path().join("0"), &["--kafka-port", "0"]);
        let http = reqwest::Client::builder().timeout(SOON).build().unwrap();
        let mut network = Self {
            folder,
            nodes: vec![first],
            http,
            following: Instant::now(),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        };
        let starting: Vec<_> = (1..size)
            .map(|number| {
                let (dir, flags) = network.flags(number);
                std::thread::spawn(move || {
                    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
                    DevNode::start_with(&dir, &flags)
                })
            })
            .collect();
        for node in starting {
            network.nodes.push(node.join().unwrap());
        }
        network
    }

    /// Folder and flags of a node that follows.
    fn flags(&self, number: usize) -> (std::path::PathBuf, Vec<String>) {
        let folder = self.folder.path();
        let genesis = folder.join("0/genesis.json").display().to_string();
        let bootstrap = self.nodes[0].address().to_owned();
        let flags = [
            "--kafka-port",
            "0",
            "--join",
            &bootstrap,
            "--genesis",
            &genesis,
        ];
        (
            folder.join(number.to_string()),
            flags.map(str::to_owned).to_vec(),
        )
    }

    /// Kills a node as a power cut would and starts it again, on the same folder and ports.
    pub(crate) fn kill_and_restart(&mut self, number: usize) {
        let network = self.get(number, "/v1/network");
        let (dir, mut flags) = self.flags(number);
        if number == 0 {
            flags.truncate(2);
        }
        for address in network["listenAddresses"].as_array().unwrap() {
            let (address, _) = address.as_str().unwrap().split_once("/p2p/").unwrap();
            flags.extend(["--p2p-listen".into(), address.into()]);
        }
        self.nodes.remove(number).kill();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.nodes.insert(number, DevNode::start_with(&dir, &flags));
    }

    pub(crate) fn get(&self, number: usize, path: &str) -> Value {
        let url = format!("{}{path}", self.nodes[number].url());
        self.json(self.http.get(url)).1
    }

    /// Bytes that a node's database holds in memory, by its own account.
    pub(crate) fn database_bytes(&self, number: usize) -> u64 {
        let url = format!("{}/metrics", self.nodes[number].url());
        let text = self.runtime.block_on(async {
            let answer = self.http.get(url).send().await.unwrap();
            answer.text().await.unwrap()
        });
        let figures = text.lines().filter_map(|line| {
            let figure = line.strip_prefix("phytomer_store_memory_bytes{")?;
            Some(figure.rsplit(' ').next()?.parse::<u64>().unwrap())
        });
        figures.sum()
    }

    /// Posts as the operator; it must be taken.
    pub(crate) fn post(&self, number: usize, path: &str, body: &Value) -> Value {
        let token = std::fs::read_to_string(self.dir(number).join("operator.token")).unwrap();
        let url = format!("{}{path}", self.nodes[number].url());
        let (status, answer) = self.json(self.http.post(url).json(body).bearer_auth(token));
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Posts as anybody.
    fn post_openly(&self, number: usize, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.nodes[number].url());
        self.json(self.http.post(url).json(body)).1
    }

    fn json(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.bytes().await.unwrap();
            (status, serde_json::from_slice(&body).unwrap_or_default())
        })
    }

    pub(crate) fn dir(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(number.to_string())
    }

    fn peer(&self, number: usize) -> String {
        let network = self.get(number, "/v1/network");
        network["peer"].as_str().unwrap().to_owned()
    }

    fn peers(&self, number: usize) -> BTreeSet<String> {
        let peers = self.get(number, "/v1/network/peers");
        let peers = peers["peers"].as_array().unwrap().iter();
        peers
            .map(|peer| peer["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until the nodes are one network and each has `peers_min` peers; tells how long that
    /// took since the first of them was started, and since the last of them answered.
    pub(crate) fn formed(&self, peers_min: usize) -> [Duration; 2] {
        let started = Instant::now();
        let ids: Vec<String> = (0..self.nodes.len())
            .map(|number| self.peer(number))
            .collect();
        wait("form one network", || {
            let peers: BTreeMap<&str, BTreeSet<String>> = ids
                .iter()
                .enumerate()
                .map(|(number, id)| (id.as_str(), self.peers(number)))
                .collect();
            let mut reached = BTreeSet::from([ids[0].clone()]);
            let mut waiting = vec![ids[0].clone()];
            while let Some(id) = waiting.pop() {
                let next = peers.get(id.as_str()).into_iter().flatten();
                waiting.extend(next.filter(|peer| reached.insert((*peer).clone())).cloned());
            }
            (reached.len() >= ids.len() && peers.values().all(|peers| peers.len() >= peers_min))
                .then_some(())
        });
        [self.following.elapsed(), started.elapsed()]
    }

    /// Appends `count` events to a node's own log; each is on disk when this returns.
    pub(crate) fn append(&self, number: usize, stream: &str, count: usize) {
        for index in 0..count {
            let event =
                json!({"key": number.to_string(), "value": {"node": number, "index": index}});
            self.post(number, &format!("/v1/streams/{stream}/events"), &event);
        }
    }

    /// The logs of a stream on a node: operator and epoch → the offset of the next event.
    pub(crate) fn logs(&self, number: usize, stream: &str) -> BTreeMap<(String, u64), u64> {
        let streams = self.get(number, "/v1/streams");
        let streams = streams["streams"].as_array().unwrap().iter();
        let logs = streams
            .filter(|view| view["name"] == stream)
            .flat_map(|view| view["logs"].as_array().unwrap());
        logs.map(|log| {
            let producer = log["producer"].as_str().unwrap().to_owned();
            (
                (producer, log["epoch"].as_u64().unwrap()),
                log["next"].as_u64().unwrap(),
            )
        })
        .collect()
    }

    /// Waits until every node holds the same logs of a stream, with `events` events in all.
    pub(crate) fn agreed(&self, stream: &str, events: u64) {
        wait(
            &format!("hold {events} events of {stream} on every node"),
            || {
                let first = self.logs(0, stream);
                let all = first.values().sum::<u64>() == events
                    && (1..self.nodes.len()).all(|number| self.logs(number, stream) == first);
                all.then_some(())
            },
        );
    }

    /// The values of every event of a stream on a node, log by log.
    pub(crate) fn values(&self, number: usize, stream: &str) -> Vec<Value> {
        let mut values = Vec::new();
        for ((producer, epoch), next) in self.logs(number, stream) {
            let mut from = 0;
            while from < next {
                let page = self.get(
                    number,
                    &format!("/v1/streams/{stream}/events?producer={producer}&epoch={epoch}&from={from}&limit=500"),
                );
                let events = page["events"].as_array().unwrap();
                assert!(!events.is_empty(), "{page}");
                for event in events {
                    assert_eq!(event["offset"], from, "an offset is missing");
                    values.push(event["value"].clone());
                    from += 1;
                }
            }
        }
        values
    }
}

/// Asks until there is an answer.
pub(crate) fn wait<T>(what: &str, ask: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < SOON, "the nodes did not {what} in time");
        std::thread::sleep(POLL_INTERVAL);
    }
}

#[test]
fn three_processes_survive_the_death_of_each_and_repeat_nothing() {
    live_and_die(3, 2);
}

#[test]
#[ignore = "ten processes for a minute; part of the soak"]
fn ten_processes_survive_the_death_of_each_and_repeat_nothing() {
    live_and_die(10, 2);
}

/// What the issue asks of `size` processes.
fn live_and_die(size: usize, peers_min: usize) {
    const STREAM: &str = "readings";
    const EACH: usize = 5;
    let mut network = Network::start(size);
    let [since_start, since_up] = network.formed(peers_min);
    println!(
        "{size} processes formed a network in {} ms, {} ms after the last one answered",
        since_start.as_millis(),
        since_up.as_millis()
    );

    let mut total = 0;
    for number in 0..size {
        network.append(number, STREAM, EACH);
        total += EACH as u64;
    }
    network.agreed(STREAM, total);
    let mut seen = consume(&network, 0, STREAM, total);
    assert_eq!(seen.len() as u64, total, "{seen:?}");

    for number in 0..size {
        network.kill_and_restart(number);
        network.formed(1);
        network.append(number, STREAM, EACH);
        total += EACH as u64;
        network.agreed(STREAM, total);
    }
    // The group goes on behind what it committed, though its node was killed meanwhile.
    for event in consume(&network, 0, STREAM, EACH as u64 * size as u64) {
        assert!(seen.insert(event.clone()), "{event} came again");
    }
    assert_eq!(seen.len() as u64, total, "an event was lost");
    for number in 0..size {
        assert_eq!(network.values(number, STREAM).len() as u64, total);
    }
}

/// Has a consumer group read `count` events over Kafka's protocol and commit; each as partition
/// and offset.
fn consume(network: &Network, number: usize, stream: &str, count: u64) -> BTreeSet<String> {
    let kafka = network.nodes[number].kafka();
    let count = count.to_string();
    let output = Command::new("timeout")
        .args([
            "60", "kcat", "-q", "-b", kafka, "-G", "plants", "-c", &count,
        ])
        .args(["-X", "auto.offset.reset=earliest", "-f", "%p:%o\n", stream])
        .output()
        .expect("kcat is installed (Debian package kcat)");
    let events = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{events}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<_> = events.lines().map(str::to_owned).collect();
    let set: BTreeSet<_> = lines.iter().cloned().collect();
    assert_eq!(set.len(), lines.len(), "an event came twice in one read");
    set
}

#[test]
fn a_follower_verifies_from_its_own_copy_takes_no_writes_and_refuses_after_suspension() {
    let network = Network::start(2);
    network.formed(1);
    let dir = network.dir(0);
    let demo = phytomer(&[
        "demo",
        "--node",
        network.nodes[0].url(),
        "--data-dir",
        dir.to_str().unwrap(),
    ]);
    assert!(
        demo.status.success(),
        "{}",
        String::from_utf8_lossy(&demo.stderr)
    );

    // The first lot's credential, as the second process holds it.
    let issued = wait("publish the first lot", || {
        let values = network.values(1, "certificates");
        values
            .into_iter()
            .find(|event| event["type"] == "certificate.issued" && event["certificate"] == "1")
    });
    let blob = issued["data"]["credentialBlob"].as_str().unwrap();
    let photo = issued["data"]["photoBlob"].as_str().unwrap();
    for id in [blob, photo] {
        wait("hold the documents", || {
            let stat = network.get(1, &format!("/v1/blobs/{id}/stat"));
            (stat["complete"] == true).then_some(())
        });
    }
    network.agreed(
        "certificates",
        network.values(0, "certificates").len() as u64,
    );
    let credential = network.get(1, &format!("/v1/blobs/{blob}"));
    let verification = network.post_openly(1, "/v1/verifications", &credential);
    assert_eq!(verification["verdict"], "invalid", "{verification}");
    let check = |name: &str| {
        let checks = verification["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(check("signature")["outcome"], "passed");
    assert_eq!(check("issued-event")["outcome"], "passed");
    let status = check("followed-status");
    assert_eq!(status["outcome"], "failed");
    assert!(
        status["detail"].as_str().unwrap().contains("XYLEFA"),
        "{status}"
    );
    for name in ["anchor", "accreditation", "ledger-status"] {
        let check = check(name);
        assert_eq!(check["outcome"], "not-checked", "{check}");
        assert!(
            check["detail"]
                .as_str()
                .unwrap()
                .contains("executes no blocks"),
            "{check}"
        );
    }

    // What it follows is what its event stream tells.
    let all = format!("{}/v1/events?after={:016x}:0", network.nodes[1].url(), 0);
    let told = network
        .runtime
        .block_on(read_until(&all, "event: certificate.status"));
    assert!(told.contains(r#""stream":"certificates""#), "{told}");

    // It answers reads at genesis, and says who takes transactions.
    assert_eq!(network.get(1, "/v1/node")["head"]["number"], 0);
    let message = network.runtime.block_on(transfer(network.nodes[1].url()));
    assert!(
        message.contains("send transactions to a node that does"),
        "{message}"
    );
}

/// What a stream gives until it has given a text.
async fn read_until(url: &str, text: &str) -> String {
    let mut answer = reqwest::get(url).await.unwrap();
    let mut told = String::new();
    let read = async {
        while !told.contains(text) {
            let chunk = answer.chunk().await.unwrap().expect("the stream goes on");
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    tokio::time::timeout(SOON, read).await.unwrap();
    told
}

/// Sends a transfer to a node that refuses it; returns what it says.
async fn transfer(url: &str) -> String {
    let key = PrivateKeySigner::from_bytes(&DevAccount::User3.private_key()).unwrap();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(key))
        .connect_http(url.parse().unwrap());
    let transfer = TransactionRequest::default()
        .to(DevAccount::User9.address())
        .value(U256::from(1));
    let sent = provider.send_transaction(transfer).await;
    sent.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_command_line_shows_peers_streams_and_blobs_and_acts_on_them() {
    let network = Network::start(2);
    network.formed(1);
    let ask = |number: usize, args: &[&str]| {
        let (url, dir) = (network.nodes[number].url().to_owned(), network.dir(number));
        let mut all = args.to_vec();
        all.extend(["--node", &url, "--data-dir", dir.to_str().unwrap()]);
        let output = phytomer(&all);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let peers: Value = serde_json::from_str(&ask(1, &["peers", "--json"])).unwrap();
    assert_eq!(peers["peers"][0]["id"], network.peer(0).as_str());
    let table = ask(0, &["peers"]);
    assert!(
        table.contains("key exchange") && table.contains(&network.peer(1)),
        "{table}"
    );
    assert!(ask(0, &["status"]).contains("peers"), "status");

    let appended = ask(0, &["stream", "append", "notes", "first", "--key", "k"]);
    assert!(appended.starts_with("event 0 of notes"), "{appended}");
    network.agreed("notes", 1);
    let read = ask(1, &["stream", "read", "notes"]);
    assert!(read.contains("first") && read.contains(" k "), "{read}");
    assert!(ask(1, &["stream", "ls"]).contains("notes"));

    let file = network.dir(0).join("leaf.bin");
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, &content).unwrap();
    let added: Value =
        serde_json::from_str(&ask(0, &["blob", "add", file.to_str().unwrap(), "--json"])).unwrap();
    let id = added["id"].as_str().unwrap();
    assert_eq!(id, blake3::hash(&content).to_string());
    let copy = network.dir(1).join("copy.bin");
    ask(1, &["blob", "get", id, "--out", copy.to_str().unwrap()]);
    assert_eq!(std::fs::read(copy).unwrap(), content);
    assert!(ask(1, &["blob", "ls"]).contains(id));

    let peer = network.peer(1);
    ask(0, &["peers", "ban", &peer]);
    wait("part", || network.peers(0).is_empty().then_some(()));
    let alone = ask(0, &["peers"]);
    assert!(alone.contains("no peers"), "{alone}");
    ask(0, &["peers", "unban", &peer]);
    ask(1, &["peers", "dial", network.nodes[0].address()]);
    network.formed(1);
}

#[test]
fn who_asks_for_nothing_sensible_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let node = DevNode::start(&folder.path().join("node"));
    let dir = folder.path().join("node");
    let fails = |args: &[&str], word: &str| {
        let mut all = args.to_vec();
        all.extend(["--node", node.url(), "--data-dir", dir.to_str().unwrap()]);
        let output = phytomer(&all);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && words.contains(word),
            "{args:?}: {words}"
        );
    };
    fails(&["peers", "dial", "nonsense"], "/ip4/");
    fails(&["peers", "dial", "/ip4/127.0.0.1/tcp/1"], "reached");
    fails(&["peers", "ban", "nonsense"], "12D3KooW");
    fails(&["stream", "read", "nothing"], "no events");
    fails(&["stream", "append", "Ledger!", "x"], "a-z");
    fails(&["stream", "append", "ledger", "x"], "node itself");
    fails(&["blob", "get", "nonsense"], "64 hex digits");
    fails(&["blob", "get", &"0".repeat(64)], "phytomer peers");
    // What is no hash is refused before the node or its token is looked for.
    let no_hash = phytomer(&["blob", "stat", "nonsense", "--token-file", "/nowhere"]);
    assert!(String::from_utf8_lossy(&no_hash.stderr).contains("64 hex digits"));
    let no_genesis = phytomer(&[
        "dev",
        "--join",
        "/ip4/127.0.0.1/tcp/1",
        "--temporary",
        "--genesis",
        "/nowhere",
    ]);
    assert!(String::from_utf8_lossy(&no_genesis.stderr).contains("genesis.json"));
}

/// The resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1_024
}
