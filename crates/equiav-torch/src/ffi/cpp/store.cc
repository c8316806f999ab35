// Where processes meet: c10d's TCPStore behind a prefix.

#include "group.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdint>
#include <string>

using equiav::guarded;

extern "C" {

// Connects to the store at `host` and `port`, which this process hosts where `hosts` is not 0.
char* equiav_store_open(
    const char* host,
    std::uint16_t port,
    std::int32_t hosts,
    std::int64_t limit,
    const char* prefix,
    EquiavStore** store) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = hosts != 0;
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(limit);
    auto served = c10::make_intrusive<c10d::TCPStore>(host, options);
    served->setTimeout(options.timeout);
    *store = new EquiavStore{c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(served))};
  });
}

// Another connection to the same store.
char* equiav_store_clone(EquiavStore* store, EquiavStore** other) {
  return guarded([&] { *other = new EquiavStore{store->store->clone()}; });
}

void equiav_store_free(EquiavStore* store) {
  guarded([&] { delete store; });
}

char* equiav_store_set(EquiavStore* store, const char* key, const char* value) {
  return guarded([&] { store->store->set(std::string(key), std::string(value)); });
}

// The value of `key`, null where there is none; released like a message.
char* equiav_store_get(EquiavStore* store, const char* key, char** value) {
  return guarded([&] {
    *value = nullptr;
    if (!store->store->check({key})) return;
    *value = equiav::message(store->store->get_to_str(key).c_str());
  });
}

// Adds to the number at `key`, 0 at first, and tells the sum.
char* equiav_store_add(EquiavStore* store, const char* key, std::int64_t number, std::int64_t* sum) {
  return guarded([&] { *sum = store->store->add(key, number); });
}

// Sets `key` unless it is set already, and returns its value; released like a message.
char* equiav_store_set_first(EquiavStore* store, const char* key, const char* value, char** stands) {
  return guarded([&] {
    const std::string nothing;
    *stands = equiav::message(store->store->compareSet(std::string(key), nothing, value).c_str());
  });
}

}  // extern "C"
