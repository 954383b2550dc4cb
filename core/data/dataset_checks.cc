#include "core/data/dataset_checks.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"

namespace acclimate::data {
namespace {

std::string Shape(const at::Tensor& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.sizes(), ", "), "]");
}

// "3, 0, 27" for the element at `offset` of a contiguous tensor of this shape.
std::string IndexOf(int64_t offset, at::IntArrayRef shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0; offset /= shape[i]) index[i] = offset % shape[i];
  return absl::StrJoin(index, ", ");
}

absl::Status CheckFinite(const at::Tensor& inputs, const std::string& name) {
  constexpr int64_t kChunk = 1 << 20;  // keeps the intermediate small beside a mapped file
  at::Tensor values = inputs.view(-1);
  for (int64_t begin = 0; begin < values.numel(); begin += kChunk) {
    at::Tensor chunk = values.slice(0, begin, std::min(begin + kChunk, values.numel()));
    at::Tensor finite = chunk.isfinite();
    if (finite.all().item<bool>()) continue;
    int64_t offset = finite.logical_not().nonzero()[0].item<int64_t>();
    bool nan = chunk[offset].isnan().item<bool>();
    return BadData(name, "inputs[", IndexOf(begin + offset, inputs.sizes()), "] is ",
                   nan ? "not a number" : "infinite", " (as float32)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<at::Tensor> CheckInputs(const at::Tensor& inputs, const std::string& name) {
  if (inputs.dim() < 2) {
    return BadData(name, "inputs has shape ", Shape(inputs), ", but must be [N, ...]");
  }
  if (inputs.size(0) == 0) return BadData(name, "inputs holds no samples");
  if (inputs.numel() == 0) return BadData(name, "inputs has empty samples: ", Shape(inputs));
  if (inputs.scalar_type() == at::kByte) return inputs.contiguous();
  if (!inputs.is_floating_point()) {
    return BadData(name, "inputs has dtype ", c10::toString(inputs.scalar_type()),
                   ", but must be uint8 or floating point");
  }
  at::Tensor values = inputs.to(at::kFloat).contiguous();
  if (absl::Status status = CheckFinite(values, name); !status.ok()) return status;
  return values;
}

absl::StatusOr<at::Tensor> CheckLabels(const at::Tensor& labels, int64_t samples,
                                       const std::string& name) {
  at::ScalarType type = labels.scalar_type();
  if (type != at::kLong && type != at::kInt && type != at::kByte) {
    return BadData(name, "labels has dtype ", c10::toString(type),
                   ", but must be int64, int32 or uint8");
  }
  if (labels.dim() != 1 || labels.size(0) != samples) {
    return BadData(name, "labels has shape ", Shape(labels), ", but inputs holds ", samples,
                   " samples");
  }
  at::Tensor classes = labels.to(at::kLong).contiguous();
  at::Tensor outside = (classes < 0).logical_or_(classes >= kMostClasses);
  if (outside.any().item<bool>()) {
    int64_t index = outside.nonzero()[0].item<int64_t>();
    return BadData(name, "labels[", index, "] is ", classes[index].item<int64_t>(),
                   ", but classes count from 0");
  }
  return classes;
}

}  // namespace acclimate::data
