// What happens to parameters and their gradients between two passes; nothing here waits for a device.

#include "ffi.h"

#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <memory>
#include <optional>

using equiav::Tensors;
using equiav::guarded;

namespace {

// What PyTorch's `clip_grad_norm_` adds to the norm before it divides.
constexpr double kNormAddend = 1e-6;

// The gradient of `parameter` with the strides of the parameter, which fused kernels rely on.
at::Tensor gradient_like(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

Tensors gradients_of(std::size_t count, at::Tensor* const* parameters) {
  Tensors gradients;
  for (std::size_t i = 0; i < count; ++i) {
    if (parameters[i]->grad().defined()) gradients.push_back(parameters[i]->grad());
  }
  return gradients;
}

at::Device device_of(std::size_t count, at::Tensor* const* parameters) {
  return count == 0 ? at::Device(at::kCPU) : parameters[0]->device();
}

// min(1, max_norm / (norm + addend)) as a scalar of `norm`'s device; 1 where the norm is not finite.
at::Tensor clip_factor(const at::Tensor& norm, double max_norm, at::ScalarType kind) {
  const at::Tensor wide = norm.to(at::kDouble);
  const at::Tensor one = at::full({}, 1.0, wide.options());
  const at::Tensor factor = at::full({}, max_norm, wide.options()).div(wide.add(kNormAddend));
  return at::where(at::isfinite(wide), factor.clamp_max(1.0), one).to(kind);
}

}  // namespace

extern "C" {

struct EquiavAdamW {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

// One update of every parameter that has a gradient; the arrays hold `count` tensors each. Where
// `found_inf` is given and not 0, nothing changes: the device decides that, not this thread.
char* equiav_adamw_step(std::size_t count, at::Tensor* const* parameters,
                        at::Tensor* const* exp_avgs, at::Tensor* const* exp_avg_sqs,
                        at::Tensor* const* steps, const at::Tensor* found_inf,
                        const EquiavAdamW* settings) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    Tensors values, gradients, means, squares, counts;
    for (std::size_t i = 0; i < count; ++i) {
      if (!parameters[i]->grad().defined()) continue;
      values.push_back(*parameters[i]);
      gradients.push_back(gradient_like(*parameters[i]));
      means.push_back(*exp_avgs[i]);
      squares.push_back(*exp_avg_sqs[i]);
      counts.push_back(*steps[i]);
    }
    if (values.empty()) return;
    std::optional<at::Tensor> skip;
    if (found_inf == nullptr) {
      at::_foreach_add_(counts, 1);
    } else {
      // The kernels compare with 1 exactly, and a sum over ranks may be larger.
      skip = found_inf->reshape({}).ne(0).to(values[0].device(), at::kFloat);
      at::_foreach_add_(counts, skip->neg().add(1));
    }
    at::_fused_adamw_(values, gradients, means, squares, {}, counts, settings->lr,
                      settings->beta1, settings->beta2, settings->weight_decay, settings->eps,
                      /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/std::nullopt, skip);
  });
}

// Drops every gradient.
char* equiav_drop_gradients(std::size_t count, at::Tensor* const* parameters) {
  return guarded([&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (parameters[i]->grad().defined()) parameters[i]->mutable_grad().reset();
    }
  });
}

// The norm of all gradients together, a scalar of their device that the caller frees; with a
// `max_norm` they are scaled down to it.
char* equiav_clip_gradients(std::size_t count, at::Tensor* const* parameters,
                            const double* max_norm, at::Tensor** result) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const Tensors gradients = gradients_of(count, parameters);
    if (gradients.empty()) {
      *result = new at::Tensor(
          at::zeros({}, at::TensorOptions(at::kFloat).device(device_of(count, parameters))));
      return;
    }
    const Tensors norms = at::_foreach_norm(gradients, 2, at::kFloat);
    auto norm = std::make_unique<at::Tensor>(at::linalg_vector_norm(at::stack(norms)));
    if (max_norm != nullptr) {
      const bool wide = gradients[0].scalar_type() == at::kDouble;
      at::_foreach_mul_(gradients, clip_factor(*norm, *max_norm, wide ? at::kDouble : at::kFloat));
    }
    *result = norm.release();
  });
}

// Divides every gradient by `scale`; the result, [1] and the caller's to free, is 1 where any was not
// finite, else 0.
char* equiav_unscale_gradients(std::size_t count, at::Tensor* const* parameters,
                               const at::Tensor* scale, at::Tensor** found_inf) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const Tensors gradients = gradients_of(count, parameters);
    auto found = std::make_unique<at::Tensor>(
        at::zeros({1}, at::TensorOptions(at::kFloat).device(scale->device())));
    if (!gradients.empty()) {
      const at::Tensor inverse = scale->to(at::kDouble).reciprocal().to(at::kFloat);
      at::_amp_foreach_non_finite_check_and_unscale_(gradients, *found, inverse);
    }
    *found_inf = found.release();
  });
}

struct EquiavScaling {
  double growth;
  double backoff;
  std::int64_t interval;
};

// Lowers `scale` where `found_inf` is not 0; raises it after so many times of 0 in a row.
char* equiav_update_scale(at::Tensor* scale, at::Tensor* growth_tracker,
                          const at::Tensor* found_inf, const EquiavScaling* settings) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const at::Tensor found = found_inf->to(scale->device(), at::kFloat);
    at::_amp_update_scale_(*scale, *growth_tracker, found, settings->growth, settings->backoff,
                           settings->interval);
  });
}

}  // extern "C"
