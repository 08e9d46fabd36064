//! Times the functions of the hot path: `cargo bench --bench micro`.

mod kernels;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn hot_path(criterion: &mut Criterion) {
    for mut kernel in kernels::kernels() {
        let mut group = criterion.benchmark_group(kernel.name);
        let (elements, bytes) = (u64::from(kernel.lines), kernel.bytes as u64);
        group.throughput(Throughput::ElementsAndBytes { elements, bytes });
        group.bench_function("chunk", |bencher| bencher.iter(&mut kernel.call));
        group.finish();
    }
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
