//! The network, streams and blobs of a running node.

use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr};
use futures::StreamExt;
use phytomer_api::{
    BlobList, BlobView, EventPage, LogView, NetworkView, NewEvent, PeerList, PositionView,
    StreamList, StreamView,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::Client;

/// How long a blob may take to come, or to be taken in.
const BLOB_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Where to read a log.
#[derive(Clone, Debug)]
pub(crate) struct LogRange<'a> {
    /// The stream.
    pub(crate) stream: &'a str,
    /// The operator whose log it is.
    pub(crate) producer: &'a str,
    /// Which of the operator's logs.
    pub(crate) epoch: u64,
    /// The first offset.
    pub(crate) from: u64,
    /// The most events.
    pub(crate) limit: usize,
}

impl Client {
    /// How the node stands in the network.
    pub(crate) async fn network(&self) -> Result<NetworkView> {
        self.get("v1/network").await
    }

    /// Its connected peers.
    pub(crate) async fn peers(&self) -> Result<PeerList> {
        self.get("v1/network/peers").await
    }

    /// Has it dial an address.
    pub(crate) async fn dial(&self, address: &str) -> Result<()> {
        let body = serde_json::json!({"address": address});
        let request = self.write("v1/network/peers")?.json(&body);
        self.answer(request).await.map(drop)
    }

    /// Has it part from a peer.
    pub(crate) async fn disconnect(&self, peer: &str) -> Result<()> {
        self.delete(&format!("v1/network/peers/{peer}")).await
    }

    /// Has it part from a peer and let it in no more.
    pub(crate) async fn ban(&self, peer: &str) -> Result<()> {
        let body = serde_json::json!({"peer": peer});
        let request = self.write("v1/network/bans")?.json(&body);
        self.answer(request).await.map(drop)
    }

    /// Has it let a banned peer in again.
    pub(crate) async fn unban(&self, peer: &str) -> Result<()> {
        self.delete(&format!("v1/network/bans/{peer}")).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let request = self.http.delete(self.base.join(path)?);
        self.answer(self.as_operator(request)?).await.map(drop)
    }

    /// The streams that it holds.
    pub(crate) async fn streams(&self) -> Result<StreamList> {
        self.get("v1/streams").await
    }

    /// The logs of one stream.
    pub(crate) async fn stream(&self, name: &str) -> Result<StreamView> {
        self.get(&format!("v1/streams/{name}")).await
    }

    /// Events of one log.
    pub(crate) async fn events(&self, range: &LogRange<'_>) -> Result<EventPage> {
        let LogRange {
            stream,
            producer,
            epoch,
            from,
            limit,
        } = range;
        self.get(&format!(
            "v1/streams/{stream}/events?producer={producer}&epoch={epoch}&from={from}&limit={limit}"
        ))
        .await
    }

    /// Appends an event to the node's own log of a stream; durable when this returns.
    pub(crate) async fn append(&self, stream: &str, event: &NewEvent) -> Result<PositionView> {
        let request = self.write(&format!("v1/streams/{stream}/events"))?;
        self.send(request.json(event)).await
    }

    /// The blobs that it holds.
    pub(crate) async fn blobs(&self) -> Result<BlobList> {
        self.get("v1/blobs").await
    }

    /// What it knows of a blob.
    pub(crate) async fn blob_stat(&self, id: &str) -> Result<BlobView> {
        self.get(&format!("v1/blobs/{id}/stat")).await
    }

    /// Has it take a blob in.
    pub(crate) async fn add_blob(
        &self,
        content: impl AsyncRead + Send + Unpin + 'static,
        length: u64,
    ) -> Result<BlobView> {
        let request = self
            .write("v1/blobs")?
            .timeout(BLOB_TIMEOUT)
            .header("content-type", "application/octet-stream")
            .header("content-length", length)
            .body(reqwest::Body::wrap_stream(ReaderStream::new(content)));
        self.send(request).await
    }

    /// Asks for a blob that the node holds, or, as its operator, has it fetched from its peers.
    pub(crate) async fn fetch_blob(&self, id: &str) -> Result<BlobView> {
        self.send(self.write(&format!("v1/blobs/{id}/fetch"))?)
            .await
    }

    /// Writes a blob that the node holds to `out`; returns its length in bytes.
    pub(crate) async fn read_blob(
        &self,
        id: &str,
        out: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64> {
        let request = self.http.get(self.base.join(&format!("v1/blobs/{id}"))?);
        let answer = self.answer(request.timeout(BLOB_TIMEOUT)).await?;
        let mut chunks = answer.bytes_stream();
        let mut bytes = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.wrap_err("the node stopped in the middle of the blob")?;
            out.write_all(&chunk).await?;
            bytes += chunk.len() as u64;
        }
        out.flush().await?;
        Ok(bytes)
    }

    /// The node's own log of a stream, or another operator's where one is named (by the beginning
    /// of its id).
    pub(crate) async fn log(&self, stream: &str, producer: Option<&str>) -> Result<LogView> {
        let view = self.stream(stream).await?;
        pick(&view, producer)
    }
}

/// The log that is meant: of the operator named, else the node's own, else the only one.
fn pick(view: &StreamView, producer: Option<&str>) -> Result<LogView> {
    use color_eyre::eyre::{ensure, eyre};
    let name = &view.name;
    // The newest of each operator's logs.
    let mut logs: Vec<&LogView> = Vec::new();
    for log in &view.logs {
        match logs.iter_mut().find(|known| known.producer == log.producer) {
            Some(known) if known.epoch < log.epoch => *known = log,
            Some(_) => {}
            None => logs.push(log),
        }
    }
    if let Some(producer) = producer {
        logs.retain(|log| log.producer.starts_with(producer));
        ensure!(
            !logs.is_empty(),
            "the node holds no log of operator {producer} in stream {name}; `phytomer stream ls {name}` shows whose"
        );
    } else if let Some(own) = logs.iter().find(|log| log.origin == "own") {
        return Ok((*own).clone());
    }
    match logs.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(eyre!("stream {name} has no events on this node yet")),
        _ => Err(eyre!(
            "stream {name} has logs of {} operators; name one with --producer (`phytomer stream ls {name}` shows them)",
            logs.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(producer: &str, epoch: u64, origin: &str) -> LogView {
        LogView {
            producer: producer.into(),
            epoch,
            origin: origin.into(),
            partition: 0,
            first: 0,
            next: 1,
            bytes: 1,
            frozen: None,
        }
    }

    fn stream(logs: Vec<LogView>) -> StreamView {
        StreamView {
            name: "certificates".into(),
            logs,
        }
    }

    #[test]
    fn the_newest_own_log_is_meant_where_nobody_is_named() {
        let view = stream(vec![
            log("aa", 1, "retired"),
            log("aa", 2, "own"),
            log("bb", 1, "peer"),
        ]);
        assert_eq!(pick(&view, None).unwrap().epoch, 2);
        assert_eq!(pick(&view, Some("b")).unwrap().producer, "bb");
        assert!(pick(&view, Some("c")).is_err());
    }

    #[test]
    fn of_several_foreign_logs_one_must_be_named() {
        let view = stream(vec![log("aa", 1, "peer"), log("bb", 1, "peer")]);
        assert!(
            pick(&view, None)
                .unwrap_err()
                .to_string()
                .contains("--producer")
        );
        assert!(pick(&stream(vec![log("aa", 1, "peer")]), None).is_ok());
        assert!(pick(&stream(vec![]), None).is_err());
    }
}
