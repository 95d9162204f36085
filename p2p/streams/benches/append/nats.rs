//! NATS JetStream with file storage, in a process of its own.
//!
//! The server is `$NATS_SERVER`, or the one in `$PATH`. Waiting for the disk before a message is
//! acknowledged (`sync_interval: always`) takes version 2.10 or later.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tempfile::TempDir;

use client::Client;

use crate::sample::Sample;
use crate::{Failure, PAYLOAD_BYTES};

mod client;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// When JetStream waits for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sync {
    /// Every two minutes: an acknowledged message may be lost.
    Default,
    /// Before it acknowledges.
    Always,
}

impl Sync {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "JetStream, default",
            Self::Always => "JetStream, sync always",
        }
    }

    const fn setting(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Always => "sync_interval: always",
        }
    }
}

/// A server with one stream; it ends with its owner.
pub(crate) struct JetStream {
    server: Child,
    client: Client,
    /// Lives as long as the server that writes to it.
    _folder: TempDir,
}

impl Drop for JetStream {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

/// The server.
fn command() -> Command {
    Command::new(std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into()))
}

/// The server's name and version.
pub(crate) fn version() -> Result<String, Failure> {
    let version = command().arg("--version").output();
    let version = version.map_err(|error| format!("no nats-server: {error}"))?;
    Ok(String::from_utf8_lossy(&version.stdout).trim().to_owned())
}

fn end(server: &mut Child) {
    // It may have ended by itself.
    let _ = server.kill();
    let _ = server.wait();
}

impl JetStream {
    pub(crate) async fn start(folder: &Path, sync: Sync) -> Result<Self, Failure> {
        let folder = tempfile::tempdir_in(folder)?;
        let (config, port) = configure(folder.path(), sync)?;
        let mut server = command()
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let client = connect(port).await.inspect_err(|_| end(&mut server))?;
        let this = Self {
            server,
            client,
            _folder: folder,
        };
        let stream =
            br#"{"name":"bench","subjects":["bench"],"storage":"file","retention":"limits",
            "discard":"old","num_replicas":1,"max_consumers":-1,"max_msgs":-1,"max_bytes":-1}"#;
        let create = this.client.request("$JS.API.STREAM.CREATE.bench", stream);
        create.await?;
        Ok(this)
    }

    pub(crate) async fn turn(&self, producers: usize) -> Result<Sample, Failure> {
        let client = self.client.clone();
        let payload: Bytes = (0..PAYLOAD_BYTES).map(|_| rand::random::<u8>()).collect();
        let once = move || {
            let (client, payload) = (client.clone(), payload.clone());
            async move { client.request("bench", &payload).await }
        };
        once().await?;
        Sample::take(producers, &[self.server.id()], once).await
    }
}

/// Writes a configuration that the server takes; its path, and the port.
fn configure(folder: &Path, sync: Sync) -> Result<(PathBuf, u16), Failure> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = folder.join("nats.conf");
    let content = format!(
        "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}, {} }}\n",
        folder.join("jetstream"),
        sync.setting()
    );
    std::fs::write(&config, content)?;
    let version = version()?;
    let check = command().arg("-c").arg(&config).arg("-t").output()?;
    if check.status.success() {
        return Ok((config, port));
    }
    let said = String::from_utf8_lossy(&check.stderr);
    // Its own words, without the path of its configuration.
    let reason = said.rsplit(": ").next().unwrap_or_default();
    Err(format!("{version} says: {}", reason.trim()).into())
}

async fn connect(port: u16) -> Result<Client, Failure> {
    let begin = Instant::now();
    loop {
        match Client::connect(port).await {
            Ok(client) => return Ok(client),
            Err(error) if begin.elapsed() > START_LIMIT => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
