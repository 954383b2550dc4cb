#include "core/data/class_names.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/bad_data.h"

namespace acclimate::data {
namespace {

// For a message: all of a few, the first of many.
std::string SomeOf(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  const auto end = names.begin() + static_cast<int64_t>(std::min(names.size(), kShown));
  return absl::StrCat(absl::StrJoin(names.begin(), end, ", "),
                      names.size() > kShown ? absl::StrCat(", ... (", names.size(), ")") : "");
}

}  // namespace

void ClassTexts::Add(absl::string_view text, absl::string_view place) {
  auto found = index_.find(std::string(text));
  if (found == index_.end()) {
    found = index_.emplace(std::string(text), static_cast<int32_t>(texts_.size())).first;
    texts_.push_back({std::string(text), std::string(place)});
  }
  samples_.push_back(found->second);
}

absl::StatusOr<at::Tensor> ClassTexts::ToClasses(const std::string& file, bool numbers_count,
                                                 std::vector<std::string>& names) const {
  absl::StatusOr<std::vector<int64_t>> classes = ClassesOfTexts(file, numbers_count, names);
  if (!classes.ok()) return classes.status();
  at::Tensor labels = at::empty({size()}, at::kLong);
  int64_t* const label = labels.data_ptr<int64_t>();
  for (size_t i = 0; i < samples_.size(); ++i) label[i] = (*classes)[samples_[i]];
  return labels;
}

absl::StatusOr<std::vector<int64_t>> ClassTexts::ClassesOfTexts(
    const std::string& file, bool numbers_count, std::vector<std::string>& names) const {
  absl::StatusOr<std::vector<int64_t>> by_name = ByName(file, names);
  if (!names.empty() && by_name.ok()) return by_name;
  if (numbers_count) {
    absl::StatusOr<std::vector<int64_t>> by_number = ByNumber(file);
    if (by_number.ok()) return by_number;
    // Numbers that are no classes would make names of no use.
    if (names.empty() && absl::IsOutOfRange(by_number.status())) {
      return absl::InvalidArgumentError(by_number.status().message());
    }
  }
  if (!names.empty()) return by_name;
  for (const Text& text : texts_) names.push_back(text.text);
  std::sort(names.begin(), names.end());
  return ByName(file, names);
}

absl::StatusOr<std::vector<int64_t>> ClassTexts::ByName(
    const std::string& file, const std::vector<std::string>& names) const {
  std::map<absl::string_view, int64_t> class_of;
  for (size_t i = 0; i < names.size(); ++i) class_of[names[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> classes;
  for (const Text& text : texts_) {
    const auto found = class_of.find(text.text);
    if (found == class_of.end()) {
      return BadData(file, text.place, ": the label \"", text.text,
                     "\" is none of the model's classes: ", SomeOf(names));
    }
    classes.push_back(found->second);
  }
  return classes;
}

absl::StatusOr<std::vector<int64_t>> ClassTexts::ByNumber(const std::string& file) const {
  std::vector<int64_t> classes;
  for (const Text& text : texts_) {
    double number = 0;
    if (!absl::SimpleAtod(text.text, &number)) return absl::NotFoundError("not all are numbers");
    if (number != std::floor(number) || std::abs(number) >= 1e15) {
      return absl::OutOfRangeError(
          absl::StrCat(file, ": ", text.place, ": the label ", text.text,
                       " is no whole number; classes are whole numbers from 0, or names"));
    }
    classes.push_back(static_cast<int64_t>(number));
  }
  return classes;
}

}  // namespace acclimate::data
