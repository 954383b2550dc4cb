#include "core/data/loader.h"

#include <ATen/ATen.h>

#include <vector>

namespace acclimate::data {

Loader::Loader(const Dataset& dataset, const at::Device& device)
    : dataset_(dataset), device_(device), copies_(device), clip_(dataset.clip_) {
  if (!dataset.scale_.defined()) return;
  scale_ = dataset.scale_.to(device);
  shift_ = dataset.shift_.to(device);
}

Batch Loader::Gather(const at::Tensor& index) const {
  const at::Tensor& view = dataset_.index_;
  const at::Tensor rows = view.defined() ? view.index_select(0, index) : index;
  const auto send = [this](const at::Tensor& from, const at::Tensor& at) {
    std::vector<int64_t> sizes = from.sizes().vec();
    sizes[0] = at.size(0);
    at::Tensor staged = copies_.Staging(sizes, from.scalar_type());
    at::index_select_out(staged, from, 0, at);
    return copies_.Send(staged);
  };
  Batch batch;
  batch.inputs = ToModelInput(send(dataset_.inputs_, rows));
  if (dataset_.has_labels()) batch.labels = send(dataset_.labels_, index);
  return batch;
}

Batch Loader::Slice(int64_t begin, int64_t end) const {
  if (dataset_.index_.defined()) return Gather(at::arange(begin, end, at::kLong));
  const auto send = [&](const at::Tensor& from) {
    const at::Tensor part = from.slice(0, begin, end);
    return copies_.Send(copies_.Staging(part.sizes(), part.scalar_type()).copy_(part));
  };
  Batch batch;
  batch.inputs = ToModelInput(send(dataset_.inputs_));
  if (dataset_.has_labels()) batch.labels = send(dataset_.labels_);
  return batch;
}

// The stored type travels to the device: a quarter of the bytes when it is uint8.
at::Tensor Loader::ToModelInput(const at::Tensor& stored) const {
  const at::Tensor inputs = stored.to(at::kFloat);
  if (scale_.defined()) inputs.mul_(scale_).add_(shift_);
  if (clip_ > 0) inputs.clamp_(-clip_, clip_);
  return inputs;
}

}  // namespace acclimate::data
