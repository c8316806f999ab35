// A node of the graph that keeps its input and computes its inner graph anew when the gradient comes:
// what `torch.utils.checkpoint(..., use_reentrant=True)` does, with a body on the other side.

#include "ffi.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

using equiav::guarded;
using torch::autograd::AutogradContext;
using torch::autograd::Engine;
using torch::autograd::variable_list;

extern "C" {

// A body of the other side: `run` gives null and a tensor that the caller frees, or a message made by
// `equiav_message`; `drop` is called once, from whichever thread lets go of the graph.
struct EquiavBody {
  void* state;
  char* (*run)(const void* state, const at::Tensor* input, at::Tensor** output);
  void (*drop)(void* state);
};

void equiav_free_message(char* text);

char* equiav_message(const char* text) { return equiav::message(text); }

}  // extern "C"

namespace {

class Body final : public torch::CustomClassHolder {
 public:
  explicit Body(const EquiavBody& body) : body_(body) {}
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() override { body_.drop(body_.state); }

  at::Tensor run(const at::Tensor& input) const {
    at::Tensor* output = nullptr;
    char* failure = body_.run(body_.state, &input, &output);
    if (failure != nullptr) {
      const std::string text = failure;
      equiav_free_message(failure);
      throw std::runtime_error(text);
    }
    const std::unique_ptr<at::Tensor> owner(output);
    return *owner;
  }

 private:
  EquiavBody body_;
};

// What the body gave in the forward pass; wrapped, so that it does not count as an input.
struct Given {
  at::Tensor output;
};

constexpr char kBody[] = "body";

struct Checkpoint : public torch::autograd::Function<Checkpoint> {
  // `anchor` takes a gradient, so that there is a node even where `input` takes none: the parameters
  // within the body may.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& /*anchor*/, const Given& given,
                            const c10::intrusive_ptr<Body>& body) {
    context->save_for_backward({input});
    context->saved_data[kBody] = c10::IValue::make_capsule(body);
    return given.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    if (at::GradMode::is_enabled()) {
      throw std::runtime_error("a checkpointed block has no second derivatives");
    }
    if (!Engine::get_default_engine().is_checkpoint_valid()) {
      throw std::runtime_error(
          "a checkpointed block gives gradients to all its parameters: differentiate by `backward`, "
          "not with respect to chosen tensors");
    }
    const at::Tensor input = context->get_saved_variables()[0].detach();
    input.set_requires_grad(context->needs_input_grad(0));
    const auto capsule = context->saved_data[kBody].toCapsule();
    at::Tensor output;
    {
      at::AutoGradMode with_grad(true);
      output = static_cast<const Body*>(capsule.get())->run(input);
    }
    if (output.requires_grad()) torch::autograd::backward({output}, {gradients[0]});
    return {input.grad(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

extern "C" {

// Joins `output`, which `body` made of `input` without a graph, to the graph of `input`. The body
// belongs to this call, whatever comes of it. The caller frees the result.
char* equiav_checkpoint(const at::Tensor* input, const at::Tensor* output, EquiavBody body,
                        at::Tensor** result) {
  return guarded([&] {
    const auto holder = c10::make_intrusive<Body>(body);
    const at::Tensor anchor = at::zeros({0}, input->options().dtype(at::kFloat));
    anchor.set_requires_grad(true);
    *result = new at::Tensor(Checkpoint::apply(*input, anchor, Given{*output}, holder));
  });
}

}  // extern "C"
