//! The REST API against its own description: whatever comes in, what goes out is described.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::limits::RECOGNITIONS_PER_MINUTE;
use crate::testing::{Answer, NODE, RUNTIME, any_json};

const PHOTO: &[u8] = include_bytes!("../../../../inference/models/samples/manihot-esculenta.jpg");

/// An operation of the OpenAPI document.
#[derive(Clone, Debug)]
struct Operation {
    method: String,
    path: String,
    described: Value,
}

/// Every operation that the running node describes.
fn operations() -> Vec<Operation> {
    let document = NODE.get("/openapi.json").json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let (method, path) = (method.to_uppercase(), path.clone());
            operations.push(Operation {
                method,
                path,
                described: described.clone(),
            });
        }
    }
    assert!(operations.len() >= 30, "{operations:?}");
    operations
}

impl Operation {
    /// Whether it needs the operator's token.
    fn is_write(&self) -> bool {
        self.described.get("security").is_some()
    }

    /// Its path with this text in place of the parameter.
    fn with(&self, segment: &str) -> String {
        match (self.path.split_once('{'), self.path.split_once('}')) {
            (Some((before, _)), Some((_, after))) => format!("{before}{segment}{after}"),
            _ => self.path.clone(),
        }
    }

    fn request(&self, path: &str) -> http::request::Builder {
        http::Request::builder()
            .method(self.method.as_str())
            .uri(path)
    }

    /// Checks that the answer is one that the document describes.
    fn check(&self, answer: &Answer) {
        let status = answer.status.as_u16();
        assert!(status != 500 && status != 503, "{self:?} {answer:?}");
        if answer.status.is_success() {
            assert!(
                self.described["responses"]
                    .get(status.to_string())
                    .is_some(),
                "{self:?} {status}"
            );
            return;
        }
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        for member in ["type", "title", "detail", "remedy"] {
            assert!(!problem[member].as_str().unwrap().is_empty(), "{problem}");
        }
    }
}

fn bearer() -> String {
    format!("Bearer {}", NODE.services.operator_token.expose())
}

/// A value of a path parameter, as it stands in a URL.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,30}",
        "[a-f0-9]{64}",
        "[A-Za-z0-9._~-]{1,20}",
        select(
            &[
                "1",
                "0",
                "-1",
                "revocation",
                "%00",
                "%ff%fe",
                "%F0%9F%8C%B1",
                "..",
                "%2e%2e%2f",
                "1.5",
                "ledger",
                "readings",
                "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo",
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "limit", "before", "after", "from", "producer", "epoch", "unknown", "%ff", "",
        ][..],
    );
    let value = prop_oneof![
        "[0-9-]{0,25}",
        select(&["20", "0", "101", "1.5", "%00", "%zz", "true"][..]).prop_map(str::to_owned)
    ];
    vec((name, value), 0..3).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}&"))
            .collect()
    })
}

/// A body with its type: JSON, a form, a photo, or anything.
fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let kind = select(
        &[
            "application/json",
            "image/jpeg",
            "text/plain",
            "application/octet-stream",
            "multipart/form-data",
            "",
        ][..],
    );
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..300),
        any_json().prop_map(|json| json.to_string().into_bytes())
    ];
    let plain = (kind, bytes).prop_map(|(kind, bytes)| (kind.to_owned(), bytes));
    let part = (
        select(&["photo", "details", "unknown", "\u{e9}"][..]),
        prop_oneof![
            Just(PHOTO.to_vec()),
            vec(any::<u8>(), 0..100),
            any_json().prop_map(|json| json.to_string().into_bytes()),
            Just(br#"{"quantity":"0","unit":"H87"}"#.to_vec()),
        ],
    );
    let form = vec(part, 0..4).prop_map(|parts| multipart(&parts));
    prop_oneof![2 => plain, 1 => form]
}

fn multipart(parts: &[(&str, Vec<u8>)]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        body.extend(
            format!("--frame\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n").bytes(),
        );
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--frame--\r\n");
    ("multipart/form-data; boundary=frame".into(), body)
}

