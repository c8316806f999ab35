// The border between Rust and libtorch: each function returns null when it has done its work, else a
// message that `equiav_free_message` releases. No C++ exception leaves this file.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#endif

namespace {

char out_of_memory[] = "out of memory while reporting an error";

char* message(const char* text) noexcept {
  char* copy = static_cast<char*>(std::malloc(std::strlen(text) + 1));
  return copy == nullptr ? out_of_memory : std::strcpy(copy, text);
}

template <typename Body>
char* guarded(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return message(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return message(error.what());
  } catch (...) {
    return message("an exception of unknown type");
  }
}

using Tensors = std::vector<at::Tensor>;

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

#ifdef __linux__
// The folder from which this process has loaded libtorch_cpu, with a slash at its end.
std::string libtorch_folder() {
  void* library = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) throw std::runtime_error("libtorch_cpu.so is not loaded");
  link_map* map = nullptr;
  const int failed = dlinfo(library, RTLD_DI_LINKMAP, &map);
  const std::string path = failed == 0 ? map->l_name : "";
  dlclose(library);
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}
#endif

}  // namespace

extern "C" {

struct EquiavAdamW {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

void equiav_free_message(char* text) {
  if (text != out_of_memory) std::free(text);
}

// One update of every parameter that has a gradient; the arrays hold `count` tensors each.
char* equiav_adamw_step(std::size_t count, at::Tensor* const* parameters,
                        at::Tensor* const* exp_avgs, at::Tensor* const* exp_avg_sqs,
                        at::Tensor* const* steps, const EquiavAdamW* settings) {
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
    at::_foreach_add_(counts, 1);
    at::_fused_adamw_(values, gradients, means, squares, {}, counts, settings->lr,
                      settings->beta1, settings->beta2, settings->weight_decay, settings->eps,
                      /*amsgrad=*/false, /*maximize=*/false);
  });
}

// The norm of all gradients together.
char* equiav_gradient_norm(std::size_t count, at::Tensor* const* parameters, double* norm) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const Tensors gradients = gradients_of(count, parameters);
    if (gradients.empty()) {
      *norm = 0.0;
      return;
    }
    const Tensors norms = at::_foreach_norm(gradients, 2, at::kFloat);
    *norm = at::linalg_vector_norm(at::stack(norms)).item<double>();
  });
}

// Multiplies every gradient by `factor`.
char* equiav_scale_gradients(std::size_t count, at::Tensor* const* parameters, double factor) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const Tensors gradients = gradients_of(count, parameters);
    if (!gradients.empty()) at::_foreach_mul_(gradients, factor);
  });
}

// Sets the precision of fp32 matrix products: 0 highest, 1 high, 2 medium.
char* equiav_set_matmul_precision(std::int32_t level) {
  return guarded([&] {
    static const char* const names[] = {"highest", "high", "medium"};
    if (level < 0 || level > 2) throw std::invalid_argument("unknown matrix product precision");
    at::globalContext().setFloat32MatmulPrecision(names[level]);
  });
}

// Reads the precision of fp32 matrix products, numbered as above.
char* equiav_matmul_precision(std::int32_t* level) {
  return guarded([&] {
    switch (at::globalContext().float32MatmulPrecision()) {
      case at::Float32MatmulPrecision::HIGHEST:
        *level = 0;
        return;
      case at::Float32MatmulPrecision::HIGH:
        *level = 1;
        return;
      case at::Float32MatmulPrecision::MEDIUM:
        *level = 2;
        return;
    }
    throw std::runtime_error("libtorch reports an unknown matrix product precision");
  });
}

// Has the C library keep freed memory for the next allocation instead of handing it back.
void equiav_keep_freed_memory() {
#ifdef __GLIBC__
  // The largest block that the library takes from its own heap, and no trimming of that.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

// Loads libtorch_cuda from beside libtorch_cpu; loading is what registers its kernels.
char* equiav_load_cuda() {
  return guarded([] {
#ifdef __linux__
    const std::string path = libtorch_folder() + "libtorch_cuda.so";
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = dlerror();
      throw std::runtime_error(reason == nullptr ? path : reason);
    }
#else
    throw std::runtime_error("libtorch has CUDA on Linux only");
#endif
  });
}

}  // extern "C"
