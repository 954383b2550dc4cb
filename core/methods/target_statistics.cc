#include "core/methods/target_statistics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "core/train/pass.h"

namespace acclimate::methods {
namespace {

// Below it the moments of a batch say little of a domain.
constexpr int64_t kLeastBatch = 64;

// Mean and sum of squared deviations by channel, in double; batches are merged with the formula of
// Chan, Golub and LeVeque (1983), which does not cancel.
class ChannelMoments {
 public:
  void Add(const model::BatchMoments& batch) {
    const double count = static_cast<double>(batch.count);
    const at::Tensor batch_mean = batch.mean.to(at::kDouble);
    const at::Tensor batch_squares = batch.variance.to(at::kDouble) * count;
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

  ChannelStatistics Statistics() const { return {mean_, squares_ / std::max(count_ - 1.0, 1.0)}; }

 private:
  double count_ = 0;
  at::Tensor mean_, squares_;  // double [C]
};

// input: [N, C, ...].
model::BatchMoments MomentsOf(const at::Tensor& input) {
  std::vector<int64_t> dims(input.dim());
  for (int64_t i = 0; i < input.dim(); ++i) dims[i] = i;
  dims.erase(dims.begin() + 1);
  const auto [variance, mean] = at::var_mean(input, dims, /*unbiased=*/false);
  return {mean, variance, input.numel() / input.size(1)};
}

void Mix(const at::Tensor& stored, const at::Tensor& target, double alpha) {
  // Not 0 * stored at alpha = 1: a stored NaN would stay.
  stored.copy_(alpha == 1.0 ? target : stored.to(at::kDouble) * (1.0 - alpha) + target * alpha);
}

void MixInto(const model::BatchNormLayer& layer, const ChannelStatistics& target, double alpha) {
  if (!layer.running_mean.defined()) return;
  const at::NoGradGuard no_grad;
  Mix(layer.running_mean, target.mean, alpha);
  Mix(layer.running_var, target.variance, alpha);
}

}  // namespace

int64_t StatisticsBatchSize(const std::vector<int64_t>& sample_shape) {
  return std::max(train::PassBatchSize(sample_shape), kLeastBatch);
}

absl::StatusOr<std::vector<ChannelStatistics>> MeasureStatistics(
    model::Model& model, const data::Dataset& dataset, const at::Device& device, double share,
    train::StopSignal& stop, const SeeOutputs& see) {
  std::vector<ChannelMoments> moments(model.batch_norm_layers().size());
  const absl::Status status = train::ForEachMixedBatch(
      dataset, device, StatisticsBatchSize(dataset.sample_shape()), stop,
      [&](const at::Tensor& index, const data::Batch& batch) {
        const model::MomentsResult result = model.ForwardWithMoments(batch.inputs, share);
        for (size_t i = 0; i < moments.size(); ++i) moments[i].Add(result.layers[i]);
        if (see) see(index, result.output);
      });
  if (!status.ok()) return status;
  std::vector<ChannelStatistics> statistics;
  for (const ChannelMoments& layer : moments) statistics.push_back(layer.Statistics());
  return statistics;
}

absl::Status AdaptStatistics(model::Model& model, const data::Dataset& target,
                             const at::Device& device, double alpha, train::StopSignal& stop,
                             const SeeOutputs& see) {
  if (model.batch_norm_layers().empty() && !see) return absl::OkStatus();
  const absl::StatusOr<std::vector<ChannelStatistics>> statistics =
      MeasureStatistics(model, target, device, alpha, stop, see);
  if (!statistics.ok()) return statistics.status();
  for (size_t i = 0; i < statistics->size(); ++i) {
    MixInto(model.batch_norm_layers()[i], (*statistics)[i], alpha);
  }
  return absl::OkStatus();
}

absl::Status RecomputeStatistics(model::Model& model, const data::Dataset& target,
                                 const at::Device& device, train::StopSignal& stop) {
  return AdaptStatistics(model, target, device, 1.0, stop);
}

absl::Status AdaptLayerStatistics(model::Model& model, size_t layer, const data::Dataset& target,
                                  const at::Device& device, double alpha, train::StopSignal& stop) {
  if (!model.batch_norm_layers()[layer].running_mean.defined()) return absl::OkStatus();
  ChannelMoments moments;
  const absl::Status status =
      train::ForEachBatch(target, device, stop, [&](int64_t, const data::Batch& batch) {
        moments.Add(MomentsOf(model.BatchNormInput(layer, batch.inputs)));
      });
  if (!status.ok()) return status;
  MixInto(model.batch_norm_layers()[layer], moments.Statistics(), alpha);
  return absl::OkStatus();
}

}  // namespace acclimate::methods
