// What every file of this folder shares. Each function that may fail returns null when it has done its
// work, else a message that `equiav_free_message` releases. No C++ exception leaves these functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <exception>
#include <vector>

namespace equiav {

using Tensors = std::vector<at::Tensor>;

// A copy of `text` that the caller frees; never null.
char* message(const char* text) noexcept;

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

}  // namespace equiav