#[test]
fn every_operation_takes_anything_and_answers_as_described() {
    for operation in operations()
        .iter()
        .filter(|operation| operation.path != "/v1/events")
    {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(96));
        let input = (segment(), query(), body());
        let result = runner.run(&input, |(segment, query, (kind, bytes))| {
            let path = operation.with(&segment);
            let request = operation
                .request(&format!("{path}?{query}"))
                .header("content-type", kind);
            let answer = NODE.ask(request.header("authorization", bearer()), bytes);
            // The rate limit is meant to answer here; it has tests of its own.
            if answer.status != 429 {
                operation.check(&answer);
            }
            Ok(())
        });
        assert!(
            result.is_ok(),
            "{} {}: {result:?}",
            operation.method,
            operation.path
        );
    }
}

#[test]
fn what_writes_needs_the_token_and_nothing_else_may_write() {
    let open: BTreeSet<_> = operations()
        .into_iter()
        .filter(|operation| operation.method != "GET" && !operation.is_write())
        .map(|operation| operation.path)
        .collect();
    assert_eq!(
        open,
        BTreeSet::from([
            "/v1/recognitions".to_owned(),
            "/v1/verifications".to_owned()
        ])
    );
    for operation in operations().iter().filter(|operation| operation.is_write()) {
        let path = operation.with("1");
        for authorization in ["", "Bearer", "Bearer 0", "Basic AAAA"] {
            let answer = NODE.ask(
                operation
                    .request(&path)
                    .header("authorization", authorization),
                "{}",
            );
            assert_eq!(answer.status, 401, "{operation:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            operation.check(&answer);
        }
        assert!(operation.described["responses"].get("401").is_some());
    }
}

#[test]
fn the_description_is_whole() {
    let document = NODE.get("/openapi.json").json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["components"]["securitySchemes"]["operator"].is_object());
    let text = document.to_string();
    let schemas = &document["components"]["schemas"];
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            schemas.get(name).is_some(),
            "{name} is referred to and not described"
        );
    }
    let names: Vec<_> = operations()
        .iter()
        .map(|operation| operation.described["operationId"].to_string())
        .collect();
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "{names:?}"
    );
    for operation in operations() {
        assert!(
            operation.described["responses"].get("default").is_some(),
            "{operation:?}"
        );
        let words = operation
            .described
            .get("summary")
            .or(operation.described.get("description"));
        assert!(words.is_some(), "{operation:?}");
    }
}

fn certify(details: &Value, key: &str) -> Answer {
    let (kind, form) = multipart(&[
        ("photo", PHOTO.to_vec()),
        ("details", details.to_string().into_bytes()),
    ]);
    let request = http::Request::post("/v1/certificates")
        .header("content-type", kind)
        .header("authorization", bearer())
        .header("idempotency-key", key);
    NODE.ask(request, form)
}

fn post(path: &str, body: &Value) -> Answer {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", bearer());
    NODE.ask(request, body.to_string())
}

