// What a store, a process group and work of it are to the other side: boxes around c10d's pointers.
#pragma once

#include "ffi.h"

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

struct EquiavStore {
  c10::intrusive_ptr<c10d::Store> store;
};

struct EquiavGroup {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  // Whether it has a carrier for tensors of a GPU.
  bool gpus;
};

struct EquiavWork {
  c10::intrusive_ptr<c10d::Work> work;
  // What the work reads and writes lives as long as the work.
  equiav::Tensors tensors;

  bool on_gpu() const {
    return !tensors.empty() && tensors.front().is_cuda();
  }
};
