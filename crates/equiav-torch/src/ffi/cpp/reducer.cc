// c10d's Reducer: gradients averaged in buckets while the backward pass goes on.

#include "group.h"

#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

using equiav::Tensors;
using equiav::guarded;

struct EquiavReducer {
  std::unique_ptr<c10d::Reducer> reducer;
};

namespace {

// Buckets in the order in which gradients become ready: the last parameters first.
std::vector<std::vector<std::size_t>> buckets_of(const Tensors& parameters) {
  const std::vector<std::size_t> limits{
      c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap};
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, limits));
  std::reverse(buckets.begin(), buckets.end());
  return buckets;
}

}  // namespace

extern "C" {

// All ranks bring parameters of the same shapes, which is checked.
char* equiav_reducer_open(
    EquiavGroup* group,
    std::size_t count,
    at::Tensor* const* parameters,
    std::int32_t search_unused,
    EquiavReducer** reducer) {
  return guarded([&] {
    Tensors all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(*parameters[i]);
    c10d::verify_params_across_processes(group->group, all, std::nullopt);
    *reducer = new EquiavReducer{std::make_unique<c10d::Reducer>(
        all,
        buckets_of(all),
        group->group,
        std::vector<bool>(count, false),
        c10d::kDefaultBucketBytesCap,
        search_unused != 0,
        /*gradient_as_bucket_view=*/false,
        std::unordered_map<std::size_t, std::string>(),
        c10d::kDefaultFirstBucketBytes,
        /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false,
        std::vector<std::int64_t>())};
  });
}

// Has the next backward pass, from `loss`, average the gradients.
char* equiav_reducer_prepare(EquiavReducer* reducer, at::Tensor* loss) {
  return guarded([&] {
    reducer->reducer->rebuild_buckets();
    reducer->reducer->prepare_for_backward({*loss});
  });
}

// Fails where that pass has left parameters out that it should have reached.
char* equiav_reducer_finish(EquiavReducer* reducer) {
  return guarded([&] { reducer->reducer->check_finalized(); });
}

void equiav_reducer_free(EquiavReducer* reducer) {
  guarded([&] {
    reducer->reducer->remove_autograd_hooks();
    delete reducer;
  });
}

}  // extern "C"
