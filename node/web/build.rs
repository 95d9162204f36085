//! Rebuilds the crate when the bundle changes: `include_dir!` alone does not tell Cargo to.

fn main() {
    println!("cargo::rerun-if-changed=dist");
}
