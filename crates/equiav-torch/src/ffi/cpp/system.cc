// What surrounds the tensors: freed memory, the CUDA library, what a device's allocator has counted.

#include "ffi.h"

#include <ATen/Context.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <climits>
#include <cstdint>
#include <stdexcept>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __linux__
#include <dlfcn.h>
#include <link.h>
#endif

using equiav::guarded;

namespace {

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

c10::DeviceAllocator& cuda_allocator() {
  if (!at::globalContext().hasCUDA()) throw std::runtime_error("there is no CUDA");
  c10::DeviceAllocator* allocator = c10::getDeviceAllocator(at::kCUDA);
  if (!allocator->initialized()) throw std::runtime_error("nothing lies on a GPU");
  return *allocator;
}

}  // namespace

extern "C" {

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

// The most bytes that tensors on that GPU took at once since the peak was last forgotten.
char* equiav_cuda_peak(std::int32_t index, std::int64_t* bytes) {
  return guarded([&] {
    const auto stats = cuda_allocator().getDeviceStats(static_cast<c10::DeviceIndex>(index));
    *bytes = stats.allocated_bytes[0].peak;
  });
}

// Forgets that peak.
char* equiav_forget_cuda_peak(std::int32_t index) {
  return guarded([&] {
    cuda_allocator().resetPeakStats(static_cast<c10::DeviceIndex>(index));
  });
}

}  // extern "C"
