// Batches of one dataset on one device: gathered on the host, sent as stored, normalised there.
#ifndef ACCLIMATE_CORE_DATA_LOADER_H_
#define ACCLIMATE_CORE_DATA_LOADER_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "core/data/dataset.h"
#include "core/runtime/copy_stream.h"

namespace acclimate::data {

// A batch goes to an accelerator from pinned memory over a stream of its own; the host does not
// wait for it, so that it gathers and sends the next batch while the device is at work on this one.
// Must not outlive the dataset. Not thread-safe.
class Loader {
 public:
  Loader(const Dataset& dataset, const at::Device& device);

  const Dataset& dataset() const { return dataset_; }
  // index: int64 [B] on the CPU, values in [0, N).
  Batch Gather(const at::Tensor& index) const;
  // Samples [begin, end) in order.
  Batch Slice(int64_t begin, int64_t end) const;

 private:
  // As a model takes them; `stored` is on the device and nobody else's.
  at::Tensor ToModelInput(const at::Tensor& stored) const;

  const Dataset& dataset_;
  const at::Device device_;
  runtime::CopyStream copies_;
  at::Tensor scale_, shift_;  // of the dataset, on the device; undefined: nothing to do
  double clip_ = 0;           // 0: nothing to do
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_LOADER_H_
