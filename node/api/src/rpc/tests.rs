//! Whatever comes in, a well-formed answer goes out.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Rpc;
use crate::limits::{RPC_BATCH_LEN_MAX, RPC_REQUEST_BYTES_MAX};
use crate::metrics::Metrics;
use crate::testing::{NODE, any_json};

/// Every code that an answer may have; above all not -32603, which says that the node is at fault.
const CODES: &[i64] = &[-32700, -32600, -32601, -32602, -32000, -32003, -32005, 3, 4];

/// The methods that a running node has.
fn methods() -> Vec<&'static str> {
    let metrics = Metrics::register(&Default::default()).unwrap();
    let rpc = Rpc::new(
        &NODE.services,
        String::new(),
        metrics.into(),
        CancellationToken::new(),
    );
    let mut names: Vec<_> = rpc.methods.method_names().collect();
    names.sort_unstable();
    names
}

/// Checks the shape of one answer (JSON-RPC 2.0 §5) and returns its error.
fn checked(answer: &Value, id: &Value) -> Option<Value> {
    let fields: BTreeSet<_> = answer
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(answer["jsonrpc"], "2.0");
    assert_eq!(&answer["id"], id);
    let Some(error) = answer.get("error") else {
        assert_eq!(
            fields,
            BTreeSet::from(["id", "jsonrpc", "result"]),
            "{answer}"
        );
        return None;
    };
    assert_eq!(
        fields,
        BTreeSet::from(["error", "id", "jsonrpc"]),
        "{answer}"
    );
    assert!(CODES.contains(&error["code"].as_i64().unwrap()), "{error}");
    assert!(!error["message"].as_str().unwrap().is_empty());
    Some(error.clone())
}

fn call(method: &str, params: Value) -> Option<Value> {
    let answer = NODE
        .rpc(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string());
    assert_eq!(answer.status, 200);
    checked(&answer.json(), &json!(7))
}

#[test]
fn every_method_takes_any_arguments() {
    for method in methods() {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
        let params = prop_oneof![4 => vec(any_json(), 0..5).prop_map(Value::from), 1 => any_json()];
        let result = runner.run(&params, |params| {
            call(method, params);
            Ok(())
        });
        assert!(result.is_ok(), "{method}: {result:?}");
    }
    assert!(methods().len() > 40, "{:?}", methods());
}

#[test]
fn every_method_says_what_is_wrong_with_its_arguments() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = "0x".to_owned() + &"00".repeat(1 << 20);
    for method in methods()
        .into_iter()
        .filter(|name| !name.ends_with("subscribe"))
    {
        for argument in [deep.as_str(), r#"{"a":{"b":[1]}}"#, "\"\\ud800\"", "1e999"] {
            let message =
                format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":[{argument}]}}"#);
            let error = checked(&NODE.rpc(message).json(), &json!(7));
            // What takes an object takes one with unknown fields, as geth does.
            let lenient = ["eth_call", "eth_estimateGas", "eth_createAccessList"].contains(&method);
            assert!(
                lenient || error.is_some_and(|error| error["code"] == -32602),
                "{method} {argument:.40}"
            );
        }
        let too_many = call(method, json!([1, 2, 3, 4, 5])).unwrap();
        assert_eq!(too_many["code"], -32602, "{method}");
        assert!(
            too_many["message"]
                .as_str()
                .unwrap()
                .starts_with("too many arguments"),
            "{method}"
        );
        call(method, json!([long]));
        assert_eq!(
            call(method, json!({"a": 1})).unwrap()["message"],
            "non-array args"
        );
    }
}

