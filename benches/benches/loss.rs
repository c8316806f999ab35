//! Both losses with their gradients, for global batches up to the published one and beyond.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use equiav_loss::{Contrast, DEFAULT_TEMPERATURE, Keys, info_nce, nt_xent};
use tch::{Device, Kind, Tensor};

/// Width of the published heads' outputs.
const WIDTH: i64 = 512;

fn losses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loss and gradient");
    for n in [16, 128, 512] {
        let rows = || Tensor::randn([n, WIDTH], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (a, b) = (rows(), rows());
        let tau = DEFAULT_TEMPERATURE;
        let gradient = |loss: &dyn Fn(&Keys) -> Contrast| {
            let found = loss(&Keys::own(&a, &b));
            Tensor::run_backward(&[found.loss], &[&a, &b], false, false)
        };
        group.bench_function(BenchmarkId::new("info_nce", n), |bencher| {
            bencher.iter(|| gradient(&|keys| info_nce(&a, &b, keys, tau, None)));
        });
        group.bench_function(BenchmarkId::new("nt_xent", n), |bencher| {
            bencher.iter(|| gradient(&|keys| nt_xent(&a, &b, keys, tau, None)));
        });
    }
    group.finish();
}

criterion_group!(benches, losses);
criterion_main!(benches);
