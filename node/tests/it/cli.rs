//! The command line: the story, verification and recognition without a node, the doctor.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::node::{BIN, DevNode, phytomer};

/// A leaf of *Manihot esculenta*; see the model card for its source.
const LEAF: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../inference/models/samples/manihot-esculenta.jpg"
);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn get(url: &str) -> Vec<u8> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        reqwest::get(url)
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    })
}

#[test]
fn the_story_is_told_and_its_credentials_verify_without_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("node");
    let node = DevNode::start(&data_dir);
    let demo = phytomer(&[
        "demo",
        "--node",
        node.url(),
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]);
    let transcript = text(&demo.stdout);
    assert!(demo.status.success(), "{transcript}{}", text(&demo.stderr));
    assert!(
        transcript.contains("500 in children + 0 remaining = 500"),
        "{transcript}"
    );
    assert!(transcript.contains("XYLEFA"), "{transcript}");
    assert!(transcript.contains("X25519MLKEM768"), "{transcript}");
    assert!(
        transcript.contains("by the second node from its own copy"),
        "{transcript}"
    );

    let credential = get(&format!("{}/v1/certificates/2/credential", node.url()));
    let suspensions = get(&format!("{}/v1/status-lists/suspension", node.url()));
    let online = format!("{}/", node.url());
    let (file, list) = (
        folder.path().join("lot.json"),
        folder.path().join("list.json"),
    );
    fs::write(&file, &credential).unwrap();
    fs::write(&list, &suspensions).unwrap();

    let with_node = phytomer(&[
        "verify",
        file.to_str().unwrap(),
        "--node",
        &online,
        "--json",
    ]);
    assert!(!with_node.status.success(), "a suspended lot verifies");
    assert_eq!(
        node.interrupt().code(),
        Some(0),
        "the node did not stop cleanly"
    );

    let alone = phytomer(&["verify", file.to_str().unwrap(), "--json"]);
    assert!(alone.status.success(), "{}", text(&alone.stdout));
    let with_list = phytomer(&[
        "verify",
        file.to_str().unwrap(),
        "--status-list",
        list.to_str().unwrap(),
        "--json",
    ]);
    assert!(
        !with_list.status.success(),
        "a suspended lot verifies with its status list"
    );
    assert_eq!(failed(&with_list.stdout), ["suspension"]);

    let tampered = text(&credential).replace("Manihot esculenta", "Cannabis sativa");
    fs::write(&file, tampered).unwrap();
    let forged = phytomer(&["verify", file.to_str().unwrap(), "--json"]);
    assert!(!forged.status.success());
    assert_eq!(failed(&forged.stdout), ["signature"]);
}

/// The names of the checks that failed.
fn failed(report: &[u8]) -> Vec<String> {
    let report: Value = serde_json::from_slice(report).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["outcome"] == "failed")
        .map(|check| check["name"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn recognition_prints_one_object_a_line_and_fails_for_what_is_no_photo() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jpg");
    fs::write(&empty, b"").unwrap();
    let output = phytomer(&["recognise", "--json", LEAF, empty.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["file"], LEAF);
    assert_eq!(lines[0]["species"][0]["label"], "manihot-esculenta");
    assert_eq!(lines[0]["species"].as_array().unwrap().len(), 40);
    assert_eq!(
        lines[0]["model"]
            .as_str()
            .unwrap()
            .trim_start_matches("0x")
            .len(),
        64
    );
    assert!(lines[1]["error"].is_string());
}

#[test]
fn a_file_that_is_no_credential_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("empty", ""),
        ("text", "hello"),
        ("list", "[]"),
        ("deep", &"[".repeat(100_000)),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let output = phytomer(&["verify", file.to_str().unwrap(), "--json"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(!failed(&output.stdout).is_empty(), "{name}");
    }
}

#[test]
fn the_doctor_names_what_is_wrong_and_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let remedy = |dir: &Path, subject: &str| -> Option<String> {
        let output = phytomer(&["doctor", "--json", "--data-dir", dir.to_str().unwrap()]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let finding = findings
            .iter()
            .find(|finding| finding["subject"] == subject && finding["remedy"].is_string());
        finding.map(|finding| finding["remedy"].as_str().unwrap().to_string())
    };
    assert!(
        remedy(&dir, "data folder")
            .unwrap()
            .contains("phytomer init")
    );

    assert!(
        phytomer(&["init", "--unattended", "--data-dir", dir.to_str().unwrap()])
            .status
            .success()
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("[http]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    fs::write(dir.join("config.toml"), listen).unwrap();
    assert!(remedy(&dir, "port").unwrap().contains("--http-listen"));

    fs::set_permissions(
        dir.join("operator.token"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert!(remedy(&dir, "permissions").unwrap().starts_with("chmod"));

    fs::write(dir.join("keys/password"), "wrong").unwrap();
    assert!(remedy(&dir, "keys").is_some());

    fs::write(dir.join("config.toml"), "[http]\nlistne = 1\n").unwrap();
    assert!(
        remedy(&dir, "configuration")
            .unwrap()
            .contains("config.toml")
    );
}

#[test]
fn a_node_whose_output_nobody_reads_still_stops_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(BIN)
        .args(["dev", "--http-port", "0", "--data-dir"])
        .arg(folder.path().join("node"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("contracts")));
    drop(lines);
    let interrupt = ["-INT", &child.id().to_string()];
    Command::new("kill").args(interrupt).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn help_teaches_every_verb() {
    let help = text(&phytomer(&["--help"]).stdout);
    for verb in [
        "init",
        "run",
        "dev",
        "demo",
        "status",
        "peers",
        "stream",
        "blob",
        "doctor",
        "recognise",
        "verify",
        "keys",
    ] {
        assert!(help.contains(verb), "{help}");
        assert!(phytomer(&[verb, "--help"]).status.success(), "{verb}");
    }
}
