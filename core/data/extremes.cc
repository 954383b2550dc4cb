#include "core/data/extremes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace acclimate::data {

Extremes FindExtremes(const Dataset& dataset, double limit) {
  constexpr int64_t kValues = 1 << 20;  // at once: little beside a mapped file
  Extremes extremes;
  if (dataset.stored_type() == at::kByte) return extremes;
  int64_t width = 1;
  for (const int64_t extent : dataset.sample_shape()) width *= extent;
  const int64_t rows = std::max<int64_t>(kValues / width, 1);
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

}  // namespace acclimate::data
