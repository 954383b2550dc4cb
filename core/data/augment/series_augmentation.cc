#include "core/data/augment/series_augmentation.h"

#include <ATen/ATen.h>

#include <vector>

namespace acclimate::data {
namespace {

bool IsSeries(at::IntArrayRef sizes) { return sizes.size() == 3; }

at::Tensor DrawMask(double masking, at::IntArrayRef sizes, const at::TensorOptions& options) {
  if (!IsSeries(sizes)) return at::rand(sizes, options).lt(masking);
  const int64_t count = sizes[0], length = sizes[2];
  const at::Tensor window = at::rand({count, 1, 1}, options) * (masking * length);
  const at::Tensor begin = at::rand({count, 1, 1}, options) * (length - window);
  const at::Tensor place = at::arange(length, options) + 0.5;
  return place.ge(begin).logical_and_(place.lt(begin + window));
}

}  // namespace

FeatureStatistics StatisticsOf(const at::Tensor& sample) {
  const std::vector<int64_t> dims =
      IsSeries(sample.sizes()) ? std::vector<int64_t>{0, 2} : std::vector<int64_t>{0};
  const auto [deviation, mean] = at::std_mean(sample, dims, /*unbiased=*/false, /*keepdim=*/true);
  return {mean.squeeze(0), deviation.squeeze(0)};
}

SeriesTransform DrawSeriesTransform(const SeriesAugmentation& augmentation, at::IntArrayRef sizes,
                                    const at::Device& device) {
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  SeriesTransform transform;
  if (augmentation.scaling > 0) {
    const int64_t channels = IsSeries(sizes) ? sizes[1] : 1;
    at::Tensor factor = at::randn({sizes[0], channels}, options) * augmentation.scaling + 1;
    transform.factor = IsSeries(sizes) ? factor.unsqueeze(2) : factor;
  }
  if (augmentation.jitter > 0) {
    transform.noise = at::randn(sizes, options).mul_(augmentation.jitter);
  }
  if (augmentation.masking > 0) {
    transform.masked = DrawMask(augmentation.masking, sizes, options);
  }
  return transform;
}

at::Tensor Apply(const SeriesTransform& transform, const FeatureStatistics& statistics,
                 const at::Tensor& inputs) {
  at::Tensor result = inputs;
  if (transform.factor.defined()) {
    result = statistics.mean + transform.factor * (result - statistics.mean);
  }
  if (transform.noise.defined()) result = result + transform.noise * statistics.deviation;
  if (transform.masked.defined()) {
    result = at::where(transform.masked, statistics.mean, result);
  }
  return result;
}

}  // namespace acclimate::data
