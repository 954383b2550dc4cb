#include "core/data/fields.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/io/shape_text.h"

namespace acclimate::data {
namespace {

constexpr char kInputs[] = "inputs";
constexpr char kLabels[] = "labels";
// The first whole number that a float32 does not hold exactly.
constexpr int64_t kFloatLimit = int64_t{1} << 24;

std::string Names(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (name != kLabels)
      names.push_back(absl::StrCat("\"", name, "\" ", io::ShapeText(tensor.sizes())));
  }
  return names.empty() ? "none" : absl::StrJoin(names, ", ");
}

// "3, 7" for the first true value of a contiguous mask.
std::string FirstIn(const at::Tensor& mask) {
  const at::Tensor index = mask.nonzero()[0];
  std::vector<int64_t> places;
  for (int64_t i = 0; i < index.size(0); ++i) places.push_back(index[i].item<int64_t>());
  return absl::StrJoin(places, ", ");
}

int64_t ValueAtFirst(const at::Tensor& values, const at::Tensor& mask) {
  return values.masked_select(mask)[0].item<int64_t>();
}

absl::StatusOr<at::Tensor> WholeNumbers(const at::Tensor& tensor, const Field& field,
                                        const std::string& file) {
  at::Tensor values = tensor.to(at::kLong);
  if (tensor.is_floating_point()) {
    const at::Tensor broken = tensor.to(at::kDouble).ne(values);
    if (broken.any().item<bool>()) {
      return BadData(file, field.name, "[", FirstIn(broken), "] is ",
                     tensor.masked_select(broken)[0].item<double>(),
                     ", but token ids are whole numbers");
    }
  }
  const int64_t limit = field.limit > 0 ? field.limit : kFloatLimit;
  const at::Tensor below = values.lt(0), above = values.ge(limit);
  if (below.any().item<bool>()) {
    return BadData(file, field.name, "[", FirstIn(below), "] is ", ValueAtFirst(values, below),
                   ", but token ids count from 0");
  }
  if (above.any().item<bool>()) {
    return BadData(file, field.name, "[", FirstIn(above), "] is ", ValueAtFirst(values, above),
                   ", but the model knows the tokens 0 to ", limit - 1);
  }
  return values.to(at::kFloat);
}

absl::StatusOr<at::Tensor> Numbers(const at::Tensor& tensor, const Field& field,
                                   const std::string& file) {
  const at::Tensor values = tensor.to(at::kFloat);
  const at::Tensor wrong = values.isfinite().logical_not();
  if (!wrong.any().item<bool>()) return values;
  return BadData(file, field.name, "[", FirstIn(wrong), "] is not finite (as float32)");
}

}  // namespace

bool NeedPacking(const Fields& fields) {
  return fields.size() > 1 || (!fields.empty() && fields[0].whole_numbers);
}

absl::StatusOr<at::Tensor> Pack(const std::map<std::string, at::Tensor>& tensors,
                                const Fields& fields, const std::string& file) {
  std::vector<at::Tensor> planes;
  at::Tensor first;
  for (const Field& field : fields) {
    auto found = tensors.find(field.name);
    if (found == tensors.end() && planes.empty()) found = tensors.find(kInputs);
    if (found == tensors.end()) {
      return BadData(file, "the model takes \"", field.name,
                     "\", which is not there; found: ", Names(tensors));
    }
    const at::Tensor& tensor = found->second;
    if (tensor.dim() < 2 || tensor.numel() == 0) {
      return BadData(file, found->first, " has shape ", io::ShapeText(tensor.sizes()),
                     ", but must be [N, ...]");
    }
    if (!first.defined()) first = tensor;
    if (tensor.sizes() != first.sizes()) {
      return BadData(file, found->first, " has shape ", io::ShapeText(tensor.sizes()), ", but \"",
                     fields[0].name, "\" has ", io::ShapeText(first.sizes()),
                     "; the inputs of a model must be alike");
    }
    absl::StatusOr<at::Tensor> plane =
        field.whole_numbers ? WholeNumbers(tensor, field, file) : Numbers(tensor, field, file);
    if (!plane.ok()) return plane;
    planes.push_back(*std::move(plane));
  }
  return planes.size() == 1 ? planes[0].contiguous() : at::stack(planes, 1);
}

}  // namespace acclimate::data