#[test]
fn a_lot_is_certified_read_split_offered_and_verified() {
    let details = json!({"quantity": "500", "unit": "H87", "scientificName": "Manihot esculenta"});
    let created = certify(&details, "story");
    assert_eq!(created.status, 201, "{:?}", created.json());
    let certificate = created.json();
    let path = created.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(NODE.get(&path).json(), certificate);
    assert_eq!(
        certificate["quantity"],
        json!({"value": "500", "unit": "H87"})
    );
    assert_eq!(
        certify(&details, "story").json()["id"],
        certificate["id"],
        "the key stands for one request"
    );
    let other = json!({"quantity": "1", "unit": "H87", "scientificName": "Manihot esculenta"});
    assert_eq!(certify(&other, "story").status, 409);

    let photo = NODE.get(certificate["photo"].as_str().unwrap());
    assert_eq!(
        (&photo.body[..], &photo.headers["content-type"]),
        (PHOTO, &"image/jpeg".parse().unwrap())
    );
    let known = http::Request::get(certificate["photo"].as_str().unwrap())
        .header("if-none-match", &photo.headers["etag"]);
    assert_eq!(NODE.ask(known, "").status, 304);

    let credential = NODE.get(&format!("{path}/credential"));
    assert_eq!(credential.headers["content-type"], "application/vc");
    let verification = NODE
        .ask(http::Request::post("/v1/verifications"), credential.body)
        .json();
    assert_eq!(verification["verdict"], "valid", "{verification}");

    let split = post(
        &format!("{path}/split"),
        &json!({"quantities": ["100", "100"]}),
    );
    assert_eq!(split.status, 201, "{:?}", split.json());
    let child = split.json()["certificates"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(NODE.get(&path).json()["remainder"], "300");
    let lineage = NODE.get(&format!("{path}/lineage")).json();
    assert_eq!(
        (
            lineage["nodes"].as_array().unwrap().len(),
            lineage["edges"].as_array().unwrap().len()
        ),
        (3, 2)
    );
    let over = post(&format!("{path}/split"), &json!({"quantities": ["301"]}));
    assert_eq!(over.status, 422);

    let offer = post(
        &format!("/v1/certificates/{child}/offers"),
        &json!({"price": "25"}),
    );
    assert_eq!(offer.status, 201, "{:?}", offer.json());
    let offer = offer.json();
    let read = NODE
        .get(&format!("/v1/offers/{}", offer["id"].as_str().unwrap()))
        .json();
    assert_eq!(
        (&read["status"], &read["price"]),
        (&json!("open"), &json!({"value": "25", "currency": "tUSD"}))
    );

    let list = NODE.get("/v1/certificates?limit=1").json();
    assert_eq!(list["certificates"].as_array().unwrap().len(), 1);
    for purpose in ["revocation", "suspension"] {
        let list = NODE.get(&format!("/v1/status-lists/{purpose}"));
        assert_eq!(
            (list.status.as_u16(), &list.headers["content-type"]),
            (200, &"application/vc".parse().unwrap())
        );
    }
    assert_eq!(
        NODE.get("/v1/node").json()["issuer"]["address"],
        certificate["issuer"]["address"]
    );
}

#[test]
fn a_photo_is_recognised_and_recognitions_are_rationed() {
    let recognise = |last_byte, photo: &'static [u8]| {
        let peer = ConnectInfo(SocketAddr::from(([192, 0, 2, last_byte], 50_000)));
        let request = http::Request::post("/v1/recognitions")
            .header("host", "localhost")
            .extension(peer);
        RUNTIME.block_on(NODE.send(request.body(Bytes::from_static(photo)).unwrap()))
    };
    let first = recognise(1, PHOTO);
    let answer = first.json();
    assert_eq!(first.status, 200, "{answer}");
    assert_eq!(answer["species"][0]["scientificName"], "Manihot esculenta");
    assert_eq!(answer["species"].as_array().unwrap().len(), 5);
    assert_eq!(
        answer["notice"],
        "An estimate from a photo, not a laboratory diagnosis."
    );
    assert_eq!(answer["model"], NODE.services.about.model.id.as_str());

    let refused: Vec<_> = (0..=RECOGNITIONS_PER_MINUTE)
        .map(|_| recognise(2, b"no photo"))
        .collect();
    let (last, earlier) = refused.split_last().unwrap();
    assert!(earlier.iter().all(|answer| answer.status == 422));
    assert_eq!(
        (last.status.as_u16(), &last.headers["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert_eq!(
        recognise(3, b"no photo").status,
        422,
        "others have a ration of their own"
    );
}

#[test]
fn an_event_is_appended_listed_and_read_in_every_encoding() {
    let path = "/v1/streams/encodings/events";
    let cases = [
        (
            json!({"key": "k", "value": {"a": 1}}),
            "json",
            json!({"a": 1}),
        ),
        (
            json!({"value": "leaf", "encoding": "text"}),
            "text",
            json!("leaf"),
        ),
        (
            json!({"value": "/wA=", "encoding": "base64"}),
            "base64",
            json!("/wA="),
        ),
        (json!({"key": "k", "encoding": "none"}), "none", Value::Null),
    ];
    for (offset, (event, _, _)) in cases.iter().enumerate() {
        let appended = post(path, event);
        assert_eq!(appended.status, 201, "{:?}", appended.json());
        assert_eq!(appended.json()["offset"], offset);
    }
    let log = NODE.get("/v1/streams/encodings").json()["logs"][0].clone();
    assert_eq!(
        (&log["first"], &log["next"], &log["origin"]),
        (&json!(0), &json!(4), &json!("own"))
    );
    let page = NODE.get(&format!("{path}?from=0&limit=10")).json();
    for (event, (_, encoding, value)) in page["events"].as_array().unwrap().iter().zip(&cases) {
        assert_eq!(
            (&event["encoding"], &event["value"]),
            (&json!(encoding), value),
            "{event}"
        );
        assert_eq!(event["producer"], log["producer"]);
    }
    assert_eq!(page["next"], 4);
    assert_eq!(
        NODE.get(&format!("{path}?from=1&limit=2")).json()["events"][0]["offset"],
        1
    );
    assert_eq!(
        NODE.get(&format!("{path}?from=4")).json()["events"],
        json!([])
    );
    assert_eq!(NODE.get(&format!("{path}?from=5")).status, 404);

    for stream in ["ledger", "certificates", "operator"] {
        let refused = post(
            &format!("/v1/streams/{stream}/events"),
            &json!({"value": 1}),
        );
        assert_eq!(refused.status, 409, "{stream}");
    }
    for wrong in [
        json!({"value": 1, "encoding": "text"}),
        json!({"value": "/", "encoding": "base64"}),
    ] {
        assert_eq!(post(path, &wrong).status, 422);
    }
}

#[test]
fn a_blob_is_added_shown_and_given_back_as_a_file() {
    let content = b"<script>".repeat(50_000);
    let request = http::Request::post("/v1/blobs").header("authorization", bearer());
    let added = NODE.ask(request, content.clone());
    assert_eq!(added.status, 201, "{:?}", added.json());
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/blobs/{id}");
    let got = NODE.get(&path);
    assert_eq!(got.body, content);
    assert_eq!(got.headers["content-type"], "application/octet-stream");
    assert_eq!(got.headers["content-disposition"], "attachment");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        got.headers["content-length"],
        content.len().to_string().as_str()
    );
    let head = NODE.ask(http::Request::head(&path), "");
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let stat = NODE.get(&format!("{path}/stat")).json();
    assert_eq!(
        (&stat["complete"], &stat["bytes"]),
        (&json!(true), &json!(content.len()))
    );
    assert!(NODE.get("/v1/blobs").json().to_string().contains(&id));
    let fetched = http::Request::post(format!("{path}/fetch")).header("authorization", bearer());
    assert_eq!(NODE.ask(fetched, "").status, 200);
}

#[test]
fn the_network_is_shown_and_peers_that_are_none_are_refused() {
    let network = NODE.get("/v1/network").json();
    assert!(network["peer"].as_str().unwrap().starts_with("12D3KooW"));
    assert_eq!(
        network["peers"],
        json!({"total": 0, "inbound": 0, "outbound": 0})
    );
    assert_eq!(NODE.get("/v1/network/peers").json(), json!({"peers": []}));
    let wrong = post("/v1/network/peers", &json!({"address": "nonsense"}));
    assert_eq!(wrong.status, 422);
    assert!(wrong.json()["remedy"].as_str().unwrap().contains("/ip4/"));
    let nobody = post(
        "/v1/network/peers",
        &json!({"address": "/ip4/127.0.0.1/tcp/1"}),
    );
    assert_eq!(nobody.status, 502, "{:?}", nobody.json());
    let peers = NODE
        .rpc(r#"{"jsonrpc":"2.0","id":1,"method":"net_peerCount"}"#)
        .json();
    assert_eq!(peers["result"], "0x0");
    let listening = NODE
        .rpc(r#"{"jsonrpc":"2.0","id":1,"method":"net_listening"}"#)
        .json();
    assert_eq!(listening["result"], true);
}
