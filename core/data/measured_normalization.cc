#include "core/data/measured_normalization.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

namespace acclimate::data {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 28;
constexpr int64_t kLeastSamples = 10'000;
constexpr int64_t kValuesAtOnce = 1 << 20;

int64_t ValuesOf(const std::vector<int64_t>& sample_shape) {
  int64_t values = 1;
  for (const int64_t extent : sample_shape) values *= extent;
  return values;
}

// Merged part by part (Chan, Golub, LeVeque 1979), so that a large mean costs no digits.
class Moments {
 public:
  // values: double [channels, n]
  void Add(const at::Tensor& values) {
    const auto count = static_cast<double>(values.size(1));
    const at::Tensor mean = values.mean(1);
    const at::Tensor squares = (values - mean.unsqueeze(1)).square_().sum(1);
    zeros_ += values.eq(0).sum().item<int64_t>();
    if (count_ == 0) {
      mean_ = mean;
      squares_ = squares;
    } else {
      const at::Tensor distance = mean - mean_;
      const double all = count_ + count;
      mean_ += distance * (count / all);
      squares_ += squares + distance.square() * (count_ * count / all);
    }
    count_ += count;
  }

  MeasuredNormalization Result() const {
    constexpr double kRounding = 1e-6;  // of float32: what differs by less is one value
    const at::Tensor std = (squares_ / count_).sqrt();
    const at::Tensor constant = std.le(mean_.abs() * kRounding);
    const at::Tensor divisor = at::where(constant, at::ones_like(std), std);
    const auto values = [](const at::Tensor& tensor) {
      const at::Tensor stored = tensor.contiguous();
      const double* begin = stored.data_ptr<double>();
      return std::vector<double>(begin, begin + stored.numel());
    };
    return {{values(mean_), values(divisor)},
            static_cast<double>(zeros_) / (count_ * static_cast<double>(mean_.numel()))};
  }

 private:
  double count_ = 0;  // of each channel
  int64_t zeros_ = 0;
  at::Tensor mean_, squares_;  // double [channels]
};

}  // namespace

MeasuredNormalization MeasureNormalization(const std::vector<const Dataset*>& datasets) {
  int64_t samples = 0;
  for (const Dataset* dataset : datasets) samples += dataset->size();
  const int64_t width = ValuesOf(datasets.front()->sample_shape());
  const int64_t most = std::max(kLeastSamples, kMostValues / width);
  const int64_t step = (samples + most - 1) / most;
  const int64_t rows = std::max<int64_t>(kValuesAtOnce / width, 1) * step;
  Moments moments;
  for (const Dataset* dataset : datasets) {
    for (int64_t begin = 0; begin < dataset->size(); begin += rows) {
      const int64_t end = std::min(begin + rows, dataset->size());
      const at::Tensor index = at::arange(begin, end, step, at::kLong);
      const at::Tensor inputs = dataset->Gather(index, at::kCPU).inputs.to(at::kDouble);
      moments.Add(inputs.transpose(0, 1).flatten(1));
    }
  }
  return moments.Result();
}

}  // namespace acclimate::data
