//! x
fn main() {
    let s = equiav_corpora::Synthetic::default();
    s.write(std::path::Path::new("/tmp/synth-full"), &mut |_, _| {}).unwrap();
}
