//! The specification as a file.

use alloy::genesis::Genesis;
use serde::{Deserialize, Serialize};

use crate::{Error, Predeploy, SetupCall, Spec};

/// The most bytes that are read as a genesis file; Ethereum's own has 700 kB.
pub const GENESIS_BYTES_MAX: usize = 64 << 20;

/// The name of our section within the file.
const SECTION: &str = "phytomer";

/// What this network adds to go-ethereum's genesis.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Section {
    network: String,
    #[serde(default)]
    predeploys: Vec<Predeploy>,
    #[serde(default)]
    setup: Vec<SetupCall>,
}

/// Everything but the section is left to [`Genesis`].
#[derive(Deserialize)]
struct Document {
    phytomer: Option<Section>,
}

impl Spec {
    /// The specification as a `genesis.json`, with what go-ethereum does not know in the section
    /// `phytomer`, which it ignores.
    ///
    /// go-ethereum finds the genesis hash of such a file only when there are no predeploys, for it
    /// does not run them. The exported genesis of `phytomer-evm` holds what they leave behind.
    #[must_use]
    pub fn to_json(&self) -> String {
        let section = Section {
            network: self.network.clone(),
            predeploys: self.predeploys.clone(),
            setup: self.setup.clone(),
        };
        let mut document = serde_json::to_value(&self.genesis).expect("a genesis is a JSON object");
        document[SECTION] = serde_json::to_value(section).expect("a section is a JSON object");
        serde_json::to_string_pretty(&document).expect("a JSON value has a JSON text")
    }

    /// Reads what [`Self::to_json`] wrote, or any genesis of go-ethereum.
    ///
    /// # Errors
    /// [`Error`] says what is wrong and where.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        if text.len() > GENESIS_BYTES_MAX {
            return Err(Error::TooLarge {
                len: text.len(),
                max: GENESIS_BYTES_MAX,
            });
        }
        // Both readings skip what belongs to the other, so that errors keep their line.
        let genesis: Genesis = serde_json::from_str(text).map_err(Error::Json)?;
        let document: Document = serde_json::from_str(text).map_err(Error::Section)?;
        let spec = match document.phytomer {
            Some(Section {
                network,
                predeploys,
                setup,
            }) => Self {
                network,
                genesis,
                predeploys,
                setup,
            },
            None => Self::plain(format!("chain-{}", genesis.config.chain_id), genesis),
        };
        spec.check()?;
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DevAccount, Issuer, dev};

    fn spec() -> Spec {
        dev(
            1_337,
            Issuer::new(DevAccount::User9.address(), "did:key:z6Mk"),
            1_760_000_000,
        )
    }

    /// The file of [`spec`] after `change`.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<Spec, Error> {
        let mut document: Value = serde_json::from_str(&spec().to_json()).unwrap();
        change(&mut document);
        Spec::from_json(&document.to_string())
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        assert_eq!(Spec::from_json(&spec().to_json()).unwrap(), spec());
    }

    #[test]
    fn a_genesis_without_our_section_is_a_plain_chain() {
        let plain = changed(|document| {
            document.as_object_mut().unwrap().remove(SECTION);
        });
        assert_eq!(plain.unwrap(), Spec::plain("chain-1337", spec().genesis));
    }

    #[test]
    fn errors_name_the_field() {
        type Change = fn(&mut Value);
        let message = |change: Change| changed(change).unwrap_err().to_string();
        let cases: [(Change, &str); 8] = [
            (
                |v| v[SECTION]["colour"] = json!("green"),
                "unknown field `colour`",
            ),
            (
                |v| v[SECTION]["predeploys"][0]["size"] = json!(1),
                "unknown field `size`",
            ),
            (
                |v| v[SECTION]["setup"][0]["from"] = json!(5),
                "invalid type: integer `5`",
            ),
            (
                |v| drop(v[SECTION].as_object_mut().unwrap().remove("network")),
                "missing field `network`",
            ),
            (|v| v["gasLimit"] = json!("many"), "is not valid"),
            (
                |v| v["gasLimit"] = json!("0x1"),
                "`gasLimit` to 1, which must be at least 5000",
            ),
            (
                |v| v["config"]["chainId"] = json!(0),
                "`config.chainId` to 0",
            ),
            (
                |v| v[SECTION]["predeploys"][1] = v[SECTION]["predeploys"][0].clone(),
                "0xCA00000000000000000000000000000000000001 is used twice",
            ),
        ];
        for (change, expected) in cases {
            let found = message(change);
            assert!(found.contains(expected), "{found} does not say {expected}");
        }
    }

    #[test]
    fn what_is_no_genesis_is_refused() {
        for text in ["", "[]", "null", "{", "\"genesis\"", &"[".repeat(10_000)] {
            assert!(Spec::from_json(text).is_err(), "{text:.20}");
        }
    }
}
