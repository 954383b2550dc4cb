#include "core/methods/target_statistics.h"

#include <torch/types.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

// Mean and sum of squared deviations by channel, in double; batches are merged with the formula of
// Chan, Golub and LeVeque (1983), which does not cancel.
class ChannelMoments {
 public:
  // input: [N, C, ...].
  void Add(const at::Tensor& input) {
    std::vector<int64_t> dims(input.dim());
    for (int64_t i = 0; i < input.dim(); ++i) dims[i] = i;
    dims.erase(dims.begin() + 1);
    const auto [variance, mean] = at::var_mean(input, dims, /*unbiased=*/false);
    const double count = static_cast<double>(input.numel() / input.size(1));
    const at::Tensor batch_mean = mean.to(at::kDouble);
    const at::Tensor batch_squares = variance.to(at::kDouble) * count;
    if (count_ == 0) {
      count_ = count;
      mean_ = batch_mean;
      squares_ = batch_squares;
      return;
    }
    const double total = count_ + count;
    const at::Tensor shift = batch_mean - mean_;
    mean_ = mean_ + shift * (count / total);
    squares_ = squares_ + batch_squares + shift.square() * (count_ * count / total);
    count_ = total;
  }

  const at::Tensor& mean() const { return mean_; }
  at::Tensor UnbiasedVariance() const { return squares_ / std::max(count_ - 1.0, 1.0); }

 private:
  double count_ = 0;
  at::Tensor mean_, squares_;  // double [C]
};

void Mix(const at::Tensor& stored, const at::Tensor& target, double alpha) {
  // Not 0 * stored at alpha = 1: a stored NaN would stay.
  stored.copy_(alpha == 1.0 ? target : stored.to(at::kDouble) * (1.0 - alpha) + target * alpha);
}

}  // namespace

absl::StatusOr<ChannelStatistics> InputStatistics(model::Model& model, size_t layer,
                                                  const data::Dataset& dataset,
                                                  const at::Device& device,
                                                  train::StopSignal& stop) {
  ChannelMoments moments;
  const absl::Status status =
      train::ForEachBatch(dataset, device, stop, [&](int64_t, const data::Batch& batch) {
        moments.Add(model.BatchNormInput(layer, batch.inputs));
      });
  if (!status.ok()) return status;
  return ChannelStatistics{moments.mean(), moments.UnbiasedVariance()};
}

absl::Status AdaptLayerStatistics(model::Model& model, size_t layer, const data::Dataset& target,
                                  const at::Device& device, double alpha, train::StopSignal& stop) {
  const model::BatchNormLayer& norm = model.batch_norm_layers()[layer];
  if (!norm.running_mean.defined()) return absl::OkStatus();
  const absl::StatusOr<ChannelStatistics> statistics =
      InputStatistics(model, layer, target, device, stop);
  if (!statistics.ok()) return statistics.status();
  const at::NoGradGuard no_grad;
  Mix(norm.running_mean, statistics->mean, alpha);
  Mix(norm.running_var, statistics->variance, alpha);
  return absl::OkStatus();
}

absl::Status RecomputeStatistics(model::Model& model, const data::Dataset& target,
                                 const at::Device& device, train::StopSignal& stop) {
  for (size_t layer = 0; layer < model.batch_norm_layers().size(); ++layer) {
    absl::Status status = AdaptLayerStatistics(model, layer, target, device, 1.0, stop);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace acclimate::methods
