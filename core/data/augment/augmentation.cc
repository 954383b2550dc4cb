#include "core/data/augment/augmentation.h"

#include <ATen/ATen.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace acclimate::data {
namespace {

constexpr size_t kImageDimensions = 3;        // of one sample
constexpr int64_t kStatisticsSamples = 4096;  // features' means to 1.6 % of their deviation

}  // namespace

absl::StatusOr<Augmentation> Augmentation::Create(const AugmentationOptions& options,
                                                  const Dataset& dataset,
                                                  const at::Device& device) {
  if (dataset.token_ids()) {
    return absl::InvalidArgumentError(
        "samples are token ids, neither images nor series nor vectors");
  }
  const std::vector<int64_t> shape = dataset.sample_shape();
  if (shape.empty() || shape.size() > kImageDimensions) {
    return absl::InvalidArgumentError(
        absl::StrCat("samples of shape [", absl::StrJoin(shape, ", "),
                     "] are neither images [C, H, W] nor series [C, L] nor vectors [D]"));
  }
  if (shape.size() == kImageDimensions) return Augmentation(options, {});
  const int64_t step = (dataset.size() + kStatisticsSamples - 1) / kStatisticsSamples;
  const at::Tensor index = at::arange(0, dataset.size(), step, at::kLong);
  return Augmentation(options, StatisticsOf(dataset.Gather(index, device).inputs));
}

at::Tensor Augmentation::View(const at::Tensor& inputs) const {
  if (!statistics_.mean.defined()) {
    return Apply(DrawImageTransform(options_.images, inputs.sizes(), inputs.device()), inputs);
  }
  return Apply(DrawSeriesTransform(options_.series, inputs.sizes(), inputs.device()), statistics_,
               inputs);
}

}  // namespace acclimate::data
