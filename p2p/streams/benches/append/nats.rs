//! NATS JetStream with file storage, in a process of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use bytes::Bytes;

use crate::sample::Sample;
use crate::{Failure, PAYLOAD_BYTES};

const SERVER: &str = "/usr/sbin/nats-server";
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

/// A server that ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One stream, with as many producers as asked for; as long as all rounds of ours.
pub(crate) async fn measure(
    folder: &Path,
    sync: Sync,
    producers: usize,
) -> Result<Sample, Failure> {
    if !Path::new(SERVER).exists() {
        return Err(format!("there is no {SERVER}").into());
    }
    let mut total = Sample::default();
    for _ in 0..crate::ROUNDS {
        total.add(round(folder, sync, producers).await?);
    }
    Ok(total)
}

async fn round(folder: &Path, sync: Sync, producers: usize) -> Result<Sample, Failure> {
    let folder = tempfile::tempdir_in(folder)?;
    let (_server, client) = start(folder.path(), sync).await?;
    let context = jetstream::new(client);
    context
        .create_stream(jetstream::stream::Config {
            name: "bench".into(),
            subjects: vec!["bench".into()],
            storage: jetstream::stream::StorageType::File,
            ..Default::default()
        })
        .await?;
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let once = move || {
        let (context, payload) = (context.clone(), payload.clone());
        async move {
            context.publish("bench", payload).await?.await?;
            Ok(())
        }
    };
    Sample::take(producers, once).await
}

async fn start(folder: &Path, sync: Sync) -> Result<(Server, async_nats::Client), Failure> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = folder.join("nats.conf");
    let content = format!(
        "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}, {} }}\n",
        folder.join("jetstream"),
        sync.setting()
    );
    std::fs::write(&config, content)?;
    let check = Command::new(SERVER)
        .arg("-c")
        .arg(&config)
        .arg("-t")
        .output()?;
    if !check.status.success() {
        let said = String::from_utf8_lossy(&check.stderr);
        let version = Command::new(SERVER).arg("--version").output()?.stdout;
        let version = String::from_utf8_lossy(&version);
        // Its own words, without the path of its configuration.
        let reason = said.rsplit(": ").next().unwrap_or_default();
        return Err(format!("{} says: {}", version.trim(), reason.trim()).into());
    }
    let server = Command::new(SERVER)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let server = Server(server);
    let begin = Instant::now();
    loop {
        match async_nats::connect(format!("nats://127.0.0.1:{port}")).await {
            Ok(client) => return Ok((server, client)),
            Err(error) if begin.elapsed() > START_LIMIT => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
