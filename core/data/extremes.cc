#include "core/data/extremes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace acclimate::data {
namespace {

int64_t Width(const Dataset& dataset) {
  int64_t width = 1;
  for (const int64_t extent : dataset.sample_shape()) width *= extent;
  return width;
}

// That are looked at together: little beside a mapped file.
int64_t RowsAtOnce(const Dataset& dataset) {
  constexpr int64_t kValues = 1 << 20;
  return std::max<int64_t>(kValues / Width(dataset), 1);
}

}  // namespace

Extremes FindExtremes(const Dataset& dataset, double limit) {
  Extremes extremes;
  if (dataset.stored_type() == at::kByte || dataset.token_ids()) return extremes;
  const int64_t width = Width(dataset), rows = RowsAtOnce(dataset);
  for (int64_t begin = 0; begin < dataset.size(); begin += rows) {
    const int64_t end = std::min(begin + rows, dataset.size());
    const at::Tensor values = dataset.Slice(begin, end, at::kCPU).inputs.flatten(1);
    const at::Tensor magnitudes = values.abs();
    const at::Tensor over = magnitudes.amax(1).gt(limit);
    const int64_t count = over.sum().item<int64_t>();
    if (count == 0) continue;
    extremes.samples += count;
    const int64_t largest = magnitudes.argmax().item<int64_t>();
    const double value = values.flatten()[largest].item<double>();
    if (std::abs(value) <= std::abs(extremes.value)) continue;
    extremes.sample = begin + largest / width;
    extremes.place = largest % width;
    extremes.value = value;
  }
  return extremes;
}

at::Tensor UsualSamples(const Dataset& dataset, double most) {
  if (dataset.stored_type() == at::kByte || dataset.token_ids()) {
    return at::arange(dataset.size(), at::kLong);
  }
  const int64_t rows = RowsAtOnce(dataset);
  std::vector<at::Tensor> largest;
  for (int64_t begin = 0; begin < dataset.size(); begin += rows) {
    const int64_t end = std::min(begin + rows, dataset.size());
    largest.push_back(dataset.Slice(begin, end, at::kCPU).inputs.flatten(1).abs().amax(1));
  }
  const at::Tensor magnitudes = at::cat(largest);
  const double median = magnitudes.median().item<double>();
  if (median == 0) return at::arange(dataset.size(), at::kLong);
  return magnitudes.le(most * median).nonzero().squeeze(1);
}

}  // namespace acclimate::data
