// A node of the autograd graph whose gradient is summed over processes.

#include "ffi.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

using equiav::guarded;

extern "C" {

void equiav_free_message(char* text);

// What a message of the other side is made with.
char* equiav_make_message(const char* text) {
  return equiav::message(text);
}

// Sums a tensor over all processes in place, and owns its box; null, or a message.
using EquiavSum = char* (*)(void* context, at::Tensor* tensor);

// Ends the context of a sum.
using EquiavEnd = void (*)(void* context);

}  // extern "C"

namespace {

namespace autograd = torch::autograd;

struct GatherBackward : public autograd::Node {
  explicit GatherBackward(std::shared_ptr<void> sum_context, EquiavSum sum_over_processes)
      : context(std::move(sum_context)), sum(sum_over_processes) {}

  autograd::variable_list apply(autograd::variable_list&& gradients) override {
    // A process whose loss needs no row takes part all the same: the others wait for it.
    at::Tensor whole = gradients[0].defined()
        ? gradients[0].detach().clone(at::MemoryFormat::Contiguous)
        : at::zeros(size, options);
    char* const failure = sum(context.get(), new at::Tensor(whole));
    if (failure != nullptr) {
      const std::string text(failure);
      equiav_free_message(failure);
      throw std::runtime_error(text);
    }
    return {whole.narrow(0, first, rows)};
  }

  std::string name() const override {
    return "GatherBackward";
  }

  std::shared_ptr<void> context;
  EquiavSum sum;
  std::vector<std::int64_t> size;
  at::TensorOptions options;
  std::int64_t first = 0;
  std::int64_t rows = 0;
};

}  // namespace

extern "C" {

// `gathered`, whose rows from `first` on are `own`, as a function of `own`. Owns `context` from here on.
char* equiav_gather_with_gradient(
    at::Tensor* gathered,
    at::Tensor* own,
    std::int64_t first,
    void* context,
    EquiavSum sum,
    EquiavEnd end,
    at::Tensor** made) {
  return guarded([&] {
    std::shared_ptr<void> owned(context, end);
    at::Tensor output = gathered->detach();
    if (autograd::compute_requires_grad(*own)) {
      std::shared_ptr<GatherBackward> node(
          new GatherBackward(std::move(owned), sum), autograd::deleteNode);
      node->size = output.sizes().vec();
      node->options = output.options();
      node->first = first;
      node->rows = own->size(0);
      node->set_next_edges(autograd::collect_next_edges(*own));
      autograd::set_history(output, node);
    }
    *made = new at::Tensor(output);
  });
}

}  // extern "C"
