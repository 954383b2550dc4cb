#include "core/data/label_forms.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"
#include "core/io/shape_text.h"

namespace acclimate::data {
namespace {

// For labels of one row a sample and several columns.
absl::Status RefuseRows(const at::Tensor& labels, const std::string& name) {
  const at::Tensor values = labels.to(at::kDouble);
  const bool shares =
      values.ge(0).all().item<bool>() && (values.sum(1) - 1).abs().le(1e-3).all().item<bool>();
  const bool one_hot = shares && values.eq(values.round()).all().item<bool>();
  return BadData(name, "labels has shape ", io::ShapeText(labels.sizes()),
                 one_hot  ? ", one-hot rows: store the classes, labels = labels.argmax(1)"
                 : shares ? ", probabilities: store the classes, labels = labels.argmax(1)"
                          : ", but must be one class a sample, [N]");
}

std::string ValueText(const at::Tensor& value) {
  return value.is_floating_point() ? absl::StrCat(value.item<double>())
                                   : absl::StrCat(value.item<int64_t>());
}

int64_t FirstOf(const at::Tensor& mask) { return mask.nonzero()[0].item<int64_t>(); }

}  // namespace

absl::StatusOr<at::Tensor> ReadLabels(const at::Tensor& labels, int64_t samples,
                                      const std::string& name) {
  if (labels.is_complex()) return BadData(name, "labels holds complex numbers");
  if (labels.dim() == 2 && labels.size(0) == samples && labels.size(1) > 1) {
    return RefuseRows(labels, name);
  }
  const bool column = labels.dim() == 2 && labels.size(1) == 1;
  if ((labels.dim() != 1 && !column) || labels.size(0) != samples) {
    return BadData(name, "labels has shape ", io::ShapeText(labels.sizes()), ", but inputs holds ",
                   samples, " samples");
  }
  // Wide enough for what they are compared with.
  const at::Tensor values =
      labels.reshape({samples}).to(labels.is_floating_point() ? at::kDouble : at::kLong);
  if (values.is_floating_point()) {
    const at::Tensor whole = values.eq(values.round());
    if (!whole.all().item<bool>()) {
      const int64_t index = FirstOf(whole.logical_not());
      const at::Tensor value = values[index];
      if (value.isnan().item<bool>()) {
        return BadData(name, "labels[", index,
                       "] is not a number; the label of a sample that has none is -1: "
                       "np.nan_to_num(labels, nan=-1)");
      }
      return BadData(name, "labels[", index, "] is ", ValueText(value),
                     ", but classes are whole numbers from 0");
    }
  }
  // Before the conversion, which would wrap what is too large.
  const at::Tensor outside = values.lt(kNoLabel).logical_or(values.ge(kMostClasses));
  if (outside.any().item<bool>()) {
    const int64_t index = FirstOf(outside);
    return BadData(name, "labels[", index, "] is ", ValueText(values[index]),
                   ", but classes count from 0, and -1 says that a sample has none");
  }
  return values.to(at::kLong).contiguous();
}

NamedLabels ReadLabelNames(const std::vector<std::string>& labels) {
  std::map<std::string, int64_t> classes;
  for (const std::string& label : labels) {
    if (!label.empty()) classes[label] = 0;
  }
  NamedLabels named;
  for (auto& [name, number] : classes) {
    number = static_cast<int64_t>(named.names.size());
    named.names.push_back(name);
  }
  named.classes = at::full({static_cast<int64_t>(labels.size())}, kNoLabel, at::kLong);
  int64_t* const values = named.classes.data_ptr<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i].empty()) values[i] = classes.at(labels[i]);
  }
  return named;
}

absl::StatusOr<at::Tensor> RecodeLabels(const at::Tensor& classes,
                                        const std::vector<std::string>& from,
                                        const std::vector<std::string>& to,
                                        const std::string& name) {
  std::vector<int64_t> numbers;
  for (const std::string& class_name : from) {
    const auto found = std::find(to.begin(), to.end(), class_name);
    numbers.push_back(found == to.end() ? kNoLabel : found - to.begin());
  }
  at::Tensor recoded = classes.clone();
  int64_t* const values = recoded.data_ptr<int64_t>();
  for (int64_t i = 0; i < recoded.numel(); ++i) {
    if (values[i] == kNoLabel) continue;
    const auto place = static_cast<size_t>(values[i]);
    if (place >= numbers.size() || numbers[place] == kNoLabel) {
      constexpr size_t kShown = 10;
      const size_t shown = std::min(to.size(), kShown);
      return BadData(name, "labels[", i, "] is ",
                     place < from.size() ? absl::StrCat("\"", from[place], "\"")
                                         : absl::StrCat(place, ", which has no name"),
                     ", but the classes are ",
                     absl::StrJoin(to.begin(), to.begin() + static_cast<int64_t>(shown), ", "),
                     to.size() > shown ? absl::StrCat(" and ", to.size() - shown, " more") : "");
    }
    values[i] = numbers[place];
  }
  return recoded;
}

}  // namespace acclimate::data
