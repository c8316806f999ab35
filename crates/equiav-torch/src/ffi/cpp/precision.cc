// How exactly numbers are computed: fp32 matrix products of the process, autocast of this thread.

#include "ffi.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

#include <cstdint>
#include <stdexcept>

using equiav::guarded;

namespace autocast = at::autocast;

extern "C" {

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

// Whether and to which kind this thread narrows operations on a type of device.
struct EquiavAutocast {
  std::int32_t enabled;
  std::int32_t kind;
};

// Reads the state of this thread for devices of `type`, numbered as `c10::DeviceType`.
char* equiav_autocast(std::int32_t type, EquiavAutocast* state) {
  return guarded([&] {
    const auto device = static_cast<at::DeviceType>(type);
    state->enabled = autocast::is_autocast_enabled(device) ? 1 : 0;
    state->kind = static_cast<std::int32_t>(autocast::get_autocast_dtype(device));
  });
}

// Sets that state, and counts regions up (1) or down (-1). Casts are remembered until the outermost
// region ends; what was remembered in one kind must not serve in another.
char* equiav_set_autocast(std::int32_t type, const EquiavAutocast* state, std::int32_t nesting) {
  return guarded([&] {
    const auto device = static_cast<at::DeviceType>(type);
    const auto kind = static_cast<at::ScalarType>(state->kind);
    const bool other = kind != autocast::get_autocast_dtype(device);
    autocast::set_autocast_enabled(device, state->enabled != 0);
    autocast::set_autocast_dtype(device, kind);
    if (nesting > 0) autocast::increment_nesting();
    const bool left = nesting < 0 && autocast::decrement_nesting() == 0;
    if (left || other) autocast::clear_cache();
  });
}

}  // extern "C"
