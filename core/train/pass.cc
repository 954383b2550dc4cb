#include "core/train/pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <tuple>

#include "core/data/loader.h"

namespace acclimate::train {

int64_t PassBatchSize(const std::vector<int64_t>& sample_shape) {
  constexpr int64_t kBatchValues = 1 << 21;
  int64_t values = 1;
  for (const int64_t extent : sample_shape) values *= std::max<int64_t>(extent, 1);
  return std::clamp<int64_t>(kBatchValues / values, 16, 512);
}

absl::Status ForEachBatch(const data::Dataset& dataset, const at::Device& device, StopSignal& stop,
                          const std::function<void(int64_t begin, const data::Batch&)>& visit) {
  const at::NoGradGuard no_grad;
  const int64_t batch_size = PassBatchSize(dataset.sample_shape());
  const data::Loader loader(dataset, device);
  for (int64_t begin = 0; begin < dataset.size(); begin += batch_size) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    visit(begin, loader.Slice(begin, std::min(begin + batch_size, dataset.size())));
  }
  return absl::OkStatus();
}

absl::Status ForEachMixedBatch(
    const data::Dataset& dataset, const at::Device& device, int64_t most_samples, StopSignal& stop,
    const std::function<void(const at::Tensor& index, const data::Batch&)>& visit) {
  constexpr uint64_t kSeed = 1;
  const at::NoGradGuard no_grad;
  const int64_t size = dataset.size(), batches = (size + most_samples - 1) / most_samples;
  const at::Tensor order =
      at::randperm(size, at::detail::createCPUGenerator(kSeed), at::TensorOptions(at::kLong));
  const data::Loader loader(dataset, device);
  for (int64_t i = 0; i < batches; ++i) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const at::Tensor share = order.slice(0, size * i / batches, size * (i + 1) / batches);
    const at::Tensor index = std::get<0>(share.sort());
    visit(index, loader.Gather(index));
  }
  return absl::OkStatus();
}

void CountPredictions(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& counts) {
  const int64_t classes = counts.size(0);
  const at::Tensor cell = (labels * classes + logits.argmax(1)).to(at::kCPU);
  counts += cell.bincount({}, classes * classes).view({classes, classes});
}

absl::StatusOr<at::Tensor> ConfusionMatrix(model::Model& model, const data::Dataset& dataset,
                                           const at::Device& device, StopSignal& stop) {
  const int64_t classes = model.num_classes();
  at::Tensor counts = at::zeros({classes, classes}, at::kLong);
  const absl::Status status =
      ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        CountPredictions(model.Forward(batch.inputs, model::Mode::kEvaluation).logits, batch.labels,
                         counts);
      });
  if (!status.ok()) return status;
  return counts;
}

double Accuracy(const at::Tensor& confusion) {
  return confusion.trace().item<double>() / confusion.sum().item<double>();
}

std::vector<double> PerClassAccuracy(const at::Tensor& confusion) {
  const at::Tensor shares = confusion.diag().to(at::kDouble) / confusion.sum(1).to(at::kDouble);
  const at::Tensor contiguous = shares.contiguous();
  const double* const values = contiguous.data_ptr<double>();
  return std::vector<double>(values, values + contiguous.numel());
}

}  // namespace acclimate::train
