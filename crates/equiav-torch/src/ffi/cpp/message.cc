// How failures travel: as C strings that the other side frees.

#include "ffi.h"

#include <cstdlib>
#include <cstring>

namespace equiav {
namespace {

char out_of_memory[] = "out of memory while reporting an error";

}  // namespace

char* message(const char* text) noexcept {
  char* copy = static_cast<char*>(std::malloc(std::strlen(text) + 1));
  return copy == nullptr ? out_of_memory : std::strcpy(copy, text);
}

}  // namespace equiav

extern "C" void equiav_free_message(char* text) {
  if (text != equiav::out_of_memory) std::free(text);
}