#[test]
fn the_modules_are_those_of_the_methods() {
    let answer = NODE
        .rpc(json!({"jsonrpc": "2.0", "id": 7, "method": "rpc_modules"}).to_string())
        .json();
    let told: BTreeSet<_> = answer["result"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let found: BTreeSet<_> = methods()
        .iter()
        .map(|name| name.split('_').next().unwrap().to_owned())
        .collect();
    assert_eq!(told, found);
}

#[test]
fn the_node_signs_for_nobody() {
    for method in [
        "eth_sendTransaction",
        "eth_sign",
        "eth_signTransaction",
        "personal_unlockAccount",
        "debug_setHead",
        "admin_addPeer",
    ] {
        let error = call(method, json!([])).unwrap();
        assert_eq!(error["code"], -32601);
        assert_eq!(
            error["message"],
            format!("the method {method} does not exist/is not available")
        );
    }
}

#[test]
fn what_is_no_call_is_answered_as_in_geth() {
    let error = |message: &[u8]| {
        let answer = NODE.rpc(message.to_vec()).json();
        let error = checked(&answer, &answer["id"]).unwrap();
        (error["code"].as_i64().unwrap(), answer["id"].clone())
    };
    assert_eq!(error(b""), (-32700, Value::Null));
    assert_eq!(error(b"{"), (-32700, Value::Null));
    assert_eq!(error(b"\xff\xfe"), (-32700, Value::Null));
    assert_eq!(
        error(br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"} trailing"#),
        (-32700, Value::Null)
    );
    assert_eq!(
        error(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"),
        (-32700, Value::Null)
    );
    assert_eq!(error("[".repeat(100_000).as_bytes()), (-32700, Value::Null));
    assert_eq!(error(b"1"), (-32600, Value::Null));
    assert_eq!(error(b"{}"), (-32600, Value::Null));
    assert_eq!(error(b"[]"), (-32600, Value::Null));
    assert_eq!(
        error(br#"{"jsonrpc":"1.0","id":5,"method":"eth_chainId"}"#),
        (-32600, json!(5))
    );
    assert_eq!(
        error(br#"{"jsonrpc":"2.0","id":"a","method":7}"#),
        (-32600, json!("a"))
    );
    assert_eq!(
        error(br#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#),
        (-32600, Value::Null)
    );
}

#[test]
fn batches_are_bounded_and_answered_in_order() {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let full = vec![call.clone(); RPC_BATCH_LEN_MAX];
    assert_eq!(
        NODE.rpc(Value::from(full.clone()).to_string())
            .json()
            .as_array()
            .unwrap()
            .len(),
        RPC_BATCH_LEN_MAX
    );
    let over = [full, vec![call]].concat();
    assert_eq!(
        NODE.rpc(Value::from(over).to_string()).json()["error"]["code"],
        -32600
    );

    let notification = json!({"jsonrpc": "2.0", "method": "eth_chainId"});
    let mixed = json!([{"jsonrpc": "2.0", "id": "b", "method": "nope"}, notification, 1, {"jsonrpc": "2.0", "id": 2, "method": "net_version"}]);
    let answers = NODE.rpc(mixed.to_string()).json();
    let ids: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| &answer["id"])
        .collect();
    assert_eq!(ids, [&json!("b"), &Value::Null, &json!(2)]);

    let silent = NODE.rpc(json!([notification, notification]).to_string());
    assert_eq!((silent.status.as_u16(), silent.body.len()), (204, 0));
}

#[test]
fn size_and_type_of_the_body_are_checked() {
    let post = |kind: &'static str, body: Vec<u8>| {
        NODE.ask(
            http::Request::post("/rpc").header("content-type", kind),
            body,
        )
    };
    let chain_id = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"})
        .to_string()
        .into_bytes();
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON-RPC",
    ] {
        assert_eq!(post(kind, chain_id.clone()).json()["result"], "0x539");
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/jsonx",
    ] {
        let refused = post(kind, chain_id.clone());
        assert_eq!(refused.status, 415, "{kind}");
        assert!(
            refused.json()["remedy"]
                .as_str()
                .unwrap()
                .contains("application/json")
        );
    }
    let padded = |len| [chain_id.clone(), vec![b' '; len - chain_id.len()]].concat();
    assert_eq!(
        post("application/json", padded(RPC_REQUEST_BYTES_MAX)).status,
        200
    );
    let refused = post("application/json", padded(RPC_REQUEST_BYTES_MAX + 1));
    assert_eq!(
        (refused.status.as_u16(), refused.json()["status"].clone()),
        (413, json!(413))
    );
}

/// Clients check these nodes themselves: that they prove what the answer says is checked here with
/// the answer's own fields and nothing else of the node.
#[test]
fn proofs_prove_what_the_answer_says() {
    use alloy::primitives::B256;
    use alloy::rpc::types::EIP1186AccountProofResponse;
    use phytomer_ledger::{AccountProof, SlotProof};

    let ask = |method: &str, params: Value| {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        NODE.rpc(message.to_string()).json()["result"].clone()
    };
    let checked = |address: &str, keys: Value, is_there: bool| {
        // The head moves while other tests run.
        let block = ask("eth_getBlockByNumber", json!(["latest", false]));
        let root: B256 = block["stateRoot"].as_str().unwrap().parse().unwrap();
        let answer = ask("eth_getProof", json!([address, keys, block["number"]]));
        let proof: EIP1186AccountProofResponse = serde_json::from_value(answer.clone()).unwrap();
        let account = phytomer_ledger::Account {
            nonce: proof.nonce,
            balance: proof.balance,
            storage_root: proof.storage_hash,
            code_hash: proof.code_hash,
        };
        let slots = proof.storage_proof.into_iter().map(|slot| SlotProof {
            slot: slot.key.as_b256(),
            value: slot.value,
            proof: slot.proof,
        });
        let proof = AccountProof {
            address: proof.address,
            account: is_there.then_some(account),
            proof: proof.account_proof,
            slots: slots.collect(),
        };
        proof.verify(root).unwrap();
        answer
    };
    let token = phytomer_genesis::predeploy::TUSD.to_string();
    let answer = checked(&token, json!(["0x3", format!("0x{:064x}", 3)]), true);
    // Each key comes back in the form in which it was asked for.
    let keys = [
        &answer["storageProof"][0]["key"],
        &answer["storageProof"][1]["key"],
    ];
    assert_eq!(keys, [&json!("0x3"), &json!(format!("0x{:064x}", 3))]);
    assert!(
        !answer["storageProof"][0]["proof"]
            .as_array()
            .unwrap()
            .is_empty()
    );

    let absent = format!("0x{}", "77".repeat(20));
    let answer = checked(&absent, json!([]), false);
    assert_eq!(answer["codeHash"], json!(B256::ZERO));
    assert_eq!(answer["storageHash"], json!(B256::ZERO));

    let many = vec!["0x1"; crate::limits::PROOF_SLOTS_MAX + 1];
    let error = call("eth_getProof", json!([absent, many, "latest"])).unwrap();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("too many slots")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..200)) {
        let answer = NODE.rpc(bytes);
        prop_assert_eq!(answer.status.as_u16(), 200);
        let answer = answer.json();
        prop_assert!(checked(&answer, &answer["id"]).is_some());
    }

    #[test]
    fn any_json_gets_an_answer(message in any_json()) {
        let answer = NODE.rpc(message.to_string());
        prop_assert_eq!(answer.status.as_u16(), 200);
        match answer.json() {
            Value::Array(answers) => prop_assert!(answers.iter().all(|answer| checked(answer, &answer["id"]).is_some())),
            answer => prop_assert!(checked(&answer, &answer["id"]).is_some()),
        }
    }
}
