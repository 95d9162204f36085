//! Which logs of others are kept here.

use std::collections::BTreeSet;

use phytomer_pqc::OperatorId;

use super::SyncConfig;
use crate::{LogId, StreamName};

/// Decides which logs of others are kept here.
#[derive(Debug)]
pub(crate) struct Admission {
    streams: Option<BTreeSet<StreamName>>,
    producers: Option<BTreeSet<OperatorId>>,
}

impl Admission {
    pub(crate) fn new(config: &SyncConfig) -> Self {
        let set = |streams: &Vec<StreamName>| streams.iter().cloned().collect();
        let ids = |producers: &Vec<OperatorId>| producers.iter().copied().collect();
        Self {
            streams: config.streams.as_ref().map(set),
            producers: config.producers.as_ref().map(ids),
        }
    }

    /// Whether anything of the log is of interest.
    pub(crate) fn follows(&self, log: &LogId) -> bool {
        let stream = self.streams.as_ref();
        let producer = self.producers.as_ref();
        stream.is_none_or(|streams| streams.contains(&log.stream))
            && producer.is_none_or(|producers| producers.contains(&log.producer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    fn log(stream: &str, producer: u8) -> LogId {
        LogId {
            stream: stream.parse().unwrap(),
            producer: OperatorId::from_bytes([producer; 32]),
            epoch: Epoch(1),
        }
    }

    #[test]
    fn everything_is_followed_unless_it_is_restricted() {
        let all = Admission::new(&SyncConfig::default());
        assert!(all.follows(&log("a", 1)));
        let some = Admission::new(&SyncConfig {
            streams: Some(vec!["a".parse().unwrap()]),
            producers: Some(vec![OperatorId::from_bytes([1; 32])]),
            ..SyncConfig::default()
        });
        assert!(some.follows(&log("a", 1)));
        assert!(!some.follows(&log("b", 1)));
        assert!(!some.follows(&log("a", 2)));
    }
}
