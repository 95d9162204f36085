//! The first message of two nodes that meet.

use crate::codec::Message;

/// Who speaks. Peers of another network part at once.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Hello {
    /// Name and chain id of the network: `dev-752353584`. Peers of different networks part.
    #[prost(string, tag = "1")]
    pub network: String,
    /// The program and its version, for people.
    #[prost(string, tag = "2")]
    pub agent: String,
    /// What the node does for others, for people.
    #[prost(string, repeated, tag = "3")]
    pub services: Vec<String>,
}

impl Message for Hello {
    const BYTES_MAX: usize = 4 << 10;
    const NAME: &'static str = "Hello";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn hello_has_these_bytes() {
        let hello = Hello {
            network: "dev-1".into(),
            agent: "phytomer/0.1.0".into(),
            services: vec!["streams".into(), "blobs".into()],
        };
        assert_eq!(
            hex::encode(codec::encode(&hello)),
            "0a056465762d31120e706879746f6d65722f302e312e301a0773747265616d731a05626c6f6273"
        );
    }
}
