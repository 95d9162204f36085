//! Models from directories: the id follows what computes, and nothing that is
//! broken loads.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;

use phytomer_models::{Error, Recogniser};
use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize};

const CONFIG: &str = include_str!("../leaf-40/model.toml");
const WEIGHTS: &[u8] = include_bytes!("../leaf-40/weights.safetensors");

/// The shipped tensors by name: dtype, shape and bytes.
fn tensors() -> HashMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let archive = SafeTensors::deserialize(WEIGHTS).unwrap();
    archive
        .iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

fn file(tensors: &HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>, note: Option<&str>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (
            name.as_str(),
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    let note = note.map(|note| HashMap::from([("note".to_owned(), note.to_owned())]));
    serialize(views, note).unwrap()
}

#[test]
fn a_directory_with_the_shipped_files_is_the_shipped_model() {
    let shipped = Recogniser::shipped().unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("leaf-40");
    let opened = Recogniser::open(&dir).unwrap();
    assert_eq!(opened.id(), shipped.id());
    assert_eq!(opened.config(), shipped.config());
}

#[test]
fn the_id_ignores_layout_and_follows_every_value() {
    let shipped = Recogniser::shipped().unwrap();
    let noted = file(&tensors(), Some("the same tensors behind another header"));
    assert_ne!(noted, WEIGHTS);
    let commented = format!("# a comment\n{CONFIG}");
    let same = Recogniser::from_parts(&commented, &noted).unwrap();
    assert_eq!(same.id(), shipped.id());

    let mut changed = tensors();
    changed.get_mut("head.bias").unwrap().2[0] ^= 1;
    let other = Recogniser::from_parts(CONFIG, &file(&changed, None)).unwrap();
    assert_ne!(other.id(), shipped.id());

    let renamed = CONFIG.replace("name = \"leaf-40\"", "name = \"leaf-41\"");
    assert_ne!(
        Recogniser::from_parts(&renamed, WEIGHTS).unwrap().id(),
        shipped.id()
    );
}

#[test]
fn weights_that_do_not_fit_name_the_tensor() {
    let mut missing = tensors();
    missing.remove("head.bias");
    let mut extra = tensors();
    let bias = extra["head.bias"].clone();
    extra.insert("tail.bias".to_owned(), bias);
    let mut reshaped = tensors();
    reshaped.get_mut("head.bias").unwrap().1.insert(0, 1);
    let mut infinite = tensors();
    infinite.get_mut("head.bias").unwrap().2[..2].copy_from_slice(&[0x00, 0x7C]);
    let mut retyped = tensors();
    retyped.get_mut("head.bias").unwrap().0 = Dtype::BF16;
    for (tensors, wanted) in [
        (missing, "head.bias"),
        (extra, "tail.bias"),
        (reshaped, "head.bias"),
        (infinite, "head.bias"),
        (retyped, "head.bias"),
    ] {
        let error = Recogniser::from_parts(CONFIG, &file(&tensors, None)).unwrap_err();
        assert!(
            matches!(&error, Error::Tensor { name, .. } if name == wanted),
            "{error}"
        );
        assert!(!error.is_image());
    }
}

#[test]
fn a_missing_directory_says_what_belongs_there() {
    let empty = tempfile::tempdir().unwrap();
    let error = Recogniser::open(empty.path()).unwrap_err();
    assert!(matches!(error, Error::Read { .. }));
    assert!(error.to_string().contains("model.toml"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_files_never_panic(config in "\\PC{0,200}", weights in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Recogniser::from_parts(&config, WEIGHTS).is_err());
        prop_assert!(Recogniser::from_parts(CONFIG, &weights).is_err());
    }

    #[test]
    fn a_cut_file_is_an_error(part in 0.0f64..1.0) {
        let len = ((WEIGHTS.len() - 1) as f64 * part) as usize;
        prop_assert!(Recogniser::from_parts(CONFIG, &WEIGHTS[..len]).is_err());
    }
}
