//! The crate against PyTorch: the same logits for the same pixels, the same
//! pixels for the same files, the same id for the same model.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use phytomer_models::{ModelId, Photo, Pixels, Recogniser};
use safetensors::SafeTensors;
use serde::Deserialize;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/leaf-40")
}

#[derive(Deserialize)]
struct Index {
    model: ModelId,
    files: Vec<String>,
}

/// A file with what Python made of it.
struct Case {
    name: String,
    file: Vec<u8>,
    pixels: Pixels,
    logits: Vec<f32>,
}

fn index() -> Index {
    serde_json::from_slice(&std::fs::read(folder().join("reference.json")).unwrap()).unwrap()
}

fn cases(side: u32) -> Vec<Case> {
    let archive = std::fs::read(folder().join("reference.safetensors")).unwrap();
    let archive = SafeTensors::deserialize(&archive).unwrap();
    let (pixels, logits) = (
        archive.tensor("pixels").unwrap(),
        archive.tensor("logits").unwrap(),
    );
    let files = index().files;
    assert_eq!(files.len(), 12);
    let pixels = pixels.data().chunks(pixels.data().len() / files.len());
    let logits = logits.data().chunks(logits.data().len() / files.len());
    files
        .into_iter()
        .zip(pixels.zip(logits))
        .map(|(name, (pixels, logits))| Case {
            file: std::fs::read(folder().join(&name)).unwrap(),
            name,
            pixels: Pixels::from_levels(side, pixels.to_vec()).unwrap(),
            logits: logits
                .chunks(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect(),
        })
        .collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

fn best(logits: &[f32]) -> usize {
    (0..logits.len())
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap()
}

#[test]
fn logits_of_the_same_pixels_agree_with_pytorch() {
    let model = Recogniser::shipped().unwrap();
    for case in cases(model.config().input.side) {
        let logits = model.logits(&case.pixels).unwrap();
        let difference = largest_difference(&logits, &case.logits);
        assert!(difference < 1e-4, "{}: {difference}", case.name);
    }
}

#[test]
fn pixels_of_the_same_file_agree_with_python() {
    let model = Recogniser::shipped().unwrap();
    let input = &model.config().input;
    for case in cases(input.side) {
        let pixels = Pixels::prepare(&Photo::decode(&case.file).unwrap(), input).unwrap();
        let pairs = pixels.levels().iter().zip(case.pixels.levels());
        let apart: Vec<u8> = pairs.map(|(a, b)| a.abs_diff(*b)).collect();
        let mean = apart.iter().map(|d| f64::from(*d)).sum::<f64>() / apart.len() as f64;
        let most = apart.iter().copied().max().unwrap();
        // PNG decodes to the same bytes everywhere, so only a sum that ends
        // within float error of a half can round the other way: one byte in a
        // hundred at most. JPEG and WebP
        // leave a decoder some freedom (IDCT, chroma upsampling).
        let lossless = case.name.ends_with(".png");
        let (mean_max, most_max) = if lossless { (0.01, 1) } else { (0.5, 12) };
        assert!(
            mean <= mean_max && most <= most_max,
            "{}: mean {mean}, most {most}",
            case.name
        );
    }
}

#[test]
fn answers_to_the_same_file_agree_with_pytorch() {
    let model = Recogniser::shipped().unwrap();
    for case in cases(model.config().input.side) {
        let pixels =
            Pixels::prepare(&Photo::decode(&case.file).unwrap(), &model.config().input).unwrap();
        let logits = model.logits(&pixels).unwrap();
        let difference = largest_difference(&logits, &case.logits);
        let allowed = if case.name.ends_with(".png") {
            0.02
        } else {
            0.4
        };
        assert!(difference < allowed, "{}: {difference}", case.name);

        let answer = model.recognise(&case.file).unwrap();
        assert_eq!(
            answer.species[0].label,
            model.config().species[best(&case.logits)].label
        );
        assert_eq!(answer.species.len(), model.config().species.len());
        let confidences: Vec<f32> = answer.species.iter().map(|c| c.confidence).collect();
        assert!(confidences.is_sorted_by(|a, b| a >= b));
        let unsure = f64::from(confidences[0]) < model.config().output.unknown_below;
        assert_eq!(answer.unknown, unsure);
    }
}

#[test]
fn the_id_is_the_one_that_python_computed() {
    let model = Recogniser::shipped().unwrap();
    assert_eq!(model.id(), index().model);
}

#[test]
fn the_json_of_an_answer_has_the_documented_fields() {
    let model = Recogniser::shipped().unwrap();
    let case = cases(model.config().input.side).swap_remove(0);
    let answer = model.recognise(&case.file).unwrap();
    let json = serde_json::to_value(&answer).unwrap();
    let first = &json["species"][0];
    assert_eq!(first["label"], answer.species[0].label);
    assert_eq!(first["scientificName"], answer.species[0].scientific_name);
    let shown = first["confidence"].as_f64().unwrap();
    assert!((shown - f64::from(answer.species[0].confidence)).abs() <= 5e-5);
    assert!(shown.to_string().len() <= "0.1234".len(), "{shown}");
    assert_eq!(json["unknown"], answer.unknown);
    assert_eq!(json["model"], model.id().to_string());
    let back: phytomer_models::Recognition = serde_json::from_value(json).unwrap();
    assert_eq!(back.model, answer.model);
}
