//! How long a photo takes, decoding and the network apart and together.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p phytomer-models` measures one core.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, criterion_group, criterion_main};
use image::{ImageFormat, Rgb, RgbImage};
use phytomer_models::{Photo, Pixels, Recogniser};

const SAMPLE: &[u8] = include_bytes!("../samples/manihot-esculenta.jpg");

/// A photo of 12 megapixels, as a telephone takes it.
fn large() -> Vec<u8> {
    let image = RgbImage::from_fn(4_000, 3_000, |x, y| {
        Rgb([(x / 16) as u8, (y / 12) as u8, ((x * y) >> 12) as u8])
    });
    let mut file = Cursor::new(Vec::new());
    image
        .write_to(&mut file, ImageFormat::Jpeg)
        .expect("memory takes every write");
    file.into_inner()
}

fn recognise(c: &mut Criterion) {
    let model = Recogniser::shipped().expect("the shipped model loads");
    let input = model.config().input.clone();
    let large = large();
    let photo = Photo::decode(SAMPLE).expect("the sample decodes");
    let pixels = Pixels::prepare(&photo, &input).expect("the sample has pixels");

    c.bench_function("load the shipped model", |b| b.iter(Recogniser::shipped));
    c.bench_function("decode 160 px", |b| {
        b.iter(|| Photo::decode(black_box(SAMPLE)))
    });
    c.bench_function("prepare 160 px", |b| {
        b.iter(|| Pixels::prepare(black_box(&photo), &input))
    });
    c.bench_function("forward", |b| b.iter(|| model.logits(black_box(&pixels))));
    c.bench_function("recognise 160 px", |b| {
        b.iter(|| model.recognise(black_box(SAMPLE)))
    });

    let mut slow = c.benchmark_group("12 megapixels");
    slow.sample_size(10);
    let photo = Photo::decode(&large).expect("the photo decodes");
    slow.bench_function("decode", |b| b.iter(|| Photo::decode(black_box(&large))));
    slow.bench_function("prepare", |b| {
        b.iter(|| Pixels::prepare(black_box(&photo), &input))
    });
    slow.finish();
}

criterion_group!(benches, recognise);
criterion_main!(benches);
