//! x
fn main() {
    let t = std::time::Instant::now();
    let s = equiav_corpora::Synthetic { instances: 200, held_out: 56, ..Default::default() };
    s.write(std::path::Path::new("/tmp/synth-test"), &mut |_, _| {}).unwrap();
    println!("{:?}", t.elapsed());
    let mut t = std::time::Instant::now();
    let c = equiav_corpora::cache_folder().unwrap();
    let s = equiav_corpora::Stamps::default();
    let p = s
        .write(&c, &mut |d, n| {
            if d == 1 || d == n {
                println!("{d} {n} {:?}", t.elapsed())
            }
        })
        .unwrap();
    println!("{:?}\n{p:#?}", t.elapsed());
    t = std::time::Instant::now();
    s.write(&c, &mut |_, _| {}).unwrap();
    println!("{:?}", t.elapsed());
}
