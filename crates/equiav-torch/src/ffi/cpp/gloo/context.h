// In place of Gloo's header, which libtorch does not ship: what c10d's header calls, no layout.
#pragma once

#include <chrono>

#include <gloo/transport/device.h>

namespace gloo {

// Only ever behind a pointer here: never made, copied or measured.
class Context {
 public:
  Context() = delete;
  void setTimeout(std::chrono::milliseconds timeout);
  std::chrono::milliseconds getTimeout() const;
};

}  // namespace gloo
