#include "core/data/dataset_checks.h"

#include <algorithm>
#include <map>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/io/shape_text.h"

namespace acclimate::data {
namespace {

// "3, 0, 27" for the element at `offset` of a contiguous tensor of this shape.
std::string IndexOf(int64_t offset, at::IntArrayRef shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0; offset /= shape[i]) index[i] = offset % shape[i];
  return absl::StrJoin(index, ", ");
}

// As NumPy has it.
std::string DtypeName(at::ScalarType type) {
  static const auto* kNames = new std::map<at::ScalarType, const char*>{
      {at::kLong, "int64"}, {at::kInt, "int32"},     {at::kShort, "int16"},
      {at::kChar, "int8"},  {at::kBool, "bool"},     {at::kComplexFloat, "complex64"},
      {at::kByte, "uint8"}, {at::kFloat, "float32"}, {at::kComplexDouble, "complex128"}};
  const auto found = kNames->find(type);
  return found == kNames->end() ? c10::toString(type) : found->second;
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
    return BadData(name, "inputs has shape ", io::ShapeText(inputs.sizes()),
                   ", but must be [N, ...]");
  }
  if (inputs.size(0) == 0) return BadData(name, "inputs holds no samples");
  if (inputs.numel() == 0)
    return BadData(name, "inputs has empty samples: ", io::ShapeText(inputs.sizes()));
  if (inputs.scalar_type() == at::kByte) return inputs.contiguous();
  if (!inputs.is_floating_point()) {
    return BadData(name, "inputs has dtype ", DtypeName(inputs.scalar_type()),
                   ", but must be uint8 or floating point: inputs = inputs.astype(np.float32)");
  }
  at::Tensor values = inputs.to(at::kFloat).contiguous();
  if (absl::Status status = CheckFinite(values, name); !status.ok()) return status;
  return values;
}

}  // namespace acclimate::data
