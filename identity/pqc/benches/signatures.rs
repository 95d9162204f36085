//! What signing and verifying cost, both schemes together and Ed25519 alone.

use criterion::{Criterion, criterion_group, criterion_main};
use phytomer_pqc::{Context, OperatorKey};

const CONTEXT: Context = Context::new("bench/1");

fn signatures(criterion: &mut Criterion) {
    let key = OperatorKey::from_seeds(&[1; 32], &[2; 32]);
    let message = [7; 128];
    let both = key.sign(CONTEXT, &message);
    let fast = key.sign_fast(CONTEXT, &message);
    criterion.bench_function("sign both", |b| b.iter(|| key.sign(CONTEXT, &message)));
    criterion.bench_function("verify both", |b| {
        b.iter(|| key.public().verify(CONTEXT, &message, &both));
    });
    criterion.bench_function("sign Ed25519", |b| {
        b.iter(|| key.sign_fast(CONTEXT, &message));
    });
    criterion.bench_function("verify Ed25519", |b| {
        b.iter(|| key.public().verify_fast(CONTEXT, &message, &fast));
    });
}

criterion_group!(benches, signatures);
criterion_main!(benches);
