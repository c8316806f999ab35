//! Checkpointed blocks: the gradients of a plain call, less memory, and failures that cross the border as
//! errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use equiav_torch::{AutocastKind, autocast, autocast_kind, checkpoint};
use tch::{Device, Kind, Tensor};

const WIDTH: i64 = 16;

fn leaf(rows: i64, shift: f64) -> Tensor {
    let numbers = Tensor::arange(rows * WIDTH, (Kind::Float, Device::Cpu));
    (numbers * 0.37 + shift).sin().reshape([rows, WIDTH]).copy().set_requires_grad(true)
}

/// A block with a residual, a matrix product and something that is not linear.
fn block(weight: &Tensor) -> impl Fn(&Tensor) -> Tensor + Send + 'static {
    let weight = weight.shallow_clone();
    move |x: &Tensor| x + x.matmul(&weight).gelu("none")
}

/// Value, and the gradients of input and weights, of three blocks one after another.
fn run(checkpointed: bool, input_takes_gradient: bool) -> Vec<Tensor> {
    let input = leaf(5, 0.0).set_requires_grad(input_takes_gradient);
    let weights = [1.0, 2.0, 3.0].map(|shift| leaf(WIDTH, shift));
    let output = weights.iter().fold(input.shallow_clone(), |x, weight| {
        if checkpointed { checkpoint(&x, block(weight)) } else { block(weight)(&x) }
    });
    output.square().mean(Kind::Float).backward();
    let gradients = weights.iter().map(Tensor::grad);
    let input = input_takes_gradient.then(|| input.grad());
    [output.detach()].into_iter().chain(gradients).chain(input).collect()
}

#[test]
fn value_and_gradients_are_those_of_a_plain_call_to_the_bit() {
    assert_eq!(run(true, true), run(false, true));
    assert_eq!(run(true, false), run(false, false), "parameters alone take gradients");
}

#[test]
fn a_parameter_of_two_blocks_and_of_two_passes_gets_the_sum() {
    let gradient = |apply: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
        let weight = leaf(WIDTH, 1.0);
        for _ in 0..2 {
            let twice = apply(&apply(&leaf(5, 0.0), &weight), &weight);
            twice.sum(Kind::Float).backward();
        }
        weight.grad()
    };
    let ours = gradient(&|x, weight| checkpoint(x, block(weight)));
    let plain = gradient(&|x, weight| block(weight)(x));
    let error = (&ours - &plain).abs().max() / plain.abs().max();
    // the two blocks' shares are added in another order
    assert!(error.double_value(&[]) < 1e-6, "{error:?}");
}

#[test]
fn nothing_of_the_inside_is_kept() {
    let alive = Arc::new(AtomicUsize::new(0));
    let runs = Arc::new(AtomicUsize::new(0));
    struct Captured(Arc<AtomicUsize>);
    impl Drop for Captured {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    alive.fetch_add(1, Ordering::SeqCst);
    let captured = Captured(alive.clone());
    let counter = runs.clone();
    let input = leaf(5, 0.0);
    let output = checkpoint(&input, move |x| {
        let _ = &captured;
        counter.fetch_add(1, Ordering::SeqCst);
        x.square()
    });
    let loss = output.sum(Kind::Float);
    assert_eq!((runs.load(Ordering::SeqCst), alive.load(Ordering::SeqCst)), (1, 1));
    loss.backward();
    assert_eq!((runs.load(Ordering::SeqCst), alive.load(Ordering::SeqCst)), (2, 1));
    drop((loss, output));
    assert_eq!(alive.load(Ordering::SeqCst), 0, "the block goes with the graph");

    let without = tch::no_grad(|| checkpoint(&input, Tensor::square));
    assert!(!without.requires_grad());
}

#[test]
fn the_second_run_narrows_as_the_first_did() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let block = || {
        let seen = seen.clone();
        move |x: &Tensor| {
            seen.lock().expect("one thread").push(autocast_kind(Device::Cpu));
            x.matmul(x)
        }
    };
    let input = leaf(WIDTH, 0.0);
    let narrow = autocast(Device::Cpu, AutocastKind::BFloat16, || checkpoint(&input, block()));
    assert_eq!(narrow.kind(), Kind::BFloat16);
    narrow.sum(Kind::Float).backward();
    let wide = checkpoint(&input, block());
    autocast(Device::Cpu, AutocastKind::Half, || wide.sum(Kind::Float).backward());
    let kind = Some(AutocastKind::BFloat16);
    assert_eq!(*seen.lock().expect("one thread"), [kind, kind, None, None]);
    assert_eq!(autocast_kind(Device::Cpu), None);
    assert_eq!(input.grad().kind(), Kind::Float);
}

/// What a failure says.
fn failure(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("should fail");
    let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[test]
fn a_panic_of_the_second_run_is_an_error_of_the_backward_pass() {
    let runs = AtomicUsize::new(0);
    let output = checkpoint(&leaf(2, 0.0), move |x| {
        assert_eq!(runs.fetch_add(1, Ordering::SeqCst), 0, "on purpose");
        x.square()
    });
    let text = failure(|| output.sum(Kind::Float).backward());
    assert!(
        text.contains("a checkpointed block panicked") && text.contains("on purpose"),
        "{text}"
    );
    let text = failure(|| drop(checkpoint(&leaf(2, 0.0), |_| panic!("at once"))));
    assert_eq!(text, "at once");
    // libtorch's own failures within a block come through in its words.
    let runs = AtomicUsize::new(0);
    let output = checkpoint(&leaf(2, 0.0), move |x| {
        if runs.fetch_add(1, Ordering::SeqCst) == 0 { x.square() } else { x.matmul(x) }
    });
    let text = failure(|| output.sum(Kind::Float).backward());
    assert!(text.contains("cannot be multiplied"), "{text}");
    assert_eq!(run(true, true), run(false, true), "and the next pass is as good as ever");
}

#[test]
fn what_it_cannot_give_is_refused() {
    let input = leaf(2, 0.0);
    let loss = || checkpoint(&input, Tensor::square).sum(Kind::Float);
    let chosen = Tensor::f_run_backward(&[loss()], &[&input], false, false);
    let text = chosen.expect_err("chosen tensors").to_string();
    assert!(text.contains("differentiate by `backward`"), "{text}");
    let second = Tensor::f_run_backward(&[loss()], &[&input], true, true);
    let text = second.expect_err("second derivatives").to_string();
    assert!(text.contains("no second derivatives"), "{text}");
}
