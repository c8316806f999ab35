// c10d's process group over Gloo, and over NCCL for GPUs where it is built with EQUIAV_NCCL. Collectives
// start here and are waited for by the other side.

#include "group.h"

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef EQUIAV_NCCL
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <utility>

using equiav::guarded;

namespace {

// Listens at the interface of that name, else at the address.
std::shared_ptr<gloo::transport::Device> device_for(const char* interface, const char* address) {
  using Gloo = c10d::ProcessGroupGloo;
  if (interface != nullptr) return Gloo::createDeviceForInterface(interface);
  return address != nullptr ? Gloo::createDeviceForHostname(address) : Gloo::createDefaultDevice();
}

c10d::ReduceOp reduction(std::int32_t number) {
  switch (number) {
    case 0:
      return c10d::ReduceOp::SUM;
    case 1:
      return c10d::ReduceOp::MAX;
  }
  throw std::invalid_argument("unknown reduction");
}

// Has tensors of a GPU travel over NCCL, where there is a GPU; whether there is.
bool add_nccl(
    c10d::ProcessGroup& group,
    const c10::intrusive_ptr<c10d::Store>& store,
    std::int32_t rank,
    std::int32_t world,
    std::int64_t limit) {
#ifdef EQUIAV_NCCL
  if (c10::cuda::device_count() == 0) return false;
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(limit);
  auto nccl =
      c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, world, std::move(options));
  group.setBackend(
      c10::DeviceType::CUDA,
      c10d::ProcessGroup::BackendType::NCCL,
      c10::intrusive_ptr<c10d::Backend>(std::move(nccl)));
  return true;
#else
  (void)group, (void)store, (void)rank, (void)world, (void)limit;
  return false;
#endif
}

EquiavWork* started(c10::intrusive_ptr<c10d::Work> work, equiav::Tensors tensors) {
  return new EquiavWork{std::move(work), std::move(tensors)};
}

}  // namespace

extern "C" {

// Connects with all other ranks; `interface` and `address` may be null.
char* equiav_group_open(
    EquiavStore* store,
    std::int32_t rank,
    std::int32_t world,
    std::int64_t limit,
    const char* interface,
    const char* address,
    EquiavGroup** group) {
  return guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(limit));
    options->devices.push_back(device_for(interface, address));
    auto gloo =
        c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, world, std::move(options));
    auto opened = c10::make_intrusive<c10d::ProcessGroup>(store->store, rank, world);
    opened->setBackend(
        c10::DeviceType::CPU,
        c10d::ProcessGroup::BackendType::GLOO,
        c10::intrusive_ptr<c10d::Backend>(std::move(gloo)));
    opened->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    const bool gpus = add_nccl(*opened, store->store, rank, world, limit);
    opened->setGroupName("equiav");
    *group = new EquiavGroup{std::move(opened), gpus};
  });
}

// Whether tensors of a GPU travel as they are.
std::int32_t equiav_group_carries_gpus(const EquiavGroup* group) {
  return group->gpus ? 1 : 0;
}

void equiav_group_free(EquiavGroup* group) {
  guarded([&] { delete group; });
}

char* equiav_group_broadcast(
    EquiavGroup* group,
    at::Tensor* tensor,
    std::int64_t root,
    EquiavWork** work) {
  return guarded([&] {
    equiav::Tensors tensors{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    *work = started(group->group->broadcast(tensors, options), tensors);
  });
}

// Reductions: 0 sum, 1 largest.
char* equiav_group_all_reduce(
    EquiavGroup* group,
    at::Tensor* tensor,
    std::int32_t number,
    EquiavWork** work) {
  return guarded([&] {
    equiav::Tensors tensors{*tensor};
    c10d::AllreduceOptions options;
    options.reduceOp = reduction(number);
    *work = started(group->group->allreduce(tensors, options), tensors);
  });
}

char* equiav_group_all_gather(
    EquiavGroup* group,
    at::Tensor* all,
    at::Tensor* own,
    EquiavWork** work) {
  return guarded([&] {
    *work = started(group->group->_allgather_base(*all, *own), {*all, *own});
  });
}

char* equiav_group_barrier(EquiavGroup* group, EquiavWork** work) {
  return guarded([&] {
    c10d::BarrierOptions options;
    options.device = at::Device(at::kCPU);
    *work = started(group->group->barrier(options), {});
  });
}

// Waits up to `limit` milliseconds; a failure of the work is the message.
//
// Work on a GPU is queued: what the GPU does from here on waits for it, the processor does not. To NCCL a
// limit would be the limit of the work itself, whose end aborts the communicator; the group's options hold
// that one, and NCCL's watchdog keeps it.
char* equiav_work_wait(EquiavWork* work, std::int64_t limit, std::int32_t* done) {
  return guarded([&] {
    if (work->on_gpu()) {
      work->work->wait();
      *done = 1;
      return;
    }
    *done = 0;
    try {
      work->work->wait(std::chrono::milliseconds(limit));
    } catch (...) {
      // The end of this wait, or of the work? The work knows, and may have ended in between.
      if (!work->work->isCompleted()) return;
      if (const std::exception_ptr failure = work->work->exception()) std::rethrow_exception(failure);
    }
    *done = 1;
  });
}

void equiav_work_free(EquiavWork* work) {
  guarded([&] { delete work; });
}

}  // extern "C"
