//! A node in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_phytomer");
/// Settings that let the database use up its memory soon: what grows then is something else.
const SMALL_STORE: [(&str, &str); 2] = [
    ("PHYTOMER_STORE__CACHE_BYTES", "8388608"),
    ("PHYTOMER_STORE__WRITE_BUFFER_BYTES", "8388608"),
];
/// How long a node may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs the program to its end.
pub(crate) fn phytomer(args: &[&str]) -> Output {
    Command::new(BIN)
        .args(args)
        .env_remove("PHYTOMER_DATA_DIR")
        .output()
        .unwrap()
}

/// A running `phytomer dev`; killed when dropped.
pub(crate) struct DevNode {
    child: Child,
    url: String,
    address: String,
    kafka: String,
}

impl DevNode {
    /// Starts on a data folder and waits until it answers.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// Like [`Self::start`], with more flags.
    pub(crate) fn start_with(data_dir: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(BIN)
            .args(["dev", "--http-port", "0", "--data-dir"])
            .arg(data_dir)
            .args(flags)
            .envs(SMALL_STORE)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = Instant::now();
        let (mut url, mut address, mut kafka) = Default::default();
        loop {
            let line = lines
                .next()
                .expect("the node ended before it was ready")
                .unwrap();
            let take = |name: &str, value: &mut String| {
                if let Some(text) = line.strip_prefix(name) {
                    *value = text.trim().to_owned();
                }
            };
            take("json-rpc ", &mut url);
            take("peer address ", &mut address);
            take("kafka ", &mut kafka);
            if line.starts_with("accounts") {
                break;
            }
            assert!(
                started.elapsed() < START_TIMEOUT,
                "the node was not ready in time"
            );
        }
        assert!(!url.is_empty(), "the banner names no URL");
        // The rest of the banner must be read, or the node blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url,
            address,
            kafka,
        }
    }

    /// Where it listens for peers, with its id.
    pub(crate) fn address(&self) -> &str {
        assert!(!self.address.is_empty(), "the node listens for no peers");
        &self.address
    }

    /// Where it serves Kafka clients.
    pub(crate) fn kafka(&self) -> &str {
        assert!(!self.kafka.is_empty(), "the node serves no Kafka clients");
        &self.kafka
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a power cut would: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator would, and waits: SIGINT.
    pub(crate) fn interrupt(mut self) -> std::process::ExitStatus {
        Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for DevNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
