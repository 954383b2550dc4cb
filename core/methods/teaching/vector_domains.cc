#include "core/methods/teaching/vector_domains.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/selection/predictions.h"

namespace acclimate::methods {

double HeldOutAccuracy(const ClassicalPredictions& predictions, const MethodContext& context) {
  if (!predictions.held_out.defined()) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor right = predictions.held_out.argmax(1).eq(LabelsOf(context.held_out));
  return right.to(at::kDouble).mean().item<double>();
}

absl::Status CheckVectors(const MethodContext& context, const std::string& method) {
  if (context.target.token_ids()) {
    return absl::InvalidArgumentError(
        absl::StrCat("target: samples are token ids, ", method, " takes vectors"));
  }
  const std::vector<int64_t> shape = context.target.sample_shape();
  if (shape.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("target: samples have shape [",
                                                   absl::StrJoin(shape, ", "), "], ", method,
                                                   " takes vectors"));
  }
  if (shape[0] > kMostVectorValues) {
    return absl::InvalidArgumentError(absl::StrCat("target: samples have ", shape[0], " values, ",
                                                   method, " takes at most ", kMostVectorValues));
  }
  if (context.target.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("target: has one sample, ", method, " needs two or more"));
  }
  return absl::OkStatus();
}

int64_t SamplesOf(int64_t values, const MethodContext& context) {
  constexpr int64_t kFewest = 2000;
  return std::max(kFewest, values / context.target.sample_shape()[0]);
}

at::Tensor StoredSample(const data::Dataset& dataset, int64_t count, uint64_t seed) {
  return selection::Sample(dataset, count, seed, /*labels=*/false).stored_inputs();
}

at::Tensor LabelsOf(const std::vector<data::Dataset>& datasets) {
  std::vector<at::Tensor> labels;
  for (const data::Dataset& dataset : datasets) labels.push_back(dataset.labels());
  return at::cat(labels);
}

absl::StatusOr<at::Tensor> PredictInParts(
    const data::Dataset& dataset, int64_t most, uint64_t seed, train::StopSignal& stop,
    const std::function<at::Tensor(const at::Tensor& samples)>& predict) {
  const int64_t parts = (dataset.size() + most - 1) / most;
  const at::Tensor order =
      at::randperm(dataset.size(), at::detail::createCPUGenerator(seed), at::kLong);
  at::Tensor predictions;
  for (const at::Tensor& part : order.chunk(parts)) {
    if (absl::Status status = stop.Check(); !status.ok()) return status;
    const at::Tensor rows = predict(dataset.StoredAt(part)).to(at::kFloat);
    if (!predictions.defined()) predictions = at::empty({dataset.size(), rows.size(1)});
    predictions.index_copy_(0, part, rows);
  }
  return predictions;
}

}  // namespace acclimate::methods
